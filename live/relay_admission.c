/* Before a request is routed: whose it is, how urgent, and whether it may come in now. */
#include "relay.h"

#include "core/absent.h"
#include "core/error_word.h"
#include "priority.h"
#include "usage_field.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PRIORITY_FIELD "x-priority"

static enum sgl_priority priority_of_field(const struct sgl_http_exchange *exchange)
{
    const struct sgl_http_field *field = sgl_http_find(exchange, PRIORITY_FIELD);

    for (int i = 0; field != NULL && i < SGL_PRIORITY_COUNT; i++)
        if (strcasecmp(field->value, sgl_priority_name((enum sgl_priority)i)) == 0)
            return (enum sgl_priority)i;
    return SGL_PRIORITY_NORMAL;
}

/* The word in the body counts, else the field. False: no memory for a body without the word. */
static bool read_priority(struct sgl_relay *relay)
{
    const struct sgl_http_exchange *exchange = relay->exchange;
    const char *body = exchange->body;
    const size_t size = exchange->body_size;
    struct sgl_priority_member member;

    relay->request.priority = priority_of_field(exchange);
    if (!sgl_priority_find(body, size, &member))
        return true;
    relay->request.priority = member.priority;
    if (relay->thread->options->forwards_priority)
        return true;
    sgl_buffer_clear(&relay->cut_body, 0);
    sgl_buffer_append(&relay->cut_body, body, member.begin);
    sgl_buffer_append(&relay->cut_body, body + member.end, size - member.end);
    relay->call.body = relay->cut_body.bytes;
    relay->call.body_size = relay->cut_body.size;
    return !relay->cut_body.has_failed;
}

/* False: no memory for a body with the field. */
static bool ask_for_usage(struct sgl_relay *relay)
{
    struct sgl_call *call = &relay->call;
    struct sgl_buffer asked = {0};
    size_t place;

    if (!relay->thread->options->asks_for_usage ||
        !sgl_usage_is_wanting(call->target, call->body, call->body_size, &place))
        return true;
    sgl_usage_write(&asked, call->body, call->body_size, place);
    sgl_buffer_release(&relay->cut_body);
    relay->cut_body = asked;
    call->body = asked.bytes;
    call->body_size = asked.size;
    return !asked.has_failed;
}

static int64_t now(const struct sgl_proxy_thread *thread)
{
    return sgl_gateway_time(thread->gateway, uv_hrtime());
}

/* The client is told, and the log. */
static void refuse(struct sgl_relay *relay, int status, const char *error, int64_t retry_after_s)
{
    char seconds[24];
    struct sgl_http_field fields[2] = {sgl_http_field("x-request-id", relay->request_id)};

    snprintf(seconds, sizeof seconds, "%lld", (long long)retry_after_s);
    fields[1] = sgl_http_field("Retry-After", seconds);
    relay->has_answer = true;
    sgl_http_respond_error(relay->exchange, status, error, sgl_error_meaning(error), fields, 2);
    sgl_gateway_reject(relay->thread->gateway, &relay->request, error);
    sgl_relay_finish(relay, status);
}

void sgl_relay_tick_gate(struct sgl_proxy_thread *thread)
{
    struct sgl_gate *gate = thread->proxy->gate;
    const int64_t now_ns = now(thread);
    const int64_t wake_ns = gate != NULL ? sgl_gate_tick(gate, now_ns) : SGL_ABSENT;

    if (wake_ns != SGL_ABSENT)
        sgl_thread_sweep_in(thread,
                            wake_ns > now_ns ? (uint64_t)(wake_ns - now_ns) / 1000000 + 1 : 1);
}

bool sgl_relay_admit(struct sgl_relay *relay)
{
    struct sgl_proxy_thread *thread = relay->thread;
    struct sgl_gate *gate = thread->proxy->gate;
    const char *header = thread->options->tenant_header;
    const struct sgl_http_field *tenant =
        header != NULL ? sgl_http_find(relay->exchange, header) : NULL;

    if (!read_priority(relay) || !ask_for_usage(relay)) {
        sgl_relay_answer_error(relay, 503, "server_error", "out of memory");
        sgl_relay_finish(relay, 503);
        return false;
    }
    if (tenant != NULL && tenant->value_size > 0)
        relay->request.tenant = tenant->value;
    if (gate == NULL)
        return true;
    const struct sgl_gate_answer answer =
        sgl_gate_ask(gate, &relay->waiter, (uint32_t)(thread - thread->proxy->threads), now(thread),
                     relay->request.priority, relay->request.tenant);
    if (answer.verdict == SGL_ADMISSION_FULL) {
        refuse(relay, 429, answer.error, answer.retry_after_s);
    } else if (answer.verdict == SGL_ADMISSION_WAIT) {
        relay->state = SGL_RELAY_QUEUED;
        sgl_relay_tick_gate(thread);
    }
    return answer.verdict == SGL_ADMISSION_RUN;
}

void sgl_relay_hear_gate(struct sgl_proxy_thread *thread)
{
    struct sgl_gate *gate = thread->proxy->gate;
    const uint32_t lane = (uint32_t)(thread - thread->proxy->threads);
    struct sgl_gate_waiter *waiter;

    while (gate != NULL && (waiter = sgl_gate_woken(gate, lane)) != NULL) {
        struct sgl_relay *relay =
            (struct sgl_relay *)(void *)((char *)waiter - offsetof(struct sgl_relay, waiter));
        if (waiter->verdict == SGL_ADMISSION_RUN)
            sgl_relay_send(relay);
        else
            refuse(relay, 408, "queue_timeout", sgl_gate_retry_after_s(gate, now(thread)));
    }
}

void sgl_relay_leave_gate(struct sgl_relay *relay)
{
    struct sgl_gate *gate = relay->thread->proxy->gate;

    if (gate != NULL && relay->waiter.state != SGL_GATE_OUTSIDE)
        sgl_gate_leave(gate, &relay->waiter, now(relay->thread));
}
