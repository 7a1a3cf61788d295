#include "emulate_request.h"

#include "traces/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS_STANDARD 128 /* SGLang's for max_new_tokens */
#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"

/* A body while it is read. */
struct reading {
    const struct sgl_emulate_reader *reader;
    struct sgl_emulate_request *request;
    const json_t *root;
    const json_t *prompts; /* of a batch: the list */
    struct sgl_failure *failure;
};

/* ---- members ------------------------------------------------------------------------------- */

/* The value of a name; NULL: not there, or null. */
static const json_t *get(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

/* The value of a name for one part: an entry of a batch's list, or what stands for all. */
static int get_of(const struct reading *reading, const char *name, size_t part,
                  const json_t **value_out)
{
    const json_t *value = get(reading->root, name);

    *value_out = value;
    if (!reading->request->is_batch || !json_is_array(value))
        return SGL_OK;
    if (json_array_size(value) != reading->request->part_count)
        return sgl_fail(reading->failure, SGL_EINVAL, "%s has %zu entries, expected %zu", name,
                        json_array_size(value), reading->request->part_count);
    value = json_array_get(value, part);
    *value_out = json_is_null(value) ? NULL : value;
    return SGL_OK;
}

static int read_whole(const struct reading *reading, const json_t *value, const char *name,
                      int64_t least, int64_t most, int64_t *number)
{
    if (value == NULL)
        return SGL_OK;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "%s is out of range, expected a whole number from %" PRId64 " to %" PRId64,
                        name, least, most);
    *number = json_integer_value(value);
    return SGL_OK;
}

/* A text as JSON, which the caller frees. */
static char *quoted(const char *text)
{
    return sgl_json_line(json_string(text));
}

/* ---- prompts ------------------------------------------------------------------------------- */

/* A text, or an array of token ids. */
static int add_prompt(const struct reading *reading, struct sgl_emulate_prompt *prompt,
                      const json_t *value, const char *name)
{
    const json_t *first = json_array_get(value, 0);

    if (json_is_string(value)) {
        sgl_emulate_prompt_add(prompt, json_string_value(value), json_string_length(value));
        return SGL_OK;
    }
    if (json_is_array(value) && !json_is_string(first) && !json_is_array(first))
        return sgl_emulate_prompt_add_ids(prompt, value, reading->failure);
    return sgl_fail(reading->failure, SGL_EINVAL,
                    value == NULL ? "%s is missing, expected a text or token ids"
                                  : "%s is neither a text nor token ids",
                    name);
}

static int add_messages(const struct reading *reading, struct sgl_emulate_prompt *prompt,
                        const json_t *messages)
{
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "messages is missing, expected a list of messages");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *content = get(json_array_get(messages, i), "content");
        if (!json_is_object(json_array_get(messages, i)))
            return sgl_fail(reading->failure, SGL_EINVAL, "a message is no object");
        if (json_is_string(content))
            sgl_emulate_prompt_add(prompt, json_string_value(content), json_string_length(content));
        else if (!json_is_array(content) && content != NULL)
            return sgl_fail(reading->failure, SGL_EINVAL,
                            "a message's content is no text, expected a text "
                            "or a list of parts");
        for (size_t part = 0; part < json_array_size(content); part++) {
            const json_t *text = get(json_array_get(content, part), "text");
            if (json_is_string(text))
                sgl_emulate_prompt_add(prompt, json_string_value(text), json_string_length(text));
        }
    }
    return SGL_OK;
}

/* Where the prompts are. */
static const char *prompt_name(const struct reading *reading)
{
    if (reading->request->api == SGL_EMULATE_COMPLETIONS)
        return "prompt";
    return get(reading->root, "input_ids") != NULL ? "input_ids" : "text";
}

/* Is it a batch, and of how many? SGLang takes every list of texts for one; ids come in lists of
 * lists. */
