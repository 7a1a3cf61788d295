#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".partial"

int sgl_new_file_fail(const char *path, const char *what, struct sgl_failure *failure)
{
    const int error = errno;
    char text[128];

    if (strerror_r(error, text, sizeof text) != 0)
        snprintf(text, sizeof text, "error %d", error);
    return sgl_fail(failure, SGL_EIO, "%s: %s: %s", path, what, text);
}

static void release(struct sgl_new_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    free(file->path);
    free(file->partial);
    *file = (struct sgl_new_file){.descriptor = -1};
}

/* One try at owning the partial name. 1: owned; 0: its file was renamed or removed meanwhile. */
static int try_lock(struct sgl_new_file *file, struct sgl_failure *failure)
{
    struct stat opened;
    struct stat named;
    int status = 1;

    file->descriptor = open(file->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file->descriptor < 0)
        return sgl_new_file_fail(file->path, "cannot create the file beside it", failure);
    if (flock(file->descriptor, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK
                     ? sgl_fail(failure, SGL_EINVAL, "%s: another run is writing it", file->path)
                     : sgl_new_file_fail(file->partial, "cannot lock", failure);
    else if (fstat(file->descriptor, &opened) != 0)
        status = sgl_new_file_fail(file->partial, "cannot look at it", failure);
    else if (lstat(file->partial, &named) != 0 || named.st_ino != opened.st_ino ||
             named.st_dev != opened.st_dev)
        status = 0;
    else if (ftruncate(file->descriptor, 0) != 0)
        status = sgl_new_file_fail(file->partial, "cannot empty", failure);
    if (status != 1) {
        close(file->descriptor);
        file->descriptor = -1;
    }
    return status;
}

int sgl_new_file_open(struct sgl_new_file *file, const char *path, struct sgl_failure *failure)
{
    const size_t length = strlen(path);
    int status = 0;

    *file = (struct sgl_new_file){
        .path = malloc(length + 1), .partial = malloc(length + sizeof SUFFIX), .descriptor = -1};
    if (file->path == NULL || file->partial == NULL) {
        status = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", path);
    } else {
        memcpy(file->path, path, length + 1);
        memcpy(file->partial, path, length);
        memcpy(file->partial + length, SUFFIX, sizeof SUFFIX);
    }
    while (status == 0)
        status = try_lock(file, failure);
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
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return sgl_new_file_fail(file->path, "cannot open its folder", failure);
    /* Some file systems cannot sync a folder and say EINVAL: the rename stands all the same. */
    const int status = fsync(descriptor) == 0 || errno == EINVAL
                           ? SGL_OK
                           : sgl_new_file_fail(file->path, "cannot sync its folder", failure);
    close(descriptor);
    return status;
}

int sgl_new_file_publish(struct sgl_new_file *file, struct sgl_failure *failure)
{
    int status = SGL_OK;

    if (fsync(file->descriptor) != 0)
        status = sgl_new_file_fail(file->path, "cannot sync", failure);
    else if (rename(file->partial, file->path) != 0)
        status = sgl_new_file_fail(file->path, "cannot rename to it", failure);
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
