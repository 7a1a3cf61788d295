#include "sim/simulation_state.h"

#include "core/rng.h"

#include <assert.h>
#include <stdlib.h>

#define PROGRESS_EVERY 8192 /* requests finished */
#define DUE_FIRST 16

int sgl_simulation_no_memory(struct sgl_simulation *self)
{
    return sgl_fail(self->failure, SGL_ENOMEM, "simulation: out of memory");
}

int sgl_simulation_feed(struct sgl_simulation *self, struct sgl_input *input,
                        struct sgl_result *result)
{
    struct sgl_result ignored;

    input->now_ns = self->now_ns;
    return sgl_router_feed(self->router, input, result != NULL ? result : &ignored, self->failure);
}

static int grow(struct sgl_simulation *self)
{
    const uint32_t capacity = sgl_slots_next_capacity(&self->slots);

    if (capacity == 0 ||
        capacity > (UINT32_MAX - sgl_simulation_answer_item(self, 0, false)) / 2 - 1)
        return sgl_simulation_no_memory(self);
    struct sgl_simulated_flight *flights = realloc(self->flights, capacity * sizeof *flights);
    if (flights == NULL)
        return sgl_simulation_no_memory(self);
    for (uint32_t slot = self->slots.capacity; slot < capacity; slot++)
        flights[slot] = (struct sgl_simulated_flight){.worker = SGL_NO_WORKER};
    self->flights = flights;
    return sgl_slots_grow(&self->slots) == SGL_OK ? SGL_OK : sgl_simulation_no_memory(self);
}

int sgl_simulation_take_off(struct sgl_simulation *self, const struct sgl_request *request,
                            enum sgl_pool pool, uint32_t worker, uint32_t *slot_out)
{
    const int status = sgl_slots_are_full(&self->slots) ? grow(self) : SGL_OK;

    if (status != SGL_OK)
        return status;
    *slot_out = sgl_slots_take(&self->slots);
    self->flights[*slot_out] = (struct sgl_simulated_flight){
        .request = request->request,
        .pool = pool,
        .twin = SGL_NO_TWIN,
        .worker = worker,
        .arrival_ns = self->now_ns,
        .reached_ns = self->now_ns,
        .prompt_tokens = request->prompt_tokens,
        .max_tokens = request->max_tokens,
        .priority = request->priority,
        .true_output_tokens = self->row.output_tokens,
        .first_token_ns = SGL_ABSENT,
        .queue_length = SGL_ABSENT,
        .reported_ns = SGL_ABSENT,
    };
    return SGL_OK;
}

void sgl_simulation_land(struct sgl_simulation *self, uint32_t slot)
{
    self->flights[slot].worker = SGL_NO_WORKER;
    sgl_slots_give(&self->slots, slot);
}

void sgl_simulation_count(struct sgl_simulation *self, int64_t request, bool success)
{
    struct sgl_simulation_totals *totals = self->totals;

    if (success)
        totals->succeeded++;
    else
        totals->failed++;
    if (self->source->ops->finished != NULL)
        self->source->ops->finished(self->source, request);
    if (self->source->ops->answered != NULL &&
        self->source->ops->answered(self->source, request, self->now_ns))
        self->is_row_stale = true;
    const uint64_t done = totals->succeeded + totals->failed;
    if (self->options->progress != NULL && done % PROGRESS_EVERY == 0)
        self->options->progress(self->options->progress_context, done, self->now_ns);
}

static int deliver_first_token(struct sgl_simulation *self,
                               const struct sgl_simulated_flight *flight)
{
    struct sgl_input input = {
        .kind = SGL_INPUT_FIRST_TOKEN,
        .pool = flight->pool,
        .request = flight->request,
    };

    return sgl_simulation_feed(self, &input, NULL);
}

static int deliver_answer(struct sgl_simulation *self, uint32_t slot)
{
    const struct sgl_simulated_flight *flight = &self->flights[slot];
    struct sgl_input input = {
        .kind = SGL_INPUT_COMPLETE,
        .pool = flight->pool,
        .request = flight->request,
        .outcome =
            {
                .queue_time_ns = flight->started_ns != SGL_ABSENT
                                     ? flight->started_ns - flight->reached_ns
                                     : SGL_ABSENT,
                .ttft_ns = flight->first_token_ns != SGL_ABSENT
                               ? flight->first_token_ns + self->options->response_delay_ns -
                                     flight->arrival_ns
                               : SGL_ABSENT,
                .e2e_ns = self->now_ns - flight->arrival_ns,
                .prompt_tokens = flight->prompt_tokens,
                .output_tokens = flight->output_tokens,
                .cached_tokens = flight->cached_tokens,
                .queue_length = flight->queue_length,
                .reported_ns = flight->reported_ns,
                .success = flight->error == NULL,
                .error = flight->error,
            },
    };
    const int status = sgl_simulation_feed(self, &input, NULL);

    if (status != SGL_OK)
        return status;
    const struct sgl_simulated_flight landed = *flight;
    if (landed.pool != SGL_POOL_PREFILL && landed.error == NULL &&
        landed.output_tokens < landed.true_output_tokens)
        self->totals->cut_to_max_tokens++;
    sgl_simulation_land(self, slot);
    if (landed.pool != SGL_POOL_REGULAR)
        return sgl_simulation_leg_ended(self, &landed);
    sgl_simulation_count(self, landed.request, landed.error == NULL);
    return SGL_OK;
}

