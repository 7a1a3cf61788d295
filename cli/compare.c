/* sglsim compare: several policies on the same requests. */
#include "compare.h"

#include "cli.h"
#include "core/router.h"
#include "core/text.h"
#include "core/version.h"
#include "trace_rows.h"
#include "policy_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_STANDARD 20
#define SEEDS_MAX 100000

static const char description[] =
    "Sends the requests of a trace through each policy, for several seeds, and says what differs:\n"
    "by how much, how surely, and how many more runs would settle what is open. All policies of a\n"
    "seed see the same requests and the same luck, so that what they share cancels. The first\n"
    "policy is the baseline. A seed draws 60 s blocks of the trace with replacement, sessions\n"
    "whole; with --resample none the trace stays as it is and luck alone varies.\n"
    "\n"
    "Without --policy finished logs are compared, simulated or live. Two logs are a run each: of\n"
    "the same simulated requests paired by request, else not paired. Of more logs those of one\n"
    "policy are blocks of it, paired with the others' in order of time, as a switchback has them.\n"
    "\n"
    "A difference within --margin in both directions, shown by two one-sided tests, is called\n"
    "equal; what is neither shown to differ nor to be equal is ~.\n"
    "\n"
    "A gate is FIGURE, > or <, and LIMIT. FIGURE is METRIC_WHAT with queue_time, ttft, tpot, itl "
    "or\n"
    "e2e and mean, p50, p90, p95 or p99; or goodput, requests_per_s, output_tokens_per_s,\n"
    "failed_share, cache_hit_rate, jain_index. LIMIT with % is a change against the baseline "
    "(+5%,\n"
    "-2%), else the figure itself: latencies with ns, us, ms or s, others without unit. A gate "
    "fails\n"
    "when the one-sided 95 % bound is beyond the limit; what is beyond it without being shown to "
    "be\n"
    "is told, and passes.\n"
    "\n"
    "exit status: 0 done, 3 a gate of --fail-if failed, 4 a gate could not be judged\n";

static const char examples[] =
    "  sglsim compare trace.csv --policy round_robin --policy least_outstanding\n"
    "  sglsim compare trace.csv -p cache_aware -p cache_aware:cache_threshold=0.3 --seeds 50\n"
    "  sglsim compare trace.csv -p random -p marginal_utility --rate-scale 1,2,4 "
    "--slo ttft:1s -o r.html\n"
    "  sglsim compare trace.csv -p random -p power_of_two --fail-if 'ttft_p99>+5%' -o r.json\n"
    "  sglsim compare monday.db tuesday.db -o report.html\n";

static void set_standards(struct sgl_compare_options *options)
{
    *options = (struct sgl_compare_options){
        .warm_up = "none",
        .margin = "5%",
        .loads = "1",
    };
    sgl_repeat_flags_init(&options->repeat, SEEDS_STANDARD);
    sgl_simulation_flags_init(&options->simulation);
}

/* Here --rate-scale is a list; in the rows that all simulating commands share it is a number. */
static void take_over_rate_scale(struct sgl_option *table, struct sgl_compare_options *options)
{
    sgl_options_replace(
        table, &(struct sgl_option){"rate-scale", 0, SGL_OPTION_TEXT, "X,X,...", &options->loads,
                                    "divide arrival times by each X (default 1): a run for each;\n"
                                    "the first is the one looked at in detail",
                                    0});
}

/* Finished logs are not run: an option of runs would do nothing. True: there is one. */
static bool refuse_runs(const struct sgl_option *table, const struct sgl_compare_options *options)
{
    static const char of_logs[] = "seed|margin|fail-if|output|slo|json|quiet";
    struct sgl_compare_options standard;

    set_standards(&standard);
    for (const struct sgl_option *option = table; option->name != NULL; option++) {
        if (sgl_list_has(of_logs, '|', option->name, strlen(option->name), NULL) ||
            !sgl_option_differs(option, options, &standard))
            continue;
        sgl_complain("--%s is for runs of a trace, and logs are runs already (give --policy to run "
                     "one of them as a trace)",
                     option->name);
        return true;
    }
    return false;
}

