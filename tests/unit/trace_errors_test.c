/*
 * Bad traces. Each case is a file and the one line it must give: place, what, what was expected.
 */
#include "support.h"

#include "trace_reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "arrival_time,prompt_tokens,output_tokens\n"

struct bad {
    const char *text;
    const char *failure;
};

static void check(const struct bad *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct trace_reading reading = trace_read_text(cases[i].text);
        CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
        CU_ASSERT_EQUAL(reading.row_count, 0);
        SGL_ASSERT_TEXT(reading.failure.text, cases[i].failure);
        trace_reading_release(&reading);
    }
}

#define CHECK(cases) check((cases), sizeof(cases) / sizeof((cases)[0]))

static void headers_are_checked(void)
{
    static const struct bad cases[] = {
        {"", "t.csv: empty, expected a header row"},
        {"\n\r\n  \n", "t.csv: empty, expected a header row"},
        {"\xef\xbb\xbf", "t.csv: empty, expected a header row"},
        {HEADER, "t.csv: no rows, expected at least one request"},
        {HEADER "\n\n", "t.csv: no rows, expected at least one request"},
        {"a,b\n1,2\n", "t.csv:1: no column arrival_time, expected it or one of: timestamp "
                       "TIMESTAMP server_created_time"},
        {"arrival_time,promt_tokens,output_tokens\n",
         "t.csv:1: no column prompt_tokens, expected it or one of: actual_prompt_tokens "
         "ContextTokens input_tokens input_length; there is 'promt_tokens' (did you mean "
         "'prompt_tokens'?)"},
        {"TIMESTAMP,ContextTokens,GenerateTokens\n",
         "t.csv:1: no column output_tokens, expected it or one of: actual_output_tokens "
         "GeneratedTokens completion_tokens output_length; there is 'GenerateTokens' (did you "
         "mean 'GeneratedTokens'?)"},
        {"\n\narrival_time,prompt_tokens,output_tokens,x,y,prompt_tokens\n",
         "t.csv:3:46: a second column prompt_tokens, expected every name once"},
        {"arrival_time,prompt_tokens,output_tokens,x,y,x\n",
         "t.csv:1:46: a second column x, expected every name once"},
        {"2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n",
         "t.csv:1:1: '2023-11-16 18:15:46.6805900' is data, expected a header with "
         "arrival_time, prompt_tokens, output_tokens"},
    };

    CHECK(cases);
}

static void counts_are_checked(void)
{
    static const struct bad cases[] = {
        {HEADER "0,374.5,1\n", "t.csv:2:3: prompt_tokens is '374.5', expected a whole number"},
        {HEADER "0,-1,1\n",
         "t.csv:2:3: prompt_tokens is '-1', expected a whole number not below 0"},
        {HEADER "0,1,NaN\n",
         "t.csv:2:5: output_tokens is 'NaN', expected a whole number not below 0"},
        {HEADER "0,1,inf\n",
         "t.csv:2:5: output_tokens is 'inf', expected a whole number not below 0"},
        {HEADER "0,0x10,1\n",
         "t.csv:2:3: prompt_tokens is '0x10', expected a whole number not below 0"},
        {HEADER "0,12abc,1\n",
         "t.csv:2:3: prompt_tokens is '12abc', expected a whole number not below 0"},
        {HEADER "0,\"1,5\",1\n",
         "t.csv:2:3: prompt_tokens is '1,5', expected a whole number not below 0"},
        {HEADER "0,2147483649,1\n",
         "t.csv:2:3: prompt_tokens is '2147483649', expected at most 2147483648 (no prompt or "
         "answer is longer)"},
        {HEADER "0,1e308,1\n", "t.csv:2:3: prompt_tokens is '1e308', expected at most 2147483648 "
                               "(no prompt or answer is longer)"},
        {HEADER "0,99999999999999999999999999999999999999999999999999,1\n",
         "t.csv:2:3: prompt_tokens is '9999999999999999999999999999999999999999...', expected at "
         "most 2147483648 (no prompt or answer is longer)"},
        {HEADER "0,,1\n", "t.csv:2:3: prompt_tokens is empty, expected a number"},
        {HEADER "0,1,\"  \"\n", "t.csv:2:5: output_tokens is empty, expected a number"},
        {HEADER ",1,1\n", "t.csv:2:1: arrival_time is empty, expected a time"},
    };

    CHECK(cases);
}

