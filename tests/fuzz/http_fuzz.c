/*
 * The HTTP server, on a real loop and real sockets: the input is what a client sends, its first
 * byte where that is cut in two. Whatever comes, a request that gets through is well-formed, and
 * the connection ends.
 */
#include "fuzz.h"
#include "live/http_server.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX 4096
#define TURNS_MAX 1000

static uv_loop_t loop;
static struct sgl_http_server *server;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void on_request(void *context, struct sgl_http_exchange *exchange)
{
    size_t hosts = 0;

    (void)context;
    assert(strlen(exchange->target) == exchange->target_size && exchange->target_size > 0);
    assert(exchange->body_size <= BODY_MAX && exchange->body != NULL);
    for (size_t i = 0; i < exchange->field_count; i++) {
        const struct sgl_http_field *field = &exchange->fields[i];
        assert(strlen(field->name) == field->name_size && field->name_size > 0);
        assert(strlen(field->value) == field->value_size);
        assert(strpbrk(field->name, " \t\r\n:") == NULL && strpbrk(field->value, "\r\n") == NULL);
        hosts += strcasecmp(field->name, "host") == 0;
    }
    assert(hosts == 1 || (hosts == 0 && exchange->version_minor == 0));
    sgl_http_start(exchange, 200, NULL, NULL, 0, SGL_HTTP_CHUNKED);
    sgl_http_send(exchange, exchange->body, exchange->body_size);
    sgl_http_end(exchange);
}

static void on_gone(void *context, struct sgl_http_exchange *exchange)
{
    (void)context;
    (void)exchange;
    abort(); /* every request is answered at once */
}

static void start(void)
{
    static const struct sgl_http_handler handler = {.request = on_request, .gone = on_gone};
    struct sgl_http_options options = {.limits = sgl_http_limits_standard(), .handler = &handler};
    uint16_t port;

    options.limits.body_max = BODY_MAX;
    options.limits.kept_max = 1024;
    int status = uv_loop_init(&loop);
    assert(status == 0);
    status = sgl_http_server_create(&server, &loop, &options, NULL);
    assert(status == 0);
    status = sgl_http_server_listen(server, "127.0.0.1", 0, &port, NULL);
    assert(status == 0);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void say(int fd, const uint8_t *bytes, size_t size)
{
    if (size > 0)
        (void)!send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char heard[65536];

    if (size < 1)
        return 0;
    if (server == NULL)
        start();
    const size_t cut = size > 1 ? bytes[0] % size : 0;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int connected = connect(fd, (const struct sockaddr *)&address, sizeof address);
    assert(fd >= 0 && connected == 0);
    say(fd, NULL, 0);
    say(fd, bytes + 1, cut);
    say(fd, bytes + 1 + cut, size - 1 - cut);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < TURNS_MAX && sgl_http_server_connection_count(server) > 0; i++) {
        while (recv(fd, heard, sizeof heard, MSG_DONTWAIT) > 0)
            ;
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert(sgl_http_server_connection_count(server) == 0);
    close(fd);
    return 0;
}
