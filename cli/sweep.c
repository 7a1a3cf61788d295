/* sglsim sweep: a cross product of simulations on all processors, into one database. */
#include "sweep.h"

#include "core/text.h"
#include "cli.h"
#include "program.h"
#include "trace_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_STANDARD "./sglsim-sweep.db"
#define METRIC_STANDARD "e2e_p99"
#define SEEDS_STANDARD 5

static const char description[] =
    "Simulates every combination of policy, load, fleet and seed, on all processors, and writes\n"
    "what came of each run to one SQLite database: parameters, figures, shares of the workers. "
    "The\n"
    "database is the same byte for byte whatever the number of threads. On stdout: one figure, of\n"
    "each policy at each load.\n"
    "\n"
    "A seed draws 60 s blocks of the trace with replacement, sessions whole, and the luck of\n"
    "policies; with --resample none luck alone varies. All policies of a seed see the same. A\n"
    "policy is marked best only where its interval over the seeds overlaps no other's; what\n"
    "overlaps may still differ seed by seed: `sglsim compare` tells. Sweep to find where to look.\n"
    "\n"
    "Tables: run, metric, share (per worker), fleet, worker, fault, sweep; analysis/README.md has\n"
    "queries.\n";

static const char examples[] =
    "  sglsim sweep trace.csv -p round_robin -p least_outstanding --rate-scale 1,2,4\n"
    "  sglsim sweep trace.csv -p random -p power_of_two --workers 2,4,8 --seeds 10 -o sweep.db\n"
    "  sglsim sweep trace.csv -p cache_aware -p cache_aware:cache_threshold=0.3 "
    "--metric ttft_p99\n"
    "  sglsim sweep trace.csv -p random --fleet a.fleet --fleet b.fleet --slo ttft:500ms "
    "--metric goodput\n"
    "  sqlite3 -header -column sglsim-sweep.db \"SELECT policy, rate_scale, avg(p99_s) FROM run\n"
    "      JOIN metric USING (run) WHERE metric = 'ttft' GROUP BY policy, rate_scale\"\n";

static void set_standards(struct sgl_sweep_options *options)
{
    *options = (struct sgl_sweep_options){
        .metric = METRIC_STANDARD,
        .output = OUTPUT_STANDARD,
    };
    sgl_repeat_flags_init(&options->repeat, SEEDS_STANDARD);
    sgl_simulation_flags_init(&options->simulation);
}

/* Rows that all simulating commands share, and that are axes here. */
static void take_over(struct sgl_option *table, struct sgl_sweep_options *options)
{
    /* clang-format off */
    const struct sgl_option axes[] = {
        {"workers", 'n', SGL_OPTION_LIST, "N,N,...", &options->workers,
         "numbers of workers (default: the distinct worker_url of the trace,\nelse 4)", 0},
        {"profile", 0, SGL_OPTION_LIST, "NAME|FILE", &options->profiles,
         "step times of batching (default " SGL_PROFILE_STANDARD ");\nmay be given again", 0},
        {"fleet", 0, SGL_OPTION_LIST, "FILE", &options->fleets,
         "unlike workers, and faults they have (sim/README.md), instead of\n"
         "the four above; may be given again", 0},
        {"rate-scale", 0, SGL_OPTION_LIST, "X,X,...", &options->loads,
         "divide arrival times by each X (default 1): 2 is twice the load", 0},
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++)
        sgl_options_replace(table, &axes[i]);
}

