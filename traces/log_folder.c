#include "log_folder.h"

#include "log_csv.h"
#include "partial.h"
#include "path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is in a folder ---- */

static void remove_file(void *context, const char *name)
{
    unlinkat(*(const int *)context, name, 0);
}

static void remove_partial(const char *partial, int descriptor)
{
    sgl_log_csv_each_file(remove_file, &descriptor);
    rmdir(partial);
}

static const struct sgl_partial_kind partial_folder = {.remove = remove_partial};

/* Removes the files of a log from the folder, and the folder if nothing else is in it. */
static int remove_log(const char *path, struct sgl_failure *failure)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (descriptor < 0)
        return sgl_fail_errno(failure, "cannot open", path);
    sgl_log_csv_each_file(remove_file, &descriptor);
    close(descriptor);
    return rmdir(path) == 0 ? SGL_OK : sgl_fail_errno(failure, "cannot remove", path);
}

/* Does it hold only files of a log? 1, 0 with a text that names another, or negative. */
static int holds_only_log(const char *path, struct sgl_failure *failure)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    int status = 1;

    if (stream == NULL)
        return sgl_fail_errno(failure, "cannot read the folder", path);
    while (status == 1 && (entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !sgl_log_csv_has_file(entry->d_name)) {
            sgl_fail(failure, SGL_EINVAL,
                     "%s: has %.200s in it, which no log has (choose another name)", path,
                     entry->d_name);
            status = 0;
        }
    closedir(stream);
    return status;
}

