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

static int take_off(struct sgl_simulation *self, const struct sgl_trace_row *row,
                    enum sgl_pool pool, const struct sgl_simulated_dispatch *dispatch,
                    uint32_t *slot_out)
{
    const struct sgl_request *request = &row->request;
    const int status = sgl_simulation_take_off(self, request, dispatch, slot_out);

    if (status != SGL_OK)
        return status;
    struct sgl_simulated_leg *leg = sgl_simulation_leg(self, *slot_out);
    *leg = (struct sgl_simulated_leg){
        .progress = leg->progress,
        .request = request->request,
        .begin_ns = request->arrival_ns,
        .reached_ns = self->now_ns,
        .max_tokens = request->max_tokens,
        .true_output_tokens = row->output_tokens,
        .is_stopped = row->is_stopped,
        .priority = request->priority,
        .pool = pool,
        .worker = dispatch->worker,
        .twin = SGL_NO_SLOT,
    };
    return SGL_OK;
}

int sgl_simulation_enter_pair(struct sgl_simulation *self, const struct sgl_trace_row *row)
{
    const struct sgl_request *request = &row->request;
    struct sgl_simulated_dispatch dispatches[2];
    uint32_t slots[2];
    const struct sgl_route route = {.request = request};
    int status = sgl_simulation_route(self, &route, SGL_POOL_PREFILL, 0, &dispatches[0]);

    if (status != SGL_OK || dispatches[0].worker == SGL_NO_WORKER)
        return status;
    status = sgl_simulation_route(self, &route, SGL_POOL_DECODE, 0, &dispatches[1]);
    if (status != SGL_OK)
        return status;
    if (dispatches[1].worker == SGL_NO_WORKER)
        return take_back(self, request);
    for (int leg = 0; leg < 2; leg++) {
        const enum sgl_pool pool = leg == 0 ? SGL_POOL_PREFILL : SGL_POOL_DECODE;
        status = take_off(self, row, pool, &dispatches[leg], &slots[leg]);
        if (status != SGL_OK)
            return status;
    }
    status = sgl_simulation_set_deadline(self, slots[1], request);
    if (status != SGL_OK)
        return status;
    struct sgl_simulated_leg *prefill = sgl_simulation_leg(self, slots[0]);
    prefill->twin = slots[1];
    sgl_simulation_leg(self, slots[1])->twin = slots[0];
    for (int leg = 0; leg < 2; leg++)
        if (self->workers[dispatches[leg].worker].condition.is_down)
            sgl_simulation_fail(self, slots[leg], "connection_refused");
    if (sgl_simulation_flight(self, slots[0])->is_answered)
        return SGL_OK;
    prefill->is_placed = true;
    const struct sgl_job job = {
        .handle = slots[0],
        .arrival_ns = self->now_ns,
        .max_tokens = request->max_tokens,
        .output_tokens = row->output_tokens,
        .is_stopped = row->is_stopped,
        .leg = SGL_LEG_PREFILL,
        .request = request,
        .recorded = &row->recorded,
    };
    return sgl_simulation_place(self, prefill->worker, &job);
}

/* ---- memory ----------------------------------------------------------------------------- */

void sgl_simulation_send_memory(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_leg *leg = sgl_simulation_leg(self, slot);
    int64_t end_ns = self->now_ns;

    /* Nobody waits for the memory of a ghost: it is let go at once, when its worker has ended the
     * step. */
    if (!leg->is_ghost)
        end_ns = sgl_transfers_end_ns(&self->transfers, leg->worker,
                                      sgl_simulation_leg(self, leg->twin)->worker,
                                      sgl_simulation_prompt_tokens(self, slot), self->now_ns);
    leg->is_sending = true;
    const struct sgl_event event = {
        .time = end_ns,
        .index = (uint64_t)leg->request,
        .kind = SGL_EVENT_TRANSFER,
        .item = sgl_simulation_answer_item(self, sgl_simulation_flight(self, slot)->value, false),
    };
    sgl_simulation_set_event(self, &event);
}

static void let_go(struct sgl_simulation *self, const struct sgl_simulated_leg *leg, uint32_t slot)
{
    struct sgl_simulated_worker *worker = &self->workers[leg->worker];
    const bool is_gone = worker->ops->cancel(worker->state, self->now_ns, slot);

    assert(is_gone);
    (void)is_gone;
    sgl_simulation_touch(self, leg->worker);
}

int sgl_simulation_receive_memory(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_leg *leg = sgl_simulation_leg(self, slot);

    leg->is_sending = false;
    let_go(self, leg, slot);
    if (leg->is_ghost) {
        sgl_simulation_land(self, slot);
        return SGL_OK;
    }
    sgl_simulation_answer(self, slot, 0);
    if (sgl_simulation_flight(self, leg->twin)->is_answered)
        return SGL_OK; /* its worker died meanwhile, which the router is about to hear */
    struct sgl_simulated_leg *twin = sgl_simulation_leg(self, leg->twin);
    twin->reached_ns = self->now_ns;
    twin->is_placed = true;
    const struct sgl_request request = {
        .request = twin->request,
        .arrival_ns = twin->begin_ns,
        .prompt_tokens = sgl_simulation_prompt_tokens(self, leg->twin),
        .max_tokens = twin->max_tokens,
        .priority = twin->priority,
    };
    const struct sgl_job job = {
        .handle = leg->twin,
        .arrival_ns = self->now_ns,
        .max_tokens = twin->max_tokens,
        .output_tokens = twin->true_output_tokens,
        .is_stopped = twin->is_stopped,
        .leg = SGL_LEG_DECODE,
        .request = &request,
    };
    return sgl_simulation_place(self, twin->worker, &job);
}

/* ---- the end ---------------------------------------------------------------------------- */

static int cancel(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
    struct sgl_simulated_leg *leg = sgl_simulation_leg(self, slot);
    struct sgl_simulated_worker *worker = &self->workers[leg->worker];
    struct sgl_input input = {
        .kind = SGL_INPUT_CANCEL,
        .pool = leg->pool,
        .request = leg->request,
        .flight = flight->number,
        .outcome = sgl_outcome_absent(),
    };

    input.outcome.prompt_tokens = sgl_simulation_prompt_tokens(self, slot);
    input.outcome.error = SGL_ERROR_PAIR_LOST;
    const int status = sgl_simulation_feed(self, &input, NULL);
    if (status != SGL_OK)
        return status;
    flight->number = SGL_NO_FLIGHT;
    sgl_event_queue_remove(&self->events, sgl_simulation_answer_item(self, flight->value, false));
    if (leg->is_placed)
        sgl_simulation_touch(self, leg->worker);
    if (!leg->is_placed || worker->ops->cancel(worker->state, self->now_ns, slot))
        sgl_simulation_land(self, slot);
    else
        sgl_simulation_haunt_leg(self, slot);
    return SGL_OK;
}

int sgl_simulation_leg_ended(struct sgl_simulation *self, const struct sgl_simulated_leg *leg,
                             bool success)
{
    const uint32_t slot = leg->twin;

    if (slot != SGL_NO_SLOT)
        sgl_simulation_leg(self, slot)->twin = SGL_NO_SLOT;
    if (leg->is_counted || (success && leg->pool == SGL_POOL_PREFILL))
        return SGL_OK;
    sgl_simulation_leave(self, leg->request, success);
    if (slot == SGL_NO_SLOT)
        return SGL_OK;
    sgl_simulation_leg(self, slot)->is_counted = true;
    return success || sgl_simulation_flight(self, slot)->is_answered ? SGL_OK : cancel(self, slot);
}
