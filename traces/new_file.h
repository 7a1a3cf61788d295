/*
 * new_file.h - a file is written beside its final name and takes it when it is whole.
 *
 *     t.csv           what was there before, untouched until the very end
 *     t.csv.partial   being written, mode 0666 less the umask (0644 as a rule), locked
 *
 *     open:     make the partial file, empty
 *     publish:  fsync, rename over t.csv, fsync the folder
 *     discard:  remove t.csv.partial
 *
 * What stood there before is the caller's business: look before opening, for a name that is taken
 * by something else must not be lost. (Decision logs have rules of their own: log_file.h.) The lock
 * is flock() on the partial file, so that of two runs with one path the later one is refused; a
 * partial file that nobody holds, of a killed run or of somebody else, is kept as t.csv.interrupted
 * (-2, -3, ...). A program that is told to stop removes its own (partial.h).
 *
 * Failures are one line: SGL_EINVAL for what is refused, SGL_EIO for the world.
 */
#ifndef SGL_TRACES_NEW_FILE_H
#define SGL_TRACES_NEW_FILE_H

#include "core/failure.h"

#include <stdio.h>

struct sgl_new_file {
    char *path;     /* owned, as the next two */
    char *partial;  /* path + ".partial": write here, through the descriptor or by name */
    char *folder;   /* that it is in */
    int descriptor; /* of the partial file; -1: not open */
};

/* Is a program at work on the database at that path, or was one killed? Its -wal or -journal would
 * be taken for that of the new file. SGL_OK: no; SGL_EINVAL, SGL_ENOMEM. */
int sgl_refuse_side_files(const char *path, struct sgl_failure *failure);

/* The struct need not be initialised. On failure nothing is left open or behind. An empty name
 * and a folder are refused here, not when all is written. */
int sgl_new_file_open(struct sgl_new_file *file, const char *path, struct sgl_failure *failure);

/* Everything must have been written. Releases the struct either way. On failure the partial file is
 * gone and what stood at the path is as it was, unless only syncing the folder failed. */
int sgl_new_file_publish(struct sgl_new_file *file, struct sgl_failure *failure);

/* All of it at once: what `write` writes becomes the file at the path, or nothing changes. A write
 * that fails shows in the stream's error; memory that is out, as SGL_ENOMEM. */
int sgl_new_file_write(const char *path, int (*write)(FILE *out, const void *context),
                       const void *context, struct sgl_failure *failure);

/* Fine for a struct that failed to open, or was published. */
void sgl_new_file_discard(struct sgl_new_file *file);

#endif
