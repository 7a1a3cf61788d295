/*
 * samples.h - many measurements of one thing, and their quantiles.
 *
 *     added   1 ......... 131,072 | ....... 10,000,000 .......
 *     kept    each, 8 bytes       | its class (sample_classes.h), but for the last few
 *     a quantile is exact         | within 0.05 % (2^-11) of the exact one
 *
 * Classes are many and seldom in the processor's cache: so values are put into theirs 512 at a
 * time, and a class need not be there before the next one is looked for.
 *
 * Values are finite, at least 0, in one unit. Up to SGL_SAMPLES_EXACT_MAX of them all are kept; one
 * more, and from there on memory does not grow with n. (Of so many draws from a normal law the
 * median has a standard error of 0.35 % of their standard deviation, 1.25 / sqrt(n).) Whoever shows
 * such quantiles says beside them what sgl_samples_resolution() says. How many there are, their
 * sum, the least and the greatest stay exact, and in which order they come changes no quantile.
 *
 * Quantiles are linear between order statistics (type 7 of Hyndman and Fan, "Sample Quantiles in
 * Statistical Packages", 1996). Of values that all are kept:
 *
 *     sorted     radix sort over the bits of the doubles (for values from 0 up these order as
 *                integers), a pass per byte that differs: linear in n, twice the memory
 *     a few      only what shares its 11 first differing bits with a wanted one is sorted:
 *
 *                  | 5 | 0 | 9 | 31 | 4 | ...   how many of each        ranks wanted: 13, 14, 46
 *                  0   5   5   14   45  49 ...  the rank of the first   kept: the 9 and the 4
 *
 * The pages of an array that grew large are moved, not copied, by the C libraries we know: so the
 * first array is large, and what of it is never written costs nothing.
 */
#ifndef SGL_ANALYSIS_SAMPLES_H
#define SGL_ANALYSIS_SAMPLES_H

#include "analysis/sample_classes.h"
#include "core/failure.h"

#include <assert.h>
#include <float.h>
#include <stdbool.h>
#include <stddef.h>

#define SGL_SAMPLES_EXACT_MAX 131072

/* For those who show quantiles of which some have a resolution above 0. */
#define SGL_SAMPLES_CAVEAT                                                                         \
    "percentiles of more than 131,072 measurements are within 0.05 %, not exact"

/* All zero: none. */
struct sgl_samples {
    double *values; /* owned; those that are in no class; NULL when there never was one */
    size_t count;
    size_t classified; /* of them, in classes */
    size_t capacity;   /* of `values` */
    double sum;
    struct sgl_sample_classes *classes; /* owned; NULL as long as all values are kept */
    bool is_sorted;
};

/* Adds one for which `values` has no place. SGL_OK or SGL_ENOMEM. */
int sgl_samples_add_beyond(struct sgl_samples *samples, double value);

/* SGL_OK, or SGL_ENOMEM and it was not added. */
static inline int sgl_samples_add(struct sgl_samples *samples, double value)
{
    assert(value >= 0 && value <= DBL_MAX);
    value += 0.0; /* -0 would be the greatest of all */
    if (samples->count - samples->classified >= samples->capacity)
        return sgl_samples_add_beyond(samples, value);
    samples->values[samples->count++ - samples->classified] = value;
    samples->sum += value;
    samples->is_sorted = false;
    return SGL_OK;
}

/* What a quantile may be off, as a share of it: 0 as long as all values are kept. */
double sgl_samples_resolution(const struct sgl_samples *samples);

/* SGL_OK or SGL_ENOMEM (they are then in no order). */
int sgl_samples_sort(struct sgl_samples *samples);

/* Of sorted samples, q from 0 to 1; NaN when there are none. */
double sgl_samples_quantile(const struct sgl_samples *samples, double q);

/* The same of samples in any order, for `count` probabilities: out[i] is that of q[i]. SGL_OK or
 * SGL_ENOMEM. */
int sgl_samples_quantiles(struct sgl_samples *samples, const double *q, size_t count, double *out);

double sgl_samples_mean(const struct sgl_samples *samples);

void sgl_samples_release(struct sgl_samples *samples);

#endif
