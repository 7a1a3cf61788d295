/*
 * router_state.h - the inside of a router, shared by its files: router.c (making one, requests and
 * how they end, telling the sink) and router_workers.c (inputs about workers).
 *
 *   feed(input) -> handler of its kind: check, then change        (nothing changed when refused)
 *               -> number it, tell the sink: input, decision, outcome
 *
 * A handler leaves what the sink is to hear in `action`, `rows` and `record`.
 */
#ifndef SGL_CORE_ROUTER_STATE_H
#define SGL_CORE_ROUTER_STATE_H

#include "router.h"

struct sgl_router {
    uint64_t seed;
    struct sgl_router_limits limits; /* resolved */
    struct sgl_breaker_options breaker;
    uint64_t sequence; /* of the last accepted input */
    int64_t now_ns;
    struct sgl_fleet fleet;
    struct sgl_flights flights;
    struct {
        const struct sgl_policy_ops *ops;
        void *state;
        struct sgl_rng draws; /* the streams of its decisions */
    } policy[SGL_POOL_COUNT];
    struct sgl_sink *sink;
    const struct sgl_allocator *allocator;

    uint32_t *eligible; /* scratch of sgl_eligible */

    struct sgl_action action;
    uint32_t action_count;
    struct sgl_candidate *rows;
    uint32_t row_count;
    struct sgl_outcome_record record;
    bool has_record;
};

/* The worker, or the breaker before it, is what it should be again: from now on its turns grow. */
void sgl_router_well_again(struct sgl_router *router, struct sgl_worker *worker, int64_t now_ns);

/* Handlers: SGL_OK, or SGL_EINVAL with text and nothing changed (add_worker: or SGL_ENOMEM). */
int sgl_router_add_worker(struct sgl_router *router, const struct sgl_input *input,
                          struct sgl_failure *failure);
int sgl_router_report_load(struct sgl_router *router, const struct sgl_input *input,
                           struct sgl_failure *failure);
int sgl_router_flush_cache(struct sgl_router *router, const struct sgl_input *input,
                           struct sgl_failure *failure);

/* The inputs about one known worker but for its reports: remove_worker, set_health, set_draining
 * and probe_result. */
int sgl_router_change_worker(struct sgl_router *router, const struct sgl_input *input,
                             struct sgl_failure *failure);

#endif
