/*
 * Good CSV traces: however the same requests are written, they are the same requests.
 */
#include "support.h"

#include "log_support.h"
#include "trace_reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char three_rows[] = "0 at 0 prompt=374 output=44\n"
                                 "1 at 4314579000 prompt=396 output=109\n"
                                 "2 at 4541877000 prompt=0 output=55\n";

static void check_rows(struct trace_reading reading, const char *rows)
{
    SGL_ASSERT_TEXT(reading.failure.text, "");
    SGL_ASSERT_TEXT(reading.rows, rows);
    trace_reading_release(&reading);
}

static void one_trace_has_many_spellings(void)
{
    static const char *const texts[] = {
        "arrival_time,prompt_tokens,output_tokens\n0,374,44\n4.314579,396,109\n4.541877,0,55\n",
        /* Azure: CRLF, no newline at the end, 100 ns */
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
        "2023-11-16 18:15:50.9951690,396,109\r\n2023-11-16 18:15:51.2224670,0,55",
        /* byte order mark, CR, another order, columns nobody knows, one of them without a name */
        "\xef\xbb\xbfoutput_tokens,,colour,prompt_tokens,,timestamp\r44,a,,374,b,7\r"
        "109,,red,396,,11.314579\r55,,,0,,11.541877\r",
        /* quoted, padded, blank lines, whole numbers written as floats */
        "\n \"arrival_time\" ,\tinput_tokens , completion_tokens\n\n  \"0\",374.0, 44.000\n"
        "\t\n 4314579e-6 ,\" 396 \",1.09e2\n\r\n0.4541877E+1,0e9,\"55\"\n\n",
        /* zones */
        "arrival_time,input_length,output_length\n1969-12-31T23:00:00-01:00,374,44\n"
        "1970-01-01T05:30:04.314579+0530,396,109\n1970-01-01 00:00:04.541877Z,0,55\n",
        /* the epoch in s, ms, us and ns */
        "arrival_time,prompt_tokens,output_tokens\n1700158546.68059,374,44\n"
        "1700158550.995169,396,109\n1700158551.222467,0,55\n",
        "arrival_time,prompt_tokens,output_tokens\n1700158546680.59,374,44\n"
        "1700158550995.169,396,109\n1700158551222.467,0,55\n",
        "arrival_time,prompt_tokens,output_tokens\n1700158546680590,374,44\n"
        "1700158550995169,396,109\n1700158551222467,0,55\n",
        "arrival_time,prompt_tokens,output_tokens\n1700158546680590000,374,44\n"
        "1700158550995169000,396,109\n1700158551222467000,0,55\n",
    };
    static const char *const units[] = {"seconds from start", "ISO 8601", "seconds from start",
                                        "seconds from start", "ISO 8601", "epoch s",
                                        "epoch ms",           "epoch us", "epoch ns"};
    struct trace_reading first = trace_read_text(texts[0]);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct trace_reading reading = trace_read_text(texts[i]);
        const bool is_relative = strcmp(units[i], "seconds from start") == 0;
        const int64_t epoch_ns = is_relative ? SGL_ABSENT : i == 4 ? 0 : 1700158546680590000;
        SGL_ASSERT_TEXT(reading.facts.time_unit, units[i]);
        CU_ASSERT_EQUAL(reading.facts.epoch_ns, epoch_ns);
        CU_ASSERT_EQUAL(reading.facts.digest, first.facts.digest);
        CU_ASSERT_EQUAL(reading.facts.row_count, 3);
        CU_ASSERT_EQUAL(reading.facts.zero_prompt_count, 1);
        CU_ASSERT_EQUAL(reading.facts.zero_output_count, 0);
        CU_ASSERT_EQUAL(reading.facts.without_max_tokens_count, 3);
        SGL_ASSERT_TEXT(reading.facts.format, "csv");
        SGL_ASSERT_TEXT(reading.warnings, "1 of 3 rows have 0 prompt tokens\n");
        check_rows(reading, three_rows);
    }
    trace_reading_release(&first);
}

