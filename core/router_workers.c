/* What a router is told of workers. */
#include "router_state.h"

#include "input_check.h"

#include <assert.h>

void sgl_router_well_again(struct sgl_router *router, struct sgl_worker *worker, int64_t now_ns)
{
    worker->well_since_ns = now_ns;
    router->fleet.slow_until_ns[worker->pool] = now_ns + (int64_t)router->limits.slow_start_ns;
}

static void tell_policy(struct sgl_router *router, enum sgl_pool pool,
                        const struct sgl_input *input)
{
    const struct sgl_policy_ops *ops = router->policy[pool].ops;

    if (ops != NULL && ops->event != NULL)
        ops->event(router->policy[pool].state, &router->fleet, input);
}

int sgl_router_add_worker(struct sgl_router *router, const struct sgl_input *input,
                          struct sgl_failure *failure)
{
    const int status =
        sgl_fleet_add(&router->fleet, router->allocator, input->pool, &input->added, failure);

    if (status == SGL_OK)
        tell_policy(router, input->pool, input);
    return status;
}

static void set_health(struct sgl_router *router, struct sgl_worker *worker, bool is_healthy,
                       int64_t now_ns)
{
    if (worker->is_healthy == is_healthy)
        return;
    worker->is_healthy = is_healthy;
    if (is_healthy)
        sgl_router_well_again(router, worker, now_ns);
    sgl_fleet_refresh(&router->fleet, worker->pool);
}

/* A count stops at its threshold: more of the same changes nothing. */
static void count_probe(struct sgl_router *router, struct sgl_worker *worker, bool has_passed,
                        int64_t now_ns)
{
    uint32_t *count = has_passed ? &worker->probes_succeeded : &worker->probes_failed;
    const uint32_t threshold =
        (uint32_t)(has_passed ? router->limits.probes_up : router->limits.probes_down);

    *(has_passed ? &worker->probes_failed : &worker->probes_succeeded) = 0;
    if (*count < threshold)
        ++*count;
    if (*count == threshold)
        set_health(router, worker, has_passed, now_ns);
}

int sgl_router_change_worker(struct sgl_router *router, const struct sgl_input *input,
                             struct sgl_failure *failure)
{
    struct sgl_fleet *fleet = &router->fleet;

    if (input->worker >= fleet->worker_count || fleet->workers[input->worker].is_removed)
        return sgl_fail(failure, SGL_EINVAL, "%s: there is no worker %u",
                        sgl_input_name(input->kind), input->worker);
    struct sgl_worker *worker = &fleet->workers[input->worker];
    if (input->kind == SGL_INPUT_REMOVE_WORKER) {
        worker->is_removed = true;
        fleet->tripped_count[worker->pool] -= worker->breaker.is_tripped;
        sgl_fleet_refresh(fleet, worker->pool);
        tell_policy(router, worker->pool, input);
    } else if (input->kind == SGL_INPUT_SET_HEALTH) {
        worker->probes_failed = 0;
        worker->probes_succeeded = 0;
        set_health(router, worker, input->is_on, input->now_ns);
    } else if (input->kind == SGL_INPUT_SET_DRAINING) {
        worker->is_draining = input->is_on;
        sgl_fleet_refresh(fleet, worker->pool);
    } else {
        assert(input->kind == SGL_INPUT_PROBE_RESULT);
        count_probe(router, worker, input->is_on, input->now_ns);
    }
    return SGL_OK;
}

int sgl_router_report_load(struct sgl_router *router, const struct sgl_input *input,
                           struct sgl_failure *failure)
{
    const struct sgl_load_report *report = &input->report;

    if (input->worker >= router->fleet.worker_count ||
        router->fleet.workers[input->worker].is_removed)
        return sgl_fail(failure, SGL_EINVAL, "report_load: there is no worker %u", input->worker);
    const int status = sgl_input_check_report(input, failure);
    if (status != SGL_OK)
        return status;
    sgl_fleet_report(&router->fleet, input->worker, report);
    tell_policy(router, router->fleet.workers[input->worker].pool, input);
    return SGL_OK;
}

int sgl_router_flush_cache(struct sgl_router *router, const struct sgl_input *input,
                           struct sgl_failure *failure)
{
    (void)failure;
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        tell_policy(router, (enum sgl_pool)pool, input);
    return SGL_OK;
}
