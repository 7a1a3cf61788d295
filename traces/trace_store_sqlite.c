/*
 * trace_store_sqlite.c - requests as the table `requests` of a SQLite database.
 *
 * The partial file is nobody's until it is renamed, so it is written without a journal and in one
 * transaction; new_file.c syncs it. Notes become the table `generated`.
 */
#include "trace_store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below 2^22 s doubles stand 2^-31 s apart or closer; the reader's decimal text of one is as near
 * to it again, so both together stay under half a nanosecond. */
#define REAL_MOST_NS (INT64_C(4194304) * SGL_NANOSECONDS_PER_SECOND)

struct sqlite_store {
    struct sgl_trace_store base;
    sqlite3 *database;
    sqlite3_stmt *insert;
    char *hashes; /* the text of the last */
    size_t hashes_capacity;
};

static int fail(const struct sqlite_store *self, struct sgl_failure *failure)
{
    const int code = sqlite3_errcode(self->database) == SQLITE_NOMEM ? SGL_ENOMEM : SGL_EIO;

    return sgl_fail(failure, code, "%s: cannot write: %s", self->base.path,
                    sqlite3_errmsg(self->database));
}

static int is_ours(const char *path, struct sgl_failure *failure)
{
    static const char sql[] = "SELECT group_concat(name, ',') FROM pragma_table_info('requests')"
                              " WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema"
                              "  WHERE name NOT IN ('requests', 'generated'))"
                              " AND (SELECT coalesce(group_concat(name, ','), 'key,value')"
                              "  FROM pragma_table_info('generated')) = 'key,value'";
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int found = sgl_refuse_side_files(path, failure);

    if (found != SGL_OK)
        return found;
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        const char *names = (const char *)sqlite3_column_text(statement, 0);
        found = names != NULL && sgl_trace_header_is_ours(names, strlen(names));
    }
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return found;
}

static struct sgl_trace_store *create(void)
{
    struct sqlite_store *self = calloc(1, sizeof *self);

    /* cppcheck-suppress memleak ; it lives on as its base */
    return self != NULL ? &self->base : NULL;
}

/* Times and durations have no affinity: they are REAL, INTEGER or TEXT as they were bound. */
static const char *affinity_of(enum sgl_column column)
{
    switch (sgl_columns[column].kind) {
    case SGL_KIND_TIME:
    case SGL_KIND_DURATION:
        return "";
    case SGL_KIND_COUNT:
    case SGL_KIND_SIZE:
    case SGL_KIND_BOOLEAN:
        return " INTEGER";
    case SGL_KIND_TEXT:
    case SGL_KIND_HASHES:
    case SGL_KIND_PRIORITY:
        return " TEXT";
    }
    return "";
}

static int prepare(struct sqlite_store *self, struct sgl_failure *failure)
{
    sqlite3_str *table = sqlite3_str_new(self->database);
    sqlite3_str *insert = sqlite3_str_new(self->database);

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        if ((self->base.columns & SGL_COLUMN_BIT(column)) == 0)
            continue;
        sqlite3_str_appendf(table, "%s%s%s", column > 0 ? ", " : "CREATE TABLE requests (",
                            sgl_columns[column].name, affinity_of(column));
        sqlite3_str_appendall(insert, column > 0 ? ", ?" : "INSERT INTO requests VALUES (?");
    }
    sqlite3_str_appendall(table, ")");
    sqlite3_str_appendall(insert, ")");
    char *table_sql = sqlite3_str_finish(table);
    char *insert_sql = sqlite3_str_finish(insert);
    int status = SGL_OK;
    if (table_sql == NULL || insert_sql == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", self->base.path);
    else if (sqlite3_exec(self->database, table_sql, NULL, NULL, NULL) != SQLITE_OK ||
             sqlite3_prepare_v2(self->database, insert_sql, -1, &self->insert, NULL) != SQLITE_OK)
        status = fail(self, failure);
    sqlite3_free(table_sql);
    sqlite3_free(insert_sql);
    return status;
}

