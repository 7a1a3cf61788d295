#include "load.h"

#include "analysis/saturation.h"
#include "analysis/summary_text.h"
#include "core/absent.h"
#include "core/version.h"
#include "core/text.h"
#include "traces/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA_VERSION 1
#define KIND_MOST 16

/* Every figure counts its own n. Those from LAG on need a time that was intended. */
enum { TTFT, ITL, TPOT, E2E, LAG, TTFT_SENT, E2E_SENT, METRIC_COUNT };

static const char *const metric_names[METRIC_COUNT] = {"ttft", "itl",       "tpot",    "e2e",
                                                       "lag",  "ttft_sent", "e2e_sent"};

struct kind {
    const char *word;
    uint64_t count;
};

struct figures {
    struct sgl_samples *metrics[METRIC_COUNT]; /* ns */
    struct sgl_samples own[METRIC_COUNT];
    uint64_t succeeded;
    uint64_t failed;
    struct kind kinds[KIND_MOST]; /* more kinds are counted with the last one, "other" */
    size_t kind_count;
    int64_t prompt_tokens; /* of successes, as the next two */
    int64_t output_tokens;
    int64_t cached_tokens;
    bool has_cached;
    int64_t short_answers; /* with fewer tokens than asked for */
    double duration_s;
    struct sgl_saturation_verdict saturation; /* of an open loop that streams */
};

static bool is_open_loop(const struct sgl_load_command *command)
{
    return command->concurrency == 0;
}

static bool is_judged(const struct sgl_load_command *command)
{
    return is_open_loop(command) && strcmp(command->stream, "on") == 0;
}

static void count_kind(struct figures *figures, const char *word)
{
    size_t i = 0;

    while (i < figures->kind_count && strcmp(figures->kinds[i].word, word) != 0)
        i++;
    if (i == KIND_MOST)
        figures->kinds[i = KIND_MOST - 1].word = "other";
    else if (i == figures->kind_count)
        figures->kinds[figures->kind_count++].word = word;
    figures->kinds[i].count++;
}

static int add(struct figures *figures, int metric, int64_t start_ns, int64_t end_ns)
{
    if (end_ns == SGL_ABSENT)
        return SGL_OK;
    return sgl_samples_add(&figures->own[metric], (double)(end_ns - start_ns));
}

static int add_record(struct figures *figures, const struct sgl_load_record *record)
{
    const int64_t tokens = record->output_tokens;
    int status = add(figures, LAG, record->intended_ns, record->sent_ns);

    if (record->error[0] != '\0') {
        figures->failed++;
        count_kind(figures, record->error);
        return status;
    }
    figures->succeeded++;
    figures->prompt_tokens +=
        record->prompt_tokens != SGL_ABSENT ? record->prompt_tokens : record->wanted_prompt;
    figures->output_tokens += tokens;
    figures->short_answers += tokens < record->wanted_output;
    if (record->cached_tokens != SGL_ABSENT) {
        figures->cached_tokens += record->cached_tokens;
        figures->has_cached = true;
    }
    if (status == SGL_OK)
        status = add(figures, TTFT, record->intended_ns, record->first_token_ns);
    if (status == SGL_OK)
        status = add(figures, TTFT_SENT, record->sent_ns, record->first_token_ns);
    if (status == SGL_OK)
        status = add(figures, E2E, record->intended_ns, record->finish_ns);
    if (status == SGL_OK)
        status = add(figures, E2E_SENT, record->sent_ns, record->finish_ns);
    if (status == SGL_OK && tokens > 1 && record->first_token_ns != SGL_ABSENT)
        status = sgl_samples_add(&figures->own[TPOT],
                                 (double)(record->finish_ns - record->first_token_ns) /
                                     (double)(tokens - 1));
    return status;
}

/* Throughput is from the first arrival to the last finish of a success. */
static int gather(struct figures *figures, struct sgl_load_command *command)
{
    const struct sgl_load_result *result = &command->result;
    int64_t last_ns = SGL_ABSENT;
    int status = SGL_OK;

    for (int m = 0; m < METRIC_COUNT; m++)
        figures->metrics[m] = &figures->own[m];
    figures->metrics[ITL] = &command->gaps;
    for (size_t i = 0; i < result->count && status == SGL_OK; i++) {
        const struct sgl_load_record *record = &result->records[i];
        status = add_record(figures, record);
        if (record->error[0] == '\0' && record->finish_ns > last_ns)
            last_ns = record->finish_ns;
    }
    figures->duration_s = last_ns != SGL_ABSENT
                              ? (double)(last_ns - result->records[0].intended_ns) / 1e9
                              : SGL_ABSENT_REAL;
    for (int m = 0; m < METRIC_COUNT && status == SGL_OK; m++)
        status = sgl_samples_sort(figures->metrics[m]);
    return status;
}

/* Did the number that waits for a first token keep growing? Only an open loop can saturate a
 * server, and only a stream shows when waiting ends. */
