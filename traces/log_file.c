#include "log_file.h"

#include "log_schema.h"
#include "partial.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The SQLite file format: a magic text, the versions that say "WAL" when they are 2, and the
 * application id (https://www.sqlite.org/fileformat2.html, section 1.3). */
#define HEADER_SIZE 100
#define HEADER_MAGIC "SQLite format 3"
#define HEADER_WRITE_VERSION 18
#define HEADER_APPLICATION 68
#define WRITE_VERSION_WAL 2

static const char *const side_suffixes[] = {"-wal", "-journal"};

/* The header of an SQLite database; false when the file is none. */
static bool read_header(int descriptor, unsigned char header[static HEADER_SIZE])
{
    return pread(descriptor, header, HEADER_SIZE, 0) == HEADER_SIZE &&
           memcmp(header, HEADER_MAGIC, sizeof HEADER_MAGIC) == 0;
}

int sgl_log_file_is_log(const char *path, struct sgl_failure *failure)
{
    unsigned char header[HEADER_SIZE];
    /* A pipe must not be waited for. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (descriptor < 0)
        return errno == ENOENT ? 0 : sgl_fail_errno(failure, "cannot read", path);
    const bool is_database = read_header(descriptor, header);
    close(descriptor);
    if (!is_database)
        return 0;
    uint32_t application = 0;
    for (int i = 0; i < 4; i++)
        application = application << 8 | header[HEADER_APPLICATION + i];
    return application == SGL_LOG_APPLICATION;
}

/* May the final name be replaced? */
static int check_replaceable(const struct sgl_log_file *file, struct sgl_failure *failure)
{
    struct stat info;

    if (stat(file->folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return sgl_fail(failure, SGL_EINVAL, "%s: there is no folder %s (create it first)",
                        file->path, file->folder);
    if (lstat(file->path, &info) != 0)
        return errno == ENOENT ? SGL_OK : sgl_fail_errno(failure, "cannot look at it", file->path);
    if (S_ISDIR(info.st_mode))
        return sgl_fail(failure, SGL_EINVAL, "%s: is a folder, expected a file name", file->path);
    const int is_log = sgl_log_file_is_log(file->path, failure);
    if (is_log < 0)
        return is_log;
    if (is_log == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: exists and is not an sglsim log (choose another name)", file->path);
    for (size_t i = 0; i < sizeof side_suffixes / sizeof side_suffixes[0]; i++) {
        char *side = sgl_path_join(file->path, strlen(file->path), side_suffixes[i]);
        if (side == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", file->path);
        const bool is_there = access(side, F_OK) == 0;
        free(side);
        if (is_there)
            return sgl_fail(failure, SGL_EINVAL,
                            "%s: %s%s exists, so a program is writing to it or was killed (close "
                            "it, or open the log once with sqlite3)",
                            file->path, file->path, side_suffixes[i]);
    }
    return SGL_OK;
}

/* What a killed run left goes. */
static int remove_stale(const struct sgl_log_file *file, struct sgl_failure *failure)
{
    if (unlink(file->partial) != 0)
        return sgl_fail_errno(failure, "cannot remove what a killed run left", file->partial);
    return SGL_OK;
}

/* A simulated log that was not finished is worth nothing to anybody. Any other file is: a log that
 * was written to survive, one that is whole but could not be renamed, or none of ours. */
static bool is_worthless(const struct sgl_log_file *file)
{
    unsigned char header[HEADER_SIZE];
    struct sgl_failure ignored;
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    bool is_finished = false;

    if (!read_header(file->lock, header) || header[HEADER_WRITE_VERSION] == WRITE_VERSION_WAL ||
        sgl_log_file_is_log(file->partial, &ignored) != 1)
        return false;
    if (sqlite3_open_v2(file->partial, &database, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, "SELECT 1 FROM run WHERE key = 'is_complete'", -1, &statement,
                           NULL) == SQLITE_OK)
        is_finished = sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return !is_finished;
}

/* The partial file is locked and not empty, so somebody left it: out of the way with it. */
static int clear_stale(struct sgl_log_file *file, struct sgl_failure *failure)
{
    if (is_worthless(file))
        return remove_stale(file, failure);
    free(file->kept);
    file->kept = NULL;
    return sgl_partial_keep_aside(file->partial, file->path, &file->kept, failure);
}

/* One try at owning the partial name. 1: owned and empty; 0: somebody was faster, or a stale file
 * has been cleared: try again. */
static int try_lock(void *owner, struct sgl_failure *failure)
{
    struct sgl_log_file *file = owner;

    file->lock = open(file->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->lock < 0)
        return sgl_fail_errno(failure, "cannot create", file->partial);
    struct stat opened;
    int status = sgl_partial_own(file->lock, file->partial, file->path, failure);
    if (status == 1 && fstat(file->lock, &opened) != 0)
        status = sgl_fail_errno(failure, "cannot look at it", file->partial);
    else if (status == 1 && opened.st_size > 0)
        status = clear_stale(file, failure);
    else if (status == 1 && fchmod(file->lock, 0600) != 0)
        status = sgl_fail_errno(failure, "chmod", file->partial);
    return status;
}

static void release(struct sgl_log_file *file)
{
    sgl_partial_drop(file->lock);
    free(file->kept);
    free(file->path);
    free(file->partial);
    free(file->folder);
    *file = (struct sgl_log_file){.lock = -1};
}

int sgl_log_file_open(struct sgl_log_file *file, const char *path, struct sgl_failure *failure)
{
    const size_t length = strlen(path);
    int status;

    *file = (struct sgl_log_file){.lock = -1};
    if (length == 0)
        return sgl_fail(failure, SGL_EINVAL, "the log has an empty name, expected a path");
    *file = (struct sgl_log_file){.path = sgl_path_join(path, length, ""),
                                  .partial = sgl_path_join(path, length, ".partial"),
                                  .folder = sgl_path_folder(path, length),
                                  .lock = -1};
    if (file->path == NULL || file->partial == NULL || file->folder == NULL) {
        release(file);
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    }
    status = check_replaceable(file, failure);
    if (status == SGL_OK)
        status = sgl_partial_take(try_lock, file, &file->lock, file->partial, &sgl_partial_file,
                                  failure);
    if (status == 1)
        return SGL_OK;
    release(file);
    return status;
}

int sgl_log_file_publish(struct sgl_log_file *file, struct sgl_failure *failure)
{
    struct sgl_failure reason = {""};
    int status;

    if (fsync(file->lock) != 0) {
        status = sgl_fail_errno(failure, "cannot sync", file->partial);
        sgl_log_file_discard(file);
        return status;
    }
    status = check_replaceable(file, &reason);
    if (status == SGL_OK && rename(file->partial, file->path) != 0)
        status = sgl_fail_errno(&reason, "cannot rename to it", file->path);
    if (status != SGL_OK)
        status = sgl_fail(failure, status, "%.250s; the finished log is left in %.200s",
                          reason.text, file->partial);
    else
        status = sgl_sync_folder(file->folder, file->folder, failure);
    release(file);
    return status;
}

void sgl_log_file_leave(struct sgl_log_file *file)
{
    release(file);
}

void sgl_log_file_discard(struct sgl_log_file *file)
{
    if (file->lock >= 0) {
        unlink(file->partial);
        for (size_t i = 0; i < sizeof side_suffixes / sizeof side_suffixes[0]; i++) {
            char *side = sgl_path_join(file->partial, strlen(file->partial), side_suffixes[i]);
            if (side != NULL)
                unlink(side);
            free(side);
        }
    }
    release(file);
}
