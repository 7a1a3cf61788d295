#include "stats_bootstrap.h"

#include "core/failure.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double probabilities[SGL_BOOTSTRAP_STATISTICS - 1] = {0.5, 0.9, 0.95, 0.99};

struct keyed {
    double value;
    uint32_t index;
};

static int compare_keyed(const void *left, const void *right)
{
    const struct keyed *a = left;
    const struct keyed *b = right;

    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

int sgl_bootstrap_series_init(struct sgl_bootstrap_series *series, const double *values,
                              uint32_t count)
{
    struct keyed *keyed = malloc((count + 1) * sizeof *keyed);

    *series = (struct sgl_bootstrap_series){.values = values, .count = count};
    series->order = malloc((count + 1) * sizeof *series->order);
    if (keyed == NULL || series->order == NULL) {
        free(keyed);
        sgl_bootstrap_series_release(series);
        return SGL_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            keyed[series->order_count++] = (struct keyed){values[i], i};
    qsort(keyed, series->order_count, sizeof *keyed, compare_keyed);
    for (uint32_t i = 0; i < series->order_count; i++)
        series->order[i] = keyed[i].index;
    free(keyed);
    return SGL_OK;
}

void sgl_bootstrap_series_release(struct sgl_bootstrap_series *series)
{
    free(series->order);
    *series = (struct sgl_bootstrap_series){0};
}

/* Flat-top lag window of Politis and Romano (1995). */
static double lag_weight(double t)
{
    return t <= 0.5 ? 1 : t <= 1 ? 2 * (1 - t) : 0;
}

static double autocovariance(const double *values, uint32_t count, double mean, uint32_t lag)
{
    double sum = 0;

    for (uint32_t i = lag; i < count; i++)
        if (!isnan(values[i]) && !isnan(values[i - lag]))
            sum += (values[i] - mean) * (values[i - lag] - mean);
    return sum / count;
}

/* The smallest lag after which `quiet` correlations in a row are insignificant: m of the paper. */
static uint32_t last_significant_lag(const double *covariances, uint32_t lag_max, uint32_t quiet,
                                     double bound)
{
    uint32_t run = 0;

    for (uint32_t lag = 1; lag <= lag_max; lag++) {
        run = fabs(covariances[lag]) < bound * covariances[0] ? run + 1 : 0;
        if (run == quiet)
            return lag - quiet;
    }
    return lag_max;
}

double sgl_bootstrap_block_length(const double *values, uint32_t count)
{
    enum { LAGS = 2048 };
    double covariances[LAGS];
    double mean = 0;
    uint32_t known = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (isnan(values[i]))
            continue;
        mean += values[i];
        known++;
    }
    if (known < 2)
        return 1;
    mean /= known;
    const double n = count;
    const uint32_t quiet = (uint32_t)fmax(5, ceil(sqrt(log10(n))));
    const uint32_t lag_max = (uint32_t)fmin(fmin(ceil(sqrt(n)) + quiet, n - 1), (double)LAGS - 1);
    for (uint32_t lag = 0; lag <= lag_max; lag++)
        covariances[lag] = autocovariance(values, count, mean, lag);
    if (!(covariances[0] > 0))
        return 1;
    uint32_t m = last_significant_lag(covariances, lag_max, quiet, 2 * sqrt(log10(n) / n));
    const uint32_t window = 2 * m < lag_max ? 2 * m : lag_max;
    double spectrum = covariances[0];
    double curvature = 0;
    for (uint32_t lag = 1; lag <= window; lag++) {
        const double weighted = 2 * lag_weight((double)lag / window) * covariances[lag];
        spectrum += weighted;
        curvature += weighted * lag;
    }
    const double length = cbrt(2 * curvature * curvature / (2 * spectrum * spectrum)) * cbrt(n);
    return fmin(fmax(length, 1), ceil(fmin(3 * sqrt(n), n / 3)));
}

void sgl_bootstrap_draw(struct sgl_rng *draws, double block_length, uint32_t *counts,
                        uint32_t count)
{
    const double log_stay = log1p(-1 / block_length); /* -inf for a length of 1 */
    uint32_t drawn = 0;

    /* First as differences: +1 where a block begins, -1 behind its end. Unsigned arithmetic wraps
     * and comes back. */
    memset(counts, 0, count * sizeof *counts);
    while (drawn < count) {
        const uint32_t begin = sgl_rng_below(draws, count);
        const double u = 1 - sgl_rng_uniform(draws);
        const double geometric = 1 + (block_length > 1 ? floor(log(u) / log_stay) : 0);
        const uint32_t left = count - drawn;
        const uint32_t length = geometric < left ? (uint32_t)geometric : left;
        const uint32_t straight = length < count - begin ? length : count - begin;
        counts[begin]++;
        if (begin + straight < count)
            counts[begin + straight]--;
        if (length > straight) {
            counts[0]++;
            counts[length - straight]--;
        }
        drawn += length;
    }
    for (uint32_t i = 1; i < count; i++)
        counts[i] += counts[i - 1];
}

void sgl_bootstrap_statistics(const struct sgl_bootstrap_series *series, const uint32_t *counts,
                              double out[static SGL_BOOTSTRAP_STATISTICS])
{
    uint64_t total = 0;
    double sum = 0;

    for (uint32_t i = 0; i < series->order_count; i++) {
        const uint32_t times = counts != NULL ? counts[series->order[i]] : 1;
        total += times;
        sum += times * series->values[series->order[i]];
    }
    for (int s = 0; s < SGL_BOOTSTRAP_STATISTICS; s++)
        out[s] = (double)NAN;
    if (total == 0)
        return;
    out[0] = sum / (double)total;
    /* One walk: order statistic k is reached when `before` + times passes k. */
    uint64_t before = 0;
    int wanted = 0;
    double low = 0;
    bool has_low = false;
    for (uint32_t i = 0; i < series->order_count; i++) {
        const uint32_t times = counts != NULL ? counts[series->order[i]] : 1;
        const double value = series->values[series->order[i]];
        while (wanted < SGL_BOOTSTRAP_STATISTICS - 1) {
            const double at = probabilities[wanted] * (double)(total - 1);
            const uint64_t floor_rank = (uint64_t)at;
            const uint64_t next_rank = floor_rank + 1 < total ? floor_rank + 1 : floor_rank;
            if (!has_low && floor_rank < before + times) {
                low = value;
                has_low = true;
            }
            if (!has_low || next_rank >= before + times)
                break;
            out[1 + wanted] = low + (at - (double)floor_rank) * (value - low);
            has_low = false;
            wanted++;
        }
        before += times;
    }
}
