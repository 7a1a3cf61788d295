/*
 * trace_writer.h - requests into a trace file: CSV, or the table `requests` of a SQLite database.
 *
 *     struct sgl_trace_row --> cells --> t.csv.partial --> t.csv        (new_file.h)
 *
 * Columns have the names of columns.def, in that order; the first three are always there, the
 * others when the caller names them. What is read back is what was written, bit for bit: every
 * time, count, text and prefix id, and so the digest (but an empty text is absent when read).
 *
 * Times: `origin_ns` is what stands in the file for time 0. 0: seconds from start. From 1e18 (in
 * 2001) on: ns since 1970, which keeps dates. The reader takes the first arrival for its time 0, so
 * any origin gives the same requests.
 *
 *              CSV                          SQLite
 *   time       seconds, nine decimals       from start: seconds, REAL below 2^22 (48 days, where a
 *                                           double still tells each ns), else TEXT; since 1970:
 *                                           INTEGER ns
 *   duration   seconds, nine decimals       as times from start
 *   count      whole number                 INTEGER
 *   text       always in quotes             TEXT
 *   hashes     decimal, between spaces      TEXT
 *   absent     empty cell                   NULL
 *
 * Texts are written as they are. A spreadsheet takes a cell that begins with = + - @ for a formula,
 * quotes or not: open traces that others made with care.
 *
 * Notes, such as the laws a trace was drawn from, go into the table `generated` (key, value) of a
 * database, which readers pass over; a CSV has no place for them.
 *
 * A file is only replaced when it is empty or was written by this writer for the same kind: its
 * columns, and for a database its tables, are exactly such as stand above. The new one appears
 * whole, or not at all.
 *
 * Failures are one line that begins with the path. After one, discard.
 */
#ifndef SGL_TRACES_TRACE_WRITER_H
#define SGL_TRACES_TRACE_WRITER_H

#include "columns.h"
#include "trace.h"

#define SGL_COLUMN_BIT(column) (UINT32_C(1) << (column))
#define SGL_COLUMNS_ALL (UINT32_MAX >> (32 - SGL_COLUMN_COUNT))

struct sgl_trace_writer;

struct sgl_trace_note {
    const char *key;
    char *value; /* NULL: there is none */
};

/* A zeroed struct with a path is a good start. Strings are borrowed for the call. */
struct sgl_trace_writer_options {
    const char *path;
    const char *format; /* "csv" or "sqlite"; NULL: by the suffix, .csv or .db .sqlite .sqlite3 */
    uint32_t columns;   /* SGL_COLUMN_BIT of each that the file has; the first three need none */
    int64_t origin_ns;
    const struct sgl_trace_note *notes; /* kept where the format can */
    size_t note_count;
};

/* "csv" or "sqlite" by the suffix of a path; NULL when it tells neither. */
const char *sgl_trace_writer_format(const char *path);

int sgl_trace_writer_open(struct sgl_trace_writer **writer_out,
                          const struct sgl_trace_writer_options *options,
                          struct sgl_failure *failure);

/* SGL_EINVAL: the row cannot be written so that it is read back the same: a time below 0 or in
 * another unit than the first, a text that is not UTF-8 or over 1 MiB. What the row has in columns
 * that the file has not is left out. */
int sgl_trace_writer_write(struct sgl_trace_writer *writer, const struct sgl_trace_row *row,
                           struct sgl_failure *failure);

/* Publishes the file; frees the writer, whatever comes of it. */
int sgl_trace_writer_close(struct sgl_trace_writer *writer, struct sgl_failure *failure);

/* Frees the writer and leaves nothing behind; NULL is fine. */
void sgl_trace_writer_discard(struct sgl_trace_writer *writer);

/* The columns in which this row is not empty. */
uint32_t sgl_trace_row_columns(const struct sgl_trace_row *row);

#endif
