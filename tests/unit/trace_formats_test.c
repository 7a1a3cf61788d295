/* What every format must keep, over one small file of each; then gzip, filters, steps and blocks.
 */
#include "support.h"

#include "trace_reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* A small file of each format of text, and its first row. */
static const struct {
    const char *format;
    const char *text;
    uint64_t rows;
    const char *first;
} samples[] = {
    {"csv", "arrival_time,prompt_tokens,output_tokens\n0,374,44\n1.5,396,109\n2,1,2\n", 3,
     "0 at 0 prompt=374 output=44"},
    {"mooncake",
     "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 44, \"hash_ids\": [1, 2]}\n"
     "{\"timestamp\": 27, \"input_length\": 512, \"output_length\": 5, \"hash_ids\": [1]}\n",
     2, "0 at 0 prompt=700 output=44"},
    {"burstgpt",
     "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
     "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,API log\n",
     2, "0 at 0 prompt=472 output=18"},
    {"aibrix",
     "prompt_tokens,generation_tokens,ttft,generation_time,user_id,question_id,launch_time,"
     "finish_time\n21073.0,100,0.5,1.5,3,0,1747617201.5,1747617203.5\n"
     "21074,99,0.25,1.5,4,0,1747617200.5,1747617202.25\n",
     2, "0 at 0 prompt=21074 output=99"},
    {"sglang_bench",
     "{\"backend\": \"vllm\", \"start_times\": [10.5, 11.0], \"input_lens\": [100, 200], "
     "\"output_lens\": [7, 8], \"ttfts\": [0.25, 0.0], \"errors\": [\"\", \"timeout\"]}\n",
     2, "0 at 0 prompt=100 output=7"},
};

#define SAMPLE_COUNT (sizeof samples / sizeof samples[0])

static struct trace_reading read_bytes(const void *bytes, size_t size)
{
    const struct sgl_trace_options options = {
        .path = "t.txt", .memory = bytes, .memory_size = size};

    return trace_read(&options);
}

static void each_format_is_known_by_its_content(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct trace_reading reading = read_bytes(samples[i].text, strlen(samples[i].text));
        SGL_ASSERT_TEXT(reading.failure.text, "");
        CU_ASSERT_EQUAL(reading.row_count, samples[i].rows);
        if (reading.code == 0) {
            SGL_ASSERT_TEXT(reading.facts.format, samples[i].format);
            CU_ASSERT_EQUAL(strncmp(reading.rows, samples[i].first, strlen(samples[i].first)), 0);
        }
        trace_reading_release(&reading);
    }
}

/* Cut anywhere, a file gives rows that are the first of the whole, or one line that says what. */
static void a_file_cut_anywhere_gives_a_part_or_a_line(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const size_t size = strlen(samples[i].text);
        for (size_t cut = 0; cut < size; cut++) {
            char *part = malloc(cut + 1);
            CU_ASSERT_PTR_NOT_NULL_FATAL(part);
            memcpy(part, samples[i].text, cut);
            struct trace_reading reading = read_bytes(part, cut);
            CU_ASSERT_TRUE(reading.row_count <= samples[i].rows);
            CU_ASSERT_TRUE(reading.code == 0 || strncmp(reading.failure.text, "t.txt", 5) == 0);
            CU_ASSERT_PTR_NULL(strchr(reading.failure.text, '\n'));
            trace_reading_release(&reading);
            free(part);
        }
    }
}

static void a_byte_of_garbage_anywhere_is_survived(void)
{
    static const char garbage[] = {'\0', '\xff', '"', '\n', '{', '9', ','};

    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const size_t size = strlen(samples[i].text);
        for (size_t at = 0; at < size; at++) {
            char *bytes = strdup(samples[i].text);
            CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
            bytes[at] = garbage[at % sizeof garbage];
            struct trace_reading reading = read_bytes(bytes, size);
            CU_ASSERT_TRUE(reading.code <= 0 && reading.row_count <= samples[i].rows + 1);
            CU_ASSERT_PTR_NULL(strchr(reading.failure.text, '\n'));
            trace_reading_release(&reading);
            free(bytes);
        }
    }
}

/* The text as gzip data; the caller frees it. */
static unsigned char *packed(const char *text, size_t *size_out)
{
    z_stream stream = {0};
    const size_t room = strlen(text) + 256;
    unsigned char *bytes = malloc(room);
    char *copy = strdup(text);

    CU_ASSERT_TRUE_FATAL(bytes != NULL && copy != NULL);
    CU_ASSERT_EQUAL_FATAL(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                          Z_OK);
    stream.next_in = (unsigned char *)copy;
    stream.avail_in = (unsigned)strlen(text);
    stream.next_out = bytes;
    stream.avail_out = (unsigned)room;
    CU_ASSERT_EQUAL_FATAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *size_out = stream.total_out;
    deflateEnd(&stream);
    free(copy);
    return bytes;
}

static void gzip_gives_the_same_rows(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t size;
        unsigned char *bytes = packed(samples[i].text, &size);
        struct trace_reading plain = read_bytes(samples[i].text, strlen(samples[i].text));
        struct trace_reading unpacked = read_bytes(bytes, size);
        SGL_ASSERT_TEXT(unpacked.failure.text, "");
        SGL_ASSERT_TEXT(unpacked.rows, plain.rows);
        CU_ASSERT_EQUAL(unpacked.facts.digest, plain.facts.digest);
        trace_reading_release(&plain);
        trace_reading_release(&unpacked);
        free(bytes);
    }
}

