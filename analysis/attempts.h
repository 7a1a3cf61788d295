/*
 * attempts.h - of every request of which an attempt failed, and may be followed by another, or was
 * repeated: how far it has come.
 *
 *     slots   [ - | 7: attempt 1, error 0 | - | 2: attempt 0, error 3 | - | - | - | - ]
 *              a power of two, at most half full; probe to the right until the request or an empty
 *
 * A failure is the request's own only if no attempt follows, which nobody knows when it is heard.
 * So it is counted at once and taken back when the next attempt is routed. Requests that succeed at
 * once, nearly all, are not kept, nor those that were not let in or whose client left (of pairs
 * they are). Never iterated: no hash order can leak into a result.
 * Memory: 24 bytes and as much air per such request, doubled as needed, released at the end.
 */
#ifndef SGL_ANALYSIS_ATTEMPTS_H
#define SGL_ANALYSIS_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_NO_ERROR UINT32_MAX

struct sgl_attempts_entry {
    int64_t request;
    uint32_t attempt; /* the last one heard of */
    uint32_t error;   /* under which number its failure is counted; SGL_NO_ERROR: it is not */
    bool is_used;     /* the slot holds a request */
};

/* Zeroed is empty. */
struct sgl_attempts {
    struct sgl_attempts_entry *slots;
    size_t slot_count;
    size_t count;
};

/* The request's entry, or NULL. Valid until the next add. */
struct sgl_attempts_entry *sgl_attempts_find(const struct sgl_attempts *attempts, int64_t request);

/* Adds a request that is not there, at attempt 0 without an error. NULL: no memory. */
struct sgl_attempts_entry *sgl_attempts_add(struct sgl_attempts *attempts, int64_t request);

void sgl_attempts_release(struct sgl_attempts *attempts);

#endif