static bool is_empty(const char *path)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    bool empty = stream != NULL;

    while (empty && (entry = readdir(stream)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (stream != NULL)
        closedir(stream);
    return empty;
}

/* May the final name be replaced? */
static int check_replaceable(const struct sgl_log_folder *folder, struct sgl_failure *failure)
{
    struct stat info;

    if (stat(folder->parent, &info) != 0 || !S_ISDIR(info.st_mode))
        return sgl_fail(failure, SGL_EINVAL, "%s: there is no folder %s (create it first)",
                        folder->path, folder->parent);
    if (lstat(folder->path, &info) != 0)
        return errno == ENOENT ? SGL_OK
                               : sgl_fail_errno(failure, "cannot look at it", folder->path);
    if (!S_ISDIR(info.st_mode))
        return sgl_fail(failure, SGL_EINVAL, "%s: is not a folder (choose another name)",
                        folder->path);
    if (is_empty(folder->path))
        return SGL_OK;
    if (sgl_log_csv_version(folder->path) == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: exists and is not an sglsim log (choose another name)", folder->path);
    const int status = holds_only_log(folder->path, failure);
    return status == 1 ? SGL_OK : status == 0 ? SGL_EINVAL : status;
}

/* ---- life ---- */

/* The old log stands aside: of a run that was killed between its two renames, or behind them. */
static int clear_replaced(const struct sgl_log_folder *folder, struct sgl_failure *failure)
{
    struct stat info;

    if (lstat(folder->replaced, &info) != 0)
        return errno == ENOENT ? SGL_OK
                               : sgl_fail_errno(failure, "cannot look at it", folder->replaced);
    if (lstat(folder->path, &info) == 0)
        return remove_log(folder->replaced, failure);
    return rename(folder->replaced, folder->path) == 0
               ? SGL_OK
               : sgl_fail_errno(failure, "cannot put the old log back", folder->replaced);
}

/* The partial folder is locked and not empty: an unfinished log is worth nothing and goes, anything
 * else is kept. */
static int clear_stale(struct sgl_log_folder *folder, struct sgl_failure *failure)
{
    struct sgl_failure ignored;

    if (sgl_log_csv_version(folder->partial) == 0 && holds_only_log(folder->partial, &ignored) == 1)
        return remove_log(folder->partial, failure);
    free(folder->kept);
    folder->kept = NULL;
    return sgl_partial_keep_aside(folder->partial, folder->path, &folder->kept, failure);
}

/* One try at owning the partial name. 1: owned and empty; 0: a stale one was removed, or somebody
 * was faster: try again. */
static int try_lock(void *owner, struct sgl_failure *failure)
{
    struct sgl_log_folder *folder = owner;

    if (mkdir(folder->partial, 0700) != 0 && errno != EEXIST)
        return sgl_fail_errno(failure, "cannot create", folder->partial);
    folder->lock = open(folder->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder->lock < 0)
        return errno == ENOENT ? 0 : sgl_fail_errno(failure, "cannot open", folder->partial);
    int status = sgl_partial_own(folder->lock, folder->partial, folder->path, failure);
    if (status == 1 && !is_empty(folder->partial))
        status = clear_stale(folder, failure);
    else if (status == 1 && fchmod(folder->lock, 0700) != 0)
        status = sgl_fail_errno(failure, "cannot make it private", folder->partial);
    return status;
}

static void release(struct sgl_log_folder *folder)
{
    sgl_partial_drop(folder->lock);
    free(folder->kept);
    free(folder->path);
    free(folder->partial);
    free(folder->replaced);
    free(folder->parent);
    *folder = (struct sgl_log_folder){.lock = -1};
}

int sgl_log_folder_open(struct sgl_log_folder *folder, const char *path,
                        struct sgl_failure *failure)
{
    size_t length = strlen(path);

    while (length > 0 && path[length - 1] == '/')
        length--;
    *folder = (struct sgl_log_folder){.path = sgl_path_join(path, length, ""),
                                      .partial = sgl_path_join(path, length, ".partial"),
                                      .replaced = sgl_path_join(path, length, ".replaced"),
                                      .parent = sgl_path_folder(path, length),
                                      .lock = -1};
    int status;
    if (folder->path == NULL || folder->partial == NULL || folder->replaced == NULL ||
        folder->parent == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    else if (length == 0 || strcmp(folder->path, ".") == 0)
        status =
            sgl_fail(failure, SGL_EINVAL, "%s: cannot be replaced by a log (name a folder)", path);
    else
        status = check_replaceable(folder, failure);
    if (status == SGL_OK)
        status = sgl_partial_take(try_lock, folder, &folder->lock, folder->partial, &partial_folder,
                                  failure);
    if (status == 1)
        status = clear_replaced(folder, failure);
    else {
        release(folder);
        return status;
    }
    if (status != SGL_OK)
        sgl_log_folder_discard(folder);
    return status;
}

/* Exchanges the final name. On failure the old log is under it, as before. */
static int exchange(const struct sgl_log_folder *folder, struct sgl_failure *failure)
{
    int status = check_replaceable(folder, failure);

    if (status != SGL_OK)
        return status;
    const bool has_old = rename(folder->path, folder->replaced) == 0;
    if (!has_old && errno != ENOENT)
        return sgl_fail_errno(failure, "cannot rename the old log", folder->path);
    if (rename(folder->partial, folder->path) != 0) {
        status = sgl_fail_errno(failure, "cannot rename to it", folder->path);
        if (has_old && rename(folder->replaced, folder->path) != 0)
            status = sgl_fail_errno(failure, "cannot put the old log back", folder->replaced);
        return status;
    }
    status = sgl_sync_folder(folder->parent, folder->parent, failure);
    if (status == SGL_OK && has_old)
        status = remove_log(folder->replaced, failure);
    return status;
}

int sgl_log_folder_publish(struct sgl_log_folder *folder, struct sgl_failure *failure)
{
    struct sgl_failure reason = {""};
    struct stat info;
    int status;

    if (fsync(folder->lock) != 0 && errno != EINVAL) {
        status = sgl_fail_errno(failure, "cannot sync", folder->partial);
        sgl_log_folder_discard(folder);
        return status;
    }
    status = exchange(folder, &reason);
    if (status != SGL_OK && lstat(folder->partial, &info) == 0)
        sgl_fail(failure, status, "%.250s; the finished log is left in %.200s", reason.text,
                 folder->partial);
    else if (status != SGL_OK)
        sgl_fail(failure, status, "%s", reason.text);
    release(folder);
    return status;
}

void sgl_log_folder_discard(struct sgl_log_folder *folder)
{
    if (folder->lock >= 0)
        remove_log(folder->partial, NULL);
    release(folder);
}
