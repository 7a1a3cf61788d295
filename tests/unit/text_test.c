/* Texts that are numbers, durations, members of lists, or nearly a name. */
#include "core/text.h"
#include "support.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool reads(const char *text, double expected)
{
    double value = -7;

    return sgl_real_read(text, strlen(text), &value) && value == expected &&
           !signbit(value) == (expected >= 0);
}

static void decimal_numbers(void)
{
    static const char *const no_numbers[] = {
        "",         "-",     "+",   ".",   "e5",  "1e",   "1e+",   " 1",  "1 ",
        "1\t",      "0x10",  "1f",  "inf", "nan", "1,5",  "1..5",  "1-2", "--1",
        "INFINITY", "1e400", "1_0", "1\n", "0b1", "-inf", "1e5e5", "+-1", "-1e999"};
    char longest[80] = "1";
    double value = 3;

    CU_ASSERT_TRUE(reads("1", 1));
    CU_ASSERT_TRUE(reads("-1.5", -1.5));
    CU_ASSERT_TRUE(reads("+5", 5));
    CU_ASSERT_TRUE(reads(".5", 0.5));
    CU_ASSERT_TRUE(reads("5.", 5));
    CU_ASSERT_TRUE(reads("1e-3", 1e-3));
    CU_ASSERT_TRUE(reads("1E3", 1e3));
    CU_ASSERT_TRUE(reads("-0", 0)); /* without its sign */
    CU_ASSERT_TRUE(reads("-0.0", 0));
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++)
        if (sgl_real_read(no_numbers[i], strlen(no_numbers[i]), &value))
            CU_FAIL(no_numbers[i]);
    CU_ASSERT_EQUAL(value, 3); /* left alone */
    memset(longest, '1', sizeof longest - 1);
    CU_ASSERT_FALSE(sgl_real_read(longest, sizeof longest - 1, &value));
    CU_ASSERT_TRUE(sgl_real_read("12ab", 2, &value)); /* the bytes behind are not looked at */
    CU_ASSERT_EQUAL(value, 12);
}

static bool lasts(const char *text, double expected_ns)
{
    double ns = -7;

    return sgl_duration_read(text, strlen(text), &ns) && ns == expected_ns;
}

static void durations(void)
{
    static const char *const none[] = {"",    "s",    "5",    "-5s",  "+5s", "5 s", "5h",
                                       "5ss", "0x5s", "infs", "nans", "1es", "5S",  "5m"};
    double ns;

    CU_ASSERT_TRUE(lasts("0", 0));
    CU_ASSERT_TRUE(lasts("0.0", 0));
    CU_ASSERT_TRUE(lasts("0ms", 0));
    CU_ASSERT_TRUE(lasts("5ns", 5));
    CU_ASSERT_TRUE(lasts("1.5us", 1500));
    CU_ASSERT_TRUE(lasts("5ms", 5e6));
    CU_ASSERT_TRUE(lasts("60s", 6e10));
    CU_ASSERT_TRUE(lasts("1e3s", 1e12));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (sgl_duration_read(none[i], strlen(none[i]), &ns))
            CU_FAIL(none[i]);
}

static void hostile_texts_are_tamed(void)
{
    static const struct {
        const char *text;
        const char *tamed;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"a\tb\nc\x1b[31m\x7f", "a?b?c?[31m?"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82"},
        {"\xc2\xa0|\xc2\x9b"
         "31m",
         "\xc2\xa0|??31m"},                            /* U+009B drives terminals as ESC [ does */
        {"\xff\xfe", "??"},                            /* no lead bytes */
        {"a\xe2\x82", "a??"},                          /* cut short */
        {"\xc0\xaf \xe0\x80\xaf", "?? ???"},           /* overlong */
        {"\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"}, /* a surrogate; behind U+10FFFF */
        {"\xe2\x28\xa1", "?(?"},
    };
    char text[32];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "%s", cases[i].text);
        sgl_text_tame(text);
        SGL_ASSERT_TEXT(text, cases[i].tamed);
    }
}

/* Bash must read back what was quoted: the golden transcript `names` has that. */
static void paths_are_quoted_for_a_shell(void)
{
    static const struct {
        const char *path;
        const char *word;
    } cases[] = {
        {"./run-1.db", "./run-1.db"},     {"", "''"},
        {"my run.db", "'my run.db'"},     {"it's", "'it'\\''s'"},
        {"\xc3\xa9.db", "'\xc3\xa9.db'"}, {"a\nb'\\\xff", "$'a\\012b\\'\\\\\\377'"},
    };
    char word[64];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        SGL_ASSERT_TEXT(sgl_text_shell_word(cases[i].path, word, sizeof word), cases[i].word);
    /* However small the room, it is kept to. */
    for (size_t size = 1; size < sizeof word; size++) {
        memset(word, 'x', sizeof word);
        sgl_text_shell_word("a\nb'\\\xff", word, size);
        CU_ASSERT(strlen(word) < size);
    }
}

static void an_end_has_something_before_it(void)
{
    CU_ASSERT_TRUE(sgl_text_ends_in("a.svg", ".svg"));
    CU_ASSERT_TRUE(sgl_text_ends_in(".svg.svg", ".svg"));
    CU_ASSERT_FALSE(sgl_text_ends_in(".svg", ".svg"));
    CU_ASSERT_FALSE(sgl_text_ends_in("svg", ".svg"));
    CU_ASSERT_FALSE(sgl_text_ends_in("a.svgz", ".svg"));
    CU_ASSERT_FALSE(sgl_text_ends_in("a.SVG", ".svg"));
    CU_ASSERT_FALSE(sgl_text_ends_in("", ""));
}

SGL_SUITE(text) = {
    {"a decimal number is read whole or not at all", decimal_numbers},
    {"a duration is a number and its unit", durations},
    {"an end has something before it", an_end_has_something_before_it},
    {"texts of strangers are one line of characters that can be shown", hostile_texts_are_tamed},
    {"a path is quoted as a shell wants it", paths_are_quoted_for_a_shell},
    CU_TEST_INFO_NULL,
};
