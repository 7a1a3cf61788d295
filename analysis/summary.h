/*
 * summary.h - the figures of one run, gathered while it runs.
 *
 *     router --sink--> sgl_summary --finish--> sgl_summary_result --> table (summary_text.h)
 *                                                                 \-> JSON  (summary_json.h)
 *
 * It is a sink like the log writer, so it sees what the log holds and nothing else. Latencies are
 * kept as ns in doubles, up to 131,072 of each metric and from there on by classes, so that memory
 * does not grow with the run (samples.h); a quantity nobody measured is not counted: every figure
 * has its own n.
 *
 * Definitions (field-standard; times from arrival at the router):
 *   queue_time      prefill start - arrival at the worker
 *   ttft            first token - arrival
 *   e2e             last token - arrival
 *   tpot            (e2e - ttft) / (output tokens - 1), from 2 output tokens on
 *   itl             gap between two successive tokens of a request; n counts gaps, not requests,
 *                   and percentiles are within 0.8 % (gap_distribution.h). Of simulated engines
 *   throughput      of successful requests and their tokens, from first arrival to last finish
 *   goodput         successful requests that meet every stated objective, over the same time; a
 *                   tpot that does not exist meets its objective, any other missing quantity does
 *                   not; unknown when nothing in the run measures what an objective is on. An
 *                   objective on itl holds a request to the mean of its gaps, which is its tpot
 *   cache hit rate  cached prompt tokens / prompt tokens of successful requests; predicted: the
 *                   mean matched_fraction of the workers chosen, weighted by prompt tokens, where
 *                   candidate rows have it
 *   Jain index      (sum x)^2 / (n sum x^2) over requests per worker, 1 when even (Jain, Chiu, Hawe
 *                   1984); of pairs: over each pool, and the less even one
 *
 * In a fleet of pairs a request has two outcomes. It is counted by that of its decode leg, or of
 * the leg that failed; queue_time and what was cached are those of its prefill leg.
 */
#ifndef SGL_ANALYSIS_SUMMARY_H
#define SGL_ANALYSIS_SUMMARY_H

#include "analysis/distribution.h"
#include "analysis/saturation.h"
#include "core/failure.h"
#include "core/sink.h"

/* The last is of tokens, all others are of requests. */
#define SGL_METRIC_MAP(X)                                                                          \
    X(QUEUE_TIME, queue_time) X(TTFT, ttft) X(TPOT, tpot) X(E2E, e2e) X(ITL, itl)

enum sgl_metric {
#define SGL_METRIC_ENUM(upper, lower) SGL_METRIC_##upper,
    SGL_METRIC_MAP(SGL_METRIC_ENUM)
#undef SGL_METRIC_ENUM
        SGL_METRIC_COUNT,
    SGL_REQUEST_METRIC_COUNT = SGL_METRIC_ITL /* those that a request has one value of */
};

const char *sgl_metric_name(enum sgl_metric metric);

/* A request's value of a metric in ns, NaN when it has none. */
double sgl_metric_value(enum sgl_metric metric, const struct sgl_outcome *outcome);

/* Service level objectives: a limit in ns per metric, NaN where none is stated. */
struct sgl_objectives {
    double limit_ns[SGL_METRIC_COUNT];
};

/* "ttft:500ms,tpot:50ms"; units ns, us, ms, s. NULL and "" state none. */
int sgl_objectives_parse(struct sgl_objectives *objectives, const char *text,
                         struct sgl_failure *failure);

bool sgl_objectives_any(const struct sgl_objectives *objectives);

#define SGL_ERROR_WORDS_MAX 8 /* more kinds of error are counted together, as "other" */

struct sgl_error_count {
    char word[32];
    uint64_t count;
};

struct sgl_summary_worker {
    char *url;  /* owned by the summary */
    char *kind; /* likewise; NULL when nobody described it */
    enum sgl_pool pool;
    uint64_t requests;                /* attempts it was given */
    uint64_t failed;                  /* of them, whether tried again or not */
    struct sgl_gap_distribution gaps; /* the summary's */
};

struct sgl_summary_result {
    uint64_t requests; /* first routes, and those rejected before one */
    uint64_t succeeded;
    uint64_t failed; /* requests whose last attempt was no success: cancelled, rejected ones too */
    uint64_t rejected;   /* of these: not let in, so never routed */
    uint64_t unfinished; /* neither: their last attempt is still out */
    struct sgl_error_count errors[SGL_ERROR_WORDS_MAX];
    uint32_t error_count;
    double duration_s; /* first arrival to last finish; NaN when nothing finished */
    double requests_per_s;
    double input_tokens_per_s;
    double output_tokens_per_s;
    struct sgl_distribution metrics[SGL_METRIC_COUNT];
    struct sgl_objectives objectives;
    uint64_t good;        /* requests that met every objective */
    double itl_within;    /* share of all gaps within their objective; NaN without it or them */
    double goodput_per_s; /* NaN when nothing finished, or an objective could not be measured */
    enum sgl_metric unmeasured;               /* that objective, or SGL_METRIC_COUNT */
    const struct sgl_summary_worker *workers; /* the summary's */
    uint32_t worker_count;
    double cache_hit_rate;           /* NaN when no outcome says what was cached */
    double cache_hit_rate_predicted; /* NaN when no candidate row was seen that says */
    bool has_pairs;
    double jain_index; /* NaN when nothing was assigned */
    uint64_t decisions;
    uint64_t reasons[SGL_REASON_COUNT];
    double propensity_min; /* over decisions that chose a worker; NaN when there were none */
    double propensity_max;
    struct sgl_saturation_verdict saturation;
};

/* What percentiles of requests may be off, of the metric where it is most; 0: all are exact. */
double sgl_summary_resolution(const struct sgl_summary_result *result);

struct sgl_summary;

int sgl_summary_create(struct sgl_summary **summary_out, const struct sgl_objectives *objectives,
                       struct sgl_failure *failure);
struct sgl_sink *sgl_summary_sink(struct sgl_summary *summary);

/* What the worker of that index is, in a word for the table, such as a profile. Copied. Before
 * finish. */
int sgl_summary_describe(struct sgl_summary *summary, uint32_t worker, const char *kind,
                         struct sgl_failure *failure);

/* After the run. Fails when memory ran out during it. */
int sgl_summary_finish(struct sgl_summary *summary, struct sgl_summary_result *result,
                       struct sgl_failure *failure);
void sgl_summary_destroy(struct sgl_summary *summary);

/* Puts the measurements of a finished summary in order: for quantiles beyond its result's. */
int sgl_summary_sort(struct sgl_summary *summary, struct sgl_failure *failure);

/* Of a sorted summary: a quantile of a metric, in ns, q from 0 to 1; NaN when there is none. */
double sgl_summary_quantile(const struct sgl_summary *summary, enum sgl_metric metric, double q);

/* Arrivals per second, from the first to the last; NaN for fewer than two. */
double sgl_summary_offered_per_s(const struct sgl_summary *summary);

#endif
