/*
 * sweep.h - one sweep, from options to what is written.
 *
 *     sweep.c          options -> axes -> struct sgl_sweep -> runs -> database, stdout
 *     sweep_axes.c     the axes: lists read, fleets made, combinations that cannot be refused
 *     sweep_facts.c    what is said of the sweep as a whole
 */
#ifndef SGL_CLI_SWEEP_H
#define SGL_CLI_SWEEP_H

#include "analysis/crew.h"
#include "analysis/sweep.h"
#include "cli/progress.h"
#include "cli/repeat_options.h"
#include "cli/simulated_fleet.h"
#include "traces/open.h"

#define SGL_SWEEP_AXIS_MAX 64

struct sgl_sweep_options {
    struct sgl_option_list policies;
    struct sgl_option_list fleets;
    struct sgl_option_list workers;  /* each "2" or "2,4,8" */
    struct sgl_option_list profiles; /* names or files */
    struct sgl_option_list loads;    /* each "1" or "1,2,4" */
    struct sgl_simulation_flags simulation;
    struct sgl_repeat_flags repeat;
    const char *slo;
    const char *metric;
    const char *output; /* a path, or none */
    struct sgl_trace_options trace;
    uint64_t prefix_block;
    bool json;
    bool quiet;
};

/* A point of the axis of fleets. */
struct sgl_sweep_point {
    struct sgl_simulation_flags flags;
    struct sgl_simulated_fleet fleet;
    char name[160];
};

/* Everything a sweep holds. Zeroed, then filled; released as a whole whatever was filled. */
struct sgl_sweep_command {
    struct sgl_sweep_options options;
    int figure;
    struct sgl_policy_spec policies[SGL_OPTION_LIST_MAX];
    char *policy_texts[SGL_OPTION_LIST_MAX]; /* owned; every parameter resolved */
    uint32_t policy_count;
    double loads[SGL_SWEEP_AXIS_MAX];
    uint32_t load_count;
    uint64_t workers[SGL_SWEEP_AXIS_MAX];
    uint32_t workers_count;
    struct sgl_sweep_point *points; /* owned */
    uint32_t point_count;
    struct sgl_sweep_fleet *fleets; /* owned; by point */
    struct sgl_objectives objectives;
    struct sgl_trace *trace;
    struct sgl_population *population;
    struct sgl_sweep_fact *facts; /* owned, with their texts */
    uint32_t fact_count;
    struct sgl_sweep sweep;
    struct sgl_sweep_result result;
    struct sgl_progress progress;
};

/* Reads the axes and makes the fleets. An exit code of complaints made, a line for each combination
 * that cannot be run; or SGL_OPTIONS_RUN. */
int sgl_sweep_axes_read(struct sgl_sweep_command *command);
int sgl_sweep_axes_make(struct sgl_sweep_command *command);

/* After the run: what the reader must know beside the figures. SGL_OK or SGL_ENOMEM. */
int sgl_sweep_state(struct sgl_sweep_command *command);

#endif
