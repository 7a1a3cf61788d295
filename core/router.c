#include "router_state.h"

#include "candidates.h"
#include "eligible.h"
#include "error_word.h"
#include "flights.h"
#include "input_check.h"

#include <assert.h>
#include <string.h>

static int create_policy(struct sgl_router *router, enum sgl_pool pool,
                         const struct sgl_policy_spec *spec)
{
    const struct sgl_policy_ops *ops = spec->ops;
    const uint32_t worker_max = router->fleet.worker_max;
    const size_t size = sgl_policy_state_size(spec, worker_max);
    void *state = sgl_allocate(router->allocator, 1, size > 0 ? size : 1);

    if (state == NULL)
        return SGL_ENOMEM;
    router->policy[pool].ops = ops;
    router->policy[pool].state = state;
    router->policy[pool].draws = sgl_rng_streams(router->seed, SGL_PURPOSE_DECIDE, pool);
    if (ops->create != NULL)
        return ops->create(state, &(struct sgl_policy_setup){.parameters = &spec->parameters,
                                                             .worker_max = worker_max,
                                                             .allocator = router->allocator});
    return SGL_OK;
}

int sgl_router_create(struct sgl_router **router_out, const struct sgl_router_options *options,
                      struct sgl_failure *failure)
{
    const struct sgl_router_limits limits = sgl_router_limits_resolved(&options->limits);
    const uint32_t worker_max = (uint32_t)limits.worker_max;
    struct sgl_router *router = sgl_allocate(options->allocator, 1, sizeof *router);

    *router_out = NULL;
    if (router == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "router: out of memory");
    router->seed = options->seed;
    router->limits = limits;
    router->breaker = sgl_router_limits_breaker(&limits);
    router->sink = options->sink;
    router->allocator = options->allocator;
    router->flights.allocator = options->allocator;
    router->record.after = sgl_candidate_absent(SGL_NO_WORKER);
    router->eligible = sgl_allocate(options->allocator, worker_max, sizeof *router->eligible);
    router->rows = sgl_allocate(options->allocator, worker_max, sizeof *router->rows);
    bool is_complete = router->eligible != NULL && router->rows != NULL &&
                       sgl_fleet_create(&router->fleet, worker_max, options->allocator) == SGL_OK;
    for (int pool = 0; pool < SGL_POOL_COUNT && is_complete; pool++)
        if (options->policy[pool] != NULL)
            is_complete =
                create_policy(router, (enum sgl_pool)pool, options->policy[pool]) == SGL_OK;
    if (!is_complete) {
        sgl_router_destroy(router);
        return sgl_fail(failure, SGL_ENOMEM, "router: out of memory for %u workers", worker_max);
    }
    *router_out = router;
    return SGL_OK;
}

void sgl_router_destroy(struct sgl_router *router)
{
    if (router == NULL)
        return;
    const struct sgl_allocator *allocator = router->allocator;
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        const struct sgl_policy_ops *ops = router->policy[pool].ops;
        if (ops != NULL && ops->release != NULL)
            ops->release(router->policy[pool].state);
        sgl_resize(allocator, router->policy[pool].state, 0);
    }
    sgl_fleet_release(&router->fleet, allocator);
    sgl_flights_release(&router->flights);
    sgl_resize(allocator, router->eligible, 0);
    sgl_resize(allocator, router->rows, 0);
    sgl_resize(allocator, router, 0);
}

const struct sgl_fleet *sgl_router_fleet(const struct sgl_router *router)
{
    return &router->fleet;
}

uint64_t sgl_router_outstanding(const struct sgl_router *router)
{
    return router->flights.records.used;
}

const struct sgl_flight *sgl_router_flight(const struct sgl_router *router, uint32_t flight)
{
    return sgl_flights_at(&router->flights, flight);
}

