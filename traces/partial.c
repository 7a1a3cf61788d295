#include "partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int sgl_fail_errno(struct sgl_failure *failure, const char *what, const char *path)
{
    const int error = errno;
    char text[128];

    if (strerror_r(error, text, sizeof text) != 0)
        snprintf(text, sizeof text, "error %d", error);
    return sgl_fail(failure, SGL_EIO, "%s: %s: %s", path, what, text);
}

int sgl_partial_own(int descriptor, const char *partial, const char *path,
                    struct sgl_failure *failure)
{
    struct stat opened;
    struct stat named;

    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? sgl_fail(failure, SGL_EINVAL, "%s: another run is writing it", path)
                   : sgl_fail_errno(failure, "cannot lock", partial);
    if (fstat(descriptor, &opened) != 0)
        return sgl_fail_errno(failure, "cannot look at it", partial);
    return lstat(partial, &named) == 0 && named.st_ino == opened.st_ino &&
           named.st_dev == opened.st_dev;
}

int sgl_sync_folder(const char *folder, const char *shown, struct sgl_failure *failure)
{
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0)
        return sgl_fail_errno(failure, "cannot open the folder", shown);
    /* Some file systems cannot sync a folder and say EINVAL: the rename stands all the same. */
    const int status = fsync(descriptor) == 0 || errno == EINVAL
                           ? SGL_OK
                           : sgl_fail_errno(failure, "cannot sync the folder", shown);
    close(descriptor);
    return status;
}
