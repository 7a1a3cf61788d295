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
    input->now_ns = self->now_ns;
    return sgl_router_feed(self->router, input, result, self->failure);
}

/* ---- slots ------------------------------------------------------------------------------ */

#define SLOT_MAX (UINT32_C(1) << 28) /* the bits of a flight's value */

uint32_t sgl_simulation_worker_of(const struct sgl_simulation *self, uint32_t slot)
{
    const struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);

    if (!flight->is_used || (!self->has_pairs && flight->number == SGL_NO_FLIGHT))
        return SGL_NO_WORKER;
    if (flight->number == SGL_GHOST_FLIGHT)
        return flight->value;
    return self->has_pairs ? sgl_simulation_leg(self, slot)->worker
                           : sgl_router_flight(self->router, flight->number)->worker;
}

int64_t sgl_simulation_prompt_tokens(const struct sgl_simulation *self, uint32_t slot)
{
    const struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);

    if (flight->has_answer)
        return sgl_simulation_answer_at(self, slot)->prompt_tokens;
    return flight->has_progress ? sgl_simulation_progress(self, slot)->value : flight->value;
}

static void *note_no_memory(struct sgl_simulation *self)
{
    self->is_out_of_memory = true;
    return NULL;
}

/* The progress of a flight, begun when it has none. NULL without memory: who cannot fail leaves it
 * at that, for it is noticed when the instant goes on. */
static struct sgl_simulated_progress *begin_progress(struct sgl_simulation *self, uint32_t slot,
                                                     struct sgl_simulated_flight *flight)
{
    if (flight->has_progress)
        return sgl_simulation_progress_of(self, flight);
    if (sgl_records_reserve(&self->progress, self->progress_size, NULL) != SGL_OK)
        return note_no_memory(self);
    const uint32_t prompt_tokens = flight->value;
    flight->value = sgl_records_take(&self->progress, self->progress_size) & (SLOT_MAX - 1);
    flight->has_progress = true;
    struct sgl_simulated_progress *progress = sgl_simulation_progress_of(self, flight);
    *progress = (struct sgl_simulated_progress){
        .value = prompt_tokens, .slot = slot, .first_token_ns = SGL_ABSENT};
    return progress;
}

/* Its answer, the same way. */
static struct sgl_simulated_answer *begin_answer(struct sgl_simulation *self, uint32_t slot,
                                                 struct sgl_simulated_flight *flight)
{
    struct sgl_simulated_progress *progress = begin_progress(self, slot, flight);

    if (progress == NULL)
        return NULL;
    if (flight->has_answer)
        return sgl_simulation_answer_of(self, progress);
    if (sgl_records_reserve(&self->answers, sizeof(struct sgl_simulated_answer), NULL) != SGL_OK)
        return note_no_memory(self);
    const uint32_t prompt_tokens = progress->value;
    progress->value = sgl_records_take(&self->answers, sizeof(struct sgl_simulated_answer));
    flight->has_answer = true;
    struct sgl_simulated_answer *answer = sgl_simulation_answer_of(self, progress);
    *answer = (struct sgl_simulated_answer){
        .queue_length = SGL_NO_QUEUE_LENGTH,
        .prompt_tokens = prompt_tokens,
        .started_ns = SGL_ABSENT,
        .output_tokens = SGL_ABSENT,
        .cached_tokens = SGL_ABSENT,
        .reported_ns = SGL_ABSENT,
    };
    return answer;
}

int sgl_simulation_take_off(struct sgl_simulation *self, const struct sgl_request *request,
                            const struct sgl_simulated_dispatch *dispatch, uint32_t *slot_out)
{
    const bool is_short = request->prompt_tokens >= 0 && request->prompt_tokens < SLOT_MAX;

    if (self->flights.fresh == SLOT_MAX ||
        sgl_records_reserve(&self->flights, sizeof(struct sgl_simulated_flight), NULL) != SGL_OK)
        return sgl_simulation_no_memory(self);
    *slot_out = sgl_records_take(&self->flights, sizeof(struct sgl_simulated_flight));
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, *slot_out);
    *flight = (struct sgl_simulated_flight){
        .value = is_short ? (uint32_t)request->prompt_tokens & (SLOT_MAX - 1) : 0,
        .is_used = true,
        .number = dispatch->number,
    };
    if (self->has_pairs && begin_progress(self, *slot_out, flight) == NULL)
        return sgl_simulation_no_memory(self);
    if (is_short)
        return SGL_OK;
    struct sgl_simulated_answer *answer = begin_answer(self, *slot_out, flight);
    if (answer == NULL)
        return sgl_simulation_no_memory(self);
    answer->prompt_tokens = request->prompt_tokens;
    return SGL_OK;
}

