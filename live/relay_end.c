/* How a request ends otherwise than by its worker's answer: the client leaves, a deadline passes,
 * the router is stopped. */
#include "relay.h"

#include "pairs.h"

static void end_attempt(struct sgl_relay *relay, enum sgl_input_kind kind, const char *error)
{
    if (relay->pair != NULL) {
        sgl_pair_cut(relay, kind, error);
        return;
    }
    sgl_call_cancel(&relay->call);
    sgl_relay_tell_end(relay, kind, error);
}

void sgl_relay_gone(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    struct sgl_relay *relay = exchange->context;

    (void)thread;
    if (relay == NULL)
        return;
    if (relay->state == SGL_RELAY_UNDER_WAY) {
        end_attempt(relay, SGL_INPUT_CANCEL, "client_abort");
    } else if (relay->state == SGL_RELAY_QUEUED) {
        sgl_gateway_reject(relay->thread->gateway, &relay->request, "client_abort");
    }
    sgl_relay_finish(relay, 499);
}

void sgl_relay_drained(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    struct sgl_relay *relay = exchange->context;

    (void)thread;
    if (relay != NULL) {
        relay->last_ns = uv_hrtime(); /* it was the client who was slow */
        relay->event_ns = 0;
        sgl_call_resume(&relay->call);
    }
}

static void give_up(struct sgl_relay *relay, const char *error, const char *message)
{
    if (relay->state == SGL_RELAY_UNDER_WAY) {
        end_attempt(relay, SGL_INPUT_COMPLETE, error);
    } else if (relay->state == SGL_RELAY_QUEUED) {
        sgl_gateway_reject(relay->thread->gateway, &relay->request, "queue_timeout");
    }
    if (relay->has_answer) {
        sgl_relay_break_stream(relay, 504, message);
        sgl_relay_finish(relay, relay->call.status);
    } else {
        sgl_relay_fail(relay, 504, "timeout", message);
    }
}

/* Not the worker's fault: the router learns nothing from it. */
static void cut(struct sgl_relay *relay)
{
    static const char message[] = "the router is being stopped";

    if (relay->state == SGL_RELAY_UNDER_WAY) {
        end_attempt(relay, SGL_INPUT_CANCEL, "shutdown");
    } else if (relay->state == SGL_RELAY_QUEUED) {
        sgl_gateway_reject(relay->thread->gateway, &relay->request, "shutdown");
    }
    if (relay->has_answer) {
        sgl_relay_break_stream(relay, 503, message);
        sgl_relay_finish(relay, relay->call.status);
    } else {
        sgl_relay_fail(relay, 503, "server_error", message);
    }
}

void sgl_relay_cut_all(struct sgl_proxy_thread *thread)
{
    while (thread->relays != NULL)
        cut(thread->relays);
}

/* Took it and said nothing: not even a head. */
static bool is_mute(const struct sgl_relay *relay, uint64_t now_ns)
{
    const uint64_t timeout_ns = (uint64_t)relay->thread->options->first_byte_timeout_ns;

    return timeout_ns > 0 && relay->state == SGL_RELAY_UNDER_WAY && !relay->call.has_head &&
           now_ns > relay->last_ns + timeout_ns;
}

void sgl_relay_sweep(struct sgl_proxy_thread *thread)
{
    const uint64_t now_ns = uv_hrtime();
    const uint64_t idle_ns = (uint64_t)thread->options->idle_timeout_ns;
    struct sgl_relay *next;

    for (struct sgl_relay *relay = thread->relays; relay != NULL; relay = next) {
        next = relay->next;
        const bool is_idle = relay->has_answer && !relay->call.is_paused &&
                             relay->state == SGL_RELAY_UNDER_WAY &&
                             now_ns > relay->last_ns + idle_ns;
        if (now_ns >= relay->deadline_ns)
            give_up(relay, "timeout", "the request took longer than it may");
        else if (relay->pair != NULL)
            sgl_pair_sweep(relay, now_ns);
        else if (is_mute(relay, now_ns))
            give_up(relay, "first_byte_timeout", "the worker took the request and said nothing");
        else if (is_idle)
            give_up(relay, "idle_timeout", "the answer stopped and did not go on");
        else if (relay->state == SGL_RELAY_WAITING && now_ns >= relay->resume_ns)
            sgl_relay_send(relay);
    }
}
