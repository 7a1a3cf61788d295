#include "emulate_request.h"

#include "core/absent.h"
#include "traces/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS_STANDARD 128 /* SGLang's for max_new_tokens */
#define TOKENS_MOST (INT64_C(1) << 24)
#define BYTES_OF_TOKEN 4
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* ---- tokens and prefix ids ----------------------------------------------------------------- */

/* A prompt as it is put together: bytes of text, or ids of four bytes each. */
struct prompt {
    struct sgl_emulate_request *request;
    size_t block_bytes;
    size_t capacity; /* of the ids */
    uint64_t hash;   /* of the block so far */
    uint64_t last;   /* id of the block before */
    size_t filled;   /* bytes of the block so far */
    size_t bytes;
    bool is_short_of_memory;
};

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static void close_block(struct prompt *prompt)
{
    struct sgl_emulate_request *request = prompt->request;

    if (prompt->filled == 0)
        return;
    if (request->prefix_count == prompt->capacity) {
        const size_t capacity = 2 * prompt->capacity + 64;
        uint64_t *grown = realloc(request->prefix_ids, capacity * sizeof *grown);
        if (grown == NULL) {
            prompt->is_short_of_memory = true;
            return;
        }
        request->prefix_ids = grown;
        prompt->capacity = capacity;
    }
    prompt->last = mix(prompt->last ^ prompt->hash ^ prompt->filled);
    request->prefix_ids[request->prefix_count++] = prompt->last;
    prompt->hash = FNV_START;
    prompt->filled = 0;
}

static void add_bytes(struct prompt *prompt, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size && !prompt->is_short_of_memory; i++) {
        prompt->hash = (prompt->hash ^ at[i]) * FNV_PRIME;
        if (++prompt->filled == prompt->block_bytes)
            close_block(prompt);
    }
    prompt->bytes += size;
}

static int add_ids(struct prompt *prompt, const json_t *ids, struct sgl_failure *failure)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const uint32_t value = (uint32_t)json_integer_value(id);
        const unsigned char bytes[BYTES_OF_TOKEN] = {
            (unsigned char)value, (unsigned char)(value >> 8), (unsigned char)(value >> 16),
            (unsigned char)(value >> 24)};
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > UINT32_MAX)
            return sgl_fail(failure, SGL_EINVAL,
                            "a token id is no whole number, expected one of 0 "
                            "to 4294967295");
        add_bytes(prompt, bytes, sizeof bytes);
    }
    return SGL_OK;
}

/* A text, or an array of token ids. */
static int add_prompt(struct prompt *prompt, const json_t *value, const char *name,
                      struct sgl_failure *failure)
{
    if (json_is_string(value)) {
        add_bytes(prompt, json_string_value(value), json_string_length(value));
        return SGL_OK;
    }
    if (json_is_array(value) && !json_is_string(json_array_get(value, 0)) &&
        !json_is_array(json_array_get(value, 0)))
        return add_ids(prompt, value, failure);
    return sgl_fail(failure, SGL_EINVAL,
                    json_is_array(value)
                        ? "%s is a batch, expected one prompt (send a request for each)"
                        : "%s is missing, or neither a text nor token ids",
                    name);
}

static int add_messages(struct prompt *prompt, const json_t *messages, struct sgl_failure *failure)
{
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return sgl_fail(failure, SGL_EINVAL, "messages is missing, expected a list of messages");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *content = json_object_get(json_array_get(messages, i), "content");
        if (!json_is_object(json_array_get(messages, i)))
            return sgl_fail(failure, SGL_EINVAL, "a message is no object");
        if (json_is_string(content))
            add_bytes(prompt, json_string_value(content), json_string_length(content));
        else if (!json_is_array(content) && content != NULL && !json_is_null(content))
            return sgl_fail(failure, SGL_EINVAL,
                            "a message's content is no text, expected a text "
                            "or a list of parts");
        for (size_t part = 0; part < json_array_size(content); part++) {
            const json_t *text = json_object_get(json_array_get(content, part), "text");
            if (json_is_string(text))
                add_bytes(prompt, json_string_value(text), json_string_length(text));
        }
    }
    return SGL_OK;
}

static int read_prompt(struct sgl_emulate_request *request, const json_t *root,
                       uint32_t prefix_block, struct sgl_failure *failure)
{
    struct prompt prompt = {
        .request = request,
        .block_bytes = (size_t)prefix_block * BYTES_OF_TOKEN,
        .hash = FNV_START,
    };
    const json_t *ids = json_object_get(root, "input_ids");
    int status;

    if (request->api == SGL_EMULATE_CHAT)
        status = add_messages(&prompt, json_object_get(root, "messages"), failure);
    else if (request->api == SGL_EMULATE_COMPLETIONS)
        status = add_prompt(&prompt, json_object_get(root, "prompt"), "prompt", failure);
    else if (ids != NULL && !json_is_null(ids))
        status = add_prompt(&prompt, ids, "input_ids", failure);
    else
        status = add_prompt(&prompt, json_object_get(root, "text"), "text", failure);
    if (status != SGL_OK)
        return status;
    close_block(&prompt);
    if (prompt.is_short_of_memory)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    request->prompt_tokens = (int64_t)((prompt.bytes + BYTES_OF_TOKEN - 1) / BYTES_OF_TOKEN);
    if (request->prompt_tokens > TOKENS_MOST)
        return sgl_fail(failure, SGL_EINVAL,
                        "the prompt has %" PRId64 " tokens, expected at most "
                        "%" PRId64,
                        request->prompt_tokens, TOKENS_MOST);
    return SGL_OK;
}

