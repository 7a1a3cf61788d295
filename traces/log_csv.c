/*
 * The decision log as a folder of CSV files, written.
 *
 *     rows --> run.partial/run.db (SQLite) --finish--> *.csv, the views too --> run.db goes,
 *                                                                               run.partial/ ->
 * run/
 *
 * Rows of a run come interleaved and the two views join nearly all of them, so a run is first
 * written as the SQLite log and the files are made of that: one definition of every view, one check
 * that keys are unique, rows in the order of their keys. It costs the disk space of both for a
 * moment.
 */
#include "log_csv.h"

#include "log_folder.h"
#include "log_store.h"
#include "partial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct csv_store {
    struct sgl_log_store store; /* first */
    struct sgl_log_folder folder;
    struct sgl_log_store *database;
    char *database_path;
    bool is_finished;
};

static int put(struct sgl_log_store *store, enum sgl_log_table table,
               const struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct csv_store *self = (struct csv_store *)store;

    return self->database->ops->put(self->database, table, values, failure);
}

static int commit(struct sgl_log_store *store, struct sgl_failure *failure)
{
    struct csv_store *self = (struct csv_store *)store;

    return self->database->ops->commit(self->database, failure);
}

/* ---- files ---- */

struct output {
    char path[SGL_LOG_CSV_PATH_MAX];
    FILE *file;
};

