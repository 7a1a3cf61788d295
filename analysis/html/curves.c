#include "curves.h"

#include <math.h>

void sgl_curve_of(struct sgl_curve *curve, const struct sgl_arm *arm, enum sgl_metric metric)
{
    curve->is_empty = true;
    for (int i = 0; i < SGL_CURVE_POINTS; i++) {
        uint32_t count = 0;
        double sum = 0;
        curve->least[i] = (double)NAN;
        curve->most[i] = (double)NAN;
        for (uint32_t r = 0; r < arm->run_count; r++) {
            const double value = arm->runs[r].curves[metric][i];
            if (isnan(value))
                continue;
            count++;
            sum += value;
            curve->least[i] = fmin(curve->least[i], value);
            curve->most[i] = fmax(curve->most[i], value);
        }
        curve->mean[i] = count > 0 ? sum / count : (double)NAN;
        curve->is_empty = curve->is_empty && count == 0;
    }
}

bool sgl_metric_is_measured(const struct sgl_comparison *comparison, uint32_t load,
                            enum sgl_metric metric)
{
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++)
        for (uint32_t r = 0; r < sgl_comparison_arm(comparison, load, arm)->run_count; r++)
            if (sgl_comparison_arm(comparison, load, arm)->runs[r].counts[metric] > 0)
                return true;
    return false;
}
