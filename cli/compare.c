/* sglsim compare: several policies on the same requests. */
#include "compare.h"

#include "cli.h"
#include "core/router.h"
#include "core/text.h"
#include "core/version.h"
#include "trace_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_STANDARD 20
#define SEEDS_MAX 100000
#define GROUPS_SHOWN 8

static const char description[] =
    "Sends the requests of a trace through each policy, for several seeds, and says what differs:\n"
    "by how much, how surely, and how many more runs would settle what is open. All policies of a\n"
    "seed see the same requests and the same luck, so that what they share cancels. The first\n"
    "policy is the baseline. A seed draws 60 s blocks of the trace with replacement, sessions\n"
    "whole; with --resample none the trace stays as it is and luck alone varies.\n"
    "\n"
    "A difference within --margin in both directions, shown by two one-sided tests, is called\n"
    "equal; what is neither shown to differ nor to be equal is ~.\n"
    "\n"
    "exit status: 0 done, 3 a gate of --fail-if failed, 4 a gate could not be judged\n";

static const char examples[] =
    "  sglsim compare trace.csv --policy round_robin --policy least_outstanding\n"
    "  sglsim compare trace.csv -p cache_aware -p cache_aware:cache_threshold=0.3 --seeds 50\n"
    "  sglsim compare trace.csv -p round_robin -p marginal_utility --rate-scale 1,2,4 "
    "--slo ttft:500ms -o r.html\n"
    "  sglsim compare trace.csv -p random -p power_of_two --fail-if 'ttft_p99>+5%' -o r.json\n";

static void set_standards(struct sgl_compare_options *options)
{
    *options = (struct sgl_compare_options){
        .seed = 1,
        .seeds = SEEDS_STANDARD,
        .resample = "blocks",
        .block_ns = SGL_POPULATION_BLOCK_NS,
        .warm_up = "none",
        .margin = "5%",
        .loads = "1",
    };
    sgl_simulation_flags_init(&options->simulation);
}

/* Here --rate-scale is a list; in the rows that all simulating commands share it is a number. */
static void take_over_rate_scale(struct sgl_option *table, struct sgl_compare_options *options)
{
    for (struct sgl_option *row = table; row->name != NULL; row++)
        if (strcmp(row->name, "rate-scale") == 0) {
            row->kind = SGL_OPTION_TEXT;
            row->argument = "X,X,...";
            row->target = &options->loads;
            row->help = "divide arrival times by each X (default 1): a run for each;\n"
                        "the first is the one looked at in detail";
        }
}

