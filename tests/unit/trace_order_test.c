/*
 * The order of rows and the use of ids, held to the plain ways of finding both.
 */
#include "support.h"

#include "core/rng.h"
#include "trace_reading.h"
#include "traces/id_guard.h"
#include "traces/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACES 60
#define ROWS_MOST 2000

struct drawn {
    int64_t arrival_ms;
    int64_t line;
};

static int by_arrival_then_line(const void *left, const void *right)
{
    const struct drawn *a = left;
    const struct drawn *b = right;

    if (a->arrival_ms != b->arrival_ms)
        return a->arrival_ms < b->arrival_ms ? -1 : 1;
    return a->line < b->line ? -1 : 1;
}

/* A trace to be written into *text, which is owned when the stream is closed. */
static FILE *open_rows(char **text)
{
    static size_t size; /* nobody asks for it */
    FILE *out = open_memstream(text, &size);

    if (out == NULL)
        abort();
    fprintf(out, "arrival_time,prompt_tokens,output_tokens\n");
    return out;
}

/* Rows that come in mostly rising order, with many equal times; prompt_tokens is the line. */
static char *draw_trace(struct drawn *rows, uint32_t count, struct sgl_rng *draws, uint64_t *late)
{
    const uint32_t jitter = 1 + sgl_rng_below(draws, 200);
    char *text = NULL;
    FILE *out = open_rows(&text);
    int64_t latest = INT64_MIN;

    *late = 0;
    for (uint32_t i = 0; i < count; i++) {
        rows[i].line = i + 2;
        rows[i].arrival_ms = i / 3 + sgl_rng_below(draws, jitter);
        *late += rows[i].arrival_ms < latest;
        latest = rows[i].arrival_ms > latest ? rows[i].arrival_ms : latest;
        fprintf(out, "%lld.%03lld,%lld,1\n", (long long)(rows[i].arrival_ms / 1000),
                (long long)(rows[i].arrival_ms % 1000), (long long)rows[i].line);
    }
    fclose(out);
    return text;
}

static void check_order(const struct sgl_trace_options *options, struct drawn *rows, uint32_t count,
                        uint64_t late, uint64_t *digest_out)
{
    struct sgl_failure failure;
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    uint32_t wrong = 0;
    uint32_t i = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, options, &failure), 0);
    while (sgl_trace_next(trace, &row, &failure) > 0 && i < count) {
        wrong += row.request.request != i || row.request.prompt_tokens != rows[i].line ||
                 row.request.arrival_ns != (rows[i].arrival_ms - rows[0].arrival_ms) * 1000000;
        i++;
    }
    CU_ASSERT_EQUAL(i, count);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(sgl_trace_facts(trace)->sorted_count, late);
    *digest_out = sgl_trace_facts(trace)->digest;
    sgl_trace_close(trace);
}

static void rows_come_in_order_of_arrival_then_of_the_file(void)
{
    static struct drawn rows[ROWS_MOST];

    for (int64_t i = 0; i < TRACES; i++) {
        struct sgl_rng draws = sgl_rng_stream(5, SGL_PURPOSE_ARRIVAL, 0, i, 0);
        const uint32_t count = 1 + sgl_rng_below(&draws, ROWS_MOST);
        uint64_t in_window = 0;
        uint64_t in_file = 1;
        uint64_t late;
        char *text = draw_trace(rows, count, &draws, &late);
        struct sgl_trace_options options = {
            .path = "t.csv", .memory = text, .memory_size = strlen(text)};
        qsort(rows, count, sizeof rows[0], by_arrival_then_line);
        check_order(&options, rows, count, late, &in_window);
        options.sorts_in_file = true;
        check_order(&options, rows, count, late, &in_file);
        CU_ASSERT_EQUAL(in_window, in_file);
        free(text);
    }
}

/* Rows 1, 2, ..., before, then one that belongs in front of them all. */
static char *write_late(int64_t before)
{
    char *text = NULL;
    FILE *out = open_rows(&text);

    for (int64_t i = 1; i <= before; i++)
        fprintf(out, "%lld,1,1\n", (long long)i);
    fprintf(out, "0,7,1\n%lld,1,1\n", (long long)before + 1);
    fclose(out);
    return text;
}

static void a_row_may_be_65536_rows_late(void)
{
    struct sgl_failure failure;
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    char *text = write_late(SGL_WINDOW_ROWS);
    struct sgl_trace_options options = {
        .path = "t.csv", .memory = text, .memory_size = strlen(text)};

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 1);
    CU_ASSERT_EQUAL(row.request.prompt_tokens, 7);
    sgl_trace_close(trace);
    free(text);

    text = write_late(SGL_WINDOW_ROWS + 1);
    options.memory = text;
    options.memory_size = strlen(text);
    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 1);
    CU_ASSERT_EQUAL(row.request.prompt_tokens, 1);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text,
                    "t.csv:65539: arrival_time is before that of a row more than 65536 rows "
                    "earlier, expected rows nearly in order (use --sort)");
    sgl_trace_close(trace);

    options.sorts_in_file = true;
    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    CU_ASSERT_EQUAL(sgl_trace_next(trace, &row, &failure), 1);
    CU_ASSERT_EQUAL(row.request.prompt_tokens, 7);
    sgl_trace_close(trace);
    free(text);
}

