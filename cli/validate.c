/* sglsim validate: a recorded run against a simulation of it. */
#include "analysis/accuracy_html.h"
#include "analysis/accuracy_text.h"
#include "analysis/report_format.h"
#include "program.h"
#include "traces/json.h"
#include "analysis/policy_run.h"

#include "cli.h"
#include "core/version.h"
#include "core/text.h"
#include "options.h"
#include "recorded.h"
#include "trace_rows.h"
#include "policy_json.h"
#include "traces/new_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA_VERSION 1
#define NOTE_MAX 512
#define LINE_MAX_BYTES 1024
#define LABEL_MAX 16
#define LINES_MAX 64 /* on the page */

static const char description[] =
    "Replays a recorded run, each request to the worker it went to and at the time it got there,\n"
    "and compares what the simulation says with what was measured. With --policy the requests are\n"
    "routed anew: what would that policy have made of it?\n"
    "\n"
    "RECORDED is a trace with what a recorder measures (queue_time_start, queue_time_end,\n"
    "server_first_token_time, finish_time, ttft, host), or vLLM's event times as JSON lines.\n"
    "\n"
    "exit status: 0 done, 1 failed, 2 usage, 4 nothing of the scored rows was measured\n";

static const char examples[] =
    "  sglsim validate recorded.csv --profile fitted.profile\n"
    "  sglsim validate recorded.csv --profile fitted.profile --rows 100: --json\n"
    "  sglsim validate recorded.csv --profile fitted.profile --policy round_robin --html "
    "anew.html\n"
    "  sglsim validate recorded.csv --profile slow.profile --profile-of "
    "http://w1:30001=fast.profile\n";

struct validation {
    struct sgl_recorded_flags flags;
    const char *path;
    const char *profile;
    const char *profile_of; /* URL=PROFILE,... */
    const char *worker;
    const char *policy;
    const char *html;
    uint64_t seed;
    bool json;

    struct sgl_policy_spec policy_spec;
    struct sgl_recording recording;
    struct sgl_row_range range;
    struct sgl_worker_model_spec *specs; /* [0] for all, [1 ...] of those named */
    uint32_t spec_count;
    const struct sgl_worker_model_spec **spec_of; /* by worker */
    struct sgl_worker_times *times;
    uint32_t *workers; /* NULL: the recorded ones */
    struct sgl_accuracy accuracy;
    bool is_misused;
    bool is_unmeasured;
};

