/*
 * simulated_fleet.h - the workers of a simulation, from the flags and the trace.
 *
 *     flags --resolve--> specs          what the user wrote of workers: exit 2 when it is wrong
 *     trace --make-----> workers        how many there are, and their urls
 *
 * Without --workers the fleet is the trace's, by its distinct worker_url, else 4; with another
 * number than the trace's, names are made up.
 */
#ifndef SGL_CLI_SIMULATED_FLEET_H
#define SGL_CLI_SIMULATED_FLEET_H

#include "cli/simulation_options.h"
#include "traces/open.h"

/* Zeroed, then filled; released as a whole whatever was filled. */
struct sgl_simulated_fleet {
    struct sgl_simulation_worker *workers;
    uint32_t worker_count;
    const char *origin; /* "--workers", "the trace's", "default" */
    struct sgl_worker_model_spec *specs;
    uint32_t spec_count;
    char *service_text; /* of the first spec, resolved */
    char **urls;        /* of the trace; NULL: made up */
    uint32_t url_count;
    char (*names)[32]; /* made up */
};

/* The specs. Failures are the user's: usage, but for SGL_ENOMEM. */
int sgl_simulated_fleet_resolve(struct sgl_simulated_fleet *fleet,
                                const struct sgl_simulation_flags *flags,
                                struct sgl_failure *failure);

/* The workers, of resolved specs. Reads the trace's worker_url once. */
int sgl_simulated_fleet_make(struct sgl_simulated_fleet *fleet,
                             const struct sgl_simulation_flags *flags,
                             const struct sgl_trace_options *trace, struct sgl_failure *failure);

/* States what the workers are as facts of the log. */
void sgl_simulated_fleet_state(const struct sgl_simulated_fleet *fleet, struct sgl_log *log);

void sgl_simulated_fleet_release(struct sgl_simulated_fleet *fleet);

#endif