/* Fills rows [0, count) for candidates [first, first + count) of the view. */
static void explain(const struct sgl_router *router, enum sgl_pool pool,
                    const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    const struct sgl_fleet *fleet = &router->fleet;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t worker = view->candidates[first + i];
        rows[i] = sgl_candidate_absent(worker);
        rows[i].outstanding = fleet->outstanding[worker];
        rows[i].queue_length = fleet->workers[worker].queue_length;
        rows[i].queue_age_ns = sgl_fleet_report_age_ns(fleet, worker, view->now_ns);
    }
    const struct sgl_policy_ops *ops = router->policy[pool].ops;
    if (ops->explain != NULL)
        ops->explain(router->policy[pool].state, view, first, count, rows);
}

static int check_route(struct sgl_router *router, const struct sgl_input *input,
                       struct sgl_failure *failure)
{
    const struct sgl_route *route = &input->route;

    if (router->policy[input->pool].ops == NULL)
        return sgl_fail(failure, SGL_EINVAL, "route: the pool %s has no policy",
                        sgl_pool_name(input->pool));
    const int status = sgl_input_check_route(input, failure);
    if (status != SGL_OK)
        return status;
    for (uint32_t i = 0; i < route->excluded_count; i++)
        if (route->excluded[i] >= router->fleet.worker_count ||
            (i > 0 && route->excluded[i] <= route->excluded[i - 1]))
            return sgl_fail(failure, SGL_EINVAL,
                            "route: excluded workers, expected known ones in ascending order");
    if (sgl_flights_find(&router->flights, input->request, input->attempt, input->pool) !=
        SGL_NO_FLIGHT)
        return sgl_fail(failure, SGL_EINVAL, "route: request %lld attempt %u (%s) is out already",
                        (long long)input->request, input->attempt, sgl_pool_name(input->pool));
    return SGL_OK;
}

/* Asks the policy and writes down its answer; nothing has changed yet but scratch memory. */
static void decide(struct sgl_router *router, enum sgl_pool pool, const struct sgl_view *view)
{
    const struct sgl_policy_ops *ops = router->policy[pool].ops;
    const void *state = router->policy[pool].state;
    struct sgl_decision *decision = &router->action.decision;
    const struct sgl_choice choice = ops->decide(state, view);

    decision->worker = choice.worker;
    decision->reason = choice.reason;
    if (view->candidate_count == 1 && choice.reason != SGL_REASON_EXPLORE)
        decision->reason = SGL_REASON_ONLY_CANDIDATE;
    if (router->sink == NULL)
        return;
    if (router->sink->ops->decision != NULL)
        decision->propensity = ops->probability(state, view, choice.worker);
    if (router->sink->wants_candidates) {
        explain(router, pool, view, 0, view->candidate_count, router->rows);
        router->row_count = view->candidate_count;
    }
}

static int route(struct sgl_router *router, const struct sgl_input *input,
                 struct sgl_failure *failure)
{
    const enum sgl_pool pool = input->pool;
    int status = check_route(router, input, failure);

    if (status != SGL_OK)
        return status;
    if (sgl_flights_reserve(&router->flights) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "route: out of memory");

