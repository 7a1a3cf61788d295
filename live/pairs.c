#include "pairs.h"

#include "core/error_word.h"
#include "merge.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void sgl_pair_free(struct sgl_pair *pair)
{
    if (pair == NULL)
        return;
    sgl_call_release(&pair->call);
    sgl_learner_release(&pair->learner);
    sgl_buffer_release(&pair->body);
    sgl_buffer_release(&pair->answer);
    sgl_buffer_release(&pair->line);
    sgl_buffer_release(&pair->merged);
    free(pair);
}

/* ---- what the router hears ---- */

static void tell_prefill(struct sgl_pair *pair, enum sgl_input_kind kind, const char *error)
{
    const struct sgl_relay *relay = pair->relay;
    struct sgl_input input = {.kind = kind,
                              .pool = SGL_POOL_PREFILL,
                              .request = relay->request.request,
                              .outcome = sgl_outcome_absent()};

    pair->is_prefill_out = false;
    sgl_learner_end(&pair->learner, &input.outcome);
    input.outcome.success = error == NULL;
    input.outcome.error = error;
    sgl_gateway_end(relay->thread->gateway, &input, relay->request.arrival_ns, 0);
    sgl_count_end(&relay->thread->counters, pair->decision.reason, false, &input.outcome);
}

static void tell_decode(struct sgl_relay *relay, enum sgl_input_kind kind, const char *error)
{
    assert(relay->pair != NULL);
    relay->pair->is_decode_out = false;
    sgl_relay_tell_end(relay, kind, error);
}

void sgl_pair_cut(struct sgl_relay *relay, enum sgl_input_kind kind, const char *error)
{
    struct sgl_pair *pair = relay->pair;

    if (pair->is_prefill_out && pair->is_decode_out)
        kind = SGL_INPUT_CANCEL;
    if (pair->is_prefill_out) {
        sgl_call_cancel(&pair->call);
        tell_prefill(pair, kind, error);
    }
    if (pair->is_decode_out) {
        sgl_call_cancel(&relay->call);
        tell_decode(relay, kind, error);
    }
}

/* The worker lives: pair_time.c. */
static uint64_t hear(const struct sgl_relay *relay, uint32_t worker)
{
    return relay->thread->pair_heard_ns[worker] = uv_hrtime();
}

/* ---- what the client gets ---- */

/* The prefill worker's answer becomes the held one. */
static void hold_prefill(struct sgl_relay *relay)
{
    struct sgl_relay_held *held = &relay->held;
    struct sgl_pair *pair = relay->pair;

    held->status = pair->call.status;
    memcpy(held->reason, pair->call.reason, sizeof held->reason);
    held->head = pair->call.head;
    held->fields = pair->call.head_fields;
    held->field_count = pair->call.head_field_count;
    held->body = pair->answer;
    pair->call.head = (struct sgl_buffer){0};
    pair->call.head_fields = NULL;
    pair->call.field_capacity = 0;
    pair->answer = (struct sgl_buffer){0};
}

/* One leg has failed and was told; the other is let go, and the client hears of it once. */
static void fail(struct sgl_relay *relay, bool is_prefill, const char *error)
{
    const struct sgl_pair *pair = relay->pair;
    const struct sgl_call *call = is_prefill ? &pair->call : &relay->call;
    const struct sgl_buffer *body = is_prefill ? &pair->answer : &relay->gathered;
    const enum sgl_blame blame = sgl_error_blame(error);
    const char *meaning = sgl_error_meaning(error);
    char message[160];

    sgl_pair_cut(relay, SGL_INPUT_CANCEL, SGL_ERROR_PAIR_LOST);
    snprintf(message, sizeof message, "the %s leg of the pair failed: %.100s",
             is_prefill ? "prefill" : "decode", meaning != NULL ? meaning : error);
    const bool is_late =
        strcmp(error, "first_byte_timeout") == 0 || strcmp(error, "idle_timeout") == 0;
    int status = is_late ? 504 : 502;
    if (relay->has_answer) {
        sgl_relay_break_stream(relay, status, message);
        sgl_relay_finish(relay, relay->call.status);
        return;
    }
    if (!is_late && call->error == NULL && (blame == SGL_BLAME_CLIENT || blame == SGL_BLAME_BUSY) &&
        !body->has_failed && !pair->is_too_long) {
        status = call->status;
        if (is_prefill) {
            hold_prefill(relay);
            sgl_relay_answer_held(relay);
        } else {
            sgl_relay_answer_gathered(relay);
        }
    } else {
        sgl_relay_answer_error(relay, status, is_late ? "timeout" : "bad_gateway", message);
    }
    sgl_relay_finish(relay, status);
}

