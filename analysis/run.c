#include "run.h"

#include <math.h>
#include <string.h>

double sgl_curve_probability(int point)
{
    if (point < 100)
        return point / 100.0;
    if (point < 109)
        return 0.99 + (point - 99) / 1000.0;
    if (point < SGL_CURVE_POINTS - 1)
        return 0.999 + (point - 108) / 10000.0;
    return 1;
}

void sgl_run_fill(struct sgl_run *run, const struct sgl_summary *summary,
                  const struct sgl_summary_result *result)
{
    const uint64_t ended = result->succeeded + result->failed;

    run->requests = result->requests;
    run->succeeded = result->succeeded;
    run->failed = result->failed;
    run->unfinished = result->unfinished;
    sgl_figures_fill(run->figures, result);
    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        run->counts[m] = result->metrics[m].count;
        for (int i = 0; i < SGL_CURVE_POINTS; i++)
            run->curves[m][i] = sgl_summary_quantile(summary, (enum sgl_metric)m,
                                                     fmin(sgl_curve_probability(i), 1)) /
                                1e6;
    }
    run->good_share = sgl_objectives_any(&result->objectives) && ended > 0 &&
                              result->unmeasured == SGL_METRIC_COUNT
                          ? (double)result->good / (double)ended
                          : (double)NAN;
    run->duration_s = result->duration_s;
    run->offered_per_s = sgl_summary_offered_per_s(summary);
    run->resolution = sgl_summary_resolution(result);
    run->saturation = result->saturation;
    run->decisions = result->decisions;
    memcpy(run->reasons, result->reasons, sizeof run->reasons);
    run->worker_count = result->worker_count;
    run->cache_hit_rate_predicted = result->cache_hit_rate_predicted;
}
