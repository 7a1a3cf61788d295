#include "relay.h"

#include "core/absent.h"
#include "core/error_word.h"
#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPARE_MAX 1024
#define LEARNED_USUAL ((size_t)1024) /* bytes that a learner keeps of most answers */
#define KEPT_MAX ((size_t)16 * 1024) /* of each buffer, for the next request */

/* ---- life ---- */

static struct sgl_relay *relay_new(struct sgl_proxy_thread *thread)
{
    struct sgl_relay *relay = thread->spare;

    if (relay != NULL) {
        thread->spare = relay->next;
        thread->spare_count--;
    } else {
        relay = calloc(1, sizeof *relay);
        if (relay == NULL)
            return NULL;
    }
    relay->thread = thread;
    relay->previous = NULL;
    relay->next = thread->relays;
    if (relay->next != NULL)
        relay->next->previous = relay;
    thread->relays = relay;
    return relay;
}

static void relay_free(struct sgl_relay *relay)
{
    sgl_call_release(&relay->call);
    sgl_prompt_release(&relay->prompt);
    sgl_learner_release(&relay->learner);
    sgl_buffer_release(&relay->gathered);
    sgl_buffer_release(&relay->cut_body);
    sgl_buffer_release(&relay->held.head);
    sgl_buffer_release(&relay->held.body);
    free(relay->held.fields);
    free(relay->fields);
    free(relay->answer_fields);
    free(relay);
}

/* Leaves the list; its memory serves the next request. */
static void relay_end(struct sgl_relay *relay)
{
    struct sgl_proxy_thread *thread = relay->thread;

    if (relay->next != NULL)
        relay->next->previous = relay->previous;
    if (relay->previous != NULL)
        relay->previous->next = relay->next;
    else
        thread->relays = relay->next;
    sgl_pair_free(relay->pair);
    relay->pair = NULL;
    sgl_buffer_pool_give(&thread->pool, &relay->gathered);
    sgl_buffer_pool_give(&thread->pool, &relay->learner.end);
    if (thread->spare_count >= SPARE_MAX || relay->held.status != 0 ||
        relay->cut_body.capacity > KEPT_MAX || relay->prompt.capacity > KEPT_MAX / 8) {
        relay_free(relay);
        return;
    }
    relay->exchange = NULL;
    relay->next = thread->spare;
    thread->spare = relay;
    thread->spare_count++;
}

void sgl_relay_free_spare(struct sgl_proxy_thread *thread)
{
    while (thread->spare != NULL) {
        struct sgl_relay *relay = thread->spare;
        thread->spare = relay->next;
        relay_free(relay);
    }
    sgl_buffer_pool_release(&thread->pool);
}

void sgl_relay_finish(struct sgl_relay *relay, int status)
{
    const int64_t now_ns = sgl_gateway_time(relay->thread->gateway, uv_hrtime());

    if (status >= SGL_RELAY_FAILED_LEAST)
        sgl_relay_say_failed(relay, status);
    sgl_relay_leave_gate(relay);
    sgl_count_request(&relay->thread->counters, status, now_ns - relay->request.arrival_ns);
    relay_end(relay);
}

/* ---- what the router hears ---- */

void sgl_relay_tell_end(struct sgl_relay *relay, enum sgl_input_kind kind, const char *error)
{
    struct sgl_input input = {.kind = kind,
                              .pool = relay->pool,
                              .request = relay->request.request,
                              .attempt = relay->attempt,
                              .outcome = sgl_outcome_absent()};

    const char *ended = sgl_learner_end(&relay->learner, &input.outcome);
    if (error == NULL && relay->is_stream)
        error = ended;
    input.outcome.success = error == NULL;
    input.outcome.error = error;
    if (error != NULL)
        sgl_relay_say_attempt(relay, error);
    sgl_gateway_end(relay->thread->gateway, &input, relay->request.arrival_ns, relay->first_ns);
    sgl_count_end(&relay->thread->counters, relay->decision.reason, relay->is_stream,
                  &input.outcome);
}

void sgl_relay_tell_first_token(struct sgl_relay *relay)
{
    struct sgl_input input = {.kind = SGL_INPUT_FIRST_TOKEN,
                              .pool = relay->pool,
                              .request = relay->request.request,
                              .attempt = relay->attempt};

    sgl_gateway_feed(relay->thread->gateway, &input, NULL);
}

/* ---- an attempt ---- */

static void on_head(struct sgl_call *call);
static bool on_body(struct sgl_call *call, const char *bytes, size_t size);
static void on_done(struct sgl_call *call);

