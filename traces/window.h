/*
 * window.h - rows in order of arrival, out of a file that is nearly so.
 *
 *     read --> push --> [ run:  rows not earlier than the one before, in a ring ] --> pop: the
 *                       [ late: the others, in a heap, earliest on top          ]     earlier one
 *
 * A row may leave only when no earlier one can still come, so 65,536 rows wait here; of a sorted
 * file they are all in the run and cost one pointer each way. To bound memory by bytes as well, the
 * window is also full with 256 MiB of rows in it (rows of over 4 KiB on average).
 *
 * Owns the rows pushed until they are popped.
 */
#ifndef SGL_TRACES_WINDOW_H
#define SGL_TRACES_WINDOW_H

#include "row.h"

#define SGL_WINDOW_ROWS 65536
#define SGL_WINDOW_BYTES ((size_t)256 * 1024 * 1024)

/* Zeroed at the start; release it. */
struct sgl_window {
    struct sgl_packed_row **run; /* a ring; capacity is a power of two */
    size_t run_capacity;
    size_t run_first;
    size_t run_count;
    struct sgl_packed_row **late; /* late[i] is not before late[(i - 1) / 2] */
    size_t late_capacity;
    size_t late_count;
    size_t byte_count;
};

/* Must a row be popped before another is pushed? */
bool sgl_window_is_full(const struct sgl_window *window);

/* Takes the row over; only memory can fail, and then the row is still the caller's. */
int sgl_window_push(struct sgl_window *window, struct sgl_packed_row *row);

/* The earliest row, which the caller frees; NULL when there is none. */
struct sgl_packed_row *sgl_window_pop(struct sgl_window *window);

void sgl_window_release(struct sgl_window *window);

#endif
