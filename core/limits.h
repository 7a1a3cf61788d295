/*
 * limits.h - the numbers a router is made with, beside its seed and policies, as one table: what a
 * driver sets, a log stores and a verifier reads back. A new limit is one line.
 *
 *      name                standard  most      what
 *
 * A member that is 0 in struct sgl_router_limits stands for the standard, so a zeroed struct is a
 * router with all of them. Standards come from DESIGN, sections 3 and 7 (which has them from
 * SGLang's routers); what changes who is a candidate beyond health is off unless asked for.
 */
#ifndef SGL_CORE_LIMITS_H
#define SGL_CORE_LIMITS_H

#include "breaker.h"

#include <stddef.h>
#include <stdint.h>

#define SGL_WORKER_MAX_STANDARD 1024
#define SGL_SECONDS_NS(seconds) ((seconds)*UINT64_C(1000000000))
#define SGL_LIMIT_DURATION_MOST (UINT64_C(1) << 60)

/* clang-format off */
#define SGL_LIMIT_MAP(X)                                                                       \
    X(worker_max, SGL_WORKER_MAX_STANDARD, 1 << 20,                                            \
        "workers ever added, removed ones included")                                           \
    X(probes_down, 3, UINT32_MAX, "probes failed in a row that make a worker unhealthy")       \
    X(probes_up, 2, UINT32_MAX, "probes passed in a row that make it healthy again")           \
    X(breaker_failures, 0, SGL_BREAKER_FAILURES_MAX,                                           \
        "failures within the window that open a worker's breaker; 0: no breakers")             \
    X(breaker_window_ns, SGL_SECONDS_NS(120), SGL_LIMIT_DURATION_MOST,                         \
        "the sliding window in which a breaker counts failures")                               \
    X(breaker_open_ns, SGL_SECONDS_NS(60), SGL_LIMIT_DURATION_MOST,                            \
        "how long an open breaker lets nothing through")                                       \
    X(breaker_successes, 3, UINT32_MAX,                                                        \
        "trials in a row that must succeed to close a breaker")                                \
    X(panic, 0, 1, "1: when no worker is well, all that are not draining are candidates")      \
    X(slow_start_ns, 0, SGL_LIMIT_DURATION_MOST,                                               \
        "how long a worker that is well again gets a growing part of its turns; 0: at once")
/* clang-format on */

struct sgl_router_limits {
#define SGL_LIMIT_MEMBER(name, standard, most, help) uint64_t name;
    SGL_LIMIT_MAP(SGL_LIMIT_MEMBER)
#undef SGL_LIMIT_MEMBER
};

struct sgl_limit {
    const char *name;
    uint64_t standard;
    uint64_t most;
    const char *help;
    size_t offset; /* of its member */
};

/* The table, in the order above; NULL past its end. */
const struct sgl_limit *sgl_limit_at(uint32_t index);

uint64_t sgl_limit_value(const struct sgl_router_limits *limits, const struct sgl_limit *limit);
void sgl_limit_set(struct sgl_router_limits *limits, const struct sgl_limit *limit, uint64_t value);

/* With standards where there are zeros. */
struct sgl_router_limits sgl_router_limits_resolved(const struct sgl_router_limits *limits);

struct sgl_breaker_options sgl_router_limits_breaker(const struct sgl_router_limits *limits);

#endif
