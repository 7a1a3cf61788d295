/* The HTTP server on a loop in a thread of its own, spoken to over real sockets. */
#include "live/http_server.h"
#include "support.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct host {
    uv_loop_t loop;
    uv_async_t wake;
    pthread_t thread;
    struct sgl_http_server *server;
    uint16_t port;
    int gone_count;
    struct sgl_http_exchange *streamed;
    size_t streamed_size;
    bool was_full;
};

#define STREAM_SIZE ((size_t)8 * 1024 * 1024)

/* Sends until told to wait, and ends after STREAM_SIZE bytes. */
static void stream_on(struct host *host)
{
    static char block[65536];

    memset(block, 's', sizeof block);
    while (host->streamed_size < STREAM_SIZE) {
        host->streamed_size += sizeof block;
        if (!sgl_http_send(host->streamed, block, sizeof block)) {
            host->was_full = true;
            return;
        }
    }
    sgl_http_end(host->streamed);
    host->streamed = NULL;
}

/* Says what it was asked: method, target, fields and body. */
static void echo(struct sgl_http_exchange *exchange)
{
    static char text[65536];
    size_t used = (size_t)snprintf(text, sizeof text, "%s %s", exchange->method, exchange->target);

    for (size_t i = 0; i < exchange->field_count; i++)
        if (exchange->fields[i].name[0] == 'X')
            used += (size_t)snprintf(text + used, sizeof text - used, " %s=[%s]",
                                     exchange->fields[i].name, exchange->fields[i].value);
    used += (size_t)snprintf(text + used, sizeof text - used, " %zu:", exchange->body_size);
    const size_t kept = exchange->body_size < 1000 ? exchange->body_size : 1000;
    memcpy(text + used, exchange->body, kept);
    sgl_http_respond(exchange, 200, NULL, 0, text, used + kept);
}

static void on_request(void *context, struct sgl_http_exchange *exchange)
{
    struct host *host = context;

    if (strcmp(exchange->target, "/stream") == 0) {
        host->streamed = exchange;
        host->streamed_size = 0;
        sgl_http_start(exchange, 200, NULL, NULL, 0, SGL_HTTP_CHUNKED);
        stream_on(host);
    } else if (strcmp(exchange->target, "/never") == 0) {
        return;
    } else if (strcmp(exchange->target, "/broken") == 0) {
        sgl_http_start(exchange, 200, NULL, NULL, 0, SGL_HTTP_CHUNKED);
        sgl_http_send(exchange, "abc", 3);
        sgl_http_abort(exchange);
    } else if (strcmp(exchange->target, "/chunks") == 0) {
        sgl_http_start(exchange, 200, "Fine", NULL, 0, SGL_HTTP_CHUNKED);
        sgl_http_send(exchange, "abc", 3);
        sgl_http_send(exchange, "", 0);
        sgl_http_send(exchange, "0123456789abcdef", 16);
        sgl_http_end(exchange);
    } else {
        echo(exchange);
    }
}

static void on_gone(void *context, struct sgl_http_exchange *exchange)
{
    struct host *host = context;

    __atomic_add_fetch(&host->gone_count, 1, __ATOMIC_SEQ_CST);
    if (host->streamed == exchange)
        host->streamed = NULL;
}

static void on_drained(void *context, struct sgl_http_exchange *exchange)
{
    (void)exchange;
    stream_on(context);
}

static const struct sgl_http_handler handler = {
    .request = on_request, .gone = on_gone, .drained = on_drained};

static void on_wake(uv_async_t *wake)
{
    struct host *host = wake->data;

    sgl_http_server_close(host->server);
    uv_close((uv_handle_t *)wake, NULL);
}

