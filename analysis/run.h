/*
 * run.h - what is kept of one run: everything that all kinds of output read.
 *
 *     simulation or log --> summary.h --> struct sgl_run     one per load, seed and policy: small
 *                       \-> detail.h  --> struct sgl_detail  one per policy: every request
 */
#ifndef SGL_ANALYSIS_RUN_H
#define SGL_ANALYSIS_RUN_H

#include "analysis/figures.h"

/* A distribution as its quantiles at fixed probabilities: 0, 1 % ... 99 %, then 99.1 % ... 99.9 %,
 * then 99.91 % ... 99.99 %, then 1. */
#define SGL_CURVE_POINTS 119

double sgl_curve_probability(int point);

struct sgl_run {
    uint64_t seed;
    uint64_t requests;
    uint64_t succeeded;
    uint64_t failed;
    uint64_t unfinished;
    double figures[SGL_FIGURE_COUNT];
    uint64_t counts[SGL_METRIC_COUNT];                 /* measurements behind the latencies */
    double curves[SGL_METRIC_COUNT][SGL_CURVE_POINTS]; /* ms; NaN without measurements */
    double good_share;                                 /* of succeeded and failed; NaN */
    double duration_s;
    double offered_per_s; /* arrivals over their span; NaN for fewer than two */
    double resolution;    /* what percentiles of requests may be off, as a share; 0: exact */
    struct sgl_saturation_verdict saturation;
    uint64_t decisions;
    uint64_t reasons[SGL_REASON_COUNT];
    uint32_t worker_count;
    double cache_hit_rate_predicted;
    uint64_t without_max_tokens;
    uint64_t cut_to_max_tokens;
    uint64_t cut_to_memory;
    uint64_t cut_in_flight; /* by an end set to the run: not answered by then */
    uint64_t cut_arrivals;  /* not arrived by then */
    uint64_t rejected;      /* not let in, so they failed */
};

/* Takes the figures of a finished and sorted summary. */
void sgl_run_fill(struct sgl_run *run, const struct sgl_summary *summary,
                  const struct sgl_summary_result *result);

#endif
