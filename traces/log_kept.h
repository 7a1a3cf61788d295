/*
 * log_kept.h - workers that were added and may have to be told to a log again.
 *
 *      commit          add_worker 7      add_worker 9      the disk fails
 *        |                  |                 |                 |
 *        +------------------[ kept 7 | kept 9 ]-----------------+---> written when it is well again
 *
 * A log that fails loses what it had not committed. Rows behind the gap that this leaves speak of
 * workers by index, so a worker must not be lost with the rest: its input is copied here until it
 * is committed. Bounded by the router's worker_max.
 *
 * One thread at a time. Zeroed: none.
 */
#ifndef SGL_TRACES_LOG_KEPT_H
#define SGL_TRACES_LOG_KEPT_H

#include "core/input.h"

struct sgl_kept_worker {
    uint64_t sequence;
    struct sgl_input input; /* its texts are the two below */
    char *url;
    char *model; /* or NULL */
};

struct sgl_kept_workers {
    struct sgl_kept_worker *items; /* in the order of their sequences */
    size_t count;
    size_t capacity;
    bool has_failed; /* no memory: one is missing */
};

/* Copies an add_worker input. */
void sgl_kept_workers_add(struct sgl_kept_workers *kept, uint64_t sequence,
                          const struct sgl_input *input);

/* They are committed. Accepts one that is empty. */
void sgl_kept_workers_clear(struct sgl_kept_workers *kept);

void sgl_kept_workers_release(struct sgl_kept_workers *kept);

#endif