static int parse_options(struct validation *validation, int argument_count, char **arguments)
{
    const struct sgl_option table[] = {
        {"profile", 0, SGL_OPTION_TEXT, "NAME|FILE", &validation->profile,
         "step times of the workers (default " SGL_PROFILE_STANDARD ")", 0},
        {"profile-of", 0, SGL_OPTION_TEXT, "URL=P,...", &validation->profile_of,
         "workers with a profile of their own", 0},
        {"worker", 'w', SGL_OPTION_TEXT, "k=v,...", &validation->worker,
         "override worker or profile parameters, such as scheduler=vllm", 0},
        {"policy", 'p', SGL_OPTION_TEXT, "P[:k=v,...]", &validation->policy,
         "route anew by this policy (default: as recorded)", 0},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &validation->seed, "luck of the policy (default 1)",
         0},
        {"html", 0, SGL_OPTION_TEXT, "FILE", &validation->html,
         "write a page with distributions and residuals there (FILE.html)", 0},
        SGL_RECORDED_ROWS(validation->flags),
        SGL_TRACE_ROWS("RECORDED", validation->flags.trace, validation->flags.prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &validation->json, "print the figures as JSON", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim validate RECORDED --profile P [options]",
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
    validation->path = arguments[1];
    if (validation->html != NULL && !sgl_text_ends_in(validation->html, ".html")) {
        sgl_complain("--html %.200s, expected a path that ends in .html", validation->html);
        return SGL_EXIT_USAGE;
    }
    return sgl_recorded_flags_check(&validation->flags, arguments[1]);
}

static uint32_t count_profiles(const char *text)
{
    uint32_t count = text != NULL && text[0] != '\0' ? 1 : 0;

    for (; count > 0 && *text != '\0'; text++)
        count += *text == ',';
    return count;
}

/* One "URL=PROFILE" of `length` bytes. A url may hold '=', a profile does not. */
static int name_profile(struct validation *validation, const char *text, size_t length,
                        struct sgl_failure *failure)
{
    char profile[4096];
    size_t equals = length;

    while (equals > 0 && text[equals - 1] != '=')
        equals--;
    if (equals < 2 || length - equals == 0 || length - equals >= sizeof profile)
        return sgl_fail(failure, SGL_EINVAL, "--profile-of %.*s, expected URL=PROFILE",
                        length < 200 ? (int)length : 200, text);
    memcpy(profile, text + equals, length - equals);
    profile[length - equals] = '\0';
    for (uint32_t w = 0; w < validation->recording.worker_count; w++) {
        const char *url = validation->recording.urls[w];
        if (strlen(url) != equals - 1 || memcmp(url, text, equals - 1) != 0)
            continue;
        struct sgl_worker_model_spec *spec = &validation->specs[validation->spec_count];
        const int status =
            sgl_worker_model_resolve(spec, "batching", profile, validation->worker, failure);
        if (status == SGL_OK)
            validation->spec_of[w] = &validation->specs[validation->spec_count++];
        return status;
    }
    return sgl_fail(failure, SGL_EINVAL, "--profile-of %.*s: the recording has no such worker",
                    equals < 200 ? (int)equals - 1 : 200, text);
}

static int make_specs(struct validation *validation, struct sgl_failure *failure)
{
    const uint32_t worker_count = validation->recording.worker_count;
    const char *text = validation->profile_of;

    validation->specs = calloc(1 + (size_t)count_profiles(text), sizeof *validation->specs);
    validation->spec_of = calloc(worker_count, sizeof(void *));
    validation->times = calloc(validation->recording.count, sizeof *validation->times);
    if (validation->specs == NULL || validation->spec_of == NULL || validation->times == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    int status = sgl_worker_model_resolve(&validation->specs[0], "batching", validation->profile,
                                          validation->worker, failure);
    if (status == SGL_OK)
        validation->spec_count = 1;
    for (uint32_t w = 0; w < worker_count; w++)
        validation->spec_of[w] = &validation->specs[0];
    while (status == SGL_OK && text != NULL && *text != '\0') {
        const size_t length = strcspn(text, ",");
        status = name_profile(validation, text, length, failure);
        text += length + (text[length] == ',');
    }
    if (status == SGL_OK && validation->policy != NULL) {
        status = sgl_policy_read(&validation->policy_spec, validation->policy, failure);
        if (status == SGL_OK)
            status = sgl_policy_fits(&validation->policy_spec, worker_count, failure);
    }
    validation->is_misused = status == SGL_EINVAL;
    return status;
}

/* What the reader must know beside the figures; NULL past the last. */
static const char *note(const struct validation *validation, uint32_t index, char *out, size_t size)
{
    uint32_t own = 0;

    if (validation->recording.cut != NULL && own++ == index) {
        snprintf(out, size, "%s", validation->recording.cut);
        return out;
    }
    if (validation->recording.time_note != NULL && own++ == index) {
        snprintf(out, size, "%s", validation->recording.time_note);
        return out;
    }
    if (validation->flags.first_token_is > 1 && own++ == index) {
        snprintf(out, size,
                 "the first token recorded is token %llu: ttft and tpot are of that, simulated on "
                 "the line from first to last token",
                 (unsigned long long)validation->flags.first_token_is);
        return out;
    }
    if (sgl_accuracy_resolution(&validation->accuracy) > 0 && own++ == index) {
        snprintf(out, size, "%s", SGL_SAMPLES_CAVEAT);
        return out;
    }
    for (uint32_t s = 0; s < validation->spec_count; s++) {
        uint32_t count = 0;
        while (sgl_worker_model_caveat(&validation->specs[s], count, out, size) != NULL) {
            if (own++ == index)
                return out;
            count++;
        }
    }
    return NULL;
}

/* The index-th row above the figures, and its label: what was compared, then notes; NULL past the
 * last. */
static const char *heading(const struct validation *validation, uint32_t index,
                           const char **label_out, char *out, size_t size)
{
    const struct sgl_recording *recording = &validation->recording;

    *label_out = index == 0 ? "recorded" : index <= validation->spec_count ? "profile" : "note";
    if (index == 0 && validation->policy != NULL)
        snprintf(out, size,
                 "%zu request%s (%s), rows %zu to %zu scored, routed anew by %.200s, seed %llu",
                 recording->count, sgl_plural(recording->count), recording->format,
                 validation->range.from, validation->range.to - 1, validation->policy,
                 (unsigned long long)validation->seed);
    else if (index == 0)
        snprintf(out, size, "%zu request%s (%s), rows %zu to %zu scored, routed as recorded",
                 recording->count, sgl_plural(recording->count), recording->format,
                 validation->range.from, validation->range.to - 1);
    else if (index <= validation->spec_count) {
        const struct sgl_profile_identity *profile = &validation->specs[index - 1].profile;
        snprintf(out, size, "%s: %s on %s, TP %s%s%s", profile->name, profile->model, profile->gpu,
                 profile->tp, profile->calibrated[0] != '\0' ? "; calibrated on " : "",
                 profile->calibrated);
    } else {
        return note(validation, index - 1 - validation->spec_count, out, size);
    }
    return out;
}

static void print_text(const struct validation *validation)
{
    const char *label;
    char text[LINE_MAX_BYTES];

    printf("sglsim " SGL_VERSION " validate: simulated against recorded\n\n");
    for (uint32_t i = 0; heading(validation, i, &label, text, sizeof text) != NULL; i++) {
        sgl_text_tame(text); /* names in it are from files */
        sgl_text_print_wrapped(stdout, label, text);
    }
    putchar('\n');
    sgl_accuracy_print(stdout, &validation->accuracy, &validation->recording);
    if (validation->html != NULL)
        printf("\nwritten      %s\n", validation->html);
}

static int write_page(FILE *out, const void *context)
{
    const struct validation *validation = context;
    static char texts[LINES_MAX][LINE_MAX_BYTES];
    const char *lines[LINES_MAX];
    const char *label;
    char text[LINE_MAX_BYTES - LABEL_MAX];
    size_t count = 0;

    while (count < LINES_MAX &&
           heading(validation, (uint32_t)count, &label, text, sizeof text) != NULL) {
        snprintf(texts[count], sizeof texts[count], "%s: %s", label, text);
        lines[count] = texts[count];
        count++;
    }
    const struct sgl_accuracy_page page = {
        .accuracy = &validation->accuracy,
        .recording = &validation->recording,
        .times = validation->times,
        .range = validation->range,
        .first_token_is = (int64_t)validation->flags.first_token_is,
        .title = "sglsim validate: recorded against simulated",
        .lines = lines,
        .line_count = count,
    };
    sgl_accuracy_write_html(out, &page);
    return SGL_OK;
}

/* Without a measured figure there is no answer, and silence would pass for a good one. Requests
 * that the simulated workers refuse are a finding. */
static int check_measured(struct validation *validation, struct sgl_failure *failure)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (validation->accuracy.metrics[m].count > 0 || validation->accuracy.unserved > 0)
            return SGL_OK;
    validation->is_unmeasured = true;
    return sgl_fail(failure, SGL_EINVAL,
                    "no scored request has a measured time that can be compared (queue_time_end, "
                    "server_first_token_time, finish_time or ttft)");
}

static int run(struct validation *validation, struct sgl_failure *failure)
{
    struct sgl_recording *recording = &validation->recording;
    struct sgl_worker_plan plan;
    int status = sgl_recorded_load(recording, &validation->range, &validation->flags,
                                   &validation->is_misused, failure);

    if (status == SGL_OK)
        status = make_specs(validation, failure);
    if (status != SGL_OK)
        return status;
    if (validation->policy == NULL) {
        status = sgl_worker_plan_make(&plan, recording, failure);
        if (status == SGL_OK)
            status = sgl_worker_plan_run(&plan, validation->spec_of, validation->seed,
                                         validation->times, failure);
        sgl_worker_plan_release(&plan);
    } else {
        validation->workers = calloc(recording->count, sizeof *validation->workers);
        status = validation->workers == NULL
                     ? sgl_fail(failure, SGL_ENOMEM, "out of memory")
                     : sgl_policy_run(recording,
                                      &(struct sgl_policy_run){.policy = &validation->policy_spec,
                                                               .specs = validation->spec_of,
                                                               .seed = validation->seed},
                                      validation->times, validation->workers, failure);
    }
    if (status == SGL_OK)
        status =
            sgl_accuracy_compute(&validation->accuracy, recording, validation->times,
                                 &(struct sgl_accuracy_scope){
                                     .range = validation->range,
                                     .first_token_is = (int64_t)validation->flags.first_token_is,
                                     .workers = validation->workers},
                                 failure);
    if (status == SGL_OK)
        status = check_measured(validation, failure);
    if (status == SGL_OK && validation->html != NULL)
        status = sgl_new_file_write(validation->html, write_page, validation, failure);
    return status;
}

static json_t *notes_json(const struct validation *validation)
{
    json_t *notes = json_array();
    char text[NOTE_MAX];

    for (uint32_t i = 0; note(validation, i, text, sizeof text) != NULL; i++)
        if (!sgl_json_append(notes, sgl_json_text(text)))
            return NULL;
    return notes;
}

static json_t *profiles_json(const struct validation *validation)
{
    json_t *profiles = json_array();

    for (uint32_t s = 0; s < validation->spec_count; s++)
        if (!sgl_json_append(profiles, sgl_json_text(validation->specs[s].profile.name)))
            return NULL;
    return profiles;
}

static int print_json(const struct validation *validation)
{
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "schema_version",
        JSON_SCHEMA_VERSION, "version", SGL_VERSION, "command", "validate", "kind", "sim", "format",
        validation->recording.format, "requests", (json_int_t)validation->recording.count,
        "rows_from", (json_int_t)validation->range.from, "rows_to",
        (json_int_t)validation->range.to, "first_token_is",
        (json_int_t)validation->flags.first_token_is, "seed", (json_int_t)validation->seed,
        "policy", validation->policy != NULL ? sgl_json_text(validation->policy) : json_null(),
        "profiles", profiles_json(validation), "notes", notes_json(validation), "accuracy",
        sgl_accuracy_json(&validation->accuracy, &validation->recording));

    return sgl_json_print(stdout, root) ? SGL_OK : SGL_ENOMEM;
}

