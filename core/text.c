#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_COMPARED 63
#define NUMBER_SIZE 64

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t sgl_edit_distance(const char *left, const char *right)
{
    const size_t rows = strnlen(left, NAME_MAX_COMPARED);
    const size_t columns = strnlen(right, NAME_MAX_COMPARED);
    size_t before[NAME_MAX_COMPARED + 1]; /* two rows up: for swapped neighbours */
    size_t above[NAME_MAX_COMPARED + 1];
    size_t here[NAME_MAX_COMPARED + 1];

    memset(before, 0, sizeof before);
    for (size_t j = 0; j <= columns; j++)
        above[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        here[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            const size_t replace = above[j - 1] + (left[i - 1] != right[j - 1]);
            here[j] = smaller(replace, smaller(above[j], here[j - 1]) + 1);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                here[j] = smaller(here[j], before[j - 2] + 1);
        }
        memcpy(before, above, sizeof before);
        memcpy(above, here, sizeof above);
    }
    return above[columns];
}

void sgl_nearest_offer(struct sgl_nearest *nearest, const char *name)
{
    const size_t wanted_length = strlen(nearest->wanted);
    size_t distance = sgl_edit_distance(nearest->wanted, name);

    if (distance > 1 && wanted_length >= 3 && strncmp(nearest->wanted, name, wanted_length) == 0)
        distance = 1;

    if (nearest->name == NULL || distance < nearest->distance) {
        nearest->name = name;
        nearest->distance = distance;
    }
}

const char *sgl_nearest_hint(const struct sgl_nearest *nearest, char *out, size_t size)
{
    out[0] = '\0';
    if (nearest->name != NULL && nearest->distance <= 2 &&
        2 * nearest->distance < strlen(nearest->name))
        snprintf(out, size, " (did you mean '%s'?)", nearest->name);
    return out;
}

bool sgl_real_read(const char *text, size_t length, double *value_out)
{
    char copy[NUMBER_SIZE];
    char *end;

    if (length == 0 || length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strspn(copy, "0123456789+-.eE") < length)
        return false;
    const double value = strtod(copy, &end);
    if (*end != '\0' || !isfinite(value))
        return false;
    *value_out = value + 0.0;
    return true;
}

bool sgl_duration_read(const char *text, size_t length, double *nanoseconds_out)
{
    static const struct {
        const char *name;
        double nanoseconds;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    double number;
    size_t digits = length;

    while (digits > 0 && text[digits - 1] >= 'a' && text[digits - 1] <= 'z')
        digits--;
    if (digits == 0 || text[0] == '-' || text[0] == '+' || !sgl_real_read(text, digits, &number))
        return false;
    if (digits == length) {
        *nanoseconds_out = 0;
        return number == 0;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i].name) == length - digits &&
            memcmp(units[i].name, text + digits, length - digits) == 0) {
            *nanoseconds_out = number * units[i].nanoseconds;
            return true;
        }
    return false;
}

bool sgl_list_has(const char *list, char separator, const char *word, size_t length,
                  size_t *index_out)
{
    size_t index = 0;

    for (const char *at = list; at != NULL; index++) {
        const char *end = strchr(at, separator);
        const size_t size = end != NULL ? (size_t)(end - at) : strlen(at);
        if (size == length && memcmp(at, word, length) == 0) {
            if (index_out != NULL)
                *index_out = index;
            return true;
        }
        at = end != NULL ? end + 1 : NULL;
    }
    return false;
}

bool sgl_text_ends_in(const char *text, const char *end)
{
    const size_t length = strlen(text);
    const size_t own = strlen(end);

    return length > own && memcmp(text + length - own, end, own) == 0;
}

/* Bytes of the character that may be shown at `text`, which is not its end; 0: there is none, and
 * the byte must not be shown. The bounds of the second byte leave out overlong forms, surrogates
 * and what lies behind U+10FFFF (RFC 3629, section 4), and the controls U+0080 to U+009F. */
static size_t shown_size(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    const unsigned char lead = byte[0];

    if (lead < 0x80)
        return lead >= 0x20 && lead != 0x7f;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    const size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const unsigned char least = lead == 0xe0 || lead == 0xc2 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte[1] < least || byte[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

void sgl_text_tame(char *text)
{
    while (*text != '\0') {
        const size_t size = shown_size(text);
        if (size == 0)
            *text = '?';
        text += size > 0 ? size : 1;
    }
}

const char *sgl_text_shell_word(const char *text, char *out, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789./_-+:,=@%";
    bool is_shown = true;
    size_t used = 0;

    for (const char *at = text; *at != '\0' && is_shown; at += is_shown ? shown_size(at) : 0)
        is_shown = shown_size(at) > 0;
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        snprintf(out, size, "%s", text);
        return out;
    }
    used = (size_t)snprintf(out, size, is_shown ? "'" : "$'");
    for (const char *at = text; *at != '\0' && used < size;) {
        const size_t bytes = shown_size(at);
        if (bytes == 0)
            used += (size_t)snprintf(out + used, size - used, "\\%03o", (unsigned char)*at);
        else if (*at == '\'')
            used += (size_t)snprintf(out + used, size - used, is_shown ? "'\\''" : "\\'");
        else if (*at == '\\' && !is_shown)
            used += (size_t)snprintf(out + used, size - used, "\\\\");
        else
            used += (size_t)snprintf(out + used, size - used, "%.*s", (int)bytes, at);
        at += bytes > 0 ? bytes : 1;
    }
    if (used < size)
        snprintf(out + used, size - used, "'");
    return out;
}