void sgl_pair_end_leg(struct sgl_relay *relay, bool is_prefill, const char *error)
{
    struct sgl_pair *pair = relay->pair;

    sgl_call_cancel(is_prefill ? &pair->call : &relay->call);
    if (is_prefill)
        tell_prefill(pair, SGL_INPUT_COMPLETE, error);
    else
        tell_decode(relay, SGL_INPUT_COMPLETE, error);
    fail(relay, is_prefill, error);
}

static void answer_merged(struct sgl_relay *relay)
{
    struct sgl_pair *pair = relay->pair;

    sgl_merge_answer(&pair->merged, relay->gathered.bytes, relay->gathered.size, pair->answer.bytes,
                     pair->answer.size);
    if (pair->merged.has_failed || pair->answer.has_failed || relay->gathered.has_failed ||
        !sgl_relay_start_answer(relay, (int64_t)pair->merged.size)) {
        sgl_relay_answer_error(relay, 503, "server_error", "out of memory");
        return;
    }
    sgl_http_send(relay->exchange, pair->merged.bytes, pair->merged.size);
    sgl_http_end(relay->exchange);
}

/* Whole lines of the stream go on; what is left waits for its end. */
static void send_lines(struct sgl_relay *relay, bool is_end)
{
    struct sgl_pair *pair = relay->pair;
    struct sgl_buffer *line = &pair->line;
    size_t at = 0;

    sgl_buffer_clear(&pair->merged, SGL_RELAY_GATHER_MAX);
    while (at < line->size) {
        const char *end = memchr(line->bytes + at, '\n', line->size - at);
        const size_t next = end != NULL ? (size_t)(end - line->bytes) + 1 : line->size;
        if (end == NULL && !is_end)
            break;
        sgl_merge_line(&pair->merged, line->bytes + at, next - at, pair->answer.bytes,
                       pair->answer.size);
        at = next;
    }
    if (at > 0) {
        memmove(line->bytes, line->bytes + at, line->size - at);
        line->size -= at;
    }
    sgl_http_send(relay->exchange, pair->merged.bytes, pair->merged.size);
}

/* Both legs ended well. */
static void answer(struct sgl_relay *relay)
{
    struct sgl_pair *pair = relay->pair;
    const int status = relay->call.status;

    if (relay->is_gathered && pair->merges) {
        answer_merged(relay);
    } else if (relay->is_gathered) {
        sgl_relay_answer_gathered(relay);
    } else if (!relay->has_answer && !sgl_relay_start_answer(relay, relay->call.length)) {
        sgl_relay_answer_error(relay, 503, "server_error", "out of memory");
    } else {
        if (pair->merges)
            send_lines(relay, true);
        if (pair->line.has_failed || pair->merged.has_failed)
            sgl_relay_break_stream(relay, 503, "out of memory");
        else
            sgl_http_end(relay->exchange);
    }
    sgl_relay_finish(relay, status);
}

/* ---- the prefill leg ---- */

static void on_prefill_head(struct sgl_call *call)
{
    struct sgl_pair *pair = (struct sgl_pair *)(void *)call;

    pair->prefill_ns = hear(pair->relay, call->worker);
    sgl_learner_begin(&pair->learner, sgl_relay_is_event_stream(call));
}

static bool on_prefill_body(struct sgl_call *call, const char *bytes, size_t size)
{
    struct sgl_pair *pair = (struct sgl_pair *)(void *)call;
    const bool is_error = call->status >= SGL_RELAY_ERROR_LEAST;
    const size_t most = is_error ? SGL_RELAY_GATHER_MAX : SGL_PAIR_ANSWER_MAX;

    pair->prefill_ns = hear(pair->relay, call->worker);
    sgl_learner_take(&pair->learner, bytes, size);
    if (!is_error && !pair->merges)
        return true;
    if (pair->answer.size + size > most)
        pair->is_too_long = true;
    else
        sgl_buffer_append(&pair->answer, bytes, size);
    return true;
}

/* A word for how the call ended; NULL: well. */
static const char *error_of(struct sgl_pair *pair, const struct sgl_call *call)
{
    if (call->error != NULL)
        return call->error;
    if (call->status >= SGL_RELAY_ERROR_LEAST) {
        snprintf(pair->error_text, sizeof pair->error_text, "http_%03d", call->status);
        return pair->error_text;
    }
    return pair->is_too_long ? "bad_response" : NULL;
}

