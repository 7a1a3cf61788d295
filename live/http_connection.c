#include "http_connection.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- from bytes to a request: callbacks of the parser ---- */

static struct sgl_http_connection *of_parser(const llhttp_t *parser)
{
    return parser->data;
}

/* Stops the parser: the connection will be refused with that status. */
static int refuse_later(struct sgl_http_connection *connection, int status)
{
    connection->refusal = status;
    return HPE_USER;
}

static int on_message_begin(llhttp_t *parser)
{
    struct sgl_http_connection *connection = of_parser(parser);

    connection->exchange.begun_ns = uv_hrtime();
    sgl_buffer_pool_reserve(&connection->server->pool, &connection->head, SGL_BUFFER_LEAST);
    sgl_http_time(connection, SGL_HTTP_HEAD);
    return 0;
}

static int append_head(struct sgl_http_connection *connection, const char *bytes, size_t size)
{
    sgl_buffer_append(&connection->head, bytes, size);
    return connection->head.has_failed ? refuse_later(connection, 503) : 0;
}

static int on_url(llhttp_t *parser, const char *bytes, size_t size)
{
    struct sgl_http_connection *connection = of_parser(parser);

    if (connection->head.size + size > connection->server->options.limits.target_max)
        return refuse_later(connection, 414);
    return append_head(connection, bytes, size);
}

static int on_url_complete(llhttp_t *parser)
{
    struct sgl_http_connection *connection = of_parser(parser);

    connection->target_size = connection->head.size;
    return append_head(connection, "", 1);
}

/* Fields behind a chunked body are counted, and dropped. */
static int append_field(struct sgl_http_connection *connection, const char *bytes, size_t size)
{
    if (connection->head.size + size >
        connection->server->options.limits.head_max + connection->target_size)
        return refuse_later(connection, 431);
    return append_head(connection, bytes, size);
}

static int on_header_field(llhttp_t *parser, const char *bytes, size_t size)
{
    struct sgl_http_connection *connection = of_parser(parser);
    const struct sgl_http_limits *limits = &connection->server->options.limits;

    if (connection->field_count == connection->span_capacity) {
        if (connection->field_count >= limits->field_max)
            return refuse_later(connection, 431);
        const size_t capacity = connection->span_capacity == 0 ? 16 : 2 * connection->span_capacity;
        struct sgl_http_span *spans = realloc(connection->spans, capacity * sizeof *spans);
        if (spans == NULL)
            return refuse_later(connection, 503);
        connection->spans = spans;
        struct sgl_http_field *fields = realloc(connection->fields, capacity * sizeof *fields);
        if (fields == NULL)
            return refuse_later(connection, 503);
        connection->fields = fields;
        connection->span_capacity = capacity;
        spans[connection->field_count] = (struct sgl_http_span){0};
    }
    if (connection->field_count >= limits->field_max)
        return refuse_later(connection, 431);
    struct sgl_http_span *span = &connection->spans[connection->field_count];
    if (span->name_size == 0)
        span->name = connection->head.size;
    span->name_size += size;
    return append_field(connection, bytes, size);
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct sgl_http_connection *connection = of_parser(parser);

    /* The parser lets a line begin with its colon, and then never told of a name. */
    if (connection->field_count == connection->span_capacity ||
        connection->spans[connection->field_count].name_size == 0)
        return refuse_later(connection, 400);
    const int status = append_field(connection, "", 1);
    connection->spans[connection->field_count].value = connection->head.size;
    connection->spans[connection->field_count].value_size = 0;
    return status;
}

static int on_header_value(llhttp_t *parser, const char *bytes, size_t size)
{
    return append_field(of_parser(parser), bytes, size);
}

