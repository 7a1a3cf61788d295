#include "json_scan.h"

#include <string.h>

size_t sgl_json_skip_blank(const char *text, size_t size, size_t at)
{
    while (at < size &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        at++;
    return at;
}

/* `at` is a quote; behind its partner, or `size`. A quote is none behind an odd number of
 * backslashes; most texts have neither, and are passed in one jump. */
static size_t skip_text(const char *text, size_t size, size_t at)
{
    const size_t begin = at + 1;

    for (at = begin; at < size; at++) {
        const char *quote = memchr(text + at, '"', size - at);
        if (quote == NULL)
            return size;
        at = (size_t)(quote - text);
        size_t slashes = 0;
        while (at - slashes > begin && text[at - slashes - 1] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return at + 1;
    }
    return size;
}

/* Behind a value: at the comma, bracket or end that follows it. */
static size_t skip_value(const char *text, size_t size, size_t at)
{
    size_t depth = 0;

    while (at < size) {
        const char c = text[at];
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return at;
        if (c == '"') {
            at = skip_text(text, size, at);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return size;
}

bool sgl_json_walk_begin(struct sgl_json_walk *walk, const char *text, size_t size, size_t begin)
{
    const size_t at = sgl_json_skip_blank(text, size, begin);

    if (at >= size || (text[at] != '{' && text[at] != '['))
        return false;
    *walk = (struct sgl_json_walk){.text = text,
                                   .size = size,
                                   .at = at + 1,
                                   .close = text[at] == '{' ? '}' : ']',
                                   .is_first = true};
    return true;
}

/* The name and the colon behind it. False: that is not what is there. */
static bool read_name(struct sgl_json_walk *walk, struct sgl_json_part *part)
{
    if (walk->at >= walk->size || walk->text[walk->at] != '"')
        return false;
    part->name.begin = walk->at;
    part->name.end = skip_text(walk->text, walk->size, walk->at);
    walk->at = sgl_json_skip_blank(walk->text, walk->size, part->name.end);
    if (walk->at >= walk->size || walk->text[walk->at] != ':')
        return false;
    walk->at = sgl_json_skip_blank(walk->text, walk->size, walk->at + 1);
    return true;
}

bool sgl_json_walk_next(struct sgl_json_walk *walk, struct sgl_json_part *part)
{
    const char *text = walk->text;

    if (walk->is_whole)
        return false;
    walk->at = sgl_json_skip_blank(text, walk->size, walk->at);
    if (walk->at < walk->size && text[walk->at] == walk->close) {
        walk->at++;
        walk->is_whole = true;
        return false;
    }
    if (!walk->is_first) {
        if (walk->at >= walk->size || text[walk->at] != ',')
            return false;
        walk->at = sgl_json_skip_blank(text, walk->size, walk->at + 1);
    }
    walk->is_first = false;
    part->name = (struct sgl_json_span){walk->at, walk->at};
    if (walk->close == '}' && !read_name(walk, part))
        return false;
    part->value.begin = walk->at;
    walk->at = skip_value(text, walk->size, walk->at);
    part->value.end = walk->at;
    while (part->value.end > part->value.begin && strchr(" \t\r\n", text[part->value.end - 1]))
        part->value.end--;
    return part->value.end > part->value.begin && walk->at < walk->size;
}

bool sgl_json_is_named(const struct sgl_json_walk *walk, const struct sgl_json_part *part,
                       const char *name)
{
    const size_t size = strlen(name);

    return part->name.end - part->name.begin == size + 2 &&
           memcmp(walk->text + part->name.begin + 1, name, size) == 0;
}

bool sgl_json_member(const char *text, size_t size, size_t begin, const char *name,
                     struct sgl_json_span *value)
{
    struct sgl_json_walk walk;
    struct sgl_json_part part;
    bool is_found = false;

    if (!sgl_json_walk_begin(&walk, text, size, begin) || walk.close != '}')
        return false;
    while (sgl_json_walk_next(&walk, &part))
        if (sgl_json_is_named(&walk, &part, name)) {
            *value = part.value;
            is_found = true;
        }
    return is_found;
}