    struct sgl_decision *decision = &router->action.decision;
    router->action.kind = SGL_ACTION_REFUSE;
    *decision = (struct sgl_decision){
        .sequence = router->sequence + 1,
        .now_ns = input->now_ns,
        .request = input->request,
        .attempt = input->attempt,
        .pool = pool,
        .policy = router->policy[pool].ops->name,
        .worker = SGL_NO_WORKER,
        .reason = SGL_REASON_NO_WORKER,
        .propensity = SGL_ABSENT_REAL,
        .decision_ns = SGL_ABSENT,
    };
    struct sgl_view view = {
        .now_ns = input->now_ns,
        .request = input->route.request,
        .fleet = &router->fleet,
        .draws = sgl_rng_stream_of(router->policy[pool].draws, input->request, input->attempt),
    };
    view.candidates = sgl_eligible(&(struct sgl_eligible_question){.fleet = &router->fleet,
                                                                   .limits = &router->limits,
                                                                   .seed = router->seed,
                                                                   .now_ns = input->now_ns,
                                                                   .pool = pool,
                                                                   .attempt = input->attempt,
                                                                   .route = &input->route},
                                   router->eligible, &view.candidate_count);
    if (view.candidate_count > 0) {
        decide(router, pool, &view);
        const struct sgl_policy_ops *ops = router->policy[pool].ops;
        if (ops->assign != NULL &&
            ops->assign(router->policy[pool].state, &view, decision->worker) != SGL_OK)
            return sgl_fail(failure, SGL_ENOMEM, "route: out of memory in policy %s", ops->name);
        /* While no breaker of the pool is open nobody is on trial, and none need be looked at. */
        struct sgl_breaker *breaker = &router->fleet.workers[decision->worker].breaker;
        const bool is_trial =
            router->fleet.tripped_count[pool] > 0 && sgl_breaker_sent(breaker, input->now_ns);
        const struct sgl_flight flight = {
            .request = input->request,
            .attempt = input->attempt & SGL_ATTEMPT_MAX,
            .pool = pool & 3,
            .worker = decision->worker & SGL_FLIGHT_WORKER_MAX,
            .is_trial = is_trial,
            .sent_ns = input->now_ns,
            .decision_sequence = decision->sequence,
        };
        assert(flight.worker == decision->worker && flight.attempt == input->attempt);
        router->action.flight = sgl_flights_add(&router->flights, &flight);
        router->fleet.outstanding[decision->worker]++;
        router->fleet.assigned[decision->worker]++;
        router->action.kind = SGL_ACTION_DISPATCH;
    }
    router->action_count = 1;
    return SGL_OK;
}

static int find_flight(struct sgl_router *router, const struct sgl_input *input,
                       uint32_t *number_out, struct sgl_failure *failure)
{
    *number_out = sgl_flights_find_at(&router->flights, input->flight, input->request,
                                      input->attempt, input->pool);
    if (*number_out != SGL_NO_FLIGHT)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL, "%s: request %lld attempt %u (%s) is not outstanding",
                    sgl_input_name(input->kind), (long long)input->request, input->attempt,
                    sgl_pool_name(input->pool));
}

static int first_token(struct sgl_router *router, const struct sgl_input *input,
                       struct sgl_failure *failure)
{
    uint32_t number;
    const int status = find_flight(router, input, &number, failure);

    if (status != SGL_OK)
        return status;
    struct sgl_flight *flight = sgl_flights_at(&router->flights, number);
    if (flight->has_first_token)
        return sgl_fail(failure, SGL_EINVAL, "first_token: request %lld has had its first token",
                        (long long)input->request);
    flight->has_first_token = true;
    return SGL_OK;
}

/* How the policy sees the worker now. Scores that compare candidates need all of them in the view;
 * a worker that is no candidate is seen alone. */
static void explain_one(const struct sgl_router *router, enum sgl_pool pool, uint32_t worker,
                        int64_t now_ns, struct sgl_candidate *row)
{
    const struct sgl_fleet *fleet = &router->fleet;
    const uint32_t *candidates = fleet->candidates[pool];
    struct sgl_view view = {
        .now_ns = now_ns,
        .fleet = fleet,
        .candidates = candidates,
        .candidate_count = fleet->candidate_count[pool],
    };
    uint32_t at = sgl_candidate_position(candidates, view.candidate_count, worker);

    if (at == view.candidate_count || candidates[at] != worker) {
        view.candidates = &worker;
        view.candidate_count = 1;
        at = 0;
    }
    explain(router, pool, &view, at, 1, row);
}

void sgl_router_look(const struct sgl_router *router, uint32_t worker, int64_t now_ns,
                     struct sgl_candidate *seen, struct sgl_policy_memory *memory)
{
    const enum sgl_pool pool = router->fleet.workers[worker].pool;

    *seen = sgl_candidate_absent(worker);
    *memory = (struct sgl_policy_memory){.tree_units = SGL_ABSENT, .tree_nodes = SGL_ABSENT};
    if (router->policy[pool].ops == NULL)
        return;
    explain_one(router, pool, worker, now_ns, seen);
    if (router->policy[pool].ops->memory != NULL)
        router->policy[pool].ops->memory(router->policy[pool].state, worker, memory);
}

