/* What logs are told of single requests beside what the router hears. */
#include "relay.h"

#include "core/error_word.h"

void sgl_relay_say_attempt(const struct sgl_relay *relay, const char *error)
{
    const enum sgl_blame blame = sgl_error_blame(error);
    const struct sgl_event_field fields[] = {
        {.name = "request_id", .text = relay->request_id},
        {.name = "worker", .text = sgl_gateway_url(relay->thread->gateway, relay->decision.worker)},
        {.name = "attempt", .number = relay->attempt},
        {.name = "error", .text = error},
    };

    sgl_event_say(relay->thread->proxy->events,
                  blame == SGL_BLAME_WORKER || blame == SGL_BLAME_BUSY
                      ? SGL_EVENT_KIND_attempt_failed
                      : SGL_EVENT_KIND_attempt_ended,
                  NULL, fields, sizeof fields / sizeof fields[0]);
}

void sgl_relay_say_failed(const struct sgl_relay *relay, int status)
{
    const struct sgl_event_field fields[] = {
        {.name = "request_id", .text = relay->request_id},
        {.name = "status", .number = status},
    };

    sgl_event_say(relay->thread->proxy->events, SGL_EVENT_KIND_request_failed, NULL, fields,
                  sizeof fields / sizeof fields[0]);
}

void sgl_relay_keep_prompt(const struct sgl_relay *relay)
{
    const struct sgl_proxy_thread *thread = relay->thread;

    if (thread->options->logs_prompts && relay->attempt == 0)
        sgl_gateway_keep_prompt(thread->gateway, relay->request.request, relay->exchange->body,
                                relay->exchange->body_size);
}
