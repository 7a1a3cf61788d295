#include "priority.h"

#include <string.h>

static const char name[] = "\"priority\"";

static size_t skip_blank(const char *body, size_t size, size_t at)
{
    while (at < size &&
           (body[at] == ' ' || body[at] == '\t' || body[at] == '\n' || body[at] == '\r'))
        at++;
    return at;
}

/* `at` is a quote; behind its partner, or `size`. */
static size_t skip_text(const char *body, size_t size, size_t at)
{
    for (at++; at < size && body[at] != '"'; at++)
        at += body[at] == '\\';
    return at < size ? at + 1 : size;
}

/* Behind a member's value: at a comma or the closing bracket of the object it is in, or `size`. */
static size_t skip_value(const char *body, size_t size, size_t at)
{
    size_t depth = 0;

    while (at < size) {
        const char c = body[at];
        if (depth == 0 && (c == ',' || c == '}'))
            return at;
        if (c == '"') {
            at = skip_text(body, size, at);
            continue;
        }
        depth += c == '{' || c == '[';
        if (c == '}' || c == ']') {
            if (depth == 0)
                return size;
            depth--;
        }
        at++;
    }
    return size;
}

/* `at` and `end`: a text in quotes. */
static enum sgl_priority word_of(const char *body, size_t at, size_t end)
{
    for (int priority = 0; priority < SGL_PRIORITY_COUNT; priority++) {
        const char *word = sgl_priority_name((enum sgl_priority)priority);
        if (strlen(word) == end - at - 2 && memcmp(word, body + at + 1, end - at - 2) == 0)
            return (enum sgl_priority)priority;
    }
    return SGL_PRIORITY_COUNT;
}

/* The member from `begin` to `end`, with the comma behind it, or else the one before it. */
static void choose_cut(const char *body, size_t comma, size_t begin, size_t end,
                       struct sgl_priority_member *member)
{
    const bool has_comma_before = body[comma] == ',';

    member->begin = begin;
    member->end = end;
    if (body[end] == ',')
        member->end = end + 1;
    else if (has_comma_before)
        member->begin = comma;
}

/* Most bodies have no such word: from quote to quote, that is found out faster than by reading. */
static bool may_have_name(const char *body, size_t size)
{
    const char *end = body + size;
    const char *quote = body;

    while ((size_t)(end - quote) >= sizeof name - 1) {
        quote = memchr(quote, '"', (size_t)(end - quote) - (sizeof name - 2));
        if (quote == NULL)
            return false;
        if (memcmp(quote, name, sizeof name - 1) == 0)
            return true;
        quote++;
    }
    return false;
}

bool sgl_priority_find(const char *body, size_t size, struct sgl_priority_member *member)
{
    const size_t name_size = sizeof name - 1;
    size_t at = skip_blank(body, size, 0);

    if (at >= size || body[at] != '{' || !may_have_name(body, size))
        return false;
    while (at < size && (body[at] == '{' || body[at] == ',')) {
        const size_t comma = at;
        const size_t begin = skip_blank(body, size, at + 1);
        if (begin >= size || body[begin] != '"')
            return false;
        const size_t key_end = skip_text(body, size, begin);
        const size_t colon = skip_blank(body, size, key_end);
        if (colon >= size || body[colon] != ':')
            return false;
        const size_t value = skip_blank(body, size, colon + 1);
        at = skip_value(body, size, value);
        if (key_end - begin != name_size || memcmp(body + begin, name, name_size) != 0)
            continue;
        if (at >= size || body[value] != '"')
            return false;
        const size_t value_end = skip_text(body, size, value);
        member->priority = word_of(body, value, value_end);
        if (member->priority == SGL_PRIORITY_COUNT || skip_blank(body, size, value_end) != at)
            return false;
        choose_cut(body, comma, begin, at, member);
        return true;
    }
    return false;
}
