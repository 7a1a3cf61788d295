/*
 * http_server.h - HTTP/1.0 and 1.1 on a libuv loop: listener, parsing (llhttp), limits, deadlines,
 * bodies, answers of known length or streamed with back-pressure, keep-alive and pipelining.
 *
 *      client                 connection (one exchange at a time)               handler
 *      bytes  --read-->  llhttp --> head, body gathered --> complete  -------->  request
 *             <-write--  in flight | pending  <---  start, send, end  <--------  (now or later)
 *                                  | below the low mark  -------------------->  drained
 *      leaves, too slow, error  --------------------------------------------->  gone
 *
 * Life of an exchange: request() is called once, when the whole body is there. The handler answers
 * at once or later: sgl_http_respond, or sgl_http_start, sgl_http_send ... and sgl_http_end. The
 * exchange, with all that its request points to, is valid until respond, end or abort is called or
 * gone() was told, whichever comes first; after that it must not be touched.
 *
 *      request() -> [start -> send -> send ...] -> end       -> next exchange (keep-alive)
 *                         \-> abort                          -> connection cut: a broken answer
 *                          \-> gone(): the client left       -> connection closed
 *
 * The calls below only gather bytes: they never write, never fail and never call the handler, so
 * they may be made anywhere on the loop's thread. Bytes leave, and what is pipelined behind an
 * answer is read, at the end of the turn of the loop. When memory is out, gone() is told then.
 *
 * Reading goes on while an exchange is answered (up to leftover_max bytes of what comes next): so a
 * client that left is noticed at once. EOF counts as leaving unless half_close_answers.
 *
 * Answered here, without the handler: 400 malformed (also no Host, or two, in HTTP/1.1), 405 a
 * method that is none, 408 too slow, 413 body too long (before it is read), 414, 417 unknown
 * Expect, 431, 505. All are JSON, {"error":{"type","code","message"}}, and close the connection.
 *
 * Threads: a server belongs to the thread of its loop; several loops may listen on one port
 * (shares_port). Memory: between requests a connection holds no buffers; all draw on one pool,
 * which keeps kept_max bytes for those who come next.
 */
#ifndef SGL_LIVE_HTTP_SERVER_H
#define SGL_LIVE_HTTP_SERVER_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define SGL_HTTP_METHODS "GET, HEAD, POST, PUT, DELETE, OPTIONS" /* that some handler may take */

struct sgl_http_server;

/* A header field. Texts end in NUL, which the sizes do not count. */
struct sgl_http_field {
    const char *name;
    const char *value;
    size_t name_size;
    size_t value_size;
};

struct sgl_http_exchange {
    void *context; /* the handler's own; NULL at first */

    const char *method; /* "POST" */
    const char *target; /* path and query as sent, "/workers?url=x" */
    size_t target_size;
    int version_minor;                   /* of HTTP/1.x: 0 or 1 */
    const struct sgl_http_field *fields; /* in order, duplicates included */
    size_t field_count;
    const char *body; /* decoded from chunks; never NULL */
    size_t body_size;
    uint64_t begun_ns;    /* uv_hrtime of the request's first byte */
    uint64_t complete_ns; /* and of its last */
};

struct sgl_http_handler {
    void (*request)(void *context, struct sgl_http_exchange *exchange);
    /* The client left, or was too slow, before the answer was complete. */
    void (*gone)(void *context, struct sgl_http_exchange *exchange);
    /* ? What is pending fell below the low mark, after a send that said it was full. */
    void (*drained)(void *context, struct sgl_http_exchange *exchange);
    /* ? The end of a turn of the loop, before bytes leave and the loop may sleep. True: there is
     * more to do at once, do not sleep. */
    bool (*turn)(void *context);
};

struct sgl_http_limits {
    size_t head_max;         /* bytes of names and values of all fields: 431 */
    size_t target_max;       /* bytes: 414 */
    size_t field_max;        /* fields: 431 */
    size_t body_max;         /* bytes: 413 */
    size_t leftover_max;     /* bytes read ahead while an exchange is answered */
    size_t high_mark;        /* pending bytes above which send says full */
    size_t low_mark;         /* and below which drained is told */
    size_t kept_max;         /* bytes of buffers at rest, of all connections together */
    size_t connection_max;   /* more are closed as they come */
    uint64_t head_ms;        /* from a request's first byte to the end of its head: 408 */
    uint64_t body_window_ms; /* in each such window ... */
    size_t body_window_size; /* ... that many bytes of body must come: 408 */
    uint64_t idle_ms;        /* between requests: closed without a word */
    uint64_t stall_ms;       /* without a byte of an answer taken: gone */
    uint64_t linger_ms;      /* waiting for the client to hear an error before closing */
};

