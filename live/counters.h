/*
 * counters.h - what /metrics counts: one set per thread, written by it alone, read by any.
 *
 *      thread 1   struct sgl_counters  --\
 *      thread 2   struct sgl_counters  ---+-- sgl_counters_add --> totals --> /metrics
 *      thread 3   struct sgl_counters  --/
 *
 * No lock and no locked instruction: a counter has one writer, so it is loaded, raised and stored
 * with relaxed order. A reader may see one counter before another of the same request: totals are
 * right once their threads pause, and never go back.
 *
 * Buckets are those that OpenTelemetry's semantic conventions for generative AI advise for
 * gen_ai.server.request.duration, .time_to_first_token and .time_per_output_token, so that figures
 * of different systems can be laid side by side.
 */
#ifndef SGL_LIVE_COUNTERS_H
#define SGL_LIVE_COUNTERS_H

#include "core/error_word.h"
#include "core/input.h"
#include "core/reason.h"

#include <stdatomic.h>

#define SGL_COUNTERS_STATUS_MAX 600
#define SGL_COUNTERS_BUCKET_MAX 16

enum sgl_histogram_kind {
    SGL_HISTOGRAM_E2E,  /* from the whole request to the end of its answer */
    SGL_HISTOGRAM_TTFT, /* to the first byte of a stream's body */
    SGL_HISTOGRAM_TPOT, /* (e2e - ttft) / (output tokens - 1), of streams that say their tokens */
    SGL_HISTOGRAM_WAIT, /* until it was routed: time in the queue */
    SGL_HISTOGRAM_COUNT
};

/* Upper ends in s, ascending; 0 ends them. Beyond the last there is one more bucket. */
extern const double sgl_histogram_ends[SGL_HISTOGRAM_COUNT][SGL_COUNTERS_BUCKET_MAX + 1];

struct sgl_histogram {
    _Atomic uint64_t buckets[SGL_COUNTERS_BUCKET_MAX + 1];
    _Atomic uint64_t sum_ns;
};

/* How an attempt ended: the words of core/error_word.h, then the rest. */
enum sgl_counted_end {
#define SGL_COUNTED_ENUM(name, blame, retry, meaning) SGL_COUNTED_##name,
    SGL_ERROR_MAP(SGL_COUNTED_ENUM)
#undef SGL_COUNTED_ENUM
        SGL_COUNTED_HTTP_4XX,
    SGL_COUNTED_HTTP_5XX,
    SGL_COUNTED_NO_DONE,
    SGL_COUNTED_ERROR_EVENT,
    SGL_COUNTED_OTHER,
    SGL_COUNTED_WELL,
    SGL_COUNTED_END_COUNT
};

/* What the router expected of a prefix, and what the worker said of it afterwards. */
enum sgl_counted_cache {
    SGL_COUNTED_HIT_HIT, /* expected, found */
    SGL_COUNTED_HIT_MISS,
    SGL_COUNTED_HIT_UNKNOWN,
    SGL_COUNTED_MISS_HIT,
    SGL_COUNTED_MISS_MISS,
    SGL_COUNTED_MISS_UNKNOWN,
    SGL_COUNTED_CACHE_COUNT
};

struct sgl_counters {
    _Atomic uint64_t statuses[SGL_COUNTERS_STATUS_MAX]; /* requests, by status of the answer */
    _Atomic uint64_t reasons[SGL_REASON_COUNT];         /* decisions */
    _Atomic uint64_t ends[SGL_COUNTED_END_COUNT];       /* attempts */
    _Atomic uint64_t caches[SGL_COUNTED_CACHE_COUNT];   /* attempts that ended well */
    _Atomic uint64_t retries;
    _Atomic uint64_t prompt_tokens; /* of attempts whose worker counted; so the next two */
    _Atomic uint64_t cached_tokens;
    _Atomic uint64_t output_tokens;
    struct sgl_histogram histograms[SGL_HISTOGRAM_COUNT];
};

/* A request was answered, or its client left (499). */
void sgl_count_request(struct sgl_counters *counters, int status, int64_t duration_ns);

/* A worker was decided for, or none was there. The wait counts on the first attempt alone. */
void sgl_count_decision(struct sgl_counters *counters, enum sgl_reason reason, uint32_t attempt,
                        int64_t wait_ns);

/* An attempt at a worker ended. `is_stream`: ttft is that of a token. */
void sgl_count_end(struct sgl_counters *counters, enum sgl_reason reason, bool is_stream,
                   const struct sgl_outcome *outcome);

/* Adds one set to another that nobody else writes. */
void sgl_counters_add(struct sgl_counters *totals, const struct sgl_counters *counters);

/* "stream_cut", "http_4xx", ...; static. */
const char *sgl_counted_end_name(enum sgl_counted_end end);

#endif
