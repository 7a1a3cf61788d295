/* GET /metrics: Prometheus' text format. Names with sglang_router_ are those that SGLang's
 * documentation queries; the rest is ours. Labels are worker URLs (as many as were ever added), and
 * words from fixed lists: nothing that a client sends becomes a label. */
#include "http_buffer.h"
#include "proxy_thread.h"

#include "core/absent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void head(struct sgl_buffer *out, const char *name, const char *kind, const char *help)
{
    sgl_buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* A label's value, escaped. Worker URLs come from whoever adds workers. */
static void label(struct sgl_buffer *out, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            sgl_buffer_append(out, "\\", 1);
        if (*c == '\n')
            sgl_buffer_append_text(out, "\\n");
        else
            sgl_buffer_append(out, c, 1);
    }
}

static void put_plain(struct sgl_buffer *out, const char *name, const char *kind, const char *help,
                      uint64_t value)
{
    head(out, name, kind, help);
    sgl_buffer_format(out, "%s %llu\n", name, (unsigned long long)value);
}

/* ---- requests and decisions ---- */

static void put_requests(struct sgl_buffer *out, const struct sgl_counters *counters)
{
    static const char name[] = "sglang_router_requests_total";

    head(out, name, "counter", "requests by status of their answer (499: the client left)");
    for (int status = 0; status < SGL_COUNTERS_STATUS_MAX; status++)
        if (counters->statuses[status] > 0)
            sgl_buffer_format(out, "%s{status=\"%d\"} %llu\n", name, status,
                              (unsigned long long)counters->statuses[status]);
}

static void put_decisions(struct sgl_buffer *out, const struct sgl_counters *counters,
                          const char *policy)
{
    static const char name[] = "sglsim_decisions_total";

    head(out, name, "counter", "decisions of the policy, by their reason");
    for (int reason = 0; reason < SGL_REASON_COUNT; reason++)
        if (counters->reasons[reason] > 0)
            sgl_buffer_format(out, "%s{policy=\"%s\",reason=\"%s\"} %llu\n", name, policy,
                              sgl_reason_name((enum sgl_reason)reason),
                              (unsigned long long)counters->reasons[reason]);
}

static void put_ends(struct sgl_buffer *out, const struct sgl_counters *counters)
{
    static const char name[] = "sglsim_attempts_total";

    head(out, name, "counter", "attempts at workers by how they ended (empty error: well)");
    for (int end = 0; end < SGL_COUNTED_END_COUNT; end++)
        if (counters->ends[end] > 0)
            sgl_buffer_format(out, "%s{error=\"%s\"} %llu\n", name,
                              sgl_counted_end_name((enum sgl_counted_end)end),
                              (unsigned long long)counters->ends[end]);
}

static void put_cache(struct sgl_buffer *out, const struct sgl_counters *counters)
{
    static const char name[] = "sglsim_cache_predictions_total";
    static const char *const words[] = {"hit", "miss", "unknown"};

    head(out, name, "counter",
         "what cache_aware expected of a prefix, and what the worker found (cached_tokens)");
    for (int i = 0; i < SGL_COUNTED_CACHE_COUNT; i++)
        sgl_buffer_format(out, "%s{predicted=\"%s\",found=\"%s\"} %llu\n", name, words[i / 3],
                          words[i % 3], (unsigned long long)counters->caches[i]);
    put_plain(out, "sglang_router_cache_hits_total", "counter", "decisions for a known prefix",
              counters->reasons[SGL_REASON_CACHE_HIT]);
    put_plain(out, "sglang_router_cache_misses_total", "counter",
              "decisions without one long enough", counters->reasons[SGL_REASON_CACHE_MISS]);
    put_plain(out, "sglsim_prompt_tokens_total", "counter",
              "prompt tokens, where the worker counted them and those it had cached",
              counters->prompt_tokens);
    put_plain(out, "sglsim_cached_tokens_total", "counter", "of these, found in its cache",
              counters->cached_tokens);
    put_plain(out, "sglsim_output_tokens_total", "counter", "output tokens, as workers counted",
              counters->output_tokens);
}

static void put_histogram(struct sgl_buffer *out, const char *name, const char *help,
                          const struct sgl_counters *counters, enum sgl_histogram_kind kind)
{
    const struct sgl_histogram *histogram = &counters->histograms[kind];
    const double *ends = sgl_histogram_ends[kind];
    uint64_t below = 0;
    int bucket = 0;

    head(out, name, "histogram", help);
    for (; ends[bucket] > 0; bucket++) {
        below += histogram->buckets[bucket];
        sgl_buffer_format(out, "%s_bucket{le=\"%g\"} %llu\n", name, ends[bucket],
                          (unsigned long long)below);
    }
    below += histogram->buckets[bucket];
    sgl_buffer_format(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
                      (unsigned long long)below, name, (double)histogram->sum_ns / 1e9, name,
                      (unsigned long long)below);
}

