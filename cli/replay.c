/* sglsim replay: a trace through a policy and simulated workers. */
#include "replay.h"

#include "analysis/after_warm_up.h"
#include "analysis/turns.h"
#include "analysis/two_passes.h"
#include "cli.h"
#include "core/text.h"
#include "core/version.h"
#include "options.h"
#include "program.h"
#include "trace_rows.h"
#include "policy_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_STANDARD "./sglsim-run.db"

static const char description[] =
    "Sends each request of a recorded or generated trace through a routing policy to simulated\n"
    "workers, in virtual time, and prints what came of it. Every decision, with all candidates,\n"
    "gradients and scores, goes to a log that `sglsim verify` re-executes bit for bit.\n"
    "\n"
    "TRACE is a CSV or SQLite file whose header names arrival_time, prompt_tokens and "
    "output_tokens\n"
    "(SGLang client CSV, Azure, Mooncake, BurstGPT and AIBrix traces are read as they are, and "
    ".gz\n"
    "of each), or a decision log; - is standard input, whose workers must be stated "
    "(--workers).\n";

static const char examples[] =
    "  sglsim replay trace.csv --policy marginal_utility\n"
    "  sglsim replay trace.csv --policy power_of_two:base=queue --workers 8 --slo ttft:500ms\n"
    "  sglsim replay trace.csv --policy round_robin --worker "
    "scheduler=vllm,max_running_requests=64\n"
    "  sglsim replay trace.csv --policy random --service exponential:mean_s=0.5,servers=8 --seed "
    "7\n"
    "  sglsim replay trace.csv --policy least_outstanding --fleet two-gpus.fleet\n"
    "  xzcat trace.csv.xz | sglsim replay - --policy round_robin --workers 16 --log none\n"
    "  sglsim replay sglsim-run.db --policy least_outstanding --log other.db\n";

static void set_standards(struct sgl_replay_options *options)
{
    *options = (struct sgl_replay_options){
        .seed = 1,
        .log = LOG_STANDARD,
        .log_candidates = "all",
    };
    sgl_simulation_flags_init(&options->simulation);
}

/* Digits alone are a number of requests. */
static bool read_warm_up(struct sgl_replay_options *options)
{
    const char *text = options->warm_up;
    const size_t length = strlen(text);
    double nanoseconds;

    if (length > 0 && length <= 18 && strspn(text, "0123456789") == length) {
        options->warm_up_requests = strtoull(text, NULL, 10);
        return true;
    }
    if (!sgl_duration_read(text, length, &nanoseconds) || !(nanoseconds < 1e18))
        return false;
    options->warm_up_ns = (int64_t)llround(nanoseconds);
    return true;
}

/* Does what was given go together? */
static int check_options(struct sgl_replay_options *o)
{
    if (o->prefix_block > UINT32_MAX || o->seed > INT64_MAX) {
        sgl_complain("--prefix-block or --seed is too large, expected at most %u, %lld", UINT32_MAX,
                     (long long)INT64_MAX);
        return SGL_EXIT_USAGE;
    }
    const int checked = sgl_simulation_flags_check(&o->simulation);
    if (checked != SGL_OPTIONS_RUN)
        return checked;
    if (o->warm_up != NULL && !read_warm_up(o)) {
        sgl_complain("--warm-up '%.60s', expected a number of requests, or a duration such as 30s "
                     "(units ns us ms s)",
                     o->warm_up);
        return SGL_EXIT_USAGE;
    }
    if (strcmp(o->log, "none") == 0 && strcmp(o->log_candidates, "all") != 0) {
        sgl_complain("--log-candidates %s, but there is no log (--log is none)", o->log_candidates);
        return SGL_EXIT_USAGE;
    }
    if (o->warm_cache && (o->warm_up != NULL || o->simulation.until_ns != SGL_ABSENT)) {
        sgl_complain("--warm-cache counts from the second pass on: --warm-up and --until cannot "
                     "stand beside it");
        return SGL_EXIT_USAGE;
    }
    if (o->sessions &&
        (o->warm_cache || o->simulation.until_ns != SGL_ABSENT || o->simulation.concurrency > 0)) {
        sgl_complain("--sessions says when requests come: --warm-cache, --until and --concurrency "
                     "cannot stand beside it");
        return SGL_EXIT_USAGE;
    }
    if (o->policy != NULL)
        return SGL_OPTIONS_RUN;
    sgl_complain("--policy is missing (sglsim policies lists them)");
    return SGL_EXIT_USAGE;
}

