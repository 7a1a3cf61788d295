/*
 * row_queue.h - packed rows that wait in the order they came in, as few bytes as they need.
 *
 *     chunks   [ row row row .. ]->[ row row .. ]->[ row ..      ]
 *                  ^ popped                             ^ pushed     a chunk that is read is freed
 *
 *     a row    flags | columns, word_count | position | arrival         | words, each of
 *              1     | 4 + 4, if they      | 8, if it | 4 or 8: since   | 2, 4 or 8 bytes: what
 *                    | are not those of    | is not   | the row before  | the largest of the row
 *                    | the row before      | the next |                 | takes
 *
 * Up to 65,536 rows wait for order (window.h), so what one takes is most of the memory that reading
 * a trace needs, and every page of it has to be got from the system: a row of two counts takes 9 to
 * 13 bytes here and 40 as a block. Rows in any order come back right, and those whose arrivals rise
 * take least.
 *
 * Only push allocates, so only it can fail. A zeroed queue is empty; release it.
 */
#ifndef SGL_TRACES_ROW_QUEUE_H
#define SGL_TRACES_ROW_QUEUE_H

#include "row.h"

/* What rows have in common with the one before. */
struct sgl_row_queue_end {
    int64_t arrival_ns;
    uint64_t position;
    uint32_t columns;
    uint32_t word_count;
};

struct sgl_row_queue {
    struct sgl_row_chunk *first; /* being read */
    struct sgl_row_chunk *last;  /* being written */
    size_t count;
    struct sgl_row_queue_end pushed; /* the last row pushed */
    struct sgl_row_queue_end popped; /* the last row popped */
    struct sgl_packed_row *row;      /* it, whole: room for the widest that was ever pushed */
    size_t row_capacity;             /* words */
};

/* Appends a copy of the row. SGL_OK or SGL_ENOMEM: then nothing has changed. */
int sgl_row_queue_push(struct sgl_row_queue *queue, const struct sgl_packed_row *row);

/* The first row, taken out, of a queue that has one. Borrowed until the next call. */
const struct sgl_packed_row *sgl_row_queue_pop(struct sgl_row_queue *queue);

void sgl_row_queue_release(struct sgl_row_queue *queue);

#endif
