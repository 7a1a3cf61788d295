#include "merge.h"

#include "json_scan.h"

#include <string.h>

static const char *const names[] = {
    "input_token_logprobs",
    "input_top_logprobs",
    "input_token_ids_logprobs",
};

#define NAME_COUNT (sizeof names / sizeof names[0])

/* A text to be put in the place of a span of the decode answer. */
struct edit {
    struct sgl_json_span place;
    struct sgl_json_span from; /* of the prefill answer */
    bool has_comma;            /* behind it */
};

/* What is between the brackets of a list. False: it is no list, or an empty one. */
static bool inside(const char *text, const struct sgl_json_span *list, struct sgl_json_span *inner)
{
    if (text[list->begin] != '[' || text[list->end - 1] != ']')
        return false;
    inner->begin = list->begin + 1;
    inner->end = list->end - 1;
    return sgl_json_skip_blank(text, inner->end, inner->begin) < inner->end;
}

static bool make_edit(const char *decode, const struct sgl_json_span *decode_list,
                      const char *prefill, const struct sgl_json_span *prefill_list,
                      struct edit *edit)
{
    struct sgl_json_span inner;
    struct sgl_json_span own;

    if (!inside(prefill, prefill_list, &inner))
        return false;
    if (decode[decode_list->begin] == 'n') { /* null */
        *edit = (struct edit){.place = *decode_list, .from = *prefill_list};
        return true;
    }
    if (decode[decode_list->begin] != '[')
        return false;
    const size_t at = decode_list->begin + 1;
    *edit = (struct edit){
        .place = {at, at}, .from = inner, .has_comma = inside(decode, decode_list, &own)};
    return true;
}

static void sort(struct edit *edits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && edits[j].place.begin < edits[j - 1].place.begin; j--) {
            const struct edit edit = edits[j];
            edits[j] = edits[j - 1];
            edits[j - 1] = edit;
        }
}

/* Appends the object `decode` with the lists of the object `prefill`. */
static void merge_objects(struct sgl_buffer *out, const char *decode, size_t decode_size,
                          const char *prefill, size_t prefill_size)
{
    struct sgl_json_span meta;
    struct sgl_json_span prefill_meta;
    struct edit edits[NAME_COUNT];
    size_t count = 0;
    size_t at = 0;

    if (sgl_json_member(decode, decode_size, 0, "meta_info", &meta) &&
        sgl_json_member(prefill, prefill_size, 0, "meta_info", &prefill_meta))
        for (size_t i = 0; i < NAME_COUNT; i++) {
            struct sgl_json_span own;
            struct sgl_json_span theirs;
            if (sgl_json_member(decode, meta.end, meta.begin, names[i], &own) &&
                sgl_json_member(prefill, prefill_meta.end, prefill_meta.begin, names[i], &theirs))
                count += make_edit(decode, &own, prefill, &theirs, &edits[count]);
        }
    sort(edits, count);
    for (size_t i = 0; i < count; i++) {
        const struct edit *edit = &edits[i];
        sgl_buffer_append(out, decode + at, edit->place.begin - at);
        sgl_buffer_append(out, prefill + edit->from.begin, edit->from.end - edit->from.begin);
        sgl_buffer_append(out, ",", edit->has_comma);
        at = edit->place.end;
    }
    sgl_buffer_append(out, decode + at, decode_size - at);
}

void sgl_merge_answer(struct sgl_buffer *out, const char *decode, size_t decode_size,
                      const char *prefill, size_t prefill_size)
{
    struct sgl_json_walk walk;
    struct sgl_json_walk others;
    struct sgl_json_part part;
    struct sgl_json_part other;
    size_t at = 0;

    if (!sgl_json_walk_begin(&walk, decode, decode_size, 0) || walk.close == '}') {
        merge_objects(out, decode, decode_size, prefill, prefill_size);
        return;
    }
    if (sgl_json_walk_begin(&others, prefill, prefill_size, 0) && others.close == ']')
        while (sgl_json_walk_next(&walk, &part) && sgl_json_walk_next(&others, &other)) {
            sgl_buffer_append(out, decode + at, part.value.begin - at);
            merge_objects(out, decode + part.value.begin, part.value.end - part.value.begin,
                          prefill + other.value.begin, other.value.end - other.value.begin);
            at = part.value.end;
        }
    sgl_buffer_append(out, decode + at, decode_size - at);
}

/* ---- streams ---- */

/* The object of a `data:` line. */
static bool object_of(const char *line, size_t size, struct sgl_json_span *object)
{
    if (size < 5 || memcmp(line, "data:", 5) != 0)
        return false;
    object->begin = sgl_json_skip_blank(line, size, 5);
    object->end = size;
    while (object->end > object->begin && strchr(" \t\r\n", line[object->end - 1]) != NULL)
        object->end--;
    return object->begin < object->end && line[object->begin] == '{';
}

/* Do both have the same "index", or none? */
static bool is_same_index(const char *left, size_t left_size, const char *right, size_t right_size)
{
    struct sgl_json_span a = {0};
    struct sgl_json_span b = {0};

    sgl_json_member(left, left_size, 0, "index", &a);
    sgl_json_member(right, right_size, 0, "index", &b);
    return a.end - a.begin == b.end - b.begin &&
           memcmp(left + a.begin, right + b.begin, a.end - a.begin) == 0;
}

void sgl_merge_line(struct sgl_buffer *out, const char *line, size_t line_size, const char *prefill,
                    size_t prefill_size)
{
    struct sgl_json_span event;
    size_t next;

    if (object_of(line, line_size, &event))
        for (size_t at = 0; at < prefill_size; at = next) {
            const char *end = memchr(prefill + at, '\n', prefill_size - at);
            struct sgl_json_span theirs;
            next = end != NULL ? (size_t)(end - prefill) + 1 : prefill_size;
            if (!object_of(prefill + at, next - at, &theirs) ||
                !is_same_index(line + event.begin, event.end - event.begin,
                               prefill + at + theirs.begin, theirs.end - theirs.begin))
                continue;
            sgl_buffer_append(out, line, event.begin);
            merge_objects(out, line + event.begin, event.end - event.begin,
                          prefill + at + theirs.begin, theirs.end - theirs.begin);
            sgl_buffer_append(out, line + event.end, line_size - event.end);
            return;
        }
    sgl_buffer_append(out, line, line_size);
}
