#include "upstream.h"

#include "upstream_call.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KICKS_MAX 8 /* of libcurl in one turn: it asks for one whenever it stopped midway */

/* A socket of libcurl's. An idle one stays watched for reading, for that costs nothing, while
 * taking it out and putting it back costs two system calls for each request. */
struct watch {
    uv_poll_t poll;
    struct sgl_upstream *upstream;
    curl_socket_t fd;
    int events;        /* watched for */
    bool is_idle;      /* libcurl does not ask for it now */
    bool is_connected; /* it has been read from */
};

/* ---- sockets ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watch *watch_of(const struct sgl_upstream *upstream, curl_socket_t fd)
{
    return (size_t)fd < upstream->watch_capacity ? upstream->watches[fd] : NULL;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int flags = 0;
    int running;

    if (watch->is_idle) {
        /* The worker hung up, or said more than it was asked: libcurl will see that when it wants
         * the connection, and until then nobody looks. */
        uv_poll_stop(poll);
        watch->events = 0;
        return;
    }
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(watch->upstream->multi, watch->fd, flags, &running);
    watch->upstream->has_worked = true;
}

static struct watch *watch_new(struct sgl_upstream *upstream, curl_socket_t fd)
{
    if ((size_t)fd >= upstream->watch_capacity) {
        const size_t capacity = 2 * (size_t)fd + 64;
        struct watch **grown = realloc(upstream->watches, capacity * sizeof(struct watch *));
        if (grown == NULL)
            return NULL;
        memset(grown + upstream->watch_capacity, 0,
               (capacity - upstream->watch_capacity) * sizeof(struct watch *));
        upstream->watches = grown;
        upstream->watch_capacity = capacity;
    }
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || uv_poll_init_socket(upstream->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->upstream = upstream;
    watch->fd = fd;
    upstream->watches[fd] = watch;
    return watch;
}

/* The descriptor's number may come again at once: nothing of it may be left. */
static void watch_drop(struct watch *watch)
{
    watch->upstream->watches[watch->fd] = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct sgl_upstream *upstream = context;
    struct watch *watch = watch_of(upstream, fd);
    int events = 0;

    (void)easy;
    (void)socket_context;
    if (what == CURL_POLL_REMOVE) {
        if (watch == NULL)
            return 0;
        if (!watch->is_connected) {
            watch_drop(watch); /* given up: see on_open_socket */
            return 0;
        }
        watch->is_idle = true;
        if (watch->events == (UV_READABLE | UV_WRITABLE) || watch->events == UV_WRITABLE) {
            watch->events = UV_READABLE;
            uv_poll_start(&watch->poll, UV_READABLE, on_poll);
        }
        return 0;
    }
    if (watch == NULL)
        watch = watch_new(upstream, fd);
    if (watch == NULL)
        return -1;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= UV_WRITABLE;
    watch->is_idle = false;
    watch->is_connected = watch->is_connected || (events & UV_READABLE) != 0;
    if (events != watch->events) {
        watch->events = events;
        return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
    }
    return 0;
}

static int on_close_socket(void *context, curl_socket_t fd)
{
    struct sgl_upstream *upstream = context;
    struct watch *watch = watch_of(upstream, fd);

    if (watch != NULL)
        watch_drop(watch);
    return close(fd);
}

/* A socket that was never connected is closed by libcurl (7.88) without a call to the function
 * above. When its number comes again while we still watch it, libcurl cannot tell the two apart and
 * would not ask for the new one: so that one gets another number. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct sgl_upstream *upstream = context;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);

    (void)purpose;
    while (fd >= 0 && watch_of(upstream, fd) != NULL) {
        watch_drop(watch_of(upstream, fd));
        const int other = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
        close(fd);
        fd = other;
    }
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer)
{
    struct sgl_upstream *upstream = timer->data;

    upstream->wants_kick = true;
}

static int on_timeout_changed(CURLM *multi, long timeout_ms, void *context)
{
    struct sgl_upstream *upstream = context;

    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&upstream->timer);
    else if (timeout_ms == 0)
        upstream->wants_kick = true;
    else
        uv_timer_start(&upstream->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ---- the end of a turn ---- */

static void tell_done(struct sgl_upstream *upstream)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(upstream->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        const CURLcode code = message->data.result;
        struct sgl_call *call = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
        sgl_call_finish(call, code);
        call->on_done(call);
    }
}

