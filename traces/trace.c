#include "open.h"

#include "id_guard.h"
#include "row.h"
#include "sort_file.h"
#include "spread.h"
#include "trace_file.h"
#include "window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_ROWS 256
#define WARNING_MAX 5
#define WARNING_SIZE 160

struct sgl_trace {
    struct sgl_source source;
    struct sgl_trace_file file;
    struct sgl_raw_row raw;
    struct sgl_packer packer;
    struct sgl_window window;
    struct {
        bool is_there; /* what read_row() gave before it was asked for ... */
        int code;
        const struct sgl_packed_row *row; /* ... the packer's */
    } held;
    struct sgl_sort_file *sort_file; /* NULL: the window sorts */
    struct sgl_spread spread;
    struct sgl_id_guard *guard;           /* NULL: the trace has no ids */
    const struct sgl_packed_row *current; /* the row given last: the user borrows it */

    bool is_read;      /* the format has given its last row */
    bool spreads;      /* rows go through `spread` */
    bool is_drained;   /* and it has got the last one */
    bool has_base;     /* base_ns is set */
    bool is_ahead;     /* current, or the end, has been reached and is not given yet */
    int64_t base_ns;   /* first arrival, as the file has it */
    int64_t latest_ns; /* latest arrival read; with read_count > 0 */
    int64_t popped_ns; /* of the last row in order, as the file has it; with popped_count > 0 */
    uint64_t read_count;
    uint64_t popped_count;

    struct sgl_digest digest;
    struct sgl_trace_facts facts;
    char warnings[WARNING_MAX][WARNING_SIZE];
    int code; /* what next() gives from now on; 1: rows */
    struct sgl_failure failure;
};

/* Reads and packs one more row. 1, 0 at the end, or negative. */
static int read_row(struct sgl_trace *self, const struct sgl_packed_row **row_out)
{
    struct sgl_failure *failure = &self->failure;

    int code = self->file.reader->ops->next(self->file.reader, &self->raw, failure);
    if (code <= 0)
        return code;
    code = sgl_row_pack(&self->packer, self->file.reader, &self->raw, row_out, failure);
    if (code < 0)
        return code;
    const int64_t arrival_ns = (*row_out)->arrival_ns;
    if (self->read_count > 0 && arrival_ns < self->latest_ns)
        self->facts.sorted_count++;
    if (self->read_count == 0 || arrival_ns > self->latest_ns)
        self->latest_ns = arrival_ns;
    self->read_count++;
    return 1;
}

static int fail_too_late(struct sgl_trace *self, const struct sgl_packed_row *row)
{
    return sgl_fail(&self->failure, SGL_EINVAL,
                    "%s%llu: arrival_time is before that of a row more than %d rows earlier, "
                    "expected rows nearly in order (use --sort)",
                    self->file.reader->place, (unsigned long long)row->position, SGL_WINDOW_ROWS);
}

static int push_into_window(struct sgl_trace *self, const struct sgl_packed_row *row)
{
    if (sgl_window_push(&self->window, row) < 0)
        return sgl_fail(&self->failure, SGL_ENOMEM, "%s: no memory to sort its rows",
                        self->file.name);
    return SGL_OK;
}

/*
 * Reads and pushes rows for which the window has no room yet:
 *
 *     [ 65,536 rows that wait for earlier ones | up to AHEAD_ROWS ]   held: what came behind them
 *
 * The code that reads and that which uses what was read do not fit into a processor's first cache
 * together: in turns for each row, each has to be fetched anew. Rows that are not earlier than all
 * before them change nothing by coming early. Whatever else comes, a late row, the end or a
 * failure, is held until the window asks for it, so it meets what it would have met.
 */
static int read_ahead(struct sgl_trace *self)
{
    for (int i = 0; i < AHEAD_ROWS && self->window.byte_count < SGL_WINDOW_BYTES / 2; i++) {
        const struct sgl_packed_row *row = NULL;
        const int code = read_row(self, &row);
        if (code <= 0 || row->arrival_ns < self->latest_ns) {
            self->held.is_there = true;
            self->held.code = code;
            self->held.row = row;
            return SGL_OK;
        }
        if (push_into_window(self, row) != SGL_OK)
            return SGL_ENOMEM;
    }
    return SGL_OK;
}