/* What was kept beside the flight. */
static void strip(struct sgl_simulation *self, uint32_t slot,
                  const struct sgl_simulated_flight *flight)
{
    if (flight->has_progress) {
        struct sgl_simulated_progress *progress = sgl_simulation_progress_of(self, flight);
        if (flight->has_answer)
            sgl_records_give(&self->answers, sizeof(struct sgl_simulated_answer), progress->value);
        progress->slot = SGL_NO_SLOT;
        sgl_records_give(&self->progress, self->progress_size, flight->value);
    }
    sgl_simulation_forget(self, slot);
    if (self->has_deadlines)
        sgl_simulation_clear_deadline(self, slot);
}

void sgl_simulation_haunt(struct sgl_simulation *self, uint32_t slot, uint32_t worker)
{
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);

    strip(self, slot, flight);
    *flight = (struct sgl_simulated_flight){
        .number = SGL_GHOST_FLIGHT, .value = worker & (SLOT_MAX - 1), .is_used = true};
}

void sgl_simulation_haunt_leg(struct sgl_simulation *self, uint32_t slot)
{
    sgl_simulation_leg(self, slot)->is_ghost = true;
    if (self->has_deadlines)
        sgl_simulation_clear_deadline(self, slot);
}

void sgl_simulation_land(struct sgl_simulation *self, uint32_t slot)
{
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);

    strip(self, slot, flight);
    flight->is_used = false;
    sgl_records_give(&self->flights, sizeof *flight, slot);
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

/* ---- deliveries ------------------------------------------------------------------------- */

static int deliver_first_token(struct sgl_simulation *self, uint32_t number)
{
    const struct sgl_flight *flight = sgl_router_flight(self->router, number);
    struct sgl_input input; /* most of which no first token has, and which need not be cleared */

    input.kind = SGL_INPUT_FIRST_TOKEN;
    input.pool = (enum sgl_pool)flight->pool;
    input.request = flight->request;
    input.attempt = flight->attempt;
    input.flight = number;
    return sgl_simulation_feed(self, &input, NULL);
}

/* When the request was at its worker. */
static int64_t reached_ns(const struct sgl_simulation *self, uint32_t slot,
                          const struct sgl_flight *flight)
{
    return self->has_pairs ? sgl_simulation_leg(self, slot)->reached_ns : flight->sent_ns;
}

/* An answer that ended before the truth. Where max_tokens is just the room there was, it is the
 * memory's. */
static void count_cut(struct sgl_simulation *self, uint32_t worker,
                      const struct sgl_simulated_answer *answer)
{
    const int64_t prompt_tokens = answer->prompt_tokens > 0 ? answer->prompt_tokens : 1;
    const int64_t capacity = sgl_simulation_capacity(&self->options->workers[worker]);

    if (answer->output_tokens == capacity - prompt_tokens)
        self->totals->cut_to_memory++;
    else
        self->totals->cut_to_max_tokens++;
}

