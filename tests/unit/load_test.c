/*
 * The load client: prompts have the tokens asked for and begin alike where their ids do, answers
 * are understood however the bytes arrive, and what was measured reads back as a recorded trace.
 */
#include "support.h"

#include "core/absent.h"
#include "live/load_answer.h"
#include "live/load_body.h"
#include "live/load_file.h"
#include "trace_reading.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct sgl_load_options standard = {
    .url = "http://127.0.0.1:30000",
    .is_streaming = true,
    .rate_scale = 1,
    .seed = 1,
};

static struct sgl_trace_row row_of(int64_t request, int64_t prompt, int64_t output,
                                   const uint64_t *ids, size_t count, uint32_t block)
{
    return (struct sgl_trace_row){
        .request = {.request = request,
                    .prompt_tokens = prompt,
                    .max_tokens = SGL_ABSENT,
                    .prefix_ids = ids,
                    .prefix_count = count,
                    .prefix_block = block},
        .output_tokens = output,
    };
}

static json_t *body_of(const struct sgl_load_options *options, const struct sgl_trace_row *row)
{
    struct sgl_load_body body;

    CU_ASSERT_EQUAL_FATAL(sgl_load_body_make(&body, options, row, "a \"name\""), SGL_OK);
    json_t *json = json_loadb(body.bytes, body.size, JSON_REJECT_DUPLICATES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    free(body.bytes);
    return json;
}

/* The prompt's text, which the caller frees. */
static char *prompt_of(const struct sgl_load_options *options, const struct sgl_trace_row *row)
{
    json_t *json = body_of(options, row);
    const json_t *text = json_object_get(json, "text");

    CU_ASSERT_TRUE_FATAL(json_is_string(text));
    char *copy = strdup(json_string_value(text));
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    json_decref(json);
    return copy;
}

static size_t common(const char *left, const char *right)
{
    size_t length = 0;

    while (left[length] != '\0' && left[length] == right[length])
        length++;
    return length;
}

static void equal_ids_equal_text(void)
{
    const uint64_t left_ids[] = {7, 8, 9};
    const uint64_t right_ids[] = {7, 8, 10};
    const struct sgl_trace_row left = row_of(0, 40, 5, left_ids, 3, 16);
    const struct sgl_trace_row right = row_of(1, 48, 5, right_ids, 3, 16);
    const struct sgl_trace_row longer = row_of(2, 100, 5, left_ids, 3, 16);
    char *a = prompt_of(&standard, &left);
    char *b = prompt_of(&standard, &right);
    char *c = prompt_of(&standard, &longer);

    CU_ASSERT_EQUAL(strlen(a), 4 * 40);
    CU_ASSERT_EQUAL(strlen(b), 4 * 48);
    CU_ASSERT_EQUAL(strlen(c), 4 * 100);
    /* Two blocks alike; the third differs in its first words. */
    CU_ASSERT_TRUE(common(a, b) >= 4 * 32 && common(a, b) < 4 * 36);
    CU_ASSERT_EQUAL(common(a, c), 4 * 40);
    free(a);
    free(b);
    free(c);
}

static void own_prompts_share_nothing(void)
{
    const struct sgl_trace_row left = row_of(0, 64, 5, NULL, 0, 0);
    const struct sgl_trace_row right = row_of(1, 64, 5, NULL, 0, 0);
    struct sgl_load_options other = standard;
    char *a = prompt_of(&standard, &left);
    char *b = prompt_of(&standard, &right);
    char *again = prompt_of(&standard, &left);

    other.seed = 2;
    char *c = prompt_of(&other, &left);
    SGL_ASSERT_TEXT(a, again);
    CU_ASSERT_TRUE(common(a, b) < 16);
    CU_ASSERT_TRUE(common(a, c) < 16);
    free(a);
    free(b);
    free(c);
    free(again);
}

static void bodies_ask_for_the_trace(void)
{
    const struct sgl_trace_row row = row_of(0, 30, 12, NULL, 0, 0);
    struct sgl_load_options options = standard;
    json_t *json = body_of(&options, &row);
    const json_t *sampling = json_object_get(json, "sampling_params");

    SGL_ASSERT_TEXT(json_string_value(json_object_get(json, "rid")), "a \"name\"");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(sampling, "max_new_tokens")), 12);
    CU_ASSERT_TRUE(json_is_true(json_object_get(sampling, "ignore_eos")));
    CU_ASSERT_TRUE(json_is_true(json_object_get(json, "stream")));
    json_decref(json);

    options.sends_ids = true;
    json = body_of(&options, &row);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(json, "input_ids")), 30);
    json_decref(json);

    options.sends_ids = false;
    options.api = SGL_LOAD_CHAT;
    options.is_streaming = false;
    json = body_of(&options, &row);
    const json_t *message = json_array_get(json_object_get(json, "messages"), 0);
    CU_ASSERT_EQUAL(json_string_length(json_object_get(message, "content")), 120);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "max_tokens")), 12);
    CU_ASSERT_TRUE(json_is_false(json_object_get(json, "stream")));
    CU_ASSERT_PTR_NULL(json_object_get(json, "stream_options"));
    json_decref(json);
}

