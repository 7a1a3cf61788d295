/* What a worker is sent of a request, and what its policy may know of it. */
#include "relay.h"

#include "core/absent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What SGLang's routers put before the names that they give to requests. */
static const char *id_prefix(const char *target)
{
    static const struct {
        const char *path;
        const char *prefix;
    } prefixes[] = {
        {"/generate", "gnt-"},
        {"/v1/chat/completions", "chatcmpl-"},
        {"/v1/completions", "cmpl-"},
        {"/v1/responses", "resp-"},
    };
    const size_t size = strcspn(target, "?");

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strlen(prefixes[i].path) == size && strncmp(prefixes[i].path, target, size) == 0)
            return prefixes[i].prefix;
    return "req-";
}

/* 32 characters: the prefix, then hexadecimal digits of the thread's own draws. */
static void make_id(struct sgl_relay *relay)
{
    struct sgl_rng *draws = &relay->thread->id_draws;
    const char *prefix = id_prefix(relay->exchange->target);
    const uint64_t left = sgl_rng_next(draws);

    snprintf(relay->made_id, sizeof relay->made_id, "%016" PRIx64 "%016" PRIx64, left,
             sgl_rng_next(draws));
    memcpy(relay->made_id, prefix, strlen(prefix));
}

bool sgl_relay_make_fields(struct sgl_relay *relay)
{
    const struct sgl_http_exchange *exchange = relay->exchange;
    const char *const *headers = relay->thread->options->id_headers;
    const struct sgl_http_field *named = NULL;

    if (relay->field_capacity < exchange->field_count + 1) {
        const size_t capacity = exchange->field_count + SGL_RELAY_OWN_FIELDS;
        struct sgl_http_field *grown = realloc(relay->fields, capacity * sizeof *relay->fields);
        if (grown == NULL)
            return false;
        relay->fields = grown;
        relay->field_capacity = capacity;
    }
    for (size_t i = 0; named == NULL && i < SGL_PROXY_ID_HEADERS_MAX && headers[i] != NULL; i++) {
        named = sgl_http_find(exchange, headers[i]);
        if (named != NULL && named->value_size == 0)
            named = NULL;
    }
    relay->call.field_count =
        sgl_fields_pass(exchange->fields, exchange->field_count, true, relay->fields);
    if (!relay->thread->options->forwards_authorization)
        relay->call.field_count = sgl_fields_drop_secrets(relay->fields, relay->call.field_count);
    relay->request_id = named != NULL ? named->value : relay->made_id;
    if (named == NULL)
        make_id(relay);
    if (named == NULL || strcasecmp(named->name, "x-request-id") != 0) {
        /* The worker is told one name: the one that is in the log. */
        relay->call.field_count =
            sgl_fields_drop(relay->fields, relay->call.field_count, "x-request-id");
        relay->fields[relay->call.field_count++] =
            sgl_http_field("x-request-id", relay->request_id);
    }
    relay->call.fields = relay->fields;
    return true;
}

bool sgl_relay_read_request(struct sgl_relay *relay)
{
    const struct sgl_proxy_thread *thread = relay->thread;
    const struct sgl_proxy_options *options = thread->options;
    const struct sgl_http_exchange *exchange = relay->exchange;
    struct sgl_failure failure;

    relay->request = (struct sgl_request){
        .arrival_ns = sgl_gateway_time(thread->gateway, exchange->complete_ns),
        .prompt_tokens = SGL_ABSENT,
        .max_tokens = SGL_ABSENT,
        .priority = SGL_PRIORITY_NORMAL,
        .request_id = relay->request_id,
    };
    if (!options->reads_prompts)
        return true;
    const int status =
        sgl_prompt_read(&relay->prompt, &thread->proxy->prompt_key, options->prefix_block,
                        exchange->body, exchange->body_size, &failure);
    if (status != SGL_OK) {
        const int code = status == SGL_EINVAL ? 400 : 503;
        sgl_relay_answer_error(relay, code, "invalid_request_error", failure.text);
        sgl_relay_finish(relay, code);
        return false;
    }
    relay->request.max_tokens = relay->prompt.max_tokens;
    relay->request.model = relay->prompt.model;
    relay->request.prefix_ids = relay->prompt.ids;
    relay->request.prefix_count = relay->prompt.id_count;
    relay->request.prefix_block = options->prefix_block;
    return true;
}
