#include "reliability_options.h"

#include "cli.h"

#include "core/text.h"

#include <string.h>

#define NS_PER_MS 1e6
#define NS_PER_S 1e9

void sgl_reliability_flags_init(struct sgl_reliability_flags *flags)
{
    *flags = (struct sgl_reliability_flags){
        .max_worker_retries = 3,
        .max_total_retries = 6,
        .retry_initial_backoff_ms = 50,
        .retry_max_backoff_ms = 30000,
        .retry_backoff_multiplier = 1.5,
        .retry_jitter_factor = "0.2",
        .retry_budget_percent = 20,
        .cb_failure_threshold = 10,
        .cb_success_threshold = 3,
        .cb_timeout_s = 60,
        .cb_window_s = 120,
    };
}

bool sgl_reliability_flags_resolve(const struct sgl_reliability_flags *flags,
                                   struct sgl_retry_options *retry,
                                   struct sgl_router_limits *limits)
{
    if (!sgl_option_in_range("max-total-retries", flags->max_total_retries, 0, 60) ||
        !sgl_option_in_range("max-worker-retries", flags->max_worker_retries, 1, 60) ||
        !sgl_option_in_range("retry-budget-percent", flags->retry_budget_percent, 0, 10000) ||
        !sgl_option_in_range("cb-failure-threshold", flags->cb_failure_threshold, 1,
                             SGL_BREAKER_FAILURES_MAX) ||
        !sgl_option_in_range("cb-success-threshold", flags->cb_success_threshold, 1, UINT32_MAX))
        return false;
    *retry = sgl_retry_standard();
    if (!sgl_real_read(flags->retry_jitter_factor, strlen(flags->retry_jitter_factor),
                       &retry->jitter) ||
        retry->jitter < 0 || retry->jitter > 1) {
        sgl_complain("--retry-jitter-factor %.60s, expected a number from 0 to 1",
                     flags->retry_jitter_factor);
        return false;
    }
    if (flags->retry_backoff_multiplier < 1) {
        sgl_complain("--retry-backoff-multiplier %g, expected a number from 1",
                     flags->retry_backoff_multiplier);
        return false;
    }
    retry->total_max = flags->disable_retries ? 0 : (uint32_t)flags->max_total_retries;
    retry->worker_max = (uint32_t)flags->max_worker_retries;
    retry->first_delay_ns = sgl_option_ns((double)flags->retry_initial_backoff_ms * NS_PER_MS);
    retry->most_delay_ns = sgl_option_ns((double)flags->retry_max_backoff_ms * NS_PER_MS);
    retry->growth = flags->retry_backoff_multiplier;
    retry->budget_percent = (uint32_t)flags->retry_budget_percent;
    limits->breaker_failures = flags->disable_circuit_breaker ? 0 : flags->cb_failure_threshold;
    limits->breaker_successes = flags->cb_success_threshold;
    limits->breaker_open_ns = (uint64_t)sgl_option_ns(flags->cb_timeout_s * NS_PER_S);
    limits->breaker_window_ns = (uint64_t)sgl_option_ns(flags->cb_window_s * NS_PER_S);
    return true;
}
