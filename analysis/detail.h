/*
 * detail.h - one run request by request and moment by moment: what pictures and single-run
 * statistics need. A sink, like the summary; it asks for candidates.
 *
 *     requests   one row each, in order of number: arrival, worker, reason, margin, matches
 *     moments    the span of the arrivals in 240 equal bins, per worker:
 *                mean outstanding | last score and gradients seen | had it a gradient?
 *
 * In a fleet of pairs a request is its decode leg: worker, reason, margin and times are that one's;
 * queue time, matches and what was cached are of the prefill leg. Workers of both pools have their
 * moments.
 *
 * The load of a worker is exact: the integral over a bin of the requests sent and not yet answered.
 * What happens after the span counts in the last bin. Memory: about 130 bytes a request.
 */
#ifndef SGL_ANALYSIS_DETAIL_H
#define SGL_ANALYSIS_DETAIL_H

#include "analysis/summary.h"

#define SGL_DETAIL_BINS 240

struct sgl_request_detail {
    int64_t arrival_ns;
    uint32_t worker; /* SGL_NO_WORKER: not decided, or refused */
    enum sgl_reason reason;
    double margin;         /* best score - second best; NaN without two scores */
    double matched_best;   /* fraction of the prompt, of the candidate with most; NaN */
    double matched_chosen; /* of the chosen one */
    int64_t outstanding;   /* of the chosen worker before; SGL_ABSENT without a row */
    int64_t outstanding_least;
    double values[SGL_REQUEST_METRIC_COUNT]; /* ms; NaN */
    int64_t gaps;                            /* between its tokens; 0 when nobody counted them */
    int64_t prompt_tokens;                   /* SGL_ABSENT when nobody counted, as the next */
    int64_t cached_tokens;
    bool is_answered;
    bool success;
};

struct sgl_worker_moment {
    double outstanding; /* mean over the bin */
    double score;       /* the last seen in the bin, as the next; NaN when none was */
    double throughput_gradient;
    double latency_gradient;
    uint32_t seen;     /* candidate rows */
    uint32_t ungraded; /* of these, without gradients: the policy fell back */
};

struct sgl_detail {
    struct sgl_sink sink;
    bool is_out_of_memory;
    bool has_gradients; /* some row had them */
    bool has_scores;
    bool has_matches;
    struct sgl_request_detail *requests; /* owned; by number */
    uint32_t request_count;
    uint32_t first_judged; /* the caller's: those before are warm-up, seen but not compared */
    uint32_t request_capacity;
    char **urls;          /* owned, each too */
    enum sgl_pool *pools; /* owned; by worker */
    uint32_t worker_count;
    uint32_t worker_capacity;
    int64_t span_ns;
    int64_t bin_ns;
    struct sgl_worker_moment *moments; /* owned; worker * bins + bin */
    uint64_t *decided;                 /* owned; by worker: decisions for it */
    int64_t *outstanding;              /* owned; by worker: now */
    int64_t *since_ns;                 /* owned; by worker: of that number */
};

/* `span_ns` from 0 to the last arrival. */
int sgl_detail_create(struct sgl_detail **detail_out, int64_t span_ns, struct sgl_failure *failure);
void sgl_detail_destroy(struct sgl_detail *detail);

/* After the run: settles the loads. Fails when memory ran out during it. */
int sgl_detail_finish(struct sgl_detail *detail, struct sgl_failure *failure);

/* The requests behind the warm-up, and how many. */
static inline const struct sgl_request_detail *sgl_detail_judged(const struct sgl_detail *detail,
                                                                 uint32_t *count_out)
{
    const uint32_t first =
        detail->first_judged < detail->request_count ? detail->first_judged : detail->request_count;

    *count_out = detail->request_count - first;
    return first > 0 ? detail->requests + first : detail->requests;
}

static inline const struct sgl_worker_moment *sgl_detail_moment(const struct sgl_detail *detail,
                                                                uint32_t worker, int bin)
{
    return &detail->moments[(size_t)worker * SGL_DETAIL_BINS + (size_t)bin];
}

/* Workers of that pool. */
uint32_t sgl_detail_pool_size(const struct sgl_detail *detail, enum sgl_pool pool);

/* "" for regular workers, else the pool's name and a blank: "prefill ". */
const char *sgl_detail_pool_prefix(enum sgl_pool pool);

#endif