static void release(struct validation *validation)
{
    sgl_accuracy_release(&validation->accuracy);
    for (uint32_t s = 0; s < validation->spec_count; s++)
        sgl_worker_model_release(&validation->specs[s]);
    free(validation->specs);
    free(validation->spec_of);
    free(validation->times);
    free(validation->workers);
    sgl_policy_release(&validation->policy_spec);
    sgl_recording_release(&validation->recording);
}

int sgl_command_validate(int argument_count, char **arguments)
{
    struct validation validation = {.seed = 1};
    struct sgl_failure failure = {.text = ""};

    sgl_recorded_flags_init(&validation.flags);
    int exit_code = parse_options(&validation, argument_count, arguments);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    sgl_say_kept(false);
    exit_code = SGL_EXIT_DONE;
    if (run(&validation, &failure) != SGL_OK) {
        sgl_complain_of_either(validation.path, validation.profile, failure.text);
        exit_code = validation.is_unmeasured ? SGL_EXIT_NOT_IDENTIFIABLE
                    : validation.is_misused  ? SGL_EXIT_USAGE
                                             : SGL_EXIT_FAILED;
    } else if (!validation.json) {
        print_text(&validation);
    } else if (print_json(&validation) != SGL_OK) {
        sgl_complain("out of memory");
        exit_code = SGL_EXIT_FAILED;
    }
    release(&validation);
    return exit_code;
}
