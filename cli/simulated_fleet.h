/*
 * simulated_fleet.h - the workers of a simulation, from the flags and the trace.
 *
 *     flags --resolve--> spec           what the user wrote of workers: exit 2 when it is wrong
 *     trace --make-----> workers        how many there are, and their urls
 *     or file --make---> workers, faults      --fleet
 *
 * Without --workers the fleet is the trace's, by its distinct worker_url, else 4; with another
 * number than the trace's, names are made up. A group is what is said of its workers at once: all
 * of them, or those of one section of the file.
 */
#ifndef SGL_CLI_SIMULATED_FLEET_H
#define SGL_CLI_SIMULATED_FLEET_H

#include "cli/simulation_options.h"
#include "sim/fleet_file.h"
#include "traces/open.h"

/* Zeroed, then filled; released as a whole whatever was filled. */
struct sgl_simulated_fleet {
    /* Of pairs; read from the flags whether or not there are any. */
    struct sgl_policy_spec policies[SGL_POOL_COUNT];
    bool has_policy[SGL_POOL_COUNT];
    struct sgl_parameters transfer;
    char *transfer_text;                /* every parameter resolved; NULL: no pairs */
    char *policy_texts[SGL_POOL_COUNT]; /* of the pools that have one of their own */
    bool has_pairs;

    struct sgl_simulation_worker *workers;
    uint32_t worker_count;
    const char *origin; /* "--workers", "the trace's", "default", or the file */
    struct sgl_worker_model_spec spec;
    struct sgl_fleet_file file; /* empty without --fleet */
    char **urls;                /* of the trace; NULL: made up */
    uint32_t url_count;
    char (*names)[32]; /* made up */
    char **services;   /* of each group: its spec, every parameter resolved */
    uint32_t service_count;
};

struct sgl_simulated_group {
    const char *name; /* "" when there is but one group, and it has none */
    uint32_t worker_count;
    const struct sgl_worker_model_spec *spec;
    const char *service; /* the same as a text, every parameter resolved */
};

/* The spec of flags without --fleet. Failures are the user's: usage, but for SGL_ENOMEM. */
int sgl_simulated_fleet_resolve(struct sgl_simulated_fleet *fleet,
                                const struct sgl_simulation_flags *flags,
                                struct sgl_failure *failure);

/* The workers. Reads the trace's worker_url once, or the file. */
int sgl_simulated_fleet_make(struct sgl_simulated_fleet *fleet,
                             const struct sgl_simulation_flags *flags,
                             const struct sgl_trace_options *trace, struct sgl_failure *failure);

/* Which policy decides in each pool of a made fleet, when `policy` is that of the run: NULL where
 * there is no such pool. */
void sgl_simulated_fleet_policies(const struct sgl_simulated_fleet *fleet,
                                  const struct sgl_policy_spec *policy,
                                  const struct sgl_policy_spec *policies[SGL_POOL_COUNT]);

/* Do the policies fit the pools? As sgl_policy_fits. */
int sgl_simulated_fleet_fits(const struct sgl_simulated_fleet *fleet,
                             const struct sgl_policy_spec *policy, struct sgl_failure *failure);

/* Sets what `options` says of workers, their faults and pairs, and of policies. `policy` may be
 * NULL: the caller sets that of the run. */
void sgl_simulated_fleet_apply(const struct sgl_simulated_fleet *fleet,
                               const struct sgl_policy_spec *policy,
                               struct sgl_simulation_options *options);

/* The index-th group of a made fleet; false past the last. */
bool sgl_simulated_fleet_group(const struct sgl_simulated_fleet *fleet, uint32_t index,
                               struct sgl_simulated_group *group_out);

/* The plan of a made fleet, NULL when it has none. */
const struct sgl_fault_plan *sgl_simulated_fleet_faults(const struct sgl_simulated_fleet *fleet);

/* What a run with this fleet should say beside its figures: one line per index from 0, NULL past
 * the last. The text lies in `out`. */
const char *sgl_simulated_fleet_caveat(const struct sgl_simulated_fleet *fleet,
                                       const struct sgl_simulation_flags *flags, uint32_t index,
                                       char *out, size_t size);

/* States what the workers are, their faults and what should be said beside figures (caveat.0 and so
 * on) as facts of the log. */
void sgl_simulated_fleet_state(const struct sgl_simulated_fleet *fleet,
                               const struct sgl_simulation_flags *flags, struct sgl_log *log);

void sgl_simulated_fleet_release(struct sgl_simulated_fleet *fleet);

#endif