static bool is_field(const struct sgl_http_connection *connection, const char *name)
{
    const struct sgl_http_span *span = &connection->spans[connection->field_count];

    return strcasecmp(connection->head.bytes + span->name, name) == 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct sgl_http_connection *connection = of_parser(parser);
    struct sgl_http_span *span = &connection->spans[connection->field_count];
    struct sgl_buffer *head = &connection->head;

    while (head->size > span->value &&
           (head->bytes[head->size - 1] == ' ' || head->bytes[head->size - 1] == '\t'))
        head->size--;
    span->value_size = head->size - span->value;
    const int status = append_field(connection, "", 1);
    if (status != 0)
        return status;
    if (!connection->is_in_trailer) {
        const char *value = head->bytes + span->value;
        if (is_field(connection, "host")) {
            connection->host_count++;
            if (!sgl_http_is_host(value, span->value_size))
                return refuse_later(connection, 400);
        }
        if (is_field(connection, "transfer-encoding")) {
            connection->coding_count++;
            if (strcasecmp(value, "chunked") != 0)
                return refuse_later(connection, 400);
        }
        if (is_field(connection, "expect")) {
            if (strcasecmp(value, "100-continue") != 0)
                return refuse_later(connection, 417);
            connection->wants_continue = true;
        }
        connection->field_count++;
        if (connection->field_count < connection->span_capacity)
            connection->spans[connection->field_count] = (struct sgl_http_span){0};
        return 0;
    }
    head->size = span->name;
    *span = (struct sgl_http_span){0};
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct sgl_http_connection *connection = of_parser(parser);
    const struct sgl_http_limits *limits = &connection->server->options.limits;

    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse_later(connection, 505);
    if (connection->host_count > 1 || (connection->host_count == 0 && parser->http_minor == 1))
        return refuse_later(connection, 400);
    /* One coding, once, not in HTTP/1.0, and no length beside it: the parser is content with a last
     * `chunked` and with an empty field. */
    if (connection->coding_count > 1 ||
        (connection->coding_count == 1 &&
         (parser->http_minor == 0 || (parser->flags & F_CONTENT_LENGTH) != 0)))
        return refuse_later(connection, 400);
    if (parser->method == HTTP_CONNECT)
        return refuse_later(connection, 405);
    connection->path = sgl_http_origin_form(connection->head.bytes, connection->target_size,
                                            parser->method == HTTP_OPTIONS);
    if (connection->path < 0)
        return refuse_later(connection, 400);
    if ((parser->flags & F_CONTENT_LENGTH) != 0 && parser->content_length > limits->body_max)
        return refuse_later(connection, 413);
    parser->upgrade = 0; /* an offer to change protocols is not taken */
    connection->is_in_trailer = true;
    const bool has_body = (parser->flags & F_CHUNKED) != 0 || parser->content_length > 0;
    if (has_body) {
        /* As much as is announced, but not more than is likely: a client may not mean it. */
        const uint64_t size = (parser->flags & F_CHUNKED) != 0 ? 0 : parser->content_length;
        sgl_buffer_pool_reserve(&connection->server->pool, &connection->body,
                                size < SGL_BUFFER_MOST ? (size_t)size : SGL_BUFFER_MOST);
        sgl_http_time(connection, SGL_HTTP_BODY);
    }
    if (has_body && connection->wants_continue && parser->http_minor == 1) {
        sgl_buffer_append_text(&connection->pending, "HTTP/1.1 100 Continue\r\n\r\n");
        sgl_http_mark_dirty(connection);
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t size)
{
    struct sgl_http_connection *connection = of_parser(parser);

    if (connection->body.size + size > connection->server->options.limits.body_max)
        return refuse_later(connection, 413);
    sgl_buffer_append(&connection->body, bytes, size);
    return connection->body.has_failed ? refuse_later(connection, 503) : 0;
}

/* The lines behind the last chunk are to be looked at before the parser reads them. */
static int on_chunk_header(llhttp_t *parser)
{
    struct sgl_http_connection *connection = of_parser(parser);

    if (parser->content_length != 0) /* of the chunk */
        return 0;
    connection->is_at_trailer = true;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* one exchange at a time */
}

void sgl_http_settings_init(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_message_begin = on_message_begin;
    settings->on_url = on_url;
    settings->on_url_complete = on_url_complete;
    settings->on_header_field = on_header_field;
    settings->on_header_field_complete = on_header_field_complete;
    settings->on_header_value = on_header_value;
    settings->on_header_value_complete = on_header_value_complete;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_chunk_header = on_chunk_header;
    settings->on_message_complete = on_message_complete;
}

/* ---- states ---- */

static void reset_request(struct sgl_http_connection *connection)
{
    struct sgl_buffer_pool *pool = &connection->server->pool;

    sgl_buffer_pool_give(pool, &connection->head);
    sgl_buffer_pool_give(pool, &connection->body);
    free(connection->spans);
    free(connection->fields);
    connection->spans = NULL;
    connection->fields = NULL;
    connection->span_capacity = 0;
    connection->exchange = (struct sgl_http_exchange){0};
    connection->field_count = 0;
    connection->host_count = 0;
    connection->coding_count = 0;
    connection->lines = (struct sgl_http_lines){0};
    connection->target_size = 0;
    connection->path = 0;
    connection->is_at_trailer = false;
    connection->is_in_trailer = false;
    connection->wants_continue = false;
    connection->refusal = 0;
    connection->is_full = false;
    connection->keeps_alive = false;
    connection->has_started = false;
    connection->has_ended = false;
    connection->is_chunked = false;
    connection->has_no_body = false;
    connection->length_left = 0;
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct sgl_http_connection *connection = handle->data;
    struct sgl_http_server *server = connection->server;

    sgl_http_link_remove(&connection->link);
    server->connection_count--;
    struct sgl_buffer *const buffers[] = {&connection->head, &connection->body,
                                          &connection->leftover, &connection->pending,
                                          &connection->flying};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        sgl_buffer_pool_give(&server->pool, buffers[i]);
    free(connection->spans);
    free(connection->fields);
    free(connection);
    sgl_http_server_release(server);
}

void sgl_http_drop(struct sgl_http_connection *connection)
{
    if (connection->state == SGL_HTTP_CLOSING)
        return;
    const bool is_due = connection->state == SGL_HTTP_ANSWERING && !connection->has_ended;
    connection->state = SGL_HTTP_CLOSING;
    sgl_http_untime(connection);
    if (connection->is_dirty) {
        connection->is_dirty = false;
        sgl_http_link_remove(&connection->dirty);
    }
    if (is_due) {
        const struct sgl_http_options *options = &connection->server->options;
        connection->has_ended = true;
        options->handler->gone(options->context, &connection->exchange);
    }
    uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
}

void sgl_http_refuse(struct sgl_http_connection *connection, int status, const char *message)
{
    struct sgl_http_exchange *exchange = &connection->exchange;

    connection->state = SGL_HTTP_ANSWERING;
    connection->keeps_alive = false;
    sgl_http_untime(connection);
    if (exchange->method == NULL) /* an answer to HEAD has no body, not even this one */
        exchange->method = connection->head.size > 0
                               ? llhttp_method_name((llhttp_method_t)connection->parser.method)
                               : "";
    exchange->version_minor = 1;
    const struct sgl_http_field allowed = sgl_http_field("Allow", SGL_HTTP_METHODS);
    sgl_http_respond_error(exchange, status, "invalid_request_error", message, &allowed,
                           status == 405);
}

/* The whole request is there: hands it to the handler. */
static void dispatch(struct sgl_http_connection *connection)
{
    const struct sgl_http_options *options = &connection->server->options;
    struct sgl_http_exchange *exchange = &connection->exchange;
    const char *head = connection->head.bytes;

    connection->state = SGL_HTTP_ANSWERING;
    sgl_http_untime(connection);
    connection->keeps_alive = llhttp_should_keep_alive(&connection->parser) != 0;
    for (size_t i = 0; i < connection->field_count; i++) {
        const struct sgl_http_span *span = &connection->spans[i];
        connection->fields[i] = (struct sgl_http_field){
            .name = head + span->name,
            .value = head + span->value,
            .name_size = span->name_size,
            .value_size = span->value_size,
        };
    }
    exchange->method = llhttp_method_name((llhttp_method_t)connection->parser.method);
    exchange->target = head + connection->path;
    exchange->target_size = connection->target_size - (size_t)connection->path;
    exchange->version_minor = connection->parser.http_minor;
    exchange->fields = connection->fields;
    exchange->field_count = connection->field_count;
    exchange->body = connection->body.bytes != NULL ? connection->body.bytes : "";
    exchange->body_size = connection->body.size;
    exchange->complete_ns = uv_hrtime();
    options->handler->request(options->context, exchange);
}

static const char *refusal_text(int status)
{
    switch (status) {
    case 405:
        return "method not allowed";
    case 413:
        return "the body is longer than this server takes";
    case 414:
        return "the request target is too long";
    case 417:
        return "only Expect: 100-continue can be met";
    case 431:
        return "the header fields are too many or too long";
    case 503:
        return "out of memory";
    case 505:
        return "only HTTP/1.0 and HTTP/1.1 are spoken here";
    default:
        return "malformed HTTP request";
    }
}

/* A method that could be one, but is not known, is told apart from garbage. */
static int parse_error_status(const struct sgl_http_connection *connection, llhttp_errno_t error,
                              const char *bytes, size_t size)
{
    if (connection->refusal != 0)
        return connection->refusal;
    if (error != HPE_INVALID_METHOD)
        return 400;
    const char *at = llhttp_get_error_pos(&connection->parser);
    if (at == NULL || at < bytes || at >= bytes + size)
        return 400;
    const bool is_letter = (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z');
    return is_letter || *at == '-' || *at == '_' ? 405 : 400;
}

/* Parses until the bytes are used up or a request is complete; the rest is kept for later. */
static void parse(struct sgl_http_connection *connection, const char *bytes, size_t size)
{
    const char *end = bytes + size;
    llhttp_errno_t error = HPE_USER;

    while (sgl_http_lines_take(&connection->lines, bytes, (size_t)(end - bytes))) {
        error = llhttp_execute(&connection->parser, bytes, (size_t)(end - bytes));
        if (error != HPE_PAUSED || !connection->is_at_trailer)
            break;
        connection->is_at_trailer = false;
        bytes = llhttp_get_error_pos(&connection->parser);
        sgl_http_lines_begin_trailer(&connection->lines);
        llhttp_resume(&connection->parser);
        error = HPE_USER;
    }
    if (error == HPE_OK)
        return;
    if (error == HPE_PAUSED) {
        const char *rest = llhttp_get_error_pos(&connection->parser);
        sgl_buffer_append(&connection->leftover, rest, (size_t)(end - rest));
        dispatch(connection);
        return;
    }
    const int status = parse_error_status(connection, error, bytes, (size_t)(end - bytes));
    sgl_http_refuse(connection, status, refusal_text(status));
}

/* ---- reading ---- */

static void allocate_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct sgl_http_connection *connection = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(connection->server->input, sizeof connection->server->input);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct sgl_http_connection *connection = stream->data;
    const size_t leftover_max = connection->server->options.limits.leftover_max;

    if (count == 0 || connection->state == SGL_HTTP_CLOSING)
        return;
    if (count < 0) {
        if (count == UV_EOF && connection->server->options.half_close_answers &&
            connection->state == SGL_HTTP_ANSWERING) {
            connection->has_ended_input = true;
            uv_read_stop(stream);
            return;
        }
        sgl_http_drop(connection);
        return;
    }
    switch (connection->state) {
    case SGL_HTTP_READING:
        parse(connection, buffer->base, (size_t)count);
        break;
    case SGL_HTTP_ANSWERING:
        sgl_buffer_append(&connection->leftover, buffer->base, (size_t)count);
        if (connection->leftover.has_failed)
            sgl_http_drop(connection);
        else if (connection->leftover.size > leftover_max) {
            connection->is_read_paused = true;
            uv_read_stop(stream);
        }
        break;
    case SGL_HTTP_LINGERING:
    case SGL_HTTP_CLOSING:
        break;
    }
}

/* Bytes are wanted again, now that what was read ahead is used up. */
static void resume_reading(struct sgl_http_connection *connection)
{
    if (!connection->is_read_paused)
        return;
    connection->is_read_paused = false;
    uv_read_start((uv_stream_t *)&connection->tcp, allocate_input, on_read);
}

void sgl_http_proceed(struct sgl_http_connection *connection)
{
    struct sgl_buffer_pool *pool = &connection->server->pool;

    if (connection->has_ended_input) {
        sgl_http_drop(connection);
        return;
    }
    if (!connection->keeps_alive || connection->server->is_stopping) {
        connection->state = SGL_HTTP_LINGERING;
        sgl_http_time(connection, SGL_HTTP_LINGER);
        resume_reading(connection);
        if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, NULL) != 0)
            sgl_http_drop(connection);
        return;
    }
    reset_request(connection);
    connection->state = SGL_HTTP_READING;
    sgl_http_time(connection, SGL_HTTP_IDLE);
    llhttp_resume(&connection->parser);
    /* The parser may complete a request of it: what is kept then goes to a new buffer. */
    struct sgl_buffer ready = connection->leftover;
    connection->leftover = (struct sgl_buffer){0};
    if (ready.size > 0)
        parse(connection, ready.bytes, ready.size);
    sgl_buffer_pool_give(pool, &ready);
    if (connection->state == SGL_HTTP_READING)
        resume_reading(connection);
}

int sgl_http_accept(struct sgl_http_server *server)
{
    struct sgl_http_connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return UV_ENOMEM;
    connection->server = server;
    connection->tcp.data = connection;
    int status = uv_tcp_init(server->loop, &connection->tcp);
    if (status != 0) {
        free(connection);
        return status;
    }
    sgl_http_link_add(&server->connections, &connection->link);
    server->connection_count++;
    llhttp_init(&connection->parser, HTTP_REQUEST, &server->settings);
    connection->parser.data = connection;
    status = uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->tcp);
    if (status == 0 && server->connection_count > server->options.limits.connection_max)
        status = UV_EMFILE;
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&connection->tcp, allocate_input, on_read);
    if (status != 0) {
        sgl_http_drop(connection);
        return status;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    sgl_http_time(connection, SGL_HTTP_IDLE);
    return 0;
}
