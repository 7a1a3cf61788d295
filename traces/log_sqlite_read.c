/*
 * The decision log as an SQLite file, read.
 *
 * The file may be anything: cut, damaged, made by somebody else. It is opened read-only, in one
 * transaction (a log that is still being written is seen as of its last commit), with SQLite told
 * to run nothing the file brings along, and only plain tables are accepted, for a view or a virtual
 * table of the right name could compute without end.
 */
#include "log_store.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SQL_MAX 1024
#define CLAUSE_MAX 64
#define VALUE_SIZE_MAX (64 * 1024 * 1024) /* 8 million prefix ids */

struct sqlite_source {
    struct sgl_log_source source; /* first */
    char *path;
    sqlite3 *database;
    sqlite3_stmt *next[SGL_LOG_TABLE_COUNT];
    sqlite3_stmt *find[SGL_LOG_TABLE_COUNT];
    int64_t last_key[SGL_LOG_TABLE_COUNT]; /* that next() gave, once row_count is not 0 */
    uint64_t row_count[SGL_LOG_TABLE_COUNT];
    bool lacks[SGL_LOG_TABLE_COUNT]; /* the table is not there, and need not be */
};

static int fail_table(const struct sqlite_source *self, enum sgl_log_table table,
                      struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_EIO, "%s: cannot read table %s: %s", self->path,
                    sgl_log_layouts[table].name, sqlite3_errmsg(self->database));
}

/* SELECT all columns FROM table `clause`. */
static int prepare(struct sqlite_source *self, enum sgl_log_table table, const char *clause,
                   sqlite3_stmt **statement_out, struct sgl_failure *failure)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];
    char sql[SQL_MAX];
    size_t used = 0;

    for (uint32_t i = 0; i < layout->column_count; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s%s", i > 0 ? ", " : "SELECT ",
                                 layout->columns[i].name);
    snprintf(sql + used, sizeof sql - used, " FROM main.%s %s", layout->name, clause);
    if (sqlite3_prepare_v3(self->database, sql, -1, SQLITE_PREPARE_PERSISTENT, statement_out,
                           NULL) != SQLITE_OK)
        return fail_table(self, table, failure);
    return SGL_OK;
}

/* Takes over the row the statement stands at. */
static int fetch(struct sqlite_source *self, enum sgl_log_table table, sqlite3_stmt *statement,
                 struct sgl_log_value *values, struct sgl_failure *failure)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];

    for (uint32_t i = 0; i < layout->column_count; i++) {
        const int column = (int)i;
        values[i] = (struct sgl_log_value){.kind = SGL_LOG_NULL};
        switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            values[i].kind = SGL_LOG_INTEGER;
            values[i].integer = sqlite3_column_int64(statement, column);
            break;
        case SQLITE_FLOAT:
            values[i].kind = SGL_LOG_REAL;
            values[i].real = sqlite3_column_double(statement, column);
            break;
        case SQLITE_TEXT:
            values[i].kind = SGL_LOG_TEXT;
            values[i].bytes = sqlite3_column_text(statement, column);
            if (values[i].bytes == NULL)
                return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", self->path);
            values[i].size = (size_t)sqlite3_column_bytes(statement, column);
            break;
        case SQLITE_BLOB:
            values[i].kind = SGL_LOG_BLOB;
            values[i].bytes = sqlite3_column_blob(statement, column);
            values[i].size = (size_t)sqlite3_column_bytes(statement, column);
            break;
        default:
            break;
        }
    }
    return sgl_log_row_check(table, values, self->path, failure);
}

static int step(struct sqlite_source *self, enum sgl_log_table table, sqlite3_stmt *statement,
                struct sgl_log_value *values, struct sgl_failure *failure)
{
    const int code = sqlite3_step(statement);

