#include "http_connection.h"

#include "traces/partial.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define TIMER_MS 250  /* how late a deadline may be noticed */
#define ROUNDS_MAX 16 /* of answering and proceeding in one turn of the loop */
/* Of the loop, from a stop on: one in which what waits is accepted, one in which it is read. */
#define STOP_TURNS 3

struct sgl_http_limits sgl_http_limits_standard(void)
{
    return (struct sgl_http_limits){
        .head_max = 32 * 1024,
        .target_max = 16 * 1024,
        .field_max = 128,
        .body_max = 10 * 1024 * 1024,
        .leftover_max = 64 * 1024,
        .high_mark = 256 * 1024,
        .low_mark = 64 * 1024,
        .kept_max = 4 * 1024 * 1024,
        .connection_max = SIZE_MAX,
        .head_ms = 10000,
        .body_window_ms = 10000,
        .body_window_size = 10240,
        .idle_ms = 120000,
        .stall_ms = 60000,
        .linger_ms = 2000,
    };
}

/* ---- lists and deadlines ---- */

void sgl_http_link_init(struct sgl_http_link *head)
{
    head->next = head;
    head->previous = head;
}

void sgl_http_link_add(struct sgl_http_link *head, struct sgl_http_link *link)
{
    link->next = head;
    link->previous = head->previous;
    head->previous->next = link;
    head->previous = link;
}