/* `flight` is NULL for a reject. */
static void file_outcome(struct sgl_router *router, const struct sgl_input *input,
                         const struct sgl_flight *flight)
{
    const uint32_t worker = flight != NULL ? flight->worker : SGL_NO_WORKER;

    struct sgl_outcome_record *record = &router->record;

    router->has_record = true;
    record->sequence = router->sequence + 1;
    record->decision_sequence = flight != NULL ? flight->decision_sequence : 0;
    record->sent_ns = flight != NULL ? flight->sent_ns : SGL_ABSENT;
    record->now_ns = input->now_ns;
    record->request = input->request;
    record->attempt = input->attempt;
    record->pool = input->pool;
    record->worker = worker;
    record->outcome = &input->outcome;
    if (router->sink == NULL || !router->sink->wants_candidates)
        return;
    record->after = sgl_candidate_absent(worker);
    if (worker != SGL_NO_WORKER)
        explain_one(router, input->pool, worker, input->now_ns, &record->after);
}

/* What an answer says of its worker, for its breaker. */
static void tell_breaker(struct sgl_router *router, const struct sgl_input *input,
                         const struct sgl_flight *flight)
{
    struct sgl_worker *worker = &router->fleet.workers[flight->worker];
    const struct sgl_outcome *outcome = &input->outcome;
    enum sgl_breaker_verdict verdict = SGL_BREAKER_NOTHING;

    if (input->kind == SGL_INPUT_COMPLETE && outcome->success)
        verdict = SGL_BREAKER_SUCCESS;
    else if (input->kind == SGL_INPUT_COMPLETE &&
             sgl_error_blame(outcome->error) == SGL_BLAME_WORKER)
        verdict = SGL_BREAKER_FAILURE;
    /* Only a failure says something of a worker whose breaker is closed. */
    if ((verdict != SGL_BREAKER_FAILURE && router->fleet.tripped_count[input->pool] == 0) ||
        worker->is_removed)
        return;
    const bool was_tripped = worker->breaker.is_tripped;
    sgl_breaker_answered(&worker->breaker, &router->breaker, input->now_ns, flight->is_trial,
                         verdict);
    if (worker->breaker.is_tripped && !was_tripped)
        router->fleet.tripped_count[worker->pool]++;
    if (!worker->breaker.is_tripped && was_tripped) {
        router->fleet.tripped_count[worker->pool]--;
        sgl_router_well_again(router, worker, input->now_ns);
    }
}

/* complete and cancel: the worker is rid of the request. */
static int land(struct sgl_router *router, const struct sgl_input *input,
                struct sgl_failure *failure)
{
    uint32_t number;
    int status = sgl_input_check_outcome(input, failure);

    if (status == SGL_OK)
        status = find_flight(router, input, &number, failure);
    if (status != SGL_OK)
        return status;
    const struct sgl_flight landed = *sgl_flights_at(&router->flights, number);
    sgl_flights_remove(&router->flights, number);
    router->fleet.outstanding[landed.worker]--;

    tell_breaker(router, input, &landed);
    const struct sgl_outcome *outcome = &input->outcome;
    if (outcome->queue_length != SGL_ABSENT)
        sgl_fleet_report(&router->fleet, landed.worker,
                         &(struct sgl_load_report){
                             .queue_length = outcome->queue_length,
                             .running = SGL_ABSENT,
                             .token_usage = SGL_ABSENT_REAL,
                             .reported_ns = outcome->reported_ns != SGL_ABSENT
                                                ? outcome->reported_ns
                                                : input->now_ns,
                         });
    const struct sgl_policy_ops *ops = router->policy[input->pool].ops;
    if (input->kind == SGL_INPUT_COMPLETE && ops->observe != NULL)
        ops->observe(router->policy[input->pool].state,
                     &(struct sgl_observation){.now_ns = input->now_ns,
                                               .latency_ns = input->now_ns - landed.sent_ns,
                                               .worker = landed.worker,
                                               .outcome = outcome});
    file_outcome(router, input, &landed);
    return SGL_OK;
}

