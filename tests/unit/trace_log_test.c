/*
 * A decision log as a trace: what was logged comes back, and replaying it gives the same log.
 */
#include "support.h"

#include "core/rng.h"
#include "log_support.h"
#include "sim_support.h"
#include "trace_reading.h"
#include "traces/log_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS 300
#define PATH_SIZE 1024
#define EPOCH_NS INT64_C(1700158546680590000)

static char *write_trace(void)
{
    static const char *const priorities[] = {"", "high", "low"};
    struct sgl_rng draws = sgl_rng_stream(41, SGL_PURPOSE_LENGTH, 0, 0, 0);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    double now = 0;

    if (out == NULL)
        abort();
    fprintf(out, "request_id,arrival_time,prompt_tokens,output_tokens,max_tokens,tenant,session_id,"
                 "model,priority,prefix_block,prefix_hashes\n");
    for (int i = 0; i < REQUESTS; i++) {
        now += sgl_rng_exponential(&draws, 0.02);
        fprintf(out, "id-%d,%.9f,%u,%u,%u,", i, now, 1 + sgl_rng_below(&draws, 3000),
                1 + sgl_rng_below(&draws, 200), 200 + sgl_rng_below(&draws, 200));
        fprintf(out, i % 3 == 0 ? ",,,%s,," : "a,s,m,%s,512,", priorities[i % 7 % 3]);
        for (uint32_t k = sgl_rng_below(&draws, 4); k > 0; k--)
            fprintf(out, "%llu ", (unsigned long long)sgl_rng_next(&draws));
        fprintf(out, "\n");
    }
    fclose(out);
    return text;
}

/* Replays the trace into a log at the path. */
static void replay(const struct sgl_trace_options *trace_options, const char *path,
                   int64_t epoch_ns)
{
    struct sgl_failure failure = {""};
    struct sgl_simulation_totals totals;
    struct sgl_test_fleet fleet;
    struct sgl_trace *trace;
    struct sgl_log *log;

    sgl_test_fleet_init(&fleet, "least_outstanding", "batching", 3);
    const struct sgl_log_options log_options = {
        .seed = fleet.options.seed, .policy = {&fleet.policy}, .epoch_ns = epoch_ns};
    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, trace_options, &failure), 0);
    CU_ASSERT_EQUAL_FATAL(sgl_log_open(&log, path, &log_options, &failure), 0);
    fleet.options.sink = sgl_log_sink(log);
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, sgl_trace_source(trace), &totals, &failure), 0);
    CU_ASSERT_EQUAL(sgl_log_close(log, &failure), 0);
    SGL_ASSERT_TEXT(failure.text, "");
    sgl_trace_close(trace);
    sgl_test_fleet_release(&fleet);
}

/* Replays the drawn trace into a scratch log of that name. */
static const char *make_log(const char *name, int64_t epoch_ns)
{
    const char *path = sgl_scratch(name);
    char *text = write_trace();
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = strlen(text), .tracks_flights = true};

    replay(&options, path, epoch_ns);
    free(text);
    return path;
}

static struct trace_reading read_log(const char *path)
{
    const struct sgl_trace_options options = {.path = path};

    return trace_read(&options);
}