static bool has_room_for_due(struct sgl_simulation *self)
{
    if (self->due_count < self->due_capacity)
        return true;
    const uint32_t capacity = self->due_capacity > 0 ? 2 * self->due_capacity : DUE_FIRST;
    uint32_t *due = realloc(self->due, capacity * sizeof *due);
    if (due == NULL)
        return false;
    self->due = due;
    self->due_capacity = capacity;
    return true;
}

void sgl_simulation_set_event(struct sgl_simulation *self, const struct sgl_event *event)
{
    const uint32_t item_count = sgl_simulation_answer_item(self, self->slots.capacity, false);

    if (sgl_event_queue_reserve(&self->events, item_count) == SGL_OK)
        sgl_event_queue_set(&self->events, event);
    else
        self->is_out_of_memory = true;
}

static void send_answer(struct sgl_simulation *self, uint32_t slot, bool is_last, int64_t delay_ns)
{
    const struct sgl_event event = {
        .time = self->now_ns + delay_ns + self->options->response_delay_ns,
        .index = self->answers++,
        .kind = SGL_EVENT_ANSWER,
        .item = sgl_simulation_answer_item(self, slot, is_last),
    };

    if (event.time == self->now_ns) {
        if (has_room_for_due(self))
            self->due[self->due_count++] = event.item;
        else
            self->is_out_of_memory = true;
        return;
    }
    sgl_simulation_set_event(self, &event);
}

void sgl_simulation_answer(struct sgl_simulation *self, uint32_t slot, int64_t delay_ns)
{
    self->flights[slot].is_answered = true;
    send_answer(self, slot, true, delay_ns);
}

void sgl_simulation_fail(struct sgl_simulation *self, uint32_t slot, const char *error)
{
    struct sgl_simulated_flight *flight = &self->flights[slot];

    if (flight->is_sending)
        sgl_event_queue_remove(&self->events, sgl_simulation_answer_item(self, slot, false));
    if (flight->is_ghost) {
        sgl_simulation_land(self, slot);
        return;
    }
    flight->is_sending = false;
    flight->is_answered = true;
    flight->error = error;
    flight->started_ns = SGL_ABSENT;
    flight->output_tokens = SGL_ABSENT;
    flight->cached_tokens = SGL_ABSENT;
    /* A token that is still in the worker's host is lost with it. */
    if (flight->first_token_ns != SGL_ABSENT && flight->first_token_ns > self->now_ns) {
        flight->first_token_ns = SGL_ABSENT;
        sgl_event_queue_remove(&self->events, sgl_simulation_answer_item(self, slot, false));
    }
    send_answer(self, slot, true, 0);
}

static bool is_report_lost(const struct sgl_simulation *self, int64_t request)
{
    if (self->options->completions_loss <= 0)
        return false;
    struct sgl_rng draws = sgl_rng_stream(self->options->seed, SGL_PURPOSE_LOSS, 0, request, 0);
    return sgl_rng_uniform(&draws) < self->options->completions_loss;
}

/* A worker's model says that something happened to one of its jobs. */
void sgl_simulation_hear(void *context, const struct sgl_worker_event *event)
{
    const struct sgl_simulated_worker *worker = context;
    struct sgl_simulation *self = worker->simulation;
    struct sgl_simulated_flight *flight = &self->flights[event->handle];
    struct sgl_worker_load load;

    assert(event->time_ns == self->now_ns);
    const bool is_prefill = flight->pool == SGL_POOL_PREFILL;
    if (event->kind == SGL_WORKER_FIRST_TOKEN) {
        /* Token 1 of a prefill leg goes to the decode worker, not to the client. */
        if (is_prefill || flight->is_ghost)
            return;
        flight->first_token_ns = event->time_ns + event->delay_ns;
        send_answer(self, event->handle, false, event->delay_ns);
        return;
    }
    if (flight->is_ghost && !is_prefill) {
        sgl_simulation_land(self, event->handle);
        return;
    }
    flight->error = event->error;
    flight->started_ns = event->started_ns;
    flight->output_tokens = event->output_tokens;
    flight->cached_tokens = event->cached_tokens;
    if (self->options->completions_report && !is_report_lost(self, flight->request)) {
        worker->ops->load(worker->state, &load);
        flight->queue_length = load.queue_length;
        flight->reported_ns = self->now_ns;
    }
    if (is_prefill && event->kind == SGL_WORKER_FINISH)
        sgl_simulation_send_memory(self, event->handle);
    else
        sgl_simulation_answer(self, event->handle, event->delay_ns);
}

int sgl_simulation_deliver(struct sgl_simulation *self, uint32_t item)
{
    const uint32_t answer = item - sgl_simulation_answer_item(self, 0, false);
    const uint32_t slot = answer / 2;
    const struct sgl_simulated_flight *flight = &self->flights[slot];

    sgl_event_queue_remove(&self->events, item);
    if (answer % 2 == 1)
        return deliver_answer(self, slot);
    if (flight->is_sending)
        return sgl_simulation_receive_memory(self, slot);
    /* A leg that was cancelled in the instant of its first token. */
    if (flight->is_ghost || flight->worker == SGL_NO_WORKER)
        return SGL_OK;
    return deliver_first_token(self, flight);
}
