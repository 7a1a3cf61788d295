#include "table_file.h"

#include "core/decision.h"
#include "new_file.h"

#include <assert.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct sgl_table_file {
    struct sgl_new_file file;
    sqlite3 *database;
    sqlite3_stmt *insert;
    int cell;   /* the last one bound */
    int status; /* of the first failure, which is kept */
    struct sgl_failure failure;
};

static int kind_at(const char *path, int64_t *application_id_out)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL);

    *application_id_out = 0;
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(database, "PRAGMA application_id", -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *application_id_out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return code == SQLITE_NOMEM ? SGL_ENOMEM : SGL_OK;
}

int sgl_table_file_check(const char *path, const struct sgl_table_file_kind *kind,
                         struct sgl_failure *failure)
{
    const int status = sgl_refuse_side_files(path, failure);
    int64_t application_id = 0;

    if (status != SGL_OK)
        return status;
    if (kind_at(path, &application_id) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for %.200s", path);
    if (access(path, F_OK) == 0 && application_id != kind->application_id)
        return sgl_fail(failure, SGL_EINVAL,
                        "%.200s exists and is no %s of sglsim: it stays as it is (choose another "
                        "path)",
                        path, kind->name);
    return SGL_OK;
}

static bool is_failed(const struct sgl_table_file *self)
{
    return self->status != SGL_OK;
}

/* Keeps the first failure. */
static void judge(struct sgl_table_file *self, int code)
{
    if (is_failed(self) || code == SQLITE_OK || code == SQLITE_DONE)
        return;
    self->status =
        sgl_fail(&self->failure, code == SQLITE_NOMEM ? SGL_ENOMEM : SGL_EIO,
                 "%.200s: cannot write: %s", self->file.path,
                 self->database != NULL ? sqlite3_errmsg(self->database) : sqlite3_errstr(code));
}

static void execute(struct sgl_table_file *self, const char *sql)
{
    if (!is_failed(self))
        judge(self, sqlite3_exec(self->database, sql, NULL, NULL, NULL));
}

int sgl_table_file_open(struct sgl_table_file **file_out, const char *path,
                        const struct sgl_table_file_kind *kind, struct sgl_failure *failure)
{
    struct sgl_table_file *self;
    char pragmas[160];
    int status = sgl_table_file_check(path, kind, failure);

    if (status != SGL_OK)
        return status;
    self = calloc(1, sizeof *self);
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for %.200s", path);
    status = sgl_new_file_open(&self->file, path, failure);
    if (status != SGL_OK) {
        free(self);
        return status;
    }
    judge(self, sqlite3_open_v2(self->file.partial, &self->database, SQLITE_OPEN_READWRITE, NULL));
    /* The partial file is nobody's until it is renamed: no journal, one transaction. */
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
             "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN",
             (int)kind->application_id, (int)kind->version);
    execute(self, pragmas);
    execute(self, kind->schema);
    *file_out = self;
    return SGL_OK;
}

void sgl_table_file_table(struct sgl_table_file *self, const char *name)
{
    sqlite3_stmt *columns = NULL;
    char *insert = NULL;

    if (is_failed(self))
        return;
    sqlite3_finalize(self->insert);
    self->insert = NULL;
    judge(self, sqlite3_prepare_v2(
                    self->database,
                    "SELECT 'INSERT INTO ' || ?1 || ' VALUES (' || group_concat('?') || ')'"
                    " FROM pragma_table_info(?1)",
                    -1, &columns, NULL));
    if (!is_failed(self))
        judge(self, sqlite3_bind_text(columns, 1, name, -1, SQLITE_STATIC));
    if (!is_failed(self)) {
        const int code = sqlite3_step(columns);
        judge(self, code == SQLITE_ROW ? SQLITE_OK : code);
        insert = sqlite3_mprintf("%s", sqlite3_column_text(columns, 0));
        judge(self, insert == NULL ? SQLITE_NOMEM : SQLITE_OK);
    }
    sqlite3_finalize(columns);
    if (!is_failed(self))
        judge(self, sqlite3_prepare_v2(self->database, insert, -1, &self->insert, NULL));
    sqlite3_free(insert);
}

void sgl_table_file_integer(struct sgl_table_file *self, int64_t value)
{
    self->cell++;
    if (!is_failed(self))
        judge(self, value == SGL_ABSENT ? sqlite3_bind_null(self->insert, self->cell)
                                        : sqlite3_bind_int64(self->insert, self->cell, value));
}

void sgl_table_file_real(struct sgl_table_file *self, double value)
{
    self->cell++;
    if (!is_failed(self))
        judge(self, isnan(value) ? sqlite3_bind_null(self->insert, self->cell)
                                 : sqlite3_bind_double(self->insert, self->cell, value + 0.0));
}

void sgl_table_file_text(struct sgl_table_file *self, const char *value)
{
    self->cell++;
    if (!is_failed(self))
        judge(self, value == NULL
                        ? sqlite3_bind_null(self->insert, self->cell)
                        : sqlite3_bind_text(self->insert, self->cell, value, -1, SQLITE_TRANSIENT));
}

void sgl_table_file_row(struct sgl_table_file *self)
{
    assert(is_failed(self) || self->cell == sqlite3_bind_parameter_count(self->insert));
    self->cell = 0;
    if (!is_failed(self))
        judge(self, sqlite3_step(self->insert));
    if (!is_failed(self))
        judge(self, sqlite3_reset(self->insert));
}

static void release(struct sgl_table_file *self)
{
    sqlite3_finalize(self->insert);
    sqlite3_close(self->database);
}

int sgl_table_file_publish(struct sgl_table_file *self, struct sgl_failure *failure)
{
    execute(self, "COMMIT");
    release(self);
    int status = self->status;
    if (status == SGL_OK) {
        status = sgl_new_file_publish(&self->file, failure);
    } else {
        sgl_new_file_discard(&self->file);
        if (failure != NULL)
            *failure = self->failure;
    }
    free(self);
    return status;
}

void sgl_table_file_discard(struct sgl_table_file *self)
{
    if (self == NULL)
        return;
    release(self);
    sgl_new_file_discard(&self->file);
    free(self);
}