static void every_column_goes_to_its_place(void)
{
    struct trace_reading reading = trace_read_text(
        "req_id,session_id,tenant,model,priority,arrival_time,prompt_tokens,output_tokens,"
        "max_new_tokens,cached_tokens,hash_ids,host,router_send_time,queue_time_start,"
        "queue_time_end,server_first_token_time,finish_time,server_latency,ttft,success,error\n"
        "a,s1,\"acme, inc\",m,HIGH,100,10,20,30,4,0x1F 18446744073709551615  0,http://w:1,"
        "100.5,100.25,100.75,101,102.000000001,1.500000001,1,True,\n"
        "b,,,,low,99.5,1,2,,,,,,,,,,,,0,\"no\nroom\"\n");

    SGL_ASSERT_TEXT(reading.headers,
                    "arrival_time=arrival_time prompt_tokens=prompt_tokens "
                    "output_tokens=output_tokens request_id=req_id max_tokens=max_new_tokens "
                    "cached_tokens=cached_tokens prefix_hashes=hash_ids session_id=session_id "
                    "tenant=tenant priority=priority model=model worker_url=host "
                    "router_send_time=router_send_time queue_time_start=queue_time_start "
                    "queue_time_end=queue_time_end "
                    "server_first_token_time=server_first_token_time finish_time=finish_time "
                    "server_latency=server_latency ttft=ttft success=success error=error ");
    SGL_ASSERT_TEXT(reading.warnings, "1 of 2 rows came after one with a later arrival_time and "
                                      "were sorted\n");
    CU_ASSERT_EQUAL(reading.facts.without_max_tokens_count, 1);
    check_rows(reading,
               "0 at 0 prompt=1 output=2 priority='low' id='b' success=0 error='no\nroom'\n"
               "1 at 500000000 prompt=10 output=20 max=30 priority='high' id='a' "
               "tenant='acme, inc' session='s1' model='m' prefix=1f,ffffffffffffffff,0 "
               "worker='http://w:1' send=1000000000 start=750000000 end=1250000000 "
               "first=1500000000 finish=2500000001 latency=1500000001 ttft=1000000000 cached=4 "
               "success=1\n");
}

static void the_first_name_there_is_wins(void)
{
    check_rows(trace_read_text("input_length,output_length,actual_output_tokens,timestamp,"
                               "actual_prompt_tokens,arrival_time,TIMESTAMP\n"
                               "9,8,7,6,5,4,3\n"),
               "0 at 0 prompt=5 output=7\n");
}

/* What is empty is absent, and so is a priority of normal: the same digest as without the column.
 */
static void empty_is_absent(void)
{
    struct trace_reading bare = trace_read_text("timestamp,prompt_tokens,output_tokens\n1,2,3\n");
    struct trace_reading full =
        trace_read_text("timestamp,prompt_tokens,output_tokens,max_tokens,priority,tenant,ttft,"
                        "success,prefix_hashes,request_id\n1,2,3,\"\",Normal, ,\" \",,,\n");

    CU_ASSERT_EQUAL(bare.facts.digest, full.facts.digest);
    SGL_ASSERT_TEXT(full.rows, "0 at 0 prompt=2 output=3\n");
    trace_reading_release(&bare);
    trace_reading_release(&full);
}

/* Any change of a value changes the digest. */
static void the_digest_sees_every_value(void)
{
    static const char *const lines[] = {
        "1,2,3,4,high,a,0.5,true,1 2,x", "1,3,3,4,high,a,0.5,true,1 2,x",
        "1,2,4,4,high,a,0.5,true,1 2,x", "1,2,3,5,high,a,0.5,true,1 2,x",
        "1,2,3,4,low,a,0.5,true,1 2,x",  "1,2,3,4,high,b,0.5,true,1 2,x",
        "1,2,3,4,high,a,0.6,true,1 2,x", "1,2,3,4,high,a,0.5,false,1 2,x",
        "1,2,3,4,high,a,0.5,true,1 3,x", "1,2,3,4,high,a,0.5,true,1,x",
        "1,2,3,4,high,a,0.5,true,1 2,y", "1,2,3,4,high,a,0.5,true,1 2,",
        "1,2,3,,high,a,0.5,true,1 2,x",  "1,2,3,4,high,ax,0.5,true,1 2,",
    };
    enum { COUNT = sizeof lines / sizeof lines[0] };
    uint64_t digests[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "arrival_time,prompt_tokens,output_tokens,max_tokens,priority,tenant,ttft,"
                 "success,prefix_hashes,request_id\n0,1,1,1,,,,,,\n%s\n",
                 lines[i]);
        struct trace_reading reading = trace_read_text(text);
        digests[i] = reading.facts.digest;
        CU_ASSERT_EQUAL(reading.row_count, 2);
        trace_reading_release(&reading);
        for (size_t k = 0; k < i; k++)
            CU_ASSERT_NOT_EQUAL(digests[i], digests[k]);
    }
}

static void a_gap_of_a_century_is_only_a_number(void)
{
    check_rows(trace_read_text("timestamp,prompt_tokens,output_tokens\n1970-01-01 00:00:00,1,1\n"
                               "2070-01-01 00:00:00.000000001,1,1\n"),
               "0 at 0 prompt=1 output=1\n1 at 3155760000000000001 prompt=1 output=1\n");
    check_rows(trace_read_text("timestamp,prompt_tokens,output_tokens\n1700-01-01 00:00:00,1,1\n"
                               "1990-01-01 00:00:00,1,1\n"),
               "0 at 0 prompt=1 output=1\n1 at 9151488000000000000 prompt=1 output=1\n");
}

