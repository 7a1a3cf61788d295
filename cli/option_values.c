/* What options have as values: bounds, units, lists, and whether anything was said at all. */
#include "options.h"

#include "cli/cli.h"
#include "core/text.h"

#include <math.h>
#include <string.h>

#define LONGEST_NS 1e18

bool sgl_option_in_range(const char *name, uint64_t value, uint64_t least, uint64_t most)
{
    if (value >= least && value <= most)
        return true;
    sgl_complain("--%s %llu, expected %llu to %llu", name, (unsigned long long)value,
                 (unsigned long long)least, (unsigned long long)most);
    return false;
}

int64_t sgl_option_ns(double ns)
{
    return ns < LONGEST_NS ? (int64_t)llround(ns) : (int64_t)LONGEST_NS;
}

char *sgl_option_word(char **text)
{
    char *word = *text + strspn(*text, " ,");
    const size_t size = strcspn(word, " ,");

    if (size == 0)
        return NULL;
    *text = word + size + (word[size] != '\0');
    word[size] = '\0';
    return word;
}

int sgl_option_numbers(const char *name, const char *text, double *numbers, uint32_t most,
                       uint32_t *count, struct sgl_failure *failure)
{
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        double number;
        if (!sgl_real_read(at, comma != NULL ? (size_t)(comma - at) : strlen(at), &number) ||
            !(number > 0))
            return sgl_fail(failure, SGL_EINVAL,
                            "--%s %.60s, expected numbers above 0 such as 1,2,4", name, text);
        for (uint32_t i = 0; i < *count; i++)
            if (numbers[i] == number)
                return sgl_fail(failure, SGL_EINVAL, "--%s %.6g is given twice (once is enough)",
                                name, number);
        if (*count == most)
            return sgl_fail(failure, SGL_EINVAL, "--%s has more than %u values", name, most);
        numbers[(*count)++] = number;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return SGL_OK;
}

bool sgl_option_differs(const struct sgl_option *option, const void *options, const void *standard)
{
    const ptrdiff_t place = (const char *)option->target - (const char *)options;
    const void *own = option->target;
    const void *other = (const char *)standard + place;

    switch (option->kind) {
    case SGL_OPTION_FLAG:
        return *(const bool *)own != *(const bool *)other;
    case SGL_OPTION_TEXT:
    case SGL_OPTION_PAIRS:
    case SGL_OPTION_CHOICE: {
        const char *text = *(const char *const *)own;
        const char *before = *(const char *const *)other;
        return text != before && (text == NULL || before == NULL || strcmp(text, before) != 0);
    }
    case SGL_OPTION_NATURAL:
        return *(const uint64_t *)own != *(const uint64_t *)other;
    case SGL_OPTION_POSITIVE: {
        const double number = *(const double *)own;
        const double before = *(const double *)other;
        return number != before && !(isnan(number) && isnan(before)); /* NaN: not given */
    }
    case SGL_OPTION_DURATION:
        return *(const int64_t *)own != *(const int64_t *)other;
    case SGL_OPTION_LIST:
        return ((const struct sgl_option_list *)own)->count > 0;
    }
    return false;
}
