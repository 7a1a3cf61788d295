/* What is said of a sweep as a whole, above its table and in its database. */
#include "sweep.h"
#include "core/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACT_TEXT_MAX 2048

static bool state(struct sgl_sweep_command *command, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `key` is a literal. False: no memory. What was said already is not said again. */
static bool state(struct sgl_sweep_command *command, const char *key, const char *format, ...)
{
    char text[FACT_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sgl_text_tame(text);
    for (uint32_t i = 0; i < command->fact_count; i++)
        if (strcmp(command->facts[i].key, key) == 0 && strcmp(command->facts[i].value, text) == 0)
            return true;
    struct sgl_sweep_fact *grown =
        realloc(command->facts, ((size_t)command->fact_count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    command->facts = grown;
    char *copy = malloc(strlen(text) + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    command->facts[command->fact_count++] = (struct sgl_sweep_fact){key, copy};
    return true;
}

static bool state_trace(struct sgl_sweep_command *command)
{
    const struct sgl_sweep_options *o = &command->options;
    const struct sgl_trace_facts *trace = sgl_trace_facts(command->trace);
    const struct sgl_population_facts *population = sgl_population_facts(command->population);
    const bool resamples = sgl_repeat_resamples(&o->repeat);
    bool is_stated = state(command, "trace",
                           "%llu request%s over %.6g s, format %s, times in %s, digest %016llx",
                           (unsigned long long)trace->row_count, sgl_plural(trace->row_count),
                           (double)population->span_ns / 1e9, trace->format, trace->time_unit,
                           (unsigned long long)trace->digest) &&
                     state(command, "runs", "%u: %u polic%s x %u load%s x %u fleet%s x %llu seed%s",
                           command->result.run_count, command->policy_count,
                           command->policy_count == 1 ? "y" : "ies", command->load_count,
                           sgl_plural(command->load_count), command->point_count,
                           sgl_plural(command->point_count), (unsigned long long)o->repeat.seeds,
                           sgl_plural(o->repeat.seeds)) &&
                     state(command, "seeds", "%llu to %llu, %s", (unsigned long long)o->repeat.seed,
                           (unsigned long long)(o->repeat.seed + o->repeat.seeds - 1),
                           resamples ? "blocks resampled" : "luck only");

    if (trace->cut != NULL)
        is_stated = is_stated && state(command, "note", "%s", trace->cut);
    if (resamples)
        is_stated = is_stated && state(command, "blocks", "%u of %.6g s, drawn with replacement",
                                       population->blocks, (double)population->block_ns / 1e9);
    if (resamples && population->is_short)
        is_stated = is_stated &&
                    state(command, "note",
                          "the trace lasts %.3g s: blocks of %.3g s, not %.3g s; what hangs "
                          "together for longer is torn apart",
                          (double)population->span_ns / 1e9, (double)population->block_ns / 1e9,
                          (double)o->repeat.block_ns / 1e9);
    if (resamples && population->sessions == 0 && population->prefix_ids > 0)
        is_stated = is_stated &&
                    state(command, "note",
                          "the trace names no sessions: a conversation that goes on past its block "
                          "loses what was cached of it");
    if (o->slo != NULL)
        is_stated = is_stated && state(command, "objectives", "%s", o->slo);
    return is_stated;
}

/* Each kind of service once, whatever the number of its workers. */
static bool state_fleets(struct sgl_sweep_command *command)
{
    struct sgl_simulated_group group;
    bool is_stated = true;

    for (uint32_t i = 0; i < command->point_count; i++) {
        const struct sgl_sweep_point *point = &command->points[i];
        const struct sgl_fault_plan *faults = sgl_simulated_fleet_faults(&point->fleet);
        is_stated = is_stated &&
                    (point->flags.fleet != NULL
                         ? state(command, "fleet", "%s: %u worker%s", point->name,
                                 point->fleet.worker_count, sgl_plural(point->fleet.worker_count))
                         : state(command, "fleet", "%s (%s)", point->name, point->fleet.origin));
        if (point->fleet.transfer_text != NULL)
            is_stated = is_stated && state(command, "transfer", "%s", point->fleet.transfer_text);
        for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
            if (point->fleet.policy_texts[pool] != NULL)
                is_stated = is_stated && state(command, "policy", "of %s workers: %s",
                                               sgl_pool_name((enum sgl_pool)pool),
                                               point->fleet.policy_texts[pool]);
        if (faults != NULL)
            is_stated = is_stated &&
                        state(command, "faults", "%s: %u planned, probes every %g s", point->name,
                              faults->count, (double)point->flags.health_interval_ns / 1e9);
    }
    for (uint32_t i = 0; i < command->point_count; i++)
        for (uint32_t g = 0; sgl_simulated_fleet_group(&command->points[i].fleet, g, &group); g++) {
            const struct sgl_profile_identity *profile = &group.spec->profile;
            is_stated = is_stated && state(command, "service", "%s", group.service);
            if (profile->name[0] != '\0')
                is_stated =
                    is_stated &&
                    state(command, "profile", "%s: %s on %s, TP %s; fit error %s", profile->name,
                          profile->model, profile->gpu, profile->tp,
                          profile->fit_error[0] != '\0' ? profile->fit_error : "not stated");
        }
    return is_stated;
}

static bool state_simulation(struct sgl_sweep_command *command)
{
    const struct sgl_simulation_flags *flags = &command->options.simulation;
    char text[160];
    bool is_stated = true;

    if (flags->response_delay_ns > 0 || flags->load_interval_ns > 0 || flags->load_delay_ns > 0)
        is_stated =
            state(command, "signals", "answers %lld ns late, load every %lld ns, %lld ns late",
                  (long long)flags->response_delay_ns, (long long)flags->load_interval_ns,
                  (long long)flags->load_delay_ns);
    if (flags->signal_loss != NULL)
        is_stated = is_stated && state(command, "lost", "%s", flags->signal_loss);
    if (flags->concurrency > 0)
        is_stated = is_stated && state(command, "arrivals", "closed loop, %llu in flight",
                                       (unsigned long long)flags->concurrency);
    /* As checked, and alike for all points. */
    const struct sgl_admission_options *admission = &command->points[0].flags.admission_limits;
    if (sgl_admission_is_limited(admission))
        is_stated = is_stated && state(command, "admission", "%s",
                                       sgl_admission_text(admission, text, sizeof text));
    if (sgl_simulation_deadlines_text(flags, text, sizeof text) != NULL)
        is_stated = is_stated && state(command, "deadlines", "%s", text);
    if (flags->until_ns != SGL_ABSENT)
        is_stated = is_stated && state(command, "until", "%.6g s", (double)flags->until_ns / 1e9);
    return is_stated;
}

static bool state_notes(struct sgl_sweep_command *command)
{
    char text[256];
    uint64_t without = 0;
    uint64_t shortened = 0;
    uint64_t cut = 0;
    uint64_t rejected = 0;
    uint64_t late = 0;
    double resolution = 0;
    bool is_stated = true;

    for (uint32_t i = 0; i < command->result.run_count; i++) {
        const struct sgl_simulation_totals *totals = &command->result.runs[i].totals;
        without = totals->without_max_tokens > without ? totals->without_max_tokens : without;
        const uint64_t run_late = totals->timed_out + totals->abandoned;
        rejected = totals->rejected > rejected ? totals->rejected : rejected;
        late = run_late > late ? run_late : late;
        shortened = totals->cut_to_max_tokens > shortened ? totals->cut_to_max_tokens : shortened;
        cut = totals->cut_to_memory > cut ? totals->cut_to_memory : cut;
        resolution = fmax(resolution, sgl_summary_resolution(&command->result.runs[i].result));
    }
    if (resolution > 0)
        is_stated = state(command, "note", "of each run: %s", SGL_SAMPLES_CAVEAT);
    if (without > 0)
        is_stated =
            is_stated &&
            state(command, "note",
                  "no max_tokens is stated by up to %llu request%s of a run: %llu was taken "
                  "(--max-new-tokens)",
                  (unsigned long long)without, sgl_plural(without),
                  (unsigned long long)command->options.simulation.max_new_tokens);
    const struct {
        uint64_t most; /* of all runs */
        const char *before;
        const char *counted;
        const char *after;
    } counts[] = {
        {shortened, "longer than max_tokens, and cut there: up to", "recorded output", ""},
        {cut, "cut to what their worker has KV memory for (--over-capacity cut): up to", "answer",
         ""},
        {rejected, "admission: not let in, and counted as failed (column rejected): up to",
         "request", "; latencies are of the others"},
        {late,
         "deadlines: given up or left, and counted as failed (columns timed_out, abandoned): up to",
         "request", "; latencies are of the others, so of short ones more than of long ones"},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].most > 0)
            is_stated =
                is_stated && state(command, "note", "%s %llu %s%s of a run%s", counts[i].before,
                                   (unsigned long long)counts[i].most, counts[i].counted,
                                   sgl_plural(counts[i].most), counts[i].after);
    for (uint32_t i = 0; i < command->point_count; i++)
        for (uint32_t c = 0; is_stated && sgl_simulated_fleet_caveat(&command->points[i].fleet,
                                                                     &command->points[i].flags, c,
                                                                     text, sizeof text) != NULL;
             c++)
            is_stated = state(command, "note", "%s", text);
    return is_stated;
}

int sgl_sweep_state(struct sgl_sweep_command *command)
{
    bool is_stated = state_trace(command) && state_fleets(command) && state_simulation(command);

    for (uint32_t p = 0; p < command->policy_count; p++)
        is_stated = is_stated && state(command, "policy", "%s", command->policy_texts[p]);
    return is_stated && state_notes(command) ? SGL_OK : SGL_ENOMEM;
}