/* ---- answers ------------------------------------------------------------------------------- */

struct gaps {
    int64_t count;
    int64_t sum_ns;
};

static void take_gap(void *context, int64_t gap_ns, int64_t count)
{
    struct gaps *gaps = context;

    gaps->count += count;
    gaps->sum_ns += gap_ns * count;
}

static const char generate_stream[] =
    ": a remark\r\n\r\n"
    "data: {\"text\":\"a\",\"meta_info\":{\"prompt_tokens\":9,\"completion_tokens\":1,"
    "\"finish_reason\":null,\"server_created_time\":100.5,\"queue_time_start\":100.6,"
    "\"queue_time_end\":100.7}}\n\n"
    "data: {\"text\":\"ab\",\"meta_info\":{\"prompt_tokens\":9,\"completion_tokens\":3,"
    "\"finish_reason\":null}}\n\n"
    "data:{\"text\":\"abc\",\"meta_info\":{\"prompt_tokens\":9,\"completion_tokens\":4,"
    "\"cached_tokens\":5,\"finish_reason\":{\"type\":\"length\",\"length\":4}}}\n\n"
    "data: [DONE]\n\n";

static const char chat_stream[] =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"y\"},\"finish_reason\":\"length\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
    "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n"
    "data: [DONE]\n\n";

static const char *read_in_pieces(struct sgl_load_answer *answer,
                                  const struct sgl_load_options *options, const char *text,
                                  size_t piece)
{
    const size_t size = strlen(text);

    sgl_load_answer_begin(answer, options);
    for (size_t at = 0; at < size; at += piece)
        CU_ASSERT_EQUAL_FATAL(sgl_load_answer_take(answer, text + at,
                                                   size - at < piece ? size - at : piece,
                                                   (int64_t)(at + piece)),
                              SGL_OK);
    sgl_load_answer_end(answer, (int64_t)size);
    sgl_load_answer_release(answer);
    return answer->error;
}

static void streams_in_any_pieces(void)
{
    for (size_t piece = 1; piece <= sizeof generate_stream; piece++) {
        struct gaps gaps = {0};
        struct sgl_load_options options = standard;
        struct sgl_load_answer answer;
        options.gap = take_gap;
        options.context = &gaps;
        CU_ASSERT_PTR_NULL(read_in_pieces(&answer, &options, generate_stream, piece));
        CU_ASSERT_EQUAL(answer.output_tokens, 4);
        CU_ASSERT_EQUAL(answer.prompt_tokens, 9);
        CU_ASSERT_EQUAL(answer.cached_tokens, 5);
        CU_ASSERT_EQUAL(answer.queue_end_s, 100.7);
        CU_ASSERT_EQUAL(gaps.count, 3);
        /* Two tokens that came in one event share its gap, to the ns below. */
        const int64_t span_ns = answer.last_token_ns - answer.first_token_ns;
        CU_ASSERT_TRUE(gaps.sum_ns <= span_ns && gaps.sum_ns >= span_ns - 1);
    }
    for (size_t piece = 1; piece <= sizeof chat_stream; piece++) {
        struct sgl_load_options options = standard;
        struct sgl_load_answer answer;
        options.api = SGL_LOAD_CHAT;
        CU_ASSERT_PTR_NULL(read_in_pieces(&answer, &options, chat_stream, piece));
        CU_ASSERT_EQUAL(answer.output_tokens, 2);
        CU_ASSERT_EQUAL(answer.cached_tokens, 4);
        CU_ASSERT_TRUE(answer.has_text);
    }
}

