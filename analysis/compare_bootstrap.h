/*
 * compare_bootstrap.h - private to compare: effects between two single runs, request by request.
 *
 *     paired     one draw of blocks serves both: request i of the one goes with i of the other
 *     separate   each run is drawn by itself
 *
 * The standard deviation of the log ratio (of the difference, where a value is 0) over the
 * replicates is its standard error. The block length is the longest that any series asks for.
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
