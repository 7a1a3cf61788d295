#include "bootstrap.h"

#include "core/rng.h"
#include "json_scan.h"

#include <inttypes.h>
#include <string.h>

/* Members of the list in `value`; *first_out is the first byte of the first one. */
static size_t count_members(const char *body, const struct sgl_json_span *value, char *first_out)
{
    struct sgl_json_walk walk;
    struct sgl_json_part part;
    size_t count = 0;

    *first_out = '\0';
    if (!sgl_json_walk_begin(&walk, body, value->end, value->begin))
        return 0;
    while (sgl_json_walk_next(&walk, &part)) {
        if (count++ == 0)
            *first_out = body[part.value.begin];
    }
    return count;
}

/* What the batch is counted by: the last member of each name, as parsers take it. */
struct prompts {
    struct sgl_json_span text;
    struct sgl_json_span input_ids;
    struct sgl_json_span prompt;
};

/* True, with the number of requests, when the body is a batch. */
static bool is_batch(const char *body, const struct prompts *prompts, size_t *count_out)
{
    const struct sgl_json_span *const spans[] = {&prompts->text, &prompts->input_ids,
                                                 &prompts->prompt};

    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        char first;
        const char kind = (char)(spans[i]->end > 0 ? body[spans[i]->begin] : 'n');
        if (kind == 'n')
            continue; /* not there, or null */
        if (kind != '[')
            return false;
        *count_out = count_members(body, spans[i], &first);
        return spans[i] == &prompts->text || first == '[' || first == '"';
    }
    return false;
}

static void add_host(struct sgl_buffer *out, const struct sgl_bootstrap *bootstrap)
{
    sgl_buffer_append_text(out, "\"");
    for (const char *c = bootstrap->host; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            sgl_buffer_append(out, "\\", 1);
        sgl_buffer_append(out, c, 1);
    }
    sgl_buffer_append_text(out, "\"");
}

static void add_port(struct sgl_buffer *out, const struct sgl_bootstrap *bootstrap)
{
    if (bootstrap->port == SGL_BOOTSTRAP_NO_PORT)
        sgl_buffer_append_text(out, "null");
    else
        sgl_buffer_format(out, "%" PRId32, bootstrap->port);
}

static void add_fields(struct sgl_buffer *out, const struct sgl_bootstrap *bootstrap, bool is_list,
                       size_t count)
{
    struct sgl_rng rooms =
        sgl_rng_stream(bootstrap->room_key, SGL_PURPOSE_ROOM, 0, bootstrap->request, 0);
    const char *open = is_list ? "[" : "";
    const char *close = is_list ? "]" : "";

    sgl_buffer_format(out, "\"bootstrap_host\":%s", open);
    for (size_t i = 0; i < count; i++) {
        sgl_buffer_append_text(out, i > 0 ? "," : "");
        add_host(out, bootstrap);
    }
    sgl_buffer_format(out, "%s,\"bootstrap_port\":%s", close, open);
    for (size_t i = 0; i < count; i++) {
        sgl_buffer_append_text(out, i > 0 ? "," : "");
        add_port(out, bootstrap);
    }
    sgl_buffer_format(out, "%s,\"bootstrap_room\":%s", close, open);
    for (size_t i = 0; i < count; i++)
        sgl_buffer_format(out, "%s%" PRIu64, i > 0 ? "," : "", sgl_rng_next(&rooms) >> 1);
    sgl_buffer_append_text(out, close);
}

int sgl_bootstrap_find(struct sgl_bootstrap_place *place, const char *body, size_t body_size,
                       struct sgl_failure *failure)
{
    struct sgl_json_walk walk;
    struct sgl_json_part part;
    struct prompts prompts = {0};

    *place = (struct sgl_bootstrap_place){.is_empty = true, .count = 1};
    if (!sgl_json_walk_begin(&walk, body, body_size, 0) || walk.close != '}')
        return sgl_fail(failure, SGL_EINVAL, "the body is not a JSON object");
    while (sgl_json_walk_next(&walk, &part)) {
        place->is_empty = false;
        if (sgl_json_is_named(&walk, &part, "text"))
            prompts.text = part.value;
        else if (sgl_json_is_named(&walk, &part, "input_ids"))
            prompts.input_ids = part.value;
        else if (sgl_json_is_named(&walk, &part, "prompt"))
            prompts.prompt = part.value;
    }
    if (!walk.is_whole || sgl_json_skip_blank(body, body_size, walk.at) != body_size)
        return sgl_fail(failure, SGL_EINVAL, "the body is not a JSON object (byte %zu)", walk.at);
    place->at = walk.at - 1;
    place->is_batch = is_batch(body, &prompts, &place->count);
    if (!place->is_batch)
        place->count = 1;
    if (place->count > SGL_BOOTSTRAP_BATCH_MAX)
        return sgl_fail(failure, SGL_EINVAL, "a batch of %zu requests, expected at most %d",
                        place->count, SGL_BOOTSTRAP_BATCH_MAX);
    return SGL_OK;
}

bool sgl_bootstrap_write(struct sgl_buffer *out, const char *body, size_t body_size,
                         const struct sgl_bootstrap_place *place,
                         const struct sgl_bootstrap *bootstrap)
{
    sgl_buffer_append(out, body, place->at);
    sgl_buffer_append_text(out, place->is_empty ? "" : ",");
    add_fields(out, bootstrap, place->is_batch, place->count);
    sgl_buffer_append(out, body + place->at, body_size - place->at);
    return !out->has_failed;
}

static bool is_true(const char *body, const struct sgl_json_span *value)
{
    return value->end - value->begin == 4 && memcmp(body + value->begin, "true", 4) == 0;
}

bool sgl_bootstrap_wants_logprobs(const char *body, size_t body_size)
{
    struct sgl_json_span value;
    struct sgl_json_walk walk;
    struct sgl_json_part part;

    if (!sgl_json_member(body, body_size, 0, "return_logprob", &value))
        return false;
    if (is_true(body, &value))
        return true;
    if (!sgl_json_walk_begin(&walk, body, value.end, value.begin))
        return false;
    while (sgl_json_walk_next(&walk, &part))
        if (is_true(body, &part.value))
            return true;
    return false;
}
