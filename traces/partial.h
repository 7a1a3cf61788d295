/*
 * partial.h - what everything written beside its final name needs: log_file.h, log_folder.h and
 * new_file.h differ in what they may replace and in what they do with what a killed run left, and
 * share how a partial name is owned and how a rename is made to last.
 */
#ifndef SGL_TRACES_PARTIAL_H
#define SGL_TRACES_PARTIAL_H

#include "core/failure.h"

/* "PATH: what: the system's words for errno", SGL_EIO. */
int sgl_fail_errno(struct sgl_failure *failure, const char *what, const char *path);

/* Locks what was opened under the name `partial`, for a run that writes `path`. 1: it is locked and
 * still has that name; 0: it lost the name meanwhile: open it again; negative: another run has it,
 * or the world failed. The lock ends with the descriptor, which stays the caller's. */
int sgl_partial_own(int descriptor, const char *partial, const char *path,
                    struct sgl_failure *failure);

/* Makes a rename in the folder outlive a power cut. `shown` opens the text of a failure. */
int sgl_sync_folder(const char *folder, const char *shown, struct sgl_failure *failure);

#endif
