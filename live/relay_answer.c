#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Room for the worker's fields and ours. */
static struct sgl_http_field *answer_room(struct sgl_relay *relay, size_t field_count)
{
    const size_t needed = field_count + SGL_RELAY_OWN_FIELDS;

    if (relay->answer_capacity < needed) {
        struct sgl_http_field *grown =
            realloc(relay->answer_fields, needed * sizeof *relay->answer_fields);
        if (grown == NULL)
            return NULL;
        relay->answer_fields = grown;
        relay->answer_capacity = needed;
    }
    return relay->answer_fields;
}

/* Who served, why, which decision, which request. `number` is scratch for the decision's. */
static size_t own_fields(const struct sgl_relay *relay, char number[static 24],
                         struct sgl_http_field *out)
{
    size_t count = 0;

    if (relay->decision.worker != SGL_NO_WORKER && relay->decision.sequence > 0) {
        snprintf(number, 24, "%llu", (unsigned long long)relay->decision.sequence);
        out[count++] = sgl_http_field(
            "x-sglsim-worker", sgl_gateway_url(relay->thread->gateway, relay->decision.worker));
        out[count++] = sgl_http_field("x-sglsim-reason", sgl_reason_name(relay->decision.reason));
        out[count++] = sgl_http_field("x-sglsim-decision", number);
        if (relay->pair != NULL)
            out[count++] = sgl_http_field(
                "x-sglsim-prefill-worker",
                sgl_gateway_url(relay->thread->gateway, relay->pair->decision.worker));
    }
    out[count++] = sgl_http_field("x-request-id", relay->request_id);
    return count;
}

/* The worker's fields but for those of its connection, then ours. A worker that names the request
 * itself has said it already. */
static size_t all_fields(const struct sgl_relay *relay, const struct sgl_http_field *fields,
                         size_t field_count, char number[static 24], struct sgl_http_field *out)
{
    size_t count = sgl_fields_pass(fields, field_count, false, out);
    bool has_id = false;

    for (size_t i = 0; i < count; i++)
        has_id = has_id || strcasecmp(out[i].name, "x-request-id") == 0;
    count += own_fields(relay, number, out + count);
    return has_id ? count - 1 : count;
}

bool sgl_relay_start_answer(struct sgl_relay *relay, int64_t length)
{
    const struct sgl_call *call = &relay->call;
    struct sgl_http_field *out = answer_room(relay, call->head_field_count);
    char number[24];

    if (out == NULL)
        return false;
    const size_t count = all_fields(relay, call->head_fields, call->head_field_count, number, out);
    relay->has_answer = true;
    sgl_http_start(relay->exchange, call->status, call->reason, out, count, length);
    return true;
}

void sgl_relay_answer_gathered(struct sgl_relay *relay)
{
    const struct sgl_buffer *body = &relay->gathered;

    if (body->has_failed || !sgl_relay_start_answer(relay, (int64_t)body->size)) {
        sgl_relay_answer_error(relay, 503, "server_error", "out of memory");
        return;
    }
    sgl_http_send(relay->exchange, body->bytes, body->size);
    sgl_http_end(relay->exchange);
}

void sgl_relay_hold(struct sgl_relay *relay)
{
    struct sgl_relay_held *held = &relay->held;
    struct sgl_call *call = &relay->call;

    /* The buffers change places: those of the answer held before are used for the next one. */
    const struct sgl_buffer head = held->head;
    const struct sgl_buffer body = held->body;
    struct sgl_http_field *fields = held->fields;
    held->status = call->status;
    memcpy(held->reason, call->reason, sizeof held->reason);
    held->head = call->head;
    held->fields = call->head_fields;
    held->field_count = call->head_field_count;
    held->body = relay->gathered;
    call->head = head;
    free(fields);
    call->head_fields = NULL;
    call->head_field_count = 0;
    call->field_capacity = 0;
    relay->gathered = body;
}

void sgl_relay_answer_held(struct sgl_relay *relay)
{
    const struct sgl_relay_held *held = &relay->held;
    struct sgl_http_field *out = answer_room(relay, held->field_count);
    char number[24];

    if (out == NULL) {
        sgl_relay_answer_error(relay, 503, "server_error", "out of memory");
        return;
    }
    const size_t count = all_fields(relay, held->fields, held->field_count, number, out);
    relay->has_answer = true;
    sgl_http_start(relay->exchange, held->status, held->reason, out, count,
                   (int64_t)held->body.size);
    sgl_http_send(relay->exchange, held->body.bytes, held->body.size);
    sgl_http_end(relay->exchange);
}

void sgl_relay_answer_error(struct sgl_relay *relay, int status, const char *type,
                            const char *message)
{
    struct sgl_http_field fields[SGL_RELAY_OWN_FIELDS];
    char number[24];
    size_t count = own_fields(relay, number, fields);

    if (status == 503)
        fields[count++] = sgl_http_field("Retry-After", "1");
    relay->has_answer = true;
    sgl_http_respond_error(relay->exchange, status, type, message, fields, count);
}

void sgl_relay_break_stream(struct sgl_relay *relay, int status, const char *message)
{
    char event[256];

    if (relay->is_stream) {
        const int size = snprintf(event, sizeof event,
                                  "%sdata: {\"error\":{\"type\":\"upstream_error\",\"code\":%d,"
                                  "\"message\":\"%s\"}}\n\n",
                                  relay->is_line_end ? "" : "\n\n", status, message);
        sgl_http_send(relay->exchange, event, (size_t)size);
    }
    sgl_http_abort(relay->exchange);
}

void sgl_relay_fail(struct sgl_relay *relay, int status, const char *type, const char *message)
{
    if (relay->held.status != 0) {
        status = relay->held.status;
        sgl_relay_answer_held(relay);
    } else {
        sgl_relay_answer_error(relay, status, type, message);
    }
    sgl_relay_finish(relay, status);
}
