/*
 * The decision log as an SQLite file, written.
 *
 *     put: bind what changed since the table's last row -> step -> reset
 *
 * A log of a simulated run is worth nothing unless it is finished, so it is written without journal
 * and without syncs, in large pages; finishing builds the indexes, syncs and renames. A durable log
 * is written ahead (WAL) with a sync at each commit, and can be read meanwhile.
 *
 * Speed comes from ascending rowids (SQLite then appends to the last leaf), no index while writing,
 * and from not binding again what is bound: NULLs, names, the request of a first token. A text or
 * blob is bound by its address and read when the row is inserted, so one at the same address with
 * the same size needs no binding either, even when its bytes changed.
 */
#include "log_store.h"

#include "log_file.h"
#include "log_views.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define SQL_MAX 2048
#define BUSY_MS 10000 /* for others to let go of a durable log */
#define BUSY_NAP_MS 50

struct statement {
    sqlite3_stmt *insert;
    struct sgl_log_value bound[SGL_LOG_COLUMN_MAX];
};

struct sqlite_store {
    struct sgl_log_store store; /* first */
    struct sgl_log_file file;
    sqlite3 *database;
    struct statement statements[SGL_LOG_TABLE_COUNT];
    bool is_durable;
    bool is_finished;
    bool is_left;
};

static int fail_sqlite(const struct sqlite_store *self, const char *what,
                       struct sgl_failure *failure)
{
    const int error = sqlite3_system_errno(self->database);
    char text[128] = "";

    if (error != 0 && strerror_r(error, text, sizeof text) != 0)
        text[0] = '\0';
    return sgl_fail(failure, SGL_EIO, "%s: cannot %s the log: %s%s%s", self->file.partial, what,
                    sqlite3_errmsg(self->database), text[0] != '\0' ? ": " : "", text);
}

static int execute(struct sqlite_store *self, const char *sql, const char *what,
                   struct sgl_failure *failure)
{
    return sqlite3_exec(self->database, sql, NULL, NULL, NULL) == SQLITE_OK
               ? SGL_OK
               : fail_sqlite(self, what, failure);
}

static int bind(sqlite3_stmt *insert, int column, const struct sgl_log_value *value)
{
    switch (value->kind) {
    case SGL_LOG_INTEGER:
        return sqlite3_bind_int64(insert, column, value->integer);
    case SGL_LOG_REAL:
        return sqlite3_bind_double(insert, column, value->real);
    case SGL_LOG_TEXT:
        return sqlite3_bind_text64(insert, column, value->bytes, value->size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SGL_LOG_BLOB:
        return sqlite3_bind_blob64(insert, column, value->bytes, value->size, SQLITE_STATIC);
    case SGL_LOG_NULL:
        break;
    }
    return sqlite3_bind_null(insert, column);
}

/* For text and blob this compares addresses: see the head of the file. */
static bool is_bound(const struct sgl_log_value *bound, const struct sgl_log_value *value)
{
    return bound->kind == value->kind && bound->size == value->size &&
           (value->kind == SGL_LOG_NULL || bound->integer == value->integer);
}

static int put(struct sgl_log_store *store, enum sgl_log_table table,
               const struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    struct statement *statement = &self->statements[table];
    const uint32_t count = sgl_log_layouts[table].column_count;
    int code = SQLITE_OK;

    for (uint32_t i = 0; i < count && code == SQLITE_OK; i++)
        if (!is_bound(&statement->bound[i], &values[i])) {
            code = bind(statement->insert, (int)i + 1, &values[i]);
            statement->bound[i] = values[i];
        }
    if (code == SQLITE_OK)
        code = sqlite3_step(statement->insert);
    if (code == SQLITE_DONE) {
        sqlite3_reset(statement->insert);
        return SGL_OK;
    }
    return fail_sqlite(self, "write", failure);
}

static int commit(struct sgl_log_store *store, struct sgl_failure *failure)
{
    return execute((struct sqlite_store *)store, "COMMIT; BEGIN", "write", failure);
}

/* SQLite has rolled back on its own, or not: that depends on what failed and where. */
static int recover(struct sgl_log_store *store, struct sgl_failure *failure)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        struct statement *statement = &self->statements[table];
        sqlite3_reset(statement->insert); /* says once more what failed */
        sqlite3_clear_bindings(statement->insert);
        for (int i = 0; i < SGL_LOG_COLUMN_MAX; i++)
            statement->bound[i] = sgl_log_null();
    }
    if (!sqlite3_get_autocommit(self->database) &&
        execute(self, "ROLLBACK", "write", failure) != SGL_OK)
        return SGL_EIO;
    return execute(self, "BEGIN", "write", failure);
}

static void finalize(struct sqlite_store *self)
{
    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        sqlite3_finalize(self->statements[table].insert);
        self->statements[table].insert = NULL;
    }
}

/* A finished log is one plain file, which can be read where nothing can be written. Its readers
 * must let go for that, and SQLite's own patience does not cover it. */