static int deliver_answer(struct sgl_simulation *self,
                          const struct sgl_simulated_progress *progress)
{
    const uint32_t slot = progress->slot;
    const uint32_t number = sgl_simulation_flight(self, slot)->number;
    const struct sgl_flight flight = *sgl_router_flight(self->router, number);
    const int64_t first_token_ns = progress->first_token_ns;
    const struct sgl_simulated_answer *answer = sgl_simulation_answer_of(self, progress);
    const int64_t begin_ns = sgl_simulation_begin_ns(self, slot, flight.sent_ns);
    const bool success = answer->error == NULL;
    struct sgl_input input = {
        .kind = SGL_INPUT_COMPLETE,
        .pool = (enum sgl_pool)flight.pool,
        .now_ns = self->now_ns,
        .request = flight.request,
        .attempt = flight.attempt,
        .flight = number,
        .outcome =
            {
                .queue_time_ns = answer->started_ns != SGL_ABSENT
                                     ? answer->started_ns - reached_ns(self, slot, &flight)
                                     : SGL_ABSENT,
                .ttft_ns = first_token_ns != SGL_ABSENT
                               ? first_token_ns + self->options->response_delay_ns - begin_ns
                               : SGL_ABSENT,
                .e2e_ns = self->now_ns - begin_ns,
                .prompt_tokens = answer->prompt_tokens,
                .output_tokens = answer->output_tokens,
                .cached_tokens = answer->cached_tokens,
                .queue_length = answer->queue_length != SGL_NO_QUEUE_LENGTH
                                    ? (int64_t)answer->queue_length
                                    : SGL_ABSENT,
                .reported_ns = answer->reported_ns,
                .success = success,
                .error = answer->error,
            },
    };
    int status = sgl_simulation_feed(self, &input, NULL);

    if (status != SGL_OK)
        return status;
    if (!success && (status = sgl_simulation_ask_retry(self, slot, &flight)) != 0)
        return status < 0 ? status : SGL_OK;
    if (flight.pool != SGL_POOL_PREFILL && success && answer->is_cut)
        count_cut(self, flight.worker, answer);
    if (self->has_pairs) {
        const struct sgl_simulated_leg leg = *sgl_simulation_leg(self, slot);
        sgl_simulation_land(self, slot);
        return sgl_simulation_leg_ended(self, &leg, success);
    }
    sgl_simulation_land(self, slot);
    sgl_simulation_leave(self, flight.request, success);
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
    const uint32_t fresh = self->progress.fresh;
    const uint32_t item_count = sgl_simulation_answer_item(self, fresh, false);

    /* Twice as many as there are, so that they seldom have to be made room for. */
    if (item_count <= self->events.item_count ||
        sgl_event_queue_reserve(&self->events,
                                sgl_simulation_answer_item(self, 2 * fresh, false)) == SGL_OK)
        sgl_event_queue_set(&self->events, event);
    else
        self->is_out_of_memory = true;
}

