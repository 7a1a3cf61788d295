#include "sort_file.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct sgl_sort_file {
    sqlite3 *database;
    sqlite3_stmt *insert;
    sqlite3_stmt *select;       /* NULL until the first pop */
    struct sgl_packed_row *row; /* the one popped last */
    size_t row_size;            /* room for it */
};

static int fail_sort(const struct sgl_sort_file *self, struct sgl_failure *failure)
{
    const int code = sqlite3_errcode(self->database) == SQLITE_NOMEM ? SGL_ENOMEM : SGL_EIO;

    return sgl_fail(failure, code, "sorting the trace in a temporary file: %s",
                    sqlite3_errmsg(self->database));
}

int sgl_sort_file_create(struct sgl_sort_file **file_out, struct sgl_failure *failure)
{
    struct sgl_sort_file *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "no memory to sort the trace");
    /* The empty name is a private database on disk, deleted when it is closed. Nobody reads it
     * after a crash, so it needs no journal. */
    if (sqlite3_open("", &self->database) != SQLITE_OK ||
        sqlite3_exec(self->database,
                     "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                     "PRAGMA temp_store = FILE;"
                     "CREATE TABLE row (arrival INTEGER, position INTEGER, packed BLOB);"
                     "BEGIN",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(self->database, "INSERT INTO row VALUES (?, ?, ?)", -1, &self->insert,
                           NULL) != SQLITE_OK) {
        const int code = fail_sort(self, failure);
        sgl_sort_file_destroy(self);
        return code;
    }
    *file_out = self;
    return 0;
}

int sgl_sort_file_push(struct sgl_sort_file *file, const struct sgl_packed_row *row,
                       struct sgl_failure *failure)
{
    sqlite3_bind_int64(file->insert, 1, row->arrival_ns);
    sqlite3_bind_int64(file->insert, 2, (sqlite3_int64)row->position);
    if (sqlite3_bind_blob64(file->insert, 3, row, sgl_packed_size(row), SQLITE_STATIC) !=
            SQLITE_OK ||
        sqlite3_step(file->insert) != SQLITE_DONE || sqlite3_reset(file->insert) != SQLITE_OK)
        return fail_sort(file, failure);
    return 0;
}

int sgl_sort_file_pop(struct sgl_sort_file *file, const struct sgl_packed_row **row_out,
                      struct sgl_failure *failure)
{
    if (file->select == NULL &&
        sqlite3_prepare_v2(file->database, "SELECT packed FROM row ORDER BY arrival, position", -1,
                           &file->select, NULL) != SQLITE_OK)
        return fail_sort(file, failure);
    switch (sqlite3_step(file->select)) {
    case SQLITE_ROW:
        break;
    case SQLITE_DONE:
        return 0;
    default:
        return fail_sort(file, failure);
    }
    const void *packed = sqlite3_column_blob(file->select, 0);
    const size_t size = (size_t)sqlite3_column_bytes(file->select, 0);
    if (packed != NULL && size > file->row_size) {
        free(file->row);
        file->row = malloc(size);
        file->row_size = file->row != NULL ? size : 0;
    }
    if (packed == NULL || file->row == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "no memory to sort the trace");
    /* Copied, for a blob may lie at any address. */
    memcpy(file->row, packed, size);
    *row_out = file->row;
    return 1;
}

void sgl_sort_file_destroy(struct sgl_sort_file *file)
{
    if (file == NULL)
        return;
    sqlite3_finalize(file->insert);
    sqlite3_finalize(file->select);
    sqlite3_close(file->database);
    free(file->row);
    free(file);
}
