/*
 * sweep.h - policies x fleets x loads x seeds, and what came of each run.
 *
 *     job = ((fleet * loads + load) * policies + policy) * seeds + seed     rows are in this order
 *
 *                                              sweep_store.c   SQLite: run, metric, share, ...
 *     struct sgl_sweep --run--> sgl_sweep_result --+
 *                          (experiment.h)          sweep_text.c, sweep_json.c   a table of means
 *
 * The table: for each fleet and load, a figure of each policy as the mean over seeds with its 95 %
 * Student interval (stats_mean.h). A policy is marked best of its column only where its interval
 * lies wholly on the better side of every other's: intervals that overlap are no tie, they are not
 * told apart (paired by seed they may be: that is what compare.h does). With one seed there is no
 * interval and nothing is marked; nor is a policy that saturated in a run, for its figures hang on
 * the length of the run; nor anything where some run lacks the figure or was cut with work left.
 *
 * Results do not depend on the number of threads, bit for bit. Memory: about 6 kB a run.
 */
#ifndef SGL_ANALYSIS_SWEEP_H
#define SGL_ANALYSIS_SWEEP_H

#include "analysis/compare.h"
#include "analysis/experiment.h"

#include <stdio.h>

#define SGL_SWEEP_RUNS_MAX 100000

struct sgl_sweep_fleet {
    const char *name;                         /* as people call it: "4 workers", "two-gpus.fleet" */
    struct sgl_simulation_options simulation; /* workers, faults, signals; the rest is per run */
};

/* Something to be said of the sweep as a whole. */
struct sgl_sweep_fact {
    const char *key;
    char *value;
};

/* Everything is borrowed, and outlives the result. */
struct sgl_sweep {
    const struct sgl_population *population;
    uint64_t trace_digest;
    const struct sgl_sweep_fact *facts;
    uint32_t fact_count;
    const struct sgl_policy_spec *policies;
    const char *const *policy_names; /* as the user wrote them */
    uint32_t policy_count;
    const struct sgl_sweep_fleet *fleets;
    uint32_t fleet_count;
    const double *loads;
    uint32_t load_count;
    uint64_t seed;
    uint32_t seed_count;
    bool resamples;
    struct sgl_objectives objectives;
    uint32_t thread_count;
    void (*progress)(void *context, uint32_t done, uint32_t count); /* ? of runs */
    void *progress_context;
};

struct sgl_sweep_run {
    struct sgl_summary_result result;
    struct sgl_summary_worker *workers; /* owned, and what the result has: without url and kind */
    struct sgl_simulation_totals totals;
};

struct sgl_sweep_result {
    const struct sgl_sweep *sweep;
    struct sgl_experiment_result experiment;
    struct sgl_sweep_run *runs; /* owned; by job */
    uint32_t run_count;
    double *values; /* owned; scratch: a figure of each seed */
};

/* A job's place on each axis. */
struct sgl_sweep_job {
    uint32_t fleet;
    uint32_t load;
    uint32_t policy;
    uint32_t seed;
};

struct sgl_sweep_job sgl_sweep_job_of(const struct sgl_sweep *sweep, uint32_t number);

/* At most SGL_SWEEP_RUNS_MAX runs. */
int sgl_sweep_run(const struct sgl_sweep *sweep, struct sgl_sweep_result *result,
                  struct sgl_failure *failure);
void sgl_sweep_release(struct sgl_sweep_result *result);

/* A cell of the table. */
struct sgl_sweep_cell {
    struct sgl_level level;
    uint32_t saturated; /* runs */
    uint32_t cut;       /* runs that were cut with work left */
    bool is_best;
};

/* The cells of one column, `policy_count` of them, for a figure of figures.h. */
void sgl_sweep_column(const struct sgl_sweep_result *result, uint32_t fleet, uint32_t load,
                      int figure, struct sgl_sweep_cell *cells);

/* May the path be written? As sgl_table_file_check. */
int sgl_sweep_check(const char *path, struct sgl_failure *failure);

/* The database, atomically. */
int sgl_sweep_store(const struct sgl_sweep_result *result, const char *path,
                    struct sgl_failure *failure);

/* At 100 columns. SGL_OK or SGL_ENOMEM. */
int sgl_sweep_print(FILE *out, const struct sgl_sweep_result *result, int figure);
int sgl_sweep_print_json(FILE *out, const struct sgl_sweep_result *result, int figure);

#endif
