#include "sim/ini_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 40 /* bytes of the file that a message repeats */

static int shown(struct sgl_span span)
{
    return span.length > SHOWN_MAX ? SHOWN_MAX : (int)span.length;
}

int sgl_ini_fail(const char *file, struct sgl_ini_place place, struct sgl_failure *failure,
                 int code, const char *format, ...)
{
    char text[sizeof failure->text];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return sgl_fail(failure, code, "%s:%u:%u: %s", file, place.line, place.column, text);
}

const struct sgl_ini_entry *sgl_ini_find(const struct sgl_ini_section *section, const char *key)
{
    for (uint32_t i = 0; i < section->entry_count; i++)
        if (sgl_span_is(section->entries[i].key, key))
            return &section->entries[i];
    return NULL;
}

/* The line at `at` without its comment, and how long it is with it. */
static struct sgl_span line_at(const char *at, size_t *length_out)
{
    const size_t length = strcspn(at, "\n");
    const size_t kept = strcspn(at, "#\n");

    *length_out = length + (at[length] == '\n');
    return sgl_span_trimmed(at, kept);
}

/* "[name]" */
static int read_header(const struct sgl_ini_reader *reader, struct sgl_span line,
                       struct sgl_ini_section *section, struct sgl_failure *failure)
{
    *section =
        (struct sgl_ini_section){.place = {reader->line, 1 + (uint32_t)(line.text - reader->at)}};
    if (line.text[line.length - 1] == ']')
        section->name = sgl_span_trimmed(line.text + 1, line.length - 2);
    if (section->name.length == 0)
        return sgl_ini_fail(reader->file, section->place, failure, SGL_EINVAL,
                            "'%.*s', expected [name]", shown(line), line.text);
    return SGL_OK;
}

static int read_entry(const struct sgl_ini_reader *reader, struct sgl_span line,
                      struct sgl_ini_section *section, struct sgl_failure *failure)
{
    const struct sgl_ini_place place = {reader->line, 1 + (uint32_t)(line.text - reader->at)};
    const char *equals = memchr(line.text, '=', line.length);
    struct sgl_ini_entry entry = {.key_place = place};

    if (equals == NULL)
        return sgl_ini_fail(reader->file, place, failure, SGL_EINVAL,
                            "'%.*s', expected key = value", shown(line), line.text);
    entry.key = sgl_span_trimmed(line.text, (size_t)(equals - line.text));
    entry.value = sgl_span_trimmed(equals + 1, line.length - (size_t)(equals - line.text) - 1);
    entry.value_place =
        (struct sgl_ini_place){reader->line, 1 + (uint32_t)(entry.value.text - reader->at)};
    if (entry.key.length == 0 || entry.value.length == 0)
        return sgl_ini_fail(reader->file, place, failure, SGL_EINVAL,
                            "nothing %s '=', expected key = value",
                            entry.key.length == 0 ? "before" : "after");
    for (uint32_t i = 0; i < section->entry_count; i++)
        if (section->entries[i].key.length == entry.key.length &&
            memcmp(section->entries[i].key.text, entry.key.text, entry.key.length) == 0)
            return sgl_ini_fail(reader->file, place, failure, SGL_EINVAL,
                                "%.*s given twice, also in line %u, expected once",
                                shown(entry.key), entry.key.text,
                                section->entries[i].key_place.line);
    if (section->entry_count == SGL_INI_ENTRY_MAX)
        return sgl_ini_fail(reader->file, place, failure, SGL_EINVAL,
                            "entry %d of its section, expected at most %d", SGL_INI_ENTRY_MAX + 1,
                            SGL_INI_ENTRY_MAX);
    section->entries[section->entry_count++] = entry;
    return SGL_OK;
}

int sgl_ini_next(struct sgl_ini_reader *reader, struct sgl_ini_section *section,
                 struct sgl_failure *failure)
{
    bool is_open = false;

    while (*reader->at != '\0') {
        size_t length;
        const struct sgl_span line = line_at(reader->at, &length);
        const bool is_header = line.length > 0 && line.text[0] == '[';
        int status = SGL_OK;
        if (is_header && is_open)
            return 1;
        reader->line++;
        if (is_header)
            status = read_header(reader, line, section, failure);
        else if (line.length > 0 && !is_open)
            status = sgl_ini_fail(
                reader->file,
                (struct sgl_ini_place){reader->line, 1 + (uint32_t)(line.text - reader->at)},
                failure, SGL_EINVAL, "'%.*s' before the first section, expected [name]",
                shown(line), line.text);
        else if (line.length > 0)
            status = read_entry(reader, line, section, failure);
        if (status != SGL_OK)
            return status;
        is_open = is_open || is_header;
        reader->at += length;
    }
    return is_open ? 1 : 0;
}
