#include "traces/json.h"

#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Takes the value over. */
static void check_line(json_t *value, const char *expected)
{
    char *line = sgl_json_line(value);

    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    SGL_ASSERT_TEXT(line, expected);
    free(line);
}

static void what_is_no_number_is_null(void)
{
    static const double values[] = {NAN, -NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        check_line(sgl_json_real(values[i]), "null");
}

static void zero_has_no_sign(void)
{
    check_line(sgl_json_real(-0.0), "0.0");
    check_line(json_pack("[o, o]", sgl_json_real(0), sgl_json_real(-DBL_MIN)),
               "[0.0,-2.2250738585072014e-308]");
}

/* What is written is read back bit for bit, subnormal numbers included. */
static void numbers_come_back(void)
{
    static const double values[] = {0.1,     -1.0 / 3,     1e23,      DBL_MAX,
                                    DBL_MIN, DBL_TRUE_MIN, 1e15 + 0.3};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char *line = sgl_json_line(sgl_json_real(values[i]));
        CU_ASSERT_PTR_NOT_NULL_FATAL(line);
        const double back = strtod(line, NULL);
        CU_ASSERT_TRUE(sgl_same_bits(&back, &values[i], 1));
        free(line);
    }
}

static void any_bytes_are_a_text(void)
{
    check_line(sgl_json_text("a \"b\" \xc3\xa9"), "\"a \\\"b\\\" \xc3\xa9\"");
    check_line(sgl_json_text("\xff\xc3z"), "\"\\\\xff\\\\xc3z\"");
    check_line(sgl_json_text("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\""); /* half of a pair */
}

SGL_SUITE(json) = {
    {"what is absent or not finite is null", what_is_no_number_is_null},
    {"zero has no sign", zero_has_no_sign},
    {"numbers come back bit for bit", numbers_come_back},
    {"a text of any bytes is JSON", any_bytes_are_a_text},
    CU_TEST_INFO_NULL,
};