void sgl_http_link_remove(struct sgl_http_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static uint64_t lasting_ms(const struct sgl_http_limits *limits, enum sgl_http_deadline deadline)
{
    switch (deadline) {
    case SGL_HTTP_IDLE:
        return limits->idle_ms;
    case SGL_HTTP_HEAD:
        return limits->head_ms;
    case SGL_HTTP_BODY:
        return limits->body_window_ms;
    case SGL_HTTP_STALL:
        return limits->stall_ms;
    case SGL_HTTP_LINGER:
    case SGL_HTTP_DEADLINE_COUNT:
        break;
    }
    return limits->linger_ms;
}

static size_t progress_of(const struct sgl_http_connection *connection)
{
    return connection->deadline == SGL_HTTP_STALL ? connection->tcp.write_queue_size
                                                  : connection->body.size;
}

void sgl_http_untime(struct sgl_http_connection *connection)
{
    if (!connection->is_timed)
        return;
    connection->is_timed = false;
    sgl_http_link_remove(&connection->timed);
}

void sgl_http_time(struct sgl_http_connection *connection, enum sgl_http_deadline deadline)
{
    struct sgl_http_server *server = connection->server;

    sgl_http_untime(connection);
    connection->deadline = deadline;
    connection->expires_ms = uv_now(server->loop) + lasting_ms(&server->options.limits, deadline);
    connection->progress = progress_of(connection);
    connection->is_timed = true;
    sgl_http_link_add(&server->timed[deadline], &connection->timed);
}

static void expire(struct sgl_http_connection *connection)
{
    const struct sgl_http_limits *limits = &connection->server->options.limits;
    const size_t progress = progress_of(connection);

    switch (connection->deadline) {
    case SGL_HTTP_HEAD:
        sgl_http_refuse(connection, 408, "the head of the request took too long");
        return;
    case SGL_HTTP_BODY:
        if (progress - connection->progress >= limits->body_window_size)
            sgl_http_time(connection, SGL_HTTP_BODY);
        else
            sgl_http_refuse(connection, 408, "the body of the request took too long");
        return;
    case SGL_HTTP_STALL:
        if (progress < connection->progress)
            sgl_http_time(connection, SGL_HTTP_STALL);
        else
            sgl_http_drop(connection);
        return;
    case SGL_HTTP_IDLE:
    case SGL_HTTP_LINGER:
    case SGL_HTTP_DEADLINE_COUNT:
        sgl_http_drop(connection);
        return;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct sgl_http_server *server = timer->data;
    const uint64_t now_ms = uv_now(server->loop);

    if (server->has_waiting)
        server->has_waiting = sgl_http_accept(server) == UV_ENOMEM;
    for (int i = 0; i < SGL_HTTP_DEADLINE_COUNT; i++) {
        struct sgl_http_link *queue = &server->timed[i];
        while (queue->next != queue) {
            struct sgl_http_connection *connection = SGL_HTTP_OF(queue->next, timed);
            if (connection->expires_ms > now_ms)
                break;
            expire(connection);
        }
    }
}

/* ---- the end ---- */

void sgl_http_server_release(struct sgl_http_server *server)
{
    if (server->handle_count != 0 || server->connection_count != 0)
        return;
    sgl_buffer_pool_release(&server->pool);
    free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sgl_http_server *server = handle->data;

    server->handle_count--;
    sgl_http_server_release(server);
}

/* ---- the end of a turn ---- */

static void stay_awake(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the loop from sleeping */
}

static void stop_listening(struct sgl_http_server *server)
{
    if (!server->has_listener)
        return;
    server->has_listener = false;
    server->has_waiting = false;
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
}

/* Those at rest between two requests. */
static void drop_idle(struct sgl_http_server *server)
{
    struct sgl_http_link *idle = &server->timed[SGL_HTTP_IDLE];

    while (idle->next != idle)
        sgl_http_drop(SGL_HTTP_OF(idle->next, timed));
}

/* A stop takes its time: see STOP_TURNS. True: it needs another turn. */
static bool go_on_stopping(struct sgl_http_server *server)
{
    if (server->stop_turns == 0)
        return false;
    server->stop_turns--;
    if (server->stop_turns == 1)
        stop_listening(server);
    else if (server->stop_turns == 0)
        drop_idle(server);
    return server->stop_turns > 0;
}

/* Answers are written together; what is pipelined behind them makes new ones, so it goes round
 * until nothing is left, or for so long that others get their turn. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct sgl_http_server *server = prepare->data;
    const struct sgl_http_options *options = &server->options;
    bool has_more = true;

    for (int round = 0; round < ROUNDS_MAX && has_more; round++) {
        struct sgl_http_link batch;
        has_more = options->handler->turn != NULL && options->handler->turn(options->context);
        sgl_http_link_init(&batch);
        if (server->dirty.next != &server->dirty) {
            batch = server->dirty;
            batch.next->previous = &batch;
            batch.previous->next = &batch;
            sgl_http_link_init(&server->dirty);
        }
        while (batch.next != &batch) {
            struct sgl_http_connection *connection = SGL_HTTP_OF(batch.next, dirty);
            sgl_http_link_remove(&connection->dirty);
            connection->is_dirty = false;
            sgl_http_flush(connection);
        }
        has_more = has_more || server->dirty.next != &server->dirty;
    }
    if (go_on_stopping(server))
        has_more = true;
    if (has_more)
        uv_idle_start(&server->idle, stay_awake);
    else
        uv_idle_stop(&server->idle);
}

/* ---- life ---- */

int sgl_http_server_create(struct sgl_http_server **server_out, uv_loop_t *loop,
                           const struct sgl_http_options *options, struct sgl_failure *failure)
{
    struct sgl_http_server *server = calloc(1, sizeof *server);

    *server_out = NULL;
    if (server == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "HTTP server: out of memory");
    server->loop = loop;
    server->options = *options;
    server->pool.bytes_max = options->limits.kept_max;
    sgl_http_link_init(&server->connections);
    sgl_http_link_init(&server->dirty);
    for (int i = 0; i < SGL_HTTP_DEADLINE_COUNT; i++)
        sgl_http_link_init(&server->timed[i]);
    sgl_http_settings_init(&server->settings);
    server->timer.data = server;
    server->prepare.data = server;
    server->idle.data = server;
    server->listener.data = server;
    /* None of these can fail: they only write down what to do. */
    uv_timer_init(loop, &server->timer);
    uv_timer_start(&server->timer, on_timer, TIMER_MS, TIMER_MS);
    uv_prepare_init(loop, &server->prepare);
    uv_prepare_start(&server->prepare, on_prepare);
    uv_idle_init(loop, &server->idle);
    server->handle_count = 3;
    *server_out = server;
    return SGL_OK;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct sgl_http_server *server = listener->data;

    /* Out of descriptors: libuv closed what waited, with a descriptor it keeps for that. Out of
     * memory: libuv holds the connection, and the listener, until it is accepted. */
    if (status == 0)
        server->has_waiting = sgl_http_accept(server) == UV_ENOMEM;
}

/* A bound socket, or -1 with errno set. */
static int bound_socket(const struct addrinfo *address, bool shares_port)
{
    const int on = 1;
    const int fd = socket(address->ai_family, SOCK_STREAM, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!shares_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char port[8] = "0";

    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    return (uint16_t)strtoul(port, NULL, 10);
}

int sgl_http_server_listen(struct sgl_http_server *server, const char *host, uint16_t port,
                           uint16_t *port_out, struct sgl_failure *failure)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses;
    char service[8];
    char text[SGL_ERROR_TEXT_SIZE];
    int fd = -1;

    snprintf(service, sizeof service, "%u", port);
    const int status = getaddrinfo(host, service, &hints, &addresses);
    if (status != 0)
        return sgl_fail(failure, SGL_EIO, "cannot listen on %.200s: %s", host,
                        gai_strerror(status));
    for (const struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next)
        fd = bound_socket(a, server->options.shares_port);
    const int bound_errno = errno;
    freeaddrinfo(addresses);
    if (fd < 0)
        return sgl_fail(failure, SGL_EIO, "cannot listen on %.200s:%u: %s", host, port,
                        sgl_error_text(bound_errno, text));
    *port_out = port_of(fd);
    uv_tcp_init(server->loop, &server->listener);
    server->has_listener = true;
    server->handle_count++;
    int error = uv_tcp_open(&server->listener, fd);
    if (error != 0)
        close(fd);
    else
        error = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    return error == 0 ? SGL_OK
                      : sgl_fail(failure, SGL_EIO, "cannot listen on %.200s:%u: %s", host, port,
                                 uv_strerror(error));
}

size_t sgl_http_server_connection_count(const struct sgl_http_server *server)
{
    return server->connection_count;
}

void sgl_http_server_stop(struct sgl_http_server *server)
{
    if (server->is_stopping)
        return;
    server->is_stopping = true;
    server->stop_turns = STOP_TURNS;
    uv_idle_start(&server->idle, stay_awake);
}

bool sgl_http_server_is_done(const struct sgl_http_server *server)
{
    return server->is_stopping && server->stop_turns == 0 && server->connection_count == 0;
}

void sgl_http_server_close(struct sgl_http_server *server)
{
    if (server == NULL || server->is_closing)
        return;
    server->is_closing = true;
    server->is_stopping = true;
    stop_listening(server);
    for (struct sgl_http_link *link = server->connections.next; link != &server->connections;) {
        struct sgl_http_connection *connection = SGL_HTTP_OF(link, link);
        link = link->next;
        sgl_http_drop(connection);
    }
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
}
