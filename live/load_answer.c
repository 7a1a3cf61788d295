#include "load_answer.h"

#include "core/absent.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MOST ((size_t)64 * 1024 * 1024)

void sgl_load_answer_begin(struct sgl_load_answer *answer, const struct sgl_load_options *options)
{
    *answer = (struct sgl_load_answer){
        .options = options,
        .first_token_ns = SGL_ABSENT,
        .last_token_ns = SGL_ABSENT,
        .prompt_tokens = SGL_ABSENT,
        .cached_tokens = SGL_ABSENT,
        .server_created_s = NAN,
        .queue_start_s = NAN,
        .queue_end_s = NAN,
    };
}

void sgl_load_answer_release(struct sgl_load_answer *answer)
{
    free(answer->text);
    answer->text = NULL;
}

static void read_count(const json_t *object, const char *key, int64_t *count)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *count = json_integer_value(value);
}

static void read_stamp(const json_t *object, const char *key, double *seconds)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_number(value))
        *seconds = json_number_value(value);
}

/* finish_reason: a text (OpenAI), or an object with a type (SGLang); null while it goes on. */
static void read_reason(struct sgl_load_answer *answer, const json_t *object)
{
    const json_t *reason = json_object_get(object, "finish_reason");
    const json_t *type = json_is_object(reason) ? json_object_get(reason, "type") : reason;

    if (!json_is_string(type))
        return;
    answer->is_finished = true;
    if (strcmp(json_string_value(type), "abort") == 0)
        answer->error = "abort";
}

/* `count` tokens arrived together. */
static void add_tokens(struct sgl_load_answer *answer, int64_t count, int64_t now_ns)
{
    const bool is_first = answer->first_token_ns == SGL_ABSENT;

    if (count < 1)
        return;
    if (is_first)
        answer->first_token_ns = now_ns;
    /* Tokens that came with the first one had no gap of their own that could be seen. */
    else if (answer->options->gap != NULL)
        answer->options->gap(answer->options->context, (now_ns - answer->last_token_ns) / count,
                             count);
    answer->last_token_ns = now_ns;
    answer->output_tokens += count;
}

static void read_generate(struct sgl_load_answer *answer, const json_t *event, int64_t now_ns)
{
    const json_t *meta = json_object_get(event, "meta_info");
    int64_t tokens = answer->output_tokens;

    if (!json_is_object(meta)) {
        answer->error = "malformed";
        return;
    }
    answer->has_text |= json_string_length(json_object_get(event, "text")) > 0;
    read_count(meta, "completion_tokens", &tokens);
    read_count(meta, "prompt_tokens", &answer->prompt_tokens);
    read_count(meta, "cached_tokens", &answer->cached_tokens);
    read_stamp(meta, "server_created_time", &answer->server_created_s);
    read_stamp(meta, "queue_time_start", &answer->queue_start_s);
    read_stamp(meta, "queue_time_end", &answer->queue_end_s);
    read_reason(answer, meta);
    if (answer->options->is_streaming)
        add_tokens(answer, tokens - answer->output_tokens, now_ns);
    else
        answer->output_tokens = tokens;
}

static void read_openai(struct sgl_load_answer *answer, const json_t *event, int64_t now_ns)
{
    const json_t *usage = json_object_get(event, "usage");
    const json_t *choices = json_object_get(event, "choices");
    const json_t *choice = json_array_get(choices, 0);
    const json_t *message =
        json_object_get(choice, answer->options->is_streaming ? "delta" : "message");
    const json_t *text =
        message != NULL ? json_object_get(message, "content") : json_object_get(choice, "text");

    if (!json_is_array(choices)) {
        answer->error = "malformed";
        return;
    }
    read_reason(answer, choice);
    if (json_string_length(text) > 0) {
        answer->has_text = true;
        if (answer->options->is_streaming)
            add_tokens(answer, 1, now_ns);
    }
    if (!json_is_object(usage))
        return;
    read_count(usage, "prompt_tokens", &answer->prompt_tokens);
    read_count(usage, "completion_tokens", &answer->output_tokens);
    read_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens",
               &answer->cached_tokens);
}

static void read_event(struct sgl_load_answer *answer, const char *text, size_t size,
                       int64_t now_ns)
{
    json_t *event = json_loadb(text, size, 0, NULL);

    if (!json_is_object(event))
        answer->error = "malformed";
    else if (json_object_get(event, "error") != NULL &&
             !json_is_null(json_object_get(event, "error")))
        answer->error = "error_event";
    else if (answer->options->api == SGL_LOAD_GENERATE)
        read_generate(answer, event, now_ns);
    else
        read_openai(answer, event, now_ns);
    json_decref(event);
}

/* One line of an event stream. Comments, other fields and empty lines say nothing of tokens. */
static void read_line(struct sgl_load_answer *answer, const char *line, size_t size, int64_t now_ns)
{
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size < 5 || memcmp(line, "data:", 5) != 0 || answer->error != NULL)
        return;
    line += 5;
    size -= 5;
    if (size > 0 && line[0] == ' ') {
        line++;
        size--;
    }
    if (size == 6 && memcmp(line, "[DONE]", 6) == 0)
        answer->is_finished = true;
    else
        read_event(answer, line, size, now_ns);
}

static void read_lines(struct sgl_load_answer *answer, size_t fresh, int64_t now_ns)
{
    const char *at = answer->text;
    const char *const end = answer->text + answer->size;
    const char *look = answer->text + fresh; /* before it there is no end of line */
    const char *newline;

    while ((newline = memchr(look, '\n', (size_t)(end - look))) != NULL) {
        read_line(answer, at, (size_t)(newline - at), now_ns);
        at = look = newline + 1;
    }
    answer->size = (size_t)(end - at);
    memmove(answer->text, at, answer->size);
}

int sgl_load_answer_take(struct sgl_load_answer *answer, const char *bytes, size_t size,
                         int64_t now_ns)
{
    const size_t fresh = answer->size;

    if (size > TEXT_MOST - answer->size) {
        answer->error = "malformed";
        return SGL_OK;
    }
    if (size > answer->capacity - answer->size || answer->text == NULL) {
        const size_t capacity = 2 * (answer->size + size) + 1024;
        char *grown = realloc(answer->text, capacity);
        if (grown == NULL)
            return SGL_ENOMEM;
        answer->text = grown;
        answer->capacity = capacity;
    }
    memcpy(answer->text + answer->size, bytes, size);
    answer->size += size;
    if (answer->options->is_streaming)
        read_lines(answer, fresh, now_ns);
    return SGL_OK;
}

void sgl_load_answer_end(struct sgl_load_answer *answer, int64_t now_ns)
{
    if (!answer->options->is_streaming && answer->error == NULL) {
        read_event(answer, answer->text != NULL ? answer->text : "", answer->size, now_ns);
        answer->last_token_ns = now_ns;
    }
    if (answer->error == NULL && !answer->is_finished)
        answer->error = "cut";
}