static void *run(void *context)
{
    struct host *host = context;

    uv_run(&host->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void host_start(struct host *host, const struct sgl_http_limits *limits)
{
    struct sgl_http_options options = {
        .limits = sgl_http_limits_standard(), .handler = &handler, .context = host};

    *host = (struct host){0};
    if (limits != NULL)
        options.limits = *limits;
    CU_ASSERT_EQUAL_FATAL(uv_loop_init(&host->loop), 0);
    CU_ASSERT_EQUAL_FATAL(sgl_http_server_create(&host->server, &host->loop, &options, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(sgl_http_server_listen(host->server, "127.0.0.1", 0, &host->port, NULL),
                          0);
    uv_async_init(&host->loop, &host->wake, on_wake);
    host->wake.data = host;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&host->thread, NULL, run, host), 0);
}

static void host_stop(struct host *host)
{
    uv_async_send(&host->wake);
    pthread_join(host->thread, NULL);
    CU_ASSERT_EQUAL(uv_loop_close(&host->loop), 0);
}

static void pause_us(long microseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

static int dial(const struct host *host)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(host->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 20};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server has heard enough */
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Reads until the server closes; caller frees. */
static char *hear(int fd)
{
    size_t size = 0;
    size_t capacity = 1 << 16;
    char *text = malloc(capacity + 1);
    ssize_t got;

    while (text != NULL && (got = recv(fd, text + size, capacity - size, 0)) > 0) {
        size += (size_t)got;
        if (size == capacity) {
            capacity *= 2;
            char *grown = realloc(text, capacity + 1);
            CU_ASSERT_PTR_NOT_NULL_FATAL(grown);
            text = grown;
        }
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    assert(text != NULL);
    text[size] = '\0';
    close(fd);
    return text;
}

/* One connection: says all, in pieces of `piece` bytes, hears all, and compares. */
static void exchange(const struct host *host, const char *said, size_t piece, const char *expected)
{
    const int fd = dial(host);
    const size_t size = strlen(said);

    for (size_t at = 0; at < size; at += piece) {
        say(fd, said + at, size - at < piece ? size - at : piece);
        if (piece < size)
            pause_us(200);
    }
    char *heard = hear(fd);
    const bool is_as_expected = strncmp(heard, expected, strlen(expected)) == 0;
    if (!is_as_expected)
        printf("\n  said [%.200s]\n  heard [%.300s]\n  expected [%s]\n", said, heard, expected);
    CU_ASSERT_TRUE(is_as_expected);
    free(heard);
}

#define END "Connection: close\r\n\r\n"
#define HOST "Host: a\r\n"

static void answers(void)
{
    static const struct {
        const char *said;
        const char *heard;
    } cases[] = {
        {"POST /p?q=1 HTTP/1.1\r\n" HOST "X-A: 1\r\nX-a:  two \r\nX-Empty:\r\n"
         "Content-Length: 3\r\n" END "abc",
         "HTTP/1.1 200 OK\r\nContent-Length: 46\r\nConnection: close\r\n\r\n"
         "POST /p?q=1 X-A=[1] X-a=[two] X-Empty=[] 3:abc"},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END
         "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\nPOST / 5:abcde"},
        {"GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nz"
         "\r\nGET /3 HTTP/1.1\r\n" HOST END,
         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nGET /1 0:"
         "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nPOST /2 1:z"
         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nGET /3 0:"},
        {"GET /old HTTP/1.0\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nGET /old 0:"},
        {"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /x HTTP/1.0\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\nGET /old 0:"
         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nGET /x 0:"},
        {"HEAD /h HTTP/1.1\r\n" HOST END,
         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"},
        {"GET /chunks HTTP/1.1\r\n" HOST END,
         "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
         "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"},
        {"GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "HTTP/1.1 200 Fine\r\nConnection: close\r\n\r\nabc0123456789abcdef"},
        {"POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n" END "ab",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n"},
        {"GET /up HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nGET /up 0:"},
        {"GET /broken HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
    };
    struct host host;

    host_start(&host, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        exchange(&host, cases[i].said, SIZE_MAX, cases[i].heard);
        exchange(&host, cases[i].said, 1, cases[i].heard);
    }
    CU_ASSERT_EQUAL(host.gone_count, 0);
    host_stop(&host);
}

static void refusals(void)
{
    static const struct {
        const char *said;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "X-A: 1\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Bad Name: 1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: nameless\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST ": nameless\r\n\r\n", 400},
        {"\x16\x03\x01 hello", 400},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"FETCH / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 405},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 10485761\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 10485761\r\n\r\n",
         413},
        {"GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", 417},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"GET / HTTP/1.1\r\n" HOST "X-A:\r\n\tfolded\r\n\r\n", 400},
        {"\r\nGET / HTTP/1.1\r\n X: 1\r\n" HOST "\r\n", 400},
    };
    struct host host;
    char expected[64];

    host_start(&host, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(expected, sizeof expected, "HTTP/1.1 %d ", cases[i].status);
        exchange(&host, cases[i].said, SIZE_MAX, expected);
    }
    /* A NUL within a field. */
    const int fd = dial(&host);
    say(fd, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29);
    char *heard = hear(fd);
    CU_ASSERT_EQUAL(strncmp(heard, "HTTP/1.1 400 ", 13), 0);
    free(heard);
    host_stop(&host);
}

/* `count` times `unit` between `before` and `after`, and the status that comes of it. */
static void repeated(const struct host *host, const char *before, const char *unit, size_t count,
                     const char *after, const char *expected)
{
    const size_t size = strlen(before) + strlen(unit) * count + strlen(after);
    char *said = malloc(size + 1);
    size_t used;

    CU_ASSERT_PTR_NOT_NULL_FATAL(said);
    used = (size_t)snprintf(said, size + 1, "%s", before);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(said + used, size + 1 - used, "%s", unit);
    snprintf(said + used, size + 1 - used, "%s", after);
    exchange(host, said, SIZE_MAX, expected);
    free(said);
}

static void limits(void)
{
    struct host host;
    struct sgl_http_limits limits = sgl_http_limits_standard();

    limits.body_max = 1000000;
    host_start(&host, &limits);
    repeated(&host, "GET /", "a", 65536, " HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 414 ");
    repeated(&host, "GET /", "a", limits.target_max, " HTTP/1.1\r\n" HOST END, "HTTP/1.1 414 ");
    repeated(&host, "GET /", "a", limits.target_max - 1, " HTTP/1.1\r\n" HOST END, "HTTP/1.1 200 ");
    repeated(&host, "GET / HTTP/1.1\r\n" HOST, "X-Many: 1\r\n", 200, "\r\n", "HTTP/1.1 431 ");
    repeated(&host, "GET / HTTP/1.1\r\n" HOST "X-Long: ", "a", 1000000, "\r\n\r\n",
             "HTTP/1.1 431 ");
    repeated(&host, "GET / HTTP/1.1\r\n" HOST, "a", 1000000, ": 1\r\n\r\n", "HTTP/1.1 431 ");
    repeated(&host, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
             "5\r\nabcde\r\n", 400000, "0\r\n\r\n", "HTTP/1.1 413 ");
    repeated(&host, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END,
             "5\r\nabcde\r\n", 200000, "0\r\n\r\n", "HTTP/1.1 200 ");
    repeated(&host, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END,
             "5\r\nabcde\r\n", 200000, "1\r\na\r\n0\r\n\r\n", "HTTP/1.1 413 ");
    repeated(&host, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n" END, "a", 1000000, "",
             "HTTP/1.1 200 ");
    repeated(&host, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000001\r\n" END, "a", 1000000, "",
             "HTTP/1.1 413 ");
    repeated(&host, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "0\r\n",
             "X-Trailer: 1\r\n", 100, "\r\n", "HTTP/1.1 200 ");
    /* Pipelining: more is read ahead than is kept at once. */
    repeated(&host, "",
             "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" HOST "\r\n", 5000,
             "GET / HTTP/1.1\r\n" HOST END, "HTTP/1.1 200 OK\r\n");
    host_stop(&host);
}

static void deadlines(void)
{
    struct host host;
    struct sgl_http_limits limits = sgl_http_limits_standard();

    limits.head_ms = 300;
    limits.body_window_ms = 300;
    limits.idle_ms = 300;
    host_start(&host, &limits);
    exchange(&host, "GET / HT", SIZE_MAX, "HTTP/1.1 408 ");
    exchange(&host, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc", SIZE_MAX,
             "HTTP/1.1 408 ");
    exchange(&host, "", SIZE_MAX, "");
    host_stop(&host);
}

static void waits_for(const int *count, int wanted)
{
    for (int i = 0; i < 2000 && __atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted; i++)
        pause_us(1000);
    CU_ASSERT_EQUAL(__atomic_load_n(count, __ATOMIC_SEQ_CST), wanted);
}

static void leaving(void)
{
    struct host host;

    host_start(&host, NULL);
    int fd = dial(&host);
    say(fd, "GET /never HTTP/1.1\r\n" HOST "\r\n", 32);
    pause_us(20000);
    waits_for(&host.gone_count, 0);
    close(fd);
    waits_for(&host.gone_count, 1);
    fd = dial(&host);
    say(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n", 33);
    pause_us(20000);
    close(fd);
    waits_for(&host.gone_count, 2);
    host_stop(&host);
}

static void back_pressure(void)
{
    struct host host;

    host_start(&host, NULL);
    const int fd = dial(&host);
    const char *said = "GET /stream HTTP/1.1\r\n" HOST END;
    say(fd, said, strlen(said));
    pause_us(100000); /* the kernel's buffers fill up */
    char *heard = hear(fd);
    size_t size = 0;
    for (const char *c = heard; *c != '\0'; c++)
        size += *c == 's';
    CU_ASSERT_TRUE(size >= STREAM_SIZE && size <= STREAM_SIZE + 8); /* of the head's words */
    CU_ASSERT_TRUE(host.was_full);
    free(heard);
    host_stop(&host);
}

SGL_SUITE(http_server) = {
    {"requests come through whole, in order, however they are cut", answers},
    {"what is malformed is refused, and nothing of it gets through", refusals},
    {"what is too long is refused before it is held", limits},
    {"what is too slow is refused by a total deadline", deadlines},
    {"a client that leaves is noticed, waiting or streaming", leaving},
    {"a slow reader stops the stream, and gets all of it", back_pressure},
    CU_TEST_INFO_NULL,
};