struct sgl_http_options {
    struct sgl_http_limits limits;
    bool states_date;        /* in every answer that has no Date yet (RFC 9110, 6.6.1) */
    bool half_close_answers; /* EOF from a client whose request is complete is not leaving */
    bool shares_port;        /* SO_REUSEPORT: the kernel spreads connections over listeners */
    const struct sgl_http_handler *handler; /* borrowed, outlives the server */
    void *context;
};

/* LIVE: head 10 s and 32 KB, leftover 64 KB, marks 256 and 64 KB, bodies 10 MiB. */
struct sgl_http_limits sgl_http_limits_standard(void);

/* Nothing listens yet. SGL_ENOMEM, or SGL_EIO when the loop refuses. */
int sgl_http_server_create(struct sgl_http_server **server_out, uv_loop_t *loop,
                           const struct sgl_http_options *options, struct sgl_failure *failure);

/* Listens on host (name or address) and port; 0 takes a free one. *port_out says which. Once. */
int sgl_http_server_listen(struct sgl_http_server *server, const char *host, uint16_t port,
                           uint16_t *port_out, struct sgl_failure *failure);

/* No new connections, but whoever had connected before is heard: what waits in the kernel is
 * accepted and read in the next turns of the loop. Then idle connections are closed. Requests that
 * have begun are completed and answered, then closed. */
void sgl_http_server_stop(struct sgl_http_server *server);

/* Connections open. */
size_t sgl_http_server_connection_count(const struct sgl_http_server *server);

/* It was stopped, and all was answered. */
bool sgl_http_server_is_done(const struct sgl_http_server *server);

/* Cuts every connection (gone is told where an answer was due), closes the listener and frees the
 * server in the loop's next turns: run the loop until it ends. Accepts NULL. */
void sgl_http_server_close(struct sgl_http_server *server);

/* A whole answer. `fields` needs no Content-Length, Connection or Transfer-Encoding: they are made
 * here. The body may be NULL when its size is 0. */
void sgl_http_respond(struct sgl_http_exchange *exchange, int status,
                      const struct sgl_http_field *fields, size_t field_count, const char *body,
                      size_t body_size);

#define SGL_HTTP_CHUNKED (-1) /* the length is not known: chunks, or until close in HTTP/1.0 */

/* The head of an answer. `reason` NULL: the usual phrase. `length`: of the body, or
 * SGL_HTTP_CHUNKED. An answer to HEAD states the length and sends no body; so do 204 and 304
 * (which state none). The fields of a framing are made here, as for respond. */
void sgl_http_start(struct sgl_http_exchange *exchange, int status, const char *reason,
                    const struct sgl_http_field *fields, size_t field_count, int64_t length);

/* Bytes of its body. False: more is pending than the high mark; wait for drained (sending on is
 * allowed, and takes memory). Of a stated length no more may be sent than that. */
bool sgl_http_send(struct sgl_http_exchange *exchange, const char *bytes, size_t size);

/* Is more pending than the high mark? */
bool sgl_http_is_full(const struct sgl_http_exchange *exchange);

/* The answer is complete. Of a stated length, all of it was sent (else it is cut as by abort). */
void sgl_http_end(struct sgl_http_exchange *exchange);

/* The answer cannot be completed: what was sent leaves, then the connection is cut, so that the
 * client can tell. */
void sgl_http_abort(struct sgl_http_exchange *exchange);

/* Sends {"error":{"type":type,"code":status,"message":message}} as the whole answer. */
void sgl_http_respond_error(struct sgl_http_exchange *exchange, int status, const char *type,
                            const char *message, const struct sgl_http_field *fields,
                            size_t field_count);

/* The first field of that name, in any case of letters; NULL when there is none. */
const struct sgl_http_field *sgl_http_find(const struct sgl_http_exchange *exchange,
                                           const char *name);

/* A field of two texts, as a compound literal would be. */
struct sgl_http_field sgl_http_field(const char *name, const char *value);

/* The usual phrase of a status, "OK"; "Status" when it has none. Static. */
const char *sgl_http_reason(int status);

#endif
