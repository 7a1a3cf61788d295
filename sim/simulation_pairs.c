/*
 * Requests of two legs: computed by a prefill worker, answered by a decode worker.
 *
 *     arrival --> route prefill, route decode
 *                   |                   (waits)
 *                   v                     |
 *               prefill worker            |
 *                   | memory travels      |
 *                   +-------------------> decode worker --> first token, answer
 *                   |
 *                   +--> let go, and the prefill leg's answer
 */
#include "core/error_word.h"
#include "sim/simulation_state.h"

#include <assert.h>

/* ---- the way there ---------------------------------------------------------------------- */

/* The prefill leg has its worker, and there is none to decode. */
static int take_back(struct sgl_simulation *self, const struct sgl_request *request)
{
    struct sgl_input input = {
        .kind = SGL_INPUT_CANCEL,
        .pool = SGL_POOL_PREFILL,
        .request = request->request,
        .outcome = sgl_outcome_absent(),
    };

    input.outcome.prompt_tokens = request->prompt_tokens;
    input.outcome.error = SGL_ERROR_PAIR_LOST;
    return sgl_simulation_feed(self, &input, NULL);
}

int sgl_simulation_arrive_pair(struct sgl_simulation *self, const struct sgl_request *request)
{
    uint32_t workers[2];
    uint32_t slots[2];
    int status = sgl_simulation_route(self, request, SGL_POOL_PREFILL, &workers[0]);

    if (status != SGL_OK || workers[0] == SGL_NO_WORKER)
        return status;
    status = sgl_simulation_route(self, request, SGL_POOL_DECODE, &workers[1]);
    if (status != SGL_OK)
        return status;
    if (workers[1] == SGL_NO_WORKER)
        return take_back(self, request);
    for (int leg = 0; leg < 2; leg++) {
        const enum sgl_pool pool = leg == 0 ? SGL_POOL_PREFILL : SGL_POOL_DECODE;
        status = sgl_simulation_take_off(self, request, pool, workers[leg], &slots[leg]);
        if (status != SGL_OK)
            return status;
    }
    self->flights[slots[0]].twin = slots[1];
    self->flights[slots[1]].twin = slots[0];
    for (int leg = 0; leg < 2; leg++)
        if (self->workers[workers[leg]].condition.is_down)
            sgl_simulation_fail(self, slots[leg], "connection_refused");
    if (self->flights[slots[0]].is_answered)
        return SGL_OK;
    return sgl_simulation_place(self, &(struct sgl_job){.handle = slots[0],
                                                        .arrival_ns = self->now_ns,
                                                        .max_tokens = request->max_tokens,
                                                        .output_tokens = self->row.output_tokens,
                                                        .leg = SGL_LEG_PREFILL,
                                                        .request = request,
                                                        .recorded = &self->row.recorded});
}

/* ---- memory ----------------------------------------------------------------------------- */

void sgl_simulation_send_memory(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_flight *flight = &self->flights[slot];
    int64_t end_ns = self->now_ns;

    /* Nobody waits for the memory of a ghost: it is let go at once, when its worker has ended the
     * step. */
    if (!flight->is_ghost) {
        const struct sgl_simulated_flight *twin = &self->flights[flight->twin];
        end_ns = sgl_transfers_end_ns(&self->transfers, flight->worker, twin->worker,
                                      flight->prompt_tokens, self->now_ns);
    }
    flight->is_sending = true;
    const struct sgl_event event = {
        .time = end_ns,
        .index = (uint64_t)flight->request,
        .kind = SGL_EVENT_TRANSFER,
        .item = sgl_simulation_answer_item(self, slot, false),
    };
    sgl_simulation_set_event(self, &event);
}

static void let_go(struct sgl_simulation *self, const struct sgl_simulated_flight *flight,
                   uint32_t slot)
{
    struct sgl_simulated_worker *worker = &self->workers[flight->worker];
    const bool is_gone = worker->ops->cancel(worker->state, self->now_ns, slot);

    assert(is_gone);
    (void)is_gone;
    sgl_simulation_touch(self, flight->worker);
}

int sgl_simulation_receive_memory(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_flight *flight = &self->flights[slot];

    flight->is_sending = false;
    let_go(self, flight, slot);
    if (flight->is_ghost) {
        sgl_simulation_land(self, slot);
        return SGL_OK;
    }
    sgl_simulation_answer(self, slot, 0);
    struct sgl_simulated_flight *twin = &self->flights[flight->twin];
    if (twin->is_answered)
        return SGL_OK; /* its worker died meanwhile, which the router is about to hear */
    twin->reached_ns = self->now_ns;
    const struct sgl_request request = {
        .request = twin->request,
        .arrival_ns = twin->arrival_ns,
        .prompt_tokens = twin->prompt_tokens,
        .max_tokens = twin->max_tokens,
        .priority = twin->priority,
    };
    return sgl_simulation_place(self, &(struct sgl_job){.handle = flight->twin,
                                                        .arrival_ns = self->now_ns,
                                                        .max_tokens = twin->max_tokens,
                                                        .output_tokens = twin->true_output_tokens,
                                                        .leg = SGL_LEG_DECODE,
                                                        .request = &request});
}

/* ---- the end ---------------------------------------------------------------------------- */

static int cancel(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_flight *flight = &self->flights[slot];
    struct sgl_simulated_worker *worker = &self->workers[flight->worker];
    struct sgl_input input = {
        .kind = SGL_INPUT_CANCEL,
        .pool = flight->pool,
        .request = flight->request,
        .outcome = sgl_outcome_absent(),
    };

    input.outcome.prompt_tokens = flight->prompt_tokens;
    input.outcome.error = SGL_ERROR_PAIR_LOST;
    const int status = sgl_simulation_feed(self, &input, NULL);
    if (status != SGL_OK)
        return status;
    sgl_event_queue_remove(&self->events, sgl_simulation_answer_item(self, slot, false));
    if (flight->is_placed)
        sgl_simulation_touch(self, flight->worker);
    if (!flight->is_placed || worker->ops->cancel(worker->state, self->now_ns, slot))
        sgl_simulation_land(self, slot);
    else
        flight->is_ghost = true;
    return SGL_OK;
}

int sgl_simulation_leg_ended(struct sgl_simulation *self, const struct sgl_simulated_flight *leg)
{
    const bool success = leg->error == NULL;
    const uint32_t slot = leg->twin;

    if (slot != SGL_NO_TWIN)
        self->flights[slot].twin = SGL_NO_TWIN;
    if (leg->is_counted || (success && leg->pool == SGL_POOL_PREFILL))
        return SGL_OK;
    sgl_simulation_count(self, leg->request, success);
    if (slot == SGL_NO_TWIN)
        return SGL_OK;
    self->flights[slot].is_counted = true;
    return success || self->flights[slot].is_answered ? SGL_OK : cancel(self, slot);
}