static void on_prefill_done(struct sgl_call *call)
{
    struct sgl_pair *pair = (struct sgl_pair *)(void *)call;
    struct sgl_relay *relay = pair->relay;
    const char *error = error_of(pair, call);
    struct sgl_outcome unused = sgl_outcome_absent();

    pair->prefill_ns = uv_hrtime();
    if (error == NULL && pair->learner.is_stream) {
        const char *ended = sgl_learner_end(&pair->learner, &unused);
        error = ended != NULL && strcmp(ended, "error_event") == 0 ? ended : NULL;
    }
    /* Nobody has seen a byte of it. */
    if (error != NULL && strcmp(error, "stream_cut") == 0)
        error = "connection_lost";
    tell_prefill(pair, SGL_INPUT_COMPLETE, error);
    if (!pair->is_decode_out && relay->has_answer)
        answer(relay); /* the client has it all already */
    else if (error != NULL)
        fail(relay, true, error);
    else if (!pair->is_decode_out)
        answer(relay);
    else
        sgl_call_resume(&relay->call);
}

/* ---- the decode leg ---- */

static void on_head(struct sgl_call *call)
{
    struct sgl_relay *relay = (struct sgl_relay *)(void *)call;

    relay->last_ns = hear(relay, call->worker);
    relay->is_stream = sgl_relay_is_event_stream(call);
    relay->is_gathered = !relay->is_stream || call->status >= SGL_RELAY_ERROR_LEAST;
    sgl_learner_begin(&relay->learner, relay->is_stream);
}

/* Keeps the bytes; or, when they cannot be kept, passes what was kept. False: not now. */
static bool gather(struct sgl_relay *relay, const char *bytes, size_t size)
{
    struct sgl_pair *pair = relay->pair;
    const bool is_error = relay->call.status >= SGL_RELAY_ERROR_LEAST;
    const bool is_merged = pair->merges && !is_error;
    const size_t most = is_merged ? SGL_PAIR_ANSWER_MAX : SGL_RELAY_GATHER_MAX;

    if (relay->gathered.size + size <= most) {
        sgl_buffer_append(&relay->gathered, bytes, size);
        return true;
    }
    if (is_merged || is_error || relay->gathered.has_failed) {
        pair->is_too_long = true;
        return true;
    }
    if (pair->is_prefill_out || !sgl_relay_start_answer(relay, relay->call.length))
        return false;
    relay->is_gathered = false;
    sgl_http_send(relay->exchange, relay->gathered.bytes, relay->gathered.size);
    sgl_http_send(relay->exchange, bytes, size);
    return true;
}

/* False: not now. */
static bool pass(struct sgl_relay *relay, const char *bytes, size_t size)
{
    struct sgl_pair *pair = relay->pair;
    const bool is_merged = pair->merges && relay->is_stream;

    if ((is_merged && pair->is_prefill_out) ||
        (relay->has_answer && sgl_http_is_full(relay->exchange)))
        return false;
    if (!relay->has_answer &&
        !sgl_relay_start_answer(relay, is_merged ? SGL_HTTP_CHUNKED : relay->call.length))
        return false;
    if (!is_merged) {
        sgl_http_send(relay->exchange, bytes, size);
        return true;
    }
    if (pair->line.size + size > SGL_PAIR_ANSWER_MAX)
        pair->line.has_failed = true;
    sgl_buffer_append(&pair->line, bytes, size);
    send_lines(relay, false);
    return true;
}

static bool on_body(struct sgl_call *call, const char *bytes, size_t size)
{
    struct sgl_relay *relay = (struct sgl_relay *)(void *)call;

    if (relay->is_gathered ? !gather(relay, bytes, size) : !pass(relay, bytes, size))
        return false;
    relay->last_ns = hear(relay, call->worker);
    if (relay->is_stream)
        sgl_relay_hear_stream(relay, bytes, size, relay->last_ns);
    sgl_learner_take(&relay->learner, bytes, size);
    return true;
}

static void on_done(struct sgl_call *call)
{
    struct sgl_relay *relay = (struct sgl_relay *)(void *)call;
    struct sgl_pair *pair = relay->pair;
    const char *error = error_of(pair, call);

    if (error != NULL && strcmp(error, "stream_cut") == 0 && !relay->has_answer)
        error = "connection_lost";
    tell_decode(relay, SGL_INPUT_COMPLETE, error);
    if (error != NULL)
        fail(relay, false, error);
    else if (!pair->is_prefill_out)
        answer(relay);
}

/* ---- the beginning ---- */

/* An answer that is to be merged must be readable. */
static void drop_encodings(struct sgl_relay *relay)
{
    size_t kept = 0;

    for (size_t i = 0; i < relay->call.field_count; i++)
        if (strcasecmp(relay->fields[i].name, "accept-encoding") != 0)
            relay->fields[kept++] = relay->fields[i];
    relay->call.field_count = kept;
}