static void broken_answers_are_named(void)
{
    static const struct {
        const char *text;
        const char *error;
        bool is_streaming;
    } cases[] = {
        {"", "cut", true},
        {"data: {\"text\":\"a\",\"meta_info\":{\"completion_tokens\":1}}\n\n", "cut", true},
        {"data: {\"text\":\n\n", "malformed", true},
        {"data: []\n\n", "malformed", true},
        {"data: {\"text\":\"a\"}\n\n", "malformed", true},
        {"data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n", "error_event", true},
        {"data: {\"meta_info\":{\"finish_reason\":{\"type\":\"abort\"}}}\n\n", "abort", true},
        {"", "malformed", false},
        {"{\"meta_info\":{\"completion_tokens\":3}}", "cut", false},
        {"{\"error\":\"x\"}", "error_event", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_load_options options = standard;
        struct sgl_load_answer answer;
        options.is_streaming = cases[i].is_streaming;
        const char *error = read_in_pieces(&answer, &options, cases[i].text, 7);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        SGL_ASSERT_TEXT(error, cases[i].error);
    }
}

/* ---- files --------------------------------------------------------------------------------- */

static struct sgl_load_record records[] = {
    {.request_id = (char[]){"one, \"quoted\""},
     .worker_url = (char[]){"http://a"},
     .intended_ns = 0,
     .sent_ns = 1000000,
     .first_token_ns = 51000000,
     .finish_ns = 2051000000,
     .prompt_bytes = 40,
     .wanted_prompt = 10,
     .wanted_output = 5,
     .prompt_tokens = 11,
     .output_tokens = 5,
     .cached_tokens = SGL_ABSENT,
     .server_created_ns = 2000000,
     .queue_start_ns = 3000000,
     .queue_end_ns = 13000000,
     .has_text = true},
    {.request_id = (char[]){"two"},
     .intended_ns = 500000000,
     .sent_ns = 500000000,
     .first_token_ns = SGL_ABSENT,
     .finish_ns = 1500000000,
     .prompt_bytes = 40,
     .wanted_prompt = 10,
     .wanted_output = 7,
     .prompt_tokens = SGL_ABSENT,
     .output_tokens = 0,
     .cached_tokens = SGL_ABSENT,
     .server_created_ns = SGL_ABSENT,
     .queue_start_ns = SGL_ABSENT,
     .queue_end_ns = SGL_ABSENT,
     .error = "http_503"},
};

/* What the client files hold of these two, as a trace. */
static const char expected[] =
    "0 at 0 prompt=11 output=5 max=5 id='one, \"quoted\"' worker='http://a' send=1000000 "
    "start=3000000 end=13000000 first=51000000 finish=2051000000 latency=2050000000 "
    "ttft=51000000 success=1\n"
    "1 at 500000000 prompt=10 output=0 max=7 id='two' worker='http://c' send=500000000 "
    "finish=1500000000 latency=1000000000 success=0 error='http_503'\n";

static void files_read_back(void)
{
    static const char *const names[] = {"load.csv", "load.db"};
    const struct sgl_load_result result = {.records = records, .count = 2};
    struct sgl_failure failure;

    for (size_t i = 0; i < 2; i++) {
        const char *path = sgl_scratch(names[i]);
        /* Twice: the second replaces the first. */
        for (int round = 0; round < 2; round++) {
            CU_ASSERT_EQUAL_FATAL(sgl_load_file_check(path, &failure), SGL_OK);
            CU_ASSERT_EQUAL_FATAL(sgl_load_file_write(path, &result, "http://c", &failure), SGL_OK);
        }
        struct trace_reading reading = trace_read(&(struct sgl_trace_options){.path = path});
        CU_ASSERT_EQUAL(reading.code, 0);
        SGL_ASSERT_TEXT(reading.rows, expected);
        trace_reading_release(&reading);
    }
}

static void foreign_files_stay(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens\n0,1,1\n";
    const char *path = sgl_scratch_text("foreign.csv", text);
    const struct sgl_load_result result = {.records = records, .count = 2};
    struct sgl_failure failure;

    CU_ASSERT_EQUAL(sgl_load_file_check(path, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "holds something else");
    CU_ASSERT_EQUAL(sgl_load_file_write(path, &result, "http://c", &failure), SGL_EINVAL);
    CU_ASSERT_EQUAL(sgl_load_file_check("load.txt", &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "expected .csv, .db");
}

SGL_SUITE(load) = {
    {"equal prefix ids give equal text, of the tokens asked for", equal_ids_equal_text},
    {"prompts without prefix ids share nothing, and are the same again", own_prompts_share_nothing},
    {"bodies of each API ask for the trace's tokens", bodies_ask_for_the_trace},
    {"streams are understood in pieces of any size", streams_in_any_pieces},
    {"answers that are broken are named by kind", broken_answers_are_named},
    {"client files read back as a recorded trace, failures included", files_read_back},
    {"files of others are not replaced", foreign_files_stay},
    CU_TEST_INFO_NULL,
};
