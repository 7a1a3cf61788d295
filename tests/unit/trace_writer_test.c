/*
 * The trace writer: what is read back is what was written, nothing foreign is replaced, and a file
 * appears whole or not at all.
 */
#include "support.h"

#include "core/rng.h"
#include "log_support.h"
#include "trace_reading.h"
#include "traces/trace_writer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define TRACES 20
#define IDS_MOST 5

static const char *const paths[] = {"written.csv", "written.db"};

static const char *const texts[] = {
    "plain",
    "a, \"quoted\" one",
    "two\nlines\r\nthree",
    "=1+1",
    "\xc3\xa9\xf0\x9f\x8e\xb2",
    "'tick'",
    " blanks ",
    "0x1F",
    "\"",
    "1e5",
};

/* A row drawn at random: of each optional column, absent or something. */
struct drawn_row {
    struct sgl_trace_row row;
    uint64_t ids[IDS_MOST];
    char request_id[32];
};

static const char *draw_text(struct sgl_rng *draws)
{
    const uint32_t count = sizeof texts / sizeof texts[0];
    const uint32_t i = sgl_rng_below(draws, 2 * count);

    return i < count ? texts[i] : NULL;
}

static int64_t draw_number(struct sgl_rng *draws, int64_t least, uint32_t width)
{
    return sgl_rng_below(draws, 3) == 0 ? SGL_ABSENT : least + sgl_rng_below(draws, width);
}

static void draw_row(struct drawn_row *drawn, int64_t number, int64_t now_ns, struct sgl_rng *draws)
{
    struct sgl_trace_row *row = &drawn->row;

    snprintf(drawn->request_id, sizeof drawn->request_id, "id \"%lld\", x", (long long)number);
    for (size_t i = 0; i < IDS_MOST; i++)
        drawn->ids[i] = sgl_rng_next(draws) >> sgl_rng_below(draws, 64);
    *row = (struct sgl_trace_row){
        .request = {.request = number,
                    .arrival_ns = now_ns,
                    .prompt_tokens = sgl_rng_below(draws, 5000),
                    .max_tokens = draw_number(draws, 0, UINT32_MAX / 2),
                    .priority = (enum sgl_priority)sgl_rng_below(draws, SGL_PRIORITY_COUNT),
                    .request_id = drawn->request_id,
                    .tenant = draw_text(draws),
                    .session = draw_text(draws),
                    .model = draw_text(draws),
                    .prefix_ids = drawn->ids,
                    .prefix_count = sgl_rng_below(draws, IDS_MOST + 1),
                    .prefix_block = sgl_rng_below(draws, 3)},
        .output_tokens = sgl_rng_below(draws, 5000),
        .recorded = {.worker_url = draw_text(draws),
                     .router_send_ns = draw_number(draws, now_ns, UINT32_MAX),
                     .queue_start_ns = draw_number(draws, now_ns, UINT32_MAX),
                     .queue_end_ns = draw_number(draws, now_ns, UINT32_MAX),
                     .first_token_ns = draw_number(draws, now_ns, UINT32_MAX),
                     .finish_ns = draw_number(draws, now_ns, UINT32_MAX),
                     .server_latency_ns = draw_number(draws, 0, UINT32_MAX),
                     .ttft_ns = draw_number(draws, 0, UINT32_MAX),
                     .cached_tokens = draw_number(draws, 0, 5000),
                     .has_success = sgl_rng_below(draws, 2) == 0,
                     .success = sgl_rng_below(draws, 2) == 0,
                     .error = draw_text(draws)},
    };
}

/* The next arrival: often at once, often soon, sometimes weeks later. */
static int64_t step_of(struct sgl_rng *draws)
{
    switch (sgl_rng_below(draws, 4)) {
    case 0:
        return 0;
    case 1:
        return (int64_t)sgl_rng_below(draws, UINT32_MAX) * 1000000;
    default:
        return sgl_rng_below(draws, UINT32_MAX);
    }
}

/* Writes random rows to both kinds and reads them back: as they were written, all columns. */
static void check_round_trip(int64_t trace, int64_t origin_ns)
{
    uint64_t digests[2] = {0};

    for (size_t kind = 0; kind < 2; kind++) {
        struct sgl_rng draws = sgl_rng_stream(31, SGL_PURPOSE_LENGTH, 0, trace, 0);
        const struct sgl_trace_writer_options options = {
            .path = sgl_scratch(paths[kind]), .columns = SGL_COLUMNS_ALL, .origin_ns = origin_ns};
        struct sgl_trace_writer *writer = NULL;
        struct sgl_failure failure = {""};
        struct drawn_row drawn;
        char *told = NULL;
        size_t size;
        FILE *out = open_memstream(&told, &size);
        int64_t now_ns = 0;
        CU_ASSERT_FATAL(out != NULL);
        CU_ASSERT_EQUAL_FATAL(sgl_trace_writer_open(&writer, &options, &failure), SGL_OK);
        for (int64_t i = 0; i < 40; i++) {
            draw_row(&drawn, i, now_ns, &draws);
            trace_tell_row(out, &drawn.row);
            CU_ASSERT_EQUAL(sgl_trace_writer_write(writer, &drawn.row, &failure), SGL_OK);
            now_ns += step_of(&draws);
        }
        CU_ASSERT_EQUAL(sgl_trace_writer_close(writer, &failure), SGL_OK);
        fclose(out);
        SGL_ASSERT_TEXT(failure.text, "");
        struct trace_reading reading =
            trace_read(&(struct sgl_trace_options){.path = options.path});
        SGL_ASSERT_TEXT(reading.failure.text, "");
        SGL_ASSERT_TEXT(reading.rows, told);
        CU_ASSERT_EQUAL(reading.facts.epoch_ns, origin_ns == 0 ? SGL_ABSENT : origin_ns);
        digests[kind] = reading.facts.digest;
        trace_reading_release(&reading);
        free(told);
    }
    CU_ASSERT_EQUAL(digests[0], digests[1]);
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("written.csv.partial")));
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("written.db.partial")));
}