void sgl_relay_start_attempt(struct sgl_relay *relay, size_t kept_max)
{
    relay->state = SGL_RELAY_UNDER_WAY;
    relay->is_stream = false;
    relay->is_gathered = false;
    relay->is_line_end = true;
    relay->first_ns = 0;
    relay->event_ns = 0;
    relay->lines = (struct sgl_event_lines){0};
    relay->last_ns = uv_hrtime();
    sgl_learner_begin(&relay->learner, false);
    sgl_buffer_clear(&relay->gathered, kept_max);
}

/* To one worker that answers alone. */
static void send_alone(struct sgl_relay *relay)
{
    struct sgl_proxy_thread *thread = relay->thread;
    const int status =
        sgl_gateway_route(thread->gateway, &relay->request, &relay->past, &relay->decision, NULL);

    if (status != SGL_OK) {
        sgl_relay_fail(relay, 503, "server_error", "the router is out of memory");
        return;
    }
    sgl_relay_keep_prompt(relay);
    sgl_count_decision(&thread->counters, relay->decision.reason, relay->attempt,
                       sgl_gateway_time(thread->gateway, uv_hrtime()) - relay->request.arrival_ns);
    if (relay->decision.worker == SGL_NO_WORKER) {
        sgl_relay_fail(relay, 503, "no_available_workers", "no worker can take the request now");
        return;
    }
    sgl_relay_start_attempt(relay, KEPT_MAX);
    relay->call.worker = relay->decision.worker;
    relay->call.worker_url = sgl_gateway_url(thread->gateway, relay->decision.worker);
    if (sgl_call_start(thread->upstream, &relay->call) != SGL_OK) {
        sgl_relay_tell_end(relay, SGL_INPUT_COMPLETE, "connection_refused");
        sgl_relay_fail(relay, 503, "server_error", "the request could not be sent");
    }
}

void sgl_relay_send(struct sgl_relay *relay)
{
    if (sgl_gateway_is_paired(relay->thread->gateway))
        sgl_pair_send(relay);
    else
        send_alone(relay);
}

void sgl_relay_begin(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    struct sgl_relay *relay = relay_new(thread);

    if (relay == NULL) {
        sgl_http_respond_error(exchange, 503, "server_error", "out of memory", NULL, 0);
        return;
    }
    exchange->context = relay;
    relay->exchange = exchange;
    relay->pool = SGL_POOL_REGULAR;
    relay->state = SGL_RELAY_WAITING;
    relay->decision = (struct sgl_decision){.worker = SGL_NO_WORKER};
    relay->deadline_ns = exchange->complete_ns + (uint64_t)thread->options->timeout_ns;
    relay->resume_ns = UINT64_MAX;
    relay->attempt = 0;
    relay->past.count = 0;
    relay->past.avoided_count = 0;
    relay->past.excluded_count = 0;
    relay->has_answer = false;
    relay->waiter.state = SGL_GATE_OUTSIDE;
    relay->request_id = "";
    relay->request = (struct sgl_request){
        .arrival_ns = sgl_gateway_time(thread->gateway, exchange->complete_ns)};
    relay->call.target = exchange->target;
    relay->call.is_post = true;
    relay->call.body = exchange->body;
    relay->call.body_size = exchange->body_size;
    relay->call.on_head = on_head;
    relay->call.on_body = on_body;
    relay->call.on_done = on_done;
    if (!sgl_relay_make_fields(relay)) {
        sgl_relay_answer_error(relay, 503, "server_error", "out of memory");
        sgl_relay_finish(relay, 503);
        return;
    }
    if (sgl_relay_read_request(relay) && sgl_relay_admit(relay))
        sgl_relay_send(relay);
}

/* ---- an answer ---- */

static const char *status_error(struct sgl_relay *relay, int status)
{
    if (status < SGL_RELAY_ERROR_LEAST)
        return NULL;
    snprintf(relay->error_text, sizeof relay->error_text, "http_%03d", status);
    return relay->error_text;
}

bool sgl_relay_is_event_stream(const struct sgl_call *call)
{
    static const char type[] = "text/event-stream";

    for (size_t i = 0; i < call->head_field_count; i++)
        if (strcasecmp(call->head_fields[i].name, "content-type") == 0)
            return strncasecmp(call->head_fields[i].value, type, sizeof type - 1) == 0;
    return false;
}

/* An answer of known, small size loses nothing by being held, and can be replaced until it is
 * whole; so can one that may be retried. All else passes at once, head first. */