static void what_was_logged_comes_back(void)
{
    const char *path = make_log("first.log", EPOCH_NS);
    const struct sgl_trace_options options = {.path = path};
    char *text = write_trace();
    const struct sgl_trace_options original_options = {
        .path = "t.csv", .memory = text, .memory_size = strlen(text)};
    struct sgl_failure failure;
    struct sgl_trace *trace;
    struct sgl_trace *original;
    struct sgl_trace_row row;
    struct sgl_trace_row expected;
    size_t wrong = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&original, &original_options, &failure), 0);
    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    while (sgl_trace_next(original, &expected, &failure) > 0) {
        CU_ASSERT_EQUAL_FATAL(sgl_trace_next(trace, &row, &failure), 1);
        const struct sgl_request *a = &row.request;
        const struct sgl_request *b = &expected.request;
        const struct sgl_recorded *recorded = &row.recorded;
        wrong += a->arrival_ns != b->arrival_ns || a->prompt_tokens != b->prompt_tokens ||
                 a->max_tokens != b->max_tokens || a->priority != b->priority ||
                 strcmp(a->request_id, b->request_id) != 0 ||
                 (a->tenant != NULL) != (b->tenant != NULL) || a->prefix_count != b->prefix_count ||
                 a->prefix_block != b->prefix_block || row.output_tokens != expected.output_tokens;
        for (size_t i = 0; i < a->prefix_count && i < b->prefix_count; i++)
            wrong += a->prefix_ids[i] != b->prefix_ids[i];
        wrong += recorded->worker_url == NULL || !recorded->has_success || !recorded->success ||
                 recorded->router_send_ns < a->arrival_ns ||
                 recorded->queue_end_ns < recorded->router_send_ns ||
                 recorded->first_token_ns < recorded->queue_end_ns ||
                 recorded->first_token_ns != a->arrival_ns + recorded->ttft_ns ||
                 recorded->finish_ns < recorded->first_token_ns ||
                 recorded->server_latency_ns != recorded->finish_ns - recorded->router_send_ns;
    }
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 0);
    CU_ASSERT_EQUAL(wrong, 0);
    const struct sgl_trace_facts *facts = sgl_trace_facts(trace);
    CU_ASSERT_EQUAL(facts->row_count, REQUESTS);
    SGL_ASSERT_TEXT(facts->format, "log");
    CU_ASSERT_EQUAL(facts->epoch_ns, EPOCH_NS);
    sgl_trace_close(trace);
    sgl_trace_close(original);
    free(text);
}