static int parse_options(struct sgl_replay *replay, int argument_count, char **arguments)
{
    struct sgl_replay_options *o = &replay->options;
    const struct sgl_option table[] = {
        {"policy", 'p', SGL_OPTION_TEXT, "P[:k=v,...]", &o->policy,
         "routing policy and its parameters (required; see sglsim policies)", 0},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &o->seed,
         "luck of the policy and of random service times (default 1)", 0},
        {"log", 'l', SGL_OPTION_TEXT, "PATH|none", &o->log,
         "the decision log (default " LOG_STANDARD ")", 0},
        {"log-candidates", 0, SGL_OPTION_CHOICE, "all|chosen", &o->log_candidates,
         "rows per decision in the log (default all)", 0},
        {"slo", 0, SGL_OPTION_TEXT, "M:LIMIT,...", &o->slo,
         "objectives for goodput: ttft:500ms,tpot:50ms (queue_time, itl, e2e)", 0},
        {"warm-up", 0, SGL_OPTION_TEXT, "N|TIME", &o->warm_up,
         "leave the first N requests, or those before TIME, out of figures", 0},
        {"warm-cache", 0, SGL_OPTION_FLAG, NULL, &o->warm_cache,
         "send the whole trace once before: caches are full when counting\n"
         "begins (cache hits are then the most there can be)",
         0},
        {"sessions", 0, SGL_OPTION_FLAG, NULL, &o->sessions,
         "a turn of a session_id comes its think time after the answer to\n"
         "the one before, not at its time in the trace",
         0},
        SGL_SIMULATION_ROWS(o->simulation),
        SGL_TRACE_ROWS("TRACE", o->trace, o->prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &o->json, "print the figures as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &o->quiet, "no progress, no warnings", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim replay TRACE --policy P[:k=v,...] [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operand_count;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    replay->path = sgl_trace_path(arguments[1]);
    o->trace.path = replay->path;
    o->trace.prefix_block = (uint32_t)o->prefix_block;
    o->trace.tracks_flights = true;
    return check_options(o);
}

/* What the user wrote in little languages of its own: policy, service, objectives. */
static int parse_specs(struct sgl_replay *replay, struct sgl_failure *failure)
{
    const struct sgl_replay_options *o = &replay->options;
    int status = sgl_policy_read(&replay->policy, o->policy, failure);

    if (status == SGL_OK)
        status = sgl_objectives_parse(&replay->objectives, o->slo, failure);
    if (status == SGL_OK)
        status = sgl_simulated_fleet_resolve(&replay->fleet, &o->simulation, failure);
    if (status != SGL_OK)
        return status;
    replay->policy_text = sgl_policy_format(&replay->policy);
    return replay->policy_text != NULL ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

static int make_workers(struct sgl_replay *replay, struct sgl_failure *failure)
{
    int status = sgl_simulated_fleet_make(&replay->fleet, &replay->options.simulation,
                                          &replay->options.trace, failure);

    if (status != SGL_OK)
        return status;
    status = sgl_simulated_fleet_fits(&replay->fleet, &replay->policy, failure);
    if (status == SGL_OK && replay->options.warm_cache &&
        sgl_simulated_fleet_faults(&replay->fleet) != NULL)
        status = sgl_fail(failure, SGL_EINVAL,
                          "--warm-cache with faults: they would be of the first pass, which is not "
                          "counted (leave one of them out)");
    replay->is_misused = status != SGL_OK;
    return status;
}

static int open_log(struct sgl_replay *replay, struct sgl_failure *failure)
{
    const struct sgl_replay_options *o = &replay->options;
    const struct sgl_trace_facts *facts = sgl_trace_facts(replay->trace);

    if (strcmp(o->log, "none") == 0)
        return SGL_OK;
    if (sgl_is_same_file(o->log, replay->path))
        return sgl_fail(failure, SGL_EINVAL,
                        "--log %.200s is the trace itself (choose another --log, or none)", o->log);
    struct sgl_log_options options = {
        .seed = o->seed,
        .epoch_ns = facts->epoch_ns,
        .candidates = strcmp(o->log_candidates, "chosen") == 0 ? SGL_LOG_CANDIDATES_CHOSEN
                                                               : SGL_LOG_CANDIDATES_ALL,
    };
    if (sgl_simulation_flags_can_fail(&o->simulation,
                                      sgl_simulated_fleet_faults(&replay->fleet) != NULL))
        options.limits = o->simulation.limits;
    sgl_simulated_fleet_policies(&replay->fleet, &replay->policy, options.policy);
    sgl_say_kept(o->quiet);
    return sgl_log_open(&replay->log, o->log, &options, failure);
}

/* What the run was, beside what a router needs: for those who open the log later. */
static void state_facts(struct sgl_replay *replay)
{
    const struct sgl_replay_options *o = &replay->options;
    const struct sgl_trace_facts *facts = sgl_trace_facts(replay->trace);
    char text[64];

    sgl_log_fact(replay->log, "command", "replay");
    sgl_log_fact(replay->log, "kind", "sim");
    sgl_simulated_fleet_state(&replay->fleet, &o->simulation, replay->log);
    sgl_simulation_flags_state(&o->simulation, sgl_simulated_fleet_faults(&replay->fleet) != NULL,
                               replay->log);
    if (o->warm_up != NULL) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)replay->warm_up);
        sgl_log_fact(replay->log, "warm_up_requests", text);
    }
    if (o->sessions)
        sgl_log_fact(replay->log, "sessions", "on");
    if (o->warm_cache) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)replay->warm_up);
        sgl_log_fact(replay->log, "warm_cache_requests", text);
    }
    sgl_log_fact(replay->log, "trace_format", facts->format);
    if (o->trace.where != NULL)
        sgl_log_fact(replay->log, "trace_where", o->trace.where);
    sgl_log_fact(replay->log, "trace_spread_steps", o->trace.spreads_steps ? "on" : "off");
    snprintf(text, sizeof text, "%llu", (unsigned long long)o->prefix_block);
    sgl_log_fact(replay->log, "trace_prefix_block", text);
    sgl_log_fact(replay->log, "trace_times", facts->time_unit);
    snprintf(text, sizeof text, "%llu", (unsigned long long)facts->row_count);
    sgl_log_fact(replay->log, "trace_rows", text);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)facts->digest);
    sgl_log_fact(replay->log, "trace_digest", text);
}

