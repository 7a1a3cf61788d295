/*
 * accuracy.h - recorded against simulated: how far off are the figures of a simulation?
 *
 *     recording  --\                    per metric: n, both distributions, errors of mean and
 *                   >--  pairs  ----->  percentiles, WAPE, median absolute error, MAPE
 *     simulated  --/                    per worker: requests, mean e2e of both
 *
 * A request counts for a metric when both sides have it. Definitions, in ns, times since the
 * arrival at the router (a recording that knows none: at the worker):
 *
 *     queue_time = started - at_worker         ttft = first seen token - arrival
 *     e2e        = finish - arrival            tpot = (finish - first seen) / (output - k)
 *
 * The first token seen is the k-th: `first_token_is`. A client that streams sees the first, k = 1.
 * SGLang makes an answer that nobody streams known every 50 tokens (DEFAULT_FORCE_STREAM_INTERVAL
 * in python/sglang/srt/managers), so what a recorder then notes as first token is token 50, and an
 * answer that ends sooner has none. The simulated time of token k lies on the line from the first
 * token to the last.
 *
 *     error of a figure   simulated / recorded - 1
 *     WAPE                sum |simulated - recorded| / sum recorded
 *     MAPE                mean of |simulated - recorded| / recorded over requests with recorded > 0
 */
#ifndef SGL_ANALYSIS_ACCURACY_H
#define SGL_ANALYSIS_ACCURACY_H

#include "analysis/samples.h"
#include "analysis/summary.h"
#include "analysis/worker_run.h"

/* One request on one side. SGL_ABSENT where it is not known. */
struct sgl_request_times {
    int64_t value_ns[SGL_REQUEST_METRIC_COUNT];
};

struct sgl_request_times sgl_recorded_times(const struct sgl_recorded_request *request,
                                            int64_t first_token_is);
struct sgl_request_times sgl_simulated_times(const struct sgl_recorded_request *request,
                                             const struct sgl_worker_times *times,
                                             int64_t first_token_is);

struct sgl_accuracy_metric {
    uint64_t count;
    struct sgl_samples recorded; /* sorted; owned */
    struct sgl_samples simulated;
    struct sgl_distribution recorded_figures;
    struct sgl_distribution simulated_figures;
    double wape;            /* NaN when count is 0 or all recorded values are 0 */
    double median_error_ns; /* of |simulated - recorded| */
    double mape;
};

struct sgl_accuracy_worker {
    uint64_t recorded_count; /* scored requests that went there */
    uint64_t simulated_count;
    double recorded_e2e_ns; /* mean; NaN without any */
    double simulated_e2e_ns;
};

struct sgl_accuracy {
    uint64_t scored;
    uint64_t unserved; /* scored, recorded as served, refused by the simulated worker */
    uint64_t failed;   /* in the range, left out because the recorder says they failed */
    struct sgl_accuracy_metric metrics[SGL_REQUEST_METRIC_COUNT];
    struct sgl_accuracy_worker *workers; /* owned */
    uint32_t worker_count;
};

/* What is scored, and how. */
struct sgl_accuracy_scope {
    struct sgl_row_range range;
    int64_t first_token_is;
    const uint32_t *workers; /* where each request was simulated; NULL: where it was recorded */
};

int sgl_accuracy_compute(struct sgl_accuracy *accuracy, const struct sgl_recording *recording,
                         const struct sgl_worker_times *times,
                         const struct sgl_accuracy_scope *scope, struct sgl_failure *failure);

/* What percentiles and medians may be off, of the metric where it is most, as a share; 0: all are
 * exact. */
double sgl_accuracy_resolution(const struct sgl_accuracy *accuracy);

void sgl_accuracy_release(struct sgl_accuracy *accuracy);

#endif