/* The next row of the file, as read_row(): one that is held, if there is. */
static int next_of_file(struct sgl_trace *self, const struct sgl_packed_row **row_out)
{
    if (!self->held.is_there)
        return read_row(self, row_out);
    self->held.is_there = false;
    *row_out = self->held.row;
    return self->held.code;
}

/* The next row in order, sorted in the window. 1, 0 at the end, or negative. */
static int pop_from_window(struct sgl_trace *self, const struct sgl_packed_row **row_out)
{
    const bool was_full = sgl_window_is_full(&self->window);

    while (!self->is_read && !sgl_window_is_full(&self->window)) {
        const struct sgl_packed_row *row;
        int code = next_of_file(self, &row);
        if (code < 0)
            return code;
        if (code == 0) {
            self->is_read = true;
            break;
        }
        if (self->popped_count > 0 && row->arrival_ns < self->popped_ns)
            code = fail_too_late(self, row);
        else
            code = push_into_window(self, row);
        if (code < 0)
            return code;
    }
    if (!was_full && !self->is_read && read_ahead(self) != SGL_OK)
        return SGL_ENOMEM;
    *row_out = sgl_window_pop(&self->window);
    return *row_out != NULL;
}

/* The next row in order, sorted in a file. 1, 0 at the end, or negative. */
static int pop_from_file(struct sgl_trace *self, const struct sgl_packed_row **row_out)
{
    while (!self->is_read) {
        const struct sgl_packed_row *row;
        int code = read_row(self, &row);
        if (code < 0)
            return code;
        if (code == 0) {
            self->is_read = true;
            break;
        }
        code = sgl_sort_file_push(self->sort_file, row, &self->failure);
        if (code < 0)
            return code;
    }
    return sgl_sort_file_pop(self->sort_file, row_out, &self->failure);
}

/* The next row in order, with the time that the file gives it. 1, 0 at the end, or negative. */
static int pop(struct sgl_trace *self, const struct sgl_packed_row **row_out)
{
    const int code =
        self->sort_file != NULL ? pop_from_file(self, row_out) : pop_from_window(self, row_out);

    if (code <= 0)
        return code;
    self->facts.repeated_count +=
        self->popped_count > 0 && (*row_out)->arrival_ns == self->popped_ns;
    self->popped_ns = (*row_out)->arrival_ns;
    self->popped_count++;
    return 1;
}

/* The next row with its time spread over its step. As pop(). */
static int pop_spread(struct sgl_trace *self, const struct sgl_packed_row **row_out)
{
    while ((*row_out = sgl_spread_pop(&self->spread)) == NULL) {
        const struct sgl_packed_row *row;
        if (self->is_drained)
            return 0;
        int code = pop(self, &row);
        if (code < 0)
            return code;
        if (code == 0) {
            self->is_drained = true;
            sgl_spread_end(&self->spread);
            continue;
        }
        code = sgl_spread_push(&self->spread, row);
        if (code == SGL_EINVAL)
            sgl_fail(&self->failure, code, "%s%llu: more than %d rows at one time, expected steps",
                     self->file.reader->place, (unsigned long long)row->position, SGL_WINDOW_ROWS);
        else if (code < 0)
            sgl_fail(&self->failure, code, "%s: no memory to spread its rows", self->file.name);
        if (code < 0)
            return code;
    }
    return 1;
}

/* Says what the first row in order settles. */
static void set_base(struct sgl_trace *self, int64_t base_ns)
{
    const int64_t epoch_ns = self->file.reader->epoch_ns;
    const enum sgl_time_unit unit = self->packer.unit;

    self->base_ns = base_ns;
    self->has_base = true;
    self->facts.time_unit = sgl_time_unit_words(unit);
    if (!sgl_time_unit_is_relative(unit))
        self->facts.epoch_ns = base_ns;
    else if (epoch_ns != SGL_ABSENT && epoch_ns <= INT64_MAX - base_ns)
        self->facts.epoch_ns = epoch_ns + base_ns;
}

