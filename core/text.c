#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_COMPARED 63

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

bool sgl_duration_read(const char *text, size_t length, double *nanoseconds_out)
{
    static const struct {
        const char *name;
        double nanoseconds;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    char copy[64];
    char *unit;

    if (length == 0 || length >= sizeof copy || strspn(text, "0123456789.") == 0)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    const double number = strtod(copy, &unit);
    double scale = number == 0 && *unit == '\0' ? 1 : 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].name) == 0)
            scale = units[i].nanoseconds;
    *nanoseconds_out = number * scale;
    return scale > 0 && isfinite(number);
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