static int reject(struct sgl_router *router, const struct sgl_input *input,
                  struct sgl_failure *failure)
{
    const int status = sgl_input_check_outcome(input, failure);

    if (status != SGL_OK)
        return status;
    if (sgl_flights_find(&router->flights, input->request, input->attempt, input->pool) !=
        SGL_NO_FLIGHT)
        return sgl_fail(failure, SGL_EINVAL, "reject: request %lld is outstanding at a worker",
                        (long long)input->request);
    file_outcome(router, input, NULL);
    return SGL_OK;
}

/* Time passing changes nothing by itself: whatever depends on it looks at now_ns when asked. */
static int tick(struct sgl_router *router, const struct sgl_input *input,
                struct sgl_failure *failure)
{
    (void)router;
    (void)input;
    (void)failure;
    return SGL_OK;
}

static int (*const handlers[SGL_INPUT_COUNT])(struct sgl_router *, const struct sgl_input *,
                                              struct sgl_failure *) = {
    [SGL_INPUT_ROUTE] = route,
    [SGL_INPUT_FIRST_TOKEN] = first_token,
    [SGL_INPUT_COMPLETE] = land,
    [SGL_INPUT_CANCEL] = land,
    [SGL_INPUT_REJECT] = reject,
    [SGL_INPUT_ADD_WORKER] = sgl_router_add_worker,
    [SGL_INPUT_REMOVE_WORKER] = sgl_router_change_worker,
    [SGL_INPUT_PROBE_RESULT] = sgl_router_change_worker,
    [SGL_INPUT_SET_HEALTH] = sgl_router_change_worker,
    [SGL_INPUT_SET_DRAINING] = sgl_router_change_worker,
    [SGL_INPUT_REPORT_LOAD] = sgl_router_report_load,
    [SGL_INPUT_FLUSH_CACHE] = sgl_router_flush_cache,
    [SGL_INPUT_TICK] = tick,
};

static void tell_sink(struct sgl_router *router, const struct sgl_input *input)
{
    struct sgl_sink *sink = router->sink;

    if (sink->ops->input != NULL && (sink->ignores & SGL_INPUT_BIT(input->kind)) == 0)
        sink->ops->input(sink, router->sequence, input);
    if (router->action_count > 0 && sink->ops->decision != NULL)
        sink->ops->decision(sink, &router->action.decision, router->rows, router->row_count);
    if (router->has_record && sink->ops->outcome != NULL)
        sink->ops->outcome(sink, &router->record);
}

int sgl_router_feed(struct sgl_router *router, const struct sgl_input *input,
                    struct sgl_result *result, struct sgl_failure *failure)
{
    if ((unsigned)input->kind >= SGL_INPUT_COUNT || (unsigned)input->pool >= SGL_POOL_COUNT)
        return sgl_fail(failure, SGL_EINVAL, "input of unknown kind or pool");
    if (input->now_ns < router->now_ns)
        return sgl_fail(failure, SGL_EINVAL, "%s: time goes back from %lld ns to %lld ns",
                        sgl_input_name(input->kind), (long long)router->now_ns,
                        (long long)input->now_ns);
    if (input->now_ns > SGL_DURATION_MAX_NS)
        return sgl_fail(failure, SGL_EINVAL, "%s: a time beyond 146 years of the start",
                        sgl_input_name(input->kind));
    router->action_count = 0;
    router->row_count = 0;
    router->has_record = false;
    const int status = handlers[input->kind](router, input, failure);
    if (status != SGL_OK)
        return status;
    router->now_ns = input->now_ns;
    router->sequence++;
    if (router->sink != NULL)
        tell_sink(router, input);
    if (result != NULL)
        *result = (struct sgl_result){.sequence = router->sequence,
                                      .actions = &router->action,
                                      .action_count = router->action_count};
    return SGL_OK;
}