static int parse_options(struct sgl_compare *compare, int argument_count, char **arguments)
{
    struct sgl_compare_options *o = &compare->options;
    struct sgl_option table[] = {
        {"policy", 'p', SGL_OPTION_LIST, "P[:k=v,...]", &o->policies,
         "a policy to compare, twice or more; the first is the baseline", 0},
        {"seeds", 0, SGL_OPTION_NATURAL, "N", &o->repeat.seeds, "runs of each policy (default 20)",
         2},
        SGL_REPEAT_ROWS(o->repeat),
        {"warm-up", 0, SGL_OPTION_CHOICE, "none|mser5", &o->warm_up,
         "cut the start of every run alike, as MSER-5 says: for arrivals\n"
         "that are stationary, as generated ones can be (default none)",
         0},
        {"margin", 0, SGL_OPTION_TEXT, "P%", &o->margin,
         "differences below it do not matter (default 5%)", 0},
        {"fail-if", 0, SGL_OPTION_LIST, "FIGURE>LIMIT", &o->gates,
         "exit 3 when that is shown: ttft_p99>+5%, goodput<-2%,\n"
         "e2e_mean>800ms (see above); may be given again",
         0},
        {"output", 'o', SGL_OPTION_LIST, "PATH", &o->outputs,
         "also write a report: " SGL_REPORT_SUFFIXES "; repeatable", 0},
        {"slo", 0, SGL_OPTION_TEXT, "M:LIMIT,...", &o->slo,
         "objectives for goodput: ttft:500ms,tpot:50ms (queue_time, itl, e2e)", 0},
        SGL_THREADS_ROW(o->repeat),
        SGL_SIMULATION_ROWS(o->simulation),
        SGL_TRACE_ROWS("TRACE", o->trace, o->prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &o->json, "print everything as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &o->quiet, "no progress, no warnings", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim compare TRACE --policy A --policy B [--policy C ...] [options]\n"
                    "       sglsim compare A.db B.db [A2.db B2.db ...] [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = SGL_OPTION_LIST_MAX,
    };
    size_t operand_count;

    take_over_rate_scale(table, o);
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (o->policies.count == 0 && refuse_runs(table, o))
        return SGL_EXIT_USAGE;
    compare->operands = arguments + 1;
    compare->operand_count = (uint32_t)operand_count;
    o->trace.path = arguments[1];
    o->trace.prefix_block = (uint32_t)o->prefix_block;
    return SGL_OPTIONS_RUN;
}

static int check_options(struct sgl_compare *compare)
{
    struct sgl_compare_options *o = &compare->options;

    const int repeated = sgl_repeat_flags_check(&o->repeat, SEEDS_MAX, o->prefix_block);
    if (repeated != SGL_OPTIONS_RUN)
        return repeated;
    if (o->policies.count == 0) {
        const int logs = sgl_compare_check_logs(compare);
        return logs == SGL_OPTIONS_RUN ? sgl_compare_check_outputs(compare) : logs;
    }
    if (o->policies.count < 2 || compare->operand_count > 1) {
        sgl_complain(o->policies.count < 2
                         ? "one --policy, expected at least two (sglsim policies lists them)"
                         : "two operands and --policy, expected one trace to run, or finished "
                           "logs without --policy");
        return SGL_EXIT_USAGE;
    }
    const int checked = sgl_simulation_flags_check(&o->simulation);
    return checked == SGL_OPTIONS_RUN ? sgl_compare_check_outputs(compare) : checked;
}

/* "5%" as a share. */
static int parse_margin(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const char *text = compare->options.margin;
    const size_t length = strcspn(text, "%");
    double percent;

    if ((text[length] == '\0' || text[length + 1] == '\0') &&
        sgl_real_read(text, length, &percent) && percent > 0 && percent <= 100) {
        compare->margin = percent / 100;
        return SGL_OK;
    }
    return sgl_fail(failure, SGL_EINVAL,
                    "--margin %.40s, expected a percentage above 0 such as 5%%",
                    compare->options.margin);
}

/* What the user wrote in little languages of its own. */
static int parse_specs(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_compare_options *o = &compare->options;
    int status = parse_margin(compare, failure);

    if (status == SGL_OK)
        status = sgl_option_numbers("rate-scale", o->loads, compare->loads, SGL_COMPARE_LOADS_MAX,
                                    &compare->load_count, failure);
    if (status == SGL_OK)
        status = sgl_objectives_parse(&compare->objectives, o->slo, failure);
    for (uint32_t i = 0; i < o->gates.count && status == SGL_OK; i++)
        status = sgl_gate_parse(&compare->gates[i], o->gates.items[i], failure);
    for (uint32_t i = 0; i < o->policies.count && status == SGL_OK; i++) {
        status = sgl_policy_read(&compare->policies[i], o->policies.items[i], failure);
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

static int run(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const int status = compare->options.policies.count > 0 ? sgl_compare_trace(compare, failure)
                                                           : sgl_compare_logs(compare, failure);

    return status == SGL_OK ? sgl_compare_write(compare, failure) : status;
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
    for (uint32_t i = 0; i < compare->log_count; i++)
        sgl_log_run_release(&compare->logs[i]);
    free(compare->logs);
    free(compare->log_runs);
    sgl_trace_close(compare->trace);
    sgl_simulated_fleet_release(&compare->fleet);
    for (uint32_t i = 0; i < compare->options.policies.count; i++)
        sgl_policy_release(&compare->policies[i]);
    for (uint32_t i = 0; i < SGL_OPTION_LIST_MAX; i++)
        free(compare->arms[i].text);
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
        exit_code = parsed == SGL_EINVAL ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    } else if (run(&compare, &failure) != SGL_OK) {
        sgl_complain_of_either(compare.options.trace.path, compare.options.simulation.fleet,
                               failure.text);
        exit_code = compare.is_misused ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    } else {
        if (!compare.options.quiet && compare.trace != NULL)
            sgl_complain_of_rows(sgl_trace_facts(compare.trace));
        exit_code = gate_status(&compare);
    }
    release(&compare);
    return exit_code;
}
