/*
 * Decimal numbers, held to an oracle by construction: the digits are drawn first and the text is
 * made of them, so the exact value needs no arithmetic.
 */
#include "support.h"

#include "core/rng.h"
#include "traces/decimal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXTS 20000

static struct sgl_rng draws_of(int64_t text)
{
    return sgl_rng_stream(7, SGL_PURPOSE_LENGTH, 0, text, 0);
}

/* `value` and `tail` (digits behind the point) as a number: the point moves by an exponent, zeros
 * are put in front. */
static void write_number(char *out, size_t size, int64_t value, const char *tail,
                         struct sgl_rng *draws)
{
    char digits[128];
    const int zeros = (int)sgl_rng_below(draws, 4);
    const int whole =
        snprintf(digits, sizeof digits, "%.*s%lld%s", zeros, "0000", (long long)value, tail);
    const int length = whole - (int)strlen(tail);
    const int point = (int)sgl_rng_below(draws, (uint32_t)whole + 1);
    const int exponent = length - point;

    if (exponent == 0 && sgl_rng_below(draws, 2) == 0) {
        snprintf(out, size, "%.*s.%s", point, digits, digits + point);
        return;
    }
    switch (sgl_rng_below(draws, 3)) {
    case 0:
        snprintf(out, size, "%se%d", digits, length - whole);
        break;
    case 1:
        snprintf(out, size, "%.*s.%sE%+d", point, digits, digits + point, exponent);
        break;
    default:
        snprintf(out, size, "%.*s.%se%+04d", point, digits, digits + point, exponent);
    }
}

static void any_spelling_of_a_number_is_exact(void)
{
    size_t wrong = 0;

    for (int64_t i = 0; i < TEXTS; i++) {
        struct sgl_rng draws = draws_of(i);
        struct sgl_decimal number;
        char tail[32];
        char text[256];
        int64_t value = -1;
        const int64_t wanted = (int64_t)(sgl_rng_next(&draws) >> (1 + sgl_rng_below(&draws, 62)));
        const uint32_t tail_size = sgl_rng_below(&draws, 25);
        bool is_exact = true;
        for (uint32_t k = 0; k < tail_size; k++) {
            tail[k] = (char)('0' + sgl_rng_below(&draws, sgl_rng_below(&draws, 3) == 0 ? 10 : 1));
            is_exact = is_exact && tail[k] == '0';
        }
        tail[tail_size] = '\0';
        write_number(text, sizeof text, wanted, tail, &draws);
        const bool rounds_up = tail_size > 0 && tail[0] >= '5';
        if (wanted == INT64_MAX && rounds_up)
            continue;
        const bool is_number = sgl_decimal_read(&number, text, strlen(text));
        const enum sgl_decimal_fit fit = is_number ? sgl_decimal_scale(&number, 0, &value) : 0;
        if (!is_number || value != wanted + rounds_up ||
            fit != (is_exact ? SGL_DECIMAL_EXACT : SGL_DECIMAL_ROUNDED)) {
            wrong++;
            printf("\n  %s gives %" PRId64 ", expected %" PRId64 "\n", text, value,
                   wanted + rounds_up);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void a_power_of_ten_moves_the_point(void)
{
    static const struct {
        const char *text;
        int power;
        int64_t value;
    } cases[] = {
        {"4.482269287109375e-05", 9, 44823},
        {"0.2615237236022949", 9, 261523724},
        {"0.0000000005", 9, 1},
        {"0.00000000049999999999999999999999", 9, 0},
        {"1e-400", 9, 0},
        {"0e999999999999999999999", 9, 0},
        {"1700158546.680590", 9, 1700158546680590000},
        {"1700158546680.59", 6, 1700158546680590000},
        {"9223372036.854775807", 9, INT64_MAX},
        {"9223372036.8547758074999", 9, INT64_MAX},
        {"000000000000000000000000000000000000000000000000001", 9, 1000000000},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_decimal number;
        int64_t value = -1;
        CU_ASSERT(sgl_decimal_read(&number, cases[i].text, strlen(cases[i].text)));
        sgl_decimal_scale(&number, cases[i].power, &value);
        CU_ASSERT_EQUAL(value, cases[i].value);
    }
}

static void what_does_not_fit_is_not_stored(void)
{
    static const char *const texts[] = {"9223372036854775808",
                                        "9223372036854775807.5",
                                        "10000000000000000000",
                                        "18446744073709551616",
                                        "1e19",
                                        "1e999999999999999999999",
                                        "99999999999999999999e5"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sgl_decimal number;
        int64_t value = -1;
        CU_ASSERT(sgl_decimal_read(&number, texts[i], strlen(texts[i])));
        CU_ASSERT_EQUAL(sgl_decimal_scale(&number, 0, &value), SGL_DECIMAL_TOO_LARGE);
        CU_ASSERT_EQUAL(value, -1);
    }
}

static void other_text_is_no_number(void)
{
    static const char *const texts[] = {"",      ".",    "-1",  "+1",  "1 ",  " 1",
                                        "0x10",  "nan",  "inf", "1e",  "1e+", "1e.",
                                        "1.2.3", "1e5x", "e5",  "1,5", "1_0", "\xc2\xa0"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sgl_decimal number;
        CU_ASSERT_FALSE(sgl_decimal_read(&number, texts[i], strlen(texts[i])));
    }
}

SGL_SUITE(decimal) = {
    {"any spelling of a number is read exactly", any_spelling_of_a_number_is_exact},
    {"a power of ten moves the point, half rounds away from zero", a_power_of_ten_moves_the_point},
    {"what does not fit in 63 bits is not stored", what_does_not_fit_is_not_stored},
    {"other text is no number", other_text_is_no_number},
    CU_TEST_INFO_NULL,
};