static int count_parts(struct reading *reading)
{
    struct sgl_emulate_request *request = reading->request;
    const json_t *value = get(reading->root, prompt_name(reading));
    const json_t *first = json_array_get(value, 0);
    const bool is_list_of_texts = strcmp(prompt_name(reading), "text") == 0;

    request->part_count = 1;
    if (request->api == SGL_EMULATE_CHAT || !json_is_array(value) ||
        (!is_list_of_texts && !json_is_string(first) && !json_is_array(first)))
        return SGL_OK;
    request->is_batch = true;
    request->part_count = json_array_size(value);
    reading->prompts = value;
    if (request->part_count == 0 || request->part_count > SGL_EMULATE_BATCH_MAX)
        return sgl_fail(reading->failure, SGL_EINVAL, "a batch of %zu prompts, expected 1 to %d",
                        request->part_count, SGL_EMULATE_BATCH_MAX);
    return SGL_OK;
}

static int read_prompt(const struct reading *reading, size_t index)
{
    struct sgl_emulate_part *part = &reading->request->parts[index];
    const char *name = prompt_name(reading);
    const json_t *value = reading->request->is_batch ? json_array_get(reading->prompts, index)
                                                     : get(reading->root, name);

    sgl_emulate_prompt_begin(&part->prompt, reading->reader->prefix_block, part->logprobs.is_asked);
    const int status = reading->request->api == SGL_EMULATE_CHAT
                           ? add_messages(reading, &part->prompt, get(reading->root, "messages"))
                           : add_prompt(reading, &part->prompt, value, name);
    return status == SGL_OK ? sgl_emulate_prompt_end(&part->prompt, reading->failure) : status;
}

/* ---- the rest of a part -------------------------------------------------------------------- */

static int read_name(const struct reading *reading, size_t index)
{
    const struct sgl_emulate_reader *reader = reading->reader;
    struct sgl_emulate_part *part = &reading->request->parts[index];
    const json_t *rid;
    char number[24] = "";
    char made[64];

    if (get_of(reading, "rid", index, &rid) != SGL_OK)
        return SGL_EINVAL;
    if (rid != NULL && !json_is_string(rid))
        return sgl_fail(reading->failure, SGL_EINVAL, "rid is no text");
    if (reading->request->is_batch && (rid == NULL || rid == get(reading->root, "rid")))
        snprintf(number, sizeof number, "_%zu", index);
    snprintf(made, sizeof made, "%s%" PRIu64 "%s",
             reader->api == SGL_EMULATE_CHAT ? "chatcmpl-" : "r", reader->number, number);
    if (rid == NULL) {
        part->id = quoted(made);
    } else {
        const size_t size = json_string_length(rid) + sizeof number;
        part->rid = malloc(size);
        if (part->rid != NULL) {
            snprintf(part->rid, size, "%s%s", json_string_value(rid), number);
            part->id = quoted(part->rid);
        }
    }
    return part->id != NULL ? SGL_OK : sgl_fail(reading->failure, SGL_ENOMEM, "out of memory");
}

static int read_limit(const struct reading *reading, size_t index)
{
    struct sgl_emulate_part *part = &reading->request->parts[index];
    const char *name = "max_tokens";
    const json_t *limit;

    if (reading->request->api == SGL_EMULATE_GENERATE) {
        const json_t *sampling;
        name = "max_new_tokens";
        if (get_of(reading, "sampling_params", index, &sampling) != SGL_OK)
            return SGL_EINVAL;
        if (sampling != NULL && !json_is_object(sampling))
            return sgl_fail(reading->failure, SGL_EINVAL, "sampling_params is no object");
        limit = get(sampling, name);
    } else {
        limit = get(reading->root, "max_completion_tokens");
        if (limit == NULL)
            limit = get(reading->root, name);
    }
    part->max_tokens = MAX_TOKENS_STANDARD;
    return read_whole(reading, limit, name, 0, SGL_EMULATE_TOKENS_MAX, &part->max_tokens);
}

