#include "new_file.h"

#include "partial.h"
#include "path.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void release(struct sgl_new_file *file)
{
    sgl_partial_drop(file->descriptor);
    free(file->path);
    free(file->partial);
    free(file->folder);
    *file = (struct sgl_new_file){.descriptor = -1};
}

/* One try at owning the partial name. 1: owned and empty; 0: its file was renamed or removed
 * meanwhile, or somebody's was moved out of the way: try again. */
static int try_lock(void *owner, struct sgl_failure *failure)
{
    struct sgl_new_file *file = owner;
    struct stat info;

    file->descriptor = open(file->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file->descriptor < 0)
        return sgl_fail_errno(failure, "cannot create the file beside it", file->path);
    int status = sgl_partial_own(file->descriptor, file->partial, file->path, failure);
    if (status == 1 && fstat(file->descriptor, &info) != 0)
        status = sgl_fail_errno(failure, "cannot look at it", file->partial);
    else if (status == 1 && info.st_size > 0)
        status = sgl_partial_keep_aside(file->partial, file->path, NULL, failure);
    return status;
}

int sgl_refuse_side_files(const char *path, struct sgl_failure *failure)
{
    static const char *const suffixes[] = {"-wal", "-journal"};

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *side = sgl_path_join(path, strlen(path), suffixes[i]);
        if (side == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%.200s: no memory to write it", path);
        const bool is_there = access(side, F_OK) == 0;
        free(side);
        if (is_there)
            return sgl_fail(failure, SGL_EINVAL,
                            "%.200s: a -wal or -journal stands beside it, so a program is writing "
                            "to it or was killed (close it, or open it once with sqlite3)",
                            path);
    }
    return SGL_OK;
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int sgl_new_file_open(struct sgl_new_file *file, const char *path, struct sgl_failure *failure)
{
    const size_t length = strlen(path);
    int status;

    *file = (struct sgl_new_file){.descriptor = -1};
    /* A partial name beside these would do, and only the renaming would fail, when all is done. */
    if (length == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "the file to write has an empty name, expected a path");
    if (is_folder(path))
        return sgl_fail(failure, SGL_EINVAL, "%s: is a folder, expected a file name", path);
    *file = (struct sgl_new_file){.path = sgl_path_join(path, length, ""),
                                  .partial = sgl_path_join(path, length, ".partial"),
                                  .folder = sgl_path_folder(path, length),
                                  .descriptor = -1};
    if (file->path == NULL || file->partial == NULL || file->folder == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", path);
    else
        status = sgl_partial_take(try_lock, file, &file->descriptor, file->partial,
                                  &sgl_partial_file, failure);
    if (status == 1)
        return SGL_OK;
    release(file);
    return status;
}

int sgl_new_file_publish(struct sgl_new_file *file, struct sgl_failure *failure)
{
    int status = SGL_OK;

    if (fsync(file->descriptor) != 0)
        status = sgl_fail_errno(failure, "cannot sync", file->path);
    else if (rename(file->partial, file->path) != 0)
        status = sgl_fail_errno(failure, "cannot rename to it", file->path);
    if (status != SGL_OK) {
        sgl_new_file_discard(file);
        return status;
    }
    status = sgl_sync_folder(file->folder, file->path, failure);
    release(file);
    return status;
}

void sgl_new_file_discard(struct sgl_new_file *file)
{
    if (file->descriptor >= 0)
        unlink(file->partial);
    release(file);
}

int sgl_new_file_write(const char *path, int (*write)(FILE *out, const void *context),
                       const void *context, struct sgl_failure *failure)
{
    struct sgl_new_file file;
    int status = sgl_new_file_open(&file, path, failure);

    if (status != SGL_OK)
        return status;
    const int own = dup(file.descriptor); /* fclose closes it, and publish syncs the file's */
    FILE *out = own >= 0 ? fdopen(own, "w") : NULL;
    if (out != NULL)
        status = write(out, context);
    else if (own >= 0)
        close(own);
    const bool failed = out == NULL || ferror(out) != 0;
    if ((out != NULL && fclose(out) != 0) || failed)
        status = sgl_fail_errno(failure, "cannot be written", path);
    else if (status != SGL_OK)
        sgl_fail(failure, status, "out of memory for %.200s", path);
    if (status == SGL_OK)
        return sgl_new_file_publish(&file, failure);
    sgl_new_file_discard(&file);
    return status;
}