/* The log of a replayed log is that log, with all it recorded: the fixed point of replaying. */
static void a_replayed_log_gives_the_same_log(void)
{
    const char *path = make_log("first.log", SGL_ABSENT);
    const char *again = sgl_scratch("second.log");
    const struct sgl_trace_options options = {.path = path, .tracks_flights = true};

    replay(&options, again, SGL_ABSENT);
    struct trace_reading first = read_log(path);
    struct trace_reading second = read_log(again);
    SGL_ASSERT_TEXT(first.failure.text, "");
    CU_ASSERT_EQUAL(first.row_count, REQUESTS);
    CU_ASSERT_EQUAL(first.facts.epoch_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(first.facts.digest, second.facts.digest);
    SGL_ASSERT_TEXT(second.rows, first.rows);
    trace_reading_release(&first);
    trace_reading_release(&second);
}

/* Both media give the same rows; a folder that is no log, or is damaged, is told in one line. */
static void a_log_in_csv_is_a_trace_too(void)
{
    const char *path = make_log("both.log", EPOCH_NS);
    char folder[PATH_SIZE];
    struct sgl_failure failure = {""};
    char **urls = NULL;
    uint32_t count = 0;

    snprintf(folder, sizeof folder, "%s/", sgl_scratch("both"));
    CU_ASSERT_EQUAL_FATAL(sgl_log_copy_file(path, folder, &failure), 0);
    struct trace_reading first = read_log(path);
    struct trace_reading second = read_log(folder);
    SGL_ASSERT_TEXT(second.failure.text, "");
    CU_ASSERT_EQUAL(second.row_count, REQUESTS);
    CU_ASSERT_EQUAL(second.facts.epoch_ns, EPOCH_NS);
    CU_ASSERT_EQUAL(second.facts.digest, first.facts.digest);
    SGL_ASSERT_TEXT(second.rows, first.rows);
    trace_reading_release(&first);
    trace_reading_release(&second);
    const struct sgl_trace_options options = {.path = folder};
    CU_ASSERT_EQUAL(sgl_trace_workers(&urls, &count, &options, &failure), 0);
    CU_ASSERT_EQUAL(count, 3);
    free(urls);

    char file[PATH_SIZE + 16];
    snprintf(file, sizeof file, "%soutcome.csv", folder);
    FILE *out = fopen(file, "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fputs("1,2", out);
    fclose(out);
    second = read_log(folder);
    CU_ASSERT_EQUAL(second.code, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(second.failure.text, "outcome.csv:");
    trace_reading_release(&second);
    snprintf(file, sizeof file, "%slog.txt", folder);
    CU_ASSERT_EQUAL(remove(file), 0);
    second = read_log(folder);
    CU_ASSERT_EQUAL(second.code, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(second.failure.text, ": is a folder, expected a file or a decision log");
    trace_reading_release(&second);
}

static void workers_of_a_log_are_known(void)
{
    const struct sgl_trace_options options = {.path = make_log("first.log", SGL_ABSENT)};
    struct sgl_failure failure;
    char **urls = NULL;
    uint32_t count = 0;

    CU_ASSERT_EQUAL(sgl_trace_workers(&urls, &count, &options, &failure), 0);
    CU_ASSERT_EQUAL(count, 3);
    free(urls);
}

static void requests_without_output_are_left_out(void)
{
    const char *path = make_log("partly.log", SGL_ABSENT);

    sgl_test_sql(path, "UPDATE outcome SET output_tokens = NULL, success = 0 WHERE request < 2;"
                       "DELETE FROM outcome WHERE request = 7;");
    struct trace_reading reading = read_log(path);
    SGL_ASSERT_TEXT(reading.failure.text, "");
    CU_ASSERT_EQUAL(reading.row_count, REQUESTS - 3);
    SGL_ASSERT_CONTAINS(reading.rows, "0 at 0 prompt=");
    SGL_ASSERT_TEXT(reading.warnings,
                    "3 of 300 rows of the log have no output tokens and were left out\n");
    trace_reading_release(&reading);
}

/* Whoever replays a log that is not whole must be able to say so beside the figures. */
static void a_log_that_is_not_whole_says_what_is_missing(void)
{
    static const struct {
        const char *sql;
        const char *cut; /* NULL: it is whole */
    } cases[] = {
        {"", NULL},
        {"INSERT INTO gap VALUES (5000, 3), (6000, 4)",
         "the log has gaps, in which 7 inputs were dropped: requests are missing, and the load is "
         "less than it was"},
        {"DELETE FROM run WHERE key = 'is_complete'",
         "the log was cut off, its run did not finish: what came later is missing"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = make_log("not-whole.log", SGL_ABSENT);
        const struct sgl_trace_options options = {.path = path};
        struct sgl_failure failure = {""};
        struct sgl_trace *trace;
        sgl_test_sql(path, cases[i].sql);
        CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
        const char *cut = sgl_trace_facts(trace)->cut;
        CU_ASSERT_EQUAL((cut == NULL), (cases[i].cut == NULL));
        if (cut != NULL && cases[i].cut != NULL)
            SGL_ASSERT_TEXT(cut, cases[i].cut);
        sgl_trace_close(trace);
    }
}

static void logs_that_cannot_be_understood_are_refused(void)
{
    static const struct {
        const char *sql;
        const char *failure; /* how it goes on behind the path */
    } cases[] = {
        {"PRAGMA user_version = 99", ": is a decision log of version 99, expected 1"},
        {"DROP INDEX outcome_request",
         ": is a decision log that was not finished, expected a finished one (sglsim convert "},
        {"UPDATE request SET prefix_ids = x'0102' WHERE request = 5",
         ":request:row 6: prefix_hashes is cut short, expected 8 bytes each"},
        {"UPDATE request SET arrival_ns = -5 WHERE request = 5",
         ":request:row 6: arrival_time is '-0.000000005', expected ISO 8601 or a number not "
         "below 0"},
        {"UPDATE request SET request_id = 'id-3' WHERE request = 5",
         ":request:row 6: request_id 'id-3' is in use since row 4, expected another"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = make_log("odd.log", SGL_ABSENT);
        sgl_test_sql(path, cases[i].sql);
        struct trace_reading reading = read_log(path);
        CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
        CU_ASSERT_EQUAL(strncmp(reading.failure.text + strlen(path), cases[i].failure,
                                strlen(cases[i].failure)),
                        0);
        trace_reading_release(&reading);
    }
}

SGL_SUITE(trace_log) = {
    {"what was logged comes back", what_was_logged_comes_back},
    {"a replayed log gives the same log", a_replayed_log_gives_the_same_log},
    {"a log in CSV is a trace too", a_log_in_csv_is_a_trace_too},
    {"workers of a log are known", workers_of_a_log_are_known},
    {"requests without output are left out", requests_without_output_are_left_out},
    {"a log that is not whole says what is missing", a_log_that_is_not_whole_says_what_is_missing},
    {"logs that cannot be understood are refused", logs_that_cannot_be_understood_are_refused},
    CU_TEST_INFO_NULL,
};