    if (code == SQLITE_DONE)
        return 0;
    if (code != SQLITE_ROW)
        return fail_table(self, table, failure);
    const int status = fetch(self, table, statement, values, failure);
    return status == SGL_OK ? 1 : status;
}

/* SQLite trusts the order in which a damaged file keeps its rows. */
static int check_order(struct sqlite_source *self, enum sgl_log_table table, int64_t key,
                       struct sgl_failure *failure)
{
    const int64_t last = self->last_key[table];

    if (self->row_count[table]++ > 0 && key <= last)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: table %s: %s %" PRId64 " comes after %" PRId64
                        ", expected rows in ascending order (is the file damaged?)",
                        self->path, sgl_log_layouts[table].name,
                        sgl_log_layouts[table].columns[0].name, key, last);
    self->last_key[table] = key;
    return SGL_OK;
}

static int next(struct sgl_log_source *source, enum sgl_log_table table,
                struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct sqlite_source *self = (struct sqlite_source *)source;
    char clause[CLAUSE_MAX];

    if (self->lacks[table])
        return 0;
    if (self->next[table] == NULL) {
        snprintf(clause, sizeof clause, "ORDER BY %s", sgl_log_layouts[table].order);
        const int status = prepare(self, table, clause, &self->next[table], failure);
        if (status != SGL_OK)
            return status;
    }
    const int got = step(self, table, self->next[table], values, failure);
    if (got != 1 || !sgl_log_has_key(table))
        return got;
    const int status = check_order(self, table, values[0].integer, failure);
    return status == SGL_OK ? 1 : status;
}

static int find(struct sgl_log_source *source, enum sgl_log_table table, int64_t key,
                struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct sqlite_source *self = (struct sqlite_source *)source;
    char clause[CLAUSE_MAX];

    if (self->lacks[table])
        return 0;
    if (self->find[table] == NULL) {
        snprintf(clause, sizeof clause, "WHERE %s = ?", sgl_log_layouts[table].columns[0].name);
        const int status = prepare(self, table, clause, &self->find[table], failure);
        if (status != SGL_OK)
            return status;
    }
    sqlite3_stmt *statement = self->find[table];
    sqlite3_reset(statement);
    if (sqlite3_bind_int64(statement, 1, key) != SQLITE_OK)
        return fail_table(self, table, failure);
    return step(self, table, statement, values, failure);
}

static void destroy(struct sgl_log_source *source)
{
    struct sqlite_source *self = (struct sqlite_source *)source;

    if (self == NULL)
        return;
    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        sqlite3_finalize(self->next[table]);
        sqlite3_finalize(self->find[table]);
    }
    sqlite3_close_v2(self->database);
    free(self->path);
    free(self);
}

static const struct sgl_log_source_ops ops = {
    .next = next,
    .find = find,
    .destroy = destroy,
};

/* One integer that `sql` answers, with `name` as its parameter if it has one. */
static int ask(struct sqlite_source *self, const char *sql, const char *name, int64_t *answer_out,
               struct sgl_failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(self->database, sql, -1, &statement, NULL);

    if (code == SQLITE_OK && name != NULL)
        code = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    *answer_out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (code == SQLITE_ROW)
        return SGL_OK;
    if (code == SQLITE_NOTADB)
        return sgl_fail(failure, SGL_EINVAL, "%s: is not an sglsim log", self->path);
    return sgl_fail(failure, SGL_EIO, "%s: cannot read: %s", self->path,
                    sqlite3_errmsg(self->database));
}

