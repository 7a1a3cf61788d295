/*
 * sqlite_reader.h - rows of cells out of a SQLite query, for the formats that live in a database.
 *
 * The file is opened to be read and nothing else: no file is made or changed beside it, also in a
 * folder that may not be written. The one exception is a database whose write-ahead log (-wal) is
 * not merged: to read what stands there, SQLite keeps its own -shm file beside it.
 *
 * Values become the text a CSV would have: integers as they are, reals in as many digits as bring
 * the same double back, blobs are failures. Texts must be UTF-8 without NUL and under 1 MiB. The
 * schema is not trusted: views of it cannot call functions with side effects.
 */
#ifndef SGL_TRACES_SQLITE_READER_H
#define SGL_TRACES_SQLITE_READER_H

#include "core/parameters.h"
#include "format.h"

#include <sqlite3.h>

struct sgl_sqlite_reader {
    struct sgl_format_reader reader;
    sqlite3 *database;
    sqlite3_stmt *statement;
    uint64_t row_count;
    /* Integers of time columns are ns, not a unit to be guessed, and prefix ids are a blob of
     * unsigned 64-bit little-endian numbers: what a decision log has. */
    bool has_native_units;
    char *hashes; /* the text of a blob */
    size_t hashes_capacity;
    char numbers[SGL_COLUMN_COUNT][SGL_REAL_TEXT_MAX]; /* texts of cells that are numbers */
};

/* Opens the database, closing input->bytes; `table` only serves messages. */
int sgl_sqlite_open(struct sgl_sqlite_reader *self, const struct sgl_format_ops *ops,
                    const struct sgl_format_input *input, const char *table,
                    struct sgl_failure *failure);

int sgl_sqlite_fail(const struct sgl_sqlite_reader *self, struct sgl_failure *failure,
                    const char *name);

/* Steps the statement, whose column i is reader.headers' i-th that is not NULL. As ops->next. */
int sgl_sqlite_next(struct sgl_sqlite_reader *self, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure);

void sgl_sqlite_release(struct sgl_sqlite_reader *self);

/* Does the head of the file say SQLite? */
bool sgl_sqlite_is_head(const struct sgl_bytes *bytes);

#endif
