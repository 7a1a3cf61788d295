/*
 * gate.h - a limit on a figure that fails a run of continuous integration.
 *
 *     ttft_p99>+5%        the change against the baseline, in percent
 *     goodput<-2%
 *     ttft_p99>500ms      the figure itself: latencies in ms, s, us, ns; others without unit
 *     failed_share>0.01
 *
 * A gate fails when it is shown, at the 5 % level, that its limit is passed: for a change, when the
 * one-sided 95 % bound of the estimate is beyond it; for a figure, when the bound of its mean over
 * the runs is. An estimate beyond the limit that is not shown to be is told, and passes: more seeds
 * would settle it. With a single run and no interval the estimate itself decides. A figure that
 * nothing measured cannot be judged.
 */
#ifndef SGL_ANALYSIS_GATE_H
#define SGL_ANALYSIS_GATE_H

#include "analysis/compare.h"

enum sgl_gate_outcome {
    SGL_GATE_PASSED,
    SGL_GATE_DOUBTFUL, /* beyond the limit, but not shown */
    SGL_GATE_FAILED,
    SGL_GATE_UNKNOWN, /* not measured */
};

struct sgl_gate {
    const char *text; /* borrowed: as written */
    int figure;
    bool is_above;    /* '>', else '<' */
    bool is_relative; /* in percent, of the baseline */
    double limit;     /* a share, or in the figure's unit */
    /* Set by judging: the worst over all arms but the baseline, and all loads. */
    enum sgl_gate_outcome outcome;
    uint32_t arm;
    uint32_t load;
    double value; /* estimate there, as the limit */
    double bound; /* one-sided 95 %; NaN without an interval */
};

int sgl_gate_parse(struct sgl_gate *gate, const char *text, struct sgl_failure *failure);
void sgl_gate_judge(struct sgl_gate *gate, const struct sgl_comparison *comparison);
const char *sgl_gate_outcome_name(enum sgl_gate_outcome outcome);

#endif