static int parse_options(struct sgl_compare *compare, int argument_count, char **arguments)
{
    struct sgl_compare_options *o = &compare->options;
    struct sgl_option table[] = {
        {"policy", 'p', SGL_OPTION_LIST, "P[:k=v,...]", &o->policies,
         "a policy to compare, twice or more; the first is the baseline", 0},
        {"seeds", 0, SGL_OPTION_NATURAL, "N", &o->seeds, "runs of each policy (default 20)", 2},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &o->seed,
         "of the first run; the others follow by ones (default 1)", 0},
        {"resample", 0, SGL_OPTION_CHOICE, "blocks|none", &o->resample,
         "what a seed draws beside luck (default blocks)", 0},
        {"block", 0, SGL_OPTION_DURATION, "TIME", &o->block_ns,
         "length of those blocks (default 60s)", 0},
        {"warm-up", 0, SGL_OPTION_CHOICE, "none|mser5", &o->warm_up,
         "cut the start of every run alike, as MSER-5 says: for arrivals\n"
         "that are stationary, as generated ones can be (default none)",
         0},
        {"margin", 0, SGL_OPTION_TEXT, "P%", &o->margin,
         "differences below it do not matter (default 5%)", 0},
        {"fail-if", 0, SGL_OPTION_LIST, "FIGURE>LIMIT", &o->gates,
         "exit 3 when that is shown: ttft_p99>+5%, goodput<-2%,\n"
         "e2e_mean>800ms; may be given again",
         0},
        {"output", 'o', SGL_OPTION_LIST, "PATH", &o->outputs,
         "also write a report: " SGL_REPORT_SUFFIXES "; may be given again", 0},
        {"slo", 0, SGL_OPTION_TEXT, "M:LIMIT,...", &o->slo,
         "objectives for goodput: ttft:500ms,tpot:50ms (queue_time, e2e)", 0},
        {"threads", 0, SGL_OPTION_NATURAL, "N", &o->threads,
         "(default: as many as there are processors; results are the same)", 1},
        SGL_SIMULATION_ROWS(o->simulation),
        SGL_TRACE_ROWS("TRACE", o->trace, o->prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &o->json, "print everything as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &o->quiet, "no progress, no warnings", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim compare TRACE --policy A --policy B [--policy C ...] [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operand_count;

    take_over_rate_scale(table, o);
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    compare->operands = arguments + 1;
    compare->operand_count = (uint32_t)operand_count;
    o->trace.path = arguments[1];
    o->trace.prefix_block = (uint32_t)o->prefix_block;
    return SGL_OPTIONS_RUN;
}

static int check_options(struct sgl_compare *compare)
{
    struct sgl_compare_options *o = &compare->options;

    if (o->prefix_block > UINT32_MAX || o->seed > INT64_MAX / 2) {
        sgl_complain("--prefix-block or --seed is too large, expected at most %u, %lld", UINT32_MAX,
                     (long long)(INT64_MAX / 2));
        return SGL_EXIT_USAGE;
    }
    if (o->seeds > SEEDS_MAX || o->threads > SGL_CREW_THREADS_MAX) {
        sgl_complain("--seeds or --threads is too large, expected at most %d, %d", SEEDS_MAX,
                     SGL_CREW_THREADS_MAX);
        return SGL_EXIT_USAGE;
    }
    if (o->block_ns < 1000) {
        sgl_complain("--block is below 1us, expected a duration such as 60s");
        return SGL_EXIT_USAGE;
    }
    if (o->policies.count < 2) {
        sgl_complain("%s, expected at least two --policy (sglsim policies lists them)",
                     o->policies.count == 0 ? "no --policy" : "one --policy");
        return SGL_EXIT_USAGE;
    }
    const int checked = sgl_simulation_flags_check(&o->simulation);
    return checked == SGL_OPTIONS_RUN ? sgl_compare_check_outputs(compare) : checked;
}

/* "5%" as a share. */
static int parse_margin(struct sgl_compare *compare, struct sgl_failure *failure)
{
    char *end;

    compare->margin = strtod(compare->options.margin, &end) / 100;
    if (end != compare->options.margin && (*end == '\0' || strcmp(end, "%") == 0) &&
        compare->margin > 0 && compare->margin <= 1)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL, "--margin %.40s, expected a percentage such as 5%%",
                    compare->options.margin);
}

static int parse_loads(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const char *text = compare->options.loads;

    do {
        char *end;
        const double load = strtod(text, &end);
        if (end == text || !isfinite(load) || !(load > 0) || (*end != '\0' && *end != ','))
            return sgl_fail(failure, SGL_EINVAL,
                            "--rate-scale %.60s, expected numbers above 0 such as 1,2,4",
                            compare->options.loads);
        if (compare->load_count == SGL_COMPARE_LOADS_MAX)
            return sgl_fail(failure, SGL_EINVAL, "--rate-scale has over %d loads",
                            SGL_COMPARE_LOADS_MAX);
        compare->loads[compare->load_count++] = load;
        text = *end == ',' ? end + 1 : end;
    } while (*text != '\0');
    return SGL_OK;
}

