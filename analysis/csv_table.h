/*
 * csv_table.h - a small table of measurements out of CSV: columns by name, all of it in memory.
 *
 * Not for traces. Gzip is unpacked. Cells that are wanted as numbers must be: finite, and not below
 * zero. Failures are one line, "file:line:column: what, expected what". A name that begins with '?'
 * is of a column that may be absent: its cells are then "" and NaN.
 */
#ifndef SGL_ANALYSIS_CSV_TABLE_H
#define SGL_ANALYSIS_CSV_TABLE_H

#include "core/failure.h"

#include <stddef.h>

#define SGL_CSV_TABLE_COLUMNS 16
#define SGL_CSV_TABLE_ROWS_MAX ((size_t)10 * 1000 * 1000)

/* One row as the reader of a table gets it: the columns in the order that was asked for. */
struct sgl_csv_table_row {
    const char *texts[SGL_CSV_TABLE_COLUMNS]; /* of all columns */
    double numbers[SGL_CSV_TABLE_COLUMNS];    /* of those from `number_first` on */
    const char *place;                        /* "file:line" */
};

/* What is wanted of a table. */
struct sgl_csv_table {
    const char *where;        /* "column=value,...": the rows; NULL: all */
    const char *const *names; /* of the columns; ends with NULL */
    size_t number_first;      /* columns from here on are numbers */
    /* Called for each row, until it gives something else than SGL_OK. */
    int (*take)(void *context, const struct sgl_csv_table_row *row, struct sgl_failure *failure);
    void *context;
};

int sgl_csv_table_read(const char *path, const struct sgl_csv_table *table,
                       struct sgl_failure *failure);

#endif