static int check_schema(struct sqlite_source *self, struct sgl_failure *failure)
{
    static const char plain_table_sql[] =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name = ?";
    static const char any_sql[] = "SELECT count(*) FROM sqlite_schema WHERE name = ?";
    int64_t answer;
    int status = ask(self, "PRAGMA application_id", NULL, &answer, failure);

    if (status != SGL_OK)
        return status;
    if (answer != SGL_LOG_APPLICATION)
        return sgl_fail(failure, SGL_EINVAL, "%s: is not an sglsim log", self->path);
    status = ask(self, "PRAGMA user_version", NULL, &answer, failure);
    if (status != SGL_OK)
        return status;
    if (answer != SGL_LOG_VERSION)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: has log format %lld, this program reads format %d (use the sglsim "
                        "that wrote it)",
                        self->path, (long long)answer, SGL_LOG_VERSION);
    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        const char *name = sgl_log_layouts[table].name;
        status = ask(self, plain_table_sql, name, &answer, failure);
        if (status != SGL_OK)
            return status;
        if (answer == 1)
            continue;
        /* What has its name and is no table is not a log of before. */
        if (sgl_log_may_lack((enum sgl_log_table)table) &&
            (status = ask(self, any_sql, name, &answer, failure)) != SGL_OK)
            return status;
        self->lacks[table] = sgl_log_may_lack((enum sgl_log_table)table) && answer == 0;
        if (!self->lacks[table])
            return sgl_fail(failure, SGL_EINVAL, "%s: has no table %s", self->path, name);
    }
    return SGL_OK;
}

/* A file that lost its end may still give all rows, when only an index was there. Pages of a log
 * that is being written may be in its -wal file alone: then nothing can be said. */
static int check_size(struct sqlite_source *self, int64_t size, struct sgl_failure *failure)
{
    int64_t is_logged_ahead;
    int64_t page_size = 0;
    int64_t page_count = 0;
    int status = ask(self, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", NULL,
                     &is_logged_ahead, failure);

    if (status == SGL_OK)
        status = ask(self, "PRAGMA page_size", NULL, &page_size, failure);
    if (status == SGL_OK)
        status = ask(self, "PRAGMA page_count", NULL, &page_count, failure);
    if (status == SGL_OK && is_logged_ahead == 0 && size < page_size * page_count)
        status = sgl_fail(failure, SGL_EIO, "%s: is cut off after %" PRId64 " of %" PRId64 " bytes",
                          self->path, size, page_size * page_count);
    return status;
}

static int open_database(struct sqlite_source *self, struct sgl_failure *failure)
{
    struct stat info;

    /* SQLite would wait at a pipe, and says little of a file that is not there. */
    if (stat(self->path, &info) != 0) {
        char text[128];
        if (strerror_r(errno, text, sizeof text) != 0)
            text[0] = '\0';
        return sgl_fail(failure, SGL_EIO, "%s: cannot read: %s", self->path, text);
    }
    if (!S_ISREG(info.st_mode))
        return sgl_fail(failure, SGL_EINVAL, "%s: is not a file", self->path);
    if (sqlite3_open_v2(self->path, &self->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return sgl_fail(failure, SGL_EIO, "%s: cannot open: %s", self->path,
                        self->database != NULL ? sqlite3_errmsg(self->database) : "out of memory");
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_limit(self->database, SQLITE_LIMIT_LENGTH, VALUE_SIZE_MAX);
    if (sqlite3_exec(self->database, "PRAGMA cell_size_check = ON; BEGIN", NULL, NULL, NULL) !=
        SQLITE_OK)
        return sgl_fail(failure, SGL_EIO, "%s: cannot read: %s", self->path,
                        sqlite3_errmsg(self->database));
    const int status = check_schema(self, failure);
    return status == SGL_OK ? check_size(self, info.st_size, failure) : status;
}

int sgl_log_sqlite_open(struct sgl_log_source **source_out, const char *path,
                        struct sgl_failure *failure)
{
    struct sqlite_source *self = calloc(1, sizeof *self);

    *source_out = NULL;
    if (self == NULL || (self->path = strdup(path)) == NULL) {
        free(self);
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    }
    self->source.ops = &ops;
    const int status = open_database(self, failure);
    if (status != SGL_OK) {
        destroy(&self->source);
        return status;
    }
    *source_out = &self->source;
    return SGL_OK;
}
