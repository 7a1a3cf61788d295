/*
 * sort_file.h - rows in order of arrival, whatever their order in the file: through a temporary
 * database, which SQLite sorts outside memory and deletes.
 *
 *     push, push, ..., push --> pop, pop, ..., pop --> NULL
 *
 * The temporary files go where SQLite puts them ($SQLITE_TMPDIR, $TMPDIR, /var/tmp, /tmp) and take
 * about twice the rows' packed size. About a microsecond a row each way.
 */
#ifndef SGL_TRACES_SORT_FILE_H
#define SGL_TRACES_SORT_FILE_H

#include "row.h"

struct sgl_sort_file;

int sgl_sort_file_create(struct sgl_sort_file **file_out, struct sgl_failure *failure);
void sgl_sort_file_destroy(struct sgl_sort_file *file);

/* Stores a copy: the row stays the caller's. */
int sgl_sort_file_push(struct sgl_sort_file *file, const struct sgl_packed_row *row,
                       struct sgl_failure *failure);

/* 1: the earliest row, borrowed until the next call; 0: that was all; negative: failure. */
int sgl_sort_file_pop(struct sgl_sort_file *file, const struct sgl_packed_row **row_out,
                      struct sgl_failure *failure);

#endif
