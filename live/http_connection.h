/*
 * http_connection.h - one client connection; shared by the files of the HTTP server only.
 *
 *      READING --head, body complete--> ANSWERING --answer written--> READING (keep-alive)
 *         |                                |   \--no keep-alive--> LINGERING
 *         |--malformed, too slow--> LINGERING: the error was queued, our side is shut, what still
 *         |                                |   comes is thrown away, for a while
 *         \------------- EOF, error -------+--> CLOSING --uv close callback--> freed
 *
 *      http_server.c      listener, deadlines, the end of a turn
 *      http_connection.c  from bytes to a request; states
 *      http_head.c        what a head may look like, beyond what the parser asks
 *      http_response.c    from an answer to bytes
 *
 * Deadlines: each kind lasts equally long for all, so a queue per kind in order of entry is in
 * order of expiry, and one timer looks at the heads of the queues.
 */
#ifndef SGL_LIVE_HTTP_CONNECTION_H
#define SGL_LIVE_HTTP_CONNECTION_H

#include "buffer_pool.h"
#include "http_head.h"
#include "http_server.h"

#include <llhttp.h>

enum sgl_http_deadline {
    SGL_HTTP_IDLE,   /* between requests */
    SGL_HTTP_HEAD,   /* of a request */
    SGL_HTTP_BODY,   /* a window in which some of it must come */
    SGL_HTTP_STALL,  /* a window in which some of an answer must be taken */
    SGL_HTTP_LINGER, /* after our side was shut */
    SGL_HTTP_DEADLINE_COUNT
};

enum sgl_http_state {
    SGL_HTTP_READING,
    SGL_HTTP_ANSWERING,
    SGL_HTTP_LINGERING,
    SGL_HTTP_CLOSING,
};

struct sgl_http_link {
    struct sgl_http_link *next;
    struct sgl_http_link *previous;
};

/* Where a field lies in `head`. */
struct sgl_http_span {
    size_t name;
    size_t name_size;
    size_t value;
    size_t value_size;
};

struct sgl_http_connection {
    struct sgl_http_exchange exchange; /* first: the handler's pointer is ours */
    uv_tcp_t tcp;
    struct sgl_http_server *server;
    enum sgl_http_state state;

    struct sgl_http_link link;  /* in the server's connections */
    struct sgl_http_link timed; /* in the queue of `deadline`, when is_timed */
    struct sgl_http_link dirty; /* in the server's dirty ones, when is_dirty */
    enum sgl_http_deadline deadline;
    bool is_timed;
    bool is_dirty;
    uint64_t expires_ms;
    size_t progress; /* bytes seen when the window began */

    llhttp_t parser;
    struct sgl_buffer head; /* target, names and values, each ended by NUL */
    struct sgl_http_span *spans;
    size_t span_capacity;
    struct sgl_http_field *fields;
    size_t field_count;
    size_t host_count;
    size_t coding_count; /* fields Transfer-Encoding */
    struct sgl_http_lines lines;
    size_t target_size;
    ptrdiff_t path;     /* where it begins in the target */
    bool is_at_trailer; /* the parser waits before the lines behind the last chunk */
    struct sgl_buffer body;
    struct sgl_buffer leftover; /* came while an exchange was answered */
    bool is_read_paused;
    bool is_in_trailer;
    bool wants_continue;
    bool has_ended_input; /* EOF came, and half_close_answers */
    int refusal;          /* status that a parser callback decided on; 0: none */

    struct sgl_buffer pending;
    struct sgl_buffer flying; /* handed to libuv */
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool is_writing;
    bool is_full;     /* a send said so */
    bool keeps_alive; /* after this answer */
    bool has_started; /* the head of the answer was queued */
    bool has_ended;   /* all of the answer was queued, or it was aborted */
    bool is_chunked;
    bool has_no_body; /* of an answer to HEAD, 204, 304 */
    int64_t length_left;
};

struct sgl_http_server {
    uv_loop_t *loop;
    struct sgl_http_options options;
    uv_tcp_t listener;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_idle_t idle;   /* active while the loop must not sleep */
    int handle_count; /* not yet closed */
    bool has_listener;
    bool has_waiting; /* a connection that there was no memory for */
    bool is_stopping;
    int stop_turns; /* until those who had come before the stop have been heard */
    bool is_closing;
    size_t connection_count;
    struct sgl_http_link connections;
    struct sgl_http_link dirty;
    struct sgl_http_link timed[SGL_HTTP_DEADLINE_COUNT];
    llhttp_settings_t settings;
    char date[40]; /* the text of the second `date_s` */
    int64_t date_s;
    struct sgl_buffer_pool pool; /* of the connections' buffers */
    char input[65536];           /* what a read brings; used up at once */
};

#define SGL_HTTP_OF(link, member)                                                                  \
    ((struct sgl_http_connection *)(void *)((char *)(link)-offsetof(struct sgl_http_connection,    \
                                                                    member)))

void sgl_http_link_init(struct sgl_http_link *head);
void sgl_http_link_add(struct sgl_http_link *head, struct sgl_http_link *link);
void sgl_http_link_remove(struct sgl_http_link *link);

/* Starts, renews or (sgl_http_untime) ends the one deadline of a connection. */
void sgl_http_time(struct sgl_http_connection *connection, enum sgl_http_deadline deadline);
void sgl_http_untime(struct sgl_http_connection *connection);

/* Frees the server when it was closed and nothing of it is left. */
void sgl_http_server_release(struct sgl_http_server *server);

/* http_connection.c */
void sgl_http_settings_init(llhttp_settings_t *settings);
int sgl_http_accept(struct sgl_http_server *server);
/* Queues an error answer, then lingers. Only while no answer was started. */
void sgl_http_refuse(struct sgl_http_connection *connection, int status, const char *message);
/* Tells gone when an answer was due, and closes. */
void sgl_http_drop(struct sgl_http_connection *connection);
/* The answer was written in full: on to the next request, or to the end. */
void sgl_http_proceed(struct sgl_http_connection *connection);

/* http_response.c */
void sgl_http_mark_dirty(struct sgl_http_connection *connection);
/* Writes what can be written, and goes on from there. May close the connection. */
void sgl_http_flush(struct sgl_http_connection *connection);
/* Bytes queued and not yet taken by the kernel. */
size_t sgl_http_unsent(const struct sgl_http_connection *connection);

#endif
