/*
 * compare_single.h - private to compare: effects between two single runs, request by request.
 *
 *     request i            -> what it adds to a statistic, to the first order (its influence)
 *     influences in order  -> long-run variance of the statistic (stats_long_run.h)
 *     backlog at arrivals  -> how many independent stretches the run is worth
 *
 *     mean        (v - mean) / share that has a value
 *     quantile q  (1{v > q} - (1 - p)) s / share; s = (Q(p + h) - Q(p - h)) / 2 h is the slope of
 *                 the quantile, h the half width of the interval of p itself (Woodruff, J. American
 *                 Statistical Association 47, 1952), at most 0.8 of what is left of the scale
 *     mean itl    (sum of its gaps - mean x their number) / gaps per request: requests are clusters
 *                 of gaps. Whose gaps the percentiles were of is not known
 *
 * The error is of the log ratio (of the difference, where a value is 0). Runs that go together:
 * the variance of the difference of their influences; K degrees of freedom. Separate runs: both
 * variances; Welch and Satterthwaite's degrees.
 *
 * K, the cosines, go by the longest memory there is, that of the answers: what waits for a first
 * token follows it a little, too.
 *
 * The backlog, requests that have arrived and are not answered (of queue time and ttft: have no
 * first token), has the memory of the queues without the noise of single requests, which hides it
 * in latencies. A metric's stretches are the fewest of both backlogs, of its own values on both
 * sides and of their difference. No interval:
 *
 *     of fewer than 200 requests, or 30 beyond the quantile (p90 300, p95 600, p99 3,000)
 *     of fewer than 25 stretches, or 1 beyond the quantile (p99 100)
 *
 * for what is left is then wrong in more than 7 % of the cases (tests/validity; analysis/README.md
 * has the figures).
 */
#ifndef SGL_ANALYSIS_COMPARE_SINGLE_H
#define SGL_ANALYSIS_COMPARE_SINGLE_H

#include "analysis/compare.h"

/* Fills the latencies of `effects`, which are unknown so far; those that nobody measured stay so,
 * and those without an interval get their stretches alone. Runs are paired when they have as many
 * requests. `margin` is a share. SGL_OK or SGL_ENOMEM. */
int sgl_single_effects(const struct sgl_detail *baseline, const struct sgl_detail *other,
                       bool is_paired, double margin, struct sgl_effect *effects,
                       struct sgl_failure *failure);

/* An effect from its estimate (log ratio, or difference) and standard error; compare.c. */
void sgl_effect_fill(struct sgl_effect *effect, double estimate, double error, double freedom,
                     double margin);

#endif