/* ---- reading ahead ----------------------------------------------------------------------- */

#define BEHIND 1500 /* rows beyond those that wait */

/* What the rows of a file come to that are read when the window has room, and not before. */
struct plainly {
    int64_t *order; /* arrivals of the rows read so far, in order, in ms */
    uint32_t count;
    uint32_t given;   /* before it failed, or all */
    int64_t bad_line; /* 0: none */
};

/* How many rows have left when that one is read. */
static uint32_t left_before(uint32_t row)
{
    return row > SGL_WINDOW_ROWS ? row - SGL_WINDOW_ROWS : 0;
}

static void read_plainly(struct plainly *plainly, int64_t arrival_ms, bool is_broken)
{
    const uint32_t left = left_before(plainly->count);
    uint32_t at = plainly->count;

    if (plainly->bad_line != 0)
        return;
    if (is_broken || (left > 0 && arrival_ms < plainly->order[left - 1])) {
        plainly->bad_line = plainly->count + 2;
        plainly->given = left;
        return;
    }
    for (; at > 0 && plainly->order[at - 1] > arrival_ms; at--)
        plainly->order[at] = plainly->order[at - 1];
    plainly->order[at] = arrival_ms;
    plainly->given = ++plainly->count;
}

/* Rows two ms apart and some that are about as late as they may be; one of the last is too late, or
 * broken, or all are well. */
static char *draw_late_rows(struct plainly *plainly, uint32_t fault, struct sgl_rng *draws)
{
    const uint32_t faulty = SGL_WINDOW_ROWS + 1 + sgl_rng_below(draws, BEHIND - 1);
    char *text = NULL;
    FILE *out = open_rows(&text);

    for (uint32_t i = 0; i < SGL_WINDOW_ROWS + BEHIND; i++) {
        const uint32_t left = left_before(i);
        const bool is_broken = fault == 1 && i == faulty;
        int64_t arrival_ms = 2 * (int64_t)i;
        if (left > 0 && plainly->bad_line == 0 && sgl_rng_below(draws, 30) == 0)
            arrival_ms = plainly->order[left - 1] + sgl_rng_below(draws, 3);
        if (fault == 2 && i == faulty)
            arrival_ms = plainly->order[left - 1] - 1;
        fprintf(out, "%lld.%03lld,%s,1\n", (long long)(arrival_ms / 1000),
                (long long)(arrival_ms % 1000), is_broken ? "x" : "1");
        read_plainly(plainly, arrival_ms, is_broken);
    }
    fclose(out);
    return text;
}

static void rows_read_ahead_are_those_that_would_have_been_read(void)
{
    for (uint32_t i = 0; i < 5; i++) {
        struct sgl_rng draws = sgl_rng_stream(5, SGL_PURPOSE_ARRIVAL, 1, i, 0);
        struct plainly plainly = {.order = calloc(SGL_WINDOW_ROWS + BEHIND, sizeof *plainly.order)};
        struct sgl_failure failure = {.text = ""};
        struct sgl_trace *trace;
        struct sgl_trace_row row;
        char place[32];
        uint32_t wrong = 0;
        uint32_t given = 0;
        int code;
        CU_ASSERT_PTR_NOT_NULL_FATAL(plainly.order);
        char *text = draw_late_rows(&plainly, i % 3, &draws);
        const struct sgl_trace_options options = {
            .path = "t.csv", .memory = text, .memory_size = strlen(text)};

        CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
        for (; (code = sgl_trace_next(trace, &row, &failure)) > 0; given++)
            wrong += given >= plainly.given ||
                     row.request.arrival_ns != plainly.order[given] * INT64_C(1000000);
        CU_ASSERT_EQUAL(wrong, 0);
        CU_ASSERT_EQUAL(given, plainly.given);
        CU_ASSERT_EQUAL(code, plainly.bad_line != 0 ? SGL_EINVAL : 0);
        snprintf(place, sizeof place, "t.csv:%lld:", (long long)plainly.bad_line);
        if (plainly.bad_line != 0)
            SGL_ASSERT_CONTAINS(failure.text, place);
        sgl_trace_close(trace);
        free(plainly.order);
        free(text);
    }
}