static void times_are_checked(void)
{
    static const struct bad cases[] = {
        {HEADER "soon,1,1\n",
         "t.csv:2:1: arrival_time is 'soon', expected ISO 8601 or a number not below 0"},
        {HEADER "-1,1,1\n",
         "t.csv:2:1: arrival_time is '-1', expected ISO 8601 or a number not below 0"},
        {HEADER "nan,1,1\n",
         "t.csv:2:1: arrival_time is 'nan', expected ISO 8601 or a number not below 0"},
        {HEADER "1e400,1,1\n",
         "t.csv:2:1: arrival_time is '1e400', expected a year from 1678 to 2261"},
        {HEADER "2023-02-30 00:00:00,1,1\n",
         "t.csv:2:1: arrival_time is '2023-02-30 00:00:00', expected a day and time that exist "
         "(no leap seconds)"},
        {HEADER "2016-12-31T23:59:60Z,1,1\n",
         "t.csv:2:1: arrival_time is '2016-12-31T23:59:60Z', expected a day and time that exist "
         "(no leap seconds)"},
        {HEADER "2023-11-16 18:15:46,1,1\n1700158546.5,1,1\n",
         "t.csv:3:1: arrival_time is '1700158546.5', which is epoch s, expected ISO 8601 as in "
         "the first row"},
        {HEADER "1700158546.5,1,1\n2023-11-16 18:15:46,1,1\n",
         "t.csv:3:1: arrival_time is '2023-11-16 18:15:46', which is ISO 8601, expected epoch s "
         "as in the first row"},
        {HEADER "12,1,1\n1700158546500,1,1\n",
         "t.csv:3:1: arrival_time is '1700158546500', which is epoch ms, expected seconds from "
         "start as in the first row"},
        {"finish_time,arrival_time,prompt_tokens,output_tokens\n1700158546,12,1,1\n",
         "t.csv:2:1: finish_time is '1700158546', which is epoch s, expected seconds from start "
         "as in the first row"},
        {HEADER "1678-01-01 00:00:00,1,1\n2261-01-01 00:00:00,1,1\n", NULL},
    };

    check(cases, sizeof cases / sizeof cases[0] - 1);
    struct trace_reading reading = trace_read_text(cases[10].text);
    CU_ASSERT_EQUAL(reading.row_count, 1);
    SGL_ASSERT_TEXT(reading.failure.text,
                    "t.csv:3: a time is more than 292 years from the first, expected less");
    trace_reading_release(&reading);
}

static void other_columns_are_checked(void)
{
    static const struct bad cases[] = {
        {"arrival_time,prompt_tokens,output_tokens,ttft\n0,1,1,-0.5\n",
         "t.csv:2:7: ttft is '-0.5', expected seconds, from 0 to 292 years"},
        {"arrival_time,prompt_tokens,output_tokens,priority\n0,1,1,urgent\n",
         "t.csv:2:7: priority is 'urgent', expected high, normal or low"},
        {"arrival_time,prompt_tokens,output_tokens,success\n0,1,1,yes\n",
         "t.csv:2:7: success is 'yes', expected true, false, 1 or 0"},
        {"arrival_time,prompt_tokens,output_tokens,prefix_hashes\n0,1,1,1 2 x\n",
         "t.csv:2:7: prefix_hashes is '1 2 x', expected 64-bit numbers separated by spaces"},
        {"arrival_time,prompt_tokens,output_tokens,hash_ids\n0,1,1,18446744073709551616\n",
         "t.csv:2:7: prefix_hashes is '18446744073709551616', expected 64-bit numbers separated "
         "by spaces"},
        {"arrival_time,prompt_tokens,output_tokens,hash_ids\n0,1,1,0x\n",
         "t.csv:2:7: prefix_hashes is '0x', expected 64-bit numbers separated by spaces"},
        {"arrival_time,prompt_tokens,output_tokens,max_tokens\n0,1,1,0.5\n",
         "t.csv:2:7: max_tokens is '0.5', expected a whole number"},
    };

    CHECK(cases);
}

static void the_shape_of_the_file_is_checked(void)
{
    static const struct bad cases[] = {
        {HEADER "0,1,1\n1,1\n", "t.csv:3: row of 2 cells, expected 3 as in the header"},
        {HEADER "0,1,1\n1,1,1,1\n", "t.csv:3: row of 4 cells, expected 3 as in the header"},
        {HEADER "0,1,1\r\n\r\n1,", "t.csv:4: row of 2 cells, expected 3 as in the header"},
        {HEADER "0,1,1\n1,\"1,1\n2,1,1\n", "t.csv:3:3: quote never closed, expected another one"},
        {"\x1f\x8b\x08", "t.csv: gzip data end after 3 bytes (0 unpacked), expected a whole file"},
        {"PAR1xxxx", "t.csv: is a Parquet file, expected CSV or SQLite"},
        {"{\"timestamp\": 0}",
         "t.csv: is JSON of no known kind, expected lines of Mooncake's or of bench_serving's "
         "(--format says which)"},
    };

    CHECK(cases);
}