static void judge(struct figures *figures, const struct sgl_load_command *command)
{
    const struct sgl_load_result *result = &command->result;
    struct sgl_saturation waiting;

    if (!is_judged(command) || result->count == 0)
        return;
    sgl_saturation_init(&waiting);
    for (size_t i = 0; i < result->count; i++) {
        const struct sgl_load_record *record = &result->records[i];
        sgl_saturation_add(&waiting, record->intended_ns,
                           record->first_token_ns != SGL_ABSENT ? record->first_token_ns
                                                                : record->finish_ns);
    }
    figures->saturation =
        sgl_saturation_test(&waiting, result->records[0].intended_ns,
                            result->records[result->count - 1].intended_ns, result->count);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void print_milliseconds(double nanoseconds)
{
    const double value = nanoseconds / 1e6;

    if (isnan(value))
        printf(" %11s", "-");
    else
        printf(" %11.*f", value < 10 ? 3 : value < 100 ? 2 : 1, value);
}

static bool is_shown(const struct sgl_load_command *command, int metric)
{
    return is_open_loop(command) || metric < LAG;
}

/* Is some percentile that is shown not exact? */
static bool is_rounded(const struct sgl_load_command *command, const struct figures *figures)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (is_shown(command, m) && sgl_samples_resolution(figures->metrics[m]) > 0)
            return true;
    return false;
}

static void print_metrics(const struct sgl_load_command *command, const struct figures *figures)
{
    printf("\n%-12s %9s %11s %11s %11s %11s %11s\n", "ms", "n", "mean", "p50", "p90", "p99", "max");
    for (int m = 0; m < METRIC_COUNT; m++) {
        const struct sgl_samples *samples = figures->metrics[m];
        if (!is_shown(command, m))
            continue;
        printf("%-12s %9zu", metric_names[m], samples->count);
        print_milliseconds(sgl_samples_mean(samples));
        print_milliseconds(sgl_samples_quantile(samples, 0.5));
        print_milliseconds(sgl_samples_quantile(samples, 0.9));
        print_milliseconds(sgl_samples_quantile(samples, 0.99));
        print_milliseconds(sgl_samples_quantile(samples, 1));
        putchar('\n');
    }
    if (is_rounded(command, figures))
        printf("             (%s)\n", SGL_SAMPLES_CAVEAT);
    if (figures->saturation.is_saturated)
        printf("             (of a saturated run: a longer trace would give longer times)\n");
    if (is_open_loop(command))
        printf("\nttft and e2e count from the intended time; lag is how late the client itself "
               "sent;\n*_sent count from there (and so leave out who had to wait: coordinated "
               "omission)\n");
    else
        printf(
            "\nclosed loop: latencies count from when a request was sent, and requests were only "
            "sent as\nothers ended, so waiting that users would have had is not in them "
            "(coordinated omission)\n");
}

static void print_text(const struct sgl_load_command *command, const struct figures *figures)
{
    const struct sgl_load_result *result = &command->result;
    char text[160];

    printf("sglsim " SGL_VERSION " load: measured at %s, %s%s\n\n", command->url, command->api,
           strcmp(command->stream, "on") == 0 ? ", streaming" : "");
    printf("trace        %s%llu request%s, format %s", command->is_whole_trace ? "" : "the first ",
           (unsigned long long)command->total, sgl_plural(command->total), command->trace_format);
    if (command->is_whole_trace)
        printf(", digest %016llx", (unsigned long long)command->trace_digest);
    putchar('\n');
    if (is_open_loop(command))
        printf("load         open loop, arrival times divided by %g\n", command->rate_scale);
    else
        printf("load         closed loop, %llu request%s under way\n",
               (unsigned long long)command->concurrency, sgl_plural(command->concurrency));
    printf("requests     %zu sent, succeeded %llu, failed %llu", result->count,
           (unsigned long long)figures->succeeded, (unsigned long long)figures->failed);
    for (size_t i = 0; i < figures->kind_count; i++)
        printf("%s%s %llu", i == 0 ? " (" : ", ", figures->kinds[i].word,
               (unsigned long long)figures->kinds[i].count);
    printf("%s\n", figures->kind_count > 0 ? ")" : "");
    if (result->is_interrupted)
        printf("cut          not sent, for it was interrupted: %llu request%s of the trace\n",
               (unsigned long long)(command->total - result->count),
               sgl_plural(command->total - result->count));
    if (figures->short_answers > 0)
        printf("note         fewer tokens than were asked for: %lld answer%s\n",
               (long long)figures->short_answers, sgl_plural((uint64_t)figures->short_answers));
    if (isnan(figures->duration_s))
        printf("throughput   none: nothing succeeded\n");
    else
        printf("throughput   %.3f requests/s, %.1f input tokens/s, %.1f output tokens/s over %.3f "
               "s\n",
               (double)figures->succeeded / figures->duration_s,
               (double)figures->prompt_tokens / figures->duration_s,
               (double)figures->output_tokens / figures->duration_s, figures->duration_s);
    if (is_judged(command))
        printf("saturated    %s\n", sgl_saturation_text(&figures->saturation, text, sizeof text));
    if (figures->has_cached && figures->prompt_tokens > 0)
        printf("cache hits   %.2f %% of prompt tokens, as the server said\n",
               100.0 * (double)figures->cached_tokens / (double)figures->prompt_tokens);
    print_metrics(command, figures);
    if (strcmp(command->out, "none") != 0)
        printf("\nmeasured     %s (replay it: sglsim replay %s --policy P)\n", command->out,
               command->out);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Percentiles that are not exact say so. */
static json_t *metric_json(const struct sgl_samples *samples)
{
    const double resolution = sgl_samples_resolution(samples);
    json_t *object = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)samples->count,
                               "mean_ms", sgl_json_real(sgl_samples_mean(samples) / 1e6), "p50_ms",
                               sgl_json_real(sgl_samples_quantile(samples, 0.5) / 1e6), "p90_ms",
                               sgl_json_real(sgl_samples_quantile(samples, 0.9) / 1e6), "p99_ms",
                               sgl_json_real(sgl_samples_quantile(samples, 0.99) / 1e6), "max_ms",
                               sgl_json_real(sgl_samples_quantile(samples, 1) / 1e6));

    if (object != NULL && resolution > 0 &&
        !sgl_json_set(object, "resolution", json_real(resolution)))
        return NULL;
    return object;
}

