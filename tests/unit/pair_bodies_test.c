/* What is put into bodies for pairs, and what is merged of their answers, against a JSON parser. */
#include "core/rng.h"
#include "live/bootstrap.h"
#include "live/merge.h"
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sgl_bootstrap bootstrap = {
    .host = "gpu1", .port = 8998, .room_key = 5, .request = 7};

/* `batch` is the number of requests of a batch, -1 for one request. */
static const struct {
    const char *body;
    int batch;
} bodies[] = {
    {"{}", -1},
    {" { \"text\" : \"a]}\\\"\" } \n", -1},
    {"{\"text\":[\"a\",\"b\"],\"n\":1.10}", 2},
    {"{\"text\":[],\"x\":{\"y\":[{}]}}", 0},
    {"{\"text\":null,\"input_ids\":[[1],[2,3],[]]}", 3},
    {"{\"text\":[\"a\"],\"input_ids\":[1,2]}", 1},
    {"{\"input_ids\":[1,2]}", -1},
    {"{\"prompt\":[\"a\",\"b\",\"c\"]}", 3},
    {"{\"prompt\":[[1,2],[3]]}", 2},
    {"{\"prompt\":[5,6]}", -1},
    {"{\"x\":{\"text\":[1,2]},\"text\":\"a\"}", -1},
    {"{\"text\":\"a\",\"text\":[\"a\",\"b\"]}", 2},
    {"{\"bootstrap_room\":3,\"bootstrap_port\":[1]}", -1},
};

/* A copy of exactly that size: a read beyond it is found out. */
static char *exactly(const char *text, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, text, size);
    return copy;
}

static void check_field(const json_t *value, const char *kind, int batch)
{
    const json_type type = json_typeof(value);

    if (batch < 0) {
        CU_ASSERT_EQUAL(type, kind[0] == 's' ? JSON_STRING : JSON_INTEGER);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(type, JSON_ARRAY);
    CU_ASSERT_EQUAL((int)json_array_size(value), batch);
}

static void fields_come_last_and_nothing_else_changes(void)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        const char *body = bodies[i].body;
        const size_t size = strlen(body);
        struct sgl_bootstrap_place place;
        struct sgl_buffer out = {0};
        CU_ASSERT_EQUAL_FATAL(sgl_bootstrap_find(&place, body, size, NULL), SGL_OK);
        CU_ASSERT_FATAL(sgl_bootstrap_write(&out, body, size, &place, &bootstrap));
        const size_t added = out.size - size;
        CU_ASSERT_EQUAL(memcmp(out.bytes, body, place.at), 0);
        CU_ASSERT_EQUAL(memcmp(out.bytes + place.at + added, body + place.at, size - place.at), 0);
        json_t *root = json_loadb(out.bytes, out.size, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(root);
        check_field(json_object_get(root, "bootstrap_host"), "s", bodies[i].batch);
        check_field(json_object_get(root, "bootstrap_port"), "i", bodies[i].batch);
        check_field(json_object_get(root, "bootstrap_room"), "i", bodies[i].batch);
        json_decref(root);
        sgl_buffer_release(&out);
    }
}

static void rooms_are_those_of_their_key(void)
{
    static const char body[] = "{\"text\":[\"a\",\"b\",\"c\"]}";
    struct sgl_rng draws = sgl_rng_stream(5, SGL_PURPOSE_ROOM, 0, 7, 0);
    struct sgl_bootstrap_place place;
    struct sgl_buffer out = {0};

    CU_ASSERT_EQUAL_FATAL(sgl_bootstrap_find(&place, body, sizeof body - 1, NULL), SGL_OK);
    CU_ASSERT_FATAL(sgl_bootstrap_write(&out, body, sizeof body - 1, &place, &bootstrap));
    json_t *root = json_loadb(out.bytes, out.size, 0, NULL);
    const json_t *rooms = json_object_get(root, "bootstrap_room");
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL((uint64_t)json_integer_value(json_array_get(rooms, i)),
                        sgl_rng_next(&draws) >> 1);
    json_decref(root);
    sgl_buffer_release(&out);
}

static void a_body_that_is_cut_off_is_refused(void)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        const size_t end = (size_t)(strrchr(bodies[i].body, '}') - bodies[i].body);
        for (size_t size = 0; size <= end; size++) {
            struct sgl_bootstrap_place place;
            char *copy = exactly(bodies[i].body, size);
            CU_ASSERT_EQUAL(sgl_bootstrap_find(&place, copy, size, NULL), SGL_EINVAL);
            CU_ASSERT_FALSE(sgl_bootstrap_wants_logprobs(copy, size));
            free(copy);
        }
    }
}