static void put_times(struct sgl_buffer *out, const struct sgl_counters *counters)
{
    put_histogram(out, "sglang_router_request_duration_seconds",
                  "from the whole request to the end of its answer", counters, SGL_HISTOGRAM_E2E);
    put_histogram(out, "sglsim_time_to_first_token_seconds",
                  "from the whole request to the first byte of a stream's body", counters,
                  SGL_HISTOGRAM_TTFT);
    put_histogram(out, "sglsim_time_per_output_token_seconds",
                  "the rest of a stream over its tokens but one", counters, SGL_HISTOGRAM_TPOT);
    put_histogram(out, "sglsim_router_wait_seconds", "from the whole request to its first decision",
                  counters, SGL_HISTOGRAM_WAIT);
}

/* ---- workers ---- */

/* NaN: nothing is known, and nothing is said. */
static void put_worker(struct sgl_buffer *out, const char *name, const char *url, double value)
{
    if (isnan(value))
        return;
    sgl_buffer_format(out, "%s{worker=\"", name);
    label(out, url);
    sgl_buffer_format(out, "\"} %.17g\n", value);
}

static double seconds(int64_t ns)
{
    return ns == SGL_ABSENT ? NAN : (double)ns / 1e9;
}

static double count(int64_t value)
{
    return value == SGL_ABSENT ? NAN : (double)value;
}

/* A worker as /metrics tells of it: the router's own view, then its policy's. */
struct seen_worker {
    struct sgl_gateway_worker known;
    struct sgl_candidate seen;
    struct sgl_policy_memory memory;
};

/* One metric per row, in the order of the values in put_workers. */
static const struct worker_metric {
    const char *name;
    const char *kind;
    const char *help;
} worker_metrics[] = {
    {"sglang_router_worker_pending_requests", "gauge", "sent there and not yet answered"},
    {"sglang_router_worker_requests_total", "counter", "ever sent there"},
    {"sglang_router_worker_health", "gauge", "1: healthy"},
    {"sglang_router_worker_breaker", "gauge", "0 closed, 1 open, 2 half open"},
    {"sglsim_worker_draining", "gauge", "1: it gets no new requests"},
    {"sglsim_worker_queue_length", "gauge", "requests waiting there, as it said last"},
    {"sglsim_worker_signal_age_seconds", "gauge", "since it said so"},
    {"sglsim_worker_score", "gauge", "what the policy compares, now"},
    {"sglsim_worker_throughput_gradient", "gauge", "tokens/s per s, over the policy's window"},
    {"sglsim_worker_latency_gradient", "gauge", "s per s, over the policy's window"},
    {"sglsim_worker_throughput_tokens_per_second", "gauge", "mean over the policy's window"},
    {"sglsim_worker_latency_seconds", "gauge", "mean over the policy's window"},
    {"sglsim_worker_window_answers", "gauge", "answers in the policy's window"},
    {"sglsim_worker_prefix_tree_bytes", "gauge", "of prompts that cache_aware expects there"},
    {"sglsim_worker_prefix_tree_nodes", "gauge", "nodes of its tree that stand for them"},
};

static void put_workers(struct sgl_buffer *out, const struct seen_worker *workers,
                        uint32_t worker_count)
{
    for (size_t row = 0; row < sizeof worker_metrics / sizeof worker_metrics[0]; row++) {
        head(out, worker_metrics[row].name, worker_metrics[row].kind, worker_metrics[row].help);
        for (uint32_t i = 0; i < worker_count; i++) {
            const struct sgl_gateway_worker *known = &workers[i].known;
            const struct sgl_candidate *seen = &workers[i].seen;
            const double values[] = {
                known->outstanding,
                (double)known->assigned,
                known->is_healthy,
                (double)known->breaker,
                known->is_draining,
                count(known->queue_length),
                seconds(known->signal_age_ns),
                seen->score,
                seen->throughput_gradient,
                seen->latency_gradient,
                seen->avg_throughput_tps,
                seen->avg_latency_s,
                count(seen->window_size),
                count(workers[i].memory.tree_units),
                count(workers[i].memory.tree_nodes),
            };
            _Static_assert(sizeof values / sizeof values[0] ==
                               sizeof worker_metrics / sizeof worker_metrics[0],
                           "a value for each metric");
            if (!known->is_removed)
                put_worker(out, worker_metrics[row].name, known->url, values[row]);
        }
    }
}

/* ---- the rest ---- */

