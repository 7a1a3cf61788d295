/*
 * router.h - the deterministic state machine that routes requests.
 *
 *      inputs (input.h)            router                     actions
 *      route, complete, ...  -->   fleet, flights, one   -->  dispatch to worker w | refuse
 *      stamped with now_ns         policy per pool
 *                                       |
 *                                       v  sink (sink.h): input, decision + candidates, outcome
 *
 * A driver (the simulator, the live proxy, a verifier) feeds inputs, one at a time, and carries out
 * the actions. The router has no clock, no I/O, no thread and no global: its state is a function of
 * its options and the inputs fed so far. Accepted inputs are numbered 1, 2, 3, ...; an input that
 * is impossible in the present state (unknown request or worker, time going back) is refused with
 * SGL_EINVAL, changes nothing, gets no number and is not passed to the sink.
 *
 * A request that got a worker is "outstanding" until complete or cancel; a request that got none is
 * answered by the driver, which then feeds reject, so that every request ends with one outcome.
 * In a prefill/decode fleet the driver routes in the prefill pool first.
 *
 * Health. A worker is a candidate while it is healthy, which it is when it is added:
 *
 *                   probes_down failed in a row  ->
 *       healthy                                        unhealthy
 *                <-  probes_up passed in a row
 *
 * set_health puts it in either state at once and starts both counts anew; probes go on from there.
 * Which of the candidates a request may be given, when breakers, panic or slow starts are asked
 * for, is in eligible.h; what a failed attempt says of its worker in error_word.h.
 *
 * Memory: fixed at creation but for the table of outstanding requests, which grows (never shrinks)
 * before a route decides; without memory the route fails and nothing has changed.
 */
#ifndef SGL_CORE_ROUTER_H
#define SGL_CORE_ROUTER_H

#include "allocator.h"
#include "flights.h"
#include "limits.h"
#include "policy.h"
#include "sink.h"

struct sgl_router;

struct sgl_router_options {
    uint64_t seed;
    struct sgl_router_limits limits;                      /* zeros: the standards */
    const struct sgl_policy_spec *policy[SGL_POOL_COUNT]; /* NULL: the pool is not used; borrowed,
                                                             must outlive the router */
    struct sgl_sink *sink;                                /* borrowed; NULL: nobody listens */
    const struct sgl_allocator *allocator;                /* borrowed; NULL: the C library */
};

enum sgl_action_kind {
    SGL_ACTION_DISPATCH, /* send the request to the decision's worker */
    SGL_ACTION_REFUSE,   /* no worker: answer the client, then feed reject */
};

struct sgl_action {
    enum sgl_action_kind kind;
    struct sgl_decision decision; /* propensity is NaN when no sink wants decisions */
    uint32_t flight;              /* of a dispatch: the router's number for it while it is out */
};

/* What an input brought about. The actions are the router's, valid until the next input. */
struct sgl_result {
    uint64_t sequence;
    const struct sgl_action *actions;
    uint32_t action_count;
};

int sgl_router_create(struct sgl_router **router_out, const struct sgl_router_options *options,
                      struct sgl_failure *failure);
void sgl_router_destroy(struct sgl_router *router);

int sgl_router_feed(struct sgl_router *router, const struct sgl_input *input,
                    struct sgl_result *result, struct sgl_failure *failure);

const struct sgl_fleet *sgl_router_fleet(const struct sgl_router *router);

/* How the worker's policy sees it at that time, and what it keeps of it. Changes nothing. */
void sgl_router_look(const struct sgl_router *router, uint32_t worker, int64_t now_ns,
                     struct sgl_candidate *seen, struct sgl_policy_memory *memory);

/* Requests outstanding, over all workers. */
uint64_t sgl_router_outstanding(const struct sgl_router *router);

/* What the router knows of one of them, by the number that its dispatch said: a driver need not
 * keep it, too. Borrowed until it has ended. */
const struct sgl_flight *sgl_router_flight(const struct sgl_router *router, uint32_t flight);

#endif