static int write_notes(struct sqlite_store *self, struct sgl_failure *failure)
{
    sqlite3_str *sql = sqlite3_str_new(self->database);
    int status = SGL_OK;

    if (self->base.note_count > 0)
        sqlite3_str_appendall(sql, "CREATE TABLE generated (key TEXT, value TEXT);");
    for (size_t i = 0; i < self->base.note_count; i++)
        sqlite3_str_appendf(sql, "INSERT INTO generated VALUES (%Q, %Q);", self->base.notes[i].key,
                            self->base.notes[i].value);
    char *text = sqlite3_str_finish(sql);
    if (self->base.note_count > 0 && text == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", self->base.path);
    else if (text != NULL && sqlite3_exec(self->database, text, NULL, NULL, NULL) != SQLITE_OK)
        status = fail(self, failure);
    sqlite3_free(text);
    return status;
}

static int begin(struct sgl_trace_store *store, struct sgl_failure *failure)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    if (sqlite3_open_v2(store->file.partial, &self->database, SQLITE_OPEN_READWRITE, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(self->database,
                     "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                     "PRAGMA locking_mode = EXCLUSIVE; BEGIN",
                     NULL, NULL, NULL) != SQLITE_OK)
        return fail(self, failure);
    const int status = write_notes(self, failure);
    return status == SGL_OK ? prepare(self, failure) : status;
}

static int bind_seconds(struct sqlite_store *self, int index, int64_t ns)
{
    char text[SGL_SECONDS_TEXT_MAX];

    if (ns < REAL_MOST_NS)
        return sqlite3_bind_double(self->insert, index, (double)ns / 1e9);
    return sqlite3_bind_text(self->insert, index, text, (int)sgl_seconds_text(ns, text),
                             SQLITE_TRANSIENT);
}

static int bind_hashes(struct sqlite_store *self, int index, const struct sgl_request *request)
{
    const size_t needed = request->prefix_count * (SGL_NATURAL_TEXT_MAX + 1);
    size_t size = 0;

    if (needed > self->hashes_capacity) {
        char *grown = realloc(self->hashes, 2 * needed);
        if (grown == NULL)
            return SQLITE_NOMEM;
        self->hashes = grown;
        self->hashes_capacity = 2 * needed;
    }
    for (size_t i = 0; i < request->prefix_count; i++) {
        if (i > 0)
            self->hashes[size++] = ' ';
        size += sgl_natural_text(request->prefix_ids[i], self->hashes + size);
    }
    return sqlite3_bind_text(self->insert, index, self->hashes, (int)size, SQLITE_STATIC);
}

static int bind_cell(struct sqlite_store *self, int index, const struct sgl_trace_row *row,
                     enum sgl_column column)
{
    const void *const member = sgl_trace_row_member(row, column);
    int64_t ns;

    if (!sgl_trace_row_has(row, column))
        return sqlite3_bind_null(self->insert, index);
    switch (sgl_columns[column].kind) {
    case SGL_KIND_TIME:
        ns = *(const int64_t *)member + self->base.origin_ns;
        return ns >= SGL_EPOCH_LEAST_NS ? sqlite3_bind_int64(self->insert, index, ns)
                                        : bind_seconds(self, index, ns);
    case SGL_KIND_DURATION:
        return bind_seconds(self, index, *(const int64_t *)member);
    case SGL_KIND_COUNT:
        return sqlite3_bind_int64(self->insert, index, *(const int64_t *)member);
    case SGL_KIND_SIZE:
        return sqlite3_bind_int64(self->insert, index, *(const uint32_t *)member);
    case SGL_KIND_TEXT:
        return sqlite3_bind_text(self->insert, index, *(const char *const *)member, -1,
                                 SQLITE_STATIC);
    case SGL_KIND_HASHES:
        return bind_hashes(self, index, &row->request);
    case SGL_KIND_PRIORITY:
        return sqlite3_bind_text(self->insert, index, sgl_priority_name(row->request.priority), -1,
                                 SQLITE_STATIC);
    case SGL_KIND_BOOLEAN:
        return sqlite3_bind_int(self->insert, index, row->recorded.success);
    }
    return SQLITE_OK;
}

static int write_row(struct sgl_trace_store *store, const struct sgl_trace_row *row,
                     struct sgl_failure *failure)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    int index = 1;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        if ((store->columns & SGL_COLUMN_BIT(column)) == 0)
            continue;
        const int code = bind_cell(self, index++, row, column);
        if (code == SQLITE_NOMEM)
            return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for the row", store->path);
        if (code != SQLITE_OK)
            return fail(self, failure);
    }
    if (sqlite3_step(self->insert) != SQLITE_DONE || sqlite3_reset(self->insert) != SQLITE_OK)
        return fail(self, failure);
    return SGL_OK;
}

static void release(struct sgl_trace_store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    sqlite3_finalize(self->insert);
    sqlite3_close(self->database);
    self->insert = NULL;
    self->database = NULL;
}

static int finish(struct sgl_trace_store *store, struct sgl_failure *failure)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    if (sqlite3_exec(self->database, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return fail(self, failure);
    return SGL_OK;
}

static void destroy(struct sgl_trace_store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    release(store);
    free(self->hashes);
    free(self);
}

const struct sgl_trace_store_ops sgl_trace_store_sqlite = {
    .name = "sqlite",
    .suffixes = ".db .sqlite .sqlite3",
    .is_ours = is_ours,
    .create = create,
    .begin = begin,
    .write = write_row,
    .finish = finish,
    .release = release,
    .destroy = destroy,
};
