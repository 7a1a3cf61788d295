#include "traces/json.h"
#include "analysis/report_format.h"
#include "analysis/summary_json.h"
#include "analysis/summary_text.h"
#include "core/version.h"
#include "core/text.h"
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 13
#define JSON_SCHEMA_VERSION 1
#define CAVEAT_MAX 512
#define FAULTS_SHOWN 12

/* "label        text", which is tamed: names in it are from files. */
static void print_wrapped(const char *label, char *text)
{
    sgl_text_tame(text);
    sgl_text_print_wrapped(stdout, label, text);
}

static void print_trace(const struct sgl_replay *replay)
{
    const struct sgl_trace_facts *facts = sgl_trace_facts(replay->trace);
    char text[256];

    snprintf(text, sizeof text, "%llu request%s, format %s, times in %s, digest %016llx",
             (unsigned long long)facts->row_count, sgl_plural(facts->row_count), facts->format,
             facts->time_unit, (unsigned long long)facts->digest);
    print_wrapped("trace", text);
}

/* "name: " of a group that has one. */
static const char *group_label(const struct sgl_simulated_group *group, char *out, size_t size)
{
    if (group->name[0] == '\0')
        out[0] = '\0';
    else
        snprintf(out, size, "%.60s x%u: ", group->name, group->worker_count);
    sgl_text_tame(out);
    return out;
}

static void print_group(const struct sgl_simulated_group *group)
{
    const struct sgl_profile_identity *profile = &group->spec->profile;
    char label[80];
    char text[6 * SGL_PROFILE_TEXT_MAX];

    group_label(group, label, sizeof label);
    printf("%-*s%s", INDENT, "service", label);
    sgl_text_wrap(stdout, INDENT + strlen(label), group->service);
    if (profile->name[0] == '\0')
        return;
    snprintf(text, sizeof text, "%s%s: %s on %s, TP %s; fit error %s", label, profile->name,
             profile->model, profile->gpu, profile->tp,
             profile->fit_error[0] != '\0' ? profile->fit_error : "not stated");
    print_wrapped("profile", text);
}

static void print_fault(const struct sgl_replay *replay, const struct sgl_fault *fault)
{
    const char *name = replay->fleet.file.workers[fault->worker].name;
    char text[256];
    size_t used =
        (size_t)snprintf(text, sizeof text, "%.80s %s", name, sgl_fault_kind_name(fault->kind));

    if (fault->kind == SGL_FAULT_SLOW)
        used += (size_t)snprintf(text + used, sizeof text - used, " (x%g)", fault->factor);
    else if (fault->kind == SGL_FAULT_FLAP)
        used += (size_t)snprintf(text + used, sizeof text - used, " (down %g of each %g s)",
                                 (double)fault->down_ns / 1e9, (double)fault->period_ns / 1e9);
    used += (size_t)snprintf(text + used, sizeof text - used, " from %g s",
                             (double)fault->from_ns / 1e9);
    if (fault->until_ns != INT64_MAX)
        snprintf(text + used, sizeof text - used, " until %g s", (double)fault->until_ns / 1e9);
    print_wrapped("fault", text);
}

static void print_fleet(const struct sgl_replay *replay)
{
    const struct sgl_simulated_fleet *fleet = &replay->fleet;
    struct sgl_simulated_group group;
    char text[256];

    snprintf(text, sizeof text, "%u worker%s (%.200s)", fleet->worker_count,
             sgl_plural(fleet->worker_count), fleet->origin);
    print_wrapped("fleet", text);
    for (uint32_t g = 0; sgl_simulated_fleet_group(fleet, g, &group); g++)
        print_group(&group);
    for (uint32_t i = 0; i < fleet->file.faults.count && i < FAULTS_SHOWN; i++)
        print_fault(replay, &fleet->file.faults.faults[i]);
    if (fleet->file.faults.count > FAULTS_SHOWN) {
        snprintf(text, sizeof text, "... and %u more", fleet->file.faults.count - FAULTS_SHOWN);
        print_wrapped("fault", text);
    }
}

