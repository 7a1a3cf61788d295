#include "counters.h"

#include "core/absent.h"

#include <string.h>

const double sgl_histogram_ends[SGL_HISTOGRAM_COUNT][SGL_COUNTERS_BUCKET_MAX + 1] = {
    [SGL_HISTOGRAM_E2E] = {0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48,
                           40.96, 81.92},
    [SGL_HISTOGRAM_TTFT] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1,
                            2.5, 5, 7.5, 10},
    [SGL_HISTOGRAM_TPOT] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5},
    [SGL_HISTOGRAM_WAIT] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1,
                            2.5, 5, 7.5, 10},
};

static const char *const end_names[SGL_COUNTED_END_COUNT] = {
#define SGL_COUNTED_NAME(name, blame, retry, meaning) [SGL_COUNTED_##name] = #name,
    SGL_ERROR_MAP(SGL_COUNTED_NAME)
#undef SGL_COUNTED_NAME
        [SGL_COUNTED_HTTP_4XX] = "http_4xx",
    [SGL_COUNTED_HTTP_5XX] = "http_5xx",
    [SGL_COUNTED_NO_DONE] = "no_done",
    [SGL_COUNTED_ERROR_EVENT] = "error_event",
    [SGL_COUNTED_OTHER] = "other",
    [SGL_COUNTED_WELL] = "",
};

const char *sgl_counted_end_name(enum sgl_counted_end end)
{
    return end_names[end];
}

static enum sgl_counted_end counted_end(const struct sgl_outcome *outcome)
{
    if (outcome->success)
        return SGL_COUNTED_WELL;
    if (outcome->error == NULL)
        return SGL_COUNTED_OTHER;
    if (strncmp(outcome->error, "http_4", 6) == 0)
        return SGL_COUNTED_HTTP_4XX;
    if (strncmp(outcome->error, "http_5", 6) == 0)
        return SGL_COUNTED_HTTP_5XX;
    for (int end = 0; end < SGL_COUNTED_OTHER; end++)
        if (strcmp(end_names[end], outcome->error) == 0)
            return (enum sgl_counted_end)end;
    return SGL_COUNTED_OTHER;
}

/* One thread writes: nobody can come between load and store. */
static void raise(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static void put(struct sgl_counters *counters, enum sgl_histogram_kind kind, int64_t ns)
{
    struct sgl_histogram *histogram = &counters->histograms[kind];
    const double seconds = (double)ns / (double)SGL_NANOSECONDS_PER_SECOND;
    int bucket = 0;

    while (sgl_histogram_ends[kind][bucket] > 0 && seconds > sgl_histogram_ends[kind][bucket])
        bucket++;
    raise(&histogram->buckets[bucket], 1);
    raise(&histogram->sum_ns, ns > 0 ? (uint64_t)ns : 0);
}

void sgl_count_request(struct sgl_counters *counters, int status, int64_t duration_ns)
{
    if (status > 0 && status < SGL_COUNTERS_STATUS_MAX)
        raise(&counters->statuses[status], 1);
    put(counters, SGL_HISTOGRAM_E2E, duration_ns);
}

void sgl_count_decision(struct sgl_counters *counters, enum sgl_reason reason, uint32_t attempt,
                        int64_t wait_ns)
{
    raise(&counters->reasons[reason], 1);
    if (attempt > 0)
        raise(&counters->retries, 1);
    else
        put(counters, SGL_HISTOGRAM_WAIT, wait_ns);
}

static void count_cache(struct sgl_counters *counters, enum sgl_reason reason, int64_t cached)
{
    const int found = cached == SGL_ABSENT ? 2 : cached == 0;

    if (reason == SGL_REASON_CACHE_HIT)
        raise(&counters->caches[SGL_COUNTED_HIT_HIT + found], 1);
    else if (reason == SGL_REASON_CACHE_MISS)
        raise(&counters->caches[SGL_COUNTED_MISS_HIT + found], 1);
}

void sgl_count_end(struct sgl_counters *counters, enum sgl_reason reason, bool is_stream,
                   const struct sgl_outcome *outcome)
{
    raise(&counters->ends[counted_end(outcome)], 1);
    if (!outcome->success)
        return;
    count_cache(counters, reason, outcome->cached_tokens);
    if (outcome->prompt_tokens != SGL_ABSENT && outcome->cached_tokens != SGL_ABSENT) {
        raise(&counters->prompt_tokens, (uint64_t)outcome->prompt_tokens);
        raise(&counters->cached_tokens, (uint64_t)outcome->cached_tokens);
    }
    if (outcome->output_tokens != SGL_ABSENT)
        raise(&counters->output_tokens, (uint64_t)outcome->output_tokens);
    if (!is_stream || outcome->ttft_ns == SGL_ABSENT)
        return;
    put(counters, SGL_HISTOGRAM_TTFT, outcome->ttft_ns);
    if (outcome->output_tokens >= 2)
        put(counters, SGL_HISTOGRAM_TPOT,
            (outcome->e2e_ns - outcome->ttft_ns) / (outcome->output_tokens - 1));
}

static void add(_Atomic uint64_t *totals, const _Atomic uint64_t *counters, size_t count)
{
    for (size_t i = 0; i < count; i++)
        raise(&totals[i], atomic_load_explicit(&counters[i], memory_order_relaxed));
}

void sgl_counters_add(struct sgl_counters *totals, const struct sgl_counters *counters)
{
    add(totals->statuses, counters->statuses, SGL_COUNTERS_STATUS_MAX);
    add(totals->reasons, counters->reasons, SGL_REASON_COUNT);
    add(totals->ends, counters->ends, SGL_COUNTED_END_COUNT);
    add(totals->caches, counters->caches, SGL_COUNTED_CACHE_COUNT);
    add(&totals->retries, &counters->retries, 1);
    add(&totals->prompt_tokens, &counters->prompt_tokens, 1);
    add(&totals->cached_tokens, &counters->cached_tokens, 1);
    add(&totals->output_tokens, &counters->output_tokens, 1);
    for (int kind = 0; kind < SGL_HISTOGRAM_COUNT; kind++) {
        add(totals->histograms[kind].buckets, counters->histograms[kind].buckets,
            SGL_COUNTERS_BUCKET_MAX + 1);
        add(&totals->histograms[kind].sum_ns, &counters->histograms[kind].sum_ns, 1);
    }
}
