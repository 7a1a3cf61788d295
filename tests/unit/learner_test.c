/* What answers say of themselves, and how streams end. */
#include "live/learner.h"

#include "core/absent.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The answer in pieces of that size; the word of a stream's end goes to *word_out. */
static struct sgl_outcome learn_in(const char *text, size_t piece, bool is_stream,
                                   const char **word_out)
{
    struct sgl_learner learner = {0};
    struct sgl_outcome outcome = sgl_outcome_absent();
    const size_t size = strlen(text);

    sgl_learner_begin(&learner, is_stream);
    for (size_t at = 0; at < size; at += piece)
        sgl_learner_take(&learner, text + at, size - at < piece ? size - at : piece);
    *word_out = sgl_learner_end(&learner, &outcome);
    sgl_learner_release(&learner);
    return outcome;
}

static struct sgl_outcome learn(const char *text)
{
    const char *word;
    const struct sgl_outcome outcome = learn_in(text, 7, false, &word);

    CU_ASSERT_PTR_NULL(word);
    return outcome;
}

static bool has_tokens(const struct sgl_outcome *outcome, int64_t prompt, int64_t output,
                       int64_t cached)
{
    return outcome->prompt_tokens == prompt && outcome->output_tokens == output &&
           outcome->cached_tokens == cached;
}

static void answers(void)
{
    struct sgl_outcome got =
        learn("{\"text\":\"x\",\"meta_info\" : {\"id\":\"a\",\"prompt_tokens\":5,"
              "\"completion_tokens\":3,\"cached_tokens\":2,\"finish_reason\":{\"type\":\"stop\"},"
              "\"queue_time\":2.5e-1,\"queue_length\":4}}");
    CU_ASSERT(has_tokens(&got, 5, 3, 2));
    CU_ASSERT_EQUAL(got.queue_time_ns, 250000000);
    CU_ASSERT_EQUAL(got.queue_length, 4);

    got = learn("{\"choices\":[{\"text\":\"\\\"usage\\\": {\\\"completion_tokens\\\": 9}\"}],"
                "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":11,"
                "\"prompt_tokens_details\":{\"cached_tokens\":4},\"cached_tokens\":99}}");
    CU_ASSERT(has_tokens(&got, 7, 11, 4));
    CU_ASSERT_EQUAL(got.queue_length, SGL_ABSENT);

    /* Of a batch, the last. */
    got = learn("[{\"meta_info\":{\"prompt_tokens\":1}},{\"meta_info\":{\"prompt_tokens\":2}}]");
    CU_ASSERT(has_tokens(&got, 2, SGL_ABSENT, SGL_ABSENT));
    got = learn("{\"object\":\"list\",\"usage\":null}");
    CU_ASSERT(has_tokens(&got, SGL_ABSENT, SGL_ABSENT, SGL_ABSENT));
}

static void numbers(void)
{
    static const char *const not_counts[] = {"-1",    "1.5",  "\"3\"", "true", "9007199254740993",
                                             "1e400", "null", "[1]"};
    char text[200];

    for (size_t i = 0; i < sizeof not_counts / sizeof not_counts[0]; i++) {
        snprintf(text, sizeof text, "{\"usage\":{\"completion_tokens\":%s,\"prompt_tokens\":1}}",
                 not_counts[i]);
        const struct sgl_outcome got = learn(text);
        CU_ASSERT(has_tokens(&got, 1, SGL_ABSENT, SGL_ABSENT));
    }
    struct sgl_outcome got = learn("{\"usage\":{\"prompt_tokens\":9007199254740992,"
                                   "\"completion_tokens\":1.2e1}}");
    CU_ASSERT(has_tokens(&got, INT64_C(9007199254740992), 12, SGL_ABSENT));

    /* Seconds since 1970 are not rounded to the quarter microsecond of a double. */
    got = learn("{\"meta_info\":{\"queue_time_start\":1764000000.123456788,"
                "\"queue_time_end\":1764000000.123456789}}");
    CU_ASSERT_EQUAL(got.queue_time_ns, 1);
    got = learn("{\"meta_info\":{\"queue_time_start\":2,\"queue_time_end\":1}}");
    CU_ASSERT_EQUAL(got.queue_time_ns, SGL_ABSENT);
    got = learn("{\"meta_info\":{\"queue_time\":1000000000}}");
    CU_ASSERT_EQUAL(got.queue_time_ns, SGL_ABSENT);
}

