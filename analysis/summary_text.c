#include "summary_text.h"
#include "core/text.h"

#include <math.h>
#include <string.h>

#define WORKERS_SHOWN 16
#define BAR_CELLS 40
#define NAME_WIDTH 32
#define NAME_WIDTH_BESIDE_KIND 24
#define KIND_WIDTH 22
#define POOL_WIDTH 8 /* "prefill " */

/* ns as ms with four digits or more, or "-" when there is none. */
static const char *milliseconds(double nanoseconds, char *out, size_t size)
{
    const double value = nanoseconds / 1e6;

    if (isnan(value))
        snprintf(out, size, "-");
    else if (value < 10)
        snprintf(out, size, "%.3f", value);
    else if (value < 100)
        snprintf(out, size, "%.2f", value);
    else
        snprintf(out, size, "%.1f", value);
    return out;
}

static void print_requests(FILE *out, const struct sgl_summary_result *result)
{
    fprintf(out, "requests     %llu, succeeded %llu, failed %llu",
            (unsigned long long)result->requests, (unsigned long long)result->succeeded,
            (unsigned long long)result->failed);
    for (uint32_t i = 0; i < result->error_count; i++)
        fprintf(out, "%s%s %llu", i == 0 ? " (" : ", ", result->errors[i].word,
                (unsigned long long)result->errors[i].count);
    fprintf(out, "%s", result->error_count > 0 ? ")" : "");
    if (result->unfinished > 0)
        fprintf(out, ", unfinished %llu", (unsigned long long)result->unfinished);
    fprintf(out, "\n");
    if (isnan(result->duration_s))
        fprintf(out, "throughput   none: nothing finished\n");
    else
        fprintf(
            out,
            "throughput   %.3f requests/s, %.1f input tokens/s, %.1f output tokens/s over %.3f s\n",
            result->requests_per_s, result->input_tokens_per_s, result->output_tokens_per_s,
            result->duration_s);
}

static void print_saturation(FILE *out, const struct sgl_summary_result *result)
{
    char text[160];

    fprintf(out, "saturated    %s\n", sgl_saturation_text(&result->saturation, text, sizeof text));
}

const char *sgl_saturation_text(const struct sgl_saturation_verdict *verdict, char *out,
                                size_t size)
{
    if (!verdict->is_known)
        snprintf(out, size, "unknown: too few arrivals to tell");
    else if (verdict->is_saturated)
        snprintf(out, size,
                 "YES: waiting grew by %.1f (mean %.1f) over the second half of the arrivals",
                 verdict->growth, verdict->mean_waiting);
    else
        snprintf(out, size, "no: waiting %+.2f (mean %.2f) over the second half of the arrivals",
                 verdict->growth, verdict->mean_waiting);
    return out;
}

static void print_cache(FILE *out, const struct sgl_summary_result *result)
{
    if (isnan(result->cache_hit_rate))
        return;
    fprintf(out, "cache hits   %.2f %% of prompt tokens", 100 * result->cache_hit_rate);
    if (!isnan(result->cache_hit_rate_predicted))
        fprintf(out, " (the policy expected %.2f %%)", 100 * result->cache_hit_rate_predicted);
    fprintf(out, "\n");
}

static void print_latencies(FILE *out, const struct sgl_summary_result *result)
{
    fprintf(out, "\n%-12s %9s %11s %11s %11s %11s %11s %11s\n", "ms", "n", "mean", "p50", "p90",
            "p95", "p99", "max");
    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        const struct sgl_distribution *metric = &result->metrics[m];
        const double values[] = {metric->mean, metric->p50, metric->p90,
                                 metric->p95,  metric->p99, metric->max};
        fprintf(out, "%-12s %9llu", sgl_metric_name((enum sgl_metric)m),
                (unsigned long long)metric->count);
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            char text[32];
            fprintf(out, " %11s", milliseconds(values[i], text, sizeof text));
        }
        fprintf(out, "\n");
    }
    if (result->metrics[SGL_METRIC_ITL].count > 0)
        fprintf(out,
                "             (itl: n is gaps between tokens, percentiles are within %.1f %%)\n",
                100 * SGL_GAP_RESOLUTION);
    if (sgl_summary_resolution(result) > 0)
        fprintf(out, "             (%s)\n", SGL_SAMPLES_CAVEAT);
    if (result->saturation.is_saturated)
        fprintf(out, "             (of a saturated run: a longer trace would give longer times)\n");
}

