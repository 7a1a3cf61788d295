/*
 * Who is let in (core/admission.h), who waits for that, and who is refused.
 *
 *     arrives --> asked --run---> routed ... ended: its place is free --+
 *                   |                ^                                  |
 *                   +--wait--> slot -+--<-- next one ---<---------------+
 *                   |            +---> refused: queue_timeout
 *                   +--full--> refused: queue_full, rate_limited
 *
 * One that waits has a slot, in which its past is kept, and no number of the router's: that hears
 * of it when it is let in, or refused. A place that is free is given away when all answers of the
 * instant are there.
 */
#include "sim/simulation_state.h"

#include <assert.h>
#include <stdlib.h>

int sgl_simulation_open_admission(struct sgl_simulation *self)
{
    if (self->options->admission == NULL)
        return SGL_OK;
    return sgl_admission_create(&self->admission, self->options->admission, NULL) == SGL_OK
               ? SGL_OK
               : sgl_simulation_no_memory(self);
}

/* The next time at which somebody need not wait any longer, as far as it is known. */
static void set_wake(struct sgl_simulation *self)
{
    const struct sgl_event event = {
        .time = sgl_admission_wake_ns(self->admission, self->now_ns),
        .kind = SGL_EVENT_ADMISSION,
        .item = SGL_ITEM_ADMISSION,
    };

    if (event.time == SGL_ABSENT)
        sgl_event_queue_remove(&self->events, event.item);
    else
        sgl_event_queue_set(&self->events, &event);
}

static int turn_away(struct sgl_simulation *self, const struct sgl_request *request,
                     const char *error)
{
    struct sgl_input input = {
        .kind = SGL_INPUT_REJECT,
        .pool = self->has_pairs ? SGL_POOL_PREFILL : SGL_POOL_REGULAR,
        .request = request->request,
        .outcome = sgl_outcome_absent(),
    };

    input.outcome.prompt_tokens = request->prompt_tokens;
    input.outcome.error = error;
    const int status = sgl_simulation_feed(self, &input, NULL);
    if (status != SGL_OK)
        return status;
    self->totals->rejected++;
    sgl_simulation_count(self, request->request, false);
    return SGL_OK;
}

/* It has no worker, and no leg of a pair. */
static int take_slot(struct sgl_simulation *self, const struct sgl_trace_row *row,
                     uint32_t *slot_out)
{
    const struct sgl_simulated_dispatch nowhere = {.worker = SGL_NO_WORKER,
                                                   .number = SGL_NO_FLIGHT};
    const int status = sgl_simulation_take_off(self, &row->request, &nowhere, slot_out);

    if (status != SGL_OK)
        return status;
    if (self->has_pairs) {
        struct sgl_simulated_leg *leg = sgl_simulation_leg(self, *slot_out);
        *leg = (struct sgl_simulated_leg){
            .progress = leg->progress, .worker = SGL_NO_WORKER, .twin = SGL_NO_SLOT};
    }
    return sgl_simulation_keep(self, *slot_out, row);
}

int sgl_simulation_ask_in(struct sgl_simulation *self, const struct sgl_trace_row *row,
                          bool *is_in_out)
{
    const struct sgl_request *request = &row->request;
    uint32_t slot;
    uint32_t place;

    *is_in_out = false;
    /* The slot is the ticket, so it is taken before anybody knows that it is wanted. */
    const int status = take_slot(self, row, &slot);
    if (status != SGL_OK)
        return status;
    const enum sgl_admission_verdict verdict =
        sgl_admission_ask(self->admission, self->now_ns, request->priority, slot, &place);
    if (verdict == SGL_ADMISSION_WAIT) {
        self->pasts[slot]->is_queued = true;
        self->pasts[slot]->place = place;
        set_wake(self);
        return sgl_simulation_set_deadline(self, slot, request);
    }
    sgl_simulation_land(self, slot);
    *is_in_out = verdict == SGL_ADMISSION_RUN;
    return *is_in_out ? SGL_OK : turn_away(self, request, sgl_admission_full_word(self->admission));
}

int sgl_simulation_let_in(struct sgl_simulation *self)
{
    enum sgl_admission_verdict verdict;
    uint64_t ticket;
    int status = SGL_OK;

    while (status == SGL_OK &&
           sgl_admission_next(self->admission, self->now_ns, &ticket, &verdict)) {
        const uint32_t slot = (uint32_t)ticket;
        struct sgl_simulated_past *past = self->pasts[slot];
        self->pasts[slot] = NULL;
        sgl_simulation_land(self, slot);
        status = verdict == SGL_ADMISSION_RUN
                     ? sgl_simulation_enter(self, &past->row)
                     : turn_away(self, &past->row.request, "queue_timeout");
        free(past);
    }
    set_wake(self);
    return status;
}

int sgl_simulation_turn_away_waiting(struct sgl_simulation *self, uint32_t slot, const char *error)
{
    const struct sgl_simulated_past *past = self->pasts[slot];

    sgl_admission_withdraw(self->admission, past->place);
    set_wake(self);
    const int status = turn_away(self, &past->row.request, error);
    sgl_simulation_land(self, slot);
    return status;
}

void sgl_simulation_free_place(struct sgl_simulation *self)
{
    sgl_admission_done(self->admission);
    set_wake(self);
}
