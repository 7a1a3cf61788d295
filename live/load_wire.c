#include "load_wire.h"

#include "core/failure.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IDLE_MOST 4096   /* connections kept */
#define HANDLE_MOST 4096 /* easy handles kept */
#define WORKER_HEADER "x-sglsim-worker:"

struct wire_socket {
    uv_poll_t poll;
    curl_socket_t descriptor;
    struct sgl_wire *wire;
};

struct sgl_wire {
    struct sgl_wire_options options;
    CURLM *multi;
    CURLU *url;
    uv_timer_t timer;
    struct sgl_wire_exchange *first;
    CURL *idle[HANDLE_MOST];
    size_t idle_count;
};

/* ---- what curl tells while bytes come ------------------------------------------------------ */

/* Lines of the head come to take_body too, and first. A folded one is refused there: libcurl before
 * 8.1.1 would continue a field of the answer before, whose memory is gone. */
static size_t look_at_line(struct sgl_wire_exchange *exchange, const char *bytes, size_t size)
{
    const bool is_folded =
        !exchange->is_in_line && size > 0 && (bytes[0] == ' ' || bytes[0] == '\t');

    exchange->is_in_line = size > 0 && bytes[size - 1] != '\n';
    return is_folded ? 0 : size;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct sgl_wire_exchange *exchange = context;

    if (!exchange->has_head)
        return look_at_line(exchange, bytes, size * count);
    if (exchange->status == 0)
        curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &exchange->status);
    if (exchange->status == 200)
        exchange->wire->options.body(exchange, bytes, size * count);
    return size * count;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct sgl_wire_exchange *exchange = context;
    const size_t name = strlen(WORKER_HEADER);
    size_t length = size * count;
    size_t at = name;
    long status = 0;

    if (length <= 2 && (bytes[0] == '\r' || bytes[0] == '\n')) {
        curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
        exchange->has_head = status >= 200;
    }
    if (length <= name || strncasecmp(bytes, WORKER_HEADER, name) != 0)
        return size * count;
    while (at < length && bytes[at] == ' ')
        at++;
    while (length > at && (unsigned char)bytes[length - 1] <= ' ')
        length--;
    snprintf(exchange->worker, sizeof exchange->worker, "%.*s", (int)(length - at), bytes + at);
    return size * count;
}

/* ---- one exchange -------------------------------------------------------------------------- */

static CURL *new_handle(struct sgl_wire *wire)
{
    if (wire->idle_count > 0)
        return wire->idle[--wire->idle_count];
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_CURLU, wire->url);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADER, 1L); /* to take_body: see there */
    return easy;
}

/* One more; NULL: no memory, and all are freed. */
static struct curl_slist *add_header(struct curl_slist *headers, const char *line)
{
    struct curl_slist *longer = line != NULL ? curl_slist_append(headers, line) : NULL;

    if (longer == NULL)
        curl_slist_free_all(headers);
    return longer;
}

static struct curl_slist *make_headers(const struct sgl_wire *wire, const char *request_id)
{
    struct curl_slist *headers = add_header(NULL, "Content-Type: application/json");

    if (headers != NULL)
        headers = add_header(headers, "Expect:");
    /* An id that would end its line must not begin another. */
    if (headers != NULL && request_id != NULL && strpbrk(request_id, "\r\n") == NULL) {
        const size_t size = sizeof "x-request-id: " + strlen(request_id);
        char *line = malloc(size);
        if (line != NULL)
            snprintf(line, size, "x-request-id: %s", request_id);
        headers = add_header(headers, line);
        free(line);
    }
    if (headers != NULL && wire->options.header != NULL)
        headers = add_header(headers, wire->options.header);
    return headers;
}

static void put_away(struct sgl_wire *wire, struct sgl_wire_exchange *exchange)
{
    curl_multi_remove_handle(wire->multi, exchange->easy);
    if (wire->idle_count < HANDLE_MOST)
        wire->idle[wire->idle_count++] = exchange->easy;
    else
        curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->headers);
    exchange->easy = NULL;
    exchange->headers = NULL;
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        wire->first = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
}

int sgl_wire_send(struct sgl_wire *wire, struct sgl_wire_exchange *exchange)
{
    CURL *easy = new_handle(wire);
    struct curl_slist *headers = make_headers(wire, exchange->request_id);

    if (easy == NULL || headers == NULL) {
        curl_slist_free_all(headers);
        if (easy != NULL)
            curl_easy_cleanup(easy);
        return SGL_ENOMEM;
    }
    exchange->easy = easy;
    exchange->headers = headers;
    exchange->wire = wire;
    exchange->status = 0;
    exchange->has_head = false;
    exchange->is_in_line = false;
    exchange->failure = NULL;
    exchange->worker[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body_size);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(exchange->timeout_ns / 1000000));
    exchange->previous = NULL;
    exchange->next = wire->first;
    if (wire->first != NULL)
        wire->first->previous = exchange;
    wire->first = exchange;
    if (curl_multi_add_handle(wire->multi, easy) == CURLM_OK)
        return SGL_OK;
    put_away(wire, exchange);
    return SGL_ENOMEM;
}