static void print_goodput(FILE *out, const struct sgl_summary_result *result)
{
    const char *separator = "";

    if (!sgl_objectives_any(&result->objectives))
        return;
    fprintf(out, "\ngoodput      ");
    if (result->unmeasured != SGL_METRIC_COUNT)
        fprintf(out, "unknown, for nothing measured %s: how many requests",
                sgl_metric_name(result->unmeasured));
    else if (isnan(result->goodput_per_s))
        fprintf(out, "none");
    else
        fprintf(out, "%.3f requests/s: %llu of %llu request%s (%.2f %%)", result->goodput_per_s,
                (unsigned long long)result->good, (unsigned long long)result->requests,
                sgl_plural(result->requests),
                100.0 * (double)result->good / (double)result->requests);
    fprintf(out, " meet ");
    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        if (isnan(result->objectives.limit_ns[m]))
            continue;
        fprintf(out, "%s%s <= %g ms", separator, sgl_metric_name((enum sgl_metric)m),
                result->objectives.limit_ns[m] / 1e6);
        separator = ", ";
    }
    fprintf(out, "%s\n", result->saturation.is_saturated ? " (saturated)" : "");
    if (!isnan(result->objectives.limit_ns[SGL_METRIC_ITL]))
        fprintf(out, "             (itl of a request: the mean of its gaps, its tpot");
    if (!isnan(result->itl_within))
        fprintf(out, "; of all gaps %.2f %% are within", 100 * result->itl_within);
    if (!isnan(result->objectives.limit_ns[SGL_METRIC_ITL]))
        fprintf(out, ")\n");
}

/* A name in `width` columns: of a longer one the end, where names of one fleet differ, and '?' for
 * what would drive the terminal. */
static const char *shown_name(const char *name, size_t width, char *out, size_t size)
{
    const size_t length = strlen(name);

    if (length > width) {
        const char *end = name + length - (width - 3);
        while (((unsigned char)*end & 0xc0) == 0x80)
            end++; /* the rest of a character is none */
        snprintf(out, size, "...%s", end);
    } else {
        snprintf(out, size, "%s", name);
    }
    sgl_text_tame(out);
    return out;
}

/* How far printf must be told to pad a text for it to fill `width` columns: it counts bytes. (A
 * character of two columns, as in Chinese, still takes one too many.) */
static int padded(const char *text, int width)
{
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) == 0x80;
    return width;
}

/* Columns of the table of workers; of 0 columns: not shown. */
struct worker_columns {
    int name;
    int kind;
    bool has_failed;
    int bar;
    uint64_t most; /* requests of a worker */
    uint64_t total[SGL_POOL_COUNT];
};

static struct worker_columns measure_workers(const struct sgl_summary_result *result)
{
    struct worker_columns columns = {.name = NAME_WIDTH, .bar = BAR_CELLS};

    for (uint32_t w = 0; w < result->worker_count; w++) {
        const struct sgl_summary_worker *worker = &result->workers[w];
        columns.total[worker->pool] += worker->requests;
        if (worker->requests > columns.most)
            columns.most = worker->requests;
        columns.has_failed = columns.has_failed || worker->failed > 0;
        if (worker->kind != NULL || result->has_pairs)
            columns.kind = KIND_WIDTH;
    }
    if (columns.kind > 0) {
        columns.name = NAME_WIDTH_BESIDE_KIND;
        columns.bar = BAR_CELLS / 2;
        if (result->has_pairs) {
            columns.kind += POOL_WIDTH;
            columns.bar -= POOL_WIDTH;
        }
    } else if (columns.has_failed) {
        columns.bar = BAR_CELLS - 10;
    }
    return columns;
}