static int read_logprob_ids(const struct reading *reading, struct sgl_emulate_logprobs *logprobs,
                            const json_t *ids)
{
    if (ids == NULL)
        return SGL_OK;
    logprobs->has_ids = true;
    if (!json_is_array(ids) || json_array_size(ids) > SGL_EMULATE_LOGPROBS_MAX)
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "token_ids_logprob, expected a list of at most %d token ids",
                        SGL_EMULATE_LOGPROBS_MAX);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int64_t id = 0;
        if (read_whole(reading, json_array_get(ids, i), "token_ids_logprob", 0, UINT32_MAX, &id) !=
            SGL_OK)
            return SGL_EINVAL;
        logprobs->ids[logprobs->id_count++] = (uint32_t)id;
    }
    return SGL_OK;
}

/* token_ids_logprob is a list for all parts, or a list of lists. */
static int get_logprob_ids(const struct reading *reading, size_t index, const json_t **ids_out)
{
    const json_t *ids = get(reading->root, "token_ids_logprob");

    *ids_out = ids;
    return json_is_array(json_array_get(ids, 0))
               ? get_of(reading, "token_ids_logprob", index, ids_out)
               : SGL_OK;
}

static int read_logprobs(const struct reading *reading, size_t index)
{
    struct sgl_emulate_logprobs *logprobs = &reading->request->parts[index].logprobs;
    const json_t *asked;
    const json_t *start;
    const json_t *top;
    const json_t *ids;
    int64_t top_count = 0;

    logprobs->start = -1;
    if (reading->request->api != SGL_EMULATE_GENERATE)
        return SGL_OK;
    if (get_of(reading, "return_logprob", index, &asked) != SGL_OK ||
        get_of(reading, "logprob_start_len", index, &start) != SGL_OK ||
        get_of(reading, "top_logprobs_num", index, &top) != SGL_OK ||
        get_logprob_ids(reading, index, &ids) != SGL_OK)
        return SGL_EINVAL;
    if (asked != NULL && !json_is_boolean(asked))
        return sgl_fail(reading->failure, SGL_EINVAL, "return_logprob is neither true nor false");
    logprobs->is_asked = json_is_true(asked);
    if (read_whole(reading, start, "logprob_start_len", -1, SGL_EMULATE_TOKENS_MAX,
                   &logprobs->start) != SGL_OK ||
        read_whole(reading, top, "top_logprobs_num", 0, SGL_EMULATE_LOGPROBS_MAX, &top_count) !=
            SGL_OK)
        return SGL_EINVAL;
    logprobs->top = (uint32_t)top_count;
    return read_logprob_ids(reading, logprobs, ids);
}

/* ---- where two legs meet ------------------------------------------------------------------- */

static int read_room(const struct reading *reading, size_t index)
{
    struct sgl_emulate_meeting *meeting = &reading->request->parts[index].meeting;
    const json_t *room;

    if (get_of(reading, "bootstrap_room", index, &room) != SGL_OK)
        return SGL_EINVAL;
    if (room == NULL)
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "Disaggregated request received without bootstrap room id");
    if (read_whole(reading, room, "bootstrap_room", 0, INT64_MAX, &meeting->room) != SGL_OK)
        return SGL_EINVAL;
    /* One number for a batch is the first of many. */
    const int64_t offset =
        room == json_object_get(reading->root, "bootstrap_room") ? (int64_t)index : 0;
    if (meeting->room > INT64_MAX - offset)
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "bootstrap_room is out of range for a batch, expected at most %" PRId64,
                        INT64_MAX - offset);
    meeting->room += offset;
    return SGL_OK;
}

