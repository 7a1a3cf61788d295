/*
 * load_wire.h - many HTTP requests under way on one loop: libcurl's multi interface over libuv.
 *
 *     sgl_wire_send(exchange) --> curl easy handle --> sockets, watched by uv
 *                                     |  body(exchange, bytes)   as they come, status 200 only
 *                                     v  done(exchange)          once, from the loop, never inside
 *                                                                send or cancel
 *
 * HTTP/1.1, connections kept, no proxy, no redirects, no `Expect`. The exchange belongs to the
 * caller and must live until it is done or cancelled, as must its body. Handles are reused. One
 * thread: the loop's.
 */
#ifndef SGL_LIVE_LOAD_WIRE_H
#define SGL_LIVE_LOAD_WIRE_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define SGL_WIRE_WORKER_MAX 401 /* of sglsim serve: SGL_GATEWAY_URL_MAX, and the end */

struct sgl_wire_exchange {
    const char *body; /* POST it, as JSON */
    size_t body_size;
    const char *request_id; /* sent as x-request-id; NULL: not sent */
    int64_t timeout_ns;

    long status;                      /* of the answer; 0: none came */
    const char *failure;              /* connect, timeout, cut; NULL: the answer came whole */
    char worker[SGL_WIRE_WORKER_MAX]; /* its header x-sglsim-worker; empty: none */

    void *easy; /* the wire's; so are all below */
    bool has_head;
    bool is_in_line; /* of the head: its end is still to come */
    void *headers;
    struct sgl_wire *wire;
    struct sgl_wire_exchange *previous; /* under way */
    struct sgl_wire_exchange *next;
};

struct sgl_wire;

struct sgl_wire_options {
    uv_loop_t *loop;
    const char *url;    /* complete, with the path */
    const char *header; /* ? one more */
    void (*body)(struct sgl_wire_exchange *exchange, const char *bytes, size_t size);
    void (*done)(struct sgl_wire_exchange *exchange);
};

int sgl_wire_open(struct sgl_wire **wire_out, const struct sgl_wire_options *options,
                  struct sgl_failure *failure);

/* SGL_OK or SGL_ENOMEM. */
int sgl_wire_send(struct sgl_wire *wire, struct sgl_wire_exchange *exchange);

/* Gives one up: the server sees its connection close. done is not called. */
void sgl_wire_cancel(struct sgl_wire *wire, struct sgl_wire_exchange *exchange);

/* One under way; NULL: none is. */
struct sgl_wire_exchange *sgl_wire_any(const struct sgl_wire *wire);

/* Closes what the loop watches; nothing may be under way. Run the loop until it is empty, then
 * free. NULL is fine. */
void sgl_wire_close(struct sgl_wire *wire);
void sgl_wire_free(struct sgl_wire *wire);

#endif
