#include "stats_equivalence.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

#define ALPHA 0.05

static double t_upper(double x, double freedom)
{
    return isinf(freedom) ? gsl_cdf_ugaussian_Q(x) : gsl_cdf_tdist_Q(x, freedom);
}

struct sgl_equivalence sgl_equivalence_test(double log_ratio, double error, double freedom,
                                            double margin)
{
    const double limit = log1p(margin);
    struct sgl_equivalence result = {(double)NAN, (double)NAN, (double)NAN, false};

    if (!isfinite(log_ratio) || !(error >= 0) || !(freedom > 0))
        return result;
    const double t =
        isinf(freedom) ? gsl_cdf_ugaussian_Qinv(ALPHA) : gsl_cdf_tdist_Qinv(ALPHA, freedom);
    result.low = log_ratio - t * error;
    result.high = log_ratio + t * error;
    if (error > 0) {
        const double above = t_upper((log_ratio + limit) / error, freedom);
        const double below = t_upper((limit - log_ratio) / error, freedom);
        result.p_value = fmax(above, below);
        result.is_shown = result.p_value < ALPHA;
    } else {
        result.is_shown = fabs(log_ratio) < limit;
    }
    return result;
}