static int read_meeting(const struct reading *reading, size_t index)
{
    struct sgl_emulate_meeting *meeting = &reading->request->parts[index].meeting;
    const json_t *host;
    const json_t *port;
    int64_t number = SGL_EMULATE_NO_PORT;

    if (!reading->reader->is_paired)
        return SGL_OK;
    if (read_room(reading, index) != SGL_OK ||
        get_of(reading, "bootstrap_host", index, &host) != SGL_OK ||
        get_of(reading, "bootstrap_port", index, &port) != SGL_OK)
        return SGL_EINVAL;
    if (!json_is_string(host) || json_string_length(host) == 0 ||
        json_string_length(host) > SGL_EMULATE_HOST_MAX ||
        json_string_value(host)[strspn(json_string_value(host), HOST_CHARACTERS)] != '\0')
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "bootstrap_host is missing or no host, expected a name or an address");
    if (json_object_get(reading->root, "bootstrap_port") == NULL)
        return sgl_fail(reading->failure, SGL_EINVAL,
                        "bootstrap_port is missing, expected a port or null");
    if (read_whole(reading, port, "bootstrap_port", 0, UINT16_MAX, &number) != SGL_OK)
        return SGL_EINVAL;
    meeting->port = (int32_t)number;
    memcpy(meeting->host, json_string_value(host), json_string_length(host) + 1);
    return SGL_OK;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int read_stream(const struct reading *reading)
{
    struct sgl_emulate_request *request = reading->request;
    const json_t *stream = get(reading->root, "stream");
    const json_t *options = get(reading->root, "stream_options");

    if (stream != NULL && !json_is_boolean(stream))
        return sgl_fail(reading->failure, SGL_EINVAL, "stream is neither true nor false");
    request->is_streaming = json_is_true(stream);
    request->wants_usage = json_is_true(get(options, "include_usage"));
    return SGL_OK;
}

static int read_model(const struct reading *reading)
{
    const json_t *asked = get(reading->root, "model");

    if (asked != NULL && !json_is_string(asked))
        return sgl_fail(reading->failure, SGL_EINVAL, "model is no text");
    reading->request->model =
        quoted(asked != NULL ? json_string_value(asked) : reading->reader->model);
    return reading->request->model != NULL
               ? SGL_OK
               : sgl_fail(reading->failure, SGL_ENOMEM, "out of memory");
}

static int read_body(struct reading *reading)
{
    static int (*const steps[])(const struct reading *reading, size_t index) = {
        read_name, read_limit, read_logprobs, read_meeting, read_prompt};
    struct sgl_emulate_request *request = reading->request;
    int status = read_model(reading);

    if (status == SGL_OK)
        status = read_stream(reading);
    if (status == SGL_OK)
        status = count_parts(reading);
    if (status != SGL_OK)
        return status;
    request->parts = calloc(request->part_count, sizeof *request->parts);
    if (request->parts == NULL) {
        request->part_count = 0;
        return sgl_fail(reading->failure, SGL_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < request->part_count; i++)
        for (size_t step = 0; status == SGL_OK && step < sizeof steps / sizeof steps[0]; step++)
            status = steps[step](reading, i);
    return status;
}

int sgl_emulate_request_read(struct sgl_emulate_request *request,
                             const struct sgl_emulate_reader *reader, const char *body, size_t size,
                             struct sgl_failure *failure)
{
    json_error_t error;
    json_t *root = json_loadb(body, size, 0, &error);
    struct reading reading = {
        .reader = reader, .request = request, .root = root, .failure = failure};

    *request = (struct sgl_emulate_request){.api = reader->api};
    if (!json_is_object(root)) {
        json_decref(root);
        if (root == NULL)
            return sgl_fail(failure, SGL_EINVAL, "the body is no JSON: %s (line %d, column %d)",
                            error.text, error.line, error.column);
        return sgl_fail(failure, SGL_EINVAL, "the body is no JSON object");
    }
    const int status = read_body(&reading);
    json_decref(root);
    if (status != SGL_OK)
        sgl_emulate_request_release(request);
    return status;
}

void sgl_emulate_request_release(struct sgl_emulate_request *request)
{
    /* A batch that was refused for its size has a count and no parts. */
    for (size_t i = 0; request->parts != NULL && i < request->part_count; i++) {
        free(request->parts[i].id);
        free(request->parts[i].rid);
        sgl_emulate_prompt_release(&request->parts[i].prompt);
    }
    free(request->parts);
    free(request->model);
    *request = (struct sgl_emulate_request){0};
}