/* That of the run, and those that pools of pairs have of their own. */
static void print_policies(const struct sgl_replay *replay)
{
    print_wrapped("policy", replay->policy_text);
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        char label[32];
        if (replay->fleet.policy_texts[pool] == NULL)
            continue;
        snprintf(label, sizeof label, "  %s", sgl_pool_name((enum sgl_pool)pool));
        print_wrapped(label, replay->fleet.policy_texts[pool]);
    }
}

int sgl_replay_print(const struct sgl_replay *replay)
{
    const struct sgl_replay_options *o = &replay->options;
    char text[CAVEAT_MAX];
    char word[SGL_SHELL_WORD_MAX];

    printf("sglsim " SGL_VERSION " replay: simulated, seed %llu\n\n", (unsigned long long)o->seed);
    print_trace(replay);
    print_policies(replay);
    print_fleet(replay);
    if (sgl_admission_is_limited(&o->simulation.admission_limits)) {
        sgl_admission_text(&o->simulation.admission_limits, text, sizeof text);
        print_wrapped("admission", text);
    }
    if (sgl_simulation_deadlines_text(&o->simulation, text, sizeof text) != NULL)
        print_wrapped("deadlines", text);
    for (uint32_t i = 0; sgl_replay_caveat(replay, i, text, sizeof text) != NULL; i++)
        print_wrapped("note", text);
    putchar('\n');
    sgl_summary_print(stdout, &replay->result);
    if (strcmp(o->log, "none") != 0)
        printf("\nlog          %s (prove it: sglsim verify %s)\n",
               sgl_text_shell_word(o->log, word, sizeof word), word);
    return SGL_OK;
}

/* Adds what the group is to the object, or releases it. */
static json_t *describe_group(json_t *object, const struct sgl_simulated_group *group)
{
    const struct sgl_profile_identity *profile = &group->spec->profile;

    if (!sgl_json_set(object, "workers", json_integer(group->worker_count)) ||
        !sgl_json_set(object, "service", sgl_json_text(group->service)))
        return NULL;
    if (profile->name[0] == '\0')
        return object;
    return sgl_json_set(object, "profile", sgl_json_text(profile->name)) &&
                   sgl_json_set(object, "profile_source", sgl_json_text(profile->source)) &&
                   sgl_json_set(object, "profile_fit_error", sgl_json_text(profile->fit_error))
               ? object
               : NULL;
}

static json_t *fault_json(const struct sgl_replay *replay, const struct sgl_fault *fault)
{
    const char *name = replay->fleet.file.workers[fault->worker].name;
    json_t *object = json_pack(
        "{s:o, s:s, s:f, s:o}", "worker", sgl_json_text(name), "kind",
        sgl_fault_kind_name(fault->kind), "from_s", (double)fault->from_ns / 1e9, "until_s",
        fault->until_ns != INT64_MAX ? json_real((double)fault->until_ns / 1e9) : json_null());

    if (fault->kind == SGL_FAULT_SLOW && !sgl_json_set(object, "factor", json_real(fault->factor)))
        return NULL;
    if (fault->kind == SGL_FAULT_FLAP &&
        (!sgl_json_set(object, "period_s", json_real((double)fault->period_ns / 1e9)) ||
         !sgl_json_set(object, "down_s", json_real((double)fault->down_ns / 1e9))))
        return NULL;
    return object;
}

static json_t *faults_json(const struct sgl_replay *replay)
{
    const struct sgl_fault_plan *plan = &replay->fleet.file.faults;
    json_t *array = json_array();

    for (uint32_t i = 0; i < plan->count; i++)
        if (!sgl_json_append(array, fault_json(replay, &plan->faults[i])))
            return NULL;
    return array;
}