static int open_output(struct output *output, const struct csv_store *self, const char *name,
                       struct sgl_failure *failure)
{
    if (sgl_log_csv_path(self->folder.partial, name, output->path) == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%s: the path is too long", self->folder.path);
    const int descriptor =
        open(output->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    output->file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (output->file != NULL)
        return SGL_OK;
    const int status = sgl_fail_errno(failure, "cannot create", output->path);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

/* Closes it in any case; `status` is what happened before. */
static int close_output(struct output *output, int status, struct sgl_failure *failure)
{
    if (status == SGL_OK && (ferror(output->file) != 0 || fflush(output->file) != 0 ||
                             fsync(fileno(output->file)) != 0))
        status = sgl_fail_errno(failure, "cannot write", output->path);
    if (fclose(output->file) != 0 && status == SGL_OK)
        status = sgl_fail_errno(failure, "cannot write", output->path);
    return status;
}

static int export_table(const struct csv_store *self, struct sgl_log_source *source,
                        enum sgl_log_table table, struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct output output;
    char name[64];
    int got;

    snprintf(name, sizeof name, "%s.csv", sgl_log_layouts[table].name);
    int status = open_output(&output, self, name, failure);
    if (status != SGL_OK)
        return status;
    sgl_log_csv_write_header(output.file, table);
    while (status == SGL_OK && (got = source->ops->next(source, table, values, failure)) != 0) {
        status = got < 0 ? got : sgl_log_csv_write_row(output.file, table, values, failure);
        if (status == SGL_OK && ferror(output.file) != 0)
            status = sgl_fail_errno(failure, "cannot write", output.path);
    }
    return close_output(&output, status, failure);
}

static void write_shown_row(FILE *out, sqlite3_stmt *statement)
{
    const int count = sqlite3_column_count(statement);

    for (int i = 0; i < count; i++) {
        if (i > 0)
            putc(',', out);
        switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER:
            fprintf(out, "%lld", sqlite3_column_int64(statement, i));
            break;
        case SQLITE_FLOAT:
            fprintf(out, "%.17g", sqlite3_column_double(statement, i));
            break;
        case SQLITE_TEXT: {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            if (text != NULL)
                sgl_log_csv_write_shown(out, text, (size_t)sqlite3_column_bytes(statement, i));
            break;
        }
        default:
            break;
        }
    }
    putc('\n', out);
}

static int export_view(const struct csv_store *self, sqlite3 *database, const char *view,
                       struct sgl_failure *failure)
{
    sqlite3_stmt *statement = NULL;
    struct output output;
    char text[64];

    snprintf(text, sizeof text, "%s.csv", view);
    int status = open_output(&output, self, text, failure);
    if (status != SGL_OK)
        return status;
    snprintf(text, sizeof text, "SELECT * FROM %s", view);
    int code = sqlite3_prepare_v2(database, text, -1, &statement, NULL);
    for (int i = 0; i < sqlite3_column_count(statement); i++)
        fprintf(output.file, i > 0 ? ",%s" : "%s", sqlite3_column_name(statement, i));
    putc('\n', output.file);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW &&
           ferror(output.file) == 0) {
        write_shown_row(output.file, statement);
        code = SQLITE_OK;
    }
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        status =
            sgl_fail(failure, code == SQLITE_NOMEM ? SGL_ENOMEM : SGL_EIO,
                     "%s: cannot write %s: %s", self->folder.path, view, sqlite3_errmsg(database));
    sqlite3_finalize(statement);
    return close_output(&output, status, failure);
}

static int export_views(const struct csv_store *self, struct sgl_failure *failure)
{
    sqlite3 *database = NULL;
    int status = SGL_OK;

    if (sqlite3_open_v2(self->database_path, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        status = sgl_fail(failure, SGL_EIO, "%s: cannot open: %s", self->database_path,
                          database != NULL ? sqlite3_errmsg(database) : "out of memory");
    if (status == SGL_OK)
        status = export_view(self, database, "recorder", failure);
    if (status == SGL_OK)
        status = export_view(self, database, "client", failure);
    sqlite3_close_v2(database);
    return status;
}

static int export_mark(const struct csv_store *self, struct sgl_failure *failure)
{
    struct output output;
    const int status = open_output(&output, self, SGL_LOG_CSV_MARK, failure);

    if (status != SGL_OK)
        return status;
    fprintf(output.file, SGL_LOG_CSV_MARK_TEXT "%d\n", SGL_LOG_VERSION);
    return close_output(&output, SGL_OK, failure);
}

/* The mark comes last: a folder that has it has the rest. */
static int export_all(const struct csv_store *self, struct sgl_failure *failure)
{
    struct sgl_log_source *source;
    int status = sgl_log_sqlite_open(&source, self->database_path, failure);

    if (status != SGL_OK)
        return status;
    for (int table = 0; table < SGL_LOG_TABLE_COUNT && status == SGL_OK; table++)
        status = export_table(self, source, (enum sgl_log_table)table, failure);
    source->ops->destroy(source);
    if (status == SGL_OK)
        status = export_views(self, failure);
    if (status == SGL_OK && unlink(self->database_path) != 0)
        status = sgl_fail_errno(failure, "cannot remove", self->database_path);
    if (status == SGL_OK)
        status = export_mark(self, failure);
    return status;
}

/* ---- life ---- */

static int finish(struct sgl_log_store *store, struct sgl_failure *failure)
{
    struct csv_store *self = (struct csv_store *)store;
    int status = self->database->ops->finish(self->database, failure);

    if (status == SGL_OK)
        status = export_all(self, failure);
    if (status != SGL_OK)
        return status;
    self->is_finished = true;
    return sgl_log_folder_publish(&self->folder, failure);
}

static void destroy(struct sgl_log_store *store)
{
    struct csv_store *self = (struct csv_store *)store;

    if (self == NULL)
        return;
    if (self->database != NULL)
        self->database->ops->destroy(self->database);
    if (!self->is_finished)
        sgl_log_folder_discard(&self->folder);
    free(self->database_path);
    free(self);
}

static const struct sgl_log_store_ops ops = {
    .put = put,
    .commit = commit,
    .finish = finish,
    .destroy = destroy,
};

static int open_database(struct csv_store *self, const struct sgl_log_store_options *options,
                         struct sgl_failure *failure)
{
    char path[SGL_LOG_CSV_PATH_MAX];

    if (sgl_log_csv_path(self->folder.partial, SGL_LOG_CSV_DATABASE, path) == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%s: the path is too long", self->folder.path);
    self->database_path = strdup(path);
    if (self->database_path == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", self->folder.path);
    return sgl_log_sqlite_create(&self->database, path, options, failure);
}

static int create(struct sgl_log_store **store_out, const char *path,
                  const struct sgl_log_store_options *options, struct sgl_failure *failure)
{
    *store_out = NULL;
    if (options->is_durable)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: a log that must outlive a killed process cannot be CSV (name it "
                        "run.db, and convert it later)",
                        path);
    struct csv_store *self = calloc(1, sizeof *self);
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    self->store.ops = &ops;
    int status = sgl_log_folder_open(&self->folder, path, failure);
    if (status != SGL_OK) {
        free(self);
        return status;
    }
    status = open_database(self, options, failure);
    if (status != SGL_OK) {
        destroy(&self->store);
        return status;
    }
    self->store.kept = self->folder.kept;
    *store_out = &self->store;
    return SGL_OK;
}

/* A folder with a log in it, under that name or moved aside by a run that was killed before it
 * could put its own there (log_folder.h). */
static bool is_there(const char *path)
{
    char aside[SGL_LOG_CSV_PATH_MAX];
    struct stat info;

    if (stat(path, &info) == 0)
        return S_ISDIR(info.st_mode) && sgl_log_csv_version(path) > 0;
    const int length = snprintf(aside, sizeof aside, "%s.replaced", path);
    return length > 0 && (size_t)length < sizeof aside && sgl_log_csv_version(aside) > 0;
}

/* A name that ends in a slash, or a log that is such a folder already. */
static bool owns(const char *path)
{
    const size_t length = strlen(path);

    return length > 0 && (path[length - 1] == '/' || is_there(path));
}

const struct sgl_log_medium sgl_log_medium_csv = {
    .owns = owns,
    .create = create,
    .open = sgl_log_csv_open,
};
