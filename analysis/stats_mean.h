/*
 * stats_mean.h - the mean of independent values: Student's interval, test and power.
 *
 *     half width = t(0.975; n - 1) s / sqrt(n)          p = P(|T(n - 1)| >= |mean| / (s / sqrt(n)))
 *
 * A paired comparison is this test on the n differences (or log ratios) of the pairs: what both
 * sides of a pair share, the arrivals and the luck of a seed, cancels (Law, Simulation Modeling and
 * Analysis, 5th ed., sections 9.4 and 11.2).
 *
 * Seeds needed: the smallest n with (t(1 - a; n - 1) + t(power; n - 1)) s / sqrt(n) <= margin, the
 * usual approximation of the noncentral t by a shifted central one (Julious, Sample Sizes for
 * Clinical Trials, 2010, section 3.2); it errs by at most a seed or two for small n.
 *
 * Pure functions. Unknown is NaN; n below 2 leaves everything but the mean unknown.
 */
#ifndef SGL_ANALYSIS_STATS_MEAN_H
#define SGL_ANALYSIS_STATS_MEAN_H

#include <stddef.h>
#include <stdint.h>

struct sgl_mean_test {
    uint32_t count;
    double mean;
    double deviation; /* of a single value, n - 1 in the denominator */
    double low;       /* of the 95 % interval of the mean */
    double high;
    double p_value; /* two-sided, of a mean of 0; NaN when all values are equal */
};

struct sgl_mean_test sgl_mean_test(const double *values, size_t count);

/* The same from a mean and its standard error with that many degrees of freedom (infinity: the
 * normal distribution), for estimates that are no plain means. */
struct sgl_mean_test sgl_mean_test_of(double mean, double error, double freedom);

/* How many values show a mean of `margin` (> 0) at that one-sided level with that power. 0: no
 * number up to 1,000,000 does, or the deviation is unknown. At least 2. */
uint32_t sgl_mean_count_needed(double deviation, double margin, double level, double power);

#endif