static void control_characters_are_not_echoed(void)
{
    static const struct bad cases[] = {
        {HEADER "0,\x1b[31m\xc2\x9b,1\n", "t.csv:2:3: prompt_tokens is '?[31m?"
                                          "?', expected a whole number not below 0"},
        {HEADER "0,"
                "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82"
                "\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2"
                "\x82\xac,1\n",
         "t.csv:2:3: prompt_tokens is "
         "'\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac...', expected "
         "a whole number not below 0"},
    };

    CHECK(cases);
}

static void files_that_cannot_be_read_are_named(void)
{
    struct sgl_trace_options options = {.path = "/nowhere/at/all.csv"};
    struct trace_reading reading = trace_read(&options);

    CU_ASSERT_EQUAL(reading.code, SGL_EIO);
    SGL_ASSERT_TEXT(reading.failure.text, "/nowhere/at/all.csv: No such file or directory");
    trace_reading_release(&reading);
    options.path = "/";
    reading = trace_read(&options);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    SGL_ASSERT_TEXT(reading.failure.text,
                    "/: is a folder, expected a file or a decision log in CSV (which has "
                    "a log.txt)");
    trace_reading_release(&reading);
    options = (struct sgl_trace_options){
        .path = "t.csv", .memory = HEADER, .memory_size = strlen(HEADER), .format = "xls"};
    reading = trace_read(&options);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    SGL_ASSERT_TEXT(
        reading.failure.text,
        "unknown trace format 'xls', expected one of log, sqlite, mooncake, sglang_bench, "
        "burstgpt, aibrix, csv");
    trace_reading_release(&reading);
}

/* However long the path: the place and the reason stay. */
static void a_long_path_leaves_room_for_the_reason(void)
{
    char path[2000];
    struct sgl_trace_options options = {.path = path, .memory = HEADER "x,1,1\n"};

    memset(path, 'd', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    memcpy(path + sizeof path - 7, "/t.csv", 7);
    options.memory_size = strlen(options.memory);
    struct trace_reading reading = trace_read(&options);
    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    CU_ASSERT_EQUAL(strncmp(reading.failure.text, "...dddd", 7), 0);
    SGL_ASSERT_CONTAINS(reading.failure.text,
                        "ddd/t.csv:2:1: arrival_time is 'x', expected ISO 8601 or a number");
    trace_reading_release(&reading);
}

/* A file cut anywhere gives one clean failure, or the rows before the cut. */
static void a_file_cut_anywhere_is_a_prefix_or_a_failure(void)
{
    static const char whole[] =
        "\xef\xbb\xbf"
        "request_id,arrival_time,prompt_tokens,output_tokens,tenant\r\n"
        "a,2023-11-16T18:15:46.68+01:00,374,44,\"x, \xe2\x82\xac\"\r\n"
        "b,2023-11-16T18:15:47.68+01:00,396,109,\"say \"\"hi\"\"\r\nthere\"\r\n"
        "c,2023-11-16T18:15:47.68+01:00,879.0,55,";
    struct trace_reading all = trace_read_text(whole);
    size_t read = 0;

    CU_ASSERT_EQUAL(all.code, 0);
    CU_ASSERT_EQUAL(all.row_count, 3);
    for (size_t size = 0; size < sizeof whole; size++) {
        char *copy = malloc(size > 0 ? size : 1); /* exactly, so that reading past it is seen */
        if (copy == NULL)
            abort();
        memcpy(copy, whole, size);
        struct trace_reading reading = trace_read_csv(copy, size);
        /* A cut within the digits of the last cell gives another number: compare rows before it. */
        const size_t common = reading.row_count > 0 ? reading.row_count - 1 : 0;
        const char *end = reading.rows;
        for (size_t i = 0; i < common; i++)
            end = strchr(end, '\n') + 1;
        CU_ASSERT_EQUAL(strncmp(reading.rows, all.rows, (size_t)(end - reading.rows)), 0);
        CU_ASSERT(reading.code == 0 ? reading.row_count > 0
                                    : reading.code == SGL_EINVAL &&
                                          strncmp(reading.failure.text, "t.csv:", 6) == 0);
        read += reading.code == 0;
        trace_reading_release(&reading);
        free(copy);
    }
    CU_ASSERT(read > 6);
    trace_reading_release(&all);
}

SGL_SUITE(trace_errors) = {
    {"headers are checked", headers_are_checked},
    {"counts are checked", counts_are_checked},
    {"times are checked", times_are_checked},
    {"other columns are checked", other_columns_are_checked},
    {"the shape of the file is checked", the_shape_of_the_file_is_checked},
    {"control characters of a file are not echoed", control_characters_are_not_echoed},
    {"files that cannot be read are named", files_that_cannot_be_read_are_named},
    {"a long path leaves room for the reason", a_long_path_leaves_room_for_the_reason},
    {"a file cut anywhere is a prefix or one failure",
     a_file_cut_anywhere_is_a_prefix_or_a_failure},
    CU_TEST_INFO_NULL,
};