static void gzip_cut_or_damaged_anywhere_is_a_failure(void)
{
    size_t size;
    unsigned char *bytes = packed(samples[0].text, &size);

    for (size_t cut = 3; cut < size; cut++) {
        unsigned char *part = malloc(cut);
        CU_ASSERT_PTR_NOT_NULL_FATAL(part);
        memcpy(part, bytes, cut);
        struct trace_reading reading = read_bytes(part, cut);
        CU_ASSERT_TRUE(reading.code < 0);
        SGL_ASSERT_CONTAINS(reading.failure.text, "t.txt");
        trace_reading_release(&reading);
        free(part);
    }
    for (size_t at = 10; at < size; at++) {
        bytes[at] ^= 0x55;
        struct trace_reading reading = read_bytes(bytes, size);
        CU_ASSERT_TRUE(reading.code < 0);
        trace_reading_release(&reading);
        bytes[at] ^= 0x55;
    }
    free(bytes);
}

static void gzip_members_one_after_the_other_are_one_file(void)
{
    size_t first_size;
    size_t second_size;
    unsigned char *first = packed("arrival_time,prompt_tokens,output_tokens\n0,1,2\n", &first_size);
    unsigned char *second = packed("3,4,5\n", &second_size);
    unsigned char *both = malloc(first_size + second_size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(both);
    memcpy(both, first, first_size);
    memcpy(both + first_size, second, second_size);
    struct trace_reading reading = read_bytes(both, first_size + second_size);
    SGL_ASSERT_TEXT(reading.failure.text, "");
    CU_ASSERT_EQUAL(reading.row_count, 2);
    trace_reading_release(&reading);
    free(first);
    free(second);
    free(both);
}

static void a_filter_keeps_the_rows_that_have_the_values(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens,run,rate\n"
                               "0,1,1,a,2.9\n1,2,2,b,2.9\n2,3,3,a,3.1\n3,4,4,a,2.9\n";
    struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = sizeof text - 1, .where = "run=a,rate=2.9"};
    struct trace_reading reading = trace_read(&options);

    CU_ASSERT_EQUAL(reading.row_count, 2);
    SGL_ASSERT_CONTAINS(reading.rows, "prompt=1");
    SGL_ASSERT_CONTAINS(reading.rows, "prompt=4");
    trace_reading_release(&reading);
    options.where = "ran=a";
    reading = trace_read(&options);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(reading.failure.text, "ran");
    trace_reading_release(&reading);
    options.where = "run=nobody";
    reading = trace_read(&options);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    trace_reading_release(&reading);
    options.where = "run";
    reading = trace_read(&options);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    trace_reading_release(&reading);
}

static void steps_are_spread_over_their_width(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens\n"
                               "0,1,1\n0,2,1\n0,3,1\n3,4,1\n3,5,1\n6,6,1\n6,7,1\n6,8,1\n6,9,1\n";
    static const double expected_s[] = {0, 1, 2, 3, 4.5, 6, 6.75, 7.5, 8.25};
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = sizeof text - 1, .spreads_steps = true};
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace *trace;
    struct sgl_trace_row row;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), SGL_OK);
    for (int64_t i = 0; i < 9; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_trace_next(trace, &row, &failure), 1);
        CU_ASSERT_EQUAL(row.request.arrival_ns, (int64_t)(expected_s[i] * 1e9));
        CU_ASSERT_EQUAL(row.request.prompt_tokens, i + 1);
    }
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 0);
    sgl_trace_close(trace);
}

static void a_block_size_is_the_files_then_the_options(void)
{
    static const char text[] =
        "arrival_time,prompt_tokens,output_tokens,prefix_hashes,prefix_block\n"
        "0,64,1,1 2,32\n1,64,1,1 2,\n2,64,1,,\n";
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = sizeof text - 1, .prefix_block = 16};
    static const uint32_t expected[] = {32, 16, 0};
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace *trace;
    struct sgl_trace_row row;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), SGL_OK);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_trace_next(trace, &row, &failure), 1);
        CU_ASSERT_EQUAL(row.request.prefix_block, expected[i]);
    }
    sgl_trace_close(trace);
}

static void what_a_format_says_of_failures_is_kept(void)
{
    struct trace_reading reading = read_bytes(samples[2].text, strlen(samples[2].text));
    SGL_ASSERT_CONTAINS(reading.rows, "success=0");
    SGL_ASSERT_CONTAINS(reading.warnings, "0 response tokens");
    trace_reading_release(&reading);
    reading = read_bytes(samples[4].text, strlen(samples[4].text));
    SGL_ASSERT_CONTAINS(reading.rows, "timeout");
    trace_reading_release(&reading);
    static const char without_times[] = "{\"input_lens\": [1], \"output_lens\": [2]}\n";
    reading = read_bytes(without_times, sizeof without_times - 1);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(reading.failure.text, "start_times");
    trace_reading_release(&reading);
}

SGL_SUITE(trace_formats) = {
    {"each format is known by its content", each_format_is_known_by_its_content},
    {"a file cut anywhere gives a part or a line", a_file_cut_anywhere_gives_a_part_or_a_line},
    {"a byte of garbage anywhere is survived", a_byte_of_garbage_anywhere_is_survived},
    {"gzip gives the same rows", gzip_gives_the_same_rows},
    {"gzip cut or damaged anywhere is a failure", gzip_cut_or_damaged_anywhere_is_a_failure},
    {"gzip members one after the other are one file",
     gzip_members_one_after_the_other_are_one_file},
    {"a filter keeps the rows that have the values", a_filter_keeps_the_rows_that_have_the_values},
    {"steps are spread over their width", steps_are_spread_over_their_width},
    {"a block size is the file's, then the option's", a_block_size_is_the_files_then_the_options},
    {"what a format says of failures is kept", what_a_format_says_of_failures_is_kept},
    CU_TEST_INFO_NULL,
};
