/*
 * upstream.h - HTTP/1.1 requests to workers: libcurl's multi interface on a libuv loop.
 *
 *      sgl_call_start -> easy handle (pooled) -> connection (kept) -> worker
 *                               |  head    status and fields are there
 *                               |  body    bytes; false stops reading until sgl_call_resume
 *                               v  done    it is over, well or not; once; the call is the caller's
 *                                          again, and may be started anew
 *
 * head and body are called from inside libcurl: they may not start, cancel or resume a call. done
 * is called from sgl_upstream_turn. libcurl does its work in the loop's callbacks and in
 * sgl_upstream_turn, which must be called at the end of each turn of the loop.
 *
 * What keeps this fast (measured, see README): one parsed URL per worker, a pool of easy handles
 * with the constant options set once, idle sockets left in epoll, bodies sent without a copy.
 * What keeps it safe: no redirects, no proxy, only http and https, no HTTP/0.9, bounded heads.
 *
 * Answers that cannot be trusted are a fault of the worker ("bad_response"): two Content-Lengths,
 * Content-Length with Transfer-Encoding, a transfer coding other than chunked, a NUL in a field, a
 * status outside 100 to 599, a head over 64 KB or 256 fields.
 *
 * Threads: all of it belongs to the loop's.
 */
#ifndef SGL_LIVE_UPSTREAM_H
#define SGL_LIVE_UPSTREAM_H

#include "chunks.h"
#include "http_buffer.h"
#include "http_server.h"
#include "trust.h"

#include <curl/curl.h>

struct sgl_upstream;
struct sgl_call;

struct sgl_upstream_options {
    uv_loop_t *loop;
    uint32_t worker_max;
    long connection_max; /* kept and busy */
    long connect_timeout_ms;
    const struct sgl_trust *trust; /* borrowed; NULL: the system's, and no certificate of ours */
};

int sgl_upstream_create(struct sgl_upstream **upstream_out,
                        const struct sgl_upstream_options *options, struct sgl_failure *failure);

/* No call may be under way. Run the loop until it ends, then free. */
void sgl_upstream_close(struct sgl_upstream *upstream);
void sgl_upstream_free(struct sgl_upstream *upstream);

/* Does what libcurl wants done, and tells done. True: there is more at once. */
bool sgl_upstream_turn(struct sgl_upstream *upstream);

/* One request. The caller fills in the first part, and keeps it and what it points to until done.
 */
struct sgl_call {
    uint32_t worker;
    const char *worker_url; /* the same for a worker for ever */
    const char *target;     /* path and query; behind the path of the URL */
    bool is_post;
    const char *body;
    size_t body_size;
    const struct sgl_http_field *fields;
    size_t field_count;
    void (*on_head)(struct sgl_call *call);
    bool (*on_body)(struct sgl_call *call, const char *bytes, size_t size);
    void (*on_done)(struct sgl_call *call);
    void *context;

    /* The answer. */
    int status;                         /* 0: there is none yet */
    char reason[64];                    /* its phrase */
    struct sgl_http_field *head_fields; /* in order; texts are in head */
    size_t head_field_count;
    int64_t length; /* SGL_HTTP_CHUNKED: not stated */
    bool has_head;
    const char *error; /* when done: NULL, or a word of core/error_word.h */

    /* The upstream's own. */
    struct sgl_upstream *upstream;
    CURL *easy;
    struct curl_slist *lines; /* of the request's head: line_capacity of them, chained */
    size_t line_capacity;
    struct sgl_buffer line_texts;
    struct sgl_chunks chunks; /* when transfer_encodings is 1 */
    struct sgl_buffer head;
    size_t field_capacity;
    int version_minor; /* of the answer's HTTP/1.x */
    size_t transfer_encodings;
    size_t lengths;
    bool is_sent; /* once: it is not sent again */
    bool is_faulty;
    bool is_in_line; /* of the head: its end is still to come */
    bool is_paused;
    bool is_under_way;
};

/* SGL_OK, SGL_ENOMEM, or SGL_EINVAL (libcurl refuses the URL). done follows only on SGL_OK. */
int sgl_call_start(struct sgl_upstream *upstream, struct sgl_call *call);

/* Gives it up: its connection is closed, which the worker sees. done is not called. */
void sgl_call_cancel(struct sgl_call *call);

/* Reading goes on after body said false. */
void sgl_call_resume(struct sgl_call *call);

/* Frees what the answer took. The call must not be under way. */
void sgl_call_release(struct sgl_call *call);

#endif
