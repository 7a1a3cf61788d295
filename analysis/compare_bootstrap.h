/*
 * compare_bootstrap.h - private to compare: effects between two single runs, request by request.
 *
 *     paired     one draw of blocks serves both: request i of the one goes with i of the other
 *     separate   each run is drawn by itself
 *
 * The standard deviation of the log ratio (of the difference, where a value is 0) over the
 * replicates is its standard error. The block length l is the longest that any series asks for.
 * Gaps between tokens hang together within a request, so their mean is one of requests: the sum of
 * all gaps over their number, both summed over the requests drawn. Their percentiles are not: what
 * is kept of a run's gaps does not say whose they were.
 *
 * Two corrections, without which short runs find a difference that is not there in 12 % (600
 * requests) instead of 5 (tests/validity):
 *
 *     missed     blocks miss what they tear apart: the share G / (g l) of the variance, with g the
 *                spectrum at 0 and G = sum of |k| R(k). The length that a series asks for is
 *                L = (G / g)^(2/3) n^(1/3), so the share is L sqrt(L / n) / l
 *     freedom    the variance is itself an estimate, of relative variance 2 l / n, as of n / l
 *                degrees of freedom: Student's t, not the normal distribution
 *
 * Bias and variance: Politis and White, Econometric Reviews 23, 2004, and Patton, Politis and
 * White, 28, 2009. Of the two sides the worse one counts. What is left is 10 % at worst (600).
 * A statistic has no interval of fewer than 200 requests, or with fewer than 20 beyond the
 * quantile: p95 needs 400, p99 2,000.
 */
#ifndef SGL_ANALYSIS_COMPARE_BOOTSTRAP_H
#define SGL_ANALYSIS_COMPARE_BOOTSTRAP_H

#include "analysis/compare.h"

struct sgl_bootstrap_plan {
    bool is_paired; /* request i goes with request i, where there are as many */
    double margin;  /* a share */
    uint64_t seed;
};

/* Fills the latencies of `effects`, which are unknown so far; those that nobody measured stay so.
 */
int sgl_bootstrap_effects(const struct sgl_detail *baseline, const struct sgl_detail *other,
                          const struct sgl_bootstrap_plan *plan, struct sgl_effect *effects,
                          struct sgl_failure *failure);

/* An effect from its estimate (log ratio, or difference) and standard error; compare.c. */
void sgl_effect_fill(struct sgl_effect *effect, double estimate, double error, double freedom,
                     double margin);

#endif
