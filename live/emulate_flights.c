#include "emulate_worker.h"

#include "core/absent.h"

#include <math.h>
#include <stdlib.h>

/* ---- slots --------------------------------------------------------------------------------- */

static int grow(struct sgl_emulate_worker *worker)
{
    const uint32_t count = worker->flight_count > 0 ? 2 * worker->flight_count : 64;
    struct sgl_emulate_flight **grown =
        realloc(worker->flights, count * sizeof(struct sgl_emulate_flight *));

    if (grown == NULL)
        return SGL_ENOMEM;
    worker->flights = grown;
    for (uint32_t handle = worker->flight_count; handle < count; handle++)
        grown[handle] = NULL;
    while (worker->flight_count < count) {
        struct sgl_emulate_flight *flight = calloc(1, sizeof *flight);
        if (flight == NULL)
            return SGL_ENOMEM;
        flight->worker = worker;
        flight->handle = worker->flight_count;
        flight->next_free = worker->free;
        worker->flights[worker->flight_count++] = flight;
        worker->free = worker->flight_count;
    }
    return SGL_OK;
}

struct sgl_emulate_flight *sgl_emulate_take_flight(struct sgl_emulate_worker *worker)
{
    if (worker->free == 0 && grow(worker) != SGL_OK && worker->free == 0)
        return NULL;
    struct sgl_emulate_flight *flight = worker->flights[worker->free - 1];
    worker->free = flight->next_free;
    flight->stage = SGL_EMULATE_HELD;
    flight->is_left = false;
    return flight;
}

void sgl_emulate_give_flight(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_worker *worker = flight->worker;

    flight->question = NULL;
    flight->stage = SGL_EMULATE_FREE;
    flight->is_left = false;
    flight->next_free = worker->free;
    worker->free = flight->handle + 1;
}

/* ---- leaving ------------------------------------------------------------------------------- */

void sgl_emulate_leave(struct sgl_emulate_flight *flight)
{
    sgl_emulate_leave_pair(flight);
    flight->question = NULL;
    if (flight->stage == SGL_EMULATE_HELD) {
        sgl_emulate_give_flight(flight);
        return;
    }
    /* The engine must not be told while it tells, and catching up may end it. */
    flight->is_left = flight->worker->has_left = true;
}

static void leave_marked(struct sgl_emulate_worker *worker)
{
    worker->has_left = false;
    for (uint32_t handle = 0; handle < worker->flight_count; handle++) {
        struct sgl_emulate_flight *flight = worker->flights[handle];
        if (!flight->is_left)
            continue;
        flight->is_left = false;
        if (sgl_emulator_cancel(worker->emulator, handle, worker->now_ns))
            sgl_emulate_give_flight(flight);
    }
}

/* ---- the engine's time --------------------------------------------------------------------- */

/* To a time that is not before the last one, and whom nobody waits for out of it. */
static bool run_to(struct sgl_emulate_worker *worker, int64_t now_ns)
{
    struct sgl_emulate_run *run = worker->run;
    int status;

    worker->now_ns = now_ns > worker->now_ns ? now_ns : worker->now_ns;
    do {
        status = sgl_emulator_run(worker->emulator, worker->now_ns, run->failure);
        if (status != SGL_OK)
            sgl_emulate_stop(run, status, NULL);
        else if (worker->has_left)
            leave_marked(worker);
        else
            return true;
    } while (status == SGL_OK);
    return false;
}

static int64_t due_ns(const struct sgl_emulate_due *due)
{
    return due->first != NULL ? due->first->due_ns : INT64_MAX;
}

void sgl_emulate_advance(struct sgl_emulate_worker *worker)
{
    const int64_t now_ns = sgl_emulate_now_ns(worker->run);

    while (due_ns(&worker->transfers) <= now_ns) {
        if (!run_to(worker, due_ns(&worker->transfers)))
            return;
        sgl_emulate_transferred(worker);
        /* What it let go is let go then, not when all have caught up. */
        if (!run_to(worker, worker->now_ns))
            return;
    }
    if (!run_to(worker, now_ns))
        return;
    if (due_ns(&worker->deadlines) <= now_ns) {
        sgl_emulate_expire(worker);
        if (!run_to(worker, now_ns))
            return;
    }
    int64_t next_ns = sgl_emulator_next_ns(worker->emulator);
    next_ns = due_ns(&worker->transfers) < next_ns ? due_ns(&worker->transfers) : next_ns;
    next_ns = due_ns(&worker->deadlines) < next_ns ? due_ns(&worker->deadlines) : next_ns;
    sgl_alarm_set(&worker->alarm, next_ns == INT64_MAX
                                      ? SGL_ALARM_NEVER
                                      : sgl_emulate_clock_ns(worker->run, next_ns));
}

