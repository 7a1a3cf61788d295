/* What is cut out of bodies, and what is not. */
#include "live/priority.h"
#include "support.h"

#include <jansson.h>
#include <string.h>

static void words_are_cut_out(void)
{
    static const struct {
        const char *body;
        const char *after;
        enum sgl_priority priority;
    } rows[] = {
        {"{\"a\":1,\"priority\":\"high\",\"b\":2}", "{\"a\":1,\"b\":2}", SGL_PRIORITY_HIGH},
        {"{\"priority\":\"low\",\"b\":2}", "{\"b\":2}", SGL_PRIORITY_LOW},
        {"{\"a\":1.10,\"priority\":\"normal\"}", "{\"a\":1.10}", SGL_PRIORITY_NORMAL},
        {" {\"priority\" : \"high\" } ", " {} ", SGL_PRIORITY_HIGH},
        {"{\"t\":\"\\\"priority\\\":\\\"low\\\", }\",\"priority\":\"high\"}",
         "{\"t\":\"\\\"priority\\\":\\\"low\\\", }\"}", SGL_PRIORITY_HIGH},
        {"{\"n\":{\"priority\":\"low\"},\"l\":[{},\"}\"],\"priority\":\"high\"}",
         "{\"n\":{\"priority\":\"low\"},\"l\":[{},\"}\"]}", SGL_PRIORITY_HIGH},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const size_t size = strlen(rows[i].body);
        struct sgl_priority_member member;
        char after[200] = "";
        CU_ASSERT_FATAL(sgl_priority_find(rows[i].body, size, &member));
        CU_ASSERT_EQUAL(member.priority, rows[i].priority);
        memcpy(after, rows[i].body, member.begin);
        memcpy(after + member.begin, rows[i].body + member.end, size - member.end);
        CU_ASSERT_STRING_EQUAL(after, rows[i].after);
        json_t *root = json_loads(after, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL(root);
        json_decref(root);
    }
}

static void all_else_is_left_alone(void)
{
    static const char *const bodies[] = {
        "",
        "{",
        "{}",
        "[]",
        "[{\"priority\":\"high\"}]",
        "{\"priority\":5}",
        "{\"priority\":\"urgent\"}",
        "{\"priority\":\"high\"",
        "{\"priority\":\"hi",
        "{\"priority\":\"high\" 1}",
        "{\"priority\"",
        "{\"priority\":",
        "{\"priority\":\"high\\",
        "{\"a\":{\"priority\":\"high\"}}",
        "{\"a\":\"\\\",\\\"priority\\\":\\\"high\\\"\"}",
        "{\"a\":]},\"priority\":\"high\"}",
        "{\"text\":\"the \\\"priority\\\" is high\"}",
    };
    struct sgl_priority_member member;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        for (size_t size = 0; size <= strlen(bodies[i]); size++) {
            char copy[100]; /* so that a read beyond `size` is seen by what it finds there */
            memset(copy, '"', sizeof copy);
            memcpy(copy, bodies[i], size);
            CU_ASSERT_FALSE(sgl_priority_find(copy, size, &member));
        }
}

SGL_SUITE(priority_field) = {
    {"a word is cut out with one comma, and the rest is as it was", words_are_cut_out},
    {"numbers, other words, inner objects and broken texts are left alone", all_else_is_left_alone},
    CU_TEST_INFO_NULL,
};