void sgl_wire_cancel(struct sgl_wire *wire, struct sgl_wire_exchange *exchange)
{
    put_away(wire, exchange);
}

struct sgl_wire_exchange *sgl_wire_any(const struct sgl_wire *wire)
{
    return wire->first;
}

/* What went wrong below HTTP, in the words of load.h. */
static const char *failure_word(CURLcode code, bool has_answer)
{
    if (code == CURLE_OK)
        return NULL;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return "timeout";
    if (code == CURLE_OUT_OF_MEMORY)
        return "no_memory";
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION)
        return "connect";
    return code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY ? "malformed"
           : has_answer                                                           ? "cut"
                                                                                  : "closed";
}

static void collect(struct sgl_wire *wire)
{
    CURLMsg *message;
    int left;

    /* What is done may end the run, and with it the wire. */
    while (wire->multi != NULL && (message = curl_multi_info_read(wire->multi, &left)) != NULL) {
        struct sgl_wire_exchange *exchange;
        const CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &exchange->status);
        exchange->failure = failure_word(code, exchange->status != 0);
        put_away(wire, exchange);
        wire->options.done(exchange);
    }
}

/* ---- sockets and the timer ----------------------------------------------------------------- */

static void act(struct sgl_wire *wire, curl_socket_t descriptor, int flags)
{
    int running;

    curl_multi_socket_action(wire->multi, descriptor, flags, &running);
    collect(wire);
}

static void hear_socket(uv_poll_t *poll, int status, int events)
{
    const struct wire_socket *self = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    act(self->wire, self->descriptor, flags);
}

static void forget_socket(uv_handle_t *handle)
{
    free(handle->data);
}

static int watch_socket(CURL *easy, curl_socket_t descriptor, int what, void *context, void *known)
{
    struct sgl_wire *wire = context;
    struct wire_socket *self = known;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (self != NULL) {
            curl_multi_assign(wire->multi, descriptor, NULL);
            uv_close((uv_handle_t *)&self->poll, forget_socket);
        }
        return 0;
    }
    if (self == NULL) {
        self = calloc(1, sizeof *self);
        if (self == NULL || uv_poll_init(wire->options.loop, &self->poll, descriptor) != 0) {
            free(self);
            return -1;
        }
        self->poll.data = self;
        self->descriptor = descriptor;
        self->wire = wire;
        curl_multi_assign(wire->multi, descriptor, self);
    }
    const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                       ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    uv_poll_start(&self->poll, events, hear_socket);
    return 0;
}

static void hear_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct sgl_wire *wire = context;

    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&wire->timer);
    else
        uv_timer_start(&wire->timer, hear_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ---- the wire ------------------------------------------------------------------------------ */

static bool read_url(struct sgl_wire *wire)
{
    wire->url = curl_url();
    return wire->url != NULL &&
           curl_url_set(wire->url, CURLUPART_URL, wire->options.url, 0) == CURLUE_OK;
}

int sgl_wire_open(struct sgl_wire **wire_out, const struct sgl_wire_options *options,
                  struct sgl_failure *failure)
{
    *wire_out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return sgl_fail(failure, SGL_ENOMEM, "libcurl cannot start");
    struct sgl_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL || (wire->multi = curl_multi_init()) == NULL) {
        free(wire);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    wire->options = *options;
    if (!read_url(wire)) {
        const int status =
            sgl_fail(failure, SGL_EINVAL,
                     "the url '%.200s' cannot be read, expected http://host:port", options->url);
        sgl_wire_free(wire);
        return status;
    }
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_MOST);
    uv_timer_init(options->loop, &wire->timer);
    wire->timer.data = wire;
    *wire_out = wire;
    return SGL_OK;
}

void sgl_wire_close(struct sgl_wire *wire)
{
    if (wire == NULL)
        return;
    for (size_t i = 0; i < wire->idle_count; i++)
        curl_easy_cleanup(wire->idle[i]);
    wire->idle_count = 0;
    /* Idle connections close here, and with them what the loop watches. */
    curl_multi_cleanup(wire->multi);
    wire->multi = NULL;
    uv_close((uv_handle_t *)&wire->timer, NULL);
}

void sgl_wire_free(struct sgl_wire *wire)
{
    if (wire == NULL)
        return;
    if (wire->multi != NULL)
        curl_multi_cleanup(wire->multi);
    curl_url_cleanup(wire->url);
    free(wire);
}
