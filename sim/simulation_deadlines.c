/*
 * Requests that take too long: the router gives them up, or their clients leave.
 *
 *     arrives --> waits to be let in --> under way ----------> its answer is on its way --> over
 *                       |                    |                          |
 *     deadline:     rejected         the worker is told,           nobody hears it
 *                                    a ghost until it stops
 *
 * Deadlines lie in a heap of their own, by the slot of the request (of a pair: that of its decode
 * leg), so that each can be taken back; the earliest is an event of the run. What becomes of a
 * request in an instant, answers and tokens included, comes before its deadline in that instant.
 *
 * A ghost is a flight that its router has done with and its worker not yet, which computes a little
 * more for it (worker_model.h, cancel). It has no progress; its value is its
 * worker.
 */
#include "sim/simulation_state.h"

/* Of the two, the earlier; the router's of equal ones. */
static bool is_client_first(const struct sgl_simulation_options *options)
{
    return options->client_timeout_ns > 0 &&
           (options->request_timeout_ns == 0 ||
            options->client_timeout_ns < options->request_timeout_ns);
}

static int64_t patience_ns(const struct sgl_simulation_options *options)
{
    return is_client_first(options) ? options->client_timeout_ns : options->request_timeout_ns;
}

int64_t sgl_simulation_deadline_ns(const struct sgl_simulation *self, int64_t begin_ns)
{
    const int64_t timeout_ns = self->options->request_timeout_ns;

    return timeout_ns > 0 ? begin_ns + timeout_ns : SGL_SIMULATION_NS_MAX;
}

/* The earliest deadline is what the run has to stop at. */
static void set_next(struct sgl_simulation *self)
{
    const struct sgl_queued *top = sgl_event_queue_top(&self->deadlines);
    const uint32_t item = SGL_ITEM_DEADLINE;

    if (top == NULL) {
        sgl_event_queue_remove(&self->events, item);
        return;
    }
    const struct sgl_event event = {.time = top->time, .kind = SGL_EVENT_DEADLINE, .item = item};
    sgl_event_queue_set(&self->events, &event);
}

int sgl_simulation_set_deadline(struct sgl_simulation *self, uint32_t slot,
                                const struct sgl_request *request)
{
    if (!self->has_deadlines)
        return SGL_OK;
    if (slot >= self->deadlines.item_count &&
        sgl_event_queue_reserve(&self->deadlines, 2 * slot + 64) != SGL_OK)
        return sgl_simulation_no_memory(self);
    const struct sgl_event event = {
        .time = request->arrival_ns + patience_ns(self->options),
        .index = (uint64_t)request->request,
        .item = slot,
    };
    sgl_event_queue_set(&self->deadlines, &event);
    set_next(self);
    return SGL_OK;
}

void sgl_simulation_clear_deadline(struct sgl_simulation *self, uint32_t slot)
{
    if (slot >= self->deadlines.item_count)
        return;
    sgl_event_queue_remove(&self->deadlines, slot);
    set_next(self);
}

/* The router is told how the flight ends: nothing of its answer is heard any more. */
static int tell_end(struct sgl_simulation *self, uint32_t slot, enum sgl_input_kind kind,
                    const char *error)
{
    const struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
    const struct sgl_flight *sent = sgl_router_flight(self->router, flight->number);
    const int64_t begin_ns = sgl_simulation_begin_ns(self, slot, sent->sent_ns);
    struct sgl_input input = {
        .kind = kind,
        .pool = (enum sgl_pool)sent->pool,
        .request = sent->request,
        .attempt = sent->attempt,
        .flight = flight->number,
        .outcome = sgl_outcome_absent(),
    };

    input.outcome.e2e_ns = self->now_ns - begin_ns;
    input.outcome.prompt_tokens = sgl_simulation_prompt_tokens(self, slot);
    input.outcome.error = error;
    if (flight->has_progress) {
        const int64_t token_ns = sgl_simulation_progress(self, slot)->first_token_ns;
        const int64_t heard_ns = token_ns + self->options->response_delay_ns;
        if (token_ns != SGL_ABSENT && heard_ns <= self->now_ns)
            input.outcome.ttft_ns = heard_ns - begin_ns;
    }
    return sgl_simulation_feed(self, &input, NULL);
}