static int check_id(struct sgl_trace *self, const struct sgl_trace_row *row)
{
    uint64_t other = 0;
    char excerpt[SGL_EXCERPT_MAX];

    if (self->guard == NULL)
        return 0;
    const char *id = row->request.request_id;
    const int code =
        sgl_id_guard_add(self->guard, row->request.request, id, self->current->position, &other);
    if (code < 0)
        return sgl_fail(&self->failure, code, "%s: no memory for its request ids", self->file.name);
    if (code == 0)
        return 0;
    return sgl_fail(&self->failure, SGL_EINVAL,
                    "%s%llu: request_id '%s' is in use since %s %llu, expected another",
                    self->file.reader->place, (unsigned long long)self->current->position,
                    sgl_excerpt(id, strlen(id), excerpt), self->file.reader->position_word,
                    (unsigned long long)other);
}

static void warn(struct sgl_trace *self, uint32_t *count, uint64_t rows, const char *what)
{
    const uint64_t total = self->facts.row_count + self->file.reader->skipped_count;

    if (rows == 0)
        return;
    snprintf(self->warnings[*count], WARNING_SIZE, "%llu of %llu rows %s", (unsigned long long)rows,
             (unsigned long long)total, what);
    self->facts.warnings[*count] = self->warnings[*count];
    ++*count;
}

/* Most rows have the time of the row before: a clock that ticks, not the arrivals. Fewer than ten
 * steps may as well be bursts that were meant. */
static void warn_of_steps(struct sgl_trace *self, uint32_t *count)
{
    const uint64_t repeated = self->facts.repeated_count;
    const uint64_t step_count = self->popped_count - repeated;
    char what[WARNING_SIZE - 56]; /* the counts stand before it */

    if (step_count < 10 || repeated <= self->popped_count / 2)
        return;
    if (self->spreads) {
        warn(self, count, repeated, "repeat the arrival_time before and were spread over its step");
        return;
    }
    const double span_s = (double)(self->popped_ns - self->base_ns) / 1e9;
    snprintf(what, sizeof what,
             "repeat the arrival_time before, in steps of %.3g s (--spread-steps evens them out)",
             span_s / (double)(step_count - 1));
    warn(self, count, repeated, what);
}

static int end_rows(struct sgl_trace *self)
{
    uint32_t count = 0;

    if (self->facts.row_count == 0)
        return sgl_fail(&self->failure, SGL_EINVAL, "%s: no rows, expected at least one request",
                        self->file.name);
    self->facts.digest = self->digest.state;
    warn(self, &count, self->facts.sorted_count,
         "came after one with a later arrival_time and were sorted");
    warn(self, &count, self->facts.zero_prompt_count, "have 0 prompt tokens");
    warn(self, &count, self->facts.zero_output_count,
         self->file.reader->zero_output_words != NULL ? self->file.reader->zero_output_words
                                                      : "have 0 output tokens");
    warn_of_steps(self, &count);
    warn(self, &count, self->file.reader->skipped_count, self->file.reader->skipped_words);
    return 0;
}

static int emit(struct sgl_trace *self, struct sgl_trace_row *row_out)
{
    if (sgl_row_unpack(self->current, self->base_ns, row_out, &self->digest) < 0)
        return sgl_fail(&self->failure, SGL_EINVAL,
                        "%s%llu: a time is more than 292 years from the first, expected less",
                        self->file.reader->place, (unsigned long long)self->current->position);
    row_out->request.request = (int64_t)self->facts.row_count;
    const int code = check_id(self, row_out);
    if (code < 0)
        return code;
    self->facts.row_count++;
    self->facts.zero_prompt_count += row_out->request.prompt_tokens == 0;
    self->facts.zero_output_count += row_out->output_tokens == 0;
    self->facts.without_max_tokens_count += row_out->request.max_tokens == SGL_ABSENT;
    row_out->is_stopped = row_out->output_tokens < row_out->request.max_tokens;
    return 1;
}

/* The next row in order into `current`; `code` says whether there is one. */
static void advance(struct sgl_trace *self)
{
    self->current = NULL;
    if (self->code > 0)
        self->code = self->spreads ? pop_spread(self, &self->current) : pop(self, &self->current);
    if (self->code > 0 && !self->has_base)
        set_base(self, self->current->arrival_ns);
}