/* What a worker is: its pool, of pairs, and what it was described as. */
static const char *shown_kind(const struct sgl_summary_worker *worker, size_t width, char *out,
                              size_t size)
{
    const bool is_regular = worker->pool == SGL_POOL_REGULAR;
    char text[128];

    snprintf(text, sizeof text, "%s%s%.100s", is_regular ? "" : sgl_pool_name(worker->pool),
             is_regular || worker->kind == NULL ? "" : " ",
             worker->kind != NULL ? worker->kind : "");
    return shown_name(text, width, out, size);
}

static void print_worker(FILE *out, const struct worker_columns *columns,
                         const struct sgl_summary_worker *worker)
{
    static const char bar[BAR_CELLS + 1] = "########################################";
    char text[NAME_WIDTH + 4];

    shown_name(worker->url, (size_t)columns->name, text, sizeof text);
    fprintf(out, "%-*s", padded(text, columns->name), text);
    if (columns->kind > 0) {
        shown_kind(worker, (size_t)columns->kind, text, sizeof text);
        fprintf(out, " %-*s", padded(text, columns->kind), text);
    }
    fprintf(out, " %9llu", (unsigned long long)worker->requests);
    if (columns->has_failed)
        fprintf(out, " %9llu", (unsigned long long)worker->failed);
    const uint64_t total = columns->total[worker->pool];
    const int cells =
        columns->most > 0 ? (int)((uint64_t)columns->bar * worker->requests / columns->most) : 0;
    fprintf(out, " %7.2f %%%s%.*s\n",
            total > 0 ? 100.0 * (double)worker->requests / (double)total : 0.0,
            cells > 0 ? "  " : "", cells, bar);
}

static void print_workers(FILE *out, const struct sgl_summary_result *result)
{
    const struct worker_columns columns = measure_workers(result);

    fprintf(out, "\n%-*s", columns.name, "worker");
    if (columns.kind > 0)
        fprintf(out, " %-*s", columns.kind, "kind");
    fprintf(out, " %9s", "requests");
    if (columns.has_failed)
        fprintf(out, " %9s", "failed");
    fprintf(out, " %9s\n", "share");
    for (uint32_t w = 0; w < result->worker_count && w < WORKERS_SHOWN; w++)
        print_worker(out, &columns, &result->workers[w]);
    if (result->worker_count > WORKERS_SHOWN)
        fprintf(out, "... and %u more (--json has all)\n", result->worker_count - WORKERS_SHOWN);
    if (!isnan(result->jain_index))
        fprintf(out, "Jain index   %.4f (1 = even%s)\n", result->jain_index,
                result->has_pairs ? "; of the less even pool" : "");
}

static void print_decisions(FILE *out, const struct sgl_summary_result *result)
{
    if (result->decisions == 0)
        return;
    fprintf(out, "\nreasons     ");
    for (int r = 0; r < SGL_REASON_COUNT; r++)
        if (result->reasons[r] > 0)
            fprintf(out, " %s %.2f %%", sgl_reason_name((enum sgl_reason)r),
                    100.0 * (double)result->reasons[r] / (double)result->decisions);
    fprintf(out, "  (n = %llu)\n", (unsigned long long)result->decisions);
    if (isnan(result->propensity_min))
        return;
    fprintf(out, "propensity   %.6g to %.6g%s\n", result->propensity_min, result->propensity_max,
            result->propensity_min == 1 ? " (deterministic: no off-policy estimate from this log)"
                                        : "");
}

static void (*const sections[])(FILE *, const struct sgl_summary_result *) = {
    print_requests, print_saturation, print_cache,     print_latencies,
    print_goodput,  print_workers,    print_decisions,
};

void sgl_summary_print(FILE *out, const struct sgl_summary_result *result)
{
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        sections[i](out, result);
}
