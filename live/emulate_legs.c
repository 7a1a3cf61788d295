/*
 * The two legs of a request at emulated workers.
 *
 *     prefill   launch: into its room and the engine -> computed -> is its decode worker there?
 *               -> sent away, on the wires -> let go, and answered
 *     decode    launch: claims the room -> granted -> the memory arrives -> engine -> answered
 *
 * As in the simulator (sim/README.md) a prompt is computed before anybody has claimed it, and its
 * memory stays taken until it has arrived. A leg that ends early lets the other one know: who
 * waits in the room is denied, or the leg whose claimant is gone fails. Legs wait for each other no
 * longer than the room timeout; texts and statuses of failures are SGLang's (HTTP 500;
 * disaggregation/prefill.py and decode.py).
 */
#include "emulate_worker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- what is due --------------------------------------------------------------------------- */

static void leave_due(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_due *due = flight->due;

    if (due == NULL)
        return;
    if (flight->due_next != NULL)
        flight->due_next->due_previous = flight->due_previous;
    else
        due->last = flight->due_previous;
    if (flight->due_previous != NULL)
        flight->due_previous->due_next = flight->due_next;
    else
        due->first = flight->due_next;
    flight->due = NULL;
}

/* Behind those of the same time. Most come in order, so that is looked for from the end. */
static void enter_due(struct sgl_emulate_flight *flight, struct sgl_emulate_due *due, int64_t at_ns)
{
    struct sgl_emulate_flight *before = due->last;

    leave_due(flight);
    while (before != NULL && before->due_ns > at_ns)
        before = before->due_previous;
    flight->due = due;
    flight->due_ns = at_ns;
    flight->due_previous = before;
    flight->due_next = before != NULL ? before->due_next : due->first;
    if (flight->due_next != NULL)
        flight->due_next->due_previous = flight;
    else
        due->last = flight;
    if (before != NULL)
        before->due_next = flight;
    else
        due->first = flight;
}

/* Waits for the other leg. */
static void wait_for_other(struct sgl_emulate_flight *flight)
{
    const struct sgl_emulate_options *options = flight->worker->run->options;
    const double timeout_ns = options->room_timeout_s * 1e9 * options->time_scale;

    enter_due(flight, &flight->worker->deadlines, flight->worker->now_ns + (int64_t)timeout_ns);
}

/* ---- failures ------------------------------------------------------------------------------ */

static const struct sgl_emulate_part *part_of(const struct sgl_emulate_flight *flight)
{
    return &flight->question->request.parts[flight->part];
}

void sgl_emulate_fail_leg(struct sgl_emulate_flight *flight, const char *what, const char *why)
{
    const int64_t room = part_of(flight)->meeting.room;
    char message[512];

    snprintf(message, sizeof message,
             "%s failed for request rank=0 req.bootstrap_room=%" PRId64
             " with exception KVTransferError(bootstrap_room=%" PRId64 "): %.300s",
             what, room, room, why);
    flight->worker->aborted++;
    sgl_emulate_fail(flight->question, 500, message);
}

void sgl_emulate_expire(struct sgl_emulate_worker *worker)
{
    const bool is_prefill = worker->role == SGL_EMULATE_PREFILL;
    struct sgl_emulate_flight *flight;
    char why[128];

    while ((flight = worker->deadlines.first) != NULL && flight->due_ns <= worker->now_ns) {
        snprintf(why, sizeof why, "Request %" PRId64 " timed out after %.1fs in KVPoll.%s",
                 part_of(flight)->meeting.room, worker->run->options->room_timeout_s,
                 is_prefill ? "Bootstrapping" : "WaitingForInput");
        sgl_emulate_fail_leg(flight, is_prefill ? "Prefill bootstrap" : "Decode transfer", why);
    }
}

void sgl_emulate_leave_pair(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_room *room = flight->room;

    leave_due(flight);
    if (flight->claim != NULL)
        sgl_emulate_unclaim(flight);
    if (room == NULL)
        return;
    if (room->claim != NULL)
        sgl_emulate_answer_claim(room, NULL);
    room->flight = NULL;
    flight->room = NULL;
    sgl_emulate_rooms_close(&flight->worker->rooms, room);
}

/* ---- prefill ------------------------------------------------------------------------------- */