int sgl_trace_begin(struct sgl_trace *trace, struct sgl_failure *failure)
{
    if (!trace->has_base && trace->code > 0) {
        advance(trace);
        trace->is_ahead = true;
    }
    return trace->code < 0 ? sgl_fail(failure, trace->code, "%s", trace->failure.text) : SGL_OK;
}

static int next(struct sgl_source *source, struct sgl_trace_row *row_out,
                struct sgl_failure *failure)
{
    struct sgl_trace *self = (struct sgl_trace *)source;

    if (self->code > 0 || self->is_ahead) {
        if (!self->is_ahead)
            advance(self);
        self->is_ahead = false;
        if (self->code > 0)
            self->code = emit(self, row_out);
        else if (self->code == 0)
            self->code = end_rows(self);
    }
    return self->code < 0 ? sgl_fail(failure, self->code, "%s", self->failure.text) : self->code;
}

static void finished(struct sgl_source *source, int64_t request)
{
    struct sgl_trace *self = (struct sgl_trace *)source;

    if (self->guard != NULL)
        sgl_id_guard_finished(self->guard, request);
}

/* A measured time may not come before the arrival it belongs to. */
static int check_spread(const struct sgl_trace *self, struct sgl_failure *failure)
{
    for (enum sgl_column column = SGL_COLUMN_ARRIVAL_TIME + 1; column < SGL_COLUMN_COUNT; column++)
        if (sgl_columns[column].kind == SGL_KIND_TIME && self->file.reader->headers[column] != NULL)
            return sgl_fail(failure, SGL_EINVAL,
                            "%s: has %s, and arrivals that are spread would not fit it, expected "
                            "a trace of arrivals alone (leave out --spread-steps)",
                            self->file.name, sgl_columns[column].name);
    return 0;
}

static const struct sgl_source_ops source_ops = {.next = next, .finished = finished};

int sgl_trace_open(struct sgl_trace **trace_out, const struct sgl_trace_options *options,
                   struct sgl_failure *failure)
{
    struct sgl_trace *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", options->path);
    self->source.ops = &source_ops;
    self->code = 1;
    self->facts.epoch_ns = SGL_ABSENT;
    int code = sgl_trace_file_open(&self->file, options, failure);
    if (code == 0 && options->spreads_steps)
        code = check_spread(self, failure);
    if (code == 0 && options->sorts_in_file)
        code = sgl_sort_file_create(&self->sort_file, failure);
    if (code == 0 && self->file.reader->headers[SGL_COLUMN_REQUEST_ID] != NULL) {
        self->guard = sgl_id_guard_create(options->tracks_flights);
        if (self->guard == NULL)
            code = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", self->file.name);
    }
    if (code < 0) {
        sgl_trace_close(self);
        return code;
    }
    self->spreads = options->spreads_steps;
    self->packer.prefix_block = options->prefix_block;
    if (self->file.reader->has_ms)
        self->packer.unit = SGL_TIME_FROM_START_MS;
    self->facts.format = self->file.reader->ops->name;
    if (self->file.reader->cut[0] != '\0')
        self->facts.cut = self->file.reader->cut;
    memcpy(self->facts.headers, self->file.reader->headers, sizeof self->facts.headers);
    *trace_out = self;
    return 0;
}

void sgl_trace_close(struct sgl_trace *trace)
{
    if (trace == NULL)
        return;
    sgl_trace_file_close(&trace->file);
    sgl_packer_release(&trace->packer);
    sgl_window_release(&trace->window);
    sgl_spread_release(&trace->spread);
    sgl_sort_file_destroy(trace->sort_file);
    sgl_id_guard_destroy(trace->guard);
    free(trace);
}

struct sgl_source *sgl_trace_source(struct sgl_trace *trace)
{
    return &trace->source;
}

int sgl_trace_next(struct sgl_trace *trace, struct sgl_trace_row *row_out,
                   struct sgl_failure *failure)
{
    return next(&trace->source, row_out, failure);
}

const struct sgl_trace_facts *sgl_trace_facts(const struct sgl_trace *trace)
{
    return &trace->facts;
}
