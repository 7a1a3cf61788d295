/*
 * spread.h - arrivals that come in steps, spread evenly.
 *
 *     recorded   |aaaa      |bb        |cccc            as rows of one time, in file order
 *     spread     |a  a  a  a|b    b    |c  c  c  c      row k of n: start + k * width / n
 *
 * A clock that ticks every few seconds makes a square wave of an even load. The width of a step is
 * the smaller of the times to the step before and to the one after, so that a pause is not filled;
 * the last has the one before, and a trace of a single time stays as it is. Integer ns: the order
 * of the file is kept.
 *
 * Looks one step ahead: at most 65,536 rows and 256 MiB, beyond is a failure. Copies the rows
 * pushed; a row popped is its own.
 */
#ifndef SGL_TRACES_SPREAD_H
#define SGL_TRACES_SPREAD_H

#include "row.h"

/* Zeroed at the start; release it. */
struct sgl_spread {
    struct sgl_packed_row **rows; /* of the step, in order */
    size_t count;
    size_t capacity;
    size_t given;
    size_t byte_count;
    struct sgl_packed_row *ahead; /* the first row of the next step */
    struct sgl_packed_row *row;   /* the one popped last */
    int64_t start_ns;
    int64_t width_ns;
    int64_t previous_ns; /* start of the step before, when has_previous */
    bool has_previous;
    bool is_ready; /* the step is complete: pop before pushing */
};

/* Adds a copy of the row. SGL_ENOMEM; SGL_EINVAL: too many rows of one time. */
int sgl_spread_push(struct sgl_spread *spread, const struct sgl_packed_row *row);

/* There are no more rows: the step is complete. */
void sgl_spread_end(struct sgl_spread *spread);

/* The next row with its new arrival, borrowed until the next pop or release; NULL: push (or end)
 * first. */
const struct sgl_packed_row *sgl_spread_pop(struct sgl_spread *spread);

void sgl_spread_release(struct sgl_spread *spread);

#endif
