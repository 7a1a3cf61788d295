#include "stats_mean.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdbool.h>

#define CONFIDENCE_UPPER 0.975 /* two-sided 95 % */
#define COUNT_MAX 1000000
#define FREEDOM_NORMAL 1e6 /* from here on t is the normal distribution to seven digits */

static double t_quantile(double p, double freedom)
{
    return freedom < FREEDOM_NORMAL ? gsl_cdf_tdist_Pinv(p, freedom) : gsl_cdf_ugaussian_Pinv(p);
}

static double t_upper(double x, double freedom)
{
    return freedom < FREEDOM_NORMAL ? gsl_cdf_tdist_Q(x, freedom) : gsl_cdf_ugaussian_Q(x);
}

struct sgl_mean_test sgl_mean_test_of(double mean, double error, double freedom)
{
    const double half = t_quantile(CONFIDENCE_UPPER, freedom) * error;

    return (struct sgl_mean_test){
        .mean = mean,
        .deviation = (double)NAN,
        .low = mean - half,
        .high = mean + half,
        .p_value = error > 0 ? 2 * t_upper(fabs(mean) / error, freedom) : (double)NAN,
    };
}

struct sgl_mean_test sgl_mean_test(const double *values, size_t count)
{
    const double unknown = (double)NAN;
    struct sgl_mean_test test = {(uint32_t)count, unknown, unknown, unknown, unknown, unknown};
    double sum = 0;
    double squares = 0;

    if (count == 0)
        return test;
    /* Two passes: values may be far from 0 and close together. Equal values have no deviation,
     * whatever the rounding of their sum. */
    bool is_constant = true;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        is_constant = is_constant && values[i] == values[0];
    }
    test.mean = is_constant ? values[0] + 0.0 : sum / (double)count;
    if (count < 2 || isnan(test.mean))
        return test;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - test.mean) * (values[i] - test.mean);
    const double deviation = sqrt(squares / (double)(count - 1));
    test = sgl_mean_test_of(test.mean, deviation / sqrt((double)count), (double)(count - 1));
    test.count = (uint32_t)count;
    test.deviation = deviation;
    return test;
}

uint32_t sgl_mean_count_needed(double deviation, double margin, double level, double power)
{
    uint32_t low = 1;
    uint32_t high = COUNT_MAX;

    if (!isfinite(deviation) || !(margin > 0))
        return 0;
    /* The left side falls with n, so bisect: `low` is too few, `high` is enough. */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        const double freedom = (double)(middle - 1);
        const double sum = t_quantile(1 - level, freedom) + t_quantile(power, freedom);
        if (sum * deviation / sqrt((double)middle) <= margin)
            high = middle;
        else
            low = middle;
    }
    return high < COUNT_MAX ? high : 0;
}