static json_t *groups_json(const struct sgl_simulated_fleet *fleet)
{
    struct sgl_simulated_group group;
    json_t *array = json_array();

    for (uint32_t g = 0; sgl_simulated_fleet_group(fleet, g, &group); g++) {
        json_t *object = json_pack("{s:o}", "name", sgl_json_text(group.name));
        if (!sgl_json_append(array, describe_group(object, &group)))
            return NULL;
    }
    return array;
}

/* One group: what it is. A file: how many workers, what each group is, and the faults. */
static json_t *fleet_json(const struct sgl_replay *replay)
{
    const struct sgl_simulated_fleet *fleet = &replay->fleet;
    struct sgl_simulated_group group;

    if (fleet->file.spec_count > 0)
        return json_pack("{s:i, s:o, s:o}", "workers", (int)fleet->worker_count, "groups",
                         groups_json(fleet), "faults", faults_json(replay));
    sgl_simulated_fleet_group(fleet, 0, &group);
    return describe_group(json_object(), &group);
}

static json_t *trace_json(const struct sgl_replay *replay)
{
    const struct sgl_trace_facts *facts = sgl_trace_facts(replay->trace);
    char digest[32];

    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)facts->digest);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "format", facts->format, "times",
                     facts->time_unit, "requests", (json_int_t)facts->row_count, "sorted",
                     (json_int_t)facts->sorted_count, "zero_prompt_tokens",
                     (json_int_t)facts->zero_prompt_count, "zero_output_tokens",
                     (json_int_t)facts->zero_output_count, "digest", digest);
}

static json_t *notes_json(const struct sgl_replay *replay)
{
    json_t *notes = json_array();
    char text[CAVEAT_MAX];

    for (uint32_t i = 0; sgl_replay_caveat(replay, i, text, sizeof text) != NULL; i++)
        if (!sgl_json_append(notes, sgl_json_text(text)))
            return NULL;
    return notes;
}

static json_t *simulation_json(const struct sgl_replay *replay)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "retries",
                     (json_int_t)totals->retries, "rejected", (json_int_t)totals->rejected,
                     "timed_out", (json_int_t)totals->timed_out, "abandoned",
                     (json_int_t)totals->abandoned, "warm_up_requests", (json_int_t)replay->warm_up,
                     "cut_in_flight", (json_int_t)totals->cut_in_flight, "cut_arrivals",
                     (json_int_t)totals->cut_arrivals, "engine_steps", (json_int_t)totals->steps,
                     "without_max_tokens", (json_int_t)totals->without_max_tokens,
                     "cut_to_max_tokens", (json_int_t)totals->cut_to_max_tokens, "cut_to_memory",
                     (json_int_t)totals->cut_to_memory);
}

int sgl_replay_print_json(const struct sgl_replay *replay)
{
    const struct sgl_replay_options *o = &replay->options;
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:o, s:f, s:o, s:o, s:o, s:o, s:o}", "schema_version",
                  JSON_SCHEMA_VERSION, "version", SGL_VERSION, "command", "replay", "kind", "sim",
                  "seed", (json_int_t)o->seed, "policy", sgl_json_text(replay->policy_text),
                  "rate_scale", o->simulation.rate_scale, "trace", trace_json(replay), "fleet",
                  fleet_json(replay), "notes", notes_json(replay), "simulation",
                  simulation_json(replay), "result", sgl_summary_json(&replay->result));

    char text[160];
    if (root != NULL && sgl_admission_is_limited(&o->simulation.admission_limits) &&
        !sgl_json_set(
            root, "admission",
            sgl_json_text(sgl_admission_text(&o->simulation.admission_limits, text, sizeof text))))
        return SGL_ENOMEM;
    if (root != NULL && strcmp(o->log, "none") != 0 &&
        !sgl_json_set(root, "log", sgl_json_text(o->log)))
        return SGL_ENOMEM;
    return sgl_json_print(stdout, root) ? SGL_OK : SGL_ENOMEM;
}
