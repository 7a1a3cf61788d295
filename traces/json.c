#include "json.h"

#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE_SIZE 4 /* \\xNN */
#define TEXT_FIRST 4096

/* Bytes of the character that begins there, or 0: none does. */
static size_t character_size(const char *text)
{
    struct sgl_utf8 state = {0};
    size_t size = 0;

    do {
        if (text[size] == '\0' || !sgl_utf8_step(&state, (unsigned char)text[size]))
            return 0;
        size++;
    } while (state.missing > 0);
    return size;
}

json_t *sgl_json_text(const char *text)
{
    char *escaped = malloc(ESCAPE_SIZE * strlen(text) + 1);
    size_t length = 0;

    if (escaped == NULL)
        return NULL;
    while (*text != '\0') {
        const size_t size = character_size(text);
        if (size > 0)
            memcpy(escaped + length, text, size);
        else
            snprintf(escaped + length, ESCAPE_SIZE + 1, "\\x%02x", (unsigned)(unsigned char)*text);
        length += size > 0 ? size : ESCAPE_SIZE;
        text += size > 0 ? size : 1;
    }
    json_t *value = json_stringn(escaped, length);
    free(escaped);
    return value;
}

json_t *sgl_json_real(double value)
{
    return isfinite(value) ? json_real(value + 0.0) : json_null();
}

static bool is_added(json_t *container, int status)
{
    if (status == 0)
        return true;
    json_decref(container);
    return false;
}

bool sgl_json_set(json_t *container, const char *key, json_t *value)
{
    return is_added(container, json_object_set_new(container, key, value));
}

bool sgl_json_append(json_t *container, json_t *value)
{
    return is_added(container, json_array_append_new(container, value));
}

struct text {
    char *bytes;
    size_t used;
    size_t room;
    bool has_failed;
};

static int append(const char *bytes, size_t size, void *context)
{
    struct text *text = context;

    if (text->has_failed || size >= text->room - text->used) {
        const size_t room = 2 * (text->room + size);
        char *grown = text->has_failed ? NULL : realloc(text->bytes, room);
        text->has_failed = grown == NULL;
        if (grown == NULL)
            return -1;
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->used, bytes, size);
    text->used += size;
    text->bytes[text->used] = '\0';
    return 0;
}

/* The value and what follows it, as text. */
static char *dump(json_t *root, size_t flags, const char *end)
{
    struct text text = {.bytes = malloc(TEXT_FIRST), .room = TEXT_FIRST};

    text.has_failed =
        root == NULL || text.bytes == NULL ||
        json_dump_callback(root, append, &text, flags | JSON_REAL_PRECISION(17)) != 0 ||
        append(end, strlen(end), &text) != 0 || text.has_failed;
    json_decref(root);
    if (!text.has_failed)
        return text.bytes;
    free(text.bytes);
    return NULL;
}

char *sgl_json_format(json_t *root)
{
    return dump(root, JSON_INDENT(2), "\n");
}

char *sgl_json_line(json_t *root)
{
    return dump(root, JSON_COMPACT | JSON_ENCODE_ANY, "");
}

bool sgl_json_print(FILE *out, json_t *root)
{
    char *text = sgl_json_format(root);

    if (text == NULL)
        return false;
    fputs(text, out);
    free(text);
    return true;
}
