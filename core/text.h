/*
 * text.h - names: comparing and suggesting them. Pure functions over strings.
 */
#ifndef SGL_CORE_TEXT_H
#define SGL_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Edits (insert, delete, replace, swap neighbours) between two names; names over 63 bytes compare
 * by their first 63. */
size_t sgl_edit_distance(const char *left, const char *right);

/* Remembers the nearest of the names offered: by edits, and a name that begins with the wanted one
 * (of three letters or more) counts as one edit away. Start from {.wanted = name}. */
struct sgl_nearest {
    const char *wanted;
    const char *name; /* borrowed from the offer; NULL before the first */
    size_t distance;
};

void sgl_nearest_offer(struct sgl_nearest *nearest, const char *name);

/* " (did you mean 'x'?)" into `out`, or "" when nothing offered is near enough to be a typing slip:
 * at most two edits and less than half the name. Returns `out`. */
const char *sgl_nearest_hint(const struct sgl_nearest *nearest, char *out, size_t size);

/* A decimal number that is all of the `length` bytes: sign, digits, point, exponent. False: it is
 * no such thing (blanks, hexadecimal and words such as inf are not), or not finite. Never -0.0. */
bool sgl_real_read(const char *text, size_t length, double *value_out);

/* A duration of `length` bytes, such as 5ms or 1.5s (units ns us ms s; 0 needs none), in ns. False:
 * it is no such thing. */
bool sgl_duration_read(const char *text, size_t length, double *nanoseconds_out);

/* "" for one, "s" for any other number of things: "%llu request%s". */
static inline const char *sgl_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Is `word` one of the words of `list`, which are separated by `separator`? `length` bytes of word
 * count. The position goes to *index_out when that is not NULL. */
bool sgl_list_has(const char *list, char separator, const char *word, size_t length,
                  size_t *index_out);

/* Does the text end so, with something before it? */
bool sgl_text_ends_in(const char *text, const char *end);

/* Makes one line of a text that may come from a hostile file, in place, so that it cannot drive the
 * terminal of who reads it: control bytes, the controls from U+0080 on, and bytes that are no UTF-8
 * (RFC 3629) become '?', one each. */
void sgl_text_tame(char *text);

/* The text as a word to be typed into a shell: as it is, or in quotes ('a b', $'a\nb') where it has
 * other characters than letters, digits and ./_-+:,=@%; bytes that cannot be shown are octal then.
 * Cut to fit. Returns out. */
#define SGL_SHELL_WORD_MAX 8192
const char *sgl_text_shell_word(const char *text, char *out, size_t size);

#endif