#define EVENT(n)                                                                                   \
    "data: {\"choices\":[{\"delta\":{\"content\":\"" n "\"},\"finish_reason\":null}]}\n\n"
#define FINISH "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":8}}\n\n"
#define DONE "data: [DONE]\n\n"

static void endings(void)
{
    static const struct {
        const char *text;
        const char *word;
        int64_t output;
    } streams[] = {
        {EVENT("a") FINISH USAGE DONE, NULL, 8},
        {EVENT("a") FINISH USAGE, "no_done", 8},
        {EVENT("a") FINISH, NULL, SGL_ABSENT},
        {EVENT("a") DONE, NULL, SGL_ABSENT},
        {EVENT("a"), "no_done", SGL_ABSENT},
        {DONE EVENT("a"), "no_done", SGL_ABSENT},
        {DONE, NULL, SGL_ABSENT},
        {": nothing but a comment\n\n", "no_done", SGL_ABSENT},
        {"", "no_done", SGL_ABSENT},
        {EVENT("a") "data: {\"error\":{\"message\":\"out of memory\"}}\n\n" DONE, "error_event",
         SGL_ABSENT},
        {EVENT("a") "data: {\"error\":null}\n\n" DONE, NULL, SGL_ABSENT},
        {"data: "
         "{\"text\":\"ab\",\"meta_info\":{\"finish_reason\":null,\"completion_tokens\":1}}\r\n"
         "\r\ndata: {\"text\":\"abc\",\"meta_info\":{\"finish_reason\":{\"type\":\"length\"},"
         "\"completion_tokens\":2}}\r\n\r\n",
         NULL, 2},
        /* The counts may be some events back, but not many. */
        {USAGE EVENT("1") EVENT("2") EVENT("3") DONE, NULL, 8},
        {USAGE EVENT("1") EVENT("2") EVENT("3") EVENT("4") DONE, NULL, SGL_ABSENT},
        {EVENT("a") "event: end\ndata: not JSON", "no_done", SGL_ABSENT},
    };

    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        for (size_t piece = 1; piece < 40; piece += 6) {
            const char *word;
            const struct sgl_outcome got = learn_in(streams[i].text, piece, true, &word);
            CU_ASSERT_EQUAL(got.output_tokens, streams[i].output);
            CU_ASSERT_EQUAL(word == NULL, streams[i].word == NULL);
            if (word != NULL && streams[i].word != NULL)
                CU_ASSERT_STRING_EQUAL(word, streams[i].word);
        }
}

/* An event longer than what is kept: its end has the counts, its begin is gone. */
static void long_ones(void)
{
    const size_t size = 3 * SGL_LEARNER_KEPT;
    char *text = malloc(size + 200);
    const char *word;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    size_t at = (size_t)snprintf(text, size + 200, "data: {\"text\":\"");
    memset(text + at, 'x', size);
    at += size;
    snprintf(text + at, 180, "\",\"meta_info\":{\"completion_tokens\":21}}\n\n" DONE);
    for (size_t piece = 1000; piece < size; piece *= 5) {
        const struct sgl_outcome got = learn_in(text, piece, true, &word);
        CU_ASSERT_EQUAL(got.output_tokens, 21);
        CU_ASSERT_PTR_NULL(word);
    }
    free(text);
}

/* Objects that do not end are passed over, and not for ever. */
static void broken_ones(void)
{
    static const char piece[] = "\"usage\":{\"a\":";
    const size_t count = SGL_LEARNER_KEPT / (sizeof piece - 1);
    char *text = malloc(count * sizeof piece);
    const char *word;

    struct sgl_outcome got =
        learn("{\"usage\":{\"prompt_tokens\":1},\"b\":[\"usage\",{\"usage\":{\"prompt_tokens\":2,");
    CU_ASSERT(has_tokens(&got, 1, SGL_ABSENT, SGL_ABSENT));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * (sizeof piece - 1), piece, sizeof piece);
    for (int i = 0; i < 20; i++) {
        got = learn_in(text, 4096, i % 2 == 1, &word);
        CU_ASSERT(has_tokens(&got, SGL_ABSENT, SGL_ABSENT, SGL_ABSENT));
    }
    free(text);
}

SGL_SUITE(learner) = {
    {"counts are read from meta_info and from usage", answers},
    {"what is no count is absent, and times are exact", numbers},
    {"a stream ends well, unfinished or with an error", endings},
    {"of a long answer the end is enough", long_ones},
    {"an object that does not end is passed over", broken_ones},
    CU_TEST_INFO_NULL,
};