/* Of unlike workers, what each is. */
static int describe_workers(const struct sgl_replay *replay, struct sgl_failure *failure)
{
    const struct sgl_simulated_fleet *fleet = &replay->fleet;
    int status = SGL_OK;

    for (uint32_t w = 0; fleet->file.spec_count > 1 && w < fleet->worker_count; w++) {
        const struct sgl_worker_model_spec *spec = fleet->workers[w].spec;
        if (status == SGL_OK)
            status = sgl_summary_describe(
                replay->summary, w,
                spec->profile.name[0] != '\0' ? spec->profile.name : spec->ops->name, failure);
    }
    return status;
}

/* The trace is read into memory, for its turns come in an order that nobody knows before. */
static int run_sessions(struct sgl_replay *replay, struct sgl_simulation_options *options,
                        struct sgl_failure *failure)
{
    struct sgl_turns turns = {0};
    int status = sgl_population_load(&replay->population, sgl_trace_source(replay->trace),
                                     SGL_POPULATION_BLOCK_NS, failure);

    if (status == SGL_OK && sgl_population_facts(replay->population)->sessions == 0)
        status =
            sgl_fail(failure, SGL_EINVAL,
                     "%.200s: no session_id in the trace, which --sessions needs", replay->path);
    if (status == SGL_OK)
        status = sgl_turns_init(&turns, replay->population, options->rate_scale, failure);
    if (status == SGL_OK) {
        options->rate_scale = 1; /* the source has scaled */
        replay->later_turns = turns.later_turns;
        replay->measured_turns = turns.measured;
        status = sgl_simulate(options, &turns.source, &replay->totals, failure);
    }
    sgl_turns_release(&turns);
    return status;
}

/* The trace; for a warm cache it is read into memory and sent twice, the first pass uncounted. */
static int run_passes(struct sgl_replay *replay, struct sgl_simulation_options *options,
                      struct sgl_after_warm_up *after, struct sgl_failure *failure)
{
    struct sgl_source *first = NULL;
    struct sgl_source *second = NULL;
    struct sgl_two_passes passes;

    if (replay->options.sessions)
        return run_sessions(replay, options, failure);
    if (!replay->options.warm_cache)
        return sgl_simulate(options, sgl_trace_source(replay->trace), &replay->totals, failure);
    int status = sgl_population_load(&replay->population, sgl_trace_source(replay->trace),
                                     SGL_POPULATION_BLOCK_NS, failure);

