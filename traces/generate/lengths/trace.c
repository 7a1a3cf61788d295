/*
 * trace: the lengths of a recorded trace, drawn with replacement. When the prompt and the output
 * are drawn from files with equally many requests (the same file, that is), both are those of one
 * request: its row is drawn from the stream that the two share. A length of 0 becomes 1.
 */
#include "traces/generate/law.h"
#include "traces/open.h"

#include <stdlib.h>

#define ROWS_MOST (UINT32_C(1) << 24)

/* The lengths in the order of the file, then the same ones in order of size. */
struct lengths {
    uint32_t count;
    uint32_t capacity;
    int64_t *sorted;
    int64_t values[];
};

static int by_size(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

/* Room for `capacity` rows, twice over. */
static struct lengths *grow(struct lengths *lengths, uint32_t capacity)
{
    struct lengths *grown =
        realloc(lengths, sizeof *lengths + 2 * (size_t)capacity * sizeof lengths->values[0]);

    if (grown == NULL)
        return NULL;
    if (lengths == NULL)
        grown->count = 0;
    grown->capacity = capacity;
    return grown;
}

static int add(struct sgl_law *self, int64_t length, const char *what, struct sgl_failure *failure)
{
    struct lengths *lengths = self->state;

    if (lengths == NULL || lengths->count == lengths->capacity) {
        const uint32_t capacity = lengths == NULL ? 1024 : 2 * lengths->capacity;
        if (capacity > ROWS_MOST)
            return sgl_fail(failure, SGL_EINVAL, "%s: %s has more than %u requests, expected fewer",
                            what, self->file, (unsigned)ROWS_MOST);
        lengths = grow(lengths, capacity);
        if (lengths == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", what);
        self->state = lengths;
    }
    lengths->values[lengths->count++] = length > 0 ? length : 1;
    return SGL_OK;
}

static int prepare(struct sgl_law *self, const char *what, struct sgl_failure *failure)
{
    struct sgl_trace *trace = NULL;
    struct sgl_trace_row row;
    int status = sgl_trace_open(
        &trace, &(struct sgl_trace_options){.path = self->file, .sorts_in_file = true}, failure);

    if (status != SGL_OK)
        return status;
    while ((status = sgl_trace_next(trace, &row, failure)) == 1) {
        status = add(
            self, self->part == SGL_LENGTH_PROMPT ? row.request.prompt_tokens : row.output_tokens,
            what, failure);
        if (status != SGL_OK)
            break;
    }
    sgl_trace_close(trace);
    if (status != SGL_OK)
        return status;
    struct lengths *lengths = self->state;
    lengths->sorted = lengths->values + lengths->count;
    for (uint32_t i = 0; i < lengths->count; i++)
        lengths->sorted[i] = lengths->values[i];
    qsort(lengths->sorted, lengths->count, sizeof lengths->sorted[0], by_size);
    return SGL_OK;
}

static int64_t draw(struct sgl_law *self, struct sgl_length_draws *draws, bool *was_clamped_out)
{
    const struct lengths *lengths = self->state;

    (void)was_clamped_out;
    return lengths->values[sgl_rng_below(&draws->shared, lengths->count)];
}

static double mean(const struct sgl_law *self)
{
    const struct lengths *lengths = self->state;
    double sum = 0;

    for (uint32_t i = 0; i < lengths->count; i++)
        sum += (double)lengths->values[i];
    return sum / lengths->count;
}

static double quantile(const struct sgl_law *self, double q)
{
    const struct lengths *lengths = self->state;

    return (double)lengths->sorted[(size_t)(q * lengths->count)];
}

const struct sgl_law_ops sgl_lengths_trace = {
    .name = "trace",
    .summary = "as recorded in a trace, drawn with replacement",
    .takes_file = true,
    .prepare = prepare,
    .draw = draw,
    .mean = mean,
    .quantile = quantile,
};
