/* GET /metrics: Prometheus' text format, under the names that SGLang's documentation queries. */
#include "http_buffer.h"
#include "proxy_thread.h"

#include <stdio.h>

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

static void put_requests(struct sgl_buffer *out, const struct sgl_gateway_counts *counts)
{
    uint64_t below = 0;

    head(out, "sglang_router_requests_total", "counter",
         "requests by status of their answer (499: the client left)");
    for (int status = 0; status < SGL_GATEWAY_STATUS_MAX; status++)
        if (counts->requests[status] > 0)
            sgl_buffer_format(out, "sglang_router_requests_total{status=\"%d\"} %llu\n", status,
                              (unsigned long long)counts->requests[status]);
    head(out, "sglang_router_request_duration_seconds", "histogram",
         "from the whole request to the end of its answer");
    for (int i = 0; i < SGL_GATEWAY_BUCKETS; i++) {
        below += counts->buckets[i];
        sgl_buffer_format(out, "sglang_router_request_duration_seconds_bucket{le=\"%g\"} %llu\n",
                          sgl_gateway_bucket_s[i], (unsigned long long)below);
    }
    below += counts->buckets[SGL_GATEWAY_BUCKETS];
    sgl_buffer_format(out,
                      "sglang_router_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n"
                      "sglang_router_request_duration_seconds_sum %.9g\n"
                      "sglang_router_request_duration_seconds_count %llu\n",
                      (unsigned long long)below, counts->duration_s, (unsigned long long)below);
}

static void put_worker(struct sgl_buffer *out, const char *name, const char *url, double value)
{
    sgl_buffer_format(out, "%s{worker=\"", name);
    label(out, url);
    sgl_buffer_format(out, "\"} %.17g\n", value);
}

static void put_workers(struct sgl_buffer *out, struct sgl_gateway *gateway)
{
    static const struct {
        const char *name;
        const char *kind;
        const char *help;
    } rows[] = {
        {"sglang_router_worker_pending_requests", "gauge", "sent there and not yet answered"},
        {"sglang_router_worker_requests_total", "counter", "ever sent there"},
        {"sglang_router_worker_health", "gauge", "1: healthy"},
        {"sglang_router_worker_breaker", "gauge", "0 closed, 1 open, 2 half open"},
    };
    const uint32_t count = sgl_gateway_worker_count(gateway);

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        head(out, rows[row].name, rows[row].kind, rows[row].help);
        for (uint32_t i = 0; i < count; i++) {
            const struct sgl_gateway_worker worker = sgl_gateway_worker(gateway, i);
            const double values[] = {worker.outstanding, (double)worker.assigned, worker.is_healthy,
                                     (double)worker.breaker};
            if (!worker.is_removed)
                put_worker(out, rows[row].name, worker.url, values[row]);
        }
    }
}

static void put_queue(struct sgl_buffer *out, struct sgl_gate *gate)
{
    const struct sgl_gate_counts counts = sgl_gate_counts(gate);
    static const char rejected[] = "sglsim_rejected_requests_total";

    head(out, "sglsim_queue_running", "gauge", "requests let in and not over");
    sgl_buffer_format(out, "sglsim_queue_running %lld\n", (long long)counts.running);
    head(out, "sglsim_queue_waiting", "gauge", "requests that wait to be let in");
    sgl_buffer_format(out, "sglsim_queue_waiting %u\n", counts.waiting);
    head(out, rejected, "counter", "requests that were not let in, by the word in the log");
    sgl_buffer_format(out, "%s{error=\"queue_full\"} %llu\n", rejected,
                      (unsigned long long)counts.queue_full);
    sgl_buffer_format(out, "%s{error=\"queue_timeout\"} %llu\n", rejected,
                      (unsigned long long)counts.timed_out);
    sgl_buffer_format(out, "%s{error=\"rate_limited\"} %llu\n", rejected,
                      (unsigned long long)counts.rate_limited);
}

char *sgl_metrics_text(struct sgl_proxy_thread *thread)
{
    const struct sgl_gateway_counts counts = sgl_gateway_counts(thread->gateway);
    const struct sgl_journal *journal = thread->proxy->journal;
    struct sgl_buffer out = {0};
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } rows[] = {
        {"sglang_router_decisions_total", "decisions of the policy", counts.decisions},
        {"sglang_router_cache_hits_total", "decisions for a known prefix", counts.cache_hits},
        {"sglang_router_retries_total", "attempts beyond the first", counts.retries},
        {"sglsim_log_dropped_inputs_total", "inputs that did not get into the decision log",
         journal != NULL ? sgl_journal_dropped(journal) : 0},
        {"sglsim_log_failed", "1: the decision log was given up",
         journal != NULL && sgl_journal_has_failed(journal)},
    };

    put_requests(&out, &counts);
    put_workers(&out, thread->gateway);
    if (thread->proxy->gate != NULL)
        put_queue(&out, thread->proxy->gate);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        head(&out, rows[i].name, "counter", rows[i].help);
        sgl_buffer_format(&out, "%s %llu\n", rows[i].name, (unsigned long long)rows[i].value);
    }
    sgl_buffer_append(&out, "", 1);
    if (out.has_failed) {
        sgl_buffer_release(&out);
        return NULL;
    }
    return out.bytes;
}
