/*
 * compare.h - one comparison, from options to what is reported.
 *
 *     compare.c         options -> struct sgl_compare -> exit code
 *     compare_trace.c   runs of a trace -> struct sgl_report
 *     compare_logs.c    finished logs -> struct sgl_report
 *     compare_output.c  struct sgl_report -> stdout, files
 */
#ifndef SGL_CLI_COMPARE_H
#define SGL_CLI_COMPARE_H

#include "analysis/crew.h"
#include "analysis/experiment.h"
#include "analysis/log_run.h"
#include "analysis/report.h"
#include "cli/progress.h"
#include "cli/repeat_options.h"
#include "cli/simulated_fleet.h"
#include "traces/open.h"

#define SGL_COMPARE_LOADS_MAX 16

struct sgl_compare_options {
    struct sgl_option_list policies;
    struct sgl_option_list outputs;
    struct sgl_option_list gates;
    struct sgl_simulation_flags simulation;
    const char *loads;
    struct sgl_repeat_flags repeat;
    const char *warm_up; /* none | mser5 */
    const char *margin;
    const char *slo;
    struct sgl_trace_options trace;
    uint64_t prefix_block;
    bool json;
    bool quiet;
};

/* Everything a comparison holds. Zeroed, then filled; released as a whole whatever was filled. */
struct sgl_compare {
    struct sgl_compare_options options;
    char **operands; /* borrowed from argv */
    uint32_t operand_count;
    bool is_misused; /* what failed is what the user asked for, not the world: exit 2 */
    double margin;
    double loads[SGL_COMPARE_LOADS_MAX];
    uint32_t load_count;
    struct sgl_policy_spec policies[SGL_OPTION_LIST_MAX];
    uint32_t policy_count;
    struct sgl_gate gates[SGL_OPTION_LIST_MAX];
    struct sgl_objectives objectives;
    struct sgl_simulated_fleet fleet;
    struct sgl_trace *trace;
    struct sgl_population *population;
    struct sgl_experiment_result result;
    struct sgl_log_run *logs; /* instead of a trace; by arm, then in order of time */
    uint32_t log_count;
    struct sgl_run *log_runs;
    struct sgl_comparison comparison;
    struct sgl_report_policy arms[SGL_OPTION_LIST_MAX]; /* as reported; texts owned */
    struct sgl_report report;
    struct sgl_progress progress;
};

/* Either fills in the report. Failures are the world's, unless is_misused says otherwise. */
int sgl_compare_trace(struct sgl_compare *compare, struct sgl_failure *failure);
int sgl_compare_logs(struct sgl_compare *compare, struct sgl_failure *failure);

/* Are the options and operands such as logs can have? Exit code, or SGL_OPTIONS_RUN. */
int sgl_compare_check_logs(const struct sgl_compare *compare);

/* Fills in thresholds that pictures of load draw, from a policy's parameters. */
void sgl_compare_thresholds(struct sgl_report_policy *arm, const struct sgl_policy_spec *policy);

/* Are the outputs fit to be written: known suffixes, and none of the operands? Exit code, or
 * SGL_OPTIONS_RUN. */
int sgl_compare_check_outputs(const struct sgl_compare *compare);

/* Writes stdout and the files. */
int sgl_compare_write(const struct sgl_compare *compare, struct sgl_failure *failure);

#endif
