/*
 * partial.h - what everything written beside its final name needs: log_file.h, log_folder.h and
 * new_file.h differ in what they may replace and in what they do with what a killed run left, and
 * share how a partial name is owned, how a rename is made to last, and what becomes of it all when
 * the program is told to stop.
 *
 *     take:    +-> signals wait --> try: create, own, clear --> enlist --> signals come
 *              |                        |
 *              +-- signals come <-------+ "again"
 *     drop:    delist --> the descriptor is closed
 *     abandon: a signal is here: what is enlisted is removed
 *
 * The list is of the process and has few places: what finds none, or has too long a name, is left
 * behind as by a kill. Take and drop are for one thread; abandon may interrupt it anywhere.
 */
#ifndef SGL_TRACES_PARTIAL_H
#define SGL_TRACES_PARTIAL_H

#include "core/failure.h"

/* The system's words for an errno, for any thread. Returns out. */
#define SGL_ERROR_TEXT_SIZE 128
const char *sgl_error_text(int error, char out[static SGL_ERROR_TEXT_SIZE]);

/* "PATH: what: the system's words for errno", SGL_EIO. */
int sgl_fail_errno(struct sgl_failure *failure, const char *what, const char *path);

/* Locks what was opened under the name `partial`, for a run that writes `path`. 1: it is locked and
 * still has that name; 0: it lost the name meanwhile: open it again; negative: another run has it,
 * or the world failed. The lock ends with the descriptor, which stays the caller's. */
int sgl_partial_own(int descriptor, const char *partial, const char *path,
                    struct sgl_failure *failure);

/* Removes the partial name and what belongs to it; may only call what a signal handler may. */
struct sgl_partial_kind {
    void (*remove)(const char *partial, int descriptor);
};

/* A file: unlink. */
extern const struct sgl_partial_kind sgl_partial_file;

/* One try at owning a partial name for `owner`, which says in *descriptor of take what it opened.
 * 1: it is owned, and nothing of an earlier run is in it; 0: somebody was faster, or what stood
 * there is out of the way: try again; negative: it cannot be had. */
typedef int sgl_partial_try(void *owner, struct sgl_failure *failure);

/* Tries until it is owned: 1, and abandon may remove it until it is dropped (the name is copied).
 * Or the first negative status of a try; then, and before another one, *descriptor is closed and
 * becomes -1. A stop between making a name and enlisting it would leave it behind: signals to this
 * thread wait from the begin of a try until then. */
int sgl_partial_take(sgl_partial_try *try_lock, void *owner, int *descriptor, const char *partial,
                     const struct sgl_partial_kind *kind, struct sgl_failure *failure);

/* Abandon lets it be from now on, and the descriptor is closed; -1: nothing is to be done. */
void sgl_partial_drop(int descriptor);

/* For a signal handler (async-signal-safe): removes all that is enlisted and still has its name.
 * The number of them. */
int sgl_partial_abandon(void);

/* Gives what an earlier run left, or somebody else put, at the partial name of `path` another one:
 * PATH.interrupted, -2, -3 and so on, with a -wal that stands beside it. *kept_out, which may be
 * NULL, is that name, to be freed. Who listens is told. */
int sgl_partial_keep_aside(const char *partial, const char *path, char **kept_out,
                           struct sgl_failure *failure);

/* Whom keep_aside tells what it renamed to what; NULL, as at first: nobody. Of the process, set by
 * the thread that writes. */
void sgl_partial_listen(void (*hear)(const char *partial, const char *kept));

/* Makes a rename in the folder outlive a power cut. `shown` opens the text of a failure. */
int sgl_sync_folder(const char *folder, const char *shown, struct sgl_failure *failure);

#endif