/* 300 rows of 1 MiB do not wait for 65,536 others. */
static void wide_rows_do_not_fill_the_memory(void)
{
    enum { WORDS = 128 * 1024 };
    struct sgl_window window = {0};
    size_t most = 0;

    for (uint64_t i = 0; i < 300; i++) {
        struct sgl_packed_row *row = calloc(1, sizeof *row + WORDS * sizeof row->words[0]);
        if (row == NULL)
            abort();
        row->arrival_ns = (int64_t)(i ^ 3); /* some late, some not */
        row->position = i;
        row->word_count = WORDS;
        CU_ASSERT_EQUAL(sgl_window_push(&window, row), 0);
        most = window.byte_count > most ? window.byte_count : most;
        while (sgl_window_is_full(&window))
            (void)sgl_window_pop(&window);
        free(row);
    }
    CU_ASSERT(most <= SGL_WINDOW_BYTES + WORDS * sizeof(uint64_t) + sizeof(struct sgl_packed_row));
    CU_ASSERT(sgl_window_count(&window) > 200);
    sgl_window_release(&window);
}

static void an_id_used_twice_names_both_lines(void)
{
    struct trace_reading reading = trace_read_text(
        "request_id,arrival_time,prompt_tokens,output_tokens\na,0,1,1\n,1,1,1\nb,2,1,1\n"
        "\n,3,1,1\n\"a\",4,1,1\n");

    CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
    CU_ASSERT_EQUAL(reading.row_count, 4);
    SGL_ASSERT_TEXT(reading.failure.text,
                    "t.csv:7: request_id 'a' is in use since line 2, expected another");
    trace_reading_release(&reading);
}

/* Requests with ids out of a small set, finished in any order, against two arrays that remember
 * everything. */
static void ids_are_guarded_as_two_arrays_would(bool tracks_flights)
{
    enum { REQUESTS = 300000, IDS = 400000, RECENT = 65536, DELAY_MOST = 200000 };
    struct sgl_id_guard *guard = sgl_id_guard_create(tracks_flights);
    int64_t *last = malloc(IDS * sizeof *last); /* request that used the id last */
    bool *is_finished = calloc(REQUESTS, sizeof *is_finished);
    struct sgl_rng draws = sgl_rng_stream(9, SGL_PURPOSE_LENGTH, 0, 0, 0);
    size_t wrong = 0;
    size_t refused = 0;
    char id[32];

    CU_ASSERT_FATAL(guard != NULL && last != NULL && is_finished != NULL);
    for (size_t i = 0; i < IDS; i++)
        last[i] = -1;
    for (int64_t request = 0; request < REQUESTS; request++) {
        const uint32_t name = sgl_rng_below(&draws, IDS);
        const int64_t before = last[name];
        uint64_t position = 0;
        const bool in_use =
            before >= 0 && (request - before <= RECENT || (tracks_flights && !is_finished[before]));
        snprintf(id, sizeof id, "request-%u", name);
        const int code = sgl_id_guard_add(guard, request, id, (uint64_t)request + 2, &position);
        wrong += code != in_use || (in_use && position != (uint64_t)before + 2);
        if (code == 1)
            refused++;
        if (code == 1)
            wrong += sgl_id_guard_add(guard, request, NULL, 0, &position) != 0;
        else
            last[name] = request;
        const int64_t done = request - sgl_rng_below(&draws, DELAY_MOST);
        if (done >= 0) {
            is_finished[done] = true;
            sgl_id_guard_finished(guard, done);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(refused > REQUESTS / 20);
    sgl_id_guard_destroy(guard);
    free(last);
    free(is_finished);
}

static void ids_are_free_again_after_65536_rows(void)
{
    ids_are_guarded_as_two_arrays_would(false);
}

static void the_last_of_65536_rows_counts(void)
{
    for (int64_t distance = 65536; distance <= 65537; distance++) {
        struct sgl_id_guard *guard = sgl_id_guard_create(false);
        uint64_t position = 0;
        CU_ASSERT_PTR_NOT_NULL_FATAL(guard);
        CU_ASSERT_EQUAL(sgl_id_guard_add(guard, 0, "a", 5, &position), 0);
        for (int64_t i = 1; i < distance; i++)
            sgl_id_guard_add(guard, i, NULL, 0, &position);
        CU_ASSERT_EQUAL(sgl_id_guard_add(guard, distance, "a", 6, &position), distance == 65536);
        sgl_id_guard_destroy(guard);
    }
}

static void ids_in_flight_stay_in_use(void)
{
    ids_are_guarded_as_two_arrays_would(true);
}

SGL_SUITE(trace_order) = {
    {"rows come in order of arrival, then of the file",
     rows_come_in_order_of_arrival_then_of_the_file},
    {"a row may be 65,536 rows late", a_row_may_be_65536_rows_late},
    {"rows that are read ahead are those that would have been read",
     rows_read_ahead_are_those_that_would_have_been_read},
    {"wide rows do not fill the memory", wide_rows_do_not_fill_the_memory},
    {"an id used twice names both lines", an_id_used_twice_names_both_lines},
    {"ids are free again after 65,536 rows", ids_are_free_again_after_65536_rows},
    {"the last of 65,536 rows counts", the_last_of_65536_rows_counts},
    {"ids in flight stay in use", ids_in_flight_stay_in_use},
    CU_TEST_INFO_NULL,
};