static void send_answer(struct sgl_simulation *self, uint32_t progress, bool is_last,
                        int64_t delay_ns)
{
    const struct sgl_event event = {
        .time = self->now_ns + delay_ns + self->options->response_delay_ns,
        .index = self->sent++,
        .kind = SGL_EVENT_ANSWER,
        .item = sgl_simulation_answer_item(self, progress, is_last),
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

static void answer_flight(struct sgl_simulation *self, struct sgl_simulated_flight *flight,
                          int64_t delay_ns)
{
    struct sgl_simulated_flight answered = *flight;

    /* Written whole, for it is read whole next: a processor that passes on what it is about to
     * write passes on no parts of it. */
    answered.is_answered = true;
    *flight = answered;
    send_answer(self, answered.value, true, delay_ns);
}

void sgl_simulation_answer(struct sgl_simulation *self, uint32_t slot, int64_t delay_ns)
{
    answer_flight(self, sgl_simulation_flight(self, slot), delay_ns);
}

/* No token or memory of the flight gets anywhere any more. */
static void stop_first_token(struct sgl_simulation *self, uint32_t slot)
{
    const uint32_t number = sgl_simulation_flight(self, slot)->value;

    sgl_event_queue_remove(&self->events, sgl_simulation_answer_item(self, number, false));
}

void sgl_simulation_fail(struct sgl_simulation *self, uint32_t slot, const char *error)
{
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);

    if (flight->number == SGL_GHOST_FLIGHT) {
        sgl_simulation_land(self, slot);
        return;
    }
    if (self->has_pairs) {
        struct sgl_simulated_leg *leg = sgl_simulation_leg(self, slot);
        if (leg->is_sending)
            stop_first_token(self, slot);
        leg->is_sending = false;
        if (leg->is_ghost) {
            sgl_simulation_land(self, slot);
            return;
        }
    }
    struct sgl_simulated_answer *answer = begin_answer(self, slot, flight);
    if (answer == NULL)
        return;
    answer->error = error;
    answer->started_ns = SGL_ABSENT;
    answer->output_tokens = SGL_ABSENT;
    answer->cached_tokens = SGL_ABSENT;
    struct sgl_simulated_progress *progress = sgl_simulation_progress_of(self, flight);
    /* A token that is still in the worker's host is lost with it. */
    if (progress->first_token_ns != SGL_ABSENT && progress->first_token_ns > self->now_ns) {
        progress->first_token_ns = SGL_ABSENT;
        stop_first_token(self, slot);
    }
    answer_flight(self, flight, 0);
}

static bool is_report_lost(const struct sgl_simulation *self, uint32_t number)
{
    if (self->options->completions_loss <= 0)
        return false;
    const struct sgl_flight *flight = sgl_router_flight(self->router, number);
    struct sgl_rng draws =
        sgl_rng_stream(self->options->seed, SGL_PURPOSE_LOSS, 0, flight->request, flight->attempt);
    return sgl_rng_uniform(&draws) < self->options->completions_loss;
}

/* The answer tells how long its worker's queue is, unless that gets lost. */
static void take_report(struct sgl_simulation *self, const struct sgl_simulated_worker *worker,
                        uint32_t number, struct sgl_simulated_answer *answer)
{
    struct sgl_worker_load load;

    if (!self->options->completions_report || number == SGL_NO_FLIGHT ||
        is_report_lost(self, number))
        return;
    worker->ops->load(worker->state, &load);
    assert(load.queue_length < SGL_NO_QUEUE_LENGTH);
    answer->queue_length = (uint32_t)load.queue_length;
    answer->reported_ns = self->now_ns;
}

/* A worker's model says that something happened to one of its jobs. */
void sgl_simulation_hear(void *context, const struct sgl_worker_event *event)
{
    const struct sgl_simulated_worker *worker = context;
    struct sgl_simulation *self = worker->simulation;
    const uint32_t slot = event->handle;
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
    const struct sgl_simulated_leg *leg = self->has_pairs ? sgl_simulation_leg(self, slot) : NULL;
    const bool is_prefill = leg != NULL && leg->pool == SGL_POOL_PREFILL;
    const bool is_ghost =
        leg != NULL ? leg->is_ghost : self->has_deadlines && flight->number == SGL_GHOST_FLIGHT;

    assert(event->time_ns == self->now_ns);
    /* Token 1 of a prefill leg goes to the decode worker, not to the client. */
    if (event->kind == SGL_WORKER_FIRST_TOKEN && (is_prefill || is_ghost))
        return;
    if (event->kind == SGL_WORKER_FORGET || (is_ghost && !is_prefill)) {
        sgl_simulation_land(self, slot);
        return;
    }
    if (event->kind == SGL_WORKER_FIRST_TOKEN) {
        struct sgl_simulated_progress *progress = begin_progress(self, slot, flight);
        if (progress == NULL)
            return;
        progress->first_token_ns = event->time_ns + event->delay_ns;
        send_answer(self, flight->value, false, event->delay_ns);
        return;
    }
    struct sgl_simulated_answer *answer = begin_answer(self, slot, flight);
    if (answer == NULL)
        return;
    answer->is_cut = event->is_cut;
    answer->error = event->error;
    answer->started_ns = event->started_ns;
    answer->output_tokens = event->output_tokens;
    answer->cached_tokens = event->cached_tokens;
    take_report(self, worker, flight->number, answer);
    if (is_prefill && event->kind == SGL_WORKER_FINISH)
        sgl_simulation_send_memory(self, slot);
    else
        answer_flight(self, flight, event->delay_ns);
}

int sgl_simulation_deliver(struct sgl_simulation *self, uint32_t item)
{
    const uint32_t answer = item - sgl_simulation_answer_item(self, 0, false);
    const struct sgl_simulated_progress *progress =
        sgl_records_at(&self->progress, self->progress_size, answer / 2);
    const uint32_t slot = progress->slot;

    if (answer % 2 == 1)
        return deliver_answer(self, progress);
    if (slot == SGL_NO_SLOT)
        return SGL_OK; /* a leg that was cancelled in the instant of its first token */
    if (self->has_pairs && sgl_simulation_leg(self, slot)->is_sending)
        return sgl_simulation_receive_memory(self, slot);
    if (self->has_pairs && sgl_simulation_leg(self, slot)->is_ghost)
        return SGL_OK;
    const uint32_t number = sgl_simulation_flight(self, slot)->number;
    return number == SGL_NO_FLIGHT ? sgl_simulation_retry(self, slot)
                                   : deliver_first_token(self, number);
}