static int leave_wal(struct sqlite_store *self, struct sgl_failure *failure)
{
    int code = SQLITE_BUSY;

    for (int waited_ms = 0; code == SQLITE_BUSY && waited_ms <= BUSY_MS; waited_ms += BUSY_NAP_MS) {
        if (waited_ms > 0)
            sqlite3_sleep(BUSY_NAP_MS);
        code = sqlite3_exec(self->database, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    }
    return code == SQLITE_OK ? SGL_OK : fail_sqlite(self, "checkpoint", failure);
}

static int finish(struct sgl_log_store *store, struct sgl_failure *failure)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    int status = execute(self, sgl_log_indexes_sql, "index", failure);

    finalize(self);
    if (status == SGL_OK)
        status = execute(self, "COMMIT", "write", failure);
    if (status == SGL_OK && self->is_durable)
        status = leave_wal(self, failure);
    if (status == SGL_OK && sqlite3_close(self->database) != SQLITE_OK)
        status = fail_sqlite(self, "close", failure);
    if (status != SGL_OK)
        return status;
    self->database = NULL;
    self->is_finished = true;
    return sgl_log_file_publish(&self->file, failure);
}

/* Of a simulated run nothing is committed before its end. */
static void leave(struct sgl_log_store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    self->is_left = self->is_durable;
}

static void destroy(struct sgl_log_store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    if (self == NULL)
        return;
    finalize(self);
    sqlite3_close_v2(self->database);
    if (!self->is_finished && self->is_left)
        sgl_log_file_leave(&self->file);
    else if (!self->is_finished)
        sgl_log_file_discard(&self->file);
    free(self);
}

static const struct sgl_log_store_ops ops = {
    .put = put,
    .commit = commit,
    .recover = recover,
    .finish = finish,
    .leave = leave,
    .destroy = destroy,
};

static int create_table(struct sqlite_store *self, const struct sgl_log_layout *layout,
                        struct sgl_failure *failure)
{
    char sql[SQL_MAX];
    size_t used = (size_t)snprintf(sql, sizeof sql, "CREATE TABLE %s", layout->name);

    for (uint32_t i = 0; i < layout->column_count; i++) {
        const struct sgl_log_column *column = &layout->columns[i];
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s\n  %s %s%s", i > 0 ? "," : "(",
                                 column->name, sgl_log_kind_name(column->kind), column->constraint);
    }
    snprintf(sql + used, sizeof sql - used, ")");
    return execute(self, sql, "create", failure);
}

static int prepare_insert(struct sqlite_store *self, enum sgl_log_table table,
                          struct sgl_failure *failure)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];
    char sql[SQL_MAX];
    size_t used = (size_t)snprintf(sql, sizeof sql, "INSERT INTO %s VALUES", layout->name);

    for (uint32_t i = 0; i < layout->column_count; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s?", i > 0 ? "," : "(");
    snprintf(sql + used, sizeof sql - used, ")");
    if (sqlite3_prepare_v3(self->database, sql, -1, SQLITE_PREPARE_PERSISTENT,
                           &self->statements[table].insert, NULL) != SQLITE_OK)
        return fail_sqlite(self, "prepare", failure);
    return SGL_OK;
}

/* cache_size is in KiB when negative. A durable log syncs whole pages, so its pages are small; it
 * is moved from the WAL to the file every 4 MiB, rows are only ever added behind others, so that
 * little of it is wanted again, and the ids come before WAL so that even a killed log's own header
 * says what it is. Others may look into it meanwhile: who writes there, or reads while it is
 * finished, is waited for (ms). */
static const char simulated_pragmas[] =
    "PRAGMA page_size = 65536; PRAGMA cache_size = -16384; PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
    "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN";
static const char durable_pragmas[] =
    "PRAGMA busy_timeout = 10000;"
    "PRAGMA page_size = 4096; PRAGMA cache_size = -4096; PRAGMA synchronous = FULL;"
    "PRAGMA application_id = %d; PRAGMA user_version = %d;"
    "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 1024; BEGIN";

static int create_schema(struct sqlite_store *self, struct sgl_failure *failure)
{
    char *sql = sqlite3_mprintf(self->is_durable ? durable_pragmas : simulated_pragmas,
                                SGL_LOG_APPLICATION, SGL_LOG_VERSION);

    if (sql == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", self->file.path);
    int status = execute(self, sql, "create", failure);
    sqlite3_free(sql);
    for (int table = 0; table < SGL_LOG_TABLE_COUNT && status == SGL_OK; table++) {
        status = create_table(self, &sgl_log_layouts[table], failure);
        if (status == SGL_OK)
            status = prepare_insert(self, (enum sgl_log_table)table, failure);
    }
    if (status == SGL_OK)
        status = execute(self, sgl_log_recorder_sql, "create", failure);
    if (status == SGL_OK)
        status = execute(self, sgl_log_client_sql, "create", failure);
    return status;
}

int sgl_log_sqlite_create(struct sgl_log_store **store_out, const char *path,
                          const struct sgl_log_store_options *options, struct sgl_failure *failure)
{
    struct sqlite_store *self = calloc(1, sizeof *self);

    *store_out = NULL;
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    self->store.ops = &ops;
    self->is_durable = options->is_durable;
    int status = sgl_log_file_open(&self->file, path, failure);
    if (status != SGL_OK) {
        free(self);
        return status;
    }
    if (sqlite3_open_v2(self->file.partial, &self->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        status = fail_sqlite(self, "open", failure);
    else
        status = create_schema(self, failure);
    if (status != SGL_OK) {
        destroy(&self->store);
        return status;
    }
    self->store.kept = self->file.kept;
    *store_out = &self->store;
    return SGL_OK;
}

/* Whatever no other medium takes. */
static bool owns(const char *path)
{
    (void)path;
    return true;
}

const struct sgl_log_medium sgl_log_medium_sqlite = {
    .owns = owns,
    .create = sgl_log_sqlite_create,
    .open = sgl_log_sqlite_open,
};
