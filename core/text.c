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

void sgl_text_tame(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}
