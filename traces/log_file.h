/*
 * log_file.h - a log is written beside its final name and takes it when it is whole.
 *
 *     run.db           the last finished log, untouched until the very end
 *     run.db.partial   this run's, mode 0600, locked by its writer
 *
 *     open:     refuse what must not be replaced; lock; start from an empty file
 *     publish:  fsync, look again, rename over run.db, fsync the folder
 *     discard:  remove run.db.partial
 *
 * Only a decision log is ever replaced: a file that is not one is refused, and so is one that
 * SQLite's side files (-wal, -journal) say is in use or was left by a crash, for they would be
 * taken for the new file's. A .partial that no writer holds was left by a killed run. A simulated
 * log that was not finished is removed; anything else is kept as run.db.interrupted (-2, -3, ...):
 * a log that was written to survive (durable), one that is whole but could not be renamed, or a
 * file that is none of ours. A program that is told to stop removes the .partial (partial.h).
 *
 * The lock is flock() on the file itself. Whoever replaces the name run.db.partial must hold the
 * lock of the file that has it, so two runs with one path cannot meet in one file: the later one is
 * refused. Failures are one line, SGL_EINVAL for what is refused and SGL_EIO for the world.
 */
#ifndef SGL_TRACES_LOG_FILE_H
#define SGL_TRACES_LOG_FILE_H

#include "core/failure.h"

#include <stdbool.h>

struct sgl_log_file {
    char *path;    /* owned, as the two below */
    char *partial; /* path + ".partial" */
    char *folder;
    char *kept; /* how what an earlier run left is called now; NULL: nothing was kept */
    int lock;   /* descriptor of the partial file; -1: not open */
};

/* The struct need not be initialised. On failure nothing is left open or behind. */
int sgl_log_file_open(struct sgl_log_file *file, const char *path, struct sgl_failure *failure);

/* The partial file must be complete and closed by all others. On failure it is left in place when
 * it could be published by hand, and the text names it. Releases the struct either way. */
int sgl_log_file_publish(struct sgl_log_file *file, struct sgl_failure *failure);

void sgl_log_file_discard(struct sgl_log_file *file);

/* The partial file stays, for the next run to keep aside; releases the struct. */
void sgl_log_file_leave(struct sgl_log_file *file);

/* Is there a decision log of any version at that path? 1 or 0; SGL_EIO when it cannot be read. */
int sgl_log_file_is_log(const char *path, struct sgl_failure *failure);

#endif
