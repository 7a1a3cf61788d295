#include "http_connection.h"

#include "traces/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HEAD_USUAL ((size_t)450)             /* bytes, of the head of an answer */
#define SHORT_MAX ((size_t)64 * 1024)        /* an answer that long comes whole, behind its head */
#define CHUNK_FRAME (2 * sizeof(size_t) + 4) /* bytes around a chunk's data */

static struct sgl_http_connection *of(struct sgl_http_exchange *exchange)
{
    return (struct sgl_http_connection *)(void *)exchange;
}

const char *sgl_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

struct sgl_http_field sgl_http_field(const char *name, const char *value)
{
    return (struct sgl_http_field){
        .name = name, .value = value, .name_size = strlen(name), .value_size = strlen(value)};
}

const struct sgl_http_field *sgl_http_find(const struct sgl_http_exchange *exchange,
                                           const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; i < exchange->field_count; i++)
        if (exchange->fields[i].name_size == size &&
            strcasecmp(exchange->fields[i].name, name) == 0)
            return &exchange->fields[i];
    return NULL;
}

/* ---- queueing ---- */

void sgl_http_mark_dirty(struct sgl_http_connection *connection)
{
    if (connection->is_dirty || connection->state == SGL_HTTP_CLOSING)
        return;
    connection->is_dirty = true;
    sgl_http_link_add(&connection->server->dirty, &connection->dirty);
}

size_t sgl_http_unsent(const struct sgl_http_connection *connection)
{
    return sgl_buffer_left(&connection->pending) +
           (connection->is_writing ? connection->tcp.write_queue_size : 0);
}

/* IMF-fixdate of RFC 9110, 5.6.7; words of no locale. Made once a second. */
static const char *date_text(struct sgl_http_server *server)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct timespec now;
    struct tm at;

    clock_gettime(CLOCK_REALTIME, &now);
    if (server->date[0] != '\0' && server->date_s == now.tv_sec)
        return server->date;
    if (gmtime_r(&now.tv_sec, &at) == NULL)
        return server->date;
    server->date_s = now.tv_sec;
    snprintf(server->date, sizeof server->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days + 3 * at.tm_wday, (unsigned)at.tm_mday % 100, months + 3 * at.tm_mon,
             ((unsigned)at.tm_year + 1900) % 10000, (unsigned)at.tm_hour % 100,
             (unsigned)at.tm_min % 100, (unsigned)at.tm_sec % 100);
    return server->date;
}

static bool has_date(const struct sgl_http_field *fields, size_t field_count)
{
    for (size_t i = 0; i < field_count; i++)
        if (fields[i].name_size == 4 && strcasecmp(fields[i].name, "date") == 0)
            return true;
    return false;
}

void sgl_http_start(struct sgl_http_exchange *exchange, int status, const char *reason,
                    const struct sgl_http_field *fields, size_t field_count, int64_t length)
{
    struct sgl_http_connection *connection = of(exchange);
    struct sgl_buffer *out = &connection->pending;

    assert(connection->state == SGL_HTTP_ANSWERING && !connection->has_started);
    connection->has_started = true;
    if (connection->server->is_stopping || connection->has_ended_input)
        connection->keeps_alive = false;
    const bool states_length = status >= 200 && status != 204 && status != 304;
    connection->has_no_body = !states_length || strcmp(exchange->method, "HEAD") == 0;
    connection->is_chunked =
        length == SGL_HTTP_CHUNKED && exchange->version_minor == 1 && states_length;
    if (length == SGL_HTTP_CHUNKED && exchange->version_minor == 0)
        connection->keeps_alive = false; /* the end of the body is the end of the connection */
    connection->length_left = length;

    const bool is_short = length > 0 && length <= (int64_t)SHORT_MAX;
    sgl_buffer_pool_reserve(&connection->server->pool, out,
                            HEAD_USUAL + (is_short ? (size_t)length : 0));
    sgl_buffer_format(out, "HTTP/1.1 %d ", status);
    sgl_buffer_append_text(out, reason != NULL ? reason : sgl_http_reason(status));
    sgl_buffer_append(out, "\r\n", 2);
    for (size_t i = 0; i < field_count; i++) {
        sgl_buffer_append(out, fields[i].name, fields[i].name_size);
        sgl_buffer_append(out, ": ", 2);
        sgl_buffer_append(out, fields[i].value, fields[i].value_size);
        sgl_buffer_append(out, "\r\n", 2);
    }
    if (connection->server->options.states_date && !has_date(fields, field_count)) {
        sgl_buffer_append_text(out, "Date: ");
        sgl_buffer_append_text(out, date_text(connection->server));
        sgl_buffer_append(out, "\r\n", 2);
    }
    if (connection->is_chunked)
        sgl_buffer_append_text(out, "Transfer-Encoding: chunked\r\n");
    else if (states_length && length >= 0)
        sgl_buffer_format(out, "Content-Length: %lld\r\n", (long long)length);
    if (!connection->keeps_alive)
        sgl_buffer_append_text(out, "Connection: close\r\n");
    else if (exchange->version_minor == 0)
        sgl_buffer_append_text(out, "Connection: keep-alive\r\n");
    sgl_buffer_append(out, "\r\n", 2);
    sgl_http_mark_dirty(connection);
}

/* The head of a chunk: its size in hexadecimal. By hand, for streams come in small pieces. */
static void append_chunk_head(struct sgl_buffer *out, size_t size)
{
    char text[2 * sizeof size + 2];
    size_t at = sizeof text - 2;

    memcpy(text + at, "\r\n", 2);
    for (; size > 0; size >>= 4)
        text[--at] = "0123456789abcdef"[size & 15];
    sgl_buffer_append(out, text + at, sizeof text - at);
}

