#include "jsonl_parser.h"

#include "core/parameters.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(SGL_JSONL_NUMBER_MAX >= SGL_REAL_TEXT_MAX, "a number's text has room");

static int fail_at(const struct sgl_jsonl_parser *self, uint64_t column, const char *what,
                   struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_EINVAL, "%s:%llu:%llu: %s", self->bytes->name,
                    (unsigned long long)self->line, (unsigned long long)column, what);
}

static int append(struct sgl_jsonl_parser *self, const unsigned char *bytes, size_t size,
                  struct sgl_failure *failure)
{
    const size_t needed = self->size + size;

    if (needed > self->line_size_max)
        return sgl_fail(failure, SGL_EINVAL, "%s:%llu: line of more than %zu MiB, expected less",
                        self->bytes->name, (unsigned long long)self->line,
                        self->line_size_max / 1024 / 1024);
    if (size == 0)
        return 0;
    if (needed > self->capacity) {
        char *grown = realloc(self->text, needed * 2);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s:%llu: no memory for the line",
                            self->bytes->name, (unsigned long long)self->line);
        self->text = grown;
        self->capacity = needed * 2;
    }
    memcpy(self->text + self->size, bytes, size);
    self->size = needed;
    return 0;
}

/* Gathers one line, without its LF. 1; 0: there is none; negative: failure. */
static int read_line(struct sgl_jsonl_parser *self, struct sgl_failure *failure)
{
    struct sgl_bytes *bytes = self->bytes;
    bool has_some = false;

    self->size = 0;
    self->line++;
    for (;;) {
        if (bytes->at == bytes->end) {
            const int more = sgl_bytes_more(bytes, failure);
            if (more < 0)
                return more;
            if (more == 0)
                return has_some;
        }
        has_some = true;
        const size_t left = (size_t)(bytes->end - bytes->at);
        const unsigned char *feed = memchr(bytes->at, '\n', left);
        const size_t size = feed != NULL ? (size_t)(feed - bytes->at) : left;
        const int code = append(self, bytes->at, size, failure);
        if (code < 0)
            return code;
        bytes->at += size + (feed != NULL);
        if (feed != NULL)
            return 1;
    }
}

static bool is_blank(const struct sgl_jsonl_parser *self)
{
    for (size_t i = 0; i < self->size; i++)
        if (memchr(" \t\r", self->text[i], 3) == NULL)
            return false;
    return true;
}

/* Measures the depth, and notes the places of the outer object's names: texts at depth 1 that come
 * after '{' or ','. What is no JSON at all is left to jansson to say. */
static int survey(struct sgl_jsonl_parser *self, struct sgl_failure *failure)
{
    size_t depth = 0;
    bool expects_name = false;

    self->name_count = 0;
    for (size_t i = 0; i < self->size; i++) {
        const char c = self->text[i];
        if (c == '"') {
            const size_t start = ++i;
            while (i < self->size && self->text[i] != '"')
                i += self->text[i] == '\\' ? 2 : 1;
            if (depth == 1 && expects_name && i < self->size &&
                self->name_count < SGL_JSONL_NAMES_MAX)
                self->names[self->name_count++] =
                    (struct sgl_jsonl_name){.offset = start, .size = i - start};
            expects_name = false;
        } else if (c == '{' || c == '[') {
            if (++depth > SGL_JSONL_DEPTH_MAX)
                return fail_at(self, i + 1, "more than 16 deep, expected less", failure);
            expects_name = true;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ',') {
            expects_name = true;
        }
    }
    return 0;
}

int sgl_jsonl_next(struct sgl_jsonl_parser *self, struct sgl_failure *failure)
{
    json_error_t error;
    char what[200];
    char excerpt[SGL_EXCERPT_MAX];
    int code;

    json_decref(self->object);
    self->object = NULL;
    do {
        code = read_line(self, failure);
        if (code <= 0)
            return code;
    } while (is_blank(self));
    code = survey(self, failure);
    if (code < 0)
        return code;
    self->object = json_loadb(self->text, self->size, JSON_REJECT_DUPLICATES, &error);
    if (self->object != NULL && json_is_object(self->object))
        return 1;
    if (self->object != NULL)
        return fail_at(self, 1, "is no JSON object, expected {...}", failure);
    if (json_error_code(&error) == json_error_out_of_memory)
        return sgl_fail(failure, SGL_ENOMEM, "%s:%llu: no memory for the line", self->bytes->name,
                        (unsigned long long)self->line);
    snprintf(what, sizeof what, "is no JSON (%s), expected one object a line",
             sgl_excerpt(error.text, strlen(error.text), excerpt));
    return fail_at(self, error.position > 0 ? (uint64_t)error.position : 1, what, failure);
}

uint64_t sgl_jsonl_column(const struct sgl_jsonl_parser *self, const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; i < self->name_count; i++)
        if (self->names[i].size == size &&
            memcmp(self->text + self->names[i].offset, name, size) == 0)
            return self->names[i].offset + 1;
    return 1;
}

bool sgl_jsonl_cell(const json_t *value, char number[static SGL_JSONL_NUMBER_MAX],
                    struct sgl_raw_cell *cell)
{
    cell->text = NULL;
    cell->size = 0;
    switch (json_typeof(value)) {
    case JSON_NULL:
        return true;
    case JSON_TRUE:
        cell->text = "true";
        break;
    case JSON_FALSE:
        cell->text = "false";
        break;
    case JSON_INTEGER:
        snprintf(number, SGL_JSONL_NUMBER_MAX, "%lld", (long long)json_integer_value(value));
        cell->text = number;
        break;
    case JSON_REAL:
        cell->text = sgl_real_text(json_real_value(value), number);
        break;
    case JSON_STRING:
        cell->text = json_string_value(value);
        cell->size = json_string_length(value);
        return true;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return false;
    }
    cell->size = strlen(cell->text);
    return true;
}

int sgl_jsonl_fail(const struct sgl_jsonl_parser *self, const char *name, const char *what,
                   struct sgl_failure *failure)
{
    char text[200];

    snprintf(text, sizeof text, "%s %s", name, what);
    return fail_at(self, sgl_jsonl_column(self, name), text, failure);
}

bool sgl_jsonl_head_has(const struct sgl_bytes *bytes, const char *name)
{
    const char *at = (const char *)bytes->at;
    const char *end = (const char *)bytes->end;
    const size_t size = strlen(name);

    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    if (at == end || *at != '{')
        return false;
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    for (end = feed != NULL ? feed : end; (size_t)(end - at) >= size + 2; at++) {
        at = memchr(at, '"', (size_t)(end - at) - size - 1);
        if (at == NULL)
            return false;
        if (at[size + 1] == '"' && memcmp(at + 1, name, size) == 0)
            return true;
    }
    return false;
}

void sgl_jsonl_release(struct sgl_jsonl_parser *self)
{
    json_decref(self->object);
    free(self->text);
    self->object = NULL;
    self->text = NULL;
}