    if (status == SGL_OK)
        status = sgl_population_replay(replay->population, &first, failure);
    if (status == SGL_OK)
        status = sgl_population_replay(replay->population, &second, failure);
    if (status == SGL_OK) {
        sgl_two_passes_init(&passes, first, second);
        options->pause_before = (int64_t)sgl_population_facts(replay->population)->requests;
        after->first = options->pause_before;
        options->warm_up_requests = options->pause_before;
        status = sgl_simulate(options, &passes.source, &replay->totals, failure);
    }
    if (second != NULL)
        sgl_population_close(second);
    if (first != NULL)
        sgl_population_close(first);
    return status;
}

static int simulate(struct sgl_replay *replay, struct sgl_failure *failure)
{
    const struct sgl_replay_options *o = &replay->options;
    struct sgl_after_warm_up after;
    struct sgl_sink *sinks[2] = {&after.sink};
    uint32_t sink_count = 1;
    struct sgl_tee tee;

    sgl_after_warm_up_init(&after, sgl_summary_sink(replay->summary), (int64_t)o->warm_up_requests);
    after.from_ns = o->warm_up_ns;
    if (replay->log != NULL)
        sinks[sink_count++] = sgl_log_sink(replay->log);
    sgl_tee_init(&tee, sinks, sink_count);
    sgl_progress_start(&replay->progress, o->quiet);
    struct sgl_simulation_options options = {
        .seed = o->seed,
        .sink = sink_count > 1 ? &tee.sink : sinks[0],
        .progress = sgl_progress_report,
        .progress_context = &replay->progress,
        .warm_up_requests = after.first,
        .warm_up_ns = after.from_ns,
    };
    sgl_simulated_fleet_apply(&replay->fleet, &replay->policy, &options);
    sgl_simulation_flags_apply(&o->simulation, &options);
    const int status = run_passes(replay, &options, &after, failure);
    sgl_progress_end(&replay->progress);
    replay->warm_up = (uint64_t)after.first < replay->totals.arrived ? (uint64_t)after.first
                                                                     : replay->totals.arrived;
    return status;
}

static int run(struct sgl_replay *replay, struct sgl_failure *failure)
{
    int status = make_workers(replay, failure);

    if (status == SGL_OK)
        status = sgl_trace_open(&replay->trace, &replay->options.trace, failure);
    if (status == SGL_OK)
        status = sgl_trace_begin(replay->trace, failure);
    if (status == SGL_OK)
        status = sgl_summary_create(&replay->summary, &replay->objectives, failure);
    if (status == SGL_OK)
        status = open_log(replay, failure);
    if (status == SGL_OK)
        status = simulate(replay, failure);
    if (status == SGL_OK)
        status = describe_workers(replay, failure);
    if (status == SGL_OK)
        status = sgl_summary_finish(replay->summary, &replay->result, failure);
    if (status == SGL_OK && replay->log != NULL) {
        struct sgl_log *log = replay->log;
        state_facts(replay);
        replay->log = NULL; /* close frees it, whatever comes of it */
        status = sgl_log_close(log, failure);
    }
    return status;
}

static void release(struct sgl_replay *replay)
{
    sgl_log_discard(replay->log);
    sgl_summary_destroy(replay->summary);
    sgl_population_destroy(replay->population);
    sgl_trace_close(replay->trace);
    free(replay->policy_text);
    sgl_policy_release(&replay->policy);
    sgl_simulated_fleet_release(&replay->fleet);
}

int sgl_command_replay(int argument_count, char **arguments)
{
    struct sgl_replay replay = {0};
    struct sgl_failure failure = {.text = ""};

    set_standards(&replay.options);
    int exit_code = parse_options(&replay, argument_count, arguments);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    exit_code = SGL_EXIT_DONE;
    const int parsed = parse_specs(&replay, &failure);
    if (parsed != SGL_OK) {
        sgl_complain_of(
            replay.options.simulation.profile != NULL ? replay.options.simulation.profile : "",
            failure.text);
        exit_code = parsed == SGL_EINVAL ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    } else if (run(&replay, &failure) != SGL_OK) {
        sgl_complain_of_either(replay.path, replay.options.simulation.fleet, failure.text);
        exit_code = replay.is_misused ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    } else {
        if (!replay.options.quiet)
            sgl_complain_of_rows(sgl_trace_facts(replay.trace));
        const int status =
            replay.options.json ? sgl_replay_print_json(&replay) : sgl_replay_print(&replay);
        if (status != SGL_OK) {
            sgl_complain("out of memory");
            exit_code = SGL_EXIT_FAILED;
        }
    }
    release(&replay);
    return exit_code;
}