bool sgl_upstream_turn(struct sgl_upstream *upstream)
{
    int running;

    for (int i = 0; i < KICKS_MAX && (upstream->wants_kick || upstream->has_worked); i++) {
        if (upstream->wants_kick) {
            upstream->wants_kick = false;
            curl_multi_socket_action(upstream->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        upstream->has_worked = false;
        tell_done(upstream);
    }
    return upstream->wants_kick;
}

/* ---- handles ---- */

static CURLU *parsed_url(struct sgl_upstream *upstream, const struct sgl_call *call,
                         const char **path_out)
{
    struct sgl_upstream_worker *worker = &upstream->workers[call->worker];

    if (worker->url == NULL) {
        CURLU *url = curl_url();
        char *path = NULL;
        if (url == NULL || curl_url_set(url, CURLUPART_URL, call->worker_url, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
            curl_url_cleanup(url);
            return NULL;
        }
        worker->url = url;
        worker->path = path;
        const size_t size = strlen(path);
        if (size > 0 && path[size - 1] == '/')
            path[size - 1] = '\0';
    }
    *path_out = worker->path;
    return worker->url;
}

/* A folder of authorities that was built into libcurl would count beside those given. */
static void set_trust(CURL *easy, const struct sgl_trust *trust)
{
    struct curl_blob authorities = {.data = trust->authorities.bytes,
                                    .len = trust->authorities.size,
                                    .flags = CURL_BLOB_NOCOPY};

    if (authorities.len > 0) {
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &authorities);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (trust->certificate_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, trust->certificate_file);
    if (trust->key_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, trust->key_file);
}

static CURL *new_handle(const struct sgl_upstream *upstream)
{
    const struct sgl_upstream_options *options = &upstream->options;
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L); /* chunks.h */
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, options->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, sgl_call_on_header);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, sgl_call_on_body);
    curl_easy_setopt(easy, CURLOPT_HEADER, 1L); /* to sgl_call_on_body: see there */
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, sgl_call_on_send);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, upstream);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, upstream);
    if (options->trust != NULL)
        set_trust(easy, options->trust);
    return easy;
}

CURL *sgl_upstream_take(struct sgl_upstream *upstream)
{
    return upstream->idle_count > 0 ? upstream->idle[--upstream->idle_count] : new_handle(upstream);
}

void sgl_upstream_give(struct sgl_upstream *upstream, CURL *easy)
{
    if (upstream->idle_count < UPSTREAM_IDLE_MAX)
        upstream->idle[upstream->idle_count++] = easy;
    else
        curl_easy_cleanup(easy);
}

int sgl_upstream_aim(struct sgl_upstream *upstream, CURL *easy, const struct sgl_call *call)
{
    const char *path;
    CURLU *url = parsed_url(upstream, call, &path);

    if (url == NULL)
        return SGL_EINVAL;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CURLU, url);
    if (path[0] == '\0') {
        code =
            code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, call->target);
    } else {
        struct sgl_buffer target = {0};
        sgl_buffer_append_text(&target, path);
        sgl_buffer_append(&target, call->target, strlen(call->target) + 1);
        code = target.has_failed ? CURLE_OUT_OF_MEMORY
                                 : curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target.bytes);
        sgl_buffer_release(&target);
    }
    return code == CURLE_OK ? SGL_OK : SGL_ENOMEM;
}

/* ---- life ---- */

int sgl_upstream_create(struct sgl_upstream **upstream_out,
                        const struct sgl_upstream_options *options, struct sgl_failure *failure)
{
    struct sgl_upstream *upstream = calloc(1, sizeof *upstream);

    *upstream_out = NULL;
    if (upstream == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "requests to workers: out of memory");
    upstream->loop = options->loop;
    upstream->options = *options;
    upstream->multi = curl_multi_init();
    upstream->workers = calloc(options->worker_max, sizeof *upstream->workers);
    if (upstream->multi == NULL || upstream->workers == NULL) {
        curl_multi_cleanup(upstream->multi);
        free(upstream->workers);
        free(upstream);
        return sgl_fail(failure, SGL_ENOMEM, "requests to workers: out of memory");
    }
    curl_multi_setopt(upstream->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(upstream->multi, CURLMOPT_SOCKETDATA, upstream);
    curl_multi_setopt(upstream->multi, CURLMOPT_TIMERFUNCTION, on_timeout_changed);
    curl_multi_setopt(upstream->multi, CURLMOPT_TIMERDATA, upstream);
    curl_multi_setopt(upstream->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(upstream->multi, CURLMOPT_MAXCONNECTS, options->connection_max);
    uv_timer_init(options->loop, &upstream->timer);
    upstream->timer.data = upstream;
    *upstream_out = upstream;
    return SGL_OK;
}

void sgl_upstream_close(struct sgl_upstream *upstream)
{
    if (upstream == NULL)
        return;
    while (upstream->idle_count > 0)
        curl_easy_cleanup(upstream->idle[--upstream->idle_count]);
    curl_multi_cleanup(upstream->multi);
    upstream->multi = NULL;
    uv_close((uv_handle_t *)&upstream->timer, NULL);
}

void sgl_upstream_free(struct sgl_upstream *upstream)
{
    if (upstream == NULL)
        return;
    for (uint32_t i = 0; i < upstream->options.worker_max; i++) {
        curl_url_cleanup(upstream->workers[i].url);
        curl_free(upstream->workers[i].path);
    }
    free(upstream->workers);
    free(upstream->watches);
    sgl_buffer_release(&upstream->plain);
    free(upstream);
}
