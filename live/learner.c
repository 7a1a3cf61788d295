#include "learner.h"

#include "core/absent.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define OBJECT_MAX SGL_LEARNER_KEPT
#define DEPTH_MAX 32

void sgl_learner_begin(struct sgl_learner *learner, bool is_stream)
{
    learner->is_stream = is_stream;
    sgl_buffer_clear(&learner->end, 2 * SGL_LEARNER_KEPT);
}

void sgl_learner_take(struct sgl_learner *learner, const char *bytes, size_t size)
{
    struct sgl_buffer *end = &learner->end;

    if (size >= SGL_LEARNER_KEPT) {
        bytes += size - SGL_LEARNER_KEPT;
        size = SGL_LEARNER_KEPT;
        end->size = 0;
    } else if (end->size + size > 2 * SGL_LEARNER_KEPT) {
        memmove(end->bytes, end->bytes + end->size - SGL_LEARNER_KEPT, SGL_LEARNER_KEPT);
        end->size = SGL_LEARNER_KEPT;
    }
    sgl_buffer_append(end, bytes, size);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The size of the object that begins at `at`, or 0 when it does not end before `end`, or is nested
 * deeper than anything we look for. */
static size_t object_size(const char *at, const char *end)
{
    int depth = 0;
    bool is_string = false;

    for (const char *c = at; c < end; c++) {
        if (is_string) {
            if (*c == '\\')
                c++;
            else if (*c == '"')
                is_string = false;
        } else if (*c == '"') {
            is_string = true;
        } else if (*c == '{' || *c == '[') {
            if (++depth > DEPTH_MAX)
                return 0;
        } else if ((*c == '}' || *c == ']') && --depth == 0) {
            return (size_t)(c - at) + 1;
        }
    }
    return 0;
}

/* The last `"key": {...}` in the text, parsed; NULL when there is none. */
static json_t *last_object(const char *text, size_t size, const char *key)
{
    const size_t key_size = strlen(key);
    const char *end = text + size;

    if (size < key_size)
        return NULL;
    for (const char *at = end - key_size; at >= text; at--) {
        if (*at != '"' || memcmp(at, key, key_size) != 0)
            continue;
        const char *c = at + key_size;
        while (c < end && is_blank(*c))
            c++;
        if (c == end || *c != ':')
            continue;
        c++;
        while (c < end && is_blank(*c))
            c++;
        if (c == end || *c != '{')
            continue;
        const size_t length = object_size(c, end);
        json_t *object = length == 0 ? NULL : json_loadb(c, length, JSON_DECODE_INT_AS_REAL, NULL);
        if (object != NULL)
            return object;
    }
    return NULL;
}

static void read_count(const json_t *object, const char *key, int64_t *count)
{
    const json_t *value = json_object_get(object, key);

    const double number = json_number_value(value);

    if (json_is_number(value) && number >= 0 && number <= 0x1p53 && floor(number) == number)
        *count = (int64_t)number;
}

static void read_queue_time(const json_t *meta, struct sgl_outcome *outcome)
{
    const json_t *whole = json_object_get(meta, "queue_time");
    const json_t *start = json_object_get(meta, "queue_time_start");
    const json_t *end = json_object_get(meta, "queue_time_end");
    double seconds = NAN;

    if (json_is_number(whole))
        seconds = json_number_value(whole);
    else if (json_is_number(start) && json_is_number(end))
        seconds = json_number_value(end) - json_number_value(start);
    if (seconds >= 0 && seconds < 1e9)
        outcome->queue_time_ns = llround(seconds * 1e9);
}

static void read_counts(const char *text, size_t size, struct sgl_outcome *outcome)
{
    json_t *meta = last_object(text, size, "\"meta_info\"");

    if (meta != NULL) {
        read_count(meta, "prompt_tokens", &outcome->prompt_tokens);
        read_count(meta, "completion_tokens", &outcome->output_tokens);
        read_count(meta, "cached_tokens", &outcome->cached_tokens);
        read_count(meta, "queue_length", &outcome->queue_length);
        read_queue_time(meta, outcome);
        json_decref(meta);
        return;
    }
    json_t *usage = last_object(text, size, "\"usage\"");
    if (usage != NULL) {
        read_count(usage, "prompt_tokens", &outcome->prompt_tokens);
        read_count(usage, "completion_tokens", &outcome->output_tokens);
        read_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens",
                   &outcome->cached_tokens);
        json_decref(usage);
    }
}

/* The data of the last event before `end`, [DONE] not counted; its size goes to *size_out. NULL:
 * there is none in what was kept. */
static const char *last_event(const char *text, const char *end, size_t *size_out,
                              bool *is_done_out)
{
    *is_done_out = false;
    while (end > text) {
        const char *line = end;
        while (line > text && line[-1] != '\n')
            line--;
        if (end - line >= 5 && memcmp(line, "data:", 5) == 0) {
            const char *data = line + 5;
            const char *stop = end;
            while (data < stop && is_blank(*data))
                data++;
            while (stop > data && is_blank(stop[-1]))
                stop--;
            *size_out = (size_t)(stop - data);
            if (*size_out != 6 || memcmp(data, "[DONE]", 6) != 0)
                return data;
            *is_done_out = true;
        }
        end = line > text ? line - 1 : text;
    }
    return NULL;
}

static bool has_finish_reason(const json_t *event)
{
    const json_t *choice = json_array_get(json_object_get(event, "choices"), 0);
    const json_t *holder = choice != NULL ? choice : json_object_get(event, "meta_info");
    const json_t *reason = json_object_get(holder, "finish_reason");

    return reason != NULL && !json_is_null(reason);
}

const char *sgl_learner_end(struct sgl_learner *learner, struct sgl_outcome *outcome)
{
    const char *text = learner->end.bytes;
    const size_t size = learner->end.has_failed ? 0 : learner->end.size;
    size_t event_size;
    bool is_done;

    if (size == 0)
        return learner->is_stream ? "no_done" : NULL;
    read_counts(text, size, outcome);
    if (!learner->is_stream)
        return NULL;
    const char *data = last_event(text, text + size, &event_size, &is_done);
    if (data == NULL)
        return is_done ? NULL : "no_done";
    json_t *event = json_loadb(data, event_size, JSON_DECODE_INT_AS_REAL, NULL);
    const json_t *error = json_object_get(event, "error");
    const char *word = NULL;
    if (error != NULL && !json_is_null(error))
        word = "error_event";
    else if (!is_done && !has_finish_reason(event))
        word = "no_done";
    json_decref(event);
    return word;
}

void sgl_learner_release(struct sgl_learner *learner)
{
    sgl_buffer_release(&learner->end);
}
