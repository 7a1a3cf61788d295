/*
 * samples.h - many measurements of one thing, and their exact quantiles.
 *
 * Values are finite, at least 0, in one unit; 8 bytes each are kept, so memory grows with n.
 * Quantiles are linear between order statistics (type 7 of Hyndman and Fan, "Sample Quantiles in
 * Statistical Packages", 1996).
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

#include "core/failure.h"

#include <assert.h>
#include <float.h>
#include <stdbool.h>
#include <stddef.h>

struct sgl_samples {
    double *values; /* owned */
    size_t count;
    size_t capacity;
    double sum;
    bool is_sorted;
};

/* Makes room for one more. SGL_OK or SGL_ENOMEM. */
int sgl_samples_grow(struct sgl_samples *samples);

/* SGL_OK, or SGL_ENOMEM and nothing was added. */
static inline int sgl_samples_add(struct sgl_samples *samples, double value)
{
    assert(value >= 0 && value <= DBL_MAX);
    if (samples->count == samples->capacity && sgl_samples_grow(samples) != SGL_OK)
        return SGL_ENOMEM;
    samples->values[samples->count++] = value;
    samples->sum += value;
    samples->is_sorted = false;
    return SGL_OK;
}

/* SGL_OK or SGL_ENOMEM (the order is then as it was). */
int sgl_samples_sort(struct sgl_samples *samples);

/* Of sorted samples, q from 0 to 1; NaN when there are none. */
double sgl_samples_quantile(const struct sgl_samples *samples, double q);

/* The same of samples in any order, for `count` probabilities: out[i] is that of q[i]. SGL_OK or
 * SGL_ENOMEM. */
int sgl_samples_quantiles(const struct sgl_samples *samples, const double *q, size_t count,
                          double *out);

double sgl_samples_mean(const struct sgl_samples *samples);

void sgl_samples_release(struct sgl_samples *samples);

#endif
