#include "new_file.h"

#include "partial.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".partial"

static void release(struct sgl_new_file *file)
{
    sgl_partial_drop(file->descriptor);
    free(file->path);
    free(file->partial);
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
        const size_t size = strlen(path) + strlen(suffixes[i]) + 1;
        char *side = malloc(size);
        if (side == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%.200s: no memory to write it", path);
        snprintf(side, size, "%s%s", path, suffixes[i]);
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
    int status = 0;

    *file = (struct sgl_new_file){.descriptor = -1};
    /* A partial name beside these would do, and only the renaming would fail, when all is done. */
    if (length == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "the file to write has an empty name, expected a path");
    if (is_folder(path))
        return sgl_fail(failure, SGL_EINVAL, "%s: is a folder, expected a file name", path);
    *file = (struct sgl_new_file){
        .path = malloc(length + 1), .partial = malloc(length + sizeof SUFFIX), .descriptor = -1};
    if (file->path == NULL || file->partial == NULL) {
        status = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", path);
    } else {
        memcpy(file->path, path, length + 1);
        memcpy(file->partial, path, length);
        memcpy(file->partial + length, SUFFIX, sizeof SUFFIX);
    }
    if (status == SGL_OK)
        status = sgl_partial_take(try_lock, file, &file->descriptor, file->partial,
                                  &sgl_partial_file, failure);
    if (status == 1)
        return SGL_OK;
    release(file);
    return status;
}

/* The name is in the folder; that must outlive a power cut too. */
static int sync_folder(const struct sgl_new_file *file, struct sgl_failure *failure)
{
    const char *slash = strrchr(file->path, '/');
    char *folder = file->partial; /* its text has served */
    const size_t length = slash == NULL         ? 1
                          : slash == file->path ? 1
                                                : (size_t)(slash - file->path);

    if (slash == NULL)
        folder[0] = '.';
    folder[length] = '\0';
    return sgl_sync_folder(folder, file->path, failure);
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
    status = sync_folder(file, failure);
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