/* ---- the rest ------------------------------------------------------------------------------ */

/* A text as JSON, which the caller frees. */
static char *quoted(const char *text)
{
    return sgl_json_line(json_string(text));
}

static int read_names(struct sgl_emulate_request *request, const json_t *root, uint64_t number,
                      const char *model, struct sgl_failure *failure)
{
    const json_t *rid = json_object_get(root, "rid");
    const json_t *asked = json_object_get(root, "model");
    char made[48];

    if (rid != NULL && !json_is_null(rid) && !json_is_string(rid))
        return sgl_fail(failure, SGL_EINVAL, "rid is no text");
    if (asked != NULL && !json_is_null(asked) && !json_is_string(asked))
        return sgl_fail(failure, SGL_EINVAL, "model is no text");
    snprintf(made, sizeof made, "%s%" PRIu64, request->api == SGL_EMULATE_CHAT ? "chatcmpl-" : "r",
             number);
    if (json_is_string(rid))
        request->rid = strdup(json_string_value(rid));
    request->id = quoted(json_is_string(rid) ? json_string_value(rid) : made);
    request->model = quoted(json_is_string(asked) ? json_string_value(asked) : model);
    if (request->id == NULL || request->model == NULL ||
        (json_is_string(rid) && request->rid == NULL))
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return SGL_OK;
}

static int read_limit(struct sgl_emulate_request *request, const json_t *root,
                      struct sgl_failure *failure)
{
    const json_t *sampling = json_object_get(root, "sampling_params");
    const char *name = "max_tokens";
    const json_t *limit;

    if (request->api == SGL_EMULATE_GENERATE) {
        name = "max_new_tokens";
        if (sampling != NULL && !json_is_null(sampling) && !json_is_object(sampling))
            return sgl_fail(failure, SGL_EINVAL, "sampling_params is no object");
        limit = json_object_get(sampling, name);
    } else {
        limit = json_object_get(root, "max_completion_tokens");
        if (limit == NULL || json_is_null(limit))
            limit = json_object_get(root, name);
    }
    request->max_tokens = MAX_TOKENS_STANDARD;
    if (limit == NULL || json_is_null(limit))
        return SGL_OK;
    if (!json_is_integer(limit) || json_integer_value(limit) < 0 ||
        json_integer_value(limit) > TOKENS_MOST)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s is out of range, expected a whole number from 0 to "
                        "%" PRId64,
                        name, TOKENS_MOST);
    request->max_tokens = json_integer_value(limit);
    return SGL_OK;
}

static int read_stream(struct sgl_emulate_request *request, const json_t *root,
                       struct sgl_failure *failure)
{
    const json_t *stream = json_object_get(root, "stream");
    const json_t *options = json_object_get(root, "stream_options");

    if (stream != NULL && !json_is_null(stream) && !json_is_boolean(stream))
        return sgl_fail(failure, SGL_EINVAL, "stream is neither true nor false");
    request->is_streaming = json_is_true(stream);
    request->wants_usage = json_is_true(json_object_get(options, "include_usage"));
    return SGL_OK;
}

int sgl_emulate_request_read(struct sgl_emulate_request *request, enum sgl_emulate_api api,
                             const char *body, size_t size, uint32_t prefix_block, uint64_t number,
                             const char *model, struct sgl_failure *failure)
{
    json_error_t error;
    json_t *root = json_loadb(body, size, 0, &error);

    *request = (struct sgl_emulate_request){.api = api};
    if (!json_is_object(root)) {
        json_decref(root);
        if (root == NULL)
            return sgl_fail(failure, SGL_EINVAL, "the body is no JSON: %s (line %d, column %d)",
                            error.text, error.line, error.column);
        return sgl_fail(failure, SGL_EINVAL, "the body is no JSON object");
    }
    int status = read_names(request, root, number, model, failure);
    if (status == SGL_OK)
        status = read_stream(request, root, failure);
    if (status == SGL_OK)
        status = read_limit(request, root, failure);
    if (status == SGL_OK)
        status = read_prompt(request, root, prefix_block, failure);
    json_decref(root);
    if (status != SGL_OK)
        sgl_emulate_request_release(request);
    return status;
}

void sgl_emulate_request_release(struct sgl_emulate_request *request)
{
    free(request->id);
    free(request->model);
    free(request->rid);
    free(request->prefix_ids);
    *request = (struct sgl_emulate_request){0};
}
