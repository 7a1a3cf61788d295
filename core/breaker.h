/*
 * breaker.h - a circuit breaker: a worker that keeps failing gets no requests for a while, then one
 * at a time until it has shown that it is well.
 *
 *                 failure_threshold failures within window_ns
 *      closed  ------------------------------------------------>  open
 *        ^                                                      |  ^
 *        |                                        open_ns passed|  | a trial failed
 *        |  success_threshold trials in a row succeeded         v  |
 *        +--------------------------------------------------  half open: one trial at a time
 *
 * The window is a true sliding one: the last `failure_threshold` failures are remembered, and the
 * breaker opens when the oldest of them is younger than window_ns. Nothing happens by itself: open
 * turns to half open in the eyes of whoever asks with a later now_ns, so asking changes nothing.
 *
 *      failures[]   ring of the last failure times      [ 41 s | 97 s | 12 s | 30 s ]
 *                                                                ^ newest  ^ oldest
 *
 * What counts as a failure is the caller's to say (error_word.h: only what blames the worker).
 * An answer to a request that was sent before the breaker opened says nothing of the worker now:
 * it is ignored while open or half open. Only answers to trials count there.
 *
 * Defaults (10 failures in 120 s, 60 s open, 3 successes) are those of SGLang's router
 * (--cb-failure-threshold, --cb-window-duration-secs, --cb-timeout-duration-secs,
 * --cb-success-threshold). Memory: a plain value, no allocation. Times never go back.
 */
#ifndef SGL_CORE_BREAKER_H
#define SGL_CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define SGL_BREAKER_FAILURES_MAX 32

struct sgl_breaker_options {
    uint32_t failure_threshold; /* 1 to SGL_BREAKER_FAILURES_MAX; 0: there is no breaker */
    uint32_t success_threshold; /* at least 1 */
    int64_t window_ns;
    int64_t open_ns;
};

/* SGLang's, see above. */
struct sgl_breaker_options sgl_breaker_standard(void);

enum sgl_breaker_state {
    SGL_BREAKER_CLOSED,
    SGL_BREAKER_OPEN,
    SGL_BREAKER_HALF_OPEN,
};

/* Zeroed: closed, nothing remembered. */
struct sgl_breaker {
    int64_t failures[SGL_BREAKER_FAILURES_MAX]; /* ring, failure_threshold long */
    uint32_t failure_count;                     /* ever, since it was closed */
    uint32_t successes;                         /* of trials, in a row */
    bool is_tripped;                            /* open or half open */
    bool has_trial;                             /* one is out */
    int64_t reopens_ns;                         /* from here on half open, when tripped */
};

enum sgl_breaker_state sgl_breaker_state(const struct sgl_breaker *breaker, int64_t now_ns);

/* May the worker be sent a request? */
bool sgl_breaker_admits(const struct sgl_breaker *breaker, int64_t now_ns);

/* It is sent one. True: it is a trial, which the caller remembers with the request. */
bool sgl_breaker_sent(struct sgl_breaker *breaker, int64_t now_ns);

enum sgl_breaker_verdict {
    SGL_BREAKER_SUCCESS,
    SGL_BREAKER_FAILURE,
    SGL_BREAKER_NOTHING, /* the answer says nothing of the worker; a trial is over all the same */
};

/* A request ended. True: the breaker was tripped or closed by it. */
bool sgl_breaker_answered(struct sgl_breaker *breaker, const struct sgl_breaker_options *options,
                          int64_t now_ns, bool was_trial, enum sgl_breaker_verdict verdict);

#endif