/* False: no memory. */
static bool make_calls(struct sgl_relay *relay, const struct sgl_bootstrap_place *place)
{
    const struct sgl_proxy_thread *thread = relay->thread;
    struct sgl_pair *pair = relay->pair;
    const uint32_t worker = pair->decision.worker;
    const struct sgl_bootstrap bootstrap = {
        .host = sgl_gateway_host(thread->gateway, worker),
        .port = sgl_gateway_bootstrap_port(thread->gateway, worker),
        .room_key = thread->proxy->room_key,
        .request = relay->request.request,
    };

    if (!sgl_bootstrap_write(&pair->body, relay->call.body, relay->call.body_size, place,
                             &bootstrap))
        return false;
    relay->call.worker = relay->decision.worker;
    relay->call.worker_url = sgl_gateway_url(thread->gateway, relay->decision.worker);
    relay->call.body = pair->body.bytes;
    relay->call.body_size = pair->body.size;
    relay->call.on_head = on_head;
    relay->call.on_body = on_body;
    relay->call.on_done = on_done;
    if (pair->merges)
        drop_encodings(relay);
    pair->call = (struct sgl_call){
        .worker = worker,
        .worker_url = sgl_gateway_url(thread->gateway, worker),
        .target = relay->call.target,
        .is_post = true,
        .body = pair->body.bytes,
        .body_size = pair->body.size,
        .fields = relay->call.fields,
        .field_count = relay->call.field_count,
        .on_head = on_prefill_head,
        .on_body = on_prefill_body,
        .on_done = on_prefill_done,
    };
    return true;
}

static void refuse(struct sgl_relay *relay, int status, const char *type, const char *message)
{
    sgl_relay_answer_error(relay, status, type, message);
    sgl_relay_finish(relay, status);
}

/* Both legs, at once. */
static void start(struct sgl_relay *relay)
{
    struct sgl_upstream *upstream = relay->thread->upstream;
    struct sgl_pair *pair = relay->pair;

    sgl_relay_start_attempt(relay, SGL_RELAY_GATHER_MAX);
    pair->is_prefill_out = true;
    pair->is_decode_out = true;
    pair->sent_ns = pair->prefill_ns = relay->last_ns;
    if (sgl_call_start(upstream, &pair->call) != SGL_OK) {
        tell_prefill(pair, SGL_INPUT_COMPLETE, "connection_refused");
        fail(relay, true, "connection_refused");
    } else if (sgl_call_start(upstream, &relay->call) != SGL_OK) {
        tell_decode(relay, SGL_INPUT_COMPLETE, "connection_refused");
        fail(relay, false, "connection_refused");
    }
}

static void count_decisions(const struct sgl_relay *relay)
{
    const struct sgl_decision *const decisions[] = {&relay->pair->decision, &relay->decision};
    struct sgl_counters *counters = &relay->thread->counters;

    for (size_t i = 0; i < sizeof decisions / sizeof decisions[0]; i++)
        if (decisions[i]->sequence > 0)
            sgl_count_decision(counters, decisions[i]->reason, 0,
                               decisions[i]->now_ns - relay->request.arrival_ns);
}

void sgl_pair_send(struct sgl_relay *relay)
{
    struct sgl_proxy_thread *thread = relay->thread;
    struct sgl_pair *pair = calloc(1, sizeof *pair);
    struct sgl_bootstrap_place place;
    struct sgl_failure failure;

    if (pair == NULL) {
        refuse(relay, 503, "server_error", "the router is out of memory");
        return;
    }
    relay->pair = pair;
    relay->pool = SGL_POOL_DECODE;
    pair->relay = relay;
    pair->decision.worker = SGL_NO_WORKER;
    if (sgl_bootstrap_find(&place, relay->call.body, relay->call.body_size, &failure) != SGL_OK) {
        refuse(relay, 400, "invalid_request_error", failure.text);
        return;
    }
    pair->merges = sgl_bootstrap_wants_logprobs(relay->call.body, relay->call.body_size);
    const int status = sgl_gateway_route_pair(thread->gateway, &relay->request, &pair->decision,
                                              &relay->decision, NULL);
    count_decisions(relay);
    if (status == SGL_OK)
        sgl_relay_keep_prompt(relay);
    if (status != SGL_OK) {
        refuse(relay, 503, "server_error", "the router is out of memory");
    } else if (pair->decision.worker == SGL_NO_WORKER) {
        refuse(relay, 503, "no_available_workers", "no prefill worker can take the request now");
    } else if (relay->decision.worker == SGL_NO_WORKER) {
        refuse(relay, 503, "no_available_workers", "no decode worker can take the request now");
    } else if (!make_calls(relay, &place)) {
        pair->is_prefill_out = true;
        pair->is_decode_out = true;
        sgl_pair_cut(relay, SGL_INPUT_CANCEL, SGL_ERROR_PAIR_LOST);
        refuse(relay, 503, "server_error", "the router is out of memory");
    } else {
        start(relay);
    }
}
