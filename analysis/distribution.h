/*
 * distribution.h - the figures of many measurements of one thing: how many, mean, percentiles.
 *
 *     samples.h           of requests: ns each  ---\
 *     gap_distribution.h  of tokens: counts     ----+--> struct sgl_distribution
 *
 * Durations are in ns, and NaN when nothing was measured.
 */
#ifndef SGL_ANALYSIS_DISTRIBUTION_H
#define SGL_ANALYSIS_DISTRIBUTION_H

#include "analysis/gap_distribution.h"
#include "analysis/samples.h"

struct sgl_distribution {
    uint64_t count;
    double mean; /* ns, as the rest; NaN when count is 0 */
    double p50;
    double p90;
    double p95;
    double p99;
    double max;
    double resolution; /* what the percentiles may be off, as a share; 0: exact */
};

/* Of samples in any order, which it may change. SGL_OK or SGL_ENOMEM. */
int sgl_distribution_of(struct sgl_samples *samples, struct sgl_distribution *out);
struct sgl_distribution sgl_distribution_of_gaps(const struct sgl_gap_distribution *gaps);

#endif