/* What the user wrote in little languages of its own. */
static int parse_specs(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_compare_options *o = &compare->options;
    int status = parse_margin(compare, failure);

    if (status == SGL_OK)
        status = parse_loads(compare, failure);
    if (status == SGL_OK)
        status = sgl_objectives_parse(&compare->objectives, o->slo, failure);
    for (uint32_t i = 0; i < o->gates.count && status == SGL_OK; i++)
        status = sgl_gate_parse(&compare->gates[i], o->gates.items[i], failure);
    for (uint32_t i = 0; i < o->policies.count && status == SGL_OK; i++) {
        status = sgl_policy_parse(&compare->policies[i], o->policies.items[i], failure);
        compare->policy_count += status == SGL_OK;
    }
    if (status == SGL_OK)
        status = sgl_simulated_fleet_resolve(&compare->fleet, &o->simulation, failure);
    for (uint32_t i = 0; i < compare->policy_count && status == SGL_OK; i++) {
        compare->arms[i].text = sgl_policy_format(&compare->policies[i]);
        sgl_compare_thresholds(&compare->arms[i], &compare->policies[i]);
        if (compare->arms[i].text == NULL)
            status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    return status;
}

static double parameter_of(const struct sgl_policy_spec *policy, const char *name)
{
    const struct sgl_parameter *table = policy->parameters.table;

    for (uint32_t i = 0; table != NULL && table[i].name != NULL; i++)
        if (strcmp(table[i].name, name) == 0)
            return policy->parameters.value[i];
    return (double)NAN;
}

void sgl_compare_thresholds(struct sgl_report_policy *arm, const struct sgl_policy_spec *policy)
{
    arm->balance_abs_threshold = parameter_of(policy, "balance_abs_threshold");
    arm->balance_rel_threshold = parameter_of(policy, "balance_rel_threshold");
}

static int load(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_compare_options *o = &compare->options;
    int status = sgl_simulated_fleet_make(&compare->fleet, &o->simulation, &o->trace, failure);

    for (uint32_t i = 0; i < compare->policy_count && status == SGL_OK; i++) {
        status = sgl_policy_fits(&compare->policies[i], compare->fleet.worker_count, failure);
        compare->is_misused = status != SGL_OK;
    }
    if (status == SGL_OK)
        status = sgl_trace_open(&compare->trace, &o->trace, failure);
    if (status == SGL_OK)
        status = sgl_population_load(&compare->population, sgl_trace_source(compare->trace),
                                     o->block_ns, failure);
    return status;
}

static void show_progress(void *context, uint32_t done, uint32_t count)
{
    sgl_progress_report_parts(context, done, count, "runs");
}

static int simulate(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_compare_options *o = &compare->options;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct sgl_experiment experiment = {
        .population = compare->population,
        .policies = compare->policies,
        .policy_count = compare->policy_count,
        .loads = compare->loads,
        .load_count = compare->load_count,
        .seed = o->seed,
        .seed_count = (uint32_t)o->seeds,
        .resamples = strcmp(o->resample, "blocks") == 0,
        .cuts_warm_up = strcmp(o->warm_up, "mser5") == 0,
        .objectives = compare->objectives,
        .simulation = {.workers = compare->fleet.workers,
                       .worker_count = compare->fleet.worker_count,
                       .faults = sgl_simulated_fleet_faults(&compare->fleet)},
        .thread_count = o->threads > 0 ? (uint32_t)o->threads
                        : processors > 0 && processors <= SGL_CREW_THREADS_MAX
                            ? (uint32_t)processors
                            : 1,
        .progress = show_progress,
        .progress_context = &compare->progress,
    };

    sgl_simulation_flags_apply(&o->simulation, &experiment.simulation);
    sgl_progress_start(&compare->progress, o->quiet);
    const int status = sgl_experiment_run(&experiment, &compare->result, failure);
    sgl_progress_end(&compare->progress);
    return status;
}

static int analyse(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_experiment_result *result = &compare->result;
    struct sgl_comparison *comparison = &compare->comparison;
    int status =
        sgl_comparison_init(comparison, compare->policy_count, compare->load_count, failure);

    if (status != SGL_OK)
        return status;
    comparison->pairing = SGL_PAIRED_SEEDS;
    comparison->margin = compare->margin;
    comparison->seed = compare->options.seed;
    comparison->loads = compare->loads;
    for (uint32_t load = 0; load < compare->load_count; load++)
        for (uint32_t arm = 0; arm < compare->policy_count; arm++)
            *sgl_comparison_arm(comparison, load, arm) = (struct sgl_arm){
                .label = compare->arms[arm].text,
                .runs = &result->runs[sgl_experiment_cell(result, load, arm, 0)],
                .run_count = result->seed_count,
                .recorded = load == 0 ? &result->recorded[arm] : NULL,
                .detail = load == 0 ? result->details[arm] : NULL,
            };
    status = sgl_comparison_compute(comparison, failure);
    for (uint32_t i = 0; i < compare->options.gates.count && status == SGL_OK; i++)
        sgl_gate_judge(&compare->gates[i], comparison);
    return status;
}

/* What the reader must know beside the figures. */
static bool state_notes(struct sgl_compare *compare)
{
    const struct sgl_experiment_result *result = &compare->result;
    const struct sgl_population_facts *population = sgl_population_facts(compare->population);
    const struct sgl_run *run = &result->recorded[0];
    struct sgl_report *report = &compare->report;
    char text[256];
    bool is_stated = true;

    if (report->resamples && population->is_short)
        is_stated =
            sgl_report_note(report,
                            "the trace lasts %.3g s: blocks of %.3g s, not 60 s; what "
                            "hangs together for longer is torn apart",
                            (double)population->span_ns / 1e9, (double)population->block_ns / 1e9);
    if (report->resamples && population->sessions == 0 && population->prefix_ids > 0)
        is_stated = is_stated &&
                    sgl_report_note(report, "the trace names no sessions: a conversation that goes "
                                            "on past its block loses what was cached of it");
    if (report->wanted_warm_up)
        is_stated =
            is_stated &&
            (report->is_stationary
                 ? sgl_report_note(report,
                                   "warm-up: the first %llu requests of every run are left "
                                   "out (MSER-5 of e2e, the latest cut of all runs)",
                                   (unsigned long long)report->warm_up)
                 : sgl_report_note(report, "warm-up: not stationary, some run has no MSER-5 "
                                           "cut in its first half: nothing was left out"));
    if (run->without_max_tokens > 0)
        is_stated = is_stated &&
                    sgl_report_note(report,
                                    "%llu requests state no max_tokens: %llu was taken "
                                    "(--max-new-tokens)",
                                    (unsigned long long)run->without_max_tokens,
                                    (unsigned long long)compare->options.simulation.max_new_tokens);
    if (run->cut_to_max_tokens > 0)
        is_stated =
            is_stated && sgl_report_note(report,
                                         "%llu recorded outputs are longer than max_tokens: they "
                                         "end there",
                                         (unsigned long long)run->cut_to_max_tokens);
    for (uint32_t i = 0;
         is_stated && sgl_simulated_fleet_caveat(&compare->fleet, i, text, sizeof text) != NULL;
         i++)
        is_stated = sgl_report_note(report, "%s", text);
    return is_stated;
}

/* Each group of workers, its service and its profile. */
static bool state_groups(struct sgl_compare *compare)
{
    struct sgl_report *report = &compare->report;
    const struct sgl_fault_plan *faults = sgl_simulated_fleet_faults(&compare->fleet);
    struct sgl_simulated_group group;
    bool is_stated = true;

    for (uint32_t i = 0;
         is_stated && i < GROUPS_SHOWN && sgl_simulated_fleet_group(&compare->fleet, i, &group);
         i++) {
        const struct sgl_profile_identity *profile = &group.spec->profile;
        is_stated = group.name[0] != '\0'
                        ? sgl_report_fact(report, "service", "%u x %s: %s", group.worker_count,
                                          group.name, group.service)
                        : sgl_report_fact(report, "service", "%s", group.service);
        if (is_stated && profile->name[0] != '\0')
            is_stated =
                sgl_report_fact(report, "profile", "%s: %s on %s, TP %s; fit error %s",
                                profile->name, profile->model, profile->gpu, profile->tp,
                                profile->fit_error[0] != '\0' ? profile->fit_error : "not stated");
    }
    if (is_stated && faults != NULL)
        is_stated =
            sgl_report_fact(report, "faults", "%u planned, probes every %g s", faults->count,
                            (double)compare->options.simulation.health_interval_ns / 1e9);
    return is_stated;
}

static bool state_facts(struct sgl_compare *compare)
{
    const struct sgl_compare_options *o = &compare->options;
    const struct sgl_trace_facts *trace = sgl_trace_facts(compare->trace);
    const struct sgl_population_facts *population = sgl_population_facts(compare->population);
    struct sgl_report *report = &compare->report;
    bool is_stated =
        sgl_report_fact(report, "trace",
                        "%llu requests over %.6g s, format %s, times in %s, digest "
                        "%016llx",
                        (unsigned long long)trace->row_count, (double)population->span_ns / 1e9,
                        trace->format, trace->time_unit, (unsigned long long)trace->digest) &&
        sgl_report_fact(report, "fleet", "%u worker%s (%s)", compare->fleet.worker_count,
                        compare->fleet.worker_count == 1 ? "" : "s", compare->fleet.origin) &&
        state_groups(compare);

    is_stated = is_stated &&
                sgl_report_fact(report, "seeds", "%llu to %llu, %s", (unsigned long long)o->seed,
                                (unsigned long long)(o->seed + o->seeds - 1),
                                report->resamples ? "blocks resampled" : "luck only");
    if (report->resamples)
        is_stated =
            is_stated && sgl_report_fact(report, "blocks", "%u of %.6g s, drawn with replacement",
                                         population->blocks, (double)population->block_ns / 1e9);
    if (o->slo != NULL)
        is_stated = is_stated && sgl_report_fact(report, "objectives", "%s", o->slo);
    if (o->simulation.response_delay_ns > 0 || o->simulation.load_interval_ns > 0 ||
        o->simulation.load_delay_ns > 0)
        is_stated = is_stated && sgl_report_fact(report, "signals",
                                                 "answers %lld ns late, load every %lld ns, %lld "
                                                 "ns late",
                                                 (long long)o->simulation.response_delay_ns,
                                                 (long long)o->simulation.load_interval_ns,
                                                 (long long)o->simulation.load_delay_ns);
    for (uint32_t i = 0; i < compare->policy_count && is_stated; i++) {
        static const char *const keys[] = {"policy A", "policy B", "policy C", "policy D",
                                           "policy E", "policy F", "policy G", "policy H"};
        if (i < sizeof keys / sizeof keys[0])
            is_stated = sgl_report_fact(report, keys[i], "%s", compare->arms[i].text);
    }
    return is_stated && state_notes(compare);
}

static int run(struct sgl_compare *compare, struct sgl_failure *failure)
{
    int status = load(compare, failure);

    if (status == SGL_OK)
        status = simulate(compare, failure);
    if (status == SGL_OK)
        status = analyse(compare, failure);
    if (status != SGL_OK)
        return status;
    compare->report = (struct sgl_report){
        .kind = "sim",
        .version = SGL_VERSION,
        .comparison = &compare->comparison,
        .population = sgl_population_facts(compare->population),
        .resamples = strcmp(compare->options.resample, "blocks") == 0,
        .wanted_warm_up = strcmp(compare->options.warm_up, "mser5") == 0,
        .is_stationary = compare->result.is_stationary,
        .warm_up = compare->result.warm_up,
        .objectives = compare->objectives,
        .policies = compare->arms,
        .gates = compare->gates,
        .gate_count = compare->options.gates.count,
    };
    if (!state_facts(compare))
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return sgl_compare_write(compare, failure);
}

/* A failure may be of the trace, or of the file that describes the fleet. */
static void complain(const struct sgl_compare *compare, const char *text)
{
    const char *fleet = compare->options.simulation.fleet;
    const size_t length = fleet != NULL ? strlen(fleet) : 0;

    if (length > 0 && strncmp(text, fleet, length) == 0 && text[length] == ':')
        sgl_complain_at("%s", text);
    else
        sgl_complain_of(compare->options.trace.path, text);
}

static void warn(const struct sgl_compare *compare)
{
    const struct sgl_trace_facts *facts = sgl_trace_facts(compare->trace);

    if (compare->options.quiet)
        return;
    for (size_t i = 0;
         i < sizeof facts->warnings / sizeof facts->warnings[0] && facts->warnings[i] != NULL; i++)
        sgl_complain_of(compare->options.trace.path, facts->warnings[i]);
}

static int gate_status(const struct sgl_compare *compare)
{
    int status = SGL_EXIT_DONE;

    for (uint32_t i = 0; i < compare->options.gates.count; i++) {
        if (compare->gates[i].outcome == SGL_GATE_FAILED)
            return SGL_EXIT_DIFFERENT;
        if (compare->gates[i].outcome == SGL_GATE_UNKNOWN)
            status = SGL_EXIT_NOT_IDENTIFIABLE;
    }
    return status;
}

static void release(struct sgl_compare *compare)
{
    sgl_report_release(&compare->report);
    sgl_comparison_release(&compare->comparison);
    sgl_experiment_release(&compare->result);
    sgl_population_destroy(compare->population);
    sgl_trace_close(compare->trace);
    sgl_simulated_fleet_release(&compare->fleet);
    for (uint32_t i = 0; i < compare->policy_count; i++) {
        sgl_policy_release(&compare->policies[i]);
        free(compare->arms[i].text);
    }
}

int sgl_command_compare(int argument_count, char **arguments)
{
    struct sgl_compare compare = {0};
    struct sgl_failure failure = {.text = ""};

    set_standards(&compare.options);
    int exit_code = parse_options(&compare, argument_count, arguments);
    if (exit_code == SGL_OPTIONS_RUN)
        exit_code = check_options(&compare);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    const char *profile = compare.options.simulation.profile;
    const int parsed = parse_specs(&compare, &failure);
    if (parsed != SGL_OK) {
        sgl_complain_of(profile != NULL ? profile : "", failure.text);
        exit_code = parsed == SGL_ENOMEM ? SGL_EXIT_FAILED : SGL_EXIT_USAGE;
    } else if (run(&compare, &failure) != SGL_OK) {
        complain(&compare, failure.text);
        exit_code = compare.is_misused ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    } else {
        warn(&compare);
        exit_code = gate_status(&compare);
    }
    release(&compare);
    return exit_code;
}
