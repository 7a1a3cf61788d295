/* Prefix ids of prompts, and what is learned of answers. */
#include "live/learner.h"
#include "live/prompt.h"
#include "core/absent.h"
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sgl_prompt_key key = {{1, 2}};

/* The first and the last vector of SipHash-2-4's reference: key 00..0f, input 00..(n-1). */
static void hash_vectors(void)
{
    const struct sgl_prompt_key reference = {
        {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    unsigned char bytes[15];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    CU_ASSERT_EQUAL(sgl_siphash(&reference, bytes, 0), UINT64_C(0x726fdb47dd0e0e31));
    CU_ASSERT_EQUAL(sgl_siphash(&reference, bytes, 15), UINT64_C(0xa129ca6149be45e5));
}

static struct sgl_prompt read_with(const struct sgl_prompt_key *with, const char *body)
{
    struct sgl_prompt prompt = {0};

    CU_ASSERT_EQUAL(sgl_prompt_read(&prompt, with, 4, body, strlen(body), NULL), SGL_OK);
    return prompt;
}

/* Blocks that both prompts begin with. */
static size_t shared(const char *left_body, const char *right_body)
{
    struct sgl_prompt left = read_with(&key, left_body);
    struct sgl_prompt right = read_with(&key, right_body);
    size_t count = 0;

    while (count < left.id_count && count < right.id_count && left.ids[count] == right.ids[count])
        count++;
    sgl_prompt_release(&left);
    sgl_prompt_release(&right);
    return count;
}

static void prefixes(void)
{
    struct sgl_prompt prompt = read_with(&key, "{\"text\":\"aaaabbbbcc\"}");
    struct sgl_prompt other = read_with(&(struct sgl_prompt_key){{1, 3}}, "{\"text\":\"aaaa\"}");

    CU_ASSERT_EQUAL(prompt.id_count, 3);
    CU_ASSERT_NOT_EQUAL(prompt.ids[0], other.ids[0]);
    sgl_prompt_release(&prompt);
    sgl_prompt_release(&other);
    CU_ASSERT_EQUAL(shared("{\"text\":\"aaaabbbbcc\"}", "{\"prompt\":\"aaaabbbbcc\"}"), 3);
    CU_ASSERT_EQUAL(shared("{\"text\":\"aaaabbbbcc\"}", "{\"text\":\"aaaabbbbccc\"}"), 2);
    CU_ASSERT_EQUAL(shared("{\"text\":\"aaaabbbb\"}", "{\"text\":\"aaaabbbX\"}"), 1);
    CU_ASSERT_EQUAL(shared("{\"text\":\"Xaaabbbb\"}", "{\"text\":\"aaaabbbb\"}"), 0);
    CU_ASSERT_EQUAL(shared("{\"text\":[\"aaaa\",\"bbbb\"]}", "{\"text\":\"aaaabbbb\"}"), 2);
    CU_ASSERT_EQUAL(shared("{\"input_ids\":[1,2]}", "{\"input_ids\":[[1,2]]}"), 4);
    CU_ASSERT_EQUAL(shared("{\"messages\":[{\"role\":\"user\",\"content\":\"aaaa\"}]}",
                           "{\"messages\":[{\"role\":\"user\",\"content\":"
                           "[{\"type\":\"text\",\"text\":\"aaaa\"}]}]}"),
                    3);
}

static void limits_and_models(void)
{
    struct sgl_prompt prompt =
        read_with(&key, "{\"model\":\"m\",\"sampling_params\":{\"max_new_tokens\":5},\"n\":1"
                        "2345678901234567890123}");

    CU_ASSERT_STRING_EQUAL(prompt.model, "m");
    CU_ASSERT_EQUAL(prompt.max_tokens, 5);
    CU_ASSERT_EQUAL(prompt.id_count, 0);
    CU_ASSERT_EQUAL(sgl_prompt_read(&prompt, &key, 4, "[]", 2, NULL), SGL_EINVAL);
    CU_ASSERT_EQUAL(prompt.max_tokens, SGL_ABSENT);
    CU_ASSERT_EQUAL(sgl_prompt_read(&prompt, &key, 4, "{", 1, NULL), SGL_EINVAL);
    sgl_prompt_release(&prompt);
}

/* A text is what it means, however it is written. */
static void escapes(void)
{
    static const char text[] = "a\"b\\c/d\n\t\b\f\r\x01 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 end";
    static const size_t flags[] = {0, JSON_ENSURE_ASCII, JSON_ESCAPE_SLASH};

    for (size_t cut = 0; cut < sizeof text; cut++) {
        json_t *body = json_pack("{s:s#}", "text", text, (int)cut);
        if (body == NULL)
            continue; /* within a character */
        char *texts[3];
        for (int i = 0; i < 3; i++)
            texts[i] = json_dumps(body, flags[i]);
        CU_ASSERT_EQUAL(shared(texts[0], texts[1]), (cut + 3) / 4);
        CU_ASSERT_EQUAL(shared(texts[0], texts[2]), (cut + 3) / 4);
        for (int i = 0; i < 3; i++)
            free(texts[i]);
        json_decref(body);
    }
    CU_ASSERT_EQUAL(shared("{\"text\":\"aaa\\u0000b\"}", "{\"text\":\"aaa\"}"), 0);
    struct sgl_prompt prompt = read_with(&key, " {\"model\" : \"a\\u00e9\\\"\\ud83d\\ude00\" } ");
    CU_ASSERT_STRING_EQUAL(prompt.model, "a\xc3\xa9\"\xf0\x9f\x98\x80");
    sgl_prompt_release(&prompt);
    prompt = read_with(&key, "{\"model\":\"a\\u0000b\",\"max_tokens\":1e1,\"max_tokens\":\"7\"}");
    CU_ASSERT_PTR_NULL(prompt.model);
    CU_ASSERT_EQUAL(prompt.max_tokens, SGL_ABSENT);
    sgl_prompt_release(&prompt);
}

/* What has the form of no prompt gives no ids, and what follows it is read. */
static void odd_members(void)
{
    static const char *const none[] = {
        "{\"text\":5,\"prompt\":{\"a\":\"b\"},\"input_ids\":null,\"messages\":\"x\"}",
        "{\"text\":[],\"input_ids\":[[],{}],\"messages\":[]}",
        "{\"messages\":{\"content\":\"x\"},\"sampling_params\":[1],\"model\":[\"m\"]}",
    };
    static const char *const bad[] = {"",    "{\"a\":}",         "{} x", "{\"a\":\"\\ud800\"}",
                                      "nul", "{\"a\":\"\xff\"}", "5",    "{\"a\":01}"};

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct sgl_prompt prompt = read_with(&key, none[i]);
        CU_ASSERT_EQUAL(prompt.id_count, 0);
        CU_ASSERT_PTR_NULL(prompt.model);
        sgl_prompt_release(&prompt);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sgl_prompt prompt = {0};
        CU_ASSERT_EQUAL(sgl_prompt_read(&prompt, &key, 4, bad[i], strlen(bad[i]), NULL),
                        SGL_EINVAL);
        sgl_prompt_release(&prompt);
    }
    /* Parts that are no text do not stand in the way of those that are. */
    CU_ASSERT_EQUAL(shared("{\"messages\":[{\"role\":\"u\",\"content\":[1,{\"type\":\"image\"},"
                           "{\"text\":\"aaaa\"},null]},7]}",
                           "{\"messages\":[{\"content\":\"aaaa\",\"role\":\"u\"},{}]}"),
                    3);
    CU_ASSERT_EQUAL(shared("{\"input_ids\":[1,-2,1.5,12345678901234567890]}",
                           "{\"input_ids\":[[1,-2],[1.5,12345678901234567890]]}"),
                    9);
}

/* `before` is passed by first: only the end of an answer is kept. */
static struct sgl_outcome learned(size_t before, const char *text, bool is_stream,
                                  const char **word)
{
    static const char filler[1000] = "filler ";
    struct sgl_learner learner = {0};
    struct sgl_outcome outcome = sgl_outcome_absent();

    sgl_learner_begin(&learner, is_stream);
    for (size_t passed = 0; passed < before; passed += sizeof filler)
        sgl_learner_take(&learner, filler, sizeof filler);
    for (const char *c = text; *c != '\0'; c++)
        sgl_learner_take(&learner, c, 1);
    *word = sgl_learner_end(&learner, &outcome);
    sgl_learner_release(&learner);
    return outcome;
}

static void answers(void)
{
    static const char generate[] =
        "{\"text\":\"\\\"meta_info\\\": {\\\"prompt_tokens\\\": 9}\",\"meta_info\":{\"id\":\"}\","
        "\"prompt_tokens\":5,\"completion_tokens\":3,\"queue_time_start\":10.5,"
        "\"queue_time_end\":10.75,\"queue_length\":2}}";
    const char *word;

    for (size_t before = 0; before <= 200000; before += 100000) {
        struct sgl_outcome outcome = learned(before, generate, false, &word);
        CU_ASSERT_EQUAL(outcome.prompt_tokens, 5);
        CU_ASSERT_EQUAL(outcome.output_tokens, 3);
        CU_ASSERT_EQUAL(outcome.cached_tokens, SGL_ABSENT);
        CU_ASSERT_EQUAL(outcome.queue_time_ns, 250000000);
        CU_ASSERT_EQUAL(outcome.queue_length, 2);
        CU_ASSERT_PTR_NULL(word);
    }
    const struct sgl_outcome none =
        learned(0, "{\"usage\":null,\"x\":{\"usage\":3}}", false, &word);
    CU_ASSERT_EQUAL(none.output_tokens, SGL_ABSENT);
}

static void streams(void)
{
    static const struct {
        const char *text;
        const char *word; /* NULL: it ended well */
        int64_t tokens;
    } cases[] = {
        {"", "no_done", SGL_ABSENT},
        {"data: [DONE]\n\n", NULL, SGL_ABSENT},
        {"data: {\"meta_info\":{\"completion_tokens\":1,\"finish_reason\":null}}\n\n"
         "data: {\"meta_info\":{\"completion_tokens\":2,\"finish_reason\":null}}\n\n",
         "no_done", 2},
        {"data: {\"meta_info\":{\"completion_tokens\":2,\"finish_reason\":{\"type\":\"stop\"}}}\n",
         NULL, 2},
        {"data: {\"choices\":[],\"usage\":{\"completion_tokens\":7}}\r\n\r\ndata: [DONE]\r\n\r\n",
         NULL, 7},
        {"data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}\n\n: bye\n\n", NULL,
         SGL_ABSENT},
        {"data: {\"error\":{\"message\":\"x\"}}\n\ndata: [DONE]\n\n", "error_event", SGL_ABSENT},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *word;
        const struct sgl_outcome outcome = learned(0, cases[i].text, true, &word);
        const bool is_same = word == NULL || cases[i].word == NULL
                                 ? word == cases[i].word
                                 : strcmp(word, cases[i].word) == 0;
        if (!is_same)
            printf("\n  case %zu: %s\n", i, word != NULL ? word : "(well)");
        CU_ASSERT_TRUE(is_same);
        CU_ASSERT_EQUAL(outcome.output_tokens, cases[i].tokens);
    }
}

SGL_SUITE(prompt) = {
    {"the hash is SipHash-2-4", hash_vectors},
    {"equal prefixes have equal ids, up to where they differ", prefixes},
    {"limits and models are read, nonsense is refused", limits_and_models},
    {"a text is what it means, however it is written", escapes},
    {"what has the form of no prompt gives no ids", odd_members},
    {"what an answer says of itself is found at its end", answers},
    {"how a stream ended is told", streams},
    CU_TEST_INFO_NULL,
};
