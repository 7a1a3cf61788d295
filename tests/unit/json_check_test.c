/* Whether a text is JSON: jansson is the oracle. */
#include "live/json_check.h"

#include "core/rng.h"
#include "live/json_scan.h"
#include "support.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 400

static bool is_valid(const char *text, size_t size)
{
    size_t place = 0;
    const bool is_good = sgl_json_is_valid(text, size, &place);

    CU_ASSERT(place <= size);
    return is_good;
}

/* 1: JSON, 0: not, -1: jansson refuses what JSON allows (a NUL in a name, numbers that are large).
 */
static int oracle(const char *text, size_t size)
{
    json_error_t error;
    json_t *root =
        json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    const enum json_error_code code = json_error_code(&error);

    json_decref(root);
    if (root != NULL)
        return 1;
    return code == json_error_null_byte_in_key || code == json_error_numeric_overflow ? -1 : 0;
}

static const char *const seeds[] = {
    ("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\n\\u00e9\\\"\"}],"
     "\"n\":-1.5e+3}"),
    "[[],{},[{}],[0,1,-0,0.5,1E9,12345678901234567890],true,false,null]",
    " { \"a\" : [ 1 , { \"b\" : \"\\ud83d\\ude00 \xf0\x9f\x98\x80 \xe2\x82\xac \xc3\xa9\" } ] } ",
    "\"\\b\\f\\n\\r\\t\\/\\\\\"",
    "{\"text\":[\"x\",\"y\"],\"input_ids\":[[1,2],[3]],\"z\":{\"\":\"\"}}",
};

/* Seeds with some bytes changed, dropped, doubled or put in: some remain JSON, most do not. */
static void as_jansson_says(void)
{
    static const char bytes[] =
        "{}[]\",:\\ue0123456789.-+truefalsn \t\n\x01\x7f\x80\xc3\xed\xa0\xf4\x90";
    struct sgl_rng draws = {.state = 3};
    size_t good = 0;

    for (int i = 0; i < 60000; i++) {
        const char *seed = seeds[sgl_rng_next(&draws) % (sizeof seeds / sizeof seeds[0])];
        char text[TEXT_MAX];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        for (uint64_t changes = sgl_rng_next(&draws) % 4; changes > 0 && size > 1; changes--) {
            const size_t at = (size_t)(sgl_rng_next(&draws) % size);
            const char byte = bytes[sgl_rng_next(&draws) % (sizeof bytes - 1)];
            switch (sgl_rng_next(&draws) % 3) {
            case 0:
                text[at] = byte;
                break;
            case 1:
                memmove(text + at, text + at + 1, --size - at);
                break;
            default:
                memmove(text + at + 1, text + at, size++ - at);
                text[at] = byte;
            }
        }
        const int expected = oracle(text, size);
        good += expected == 1;
        if (expected >= 0 && is_valid(text, size) != (expected == 1)) {
            text[size] = '\0';
            SGL_ASSERT_TEXT(text, expected == 1 ? "(is JSON)" : "(is not JSON)");
            return;
        }
    }
    CU_ASSERT(good > 10000 && good < 50000);
}

static void depth(void)
{
    char *text = malloc(4 * SGL_JSON_DEPTH_MAX);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, '[', SGL_JSON_DEPTH_MAX + 1);
    memset(text + SGL_JSON_DEPTH_MAX, ']', SGL_JSON_DEPTH_MAX);
    CU_ASSERT(is_valid(text, 2 * SGL_JSON_DEPTH_MAX));
    memset(text, '[', SGL_JSON_DEPTH_MAX + 1);
    memset(text + SGL_JSON_DEPTH_MAX + 1, ']', SGL_JSON_DEPTH_MAX + 1);
    CU_ASSERT(!is_valid(text, 2 * SGL_JSON_DEPTH_MAX + 2));
    memset(text, '[', SGL_JSON_DEPTH_MAX);
    CU_ASSERT(!is_valid(text, SGL_JSON_DEPTH_MAX));
    free(text);
    CU_ASSERT(!is_valid("", 0));
    CU_ASSERT(is_valid("1e999999999", 11));
    CU_ASSERT(is_valid("{\"a\\u0000\":\"\\u0000\"}", 20));
}

/* Every member that a walk finds is the one jansson knows, backslashes before quotes included. */
static void walked_as_written(void)
{
    struct sgl_rng draws = {.state = 5};

    for (int i = 0; i < 3000; i++) {
        char plain[24];
        size_t size = 0;
        for (size_t n = (size_t)(sgl_rng_next(&draws) % 20); size < n; size++)
            plain[size] = "\\\"\\\"ab{},"[sgl_rng_next(&draws) % 9];
        json_t *object = json_pack("{s:s#, s:{s:s#}, s:i}", "x", plain, (int)size, "y", "z", plain,
                                   (int)size, "last", i);
        char *text = json_dumps(object, 0);
        struct sgl_json_span value;
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT(is_valid(text, strlen(text)));
        CU_ASSERT(sgl_json_member(text, strlen(text), 0, "last", &value));
        CU_ASSERT_EQUAL(strtol(text + value.begin, NULL, 10), i);
        CU_ASSERT(sgl_json_member(text, strlen(text), 0, "x", &value));
        json_t *x = json_loadb(text + value.begin, value.end - value.begin, JSON_DECODE_ANY, NULL);
        CU_ASSERT(json_equal(x, json_object_get(object, "x")));
        json_decref(x);
        json_decref(object);
        free(text);
    }
}

SGL_SUITE(json_check) = {
    {"a text is JSON when jansson says so", as_jansson_says},
    {"what is open is counted, and bounded", depth},
    {"a walk finds what is there", walked_as_written},
    CU_TEST_INFO_NULL,
};
