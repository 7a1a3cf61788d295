#include "stats_long_run.h"

#include <math.h>

#define PI 3.14159265358979323846
#define COSINES SGL_LONG_RUN_COSINES
#define BATCHES SGL_LONG_RUN_BATCHES
#define HALVINGS 60
#define ROUNDING 1e-24 /* of squares: what differs by less is the same */

void sgl_long_run_table(double *table, uint32_t count)
{
    const double scale = sqrt(2.0 / count);

    for (uint32_t i = 0; i < count; i++)
        for (int k = 0; k < COSINES; k++)
            table[(size_t)i * COSINES + (size_t)k] = scale * cos(PI * (k + 1) * (i + 0.5) / count);
}

void sgl_long_run_project(const double *table, const double *values, uint32_t count,
                          double out[static COSINES])
{
    for (int k = 0; k < COSINES; k++)
        out[k] = 0;
    for (uint32_t i = 0; i < count; i++)
        for (int k = 0; k < COSINES; k++)
            out[k] += values[i] * table[(size_t)i * COSINES + (size_t)k];
}

void sgl_long_run_batches(const double *values, uint32_t count, double out[static BATCHES])
{
    for (uint32_t b = 0; b < BATCHES; b++) {
        const uint32_t begin = (uint32_t)((uint64_t)b * count / BATCHES);
        const uint32_t end = (uint32_t)(((uint64_t)b + 1) * count / BATCHES);
        out[b] = 0;
        for (uint32_t i = begin; i < end; i++)
            out[b] += values[i] / (end - begin);
    }
}

/* Correlation of neighbouring batches that are u times as long as the memory. */
static double correlation_of(double u)
{
    const double gone = -expm1(-u);

    return gone * gone / (2 * (u - gone));
}

double sgl_long_run_stretches(const double batches[static BATCHES])
{
    double mean = 0;
    double squares = 0;
    double products = 0;
    double all = 0;

    for (int b = 0; b < BATCHES; b++) {
        mean += batches[b] / BATCHES;
        all += batches[b] * batches[b];
    }
    for (int b = 0; b < BATCHES; b++) {
        squares += (batches[b] - mean) * (batches[b] - mean);
        if (b > 0)
            products += (batches[b] - mean) * (batches[b - 1] - mean);
    }
    if (!(squares > ROUNDING * all))
        return SGL_LONG_RUN_STRETCHES_MOST;
    const double raw = products / squares;
    const double correlation = raw + (1 + 3 * raw) / BATCHES;
    /* It falls as u grows: bisection, between the ends of what can be told. */
    double low = 1.0 / BATCHES;
    double high = 2 * SGL_LONG_RUN_STRETCHES_MOST / BATCHES;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (low + high) / 2;
        if (correlation_of(middle) > correlation)
            low = middle;
        else
            high = middle;
    }
    return BATCHES * low / 2;
}

uint32_t sgl_long_run_cosines(double stretches)
{
    return (uint32_t)fmin(fmax(floor(stretches / 10), SGL_LONG_RUN_COSINES_LEAST), COSINES);
}

double sgl_long_run_variance(const double projections[static COSINES], uint32_t cosines,
                             double stretches, uint32_t count)
{
    const double x = PI * cosines / (2 * stretches);
    double squares = 0;

    for (uint32_t k = 0; k < cosines; k++)
        squares += projections[k] * projections[k];
    return squares / cosines / count * (x / atan(x));
}
