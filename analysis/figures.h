/*
 * figures.h - the headline figures that are compared: one number of a run each.
 *
 *     index = metric * 5 + statistic      ttft_mean ttft_p50 ttft_p90 ttft_p95 ttft_p99, ...
 *     then the rows of SGL_RATE_MAP       requests_per_s, goodput, jain_index, ...
 *
 * Latencies in ms, rates per second, shares from 0 to 1. A figure that a run does not have is NaN.
 */
#ifndef SGL_ANALYSIS_FIGURES_H
#define SGL_ANALYSIS_FIGURES_H

#include "analysis/summary.h"

#define SGL_STATISTIC_MAP(X) X(MEAN, mean) X(P50, p50) X(P90, p90) X(P95, p95) X(P99, p99)

enum sgl_statistic {
#define SGL_STATISTIC_ENUM(upper, lower) SGL_STATISTIC_##upper,
    SGL_STATISTIC_MAP(SGL_STATISTIC_ENUM)
#undef SGL_STATISTIC_ENUM
        SGL_STATISTIC_COUNT
};

/* name, unit, is more better?, what it is */
/* clang-format off */
#define SGL_RATE_MAP(X)                                                                        \
    X(GOODPUT,         goodput,             "req/s", true,  "requests meeting every objective")  \
    X(REQUESTS,        requests_per_s,      "req/s", true,  "requests served")                   \
    X(OUTPUT_TOKENS,   output_tokens_per_s, "tok/s", true,  "output tokens served")              \
    X(FAILED_SHARE,    failed_share,        "share", false, "requests that failed")              \
    X(CACHE_HIT_RATE,  cache_hit_rate,      "share", true,  "prompt tokens found in a cache")    \
    X(JAIN_INDEX,      jain_index,          "index", true,  "evenness of requests per worker")
/* clang-format on */

enum {
    SGL_FIGURE_BEFORE_RATES = SGL_METRIC_COUNT * SGL_STATISTIC_COUNT - 1,
#define SGL_RATE_ENUM(upper, lower, unit, more, what) SGL_FIGURE_##upper,
    SGL_RATE_MAP(SGL_RATE_ENUM)
#undef SGL_RATE_ENUM
        SGL_FIGURE_COUNT
};

static inline int sgl_figure_of(enum sgl_metric metric, enum sgl_statistic statistic)
{
    return (int)metric * SGL_STATISTIC_COUNT + (int)statistic;
}

/* Is it a latency? Then its metric and statistic. */
static inline bool sgl_figure_is_latency(int figure)
{
    return figure <= SGL_FIGURE_BEFORE_RATES;
}

#define SGL_FIGURE_NAME_MAX 32
const char *sgl_figure_name(int figure, char out[static SGL_FIGURE_NAME_MAX]); /* ttft_p99 */
const char *sgl_figure_unit(int figure);
const char *sgl_figure_what(int figure); /* "" for latencies */
bool sgl_figure_more_is_better(int figure);
const char *sgl_statistic_name(enum sgl_statistic statistic);

/* The figure of that name, or SGL_FIGURE_COUNT with a hint (" (did you mean ...?)" or "") in `out`.
 * `length` bytes count. */
int sgl_figure_named(const char *name, size_t length, char *out, size_t size);

/* All figures of a run, into SGL_FIGURE_COUNT places. */
void sgl_figures_fill(double *figures, const struct sgl_summary_result *result);

#endif