static void launch_prefill(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_worker *worker = flight->worker;
    const int64_t number = part_of(flight)->meeting.room;
    struct sgl_emulate_room *room = sgl_emulate_rooms_open(&worker->rooms, number);
    char message[80];

    if (room == NULL) {
        sgl_emulate_fail(flight->question, 503, "too many rooms, or out of memory");
        return;
    }
    if (room->flight != NULL) {
        snprintf(message, sizeof message, "bootstrap_room %" PRId64 " is taken by another request",
                 number);
        sgl_emulate_fail(flight->question, 400, message);
        return;
    }
    room->flight = flight;
    flight->room = room;
    wait_for_other(flight);
    sgl_emulate_submit(flight, SGL_EMULATED_PREFILL);
}

void sgl_emulate_send_memory(struct sgl_emulate_room *room, int64_t ready_ns)
{
    struct sgl_emulate_flight *flight = room->flight;

    if (flight == NULL || flight->stage != SGL_EMULATE_KEPT || room->claim == NULL)
        return;
    struct sgl_emulate_worker *worker = flight->worker;
    const struct sgl_emulate_run *run = worker->run;
    const int64_t tokens = part_of(flight)->prompt.tokens;
    const int64_t end_ns =
        sgl_emulate_wires_send(run->wires, worker->index, room->wire, tokens, ready_ns);
    const int64_t wait_ns = sgl_emulate_clock_ns(run, end_ns) - sgl_alarm_now_ns();
    const struct sgl_emulate_grant grant = {
        .prompt_tokens = tokens,
        .cached_tokens = flight->question->progress[flight->part].cached_tokens,
        .wait_ns = wait_ns > 0 ? wait_ns : 0,
    };

    enter_due(flight, &worker->transfers, end_ns);
    sgl_emulate_answer_claim(room, &grant);
}

void sgl_emulate_computed(struct sgl_emulate_flight *flight, int64_t now_ns)
{
    sgl_emulate_send_memory(flight->room, now_ns);
}

static void end_prefill(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_worker *worker = flight->worker;

    flight->question->progress[flight->part].now_s =
        sgl_emulate_epoch_s(worker->run, worker->now_ns);
    worker->finished++;
    sgl_emulate_end_part(flight);
    sgl_emulate_leave(flight);
}

/* ---- decode -------------------------------------------------------------------------------- */

static void launch_decode(struct sgl_emulate_flight *flight)
{
    flight->question->progress[flight->part].has_no_prompt = true;
    wait_for_other(flight);
    sgl_emulate_claim(flight);
}

void sgl_emulate_claimed(struct sgl_emulate_flight *flight, const struct sgl_emulate_grant *grant)
{
    struct sgl_emulate_worker *worker = flight->worker;
    struct sgl_emulate_run *run = worker->run;
    const int64_t tokens = part_of(flight)->prompt.tokens;
    char why[160];

    if (grant->prompt_tokens != tokens) {
        snprintf(why, sizeof why,
                 "the prefill worker computed %" PRId64 " tokens, expected %" PRId64
                 " (two requests in one room)",
                 grant->prompt_tokens, tokens);
        sgl_emulate_fail_leg(flight, "Decode transfer", why);
        return;
    }
    flight->question->progress[flight->part].cached_tokens = grant->cached_tokens;
    const double wait_ns = (double)grant->wait_ns * run->options->time_scale;
    enter_due(flight, &worker->transfers, sgl_emulate_now_ns(run) + (int64_t)wait_ns);
}

/* ---- either -------------------------------------------------------------------------------- */

void sgl_emulate_transferred(struct sgl_emulate_worker *worker)
{
    struct sgl_emulate_flight *flight = worker->transfers.first;

    leave_due(flight);
    if (worker->role == SGL_EMULATE_PREFILL)
        end_prefill(flight);
    else
        sgl_emulate_submit(flight, SGL_EMULATED_DECODE);
}

void sgl_emulate_launch(struct sgl_emulate_flight *flight)
{
    switch (flight->worker->role) {
    case SGL_EMULATE_REGULAR:
        sgl_emulate_submit(flight, SGL_EMULATED_WHOLE);
        break;
    case SGL_EMULATE_PREFILL:
        launch_prefill(flight);
        break;
    case SGL_EMULATE_DECODE:
        launch_decode(flight);
        break;
    }
}