static json_t *saturation_json(const struct sgl_saturation_verdict *verdict)
{
    if (!verdict->is_known)
        return json_null();
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "is_saturated", verdict->is_saturated,
                     "mean_waiting", sgl_json_real(verdict->mean_waiting), "growth",
                     sgl_json_real(verdict->growth), "slope_per_s",
                     sgl_json_real(verdict->slope_per_s), "p_value",
                     sgl_json_real(verdict->p_value));
}

static json_t *errors_json(const struct figures *figures)
{
    json_t *errors = json_object();

    for (size_t i = 0; i < figures->kind_count; i++)
        if (!sgl_json_set(errors, figures->kinds[i].word,
                          json_integer((json_int_t)figures->kinds[i].count)))
            return NULL;
    return errors;
}

static json_t *metrics_json(const struct sgl_load_command *command, const struct figures *figures)
{
    json_t *metrics = json_object();

    for (int m = 0; m < METRIC_COUNT; m++)
        if (is_shown(command, m) &&
            !sgl_json_set(metrics, metric_names[m], metric_json(figures->metrics[m])))
            return NULL;
    return metrics;
}

static int print_json(const struct sgl_load_command *command, const struct figures *figures)
{
    char digest[17];

    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)command->trace_digest);
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:s?, s:o, s:o, s:b, s:I, s:I, s:I, s:o, s:o, "
        "s:o, "
        "s:o, s:o, s:o, s:o, s:o}",
        "schema_version", JSON_SCHEMA_VERSION, "version", SGL_VERSION, "command", "load", "kind",
        "live", "url", command->url, "streaming", strcmp(command->stream, "on") == 0, "api",
        command->api, "trace_requests", (json_int_t)command->total, "trace_digest",
        command->is_whole_trace ? digest : NULL, "rate_scale",
        is_open_loop(command) ? json_real(command->rate_scale) : json_null(), "concurrency",
        is_open_loop(command) ? json_null() : json_integer((json_int_t)command->concurrency),
        "interrupted", command->result.is_interrupted, "requests",
        (json_int_t)command->result.count, "succeeded", (json_int_t)figures->succeeded, "failed",
        (json_int_t)figures->failed, "errors", errors_json(figures), "duration_s",
        sgl_json_real(figures->duration_s), "requests_per_s",
        sgl_json_real((double)figures->succeeded / figures->duration_s), "input_tokens_per_s",
        sgl_json_real((double)figures->prompt_tokens / figures->duration_s), "output_tokens_per_s",
        sgl_json_real((double)figures->output_tokens / figures->duration_s), "cache_hit_rate",
        figures->has_cached && figures->prompt_tokens > 0
            ? json_real((double)figures->cached_tokens / (double)figures->prompt_tokens)
            : json_null(),
        "saturation", saturation_json(&figures->saturation), "metrics",
        metrics_json(command, figures));
    return sgl_json_print(stdout, root) ? SGL_OK : SGL_ENOMEM;
}

int sgl_load_report(struct sgl_load_command *command)
{
    struct figures figures = {.succeeded = 0};
    int status = gather(&figures, command);

    judge(&figures, command);
    if (status == SGL_OK && command->json)
        status = print_json(command, &figures);
    else if (status == SGL_OK)
        print_text(command, &figures);
    for (int m = 0; m < METRIC_COUNT; m++)
        sgl_samples_release(&figures.own[m]);
    return status;
}
