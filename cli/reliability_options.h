/*
 * reliability_options.h - what a router does about failures: retries and circuit breakers. The
 * same rows for `serve` and for every command that simulates.
 *
 *     struct sgl_reliability_flags flags;
 *
 *     sgl_reliability_flags_init(&flags);
 *     const struct sgl_option table[] = {..., SGL_RELIABILITY_ROWS(flags), ..., {0}};
 *     sgl_reliability_flags_resolve(&flags, &retry, &limits)
 *
 * Names and standards are those of SGLang's routers.
 */
#ifndef SGL_CLI_RELIABILITY_OPTIONS_H
#define SGL_CLI_RELIABILITY_OPTIONS_H

#include "cli/options.h"
#include "core/limits.h"
#include "core/retry.h"

struct sgl_reliability_flags {
    uint64_t max_worker_retries;
    uint64_t max_total_retries;
    uint64_t retry_initial_backoff_ms;
    uint64_t retry_max_backoff_ms;
    double retry_backoff_multiplier;
    const char *retry_jitter_factor;
    uint64_t retry_budget_percent;
    bool disable_retries;
    uint64_t cb_failure_threshold;
    uint64_t cb_success_threshold;
    double cb_timeout_s;
    double cb_window_s;
    bool disable_circuit_breaker;
};

/* clang-format off */
#define SGL_RELIABILITY_ROWS(flags)                                                                \
    {"max-worker-retries", 0, SGL_OPTION_NATURAL, "N", &(flags).max_worker_retries,                \
     "tries of a request at one worker", 1},                                                       \
    {"max-total-retries", 0, SGL_OPTION_NATURAL, "N", &(flags).max_total_retries,                  \
     "retries of a request in all", 0},                                                            \
    {"retry-max-retries", 0, SGL_OPTION_NATURAL, "N", &(flags).max_total_retries, "the same", 0},  \
    {"retry-initial-backoff-ms", 0, SGL_OPTION_NATURAL, "MS", &(flags).retry_initial_backoff_ms,   \
     "before the first retry", 0},                                                                 \
    {"retry-max-backoff-ms", 0, SGL_OPTION_NATURAL, "MS", &(flags).retry_max_backoff_ms,           \
     "before any", 0},                                                                             \
    {"retry-backoff-multiplier", 0, SGL_OPTION_POSITIVE, "X", &(flags).retry_backoff_multiplier,   \
     "from one retry to the next", 0},                                                             \
    {"retry-jitter-factor", 0, SGL_OPTION_TEXT, "X", &(flags).retry_jitter_factor,                 \
     "of that time, drawn at random, 0 to 1", 0},                                                  \
    {"retry-budget-percent", 0, SGL_OPTION_NATURAL, "N", &(flags).retry_budget_percent,            \
     "retries per hundred requests, in the long run", 0},                                          \
    {"disable-retries", 0, SGL_OPTION_FLAG, NULL, &(flags).disable_retries,                        \
     "every try is the last", 0},                                                                  \
    {"cb-failure-threshold", 0, SGL_OPTION_NATURAL, "N", &(flags).cb_failure_threshold,            \
     "failures within the window that open a worker's circuit breaker", 1},                        \
    {"cb-window-duration-secs", 0, SGL_OPTION_POSITIVE, "S", &(flags).cb_window_s,                 \
     "the window", 0},                                                                             \
    {"cb-timeout-duration-secs", 0, SGL_OPTION_POSITIVE, "S", &(flags).cb_timeout_s,               \
     "how long it stays open", 0},                                                                 \
    {"cb-success-threshold", 0, SGL_OPTION_NATURAL, "N", &(flags).cb_success_threshold,            \
     "good trials that close it", 1},                                                              \
    {"disable-circuit-breaker", 0, SGL_OPTION_FLAG, NULL, &(flags).disable_circuit_breaker,        \
     "there is none", 0}
/* clang-format on */

void sgl_reliability_flags_init(struct sgl_reliability_flags *flags);

/* Sets the retries, and of the limits those of breakers. False after a complaint. */
bool sgl_reliability_flags_resolve(const struct sgl_reliability_flags *flags,
                                   struct sgl_retry_options *retry,
                                   struct sgl_router_limits *limits);

#endif
