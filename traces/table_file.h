/*
 * table_file.h - results as tables of a new SQLite file, which appears whole or not at all.
 *
 *     open     PATH.partial (new_file.h), the schema in it
 *     table    rows go to this table from now on, cell by cell, in the order of its columns
 *     publish  commit, sync, rename
 *
 *     sgl_table_file_integer(file, 1), sgl_table_file_text(file, "random"), ..row(file), ..row...
 *
 * What stood at the path is replaced only if it is a file of the same kind, told by SQLite's
 * application_id: a name that is taken by something else is refused. Equal calls make equal bytes.
 *
 * Missing values are NULL: SGL_ABSENT, NaN, a NULL text. Failures are kept, the first one is told
 * by publish; calls after it do nothing. One thread at a time.
 */
#ifndef SGL_TRACES_TABLE_FILE_H
#define SGL_TRACES_TABLE_FILE_H

#include "core/failure.h"

#include <stdint.h>

struct sgl_table_file;

struct sgl_table_file_kind {
    const char *name;       /* "sweep", for messages */
    int32_t application_id; /* more than 0 */
    int32_t version;        /* of the schema: PRAGMA user_version */
    const char *schema;     /* statements */
};

/* May the path be written? Opens nothing; SGL_EINVAL says why not. */
int sgl_table_file_check(const char *path, const struct sgl_table_file_kind *kind,
                         struct sgl_failure *failure);

/* Checks likewise. */
int sgl_table_file_open(struct sgl_table_file **file_out, const char *path,
                        const struct sgl_table_file_kind *kind, struct sgl_failure *failure);

/* All columns of a table of the schema, in their order. */
void sgl_table_file_table(struct sgl_table_file *file, const char *name);

void sgl_table_file_integer(struct sgl_table_file *file, int64_t value);
void sgl_table_file_real(struct sgl_table_file *file, double value);
void sgl_table_file_text(struct sgl_table_file *file, const char *value);

/* The row is complete: as many cells as the table has columns. */
void sgl_table_file_row(struct sgl_table_file *file);

/* Releases the file either way. */
int sgl_table_file_publish(struct sgl_table_file *file, struct sgl_failure *failure);
void sgl_table_file_discard(struct sgl_table_file *file); /* NULL is fine */

#endif