static void hundreds_of_columns_are_no_matter(void)
{
    enum { COLUMNS = 900 };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        abort();
    for (int row = 0; row < 50; row++)
        for (int i = 0; i < COLUMNS; i++) {
            const char *end = i + 1 < COLUMNS ? "," : "\n";
            const char *name = i == 5     ? "arrival_time"
                               : i == 400 ? "prompt_tokens"
                               : i == 899 ? "output_tokens"
                                          : NULL;
            if (row > 0)
                fprintf(out, "%d%s", row, end);
            else if (name != NULL)
                fprintf(out, "%s%s", name, end);
            else
                fprintf(out, "column %d%s", i, end);
        }
    fclose(out);
    struct trace_reading reading = trace_read_csv(text, size);
    CU_ASSERT_EQUAL(reading.code, 0);
    CU_ASSERT_EQUAL(reading.row_count, 49);
    SGL_ASSERT_CONTAINS(reading.rows, "48 at 48000000000 prompt=49 output=49\n");
    trace_reading_release(&reading);
    free(text);
}

static void a_long_prompt_has_many_prefixes(void)
{
    enum { HASHES = 20000 };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct sgl_failure failure;
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    size_t wrong = 0;

    if (out == NULL)
        abort();
    fprintf(out, "arrival_time,prompt_tokens,output_tokens,prefix_hashes\n0,1,1,");
    for (uint64_t i = 0; i < HASHES; i++)
        fprintf(out, " %" PRIu64, i * 0x9e3779b97f4a7c15u);
    fclose(out);
    const struct sgl_trace_options options = {.path = "t.csv", .memory = text, .memory_size = size};
    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    CU_ASSERT_EQUAL_FATAL(sgl_trace_next(trace, &row, &failure), 1);
    CU_ASSERT_EQUAL_FATAL(row.request.prefix_count, HASHES);
    for (uint64_t i = 0; i < HASHES; i++)
        wrong += row.request.prefix_ids[i] != i * 0x9e3779b97f4a7c15u;
    CU_ASSERT_EQUAL(wrong, 0);
    sgl_trace_close(trace);
    free(text);
}

static void the_end_and_a_failure_come_again(void)
{
    static const char good[] = "arrival_time,prompt_tokens,output_tokens\n0,1,1\n";
    static const char bad[] = "arrival_time,prompt_tokens,output_tokens\n0,1,x\n";
    struct sgl_trace_options options = {
        .path = "t.csv", .memory = good, .memory_size = sizeof good - 1};
    struct sgl_failure failure;
    struct sgl_trace *trace;
    struct sgl_trace_row row;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 1);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 0);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 0);
    sgl_trace_close(trace);
    options.memory = bad;
    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    for (int i = 0; i < 3; i++) {
        failure.text[0] = '\0';
        CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), SGL_EINVAL);
        SGL_ASSERT_TEXT(failure.text,
                        "t.csv:2:5: output_tokens is 'x', expected a whole number not below 0");
    }
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, NULL), SGL_EINVAL);
    sgl_trace_close(trace);
}

static int workers_of(const char *text, char ***urls, uint32_t *count, struct sgl_failure *failure)
{
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = strlen(text)};

    return sgl_trace_workers(urls, count, &options, failure);
}

static void workers_are_distinct_and_sorted(void)
{
    struct sgl_failure failure;
    char **urls = NULL;
    uint32_t count = 9;

    CU_ASSERT_EQUAL(workers_of("arrival_time,prompt_tokens,output_tokens,host\n0,1,1,http://b\n"
                               "0,1,1,http://a:2\n0,1,1,\n0,1,1,http://b\nx,y,z,http://a:10\n",
                               &urls, &count, &failure),
                    0);
    CU_ASSERT_EQUAL_FATAL(count, 3);
    SGL_ASSERT_TEXT(urls[0], "http://a:10");
    SGL_ASSERT_TEXT(urls[1], "http://a:2");
    SGL_ASSERT_TEXT(urls[2], "http://b");
    free(urls);
    CU_ASSERT_EQUAL(
        workers_of("arrival_time,prompt_tokens,output_tokens\n0,1,1\n", &urls, &count, &failure),
        0);
    CU_ASSERT_EQUAL(count, 0);
    free(urls);
}

