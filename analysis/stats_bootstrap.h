/*
 * stats_bootstrap.h - how sure a single run is of its means and quantiles: the stationary block
 * bootstrap.
 *
 *     requests in order of arrival   1 2 3 4 5 6 7 8 9 ...
 *     a replicate                    [5 6 7] [2] [9 1 2 3] [5 6] ...   blocks begin anywhere, have
 *                                    geometric lengths, and go round at the end
 *
 * Neighbours in a queue wait alike; blocks keep them together (Politis and Romano, "The stationary
 * bootstrap", JASA 89, 1994). The mean length of a block is chosen from the autocovariances
 * (Politis and White, "Automatic block-length selection for the dependent bootstrap", Econometric
 * Reviews 23, 2004; the constant corrected by Patton, Politis and White, 28, 2009), at most 3
 * sqrt(n) and a third of n.
 *
 * A replicate is kept as how often each request was drawn, so that several series of the same
 * requests, two policies on one trace, are resampled alike, and quantiles of a replicate need no
 * sort: one walk over the order of the original.
 */
#ifndef SGL_ANALYSIS_STATS_BOOTSTRAP_H
#define SGL_ANALYSIS_STATS_BOOTSTRAP_H

#include "core/rng.h"

#include <stddef.h>
#include <stdint.h>

/* Mean, p50, p90, p95, p99. */
#define SGL_BOOTSTRAP_STATISTICS 5

/* A series of `count` values in order of arrival, ready to be resampled. NaN is a request that has
 * no value; it takes part in blocks, not in statistics. */
struct sgl_bootstrap_series {
    const double *values; /* borrowed */
    uint32_t count;
    uint32_t *order; /* owned: indices of the values that are there, smallest value first */
    uint32_t order_count;
};

/* SGL_OK or SGL_ENOMEM. */
int sgl_bootstrap_series_init(struct sgl_bootstrap_series *series, const double *values,
                              uint32_t count);
void sgl_bootstrap_series_release(struct sgl_bootstrap_series *series);

/* Mean block length for that series, from 1. */
double sgl_bootstrap_block_length(const double *values, uint32_t count);

/* Draws a replicate: counts[i] is how often request i is in it; they sum to `count`. */
void sgl_bootstrap_draw(struct sgl_rng *draws, double block_length, uint32_t *counts,
                        uint32_t count);

/* Statistics of the series with each request counted that often; counts NULL: once. Quantiles are
 * linear between order statistics (type 7). NaN when no value was drawn. */
void sgl_bootstrap_statistics(const struct sgl_bootstrap_series *series, const uint32_t *counts,
                              double out[static SGL_BOOTSTRAP_STATISTICS]);

#endif
