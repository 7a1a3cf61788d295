/*
 * row.h - the meaning of a row's cells, and its compact form between reading and use.
 *
 *     struct sgl_raw_row --pack--> struct sgl_packed_row ... waits, is sorted ... --unpack-->
 *     struct sgl_trace_row
 *
 * Packed, a row is one block of memory, however many columns it has:
 *
 *     [ arrival, position, columns, word_count | one value per column, in the order of the table ]
 *        TIME, DURATION, COUNT, SIZE, PRIORITY, BOOLEAN: 1 word;  TEXT: size, then bytes and NUL;
 *        HASHES: count, then that many words.  ARRIVAL_TIME is in the head alone.
 *
 * Times are as the file has them (from 1970 or from its start); unpacking subtracts the base. What
 * is empty is absent, and priority normal is the same as no priority.
 */
#ifndef SGL_TRACES_ROW_H
#define SGL_TRACES_ROW_H

#include "digest.h"
#include "format.h"
#include "instant.h"
#include "trace.h"

struct sgl_packed_row {
    int64_t arrival_ns;
    uint64_t position; /* in the file: rows of one instant go in this order */
    uint32_t columns;  /* bit i: column i is here */
    uint32_t word_count;
    uint64_t words[];
};

/* Zeroed at the start; release it. */
struct sgl_packer {
    enum sgl_time_unit unit;  /* of all times, fixed by the first or by the format */
    struct sgl_minute minute; /* of the time read last */
    uint32_t prefix_block;    /* of rows with prefix ids that do not state it; 0: none */
    enum sgl_column columns[SGL_COLUMN_COUNT]; /* those of the file, in the order of the table */
    uint32_t column_count;                     /* 0 until the first row */
    struct sgl_packed_row *row;                /* being packed */
    size_t word_capacity;                      /* of it */
};

/* The row is the packer's until its next call; all must be of one reader. Failures name the cell,
 * what is in it and what was expected there. */
int sgl_row_pack(struct sgl_packer *packer, const struct sgl_format_reader *reader,
                 const struct sgl_raw_row *raw, const struct sgl_packed_row **row_out,
                 struct sgl_failure *failure);

void sgl_packer_release(struct sgl_packer *packer);

static inline size_t sgl_packed_size(const struct sgl_packed_row *row)
{
    return sizeof *row + row->word_count * sizeof row->words[0];
}

/* Order of arrival; of rows that came at the same time, that of the file. */
static inline bool sgl_packed_before(const struct sgl_packed_row *left,
                                     const struct sgl_packed_row *right)
{
    if (left->arrival_ns != right->arrival_ns)
        return left->arrival_ns < right->arrival_ns;
    return left->position < right->position;
}

/* Fills everything but request.request; texts and prefix ids point into the packed row. Adds what
 * it fills to the digest. SGL_EINVAL, without text: a time is more than 2^63 ns from the base. */
int sgl_row_unpack(const struct sgl_packed_row *packed, int64_t base_ns,
                   struct sgl_trace_row *row_out, struct sgl_digest *digest);

#endif