static int parse_options(struct sgl_sweep_command *command, int argument_count, char **arguments)
{
    struct sgl_sweep_options *o = &command->options;
    struct sgl_option table[] = {
        {"policy", 'p', SGL_OPTION_LIST, "P[:k=v,...]", &o->policies,
         "a policy and its parameters; may be given again", 0},
        {"seeds", 0, SGL_OPTION_NATURAL, "N", &o->repeat.seeds,
         "runs of each combination (default 5)", 1},
        SGL_REPEAT_ROWS(o->repeat),
        {"output", 'o', SGL_OPTION_TEXT, "PATH|none", &o->output,
         "the database (default " OUTPUT_STANDARD ")", 0},
        {"metric", 'm', SGL_OPTION_TEXT, "FIGURE", &o->metric,
         "of the table on stdout (default " METRIC_STANDARD "): ttft_mean,\n"
         "tpot_p50, goodput, cache_hit_rate, ...",
         0},
        {"slo", 0, SGL_OPTION_TEXT, "M:LIMIT,...", &o->slo,
         "objectives for goodput: ttft:500ms,tpot:50ms (queue_time, itl, e2e)", 0},
        SGL_THREADS_ROW(o->repeat),
        SGL_SIMULATION_ROWS(o->simulation),
        SGL_TRACE_ROWS("TRACE", o->trace, o->prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &o->json, "print the table as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &o->quiet, "no progress, no warnings", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim sweep TRACE --policy A [--policy B ...] [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operand_count;

    take_over(table, o);
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    o->trace.path = arguments[1];
    o->trace.prefix_block = (uint32_t)o->prefix_block;
    return SGL_OPTIONS_RUN;
}

static int misuse(const struct sgl_failure *failure)
{
    sgl_complain("%s", failure->text);
    return SGL_EXIT_USAGE;
}

static int check_metric(struct sgl_sweep_command *command)
{
    const struct sgl_sweep_options *o = &command->options;
    char hint[80];

    command->figure = sgl_figure_named(o->metric, strlen(o->metric), hint, sizeof hint);
    if (command->figure == SGL_FIGURE_COUNT) {
        sgl_complain("--metric %.40s: unknown figure%s, expected one such as ttft_p99, e2e_mean, "
                     "goodput, requests_per_s, cache_hit_rate",
                     o->metric, hint);
        return SGL_EXIT_USAGE;
    }
    if (command->figure == SGL_FIGURE_GOODPUT && !sgl_objectives_any(&command->objectives)) {
        sgl_complain("--metric goodput, but no objectives are stated (give --slo)");
        return SGL_EXIT_USAGE;
    }
    return SGL_OPTIONS_RUN;
}

static int check_output(const struct sgl_sweep_options *o)
{
    struct sgl_failure failure;

    if (strcmp(o->output, "none") == 0)
        return SGL_OPTIONS_RUN;
    if (sgl_is_same_file(o->output, o->trace.path)) {
        sgl_complain("--output %.200s is the trace itself (choose another path, or none)",
                     o->output);
        return SGL_EXIT_USAGE;
    }
    return sgl_sweep_check(o->output, &failure) == SGL_OK ? SGL_OPTIONS_RUN : misuse(&failure);
}

static int check_options(struct sgl_sweep_command *command)
{
    const struct sgl_sweep_options *o = &command->options;
    struct sgl_failure failure;

    if (o->policies.count == 0) {
        sgl_complain("--policy is missing (sglsim policies lists them)");
        return SGL_EXIT_USAGE;
    }
    const int repeated = sgl_repeat_flags_check(&o->repeat, SGL_SWEEP_RUNS_MAX, o->prefix_block);
    if (repeated != SGL_OPTIONS_RUN)
        return repeated;
    if (sgl_objectives_parse(&command->objectives, o->slo, &failure) != SGL_OK)
        return misuse(&failure);
    int code = check_metric(command);
    if (code == SGL_OPTIONS_RUN)
        code = check_output(o);
    if (code == SGL_OPTIONS_RUN)
        code = sgl_sweep_axes_read(command);
    if (code != SGL_OPTIONS_RUN)
        return code;
    const double runs = (double)command->policy_count * command->load_count * command->point_count *
                        (double)o->repeat.seeds;
    if (runs <= SGL_SWEEP_RUNS_MAX)
        return SGL_OPTIONS_RUN;
    sgl_complain("%.0f runs, expected at most %d (fewer --seeds or values)", runs,
                 SGL_SWEEP_RUNS_MAX);
    return SGL_EXIT_USAGE;
}

static void show_progress(void *context, uint32_t done, uint32_t count)
{
    sgl_progress_report_parts(context, done, count, "runs");
}

static int simulate(struct sgl_sweep_command *command, struct sgl_failure *failure)
{
    const struct sgl_sweep_options *o = &command->options;

    command->sweep = (struct sgl_sweep){
        .population = command->population,
        .trace_digest = sgl_trace_facts(command->trace)->digest,
        .policies = command->policies,
        .policy_names = o->policies.items,
        .policy_count = command->policy_count,
        .fleets = command->fleets,
        .fleet_count = command->point_count,
        .loads = command->loads,
        .load_count = command->load_count,
        .seed = o->repeat.seed,
        .seed_count = (uint32_t)o->repeat.seeds,
        .resamples = sgl_repeat_resamples(&o->repeat),
        .objectives = command->objectives,
        .thread_count = sgl_repeat_thread_count(&o->repeat),
        .progress = show_progress,
        .progress_context = &command->progress,
    };
    sgl_progress_start(&command->progress, o->quiet);
    const int status = sgl_sweep_run(&command->sweep, &command->result, failure);
    sgl_progress_end(&command->progress);
    return status;
}

static int run(struct sgl_sweep_command *command, struct sgl_failure *failure)
{
    const struct sgl_sweep_options *o = &command->options;
    const bool is_stored = strcmp(o->output, "none") != 0;
    char word[SGL_SHELL_WORD_MAX];
    int status = sgl_trace_open(&command->trace, &o->trace, failure);

    if (status == SGL_OK)
        status = sgl_population_load(&command->population, sgl_trace_source(command->trace),
                                     o->repeat.block_ns, failure);
    if (status == SGL_OK)
        status = simulate(command, failure);
    if (status != SGL_OK)
        return status;
    status = sgl_sweep_state(command);
    command->sweep.facts = command->facts;
    command->sweep.fact_count = command->fact_count;
    if (status == SGL_OK && is_stored) {
        sgl_say_kept(o->quiet);
        status = sgl_sweep_store(&command->result, o->output, failure);
        if (status != SGL_OK)
            return status;
    }
    if (status == SGL_OK)
        status = o->json ? sgl_sweep_print_json(stdout, &command->result, command->figure)
                         : sgl_sweep_print(stdout, &command->result, command->figure);
    if (status == SGL_OK && !o->json && is_stored)
        printf("written      %s\n", sgl_text_shell_word(o->output, word, sizeof word));
    return status == SGL_OK ? SGL_OK : sgl_fail(failure, status, "out of memory");
}

static void release(struct sgl_sweep_command *command)
{
    sgl_sweep_release(&command->result);
    sgl_population_destroy(command->population);
    sgl_trace_close(command->trace);
    for (uint32_t i = 0; i < command->fact_count; i++)
        free(command->facts[i].value);
    free(command->facts);
    for (uint32_t i = 0; i < command->point_count; i++)
        sgl_simulated_fleet_release(&command->points[i].fleet);
    free(command->points);
    free(command->fleets);
    for (uint32_t p = 0; p < command->policy_count; p++) {
        sgl_policy_release(&command->policies[p]);
        free(command->policy_texts[p]);
    }
}

int sgl_command_sweep(int argument_count, char **arguments)
{
    struct sgl_sweep_command command = {0};
    struct sgl_failure failure = {.text = ""};

    set_standards(&command.options);
    int exit_code = parse_options(&command, argument_count, arguments);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    exit_code = check_options(&command);
    if (exit_code == SGL_OPTIONS_RUN)
        exit_code = sgl_sweep_axes_make(&command);
    if (exit_code == SGL_OPTIONS_RUN) {
        exit_code = SGL_EXIT_DONE;
        if (run(&command, &failure) != SGL_OK) {
            sgl_complain_of(command.options.trace.path, failure.text);
            exit_code = SGL_EXIT_FAILED;
        } else if (!command.options.quiet) {
            sgl_complain_of_rows(sgl_trace_facts(command.trace));
        }
    }
    release(&command);
    return exit_code;
}
