/*
 * experiment.h - the same requests through several policies, for several seeds and loads.
 *
 *                      seed 1     seed 2    ...  seed n       and once more, with the trace as it
 *     load 1   A B C |  .  .  . |  .  .  .     |  .  .  .      was recorded and the first seed, at
 *     load 2   A B C |  .  .  . |  .  .  .     |  .  .  .      the first load: struct sgl_detail
 *
 * and all of that for each of the simulations asked for (fleets, as a rule): the first is the one
 * with details. Each cell is a simulation of its own, run by whichever thread is free; all policies
 * of a seed and load see the same requests and the same luck. The results are those of one thread,
 * bit for bit.
 *
 * Warm-up, when it is to be cut: every cell is run twice. The first time only tells its MSER-5 cut
 * (of e2e in order of arrival); the latest of all cells is cut from all, the second time. When any
 * cell has none, nothing is cut and the result says that the runs are not stationary.
 */
#ifndef SGL_ANALYSIS_EXPERIMENT_H
#define SGL_ANALYSIS_EXPERIMENT_H

#include "analysis/detail.h"
#include "analysis/population.h"
#include "analysis/run.h"
#include "sim/simulation.h"

/* Everything is borrowed for the call. */
struct sgl_experiment {
    const struct sgl_population *population;
    const struct sgl_policy_spec *policies;
    uint32_t policy_count;
    const double *loads; /* rate scales; the first is the one compared in detail */
    uint32_t load_count;
    uint64_t seed; /* of the first; the others follow by ones */
    uint32_t seed_count;
    bool resamples; /* else the trace as it is, and luck alone differs */
    bool cuts_warm_up;
    struct sgl_objectives objectives;
    const struct sgl_simulation_options *simulations; /* workers, delays; the rest is per cell */
    uint32_t simulation_count;
    bool has_details; /* run the recorded trace too, for struct sgl_detail */
    /* ? Called when a cell is done, by the thread that ran it: may write what is the cell's own. */
    int (*keep)(void *context, size_t cell, const struct sgl_summary_result *result,
                const struct sgl_simulation_totals *totals, struct sgl_failure *failure);
    void *keep_context;
    uint32_t thread_count;
    void (*progress)(void *context, uint32_t done, uint32_t count); /* ? of cells */
    void *progress_context;
};

struct sgl_experiment_result {
    struct sgl_run *runs;        /* owned; see sgl_experiment_cell */
    struct sgl_detail **details; /* owned; one per policy; NULL without */
    struct sgl_run *recorded;    /* owned; the runs of the details */
    uint32_t policy_count;
    uint32_t seed_count;
    uint32_t load_count;
    uint64_t warm_up;   /* requests cut from each run */
    bool is_stationary; /* when warm-up was to be cut: could it be? */
};

/* Of the first simulation; those of the next begin load_count * policy_count * seed_count on. */
static inline size_t sgl_experiment_cell(const struct sgl_experiment_result *result, uint32_t load,
                                         uint32_t policy, uint32_t seed)
{
    return ((size_t)load * result->policy_count + policy) * result->seed_count + seed;
}

/* The cells, and the policies again for details, must be countable in 32 bits. */
int sgl_experiment_run(const struct sgl_experiment *experiment,
                       struct sgl_experiment_result *result, struct sgl_failure *failure);
void sgl_experiment_release(struct sgl_experiment_result *result);

#endif