static void return_logprob_is_true_or_has_a_true(void)
{
    static const struct {
        const char *body;
        bool wants;
    } rows[] = {
        {"{\"return_logprob\":true}", true},
        {"{\"return_logprob\":false}", false},
        {"{\"return_logprob\":[false, true ]}", true},
        {"{\"return_logprob\":[false,false]}", false},
        {"{\"x\":{\"return_logprob\":true}}", false},
        {"{\"return_logprob\":true,\"return_logprob\":false}", false},
        {"[true]", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CU_ASSERT_EQUAL(sgl_bootstrap_wants_logprobs(rows[i].body, strlen(rows[i].body)),
                        rows[i].wants);
}

/* ---- merging ---- */

static const char *const names[] = {"input_token_logprobs", "input_top_logprobs",
                                    "input_token_ids_logprobs"};

static json_t *random_list(struct sgl_rng *draws)
{
    json_t *list = json_array();
    const uint32_t count = sgl_rng_below(draws, 4);

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("[f, i, s]", -sgl_rng_uniform(draws),
                                              (int)sgl_rng_below(draws, 1000), "],\"{"));
    return list;
}

/* An answer with some of the lists, in some order. */
static json_t *random_answer(struct sgl_rng *draws)
{
    json_t *meta = json_pack("{s:s}", "id", "meta_info");
    const uint32_t first = sgl_rng_below(draws, 3);

    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t kind = sgl_rng_below(draws, 5);
        const char *name = names[(first + i) % 3];
        if (kind == 0)
            json_object_set_new(meta, name, json_null());
        else if (kind > 1)
            json_object_set_new(meta, name, random_list(draws));
    }
    return json_pack("{s:s, s:o, s:i}", "text", "}{", "meta_info", meta, "n", 1);
}

/* The same by the parser's means. */
static void merge_parsed(json_t *decode, const json_t *prefill)
{
    json_t *meta = json_object_get(decode, "meta_info");

    for (size_t i = 0; i < 3; i++) {
        const json_t *own = json_object_get(meta, names[i]);
        const json_t *theirs = json_object_get(json_object_get(prefill, "meta_info"), names[i]);
        if (own == NULL || json_array_size(theirs) == 0)
            continue;
        json_t *merged = json_copy((json_t *)(uintptr_t)theirs);
        if (json_is_array(own))
            json_array_extend(merged, json_object_get(meta, names[i]));
        json_object_set_new(meta, names[i], merged);
    }
}

static void merged_is_what_a_parser_would_merge(void)
{
    for (int64_t world = 0; world < 300; world++) {
        struct sgl_rng draws = sgl_rng_stream(1, SGL_PURPOSE_PROMPT, 0, world, 0);
        const size_t flags = (world % 2 == 0 ? JSON_COMPACT : JSON_INDENT(1)) | JSON_PRESERVE_ORDER;
        json_t *decode = random_answer(&draws);
        json_t *prefill = random_answer(&draws);
        char *decode_text = json_dumps(decode, flags);
        char *prefill_text = json_dumps(prefill, flags);
        struct sgl_buffer out = {0};
        sgl_merge_answer(&out, decode_text, strlen(decode_text), prefill_text,
                         strlen(prefill_text));
        json_t *merged = json_loadb(out.bytes, out.size, 0, NULL);
        merge_parsed(decode, prefill);
        CU_ASSERT_TRUE(json_equal(merged, decode));
        json_decref(merged);
        json_decref(decode);
        json_decref(prefill);
        free(decode_text);
        free(prefill_text);
        sgl_buffer_release(&out);
    }
}

static void what_is_broken_passes_without_a_read_beyond(void)
{
    static const char decode[] =
        "[{\"meta_info\":{\"input_token_logprobs\":[1,2]}},{\"meta_info\":{}}]";
    static const char event[] = "data: {\"index\":1,\"meta_info\":{\"input_top_logprobs\":[]}}\r\n";

    for (size_t size = 0; size < sizeof decode; size++) {
        char *copy = exactly(decode, size);
        struct sgl_buffer out = {0};
        sgl_merge_answer(&out, copy, size, "no JSON", 7);
        CU_ASSERT_EQUAL(out.size, size);
        CU_ASSERT_TRUE(size == 0 || memcmp(out.bytes, copy, size) == 0);
        sgl_buffer_clear(&out, 0);
        sgl_merge_answer(&out, decode, sizeof decode - 1, copy, size);
        sgl_buffer_release(&out);
        free(copy);
    }
    for (size_t size = 0; size < sizeof event; size++) {
        char *copy = exactly(event, size);
        struct sgl_buffer out = {0};
        sgl_merge_line(&out, copy, size, "data: [DONE]\n", 13);
        CU_ASSERT_EQUAL(out.size, size);
        sgl_merge_line(&out, event, sizeof event - 1, copy, size);
        sgl_buffer_release(&out);
        free(copy);
    }
}

SGL_SUITE(pair_bodies) = {
    {"the fields come last, in arrays for a batch, and nothing else changes",
     fields_come_last_and_nothing_else_changes},
    {"rooms are draws of the stream that the log names", rooms_are_those_of_their_key},
    {"a body that is cut off anywhere is refused", a_body_that_is_cut_off_is_refused},
    {"logprobs are merged when return_logprob is true, or has a true",
     return_logprob_is_true_or_has_a_true},
    {"merged is what a parser would merge", merged_is_what_a_parser_would_merge},
    {"what is broken passes as it is", what_is_broken_passes_without_a_read_beyond},
    CU_TEST_INFO_NULL,
};
