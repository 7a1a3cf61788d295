/*
 * window.h - rows in order of arrival, out of a file that is nearly so.
 *
 *     read --> push --> [ run:  rows not earlier than the one before (row_queue.h) ] --> pop: the
 *                       [ late: the others, in a heap, earliest on top             ]     earlier
 *
 * A row may leave only when no earlier one can still come, so 65,536 rows wait here; of a sorted
 * file they are all in the run. To bound memory by bytes as well, the window is also full with
 * 256 MiB of packed rows in it (rows of over 4 KiB on average).
 *
 * Copies the rows pushed; a row popped is the window's.
 */
#ifndef SGL_TRACES_WINDOW_H
#define SGL_TRACES_WINDOW_H

#include "row_queue.h"

#define SGL_WINDOW_ROWS 65536
#define SGL_WINDOW_BYTES ((size_t)256 * 1024 * 1024)

/* Zeroed at the start; release it. */
struct sgl_window {
    struct sgl_row_queue run;
    bool has_head;                /* the first of the run is popped from it already: run.row */
    struct sgl_packed_row **late; /* late[i] is not before late[(i - 1) / 2]; owned */
    size_t late_capacity;
    size_t late_count;
    struct sgl_packed_row *given; /* the row popped last, if it was a late one */
    size_t byte_count;
};

/* Rows that wait. */
size_t sgl_window_count(const struct sgl_window *window);

/* Must a row be popped before another is pushed? */
bool sgl_window_is_full(const struct sgl_window *window);

/* Adds a copy of the row; only memory can fail. */
int sgl_window_push(struct sgl_window *window, const struct sgl_packed_row *row);

/* The earliest row, borrowed until the next call; NULL when there is none. */
const struct sgl_packed_row *sgl_window_pop(struct sgl_window *window);

void sgl_window_release(struct sgl_window *window);

#endif