void sgl_emulate_submit(struct sgl_emulate_flight *flight, enum sgl_emulated_leg leg)
{
    struct sgl_emulate_worker *worker = flight->worker;
    const struct sgl_emulate_part *part = &flight->question->request.parts[flight->part];
    struct sgl_emulate_progress *progress = &flight->question->progress[flight->part];
    struct sgl_failure failure = {.text = ""};
    const struct sgl_emulated_job job = {
        .handle = flight->handle,
        .leg = leg,
        .prompt_tokens = part->prompt.tokens,
        .max_tokens = part->max_tokens,
        .prefix_ids = part->prompt.prefix_ids,
        .prefix_count = part->prompt.prefix_count,
        .prefix_block = worker->run->options->prefix_block,
    };

    flight->stage = SGL_EMULATE_ENGINE;
    progress->queue_start_s = sgl_emulate_epoch_s(worker->run, worker->now_ns);
    if (sgl_emulator_submit(worker->emulator, &job, worker->now_ns, &failure) != SGL_OK) {
        struct sgl_emulate_question *question = flight->question;
        flight->stage = SGL_EMULATE_HELD;
        if (question != NULL)
            sgl_emulate_fail(question, 400, failure.text);
    }
}

/* ---- what the engine tells ----------------------------------------------------------------- */

static void take_tokens(struct sgl_emulate_flight *flight, const struct sgl_emulated_event *event)
{
    struct sgl_emulate_progress *progress = &flight->question->progress[flight->part];

    /* One that has to wait again is computed anew; what it gave it has given. */
    if (event->tokens <= progress->tokens)
        return;
    progress->tokens = event->tokens;
    progress->now_s = sgl_emulate_epoch_s(flight->worker->run, event->time_ns);
    if (isnan(progress->first_token_s))
        progress->first_token_s = progress->now_s;
}

static void hear_tokens(struct sgl_emulate_flight *flight, const struct sgl_emulated_event *event)
{
    if (flight->question == NULL)
        return;
    take_tokens(flight, event);
    if (!flight->question->request.is_streaming)
        return;
    if (sgl_emulate_is_cut(flight))
        sgl_emulate_cut(flight->question);
    else
        sgl_emulate_send_tokens(flight);
}

static void hear_reject(struct sgl_emulate_flight *flight, const struct sgl_emulated_event *event)
{
    flight->stage = SGL_EMULATE_HELD;
    if (flight->question != NULL)
        sgl_emulate_fail(flight->question, 400, event->error);
    else
        sgl_emulate_give_flight(flight);
}

static void hear_finish(struct sgl_emulate_flight *flight, const struct sgl_emulated_event *event)
{
    struct sgl_emulate_worker *worker = flight->worker;
    const bool is_kept = worker->role == SGL_EMULATE_PREFILL;
    struct sgl_emulated_load load;

    flight->stage = is_kept ? SGL_EMULATE_KEPT : SGL_EMULATE_HELD;
    if (flight->question == NULL) {
        if (is_kept)
            flight->is_left = worker->has_left = true;
        else
            sgl_emulate_give_flight(flight);
        return;
    }
    struct sgl_emulate_progress *progress = &flight->question->progress[flight->part];
    take_tokens(flight, event);
    sgl_emulator_load(worker->emulator, &load);
    progress->now_s = sgl_emulate_epoch_s(worker->run, event->time_ns);
    progress->queue_end_s = sgl_emulate_epoch_s(worker->run, event->started_ns);
    progress->queue_length = load.queue_length;
    /* The memory of a decode leg came with the number. */
    if (worker->role != SGL_EMULATE_DECODE)
        progress->cached_tokens = event->cached_tokens != SGL_ABSENT ? event->cached_tokens : 0;
    worker->output_tokens += event->tokens;
    if (is_kept) {
        sgl_emulate_computed(flight, event->time_ns);
        return;
    }
    worker->finished++;
    sgl_emulate_end_part(flight);
    sgl_emulate_give_flight(flight);
}

void sgl_emulate_hear(void *context, const struct sgl_emulated_event *event)
{
    struct sgl_emulate_worker *worker = context;
    struct sgl_emulate_flight *flight = worker->flights[event->handle];

    switch (event->kind) {
    case SGL_EMULATED_TOKENS:
        hear_tokens(flight, event);
        break;
    case SGL_EMULATED_FINISH:
        hear_finish(flight, event);
        break;
    case SGL_EMULATED_REJECT:
        hear_reject(flight, event);
        break;
    case SGL_EMULATED_FORGET:
        sgl_emulate_give_flight(flight);
        break;
    }
}

int sgl_emulate_lose(struct sgl_emulate_worker *worker)
{
    for (uint32_t handle = 0; handle < worker->flight_count; handle++) {
        struct sgl_emulate_flight *flight = worker->flights[handle];
        if (flight->stage != SGL_EMULATE_FREE && flight->question != NULL)
            sgl_emulate_cut(flight->question);
        if (flight->stage != SGL_EMULATE_FREE)
            sgl_emulate_give_flight(flight);
    }
    worker->has_left = false;
    sgl_alarm_set(&worker->alarm, SGL_ALARM_NEVER);
    return sgl_emulator_reset(worker->emulator, worker->run->failure);
}
