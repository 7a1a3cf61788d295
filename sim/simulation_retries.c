/*
 * Requests that are tried again.
 *
 *     arrival: kept --> attempt fails --> asked (core/retry.h) --no--> it has failed
 *                            ^                  | yes, after a delay
 *                            |                  v
 *                            +---- route, without the workers it was at (core/past_attempts.h)
 *
 * A request is copied when it is routed, for the source gives its rows only once; so only where
 * that can be of use: with retries and a plan of faults, or with admission, where it may wait
 * before that (simulation_admission.c). While it waits it keeps its slot, and is in flight for
 * whoever counts them.
 */
#include "core/past_attempts.h"
#include "sim/simulation_state.h"

#include <stdlib.h>
#include <string.h>

#define PASTS_FIRST 64

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static void move_text(const char **text, unsigned char **to)
{
    const size_t size = text_size(*text);

    if (size == 0)
        return;
    memcpy(*to, *text, size);
    *text = (const char *)*to;
    *to += size;
}

/* Room for what that slot keeps. */
static int grow(struct sgl_simulation *self, uint32_t slot)
{
    uint32_t capacity = self->past_capacity > 0 ? self->past_capacity : PASTS_FIRST;

    while (capacity <= slot)
        capacity *= 2;
    struct sgl_simulated_past **pasts = realloc(self->pasts, capacity * sizeof *pasts);
    if (pasts == NULL)
        return SGL_ENOMEM;
    for (uint32_t i = self->past_capacity; i < capacity; i++)
        pasts[i] = NULL;
    self->pasts = pasts;
    self->past_capacity = capacity;
    return SGL_OK;
}

int sgl_simulation_keep(struct sgl_simulation *self, uint32_t slot, const struct sgl_trace_row *row)
{
    const struct sgl_request *request = &row->request;
    const size_t ids_size = request->prefix_count * sizeof *request->prefix_ids;

    if (slot >= self->past_capacity && grow(self, slot) != SGL_OK)
        return sgl_simulation_no_memory(self);
    struct sgl_simulated_past *past = malloc(
        sizeof *past + ids_size + text_size(request->request_id) + text_size(request->tenant) +
        text_size(request->session) + text_size(request->model));
    if (past == NULL)
        return sgl_simulation_no_memory(self);
    *past = (struct sgl_simulated_past){.row = *row};
    /* Of what was measured then, times alone matter to a worker. */
    past->row.recorded.worker_url = NULL;
    past->row.recorded.error = NULL;
    unsigned char *to = past->bytes;
    if (ids_size > 0) {
        memcpy(to, request->prefix_ids, ids_size);
        past->row.request.prefix_ids = (const uint64_t *)(const void *)to;
        to += ids_size;
    }
    move_text(&past->row.request.request_id, &to);
    move_text(&past->row.request.tenant, &to);
    move_text(&past->row.request.session, &to);
    move_text(&past->row.request.model, &to);
    self->pasts[slot] = past;
    return SGL_OK;
}

void sgl_simulation_forget(struct sgl_simulation *self, uint32_t slot)
{
    if (slot >= self->past_capacity || self->pasts[slot] == NULL)
        return;
    free(self->pasts[slot]->attempts);
    free(self->pasts[slot]);
    self->pasts[slot] = NULL;
}

void sgl_simulation_release_pasts(struct sgl_simulation *self)
{
    for (uint32_t slot = 0; slot < self->past_capacity; slot++)
        sgl_simulation_forget(self, slot);
    free(self->pasts);
}

int64_t sgl_simulation_begin_ns(const struct sgl_simulation *self, uint32_t slot, int64_t sent_ns)
{
    if (self->has_pairs)
        return sgl_simulation_leg(self, slot)->begin_ns;
    return self->keeps_pasts ? self->pasts[slot]->row.request.arrival_ns : sent_ns;
}

int sgl_simulation_ask_retry(struct sgl_simulation *self, uint32_t slot,
                             const struct sgl_flight *failed)
{
    /* Of a pair, or some of it was seen: it has failed. */
    if (!self->has_retries || self->has_pairs ||
        sgl_simulation_progress(self, slot)->first_token_ns != SGL_ABSENT ||
        failed->attempt + 1 >= SGL_PAST_ATTEMPTS_MAX)
        return 0;
    struct sgl_simulated_past *past = self->pasts[slot];
    if (past->attempts == NULL)
        past->attempts = calloc(1, sizeof *past->attempts);
    if (past->attempts == NULL)
        return sgl_simulation_no_memory(self);
    const struct sgl_retry_question question = {
        .seed = self->options->seed,
        .request = failed->request,
        .attempt = failed->attempt,
        .worker_tries = sgl_past_attempts_add(past->attempts, failed->worker),
        .error = sgl_simulation_answer_at(self, slot)->error,
        .now_ns = self->now_ns,
        .deadline_ns = sgl_simulation_deadline_ns(self, past->row.request.arrival_ns),
    };
    const struct sgl_retry_answer answer =
        sgl_retry_ask(&self->budget, self->options->retry, &question);
    if (!answer.is_retry)
        return 0;
    if (!answer.may_be_same_worker)
        sgl_past_attempts_exclude(past->attempts, failed->worker);
    self->totals->retries++;
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
    flight->number = SGL_NO_FLIGHT;
    const struct sgl_event event = {
        .time = self->now_ns + answer.delay_ns,
        .index = (uint64_t)failed->request,
        .kind = SGL_EVENT_RETRY,
        .item = sgl_simulation_answer_item(self, flight->value, false),
    };
    sgl_simulation_set_event(self, &event);
    return 1;
}

/* The flight is what it was when it first arrived, but for its prompt, which is known already. */
static void begin_again(struct sgl_simulation *self, uint32_t slot, uint32_t number)
{
    struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
    struct sgl_simulated_answer *answer = sgl_simulation_answer_at(self, slot);

    flight->number = number;
    flight->is_answered = false;
    answer->queue_length = SGL_NO_QUEUE_LENGTH;
    answer->reported_ns = SGL_ABSENT;
    answer->error = NULL;
}

int sgl_simulation_retry(struct sgl_simulation *self, uint32_t slot)
{
    const struct sgl_simulated_past *past = self->pasts[slot];
    struct sgl_route route = {.request = &past->row.request};
    struct sgl_simulated_dispatch dispatch;

    sgl_past_attempts_route(past->attempts, sgl_router_fleet(self->router), SGL_POOL_REGULAR,
                            self->now_ns, &route);
    const int status =
        sgl_simulation_route(self, &route, SGL_POOL_REGULAR, past->attempts->count, &dispatch);
    if (status != SGL_OK)
        return status;
    if (dispatch.worker == SGL_NO_WORKER) {
        sgl_simulation_land(self, slot);
        return SGL_OK;
    }
    begin_again(self, slot, dispatch.number);
    const struct sgl_job job = {
        .handle = slot,
        .arrival_ns = self->now_ns,
        .max_tokens = past->row.request.max_tokens,
        .output_tokens = past->row.output_tokens,
        .is_stopped = past->row.is_stopped,
        .request = &past->row.request,
        .recorded = &past->row.recorded,
    };
    return sgl_simulation_send(self, dispatch.worker, &job);
}