static void on_head(struct sgl_call *call)
{
    struct sgl_relay *relay = (struct sgl_relay *)(void *)call;

    relay->last_ns = uv_hrtime();
    relay->is_stream = sgl_relay_is_event_stream(call);
    sgl_learner_begin(&relay->learner, relay->is_stream);
    relay->is_gathered = (call->length != SGL_HTTP_CHUNKED &&
                          call->length <= (int64_t)SGL_RELAY_GATHER_MAX && !relay->is_stream) ||
                         sgl_error_is_retryable(status_error(relay, call->status));
    if (!relay->is_gathered && !sgl_relay_start_answer(relay, call->length))
        relay->is_gathered = true; /* no memory: told when it is done */
}

static bool on_body(struct sgl_call *call, const char *bytes, size_t size)
{
    struct sgl_relay *relay = (struct sgl_relay *)(void *)call;
    struct sgl_buffer_pool *pool = &relay->thread->pool;
    const uint64_t now_ns = uv_hrtime();

    if (relay->is_gathered && relay->gathered.size + size > SGL_RELAY_GATHER_MAX) {
        /* It cannot be held any longer: it passes, and is not retried. */
        if (relay->gathered.has_failed || !sgl_relay_start_answer(relay, call->length))
            return true;
        relay->is_gathered = false;
        sgl_http_send(relay->exchange, relay->gathered.bytes, relay->gathered.size);
    }
    if (relay->is_gathered) {
        sgl_buffer_pool_reserve(pool, &relay->gathered, size);
        sgl_buffer_append(&relay->gathered, bytes, size);
    } else {
        if (sgl_http_is_full(relay->exchange))
            return false;
        sgl_http_send(relay->exchange, bytes, size);
    }
    relay->last_ns = now_ns;
    if (relay->is_stream)
        sgl_relay_hear_stream(relay, bytes, size, now_ns);
    sgl_buffer_pool_reserve(pool, &relay->learner.end, size < LEARNED_USUAL ? size : LEARNED_USUAL);
    sgl_learner_take(&relay->learner, bytes, size);
    return true;
}

/* ---- the end of an attempt ---- */

/* A failed attempt of which the client has seen nothing: is it tried again? */
static bool is_retried(struct sgl_relay *relay, const char *error)
{
    const uint32_t worker = relay->decision.worker;
    struct sgl_retry_question question = {
        .request = relay->request.request,
        .attempt = relay->attempt,
        .error = error,
        .deadline_ns = sgl_gateway_time(relay->thread->gateway, relay->deadline_ns),
    };

    if (relay->attempt + 1 >= SGL_PAST_ATTEMPTS_MAX)
        return false;
    question.worker_tries = sgl_past_attempts_add(&relay->past, worker);
    const struct sgl_retry_answer answer = sgl_gateway_ask_retry(relay->thread->gateway, &question);
    if (!answer.is_retry)
        return false;
    if (!answer.may_be_same_worker)
        sgl_past_attempts_exclude(&relay->past, worker);
    if (relay->call.error == NULL)
        sgl_relay_hold(relay);
    relay->attempt++;
    relay->state = SGL_RELAY_WAITING;
    relay->resume_ns = uv_hrtime() + (uint64_t)answer.delay_ns;
    sgl_thread_sweep_in(relay->thread, (uint64_t)answer.delay_ns / 1000000 + 1);
    return true;
}

static void on_done(struct sgl_call *call)
{
    struct sgl_relay *relay = (struct sgl_relay *)(void *)call;
    const char *error = call->error;

    /* Nobody has seen a byte of it: the worker hung up before it answered. */
    if (error != NULL && strcmp(error, "stream_cut") == 0 && !relay->has_answer)
        error = "connection_lost";
    if (error == NULL)
        error = status_error(relay, call->status);
    sgl_relay_tell_end(relay, SGL_INPUT_COMPLETE, error);
    if (relay->has_answer) {
        if (call->error == NULL)
            sgl_http_end(relay->exchange);
        else
            sgl_relay_break_stream(relay, 502, "the worker broke off its answer");
        sgl_relay_finish(relay, call->status);
        return;
    }
    if (error != NULL && is_retried(relay, error))
        return;
    if (call->error == NULL) {
        const int status = call->status;
        sgl_relay_answer_gathered(relay);
        sgl_relay_finish(relay, status);
        return;
    }
    sgl_relay_fail(relay, 502, "bad_gateway",
                   sgl_error_meaning(error) != NULL ? sgl_error_meaning(error) : error);
}
