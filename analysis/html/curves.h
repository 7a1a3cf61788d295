/*
 * curves.h - the quantile functions of an arm's runs, put together.
 */
#ifndef SGL_ANALYSIS_HTML_CURVES_H
#define SGL_ANALYSIS_HTML_CURVES_H

#include "analysis/compare.h"

/* At each probability: the mean over the runs, the least and the most; ms, NaN without values. */
struct sgl_curve {
    double mean[SGL_CURVE_POINTS];
    double least[SGL_CURVE_POINTS];
    double most[SGL_CURVE_POINTS];
    bool is_empty;
};

void sgl_curve_of(struct sgl_curve *curve, const struct sgl_arm *arm, enum sgl_metric metric);

/* Some arm of the load has measured it. */
bool sgl_metric_is_measured(const struct sgl_comparison *comparison, uint32_t load,
                            enum sgl_metric metric);

#endif