static void too_many_workers_are_a_failure(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct sgl_failure failure;
    char **urls = NULL;
    uint32_t count = 0;

    if (out == NULL)
        abort();
    fprintf(out, "arrival_time,prompt_tokens,output_tokens,worker_url\n");
    for (int i = 0; i < SGL_TRACE_WORKER_MAX; i++)
        fprintf(out, "0,1,1,w%d\n", i * 7919 % SGL_TRACE_WORKER_MAX);
    fflush(out);
    CU_ASSERT_EQUAL(workers_of(text, &urls, &count, &failure), 0);
    CU_ASSERT_EQUAL(count, SGL_TRACE_WORKER_MAX);
    for (uint32_t i = 1; i < count; i++)
        CU_ASSERT(strcmp(urls[i - 1], urls[i]) < 0);
    free(urls);
    fprintf(out, "0,1,1,one more\n");
    fclose(out);
    CU_ASSERT_EQUAL(workers_of(text, &urls, &count, &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text, "t.csv: more than 1024 different workers, expected fewer");
    free(text);
}

/* A pipe is read once, from its first byte to its last; looking for workers would take it away. */
static void a_pipe_can_be_a_trace(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens,host\n0,1,1,a\n";
    char path[64];
    char expected[160];
    int ends[2];
    struct sgl_failure failure;
    char **urls = NULL;
    uint32_t count = 0;

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL(write(ends[1], text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    const struct sgl_trace_options options = {.path = path};
    CU_ASSERT_EQUAL(sgl_trace_workers(&urls, &count, &options, &failure), SGL_EINVAL);
    snprintf(expected, sizeof expected,
             "%s: cannot be read a second time, expected a regular file (write it to one first)",
             path);
    SGL_ASSERT_TEXT(failure.text, expected);
    check_rows(trace_read(&options), "0 at 0 prompt=1 output=1 worker='a'\n");
    close(ends[0]);
}

/* Every column stands in the table of traces/README.md, with its other names in their order. */
static void the_readme_knows_every_column(void)
{
    size_t size;
    char *readme = sgl_test_bytes(SGL_SOURCE_FOLDER "/traces/README.md", &size);
    char *text = malloc(size + 1);

    if (text == NULL)
        abort();
    memcpy(text, readme, size);
    text[size] = '\0';
    for (enum sgl_column i = 0; i < SGL_COLUMN_COUNT; i++) {
        char row[256];
        size_t length = (size_t)snprintf(row, sizeof row, "| `%s` | ", sgl_columns[i].name);
        for (const char *at = sgl_columns[i].aliases; *at != '\0';) {
            const size_t word = strcspn(at, " ");
            length += (size_t)snprintf(row + length, sizeof row - length, "`%.*s`%s", (int)word, at,
                                       at[word] != '\0' ? ", " : " ");
            at += word + (at[word] != '\0');
        }
        snprintf(row + length, sizeof row - length, "|");
        SGL_ASSERT_CONTAINS(text, row);
    }
    free(text);
    free(readme);
}

/* Beginning tells the start of time before the first row, takes nothing away, and may be repeated.
 */
static void beginning_settles_the_time_and_loses_no_row(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens\n"
                               "1700158550,1,1\n1700158546,2,2\n1700158547,3,3\n";
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = sizeof text - 1};
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace_row row;
    struct sgl_trace *trace;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_trace_facts(trace)->epoch_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(sgl_trace_begin(trace, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_trace_begin(trace, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_trace_facts(trace)->epoch_ns, INT64_C(1700158546000000000));
    SGL_ASSERT_TEXT(sgl_trace_facts(trace)->time_unit, "epoch s");
    for (int64_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 1);
        CU_ASSERT_EQUAL(row.request.request, i);
        CU_ASSERT_EQUAL(row.request.prompt_tokens, i < 2 ? i + 2 : 1);
    }
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 0);
    sgl_trace_close(trace);
}

static void beginning_a_bad_trace_says_what_is_wrong(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens\nx,1,1\n";
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = sizeof text - 1};
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace_row row;
    struct sgl_trace *trace;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_trace_begin(trace, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "t.csv:2:1: arrival_time");
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "t.csv:2:1: arrival_time");
    sgl_trace_close(trace);
}

SGL_SUITE(trace_csv) = {
    {"beginning settles the time and loses no row", beginning_settles_the_time_and_loses_no_row},
    {"beginning a bad trace says what is wrong", beginning_a_bad_trace_says_what_is_wrong},
    {"one trace has many spellings", one_trace_has_many_spellings},
    {"every column goes to its place", every_column_goes_to_its_place},
    {"of a column's names the first there is wins", the_first_name_there_is_wins},
    {"what is empty is absent", empty_is_absent},
    {"the digest sees every value", the_digest_sees_every_value},
    {"a gap of a century is only a number", a_gap_of_a_century_is_only_a_number},
    {"hundreds of columns are no matter", hundreds_of_columns_are_no_matter},
    {"a long prompt has many prefixes", a_long_prompt_has_many_prefixes},
    {"the end and a failure come again", the_end_and_a_failure_come_again},
    {"workers are distinct and sorted", workers_are_distinct_and_sorted},
    {"too many workers are a failure", too_many_workers_are_a_failure},
    {"a pipe can be a trace", a_pipe_can_be_a_trace},
    {"the README knows every column", the_readme_knows_every_column},
    CU_TEST_INFO_NULL,
};