static void what_was_written_is_read(void)
{
    for (int64_t i = 0; i < TRACES; i++) {
        check_round_trip(i, 0);
        check_round_trip(i, INT64_C(1700158546680590000));
    }
}

/* Opens, writes one row and closes: the first code that is not 0. */
static int write_one(const char *path, const struct sgl_trace_row *row, struct sgl_failure *failure)
{
    struct sgl_trace_writer *writer;
    int code =
        sgl_trace_writer_open(&writer, &(struct sgl_trace_writer_options){.path = path}, failure);

    if (code != SGL_OK)
        return code;
    code = sgl_trace_writer_write(writer, row, failure);
    if (code == SGL_OK)
        return sgl_trace_writer_close(writer, failure);
    sgl_trace_writer_discard(writer);
    return code;
}

static const struct sgl_trace_row one = {
    .request = {.prompt_tokens = 3, .priority = SGL_PRIORITY_NORMAL}, .output_tokens = 2};

static void only_our_own_is_replaced(void)
{
    static const char *const foreign[] = {
        "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        "arrival_time,prompt_tokens,output_tokens,mine\n0,1,1,x\n", "arrival_time,prompt_tokens\n",
        "no newline"};
    struct sgl_failure failure;

    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        size_t size;
        const char *path = sgl_scratch_text("foreign.csv", foreign[i]);
        CU_ASSERT_EQUAL(write_one(path, &one, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, "not a csv trace written by sglsim");
        char *bytes = sgl_test_bytes(path, &size);
        CU_ASSERT(size == strlen(foreign[i]) && memcmp(bytes, foreign[i], size) == 0);
        free(bytes);
    }
    for (size_t kind = 0; kind < 2; kind++) {
        const char *path = sgl_scratch_text(paths[kind], "");
        CU_ASSERT_EQUAL(write_one(path, &one, &failure), SGL_OK);
        CU_ASSERT_EQUAL(write_one(path, &one, &failure), SGL_OK);
    }
    sgl_test_sql(sgl_scratch("written.db"), "CREATE TABLE mine (x)");
    CU_ASSERT_EQUAL(write_one(sgl_scratch("written.db"), &one, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "not a sqlite trace written by sglsim");
    CU_ASSERT_EQUAL(write_one(sgl_scratch("t.txt"), &one, &failure), SGL_EINVAL);
    CU_ASSERT_EQUAL(write_one(sgl_scratch("nowhere/t.csv"), &one, &failure), SGL_EIO);
}

static void what_cannot_be_read_back_is_refused(void)
{
    struct sgl_failure failure;
    struct sgl_trace_row row = one;
    const char *path = sgl_scratch("refused.csv");

    row.request.arrival_ns = -1;
    CU_ASSERT_EQUAL(write_one(path, &row, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "request 0: arrival_time is before the start");
    row = one;
    row.output_tokens = SGL_ABSENT;
    CU_ASSERT_EQUAL(write_one(path, &row, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "output_tokens is absent");
    row.output_tokens = INT64_C(1) << 32;
    CU_ASSERT_EQUAL(write_one(path, &row, &failure), SGL_EINVAL);
    CU_ASSERT_FALSE(sgl_test_exists(path));
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("refused.csv.partial")));
}

/* Files may not grow beyond 20 kB, as on a full disk; the old file stays as it was. */
static void a_full_disk_leaves_nothing_behind(void)
{
    struct rlimit before;

    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t kind = 0; kind < 2; kind++) {
        struct sgl_failure failure = {""};
        struct sgl_trace_writer *writer;
        const struct sgl_trace_writer_options options = {.path = sgl_scratch(paths[kind])};
        remove(options.path);
        CU_ASSERT_EQUAL_FATAL(write_one(options.path, &one, &failure), SGL_OK);
        struct rlimit low = before;
        low.rlim_cur = 20000;
        setrlimit(RLIMIT_FSIZE, &low);
        CU_ASSERT_EQUAL_FATAL(sgl_trace_writer_open(&writer, &options, &failure), SGL_OK);
        int code = SGL_OK;
        for (int i = 0; i < 200000 && code == SGL_OK; i++)
            code = sgl_trace_writer_write(writer, &one, &failure);
        setrlimit(RLIMIT_FSIZE, &before);
        CU_ASSERT_EQUAL(code, SGL_EIO);
        SGL_ASSERT_CONTAINS(failure.text, options.path);
        sgl_trace_writer_discard(writer);
        struct trace_reading reading =
            trace_read(&(struct sgl_trace_options){.path = options.path});
        SGL_ASSERT_TEXT(reading.rows, "0 at 0 prompt=3 output=2\n");
        trace_reading_release(&reading);
    }
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("written.csv.partial")));
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("written.db.partial")));
}

SGL_SUITE(trace_writer) = {
    {"what was written is read back the same, in both kinds", what_was_written_is_read},
    {"only what this program wrote is replaced", only_our_own_is_replaced},
    {"what could not be read back is refused", what_cannot_be_read_back_is_refused},
    {"a full disk leaves the old file and no other", a_full_disk_leaves_nothing_behind},
    CU_TEST_INFO_NULL,
};
