#include "recording_vllm.h"

#include "traces/jsonl_parser.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define LINE_SIZE_MAX ((size_t)1024 * 1024)
#define TIME_MAX_S 1e11 /* epoch seconds stay below; ns of a double are good to a few hundred */
#define TOKENS_MAX 1073741824

enum { ARRIVAL, QUEUED, SCHEDULED, FIRST_TOKEN, LAST_TOKEN, TIME_COUNT };

static const char *const time_names[TIME_COUNT] = {"arrival_time", "queued_ts", "scheduled_ts",
                                                   "first_token_ts", "last_token_ts"};

/* One line; times in s of their own clocks. */
struct event_row {
    double times_s[TIME_COUNT];
    int64_t input_tokens;
    int64_t output_tokens;
};

struct event_rows {
    struct event_row *rows;
    size_t count;
    size_t capacity;
};

static int read_tokens(struct sgl_jsonl_parser *parser, const char *name, int64_t *value_out,
                       struct sgl_failure *failure)
{
    const json_t *value = json_object_get(parser->object, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > TOKENS_MAX)
        return sgl_jsonl_fail(parser, name, "is no token count, expected a whole number from 0",
                              failure);
    *value_out = json_integer_value(value);
    return SGL_OK;
}

static int read_row(struct sgl_jsonl_parser *parser, struct event_row *row,
                    struct sgl_failure *failure)
{
    for (int i = 0; i < TIME_COUNT; i++) {
        const json_t *value = json_object_get(parser->object, time_names[i]);
        row->times_s[i] = json_is_number(value) ? json_number_value(value) : (double)NAN;
        if (!(row->times_s[i] >= 0 && row->times_s[i] < TIME_MAX_S))
            return sgl_jsonl_fail(parser, time_names[i], "is no time, expected seconds from 0",
                                  failure);
        if (i > QUEUED && row->times_s[i] < row->times_s[i - 1])
            return sgl_jsonl_fail(parser, time_names[i], "lies before the event it follows",
                                  failure);
    }
    const int status = read_tokens(parser, "input_toks", &row->input_tokens, failure);
    return status == SGL_OK ? read_tokens(parser, "output_toks", &row->output_tokens, failure)
                            : status;
}

static int read_rows(struct event_rows *rows, struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    struct sgl_jsonl_parser parser = {.bytes = bytes, .line_size_max = LINE_SIZE_MAX};
    int got;

    while ((got = sgl_jsonl_next(&parser, failure)) > 0) {
        if (rows->count == rows->capacity) {
            const size_t capacity = rows->capacity > 0 ? 2 * rows->capacity : 1024;
            struct event_row *grown = capacity <= SGL_RECORDING_MAX
                                          ? realloc(rows->rows, capacity * sizeof *grown)
                                          : NULL;
            if (grown == NULL) {
                got = sgl_fail(failure, SGL_ENOMEM, "%s: does not fit in memory", bytes->name);
                break;
            }
            rows->rows = grown;
            rows->capacity = capacity;
        }
        got = read_row(&parser, &rows->rows[rows->count], failure);
        if (got != SGL_OK)
            break;
        rows->count++;
    }
    sgl_jsonl_release(&parser);
    return got;
}

static int by_arrival(const void *left, const void *right)
{
    const struct event_row *a = left;
    const struct event_row *b = right;
    const double x = a->times_s[ARRIVAL];
    const double y = b->times_s[ARRIVAL];

    if (x != y)
        return x < y ? -1 : 1;
    return (a->times_s[QUEUED] > b->times_s[QUEUED]) - (a->times_s[QUEUED] < b->times_s[QUEUED]);
}

static int64_t ns_since(double time_s, double start_s)
{
    return llround((time_s - start_s) * 1e9);
}

static int take_rows(struct sgl_recording *recording, struct event_rows *rows)
{
    double offset_s = INFINITY; /* from the wall clock to the engine's */

    assert(rows->count > 0); /* the head of the file has one */
    qsort(rows->rows, rows->count, sizeof *rows->rows, by_arrival);
    for (size_t i = 0; i < rows->count; i++) {
        const double *times = rows->rows[i].times_s;
        offset_s = fmin(offset_s, times[QUEUED] - times[ARRIVAL]);
    }
    const double wall_s = rows->rows[0].times_s[ARRIVAL];
    const double start_s = wall_s + offset_s; /* the first arrival by the engine's clock */
    for (size_t i = 0; i < rows->count; i++) {
        const struct event_row *row = &rows->rows[i];
        const int64_t arrival_ns = ns_since(row->times_s[ARRIVAL], wall_s);
        const struct sgl_recorded_request request = {
            .row = {.request = {.arrival_ns = arrival_ns,
                                .prompt_tokens = row->input_tokens,
                                .max_tokens = row->output_tokens,
                                .priority = SGL_PRIORITY_NORMAL},
                    .output_tokens = row->output_tokens},
            .at_worker_ns = arrival_ns,
            .started_ns = ns_since(row->times_s[SCHEDULED], start_s),
            .first_token_ns = ns_since(row->times_s[FIRST_TOKEN], start_s),
            .finish_ns = ns_since(row->times_s[LAST_TOKEN], start_s),
        };
        if (sgl_recording_add(recording, &request) != SGL_OK)
            return SGL_ENOMEM;
    }
    recording->format = "vllm events";
    recording->time_note = "arrivals by arrival_time, its clock aligned to the engine's by the "
                           "request that was noticed soonest";
    return SGL_OK;
}

int sgl_recording_load_vllm(struct sgl_recording *recording, const char *path,
                            struct sgl_failure *failure)
{
    struct event_rows rows = {0};
    struct sgl_bytes bytes;

    /* What cannot be opened as bytes is for traces/ to read, or to complain of. */
    if (sgl_bytes_open(&bytes, path, path, NULL) != SGL_OK)
        return 0;
    int status = sgl_bytes_unpack(&bytes, failure);
    if (status == SGL_OK &&
        (!sgl_jsonl_head_has(&bytes, "queued_ts") || !sgl_jsonl_head_has(&bytes, "scheduled_ts"))) {
        sgl_bytes_close(&bytes);
        return 0;
    }
    if (status == SGL_OK)
        status = read_rows(&rows, &bytes, failure);
    if (status == SGL_OK && take_rows(recording, &rows) != SGL_OK)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: does not fit in memory", path);
    free(rows.rows);
    sgl_bytes_close(&bytes);
    return status == SGL_OK ? 1 : status;
}
