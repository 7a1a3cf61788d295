#include "priority.h"

#include "json_scan.h"

#include <string.h>

static const char name[] = "\"priority\"";

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
    struct sgl_json_walk walk;
    struct sgl_json_part part;

    if (!sgl_json_walk_begin(&walk, body, size, 0) || walk.close != '}' ||
        !may_have_name(body, size))
        return false;
    size_t comma = walk.at - 1; /* before the member: a comma, or the bracket */
    while (sgl_json_walk_next(&walk, &part)) {
        const bool is_it = sgl_json_is_named(&walk, &part, "priority");
        const bool is_ended = body[walk.at] == ',' || body[walk.at] == '}';
        if (is_it && (!is_ended || body[part.value.begin] != '"'))
            return false;
        if (is_it) {
            member->priority = word_of(body, part.value.begin, part.value.end);
            if (member->priority == SGL_PRIORITY_COUNT)
                return false;
            choose_cut(body, comma, part.name.begin, walk.at, member);
            return true;
        }
        comma = walk.at;
    }
    return false;
}
