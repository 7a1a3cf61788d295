/*
 * decimal.h - decimal numbers exactly: no double in between, no locale.
 *
 *     "4.482269287109375e-05"       digits 4482269287109375, magnitude -4:
 *                                   value = 0.4482269287109375 * 10^-4
 *
 * Text is digits with at most one point and an optional exponent: "12", "12.", ".5", "1e3". No sign
 * but the exponent's, no hexadecimal, no "inf" or "nan", no spaces. Any number of digits.
 */
#ifndef SGL_TRACES_DECIMAL_H
#define SGL_TRACES_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrows the text it was read from. */
struct sgl_decimal {
    const char *first; /* the first digit that is not zero; == last for the number zero */
    const char *last;  /* one past the digits; a point may lie between */
    int64_t magnitude; /* digits before the point, counted from `first`, exponent included */
};

/* False: the text is not such a number. */
bool sgl_decimal_read(struct sgl_decimal *number, const char *text, size_t size);

enum sgl_decimal_fit {
    SGL_DECIMAL_EXACT,
    SGL_DECIMAL_ROUNDED,   /* to the nearest, half away from zero */
    SGL_DECIMAL_TOO_LARGE, /* above INT64_MAX; nothing was stored */
};

/* number * 10^power as an integer. */
enum sgl_decimal_fit sgl_decimal_scale(const struct sgl_decimal *number, int power,
                                       int64_t *value_out);

#endif