/* Tokens and answers that are on their way do not arrive. */
static void silence(struct sgl_simulation *self, uint32_t slot)
{
    const struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);

    for (int is_last = 0; flight->has_progress && is_last < 2; is_last++)
        sgl_event_queue_remove(&self->events,
                               sgl_simulation_answer_item(self, flight->value, is_last == 1));
}

/* The worker is told to stop. True: it has forgotten it. */
static bool stop(struct sgl_simulation *self, uint32_t worker, uint32_t slot)
{
    const struct sgl_simulated_worker *it = &self->workers[worker];

    sgl_simulation_touch(self, worker);
    return it->ops->cancel(it->state, self->now_ns, slot);
}

static int end_flight(struct sgl_simulation *self, uint32_t slot, enum sgl_input_kind kind,
                      const char *error)
{
    const uint32_t worker = sgl_simulation_worker_of(self, slot);
    const int status = tell_end(self, slot, kind, error);

    if (status != SGL_OK)
        return status;
    silence(self, slot);
    if (sgl_simulation_flight(self, slot)->is_answered || stop(self, worker, slot))
        sgl_simulation_land(self, slot);
    else
        sgl_simulation_haunt(self, slot, worker);
    return SGL_OK;
}

/* A leg whose answer is on its way has left its worker; one that waits for memory never came. */
static int end_leg(struct sgl_simulation *self, uint32_t slot, enum sgl_input_kind kind,
                   const char *error)
{
    const struct sgl_simulated_leg *leg = sgl_simulation_leg(self, slot);
    const bool is_there = leg->is_placed && !sgl_simulation_flight(self, slot)->is_answered;
    const int status = tell_end(self, slot, kind, error);

    if (status != SGL_OK)
        return status;
    sgl_simulation_flight(self, slot)->number = SGL_NO_FLIGHT;
    silence(self, slot);
    if (!is_there || stop(self, leg->worker, slot))
        sgl_simulation_land(self, slot);
    else
        sgl_simulation_haunt_leg(self, slot);
    return SGL_OK;
}

/* Nobody knows which of two legs that are out is late: the workers of neither are blamed, as in
 * live mode. */
static int end_pair(struct sgl_simulation *self, uint32_t slot, enum sgl_input_kind kind,
                    const char *error)
{
    const uint32_t twin = sgl_simulation_leg(self, slot)->twin;
    const enum sgl_input_kind told = twin != SGL_NO_SLOT ? SGL_INPUT_CANCEL : kind;
    const int status = twin != SGL_NO_SLOT ? end_leg(self, twin, told, error) : SGL_OK;

    return status == SGL_OK ? end_leg(self, slot, told, error) : status;
}

/* The deadline of the request in that slot has come. */
static int give_up(struct sgl_simulation *self, uint32_t slot)
{
    const bool has_left = is_client_first(self->options);
    const enum sgl_input_kind kind = has_left ? SGL_INPUT_CANCEL : SGL_INPUT_COMPLETE;
    const char *error = has_left ? "client_abort" : "timeout";
    const struct sgl_simulated_flight flight = *sgl_simulation_flight(self, slot);
    int64_t request;
    int status = SGL_OK;

    ++*(has_left ? &self->totals->abandoned : &self->totals->timed_out);
    if (self->keeps_pasts && self->pasts[slot] != NULL && self->pasts[slot]->is_queued)
        return sgl_simulation_turn_away_waiting(self, slot,
                                                has_left ? "client_abort" : "queue_timeout");
    if (self->has_pairs) {
        request = sgl_simulation_leg(self, slot)->request;
        status = end_pair(self, slot, kind, error);
    } else if (flight.number == SGL_NO_FLIGHT) {
        /* It waits to be tried again: how its last attempt ended was told. */
        request = self->pasts[slot]->row.request.request;
        silence(self, slot);
        sgl_simulation_land(self, slot);
    } else {
        request = sgl_router_flight(self->router, flight.number)->request;
        status = end_flight(self, slot, kind, error);
    }
    if (status == SGL_OK)
        sgl_simulation_leave(self, request, false);
    return status;
}

int sgl_simulation_pass_deadlines(struct sgl_simulation *self)
{
    int status = SGL_OK;

    for (const struct sgl_queued *top = sgl_event_queue_top(&self->deadlines);
         status == SGL_OK && top != NULL && top->time <= self->now_ns;
         top = sgl_event_queue_top(&self->deadlines)) {
        const uint32_t slot = top->item;
        sgl_event_queue_remove(&self->deadlines, slot);
        status = give_up(self, slot);
    }
    set_next(self);
    return status;
}
