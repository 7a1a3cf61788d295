/* The runs of a trace that are compared: from the population to the report. */
#include "compare.h"

#include "core/version.h"
#include "core/text.h"

#include <math.h>
#include <string.h>

#define GROUPS_SHOWN 8

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
        status = sgl_simulated_fleet_fits(&compare->fleet, &compare->policies[i], failure);
        compare->is_misused = status != SGL_OK;
    }
    if (status == SGL_OK)
        status = sgl_trace_open(&compare->trace, &o->trace, failure);
    if (status == SGL_OK)
        status = sgl_population_load(&compare->population, sgl_trace_source(compare->trace),
                                     o->repeat.block_ns, failure);
    return status;
}

static void show_progress(void *context, uint32_t done, uint32_t count)
{
    sgl_progress_report_parts(context, done, count, "runs");
}

static int simulate(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_compare_options *o = &compare->options;
    struct sgl_simulation_options simulation = {0};
    const struct sgl_experiment experiment = {
        .population = compare->population,
        .policies = compare->policies,
        .policy_count = compare->policy_count,
        .loads = compare->loads,
        .load_count = compare->load_count,
        .seed = o->repeat.seed,
        .seed_count = (uint32_t)o->repeat.seeds,
        .resamples = sgl_repeat_resamples(&o->repeat),
        .cuts_warm_up = strcmp(o->warm_up, "mser5") == 0,
        .objectives = compare->objectives,
        .simulations = &simulation,
        .simulation_count = 1,
        .has_details = true,
        .thread_count = sgl_repeat_thread_count(&o->repeat),
        .progress = show_progress,
        .progress_context = &compare->progress,
    };

    sgl_simulated_fleet_apply(&compare->fleet, NULL, &simulation);
    sgl_simulation_flags_apply(&o->simulation, &simulation);
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

/* ---- what the reader must know beside the figures: each is a note, or nothing to note ---- */

/* Of the requests and how seeds resample them. */
static bool note_trace(struct sgl_compare *compare)
{
    const struct sgl_population_facts *population = sgl_population_facts(compare->population);
    struct sgl_report *report = &compare->report;
    const char *cut = sgl_trace_facts(compare->trace)->cut;
    bool is_stated = cut == NULL || sgl_report_note(report, "%s", cut);

    if (is_stated && report->resamples && population->is_short)
        is_stated =
            sgl_report_note(report,
                            "the trace lasts %.3g s: blocks of %.3g s, not %.3g s; what "
                            "hangs together for longer is torn apart",
                            (double)population->span_ns / 1e9, (double)population->block_ns / 1e9,
                            (double)compare->options.repeat.block_ns / 1e9);
    if (is_stated && report->resamples && population->sessions == 0 && population->prefix_ids > 0)
        is_stated = sgl_report_note(report, "the trace names no sessions: a conversation that goes "
                                            "on past its block loses what was cached of it");
    return is_stated;
}

static bool note_warm_up(struct sgl_compare *compare)
{
    struct sgl_report *report = &compare->report;

    if (!report->wanted_warm_up)
        return true;
    if (!report->is_stationary)
        return sgl_report_note(report, "warm-up: not stationary, some run has no MSER-5 "
                                       "cut in its first half: nothing was left out");
    return sgl_report_note(report,
                           "warm-up: of every run the first %llu request%s left "
                           "out (MSER-5 of e2e, the latest cut of all runs)",
                           (unsigned long long)report->warm_up,
                           report->warm_up == 1 ? " is" : "s are");
}

/* Of what decides when requests come, and which of them are answered. */
static bool note_limits(struct sgl_compare *compare)
{
    const struct sgl_run *run = &compare->result.recorded[0];
    const struct sgl_simulation_flags *flags = &compare->options.simulation;
    struct sgl_report *report = &compare->report;
    char text[256];
    bool is_stated = true;

    if (flags->concurrency > 0)
        is_stated =
            sgl_report_note(report,
                            "closed loop (--concurrency %llu): arrival times are not used, and a "
                            "slow policy is sent fewer requests a second",
                            (unsigned long long)flags->concurrency);
    if (is_stated && run->cut_in_flight + run->cut_arrivals > 0)
        is_stated =
            sgl_report_note(report,
                            "cut after %g s (--until): of the trace as recorded, at the first load "
                            "under A, %llu request%s had no answer yet and %llu had not arrived; "
                            "latencies are of those answered",
                            (double)flags->until_ns / 1e9, (unsigned long long)run->cut_in_flight,
                            sgl_plural(run->cut_in_flight), (unsigned long long)run->cut_arrivals);
    if (is_stated && sgl_admission_is_limited(&flags->admission_limits))
        is_stated =
            sgl_report_note(report,
                            "admission: %s; of the trace as recorded, at the first load under A, "
                            "not let in, and counted as failed: %llu request%s; latencies are of "
                            "the others, their wait to be let in included",
                            sgl_admission_text(&flags->admission_limits, text, sizeof text),
                            (unsigned long long)run->rejected, sgl_plural(run->rejected));
    if (is_stated && sgl_simulation_deadlines_text(flags, text, sizeof text) != NULL)
        is_stated = sgl_report_note(report,
                                    "deadlines: %s, and such requests count as failed; latencies "
                                    "are of the others, so of short ones more than of long ones",
                                    text);
    return is_stated;
}

/* Of answers whose length is not the trace's. */
static bool note_lengths(struct sgl_compare *compare)
{
    const struct sgl_run *run = &compare->result.recorded[0];
    struct sgl_report *report = &compare->report;
    bool is_stated = true;

    if (run->without_max_tokens > 0)
        is_stated = sgl_report_note(report,
                                    "%llu request%s no max_tokens: %llu was taken "
                                    "(--max-new-tokens)",
                                    (unsigned long long)run->without_max_tokens,
                                    run->without_max_tokens == 1 ? " states" : "s state",
                                    (unsigned long long)compare->options.simulation.max_new_tokens);
    if (is_stated && run->cut_to_max_tokens > 0)
        is_stated = sgl_report_note(
            report, "longer than max_tokens, and cut there: %llu recorded output%s",
            (unsigned long long)run->cut_to_max_tokens, sgl_plural(run->cut_to_max_tokens));
    if (is_stated && run->cut_to_memory > 0)
        is_stated =
            sgl_report_note(report,
                            "cut to what their worker has KV memory for (--over-capacity "
                            "cut): %llu answer%s",
                            (unsigned long long)run->cut_to_memory, sgl_plural(run->cut_to_memory));
    return is_stated;
}

static bool note_fleet(struct sgl_compare *compare)
{
    char text[256];
    bool is_stated = true;

    for (uint32_t i = 0;
         is_stated && sgl_simulated_fleet_caveat(&compare->fleet, &compare->options.simulation, i,
                                                 text, sizeof text) != NULL;
         i++)
        is_stated = sgl_report_note(&compare->report, "%s", text);
    return is_stated;
}

static bool state_notes(struct sgl_compare *compare)
{
    return note_trace(compare) && note_warm_up(compare) && note_limits(compare) &&
           note_lengths(compare) && note_fleet(compare);
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
                        "%llu request%s over %.6g s, format %s, times in %s, digest "
                        "%016llx",
                        (unsigned long long)trace->row_count, sgl_plural(trace->row_count),
                        (double)population->span_ns / 1e9, trace->format, trace->time_unit,
                        (unsigned long long)trace->digest) &&
        sgl_report_fact(report, "fleet", "%u worker%s (%s)", compare->fleet.worker_count,
                        sgl_plural(compare->fleet.worker_count), compare->fleet.origin) &&
        state_groups(compare);

    is_stated =
        is_stated &&
        sgl_report_fact(report, "seeds", "%llu to %llu, %s", (unsigned long long)o->repeat.seed,
                        (unsigned long long)(o->repeat.seed + o->repeat.seeds - 1),
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
    if (o->simulation.signal_loss != NULL)
        is_stated =
            is_stated && sgl_report_fact(report, "signal loss", "%s", o->simulation.signal_loss);
    for (uint32_t i = 0; i < compare->policy_count && is_stated; i++) {
        static const char *const keys[] = {"policy A", "policy B", "policy C", "policy D",
                                           "policy E", "policy F", "policy G", "policy H"};
        if (i < sizeof keys / sizeof keys[0])
            is_stated = sgl_report_fact(report, keys[i], "%s", compare->arms[i].text);
    }
    return is_stated && state_notes(compare) && sgl_report_note_limits(report);
}

int sgl_compare_trace(struct sgl_compare *compare, struct sgl_failure *failure)
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
        .resamples = sgl_repeat_resamples(&compare->options.repeat),
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
    return SGL_OK;
}
