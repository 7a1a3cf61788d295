#include "sim/models/server_queue.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { FIRST_TOKEN, FINISH, EVENTS_OF_A_JOB };

int64_t sgl_service_ns(double seconds)
{
    const double ns = seconds * (double)SGL_NANOSECONDS_PER_SECOND;

    return ns < (double)SGL_SERVICE_NS_MAX ? llround(ns) : SGL_SERVICE_NS_MAX;
}

void sgl_server_queue_init(struct sgl_server_queue *queue,
                           const struct sgl_worker_model_setup *setup, int64_t server_count)
{
    queue->emit = setup->emit;
    queue->emit_context = setup->context;
    queue->server_count = server_count;
    queue->factor = 1;
    queue->slots.size = sizeof(struct sgl_server_job);
}

void sgl_server_queue_destroy(void *state)
{
    struct sgl_server_queue *self = state;

    sgl_slots_release(&self->slots);
    sgl_event_queue_release(&self->events);
}

static struct sgl_server_job *job_at(const struct sgl_server_queue *queue, uint32_t index)
{
    return sgl_slots_at(&queue->slots, sizeof(struct sgl_server_job), index);
}

/* Twice the room for events when it is full: that is copied. */
static int grow(struct sgl_server_queue *queue)
{
    const uint32_t item_count = EVENTS_OF_A_JOB * (queue->slots.capacity + SGL_SLOTS_CHUNK);

    if (item_count > queue->events.item_count &&
        sgl_event_queue_reserve(&queue->events, 2 * item_count) != SGL_OK)
        return SGL_ENOMEM;
    return sgl_slots_grow(&queue->slots);
}

int sgl_server_queue_arrive(struct sgl_server_queue *queue, const struct sgl_job *job,
                            int64_t service_ns, int64_t first_token_ns, struct sgl_failure *failure)
{
    if (sgl_slots_are_full(&queue->slots) && grow(queue) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    const uint32_t index = sgl_slots_take(&queue->slots);
    *job_at(queue, index) = (struct sgl_server_job){
        .handle = job->handle,
        .service_ns = service_ns,
        .first_token_ns = first_token_ns,
        .output_tokens = job->output_tokens,
    };
    sgl_slot_list_push(&queue->waiting, &queue->slots, index);
    return SGL_OK;
}

int64_t sgl_server_queue_next_event_ns(const void *state)
{
    const struct sgl_server_queue *self = state;
    const struct sgl_queued *top = sgl_event_queue_top(&self->events);

    return top != NULL ? top->time : SGL_NEVER;
}

void sgl_server_queue_advance(void *state, int64_t now_ns)
{
    struct sgl_server_queue *self = state;
    const struct sgl_queued *top;

    while ((top = sgl_event_queue_top(&self->events)) != NULL && top->time <= now_ns) {
        const uint32_t index = top->item / EVENTS_OF_A_JOB;
        const struct sgl_server_job *job = job_at(self, index);
        const bool is_finish = top->kind == FINISH;
        const struct sgl_worker_event event = {
            .kind = is_finish ? SGL_WORKER_FINISH : SGL_WORKER_FIRST_TOKEN,
            .handle = job->handle,
            .time_ns = top->time,
            .started_ns = is_finish ? job->started_ns : SGL_ABSENT,
            .output_tokens = is_finish ? job->output_tokens : SGL_ABSENT,
            .cached_tokens = SGL_ABSENT,
        };
        sgl_event_queue_remove(&self->events, top->item);
        if (is_finish) {
            self->busy_count--;
            sgl_slots_give(&self->slots, index);
        }
        self->emit(self->emit_context, &event);
    }
}

/* A time from the start of a service, at the present speed; longer than SGL_SERVICE_NS_MAX it is
 * cut to that. */
static int64_t slowed(const struct sgl_server_queue *queue, int64_t time_ns)
{
    if (queue->factor == 1)
        return time_ns;
    const double ns = (double)time_ns * queue->factor;
    return ns < (double)SGL_SERVICE_NS_MAX ? llround(ns) : SGL_SERVICE_NS_MAX;
}

int sgl_server_queue_schedule(void *state, int64_t now_ns, struct sgl_failure *failure)
{
    struct sgl_server_queue *self = state;

    (void)failure;
    while (self->waiting.count > 0 &&
           (self->server_count == 0 || self->busy_count < self->server_count)) {
        const uint32_t index = sgl_slot_list_pop(&self->waiting, &self->slots);
        struct sgl_server_job *job = job_at(self, index);
        self->busy_count++;
        job->started_ns = now_ns;
        struct sgl_event event = {
            .time = now_ns + slowed(self, job->service_ns),
            .index = self->starts++,
            .kind = FINISH,
            .item = EVENTS_OF_A_JOB * index + FINISH,
        };
        sgl_event_queue_set(&self->events, &event);
        if (job->first_token_ns != SGL_ABSENT) {
            assert(job->first_token_ns >= 0 && job->first_token_ns <= job->service_ns);
            event.time = now_ns + slowed(self, job->first_token_ns);
            event.kind = FIRST_TOKEN;
            event.item = EVENTS_OF_A_JOB * index + FIRST_TOKEN;
            sgl_event_queue_set(&self->events, &event);
        }
    }
    return SGL_OK;
}

void sgl_server_queue_load(const void *state, struct sgl_worker_load *load_out)
{
    const struct sgl_server_queue *self = state;

    load_out->queue_length = self->waiting.count;
    load_out->running = self->busy_count;
    load_out->token_usage = SGL_ABSENT_REAL;
}

void sgl_server_queue_slow(void *state, int64_t now_ns, double factor)
{
    struct sgl_server_queue *self = state;

    (void)now_ns;
    self->factor = factor;
}

/* ---- clients that leave ----------------------------------------------------------------- */

static bool drop_waiting(struct sgl_server_queue *queue, uint32_t handle)
{
    for (uint32_t at = queue->waiting.first; at != 0; at = sgl_slots_next(&queue->slots, at - 1)) {
        if (job_at(queue, at - 1)->handle != handle)
            continue;
        sgl_slot_list_remove(&queue->waiting, &queue->slots, at - 1);
        sgl_slots_give(&queue->slots, at - 1);
        return true;
    }
    return false;
}

/* The job in service with that handle, which there is: its finish lies among the events. */
static uint32_t find_served(const struct sgl_server_queue *queue, uint32_t handle)
{
    const struct sgl_queued *at = sgl_event_queue_top(&queue->events);
    const struct sgl_queued *end = at + queue->events.count;

    while (at < end && job_at(queue, at->item / EVENTS_OF_A_JOB)->handle != handle)
        at++;
    assert(at < end);
    return at->item / EVENTS_OF_A_JOB;
}

bool sgl_server_queue_cancel(void *state, int64_t now_ns, uint32_t handle)
{
    struct sgl_server_queue *self = state;

    (void)now_ns;
    if (drop_waiting(self, handle))
        return true;
    const uint32_t index = find_served(self, handle);
    for (uint32_t event = 0; event < EVENTS_OF_A_JOB; event++)
        sgl_event_queue_remove(&self->events, EVENTS_OF_A_JOB * index + event);
    self->busy_count--;
    sgl_slots_give(&self->slots, index);
    return true;
}
