#include "decimal.h"

/* Beyond it a number is zero or far too large, whatever its digits: the sum cannot overflow. */
#define EXPONENT_MOST INT64_C(1000000000000)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads "e-05" from `at` to `end`. */
static bool read_exponent(const char *at, const char *end, int64_t *exponent_out)
{
    bool is_negative = false;
    int64_t exponent = 0;

    at++;
    if (at < end && (*at == '+' || *at == '-'))
        is_negative = *at++ == '-';
    if (at == end)
        return false;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        if (exponent < EXPONENT_MOST)
            exponent = exponent * 10 + (*at - '0');
    }
    *exponent_out = is_negative ? -exponent : exponent;
    return true;
}

bool sgl_decimal_read(struct sgl_decimal *number, const char *text, size_t size)
{
    const char *const end = text + size;
    const char *at = text;
    const char *point = NULL;
    const char *first = NULL;
    bool has_digit = false;
    int64_t exponent = 0;

    for (; at < end; at++) {
        if (is_digit(*at)) {
            has_digit = true;
            if (first == NULL && *at != '0')
                first = at;
        } else if (*at == '.' && point == NULL) {
            point = at;
        } else {
            break;
        }
    }
    if (!has_digit)
        return false;
    const char *const last = at;
    if (at < end && ((*at != 'e' && *at != 'E') || !read_exponent(at, end, &exponent)))
        return false;
    number->last = last;
    number->first = first != NULL ? first : last;
    number->magnitude = 0;
    if (first != NULL) {
        if (point == NULL)
            point = last;
        /* A point before the first digit is not a digit: do not count it. */
        number->magnitude = point - first + (point < first) + exponent;
    }
    return true;
}

enum sgl_decimal_fit sgl_decimal_scale(const struct sgl_decimal *number, int power,
                                       int64_t *value_out)
{
    int64_t digits_wanted = number->magnitude + power;
    const char *at = number->first;
    uint64_t value = 0;
    bool is_exact = true;
    bool round_up = false;

    if (at == number->last) {
        *value_out = 0;
        return SGL_DECIMAL_EXACT;
    }
    if (digits_wanted > 19)
        return SGL_DECIMAL_TOO_LARGE; /* 10^19 > INT64_MAX, and the first digit is not 0 */
    for (; digits_wanted > 0 && at < number->last; at++) {
        if (*at == '.')
            continue;
        value = value * 10 + (uint64_t)(*at - '0'); /* 19 digits fit in 64 bits */
        digits_wanted--;
    }
    for (; digits_wanted > 0; digits_wanted--)
        value *= 10;
    for (bool is_next = digits_wanted == 0; at < number->last; at++) {
        if (*at == '.')
            continue;
        if (is_next && *at >= '5')
            round_up = true;
        is_next = false;
        is_exact = is_exact && *at == '0';
    }
    value += round_up;
    if (value > INT64_MAX)
        return SGL_DECIMAL_TOO_LARGE;
    *value_out = (int64_t)value;
    return is_exact ? SGL_DECIMAL_EXACT : SGL_DECIMAL_ROUNDED;
}