static void put_queue(struct sgl_buffer *out, struct sgl_gate *gate)
{
    const struct sgl_gate_counts counts = sgl_gate_counts(gate);
    static const char rejected[] = "sglsim_rejected_requests_total";

    put_plain(out, "sglsim_queue_running", "gauge", "requests let in and not over",
              (uint64_t)counts.running);
    put_plain(out, "sglsim_queue_waiting", "gauge", "requests that wait to be let in",
              counts.waiting);
    head(out, rejected, "counter", "requests that were not let in, by the word in the log");
    sgl_buffer_format(out, "%s{error=\"queue_full\"} %llu\n", rejected,
                      (unsigned long long)counts.queue_full);
    sgl_buffer_format(out, "%s{error=\"queue_timeout\"} %llu\n", rejected,
                      (unsigned long long)counts.timed_out);
    sgl_buffer_format(out, "%s{error=\"rate_limited\"} %llu\n", rejected,
                      (unsigned long long)counts.rate_limited);
}

static void put_log(struct sgl_buffer *out, const struct sgl_journal *journal)
{
    put_plain(out, "sglsim_log_dropped_inputs_total", "counter",
              "inputs that did not get into the decision log",
              journal != NULL ? sgl_journal_dropped(journal) : 0);
    put_plain(out, "sglsim_log_dropped_prompts_total", "counter",
              "bodies of requests that did not get into it, when it is to have them",
              journal != NULL ? sgl_journal_dropped_prompts(journal) : 0);
    put_plain(out, "sglsim_log_failed", "gauge", "1: the decision log cannot be written now",
              journal != NULL && sgl_journal_has_failed(journal));
    put_plain(out, "sglsim_log_failures_total", "counter", "times that this began",
              journal != NULL ? sgl_journal_failures(journal) : 0);
}

/* The policy; of pairs, those of both pools: "prefill's+decode's" where they differ. */
static void put_policy(const struct sgl_proxy_options *options, char *out, size_t size)
{
    const struct sgl_policy_spec *const *policy = options->policy;

    if (policy[SGL_POOL_REGULAR] != NULL)
        snprintf(out, size, "%s", policy[SGL_POOL_REGULAR]->ops->name);
    else if (policy[SGL_POOL_PREFILL]->ops == policy[SGL_POOL_DECODE]->ops)
        snprintf(out, size, "%s", policy[SGL_POOL_PREFILL]->ops->name);
    else
        snprintf(out, size, "%s+%s", policy[SGL_POOL_PREFILL]->ops->name,
                 policy[SGL_POOL_DECODE]->ops->name);
}

static void put_all(struct sgl_buffer *out, struct sgl_proxy_thread *thread,
                    const struct sgl_counters *totals, const struct seen_worker *workers,
                    uint32_t worker_count)
{
    uint64_t decisions = 0;
    char policy[128];

    put_policy(thread->options, policy, sizeof policy);
    for (int reason = 0; reason < SGL_REASON_COUNT; reason++)
        decisions += totals->reasons[reason];
    put_requests(out, totals);
    put_times(out, totals);
    put_plain(out, "sglang_router_decisions_total", "counter", "decisions of the policy",
              decisions);
    put_decisions(out, totals, policy);
    put_ends(out, totals);
    put_plain(out, "sglang_router_retries_total", "counter", "attempts beyond the first",
              totals->retries);
    put_cache(out, totals);
    put_workers(out, workers, worker_count);
    if (thread->proxy->gate != NULL)
        put_queue(out, thread->proxy->gate);
    put_log(out, thread->proxy->journal);
    sgl_buffer_append(out, "", 1);
}

char *sgl_metrics_text(struct sgl_proxy_thread *thread)
{
    const struct sgl_proxy *proxy = thread->proxy;
    const uint32_t worker_count = sgl_gateway_worker_count(thread->gateway);
    struct sgl_counters *totals = calloc(1, sizeof *totals);
    struct seen_worker *workers = calloc(worker_count + 1, sizeof *workers);
    struct sgl_buffer out = {0};

    if (totals != NULL && workers != NULL) {
        for (uint32_t i = 0; i < proxy->thread_count; i++)
            sgl_counters_add(totals, &proxy->threads[i].counters);
        for (uint32_t i = 0; i < worker_count; i++) {
            workers[i].known = sgl_gateway_worker(thread->gateway, i);
            sgl_gateway_look(thread->gateway, i, &workers[i].seen, &workers[i].memory);
        }
        put_all(&out, thread, totals, workers, worker_count);
    } else {
        out.has_failed = true;
    }
    free(totals);
    free(workers);
    if (!out.has_failed)
        return out.bytes;
    sgl_buffer_release(&out);
    return NULL;
}
