/*
 * error_word.h - the words for why an attempt failed, and what follows from each.
 *
 * An outcome carries its word (input.h), so the log does, and whoever reads a log comes to the same
 * conclusions as the router that wrote it: whether the worker's breaker counts it, and whether
 * another worker may be tried. Words of HTTP statuses are `http_` and the status.
 *
 *   blame    who is at fault                                        the worker's breaker
 *   -------  -----------------------------------------------------  --------------------
 *   worker   it broke, hung, vanished or answered nonsense          counts it
 *   busy     it said that it has too much to do (429, 503)          ignores it
 *   client   the request was wrong, or its sender left              ignores it
 *   router   no worker ever had it                                  -
 *
 * A retry is only ever safe before a byte of the answer went to the client; that is the driver's to
 * know. Statuses to retry: 408, 429, 500, 502, 503, 504, as SGLang's routers do.
 * A word that is not listed (a recorder's own text) blames the worker and is not retried.
 */
#ifndef SGL_CORE_ERROR_WORD_H
#define SGL_CORE_ERROR_WORD_H

#include <stdbool.h>

enum sgl_blame {
    SGL_BLAME_WORKER,
    SGL_BLAME_BUSY,
    SGL_BLAME_CLIENT,
    SGL_BLAME_ROUTER,
};

/* clang-format off */
#define SGL_ERROR_MAP(X)                                                                       \
    X(connection_refused,   WORKER, true,  "nothing listens at the worker's address")          \
    X(connect_timeout,      WORKER, true,  "the worker did not accept a connection in time")   \
    X(connection_lost,      WORKER, true,  "the worker hung up before it answered")            \
    X(worker_lost,          WORKER, true,  "the worker died with the request in it")           \
    X(bad_response,         WORKER, true,  "what came back is not an answer")                  \
    X(first_byte_timeout,   WORKER, false, "the worker took the request and said nothing")     \
    X(stream_cut,           WORKER, false, "the answer broke off")                             \
    X(idle_timeout,         WORKER, false, "the answer stopped and did not go on")             \
    X(timeout,              WORKER, false, "the deadline over all attempts passed")            \
    X(pair_lost,            ROUTER, false, "the other leg of its pair failed")                 \
    X(over_capacity,        CLIENT, false, "more memory than the worker has")                  \
    X(client_abort,         CLIENT, false, "the client left")                                  \
    X(no_worker,            ROUTER, false, "no worker could be a candidate")                   \
    X(queue_full,           ROUTER, false, "too many were waiting to be routed")               \
    X(queue_timeout,        ROUTER, false, "it waited too long to be routed")                  \
    X(rate_limited,         ROUTER, false, "more requests than the rate that is allowed")      \
    X(shutdown,             ROUTER, false, "the router was stopped")
/* clang-format on */

/* What a leg is cancelled with when the other leg of its pair failed: no failure of its own. */
#define SGL_ERROR_PAIR_LOST "pair_lost"

/* `error` may be NULL (nobody said): as a word that is not listed. */
enum sgl_blame sgl_error_blame(const char *error);
bool sgl_error_is_retryable(const char *error);

/* What the word means, as a part of a sentence; NULL for a status or a word that is not listed. */
const char *sgl_error_meaning(const char *error);

#endif