bool sgl_http_send(struct sgl_http_exchange *exchange, const char *bytes, size_t size)
{
    struct sgl_http_connection *connection = of(exchange);
    struct sgl_buffer *out = &connection->pending;

    assert(connection->has_started && !connection->has_ended);
    if (size > 0 && !connection->has_no_body) {
        sgl_buffer_pool_reserve(&connection->server->pool, out, size + CHUNK_FRAME);
        if (connection->length_left != SGL_HTTP_CHUNKED) {
            assert((uint64_t)connection->length_left >= size);
            connection->length_left -= (int64_t)size;
        }
        if (connection->is_chunked)
            append_chunk_head(out, size);
        sgl_buffer_append(out, bytes, size);
        if (connection->is_chunked)
            sgl_buffer_append(out, "\r\n", 2);
        sgl_http_mark_dirty(connection);
    }
    connection->is_full =
        sgl_http_unsent(connection) > connection->server->options.limits.high_mark;
    return !connection->is_full;
}

bool sgl_http_is_full(const struct sgl_http_exchange *exchange)
{
    return ((const struct sgl_http_connection *)(const void *)exchange)->is_full;
}

void sgl_http_end(struct sgl_http_exchange *exchange)
{
    struct sgl_http_connection *connection = of(exchange);

    assert(connection->has_started && !connection->has_ended);
    connection->has_ended = true;
    exchange->context = NULL;
    if (connection->is_chunked && !connection->has_no_body)
        sgl_buffer_append_text(&connection->pending, "0\r\n\r\n");
    if (connection->length_left > 0 && !connection->has_no_body)
        connection->keeps_alive = false;
    sgl_http_mark_dirty(connection);
}

void sgl_http_abort(struct sgl_http_exchange *exchange)
{
    struct sgl_http_connection *connection = of(exchange);

    assert(!connection->has_ended);
    connection->has_ended = true;
    connection->keeps_alive = false;
    exchange->context = NULL;
    sgl_http_mark_dirty(connection);
}

void sgl_http_respond(struct sgl_http_exchange *exchange, int status,
                      const struct sgl_http_field *fields, size_t field_count, const char *body,
                      size_t body_size)
{
    sgl_http_start(exchange, status, NULL, fields, field_count, (int64_t)body_size);
    sgl_http_send(exchange, body, body_size);
    sgl_http_end(exchange);
}

#define OWN_FIELDS_MAX 16

void sgl_http_respond_error(struct sgl_http_exchange *exchange, int status, const char *type,
                            const char *message, const struct sgl_http_field *fields,
                            size_t field_count)
{
    struct sgl_http_field all[OWN_FIELDS_MAX];
    char *text = sgl_json_line(json_pack("{s:{s:s, s:i, s:s}}", "error", "type", type, "code",
                                         status, "message", message));
    const char *body = text != NULL ? text : "{\"error\":{}}";

    assert(field_count < OWN_FIELDS_MAX);
    all[0] = sgl_http_field("Content-Type", "application/json");
    for (size_t i = 0; i < field_count; i++)
        all[1 + i] = fields[i];
    sgl_http_respond(exchange, status, all, 1 + field_count, body, strlen(body));
    free(text);
}

/* ---- writing ---- */

/* What was pending left; says so to a handler that waits for it, and ends what has ended. */
static void after_write(struct sgl_http_connection *connection)
{
    const struct sgl_http_options *options = &connection->server->options;

    const size_t unsent = sgl_http_unsent(connection);
    if (unsent == 0)
        sgl_http_untime(connection);
    if (connection->state != SGL_HTTP_ANSWERING)
        return;
    if (connection->has_ended) {
        if (unsent == 0)
            sgl_http_proceed(connection);
    } else if (connection->is_full && unsent < options->limits.low_mark) {
        connection->is_full = false;
        if (options->handler->drained != NULL)
            options->handler->drained(options->context, &connection->exchange);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct sgl_http_connection *connection = write->data;

    connection->is_writing = false;
    sgl_buffer_pool_give(&connection->server->pool, &connection->flying);
    if (connection->state == SGL_HTTP_CLOSING)
        return;
    if (status != 0) {
        sgl_http_drop(connection);
        return;
    }
    sgl_http_untime(connection);
    sgl_http_mark_dirty(connection);
}

void sgl_http_flush(struct sgl_http_connection *connection)
{
    struct sgl_buffer *pending = &connection->pending;
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;

    if (pending->has_failed) {
        sgl_http_drop(connection);
        return;
    }
    const size_t size = sgl_buffer_left(pending);
    if (size > 0 && !connection->is_writing) {
        uv_buf_t bytes = uv_buf_init(pending->bytes + pending->start, (unsigned)size);
        const int written = uv_try_write(stream, &bytes, 1);
        if (written < 0 && written != UV_EAGAIN) {
            sgl_http_drop(connection);
            return;
        }
        if (written > 0)
            sgl_buffer_take(pending, (size_t)written);
    }
    if (sgl_buffer_left(pending) == 0) {
        sgl_buffer_pool_give(&connection->server->pool, pending);
    } else if (!connection->is_writing) {
        connection->flying = *pending;
        *pending = (struct sgl_buffer){0};
        uv_buf_t bytes = uv_buf_init(connection->flying.bytes + connection->flying.start,
                                     (unsigned)sgl_buffer_left(&connection->flying));
        connection->write.data = connection;
        if (uv_write(&connection->write, stream, &bytes, 1, on_written) != 0) {
            sgl_http_drop(connection);
            return;
        }
        connection->is_writing = true;
        sgl_http_time(connection, SGL_HTTP_STALL);
    }
    after_write(connection);
}
