#include "input_check.h"

#include "flights.h"

static bool is_count(int64_t value)
{
    return value == SGL_ABSENT || (value >= 0 && value <= SGL_COUNT_MAX);
}

static bool is_duration(int64_t value)
{
    return value == SGL_ABSENT || (value >= 0 && value <= SGL_DURATION_MAX_NS);
}

int sgl_input_check_route(const struct sgl_input *input, struct sgl_failure *failure)
{
    const struct sgl_route *route = &input->route;

    if (route->request == NULL || route->request->request != input->request || input->request < 0)
        return sgl_fail(failure, SGL_EINVAL, "route: the request's number is not the input's");
    if (input->attempt > SGL_ATTEMPT_MAX)
        return sgl_fail(failure, SGL_EINVAL, "route: attempt %u of request %lld, expected 0 to %d",
                        input->attempt, (long long)input->request, SGL_ATTEMPT_MAX);
    if (!is_count(route->request->prompt_tokens) || !is_count(route->request->max_tokens) ||
        route->request->arrival_ns < 0 || route->request->arrival_ns > input->now_ns)
        return sgl_fail(failure, SGL_EINVAL,
                        "route: request %lld has an impossible token count or time of arrival",
                        (long long)input->request);
    return SGL_OK;
}

int sgl_input_check_outcome(const struct sgl_input *input, struct sgl_failure *failure)
{
    const struct sgl_outcome *outcome = &input->outcome;

    if (!is_duration(outcome->queue_time_ns) || !is_duration(outcome->ttft_ns) ||
        !is_duration(outcome->e2e_ns) || !is_count(outcome->prompt_tokens) ||
        !is_count(outcome->output_tokens) || !is_count(outcome->cached_tokens) ||
        !is_count(outcome->queue_length))
        return sgl_fail(failure, SGL_EINVAL, "%s: request %lld has an impossible time or count",
                        sgl_input_name(input->kind), (long long)input->request);
    if (outcome->reported_ns != SGL_ABSENT &&
        (outcome->reported_ns < 0 || outcome->reported_ns > input->now_ns))
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: request %lld carries a report from the future or before the start",
                        sgl_input_name(input->kind), (long long)input->request);
    return SGL_OK;
}

int sgl_input_check_report(const struct sgl_input *input, struct sgl_failure *failure)
{
    const struct sgl_load_report *report = &input->report;

    if (report->queue_length < 0 || report->queue_length > SGL_COUNT_MAX ||
        !is_count(report->running) ||
        (!isnan(report->token_usage) && !(report->token_usage >= 0 && report->token_usage <= 1)) ||
        report->reported_ns < 0 || report->reported_ns > input->now_ns)
        return sgl_fail(
            failure, SGL_EINVAL,
            "report_load: worker %u, expected counts of at least 0, a usage from 0 to 1 "
            "and a time not in the future",
            input->worker);
    return SGL_OK;
}
