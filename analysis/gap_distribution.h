/*
 * gap_distribution.h - gaps between tokens of one worker or of many, from their classes.
 *
 * A quantile is the mean of the class in which its rank lies (the rank below, q (n - 1)), so at
 * most 1/128 from the exact one, and exact where all steps last equally long; the longest gap and
 * the mean are exact. Classes may come in any order and more than once: equal ones are added up.
 */
#ifndef SGL_ANALYSIS_GAP_DISTRIBUTION_H
#define SGL_ANALYSIS_GAP_DISTRIBUTION_H

#include "core/gaps.h"

/* What a quantile may be off, as a share of it. */
#define SGL_GAP_RESOLUTION (1.0 / 128)

/* All zero: empty. */
struct sgl_gap_distribution {
    struct sgl_gap_class *classes; /* owned; ascending */
    uint32_t class_count;
    uint32_t class_capacity;
    uint64_t count;
    double sum_s;
};

/* Adds what a worker counted, in ascending order (core/gaps.h). SGL_OK or SGL_ENOMEM; SGL_EINVAL:
 * more classes than there are. */
int sgl_gap_distribution_add(struct sgl_gap_distribution *distribution,
                             const struct sgl_gap_class *classes, uint32_t class_count);

/* In ns, q from 0 to 1; NaN when there are none. */
double sgl_gap_distribution_quantile(const struct sgl_gap_distribution *distribution, double q);
double sgl_gap_distribution_mean(const struct sgl_gap_distribution *distribution);

/* The share of gaps up to a limit in ns, each class counted where its mean is; NaN when there are
 * none. */
double sgl_gap_distribution_within(const struct sgl_gap_distribution *distribution,
                                   double limit_ns);

void sgl_gap_distribution_release(struct sgl_gap_distribution *distribution);

#endif
