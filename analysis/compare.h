/*
 * compare.h - several policies on the same question: levels, changes, and what they are worth.
 *
 *     runs of the baseline   a1 a2 ... an      level: mean over runs, 95 % t interval
 *     runs of another        b1 b2 ... bn      change: exp(mean of log(bi / ai)) - 1
 *
 * An arm is a policy with its runs; the first is the baseline. How the runs of two arms hang
 * together decides what the interval is made of:
 *
 *     seeds       bi and ai are the same requests with the same luck, simulated      paired t
 *     switchback  bi and ai are neighbours in time, live                             paired t
 *     requests    one run each over the same requests: paired by request     long-run t
 *     separate    one run each over different requests: not paired           long-run t
 *
 * The long-run t (stats_long_run.h, compare_single.h) is a standard error of the log ratio that
 * counts how long requests hang together, and its degrees of freedom. It is also used where all
 * seeds gave the same: then nothing was drawn, and the recorded requests themselves are the sample.
 * Rates have none, nor have percentiles of itl, nor what has too few requests, nor runs that hang
 * together for too long.
 *
 * A change is a ratio, in shares (0.05 = 5 % more), where all runs have the figure above 0; else it
 * is a difference in the figure's own unit, without a test of equivalence. Intervals are 95 % and
 * unadjusted; p_holm is adjusted over all changes of one load that have a p. Verdicts go by the
 * adjusted p (below 0.05) and, failing that, by TOST (stats_equivalence.h).
 */
#ifndef SGL_ANALYSIS_COMPARE_H
#define SGL_ANALYSIS_COMPARE_H

#include "analysis/detail.h"
#include "analysis/run.h"

#define SGL_COMPARE_LEVEL 0.05
#define SGL_COMPARE_POWER 0.8

enum sgl_pairing { SGL_PAIRED_SEEDS, SGL_PAIRED_SWITCHBACK, SGL_PAIRED_REQUESTS, SGL_UNPAIRED };

enum sgl_method {
    SGL_METHOD_NONE, /* no interval: one run, and no long-run t of such a figure */
    SGL_METHOD_PAIRED_T,
    SGL_METHOD_LONG_RUN_T,
    SGL_METHOD_EXACT, /* every pair is identical: nothing to estimate */
};

enum sgl_verdict {
    SGL_VERDICT_UNKNOWN, /* not measured, or no interval */
    SGL_VERDICT_BETTER,
    SGL_VERDICT_WORSE,
    SGL_VERDICT_EQUAL,     /* shown: within the margin */
    SGL_VERDICT_NOT_SHOWN, /* neither a difference nor equality */
};

struct sgl_level {
    uint32_t count; /* runs that have the figure */
    double mean;
    double low; /* 95 %; NaN for fewer than two runs */
    double high;
};

struct sgl_effect {
    enum sgl_method method;
    enum sgl_verdict verdict;
    uint32_t count; /* pairs; long-run t: requests of the smaller run */
    bool is_ratio;
    double change; /* a share, or in the figure's unit */
    double low;
    double high;
    double p_value;
    double p_holm;
    double error;     /* standard error of the log ratio or difference */
    double freedom;   /* degrees of freedom of that */
    double stretches; /* of single runs: as many independent values; NaN: not asked */
    double equal_low; /* 90 % interval, as a share; NaN without a test of equivalence */
    double equal_high;
    double equal_p;
    uint32_t runs_needed; /* pairs that would show a change of the margin; 0: unknown */
};

/* An arm at one load. */
struct sgl_arm {
    const char *label;          /* borrowed, as all that follows */
    const struct sgl_run *runs; /* in the order of pairing */
    uint32_t run_count;
    const struct sgl_run *recorded;  /* ? the run that the detail is of */
    const struct sgl_detail *detail; /* ? */
};

struct sgl_comparison {
    enum sgl_pairing pairing;
    double margin; /* a share */
    uint32_t arm_count;
    uint32_t load_count;
    const double *loads;
    struct sgl_arm *arms;       /* owned; load * arm_count + arm */
    struct sgl_level *levels;   /* owned; (load * arm_count + arm) * FIGURES + figure */
    struct sgl_effect *effects; /* owned; likewise, the baseline's unknown */
    uint32_t tests; /* p-values of a load that Holm's adjustment is over, at the first load */
};

/* Room for arms, to be filled by the caller. */
int sgl_comparison_init(struct sgl_comparison *comparison, uint32_t arm_count, uint32_t load_count,
                        struct sgl_failure *failure);

/* Computes levels and effects from the arms. */
int sgl_comparison_compute(struct sgl_comparison *comparison, struct sgl_failure *failure);

void sgl_comparison_release(struct sgl_comparison *comparison);

static inline struct sgl_arm *sgl_comparison_arm(const struct sgl_comparison *comparison,
                                                 uint32_t load, uint32_t arm)
{
    return &comparison->arms[(size_t)load * comparison->arm_count + arm];
}

static inline const struct sgl_level *sgl_comparison_level(const struct sgl_comparison *comparison,
                                                           uint32_t load, uint32_t arm, int figure)
{
    return &comparison->levels[((size_t)load * comparison->arm_count + arm) * SGL_FIGURE_COUNT +
                               (size_t)figure];
}

static inline const struct sgl_effect *
sgl_comparison_effect(const struct sgl_comparison *comparison, uint32_t load, uint32_t arm,
                      int figure)
{
    return &comparison->effects[((size_t)load * comparison->arm_count + arm) * SGL_FIGURE_COUNT +
                                (size_t)figure];
}

/* How many of the arm's runs are saturated, and of how many that could tell. */
uint32_t sgl_arm_saturated(const struct sgl_arm *arm, uint32_t *known_out);

/* Has a change of single runs no interval because they hang together for too long, rather than
 * because their requests are too few? */
bool sgl_effect_lacks_stretches(const struct sgl_effect *effect, int figure);

const char *sgl_verdict_name(enum sgl_verdict verdict);
const char *sgl_method_name(enum sgl_method method);
const char *sgl_pairing_name(enum sgl_pairing pairing);

#endif
