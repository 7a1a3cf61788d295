/*
 * stats_long_run.h - how sure a single run is of its means and quantiles, though neighbours in it
 * are alike: the long-run variance, from few cosines.
 *
 *     values, in order of time      v v v v v v v v v v v v v v v v      mean 0
 *     cosine 1                      \_________________            half a wave over the run
 *     cosine 2                      \_______/---------\_______    a whole one, and so on to K
 *
 *     projection k   L(k) = sqrt(2 / n) sum of v(i) cos(pi k (i + 1/2) / n)
 *     variance of the mean of v    (L(1)^2 + ... + L(K)^2) / (K n)     Student's t, K degrees
 *
 * The slowest waves of a series carry what the mean of so long a series varies by; K of them are
 * nearly independent and nearly normal, so their mean square has a t distribution with few degrees
 * of freedom, and needs no block length (Mueller, "A theory of robust long-run variance
 * estimation", J. Econometrics 141, 2007; Lazarus, Lewis, Stock and Watson, "HAR inference:
 * recommendations for practice", J. Business & Economic Statistics 36, 2018).
 *
 * That holds while the K waves are slow against the memory of the series. How long that is comes
 * from the correlation of neighbouring batch means (100 batches; as in Law and Carson, "A
 * sequential procedure for determining the length of a steady-state simulation", Operations
 * Research 27, 1979), read as that of an exponential memory of T batches, u = 1 / T:
 *
 *     r(u) = (1 - exp(-u))^2 / (2 (u - 1 + exp(-u)))       batch means of exp(-|t| / T), integrated
 *     bias of r in 100 values: -(1 + 3 r) / 100 (Kendall, Biometrika 41, 1954), added back
 *     stretches = 100 u / 2      the run's length over 2 T: independent values that tell as much
 *
 * Against such a memory K waves see a variance that is too small by atan(x) / x, x = pi K / (2
 * stretches), the mean of 1 / (1 + w^2) up to x; which is mended. tests/validity measures what is
 * left; below 25 stretches it is too much.
 *
 * Pure functions.
 */
#ifndef SGL_ANALYSIS_STATS_LONG_RUN_H
#define SGL_ANALYSIS_STATS_LONG_RUN_H

#include <stddef.h>
#include <stdint.h>

#define SGL_LONG_RUN_BATCHES 100
#define SGL_LONG_RUN_COSINES_LEAST 4
#define SGL_LONG_RUN_COSINES 8
#define SGL_LONG_RUN_STRETCHES_MOST 1500.0 /* more cannot be told from independence */

/* Cosines of a series of `count` values: `table` has room for SGL_LONG_RUN_COSINES * count. */
void sgl_long_run_table(double *table, uint32_t count);

/* The projections of a series of mean 0. */
void sgl_long_run_project(const double *table, const double *values, uint32_t count,
                          double out[static SGL_LONG_RUN_COSINES]);

/* Means of 100 batches of neighbours, as long as each other within one value; count >= 100. */
void sgl_long_run_batches(const double *values, uint32_t count,
                          double out[static SGL_LONG_RUN_BATCHES]);

/* Independent stretches of a series with those batch means, 0.5 to 1,500; where all are the same
 * nothing hangs together: 1,500. */
double sgl_long_run_stretches(const double batches[static SGL_LONG_RUN_BATCHES]);

/* How many cosines a series of so many stretches bears: a tenth, 4 to 8. */
uint32_t sgl_long_run_cosines(double stretches);

/* Variance of the mean of a series, from the first so many of its projections. */
double sgl_long_run_variance(const double projections[static SGL_LONG_RUN_COSINES],
                             uint32_t cosines, double stretches, uint32_t count);

#endif
