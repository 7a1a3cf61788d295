#include "sim/simulation_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- faults ----------------------------------------------------------------------------- */

int64_t sgl_simulation_next_fault_ns(const struct sgl_simulation *self)
{
    int64_t next_ns = SGL_NEVER;

    if (self->options->faults == NULL)
        return next_ns;
    for (uint32_t i = 0; i < self->options->worker_count; i++) {
        const int64_t change_ns = sgl_fault_plan_next_ns(self->options->faults, i, self->now_ns);
        next_ns = change_ns < next_ns ? change_ns : next_ns;
    }
    return next_ns;
}

static void set_change(struct sgl_simulation *self, uint32_t index, int64_t time_ns)
{
    const struct sgl_event event = {
        .time = time_ns,
        .index = index,
        .kind = SGL_EVENT_FAULT,
        .item = sgl_simulation_fault_item(index),
    };

    if (time_ns >= SGL_SIMULATION_NS_MAX)
        sgl_event_queue_remove(&self->events, event.item);
    else
        sgl_event_queue_set(&self->events, &event);
}

/* A worker that is not well at the start changes at 0. */
void sgl_simulation_plan_faults(struct sgl_simulation *self)
{
    const struct sgl_fault_plan *plan = self->options->faults;

    for (uint32_t i = 0; plan != NULL && i < self->options->worker_count; i++) {
        const struct sgl_condition condition = sgl_fault_plan_at(plan, i, 0);
        const bool is_well = !condition.is_down && condition.factor == 1;
        set_change(self, i, is_well ? sgl_fault_plan_next_ns(plan, i, 0) : 0);
    }
}

struct lost {
    int64_t request;
    uint32_t slot;
};

static int compare_requests(const void *left, const void *right)
{
    const struct lost *l = left;
    const struct lost *r = right;

    return (l->request > r->request) - (l->request < r->request);
}

/* Fails what the worker has not answered. */
static int lose_requests(struct sgl_simulation *self, uint32_t index)
{
    struct lost *lost = malloc((self->flights.used + (size_t)1) * sizeof *lost);
    uint32_t count = 0;

    if (lost == NULL)
        return sgl_simulation_no_memory(self);
    for (uint32_t slot = 0; slot < self->flights.fresh; slot++) {
        const struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
        if (sgl_simulation_worker_of(self, slot) != index || flight->is_answered)
            continue;
        lost[count].slot = slot;
        lost[count++].request = self->has_pairs ? sgl_simulation_leg(self, slot)->request
                                : flight->number == SGL_GHOST_FLIGHT
                                    ? SGL_ABSENT
                                    : sgl_router_flight(self->router, flight->number)->request;
    }
    qsort(lost, count, sizeof *lost, compare_requests);
    for (uint32_t i = 0; i < count; i++)
        sgl_simulation_fail(self, lost[i].slot, "worker_lost");
    free(lost);
    return SGL_OK;
}

/* The process is gone, and what starts in its place knows nothing. It starts here, where nobody can
 * reach it yet, so that a worker has a model at all times. */
static int go_down(struct sgl_simulation *self, uint32_t index)
{
    struct sgl_simulated_worker *worker = &self->workers[index];
    const int status = lose_requests(self, index);

    if (status != SGL_OK)
        return status;
    if (worker->ops->steps != NULL)
        self->totals->steps += worker->ops->steps(worker->state, self->now_ns);
    sgl_simulation_settle_gaps(self, index);
    worker->ops->destroy(worker->state);
    memset(worker->state, 0, worker->ops->state_size);
    worker->condition.factor = 1;
    return sgl_simulation_start_worker(self, index);
}

/* ---- probes ----------------------------------------------------------------------------- */

/* Would the result change what the router thinks, or counts? */
static bool is_telling(const struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_worker *known = &sgl_router_fleet(self->router)->workers[index];

    return self->workers[index].condition.is_down ? known->is_healthy || known->probes_succeeded > 0
                                                  : !known->is_healthy || known->probes_failed > 0;
}

/* The next probe at or after `from_ns`, if any is telling. The first is one interval after the
 * start. */
static void set_probe(struct sgl_simulation *self, int64_t from_ns)
{
    const int64_t interval_ns = self->options->health_interval_ns;
    bool is_wanted = false;

    for (uint32_t i = 0; i < self->options->worker_count && !is_wanted; i++)
        is_wanted = interval_ns > 0 && is_telling(self, i);
    if (!is_wanted) {
        sgl_event_queue_remove(&self->events, SGL_ITEM_PROBE);
        return;
    }
    const int64_t turn = (from_ns + interval_ns - 1) / interval_ns;
    const struct sgl_event event = {
        .time = (turn > 0 ? turn : 1) * interval_ns,
        .kind = SGL_EVENT_PROBE,
        .item = SGL_ITEM_PROBE,
    };
    sgl_event_queue_set(&self->events, &event);
}

int sgl_simulation_probe(struct sgl_simulation *self)
{
    for (uint32_t i = 0; i < self->options->worker_count; i++) {
        struct sgl_input input = {
            .kind = SGL_INPUT_PROBE_RESULT,
            .worker = i,
            .is_on = !self->workers[i].condition.is_down,
        };
        const int status = is_telling(self, i) ? sgl_simulation_feed(self, &input, NULL) : SGL_OK;
        if (status != SGL_OK)
            return status;
    }
    set_probe(self, self->now_ns + 1);
    return SGL_OK;
}

int sgl_simulation_change(struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_fault_plan *plan = self->options->faults;
    struct sgl_simulated_worker *worker = &self->workers[index];
    const struct sgl_condition condition = sgl_fault_plan_at(plan, index, self->now_ns);

    if (condition.is_down && !worker->condition.is_down) {
        const int status = go_down(self, index);
        if (status != SGL_OK)
            return status;
    }
    if (condition.factor != worker->condition.factor)
        worker->ops->slow(worker->state, self->now_ns, condition.factor);
    worker->condition = condition;
    sgl_simulation_touch(self, index);
    set_change(self, index, sgl_fault_plan_next_ns(plan, index, self->now_ns));
    set_probe(self, self->now_ns);
    sgl_simulation_set_poll(self, self->now_ns - 1); /* one due in this instant is still to come */
    return SGL_OK;
}
