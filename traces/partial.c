#include "partial.h"

#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTED_MAX 8
#define LISTED_PATH_MAX 4096
#define INTERRUPTED_MAX 1000

/* What a signal handler removes. An item is filled before is_used is set. */
static struct listed {
    volatile sig_atomic_t is_used;
    int descriptor;
    const struct sgl_partial_kind *kind;
    char partial[LISTED_PATH_MAX];
} list[LISTED_MAX];

static void (*hear_kept)(const char *partial, const char *kept);

const char *sgl_error_text(int error, char out[static SGL_ERROR_TEXT_SIZE])
{
    if (strerror_r(error, out, SGL_ERROR_TEXT_SIZE) != 0)
        snprintf(out, SGL_ERROR_TEXT_SIZE, "error %d", error);
    return out;
}

int sgl_fail_errno(struct sgl_failure *failure, const char *what, const char *path)
{
    char text[SGL_ERROR_TEXT_SIZE];

    return sgl_fail(failure, SGL_EIO, "%s: %s: %s", path, what, sgl_error_text(errno, text));
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

/* Signals to this thread wait until they are let go. */
static void hold(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

static void let_go(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void enlist(const char *partial, int descriptor, const struct sgl_partial_kind *kind)
{
    const size_t size = strlen(partial) + 1;

    for (size_t i = 0; i < LISTED_MAX && size <= LISTED_PATH_MAX; i++)
        if (!list[i].is_used) {
            memcpy(list[i].partial, partial, size);
            list[i].descriptor = descriptor;
            list[i].kind = kind;
            atomic_signal_fence(memory_order_seq_cst);
            list[i].is_used = 1;
            return;
        }
}

int sgl_partial_take(sgl_partial_try *try_lock, void *owner, int *descriptor, const char *partial,
                     const struct sgl_partial_kind *kind, struct sgl_failure *failure)
{
    sigset_t before;
    int status = 0;

    *descriptor = -1;
    while (status == 0) {
        hold(&before);
        status = try_lock(owner, failure);
        if (status == 1) {
            enlist(partial, *descriptor, kind);
        } else {
            sgl_partial_drop(*descriptor);
            *descriptor = -1;
        }
        let_go(&before);
    }
    return status;
}

void sgl_partial_drop(int descriptor)
{
    if (descriptor < 0)
        return;
    for (size_t i = 0; i < LISTED_MAX; i++)
        if (list[i].is_used && list[i].descriptor == descriptor)
            list[i].is_used = 0;
    close(descriptor);
}

static void remove_file(const char *partial, int descriptor)
{
    (void)descriptor;
    unlink(partial);
}

const struct sgl_partial_kind sgl_partial_file = {.remove = remove_file};

int sgl_partial_abandon(void)
{
    struct stat opened;
    struct stat named;
    int count = 0;

    for (size_t i = 0; i < LISTED_MAX; i++) {
        if (!list[i].is_used)
            continue;
        list[i].is_used = 0;
        /* Renamed already, the name may be that of another run. */
        if (fstat(list[i].descriptor, &opened) != 0 || lstat(list[i].partial, &named) != 0 ||
            opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
            continue;
        list[i].kind->remove(list[i].partial, list[i].descriptor);
        count++;
    }
    return count;
}

/* What stands at `partial` gets the name `target`. A side file goes first: alone it means nothing,
 * and a database never goes without it. */
static int rename_both(const char *partial, const char *target, struct sgl_failure *failure)
{
    char *side = sgl_path_join(partial, strlen(partial), "-wal");
    char *side_target = sgl_path_join(target, strlen(target), "-wal");
    int status = SGL_OK;

    if (side == NULL || side_target == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", partial);
    else if ((rename(side, side_target) != 0 && errno != ENOENT) || rename(partial, target) != 0)
        status = sgl_fail_errno(failure, "cannot rename what a killed run left", partial);
    free(side);
    free(side_target);
    return status;
}

void sgl_partial_listen(void (*hear)(const char *partial, const char *kept))
{
    hear_kept = hear;
}

int sgl_partial_keep_aside(const char *partial, const char *path, char **kept_out,
                           struct sgl_failure *failure)
{
    const size_t size = strlen(path) + sizeof ".interrupted-1000";
    char *target = malloc(size);
    struct stat info;
    int number = 1;

    if (target == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    snprintf(target, size, "%s.interrupted", path);
    while (number <= INTERRUPTED_MAX && lstat(target, &info) == 0)
        snprintf(target, size, "%s.interrupted-%d", path, ++number);
    const int status =
        number <= INTERRUPTED_MAX
            ? rename_both(partial, target, failure)
            : sgl_fail(failure, SGL_EINVAL, "%s: %d interrupted runs stand beside it (remove some)",
                       path, INTERRUPTED_MAX);
    if (status == SGL_OK && hear_kept != NULL)
        hear_kept(partial, target);
    if (status == SGL_OK && kept_out != NULL)
        *kept_out = target;
    else
        free(target);
    return status;
}
