/*
 * csv_table.h - a small table of measurements out of CSV: columns by name, all of it in memory.
 *
 * Not for traces. Gzip is unpacked. Cells that are wanted as numbers must be: finite, and not below
 * zero. Failures are one line, "file:line:column: what, expected what".
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

/*
 * Calls `take` for each row that `where` ("column=value,...", NULL: every) lets through, until it
 * gives something else than SGL_OK. `names` ends with NULL; columns from `number_first` on are
 * numbers.
 */
int sgl_csv_table_read(const char *path, const char *where, const char *const *names,
                       size_t number_first,
                       int (*take)(void *context, const struct sgl_csv_table_row *row,
                                   struct sgl_failure *failure),
                       void *context, struct sgl_failure *failure);

#endif
