/*
 * log_folder.h - a log that is a folder is made beside its final name and takes it when it is
 * whole. What log_file.h is to one file.
 *
 *     run/            the last finished log, untouched until the very end
 *     run.partial/    this run's, mode 0700, locked by its writer
 *     run.replaced/   the last log, for the moment between two renames: no call of POSIX exchanges
 *                     two folders. Who finds it and no run/ was killed there; opening puts it back
 *
 *     open:     refuse what must not be replaced; lock; start from an empty folder
 *     publish:  fsync, look again, rename run/ away and run.partial/ to run/, fsync, remove the old
 *     discard:  remove run.partial/
 *
 * Only a folder of a decision log is ever replaced or removed, and only when it holds nothing else:
 * notes somebody put there are refused, not lost. An empty folder may be replaced too. What
 * stands at run.partial/ and is not just an unfinished log is kept as run.interrupted. The lock is
 * flock() on the folder. Failures are one line, SGL_EINVAL for what is refused and SGL_EIO for the
 * world.
 */
#ifndef SGL_TRACES_LOG_FOLDER_H
#define SGL_TRACES_LOG_FOLDER_H

#include "core/failure.h"

#include <stdbool.h>

struct sgl_log_folder {
    char *path;     /* without slashes at its end; owned, as the three below */
    char *partial;  /* path + ".partial" */
    char *replaced; /* path + ".replaced" */
    char *parent;
    char *kept; /* how what an earlier run left is called now; NULL: nothing was kept */
    int lock;   /* descriptor of the partial folder; -1: not open */
};

/* The struct need not be initialised. On failure nothing is left open or behind. */
int sgl_log_folder_open(struct sgl_log_folder *folder, const char *path,
                        struct sgl_failure *failure);

/* The files in the partial folder must be complete, synced and closed. On failure it is left in
 * place when it could be published by hand, and the text names it. Releases the struct. */
int sgl_log_folder_publish(struct sgl_log_folder *folder, struct sgl_failure *failure);

void sgl_log_folder_discard(struct sgl_log_folder *folder);

#endif
