#include "summary_json.h"

#include "traces/json.h"

#include <math.h>

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Percentiles that are not exact say so. */
static json_t *distribution(const struct sgl_distribution *metric)
{
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", integer(metric->count), "mean_ms",
        sgl_json_real(metric->mean / 1e6), "p50_ms", sgl_json_real(metric->p50 / 1e6), "p90_ms",
        sgl_json_real(metric->p90 / 1e6), "p95_ms", sgl_json_real(metric->p95 / 1e6), "p99_ms",
        sgl_json_real(metric->p99 / 1e6), "max_ms", sgl_json_real(metric->max / 1e6));

    if (object != NULL && metric->resolution > 0 &&
        !sgl_json_set(object, "resolution", json_real(metric->resolution)))
        return NULL;
    return object;
}

/* Between tokens: n is not of requests. */
static json_t *gaps(const struct sgl_distribution *metric)
{
    json_t *object = distribution(metric);

    return object != NULL && sgl_json_set(object, "of", json_string("gaps between tokens")) ? object
                                                                                            : NULL;
}

static json_t *metrics(const struct sgl_summary_result *result)
{
    json_t *object = json_object();

    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (!sgl_json_set(object, sgl_metric_name((enum sgl_metric)m),
                          distribution(&result->metrics[m])))
            return NULL;
    return sgl_json_set(object, sgl_metric_name(SGL_METRIC_ITL),
                        gaps(&result->metrics[SGL_METRIC_ITL]))
               ? object
               : NULL;
}

static json_t *goodput(const struct sgl_summary_result *result)
{
    if (!sgl_objectives_any(&result->objectives))
        return json_null();
    json_t *limits = json_object();
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        if (!isnan(result->objectives.limit_ns[m]) &&
            !sgl_json_set(limits, sgl_metric_name((enum sgl_metric)m),
                          sgl_json_real(result->objectives.limit_ns[m] / 1e6)))
            return NULL;
    return json_pack("{s:o, s:o, s:o, s:o}", "itl_within_limit", sgl_json_real(result->itl_within),
                     "requests",
                     result->unmeasured == SGL_METRIC_COUNT ? integer(result->good) : json_null(),
                     "requests_per_s", sgl_json_real(result->goodput_per_s), "limits_ms", limits);
}

static json_t *workers(const struct sgl_summary_result *result)
{
    json_t *array = json_array();

    for (uint32_t w = 0; w < result->worker_count; w++) {
        const struct sgl_summary_worker *worker = &result->workers[w];
        json_t *object = json_pack("{s:o, s:o, s:o}", "url", sgl_json_text(worker->url), "requests",
                                   integer(worker->requests), "failed", integer(worker->failed));
        if (object != NULL && worker->kind != NULL &&
            !sgl_json_set(object, "kind", sgl_json_text(worker->kind)))
            object = NULL;
        if (object != NULL && worker->gaps.count > 0) {
            const struct sgl_distribution itl = sgl_distribution_of_gaps(&worker->gaps);
            if (!sgl_json_set(object, "itl", gaps(&itl)))
                object = NULL;
        }
        if (object != NULL && result->has_pairs &&
            !sgl_json_set(object, "pool", json_string(sgl_pool_name(worker->pool))))
            object = NULL;
        if (!sgl_json_append(array, object))
            return NULL;
    }
    return array;
}

static json_t *errors(const struct sgl_summary_result *result)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < result->error_count; i++)
        if (!sgl_json_set(object, result->errors[i].word, integer(result->errors[i].count)))
            return NULL;
    return object;
}

static json_t *reasons(const struct sgl_summary_result *result)
{
    json_t *object = json_object();

    for (int r = 0; r < SGL_REASON_COUNT; r++)
        if (result->reasons[r] > 0 &&
            !sgl_json_set(object, sgl_reason_name((enum sgl_reason)r), integer(result->reasons[r])))
            return NULL;
    return object;
}

static json_t *saturation(const struct sgl_saturation_verdict *verdict)
{
    if (!verdict->is_known)
        return json_null();
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:s}", "is_saturated", verdict->is_saturated,
                     "mean_waiting", sgl_json_real(verdict->mean_waiting), "growth",
                     sgl_json_real(verdict->growth), "slope_per_s",
                     sgl_json_real(verdict->slope_per_s), "p_value",
                     sgl_json_real(verdict->p_value), "method",
                     "least squares over 20 parts of the second half of the arrivals");
}

json_t *sgl_summary_json(const struct sgl_summary_result *result)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o}",
        "requests", integer(result->requests), "succeeded", integer(result->succeeded), "failed",
        integer(result->failed), "rejected", integer(result->rejected), "unfinished",
        integer(result->unfinished), "errors", errors(result), "duration_s",
        sgl_json_real(result->duration_s), "requests_per_s", sgl_json_real(result->requests_per_s),
        "input_tokens_per_s", sgl_json_real(result->input_tokens_per_s), "output_tokens_per_s",
        sgl_json_real(result->output_tokens_per_s), "saturation", saturation(&result->saturation),
        "latency", metrics(result), "goodput", goodput(result), "cache_hit_rate",
        sgl_json_real(result->cache_hit_rate), "cache_hit_rate_predicted",
        sgl_json_real(result->cache_hit_rate_predicted), "workers", workers(result), "jain_index",
        sgl_json_real(result->jain_index), "decisions", integer(result->decisions), "reasons",
        reasons(result), "propensity_min", sgl_json_real(result->propensity_min), "propensity_max",
        sgl_json_real(result->propensity_max));
}
