#include "analysis/json.h"
#include "analysis/summary_json.h"
#include "analysis/summary_text.h"
#include "core/version.h"
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 100
#define INDENT 13
#define JSON_SCHEMA_VERSION 1
#define CAVEAT_MAX 256

/* "label        text", broken after commas and at blanks to stay within the width. */
static void print_wrapped(const char *label, const char *text)
{
    size_t column = INDENT;

    printf("%-*s", INDENT, label);
    while (*text != '\0') {
        const size_t word = strcspn(text, ", ") + (text[strcspn(text, ", ")] == ',');
        const size_t blanks = strspn(text + word, " ");
        printf("%.*s", (int)word, text);
        column += word;
        text += word + blanks;
        const size_t next = strcspn(text, ", ") + 1;
        if (*text != '\0' && column + blanks + next > WIDTH) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        } else if (*text != '\0') {
            printf("%*s", (int)blanks, "");
            column += blanks;
        }
    }
    putchar('\n');
}

static void print_trace(const struct sgl_replay *replay)
{
    const struct sgl_trace_facts *facts = sgl_trace_facts(replay->trace);
    char text[256];

    snprintf(text, sizeof text, "%llu requests, format %s, times in %s, digest %016llx",
             (unsigned long long)facts->row_count, facts->format, facts->time_unit,
             (unsigned long long)facts->digest);
    print_wrapped("trace", text);
}

static void print_fleet(const struct sgl_replay *replay)
{
    const struct sgl_profile_identity *profile = &replay->fleet.specs[0].profile;
    char text[6 * SGL_PROFILE_TEXT_MAX];

    snprintf(text, sizeof text, "%u worker%s (%s)", replay->fleet.worker_count,
             replay->fleet.worker_count == 1 ? "" : "s", replay->fleet.origin);
    print_wrapped("fleet", text);
    print_wrapped("service", replay->fleet.service_text);
    if (profile->name[0] == '\0')
        return;
    snprintf(text, sizeof text, "%s: %s on %s, TP %s; fit error %s", profile->name, profile->model,
             profile->gpu, profile->tp,
             profile->fit_error[0] != '\0' ? profile->fit_error : "not stated");
    print_wrapped("profile", text);
}

/* What the reader must know beside the figures, one line each; NULL past the last. */
static const char *caveat(const struct sgl_replay *replay, uint32_t index, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;
    uint32_t own = 0;

    if (totals->without_max_tokens > 0 && own++ == index) {
        snprintf(out, size, "%llu requests state no max_tokens: %llu was taken (--max-new-tokens)",
                 (unsigned long long)totals->without_max_tokens,
                 (unsigned long long)replay->options.simulation.max_new_tokens);
        return out;
    }
    if (totals->cut_to_max_tokens > 0 && own++ == index) {
        snprintf(out, size, "%llu recorded outputs are longer than max_tokens: they end there",
                 (unsigned long long)totals->cut_to_max_tokens);
        return out;
    }
    return sgl_worker_model_caveat(&replay->fleet.specs[0], index - own, out, size);
}

int sgl_replay_print(const struct sgl_replay *replay)
{
    const struct sgl_replay_options *o = &replay->options;
    char text[CAVEAT_MAX];

    printf("sglsim " SGL_VERSION " replay: simulated, seed %llu\n\n", (unsigned long long)o->seed);
    print_trace(replay);
    print_wrapped("policy", replay->policy_text);
    print_fleet(replay);
    for (uint32_t i = 0; caveat(replay, i, text, sizeof text) != NULL; i++)
        print_wrapped("note", text);
    putchar('\n');
    sgl_summary_print(stdout, &replay->result);
    if (strcmp(o->log, "none") != 0)
        printf("\nlog          %s (prove it: sglsim verify %s)\n", o->log, o->log);
    return SGL_OK;
}

static json_t *fleet_json(const struct sgl_replay *replay)
{
    const struct sgl_profile_identity *profile = &replay->fleet.specs[0].profile;
    json_t *object = json_pack("{s:i, s:o}", "workers", (int)replay->fleet.worker_count, "service",
                               sgl_json_text(replay->fleet.service_text));

    if (profile->name[0] == '\0')
        return object;
    return sgl_json_set(object, "profile", sgl_json_text(profile->name)) &&
                   sgl_json_set(object, "profile_source", sgl_json_text(profile->source)) &&
                   sgl_json_set(object, "profile_fit_error", sgl_json_text(profile->fit_error))
               ? object
               : NULL;
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

    for (uint32_t i = 0; caveat(replay, i, text, sizeof text) != NULL; i++)
        if (!sgl_json_append(notes, sgl_json_text(text)))
            return NULL;
    return notes;
}

static json_t *simulation_json(const struct sgl_simulation_totals *totals)
{
    return json_pack("{s:I, s:I, s:I}", "engine_steps", (json_int_t)totals->steps,
                     "without_max_tokens", (json_int_t)totals->without_max_tokens,
                     "cut_to_max_tokens", (json_int_t)totals->cut_to_max_tokens);
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
                  simulation_json(&replay->totals), "result", sgl_summary_json(&replay->result));

    if (root != NULL && strcmp(o->log, "none") != 0 &&
        !sgl_json_set(root, "log", sgl_json_text(o->log)))
        return SGL_ENOMEM;
    char *text = sgl_json_format(root);
    if (text == NULL)
        return SGL_ENOMEM;
    fputs(text, stdout);
    free(text);
    return SGL_OK;
}
