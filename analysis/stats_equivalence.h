/*
 * stats_equivalence.h - "no difference" as a finding: two one-sided tests (TOST).
 *
 *     ratio     1/(1+m)           1           1+m
 *     log  ------[----------------0------------]------      the 90 % interval of the mean log ratio
 *               -d       |<---- interval ---->| +d          inside: equal within the margin
 *
 * Rejects both "the ratio is at most 1/(1+m)" and "at least 1+m", each at alpha = 0.05; the same as
 * the 90 % interval lying inside (Schuirmann, "A comparison of the two one-sided tests procedure
 * and the power approach", J. Pharmacokinetics and Biopharmaceutics 15, 1987). On logs the margin
 * is the same whichever side is called the baseline. A large p of the usual test is no such
 * finding.
 *
 * Pure functions.
 */
#ifndef SGL_ANALYSIS_STATS_EQUIVALENCE_H
#define SGL_ANALYSIS_STATS_EQUIVALENCE_H

#include <stdbool.h>

struct sgl_equivalence {
    double low; /* 90 % interval of the log ratio */
    double high;
    double p_value; /* the larger of the two one-sided ones */
    bool is_shown;  /* p_value < 0.05 */
};

/* Of a mean log ratio with its standard error and degrees of freedom (infinity: normal); `margin`
 * as a share: 0.05 for 5 %. With an error of 0 the ratio is known exactly. */
struct sgl_equivalence sgl_equivalence_test(double log_ratio, double error, double freedom,
                                            double margin);

#endif
