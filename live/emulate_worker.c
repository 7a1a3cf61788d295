#include "emulate_worker.h"

#include "core/absent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MOST ((size_t)64 * 1024 * 1024)

/* ---- flights ------------------------------------------------------------------------------- */

static int grow(struct sgl_emulate_worker *worker)
{
    const uint32_t count = worker->flight_count > 0 ? 2 * worker->flight_count : 64;
    struct sgl_emulate_flight **grown =
        realloc(worker->flights, count * sizeof(struct sgl_emulate_flight *));

    if (grown == NULL)
        return SGL_ENOMEM;
    worker->flights = grown;
    for (uint32_t handle = worker->flight_count; handle < count; handle++)
        grown[handle] = NULL;
    while (worker->flight_count < count) {
        struct sgl_emulate_flight *flight = calloc(1, sizeof *flight);
        if (flight == NULL)
            return SGL_ENOMEM;
        flight->worker = worker;
        flight->handle = worker->flight_count;
        flight->next_free = worker->free;
        worker->flights[worker->flight_count++] = flight;
        worker->free = worker->flight_count;
    }
    return SGL_OK;
}

static struct sgl_emulate_flight *take_flight(struct sgl_emulate_worker *worker)
{
    if (worker->free == 0 && grow(worker) != SGL_OK && worker->free == 0)
        return NULL;
    struct sgl_emulate_flight *flight = worker->flights[worker->free - 1];
    worker->free = flight->next_free;
    flight->is_used = true;
    flight->is_in_engine = false;
    flight->has_started = false;
    flight->is_full = false;
    flight->is_left = false;
    return flight;
}

/* The engine has let go of it, and its client has its answer, or has left. */
static void give_flight(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_worker *worker = flight->worker;

    sgl_emulate_request_release(&flight->request);
    flight->exchange = NULL;
    flight->is_used = false;
    flight->next_free = worker->free;
    worker->free = flight->handle + 1;
}

/* Nobody waits for it any more; outside of what the engine tells. */
static void leave(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_worker *worker = flight->worker;

    flight->exchange = NULL;
    flight->is_left = false;
    if (!flight->is_in_engine ||
        sgl_emulator_cancel(worker->emulator, flight->handle, worker->now_ns))
        give_flight(flight);
}

/* Those that were ended while the engine was telling. */
static void leave_marked(struct sgl_emulate_worker *worker)
{
    worker->has_left = false;
    for (uint32_t handle = 0; handle < worker->flight_count; handle++)
        if (worker->flights[handle]->is_used && worker->flights[handle]->is_left)
            leave(worker->flights[handle]);
}

void sgl_emulate_advance(struct sgl_emulate_worker *worker)
{
    struct sgl_emulate_run *run = worker->run;

    worker->now_ns = sgl_emulate_now_ns(run);
    if (sgl_emulator_run(worker->emulator, worker->now_ns, run->failure) != SGL_OK) {
        sgl_emulate_stop(run, SGL_EINVAL, NULL);
        return;
    }
    if (worker->has_left)
        leave_marked(worker);
    const int64_t next_ns = sgl_emulator_next_ns(worker->emulator);
    sgl_alarm_set(&worker->alarm,
                  next_ns == INT64_MAX ? SGL_ALARM_NEVER : sgl_emulate_clock_ns(run, next_ns));
}

/* ---- answers ------------------------------------------------------------------------------- */

void sgl_emulate_respond_json(struct sgl_http_exchange *exchange, int status,
                              struct sgl_buffer *body)
{
    const struct sgl_http_field field = sgl_http_field("Content-Type", "application/json");

    if (body->has_failed)
        sgl_http_respond_error(exchange, 503, "no_memory", "out of memory", NULL, 0);
    else
        sgl_http_respond(exchange, status, &field, 1, body->bytes, body->size);
    sgl_buffer_release(body);
}

static void start_stream(struct sgl_emulate_flight *flight)
{
    const struct sgl_http_field fields[] = {
        sgl_http_field("Content-Type", "text/event-stream; charset=utf-8"),
        sgl_http_field("Cache-Control", "no-cache"),
    };

    sgl_http_start(flight->exchange, 200, NULL, fields, 2, SGL_HTTP_CHUNKED);
    flight->has_started = true;
}

/* The connection breaks in the middle of an answer. */
static void cut(struct sgl_emulate_flight *flight)
{
    if (!flight->has_started)
        sgl_http_start(flight->exchange, 200, NULL, NULL, 0, 1000);
    sgl_http_abort(flight->exchange);
    flight->exchange = NULL;
}

static void send_bytes(struct sgl_emulate_flight *flight, struct sgl_buffer *event)
{
    if (event->has_failed)
        cut(flight);
    else
        flight->is_full = !sgl_http_send(flight->exchange, event->bytes, event->size);
    sgl_buffer_release(event);
}

static bool is_cut_here(const struct sgl_emulate_flight *flight)
{
    const int64_t cut_after = flight->worker->faults.cut_after;

    return cut_after >= 0 &&
           (!flight->request.is_streaming || flight->progress.tokens >= cut_after);
}

static void send_tokens(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_progress *progress = &flight->progress;
    struct sgl_buffer event = {0};

    if (progress->tokens == progress->tokens_sent || flight->is_full)
        return;
    if (flight->worker->faults.is_malformed)
        sgl_buffer_append_text(&event, "data: {\"text\": \n\n");
    else
        sgl_emulate_put_tokens(&event, &flight->request, progress);
    progress->tokens_sent = progress->tokens;
    send_bytes(flight, &event);
}

/* The last of it, for a client that still waits. */
static void send_end(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_progress *progress = &flight->progress;
    const bool is_malformed = flight->worker->faults.is_malformed;
    struct sgl_buffer body = {0};

    if (!flight->request.is_streaming) {
        if (is_malformed)
            sgl_buffer_append_text(&body, "{\"text\": ");
        else
            sgl_emulate_put_answer(&body, &flight->request, progress);
        sgl_emulate_respond_json(flight->exchange, 200, &body);
        flight->exchange = NULL;
        return;
    }
    if (is_malformed)
        sgl_buffer_append_text(&body, "data: {\"text\": \n\ndata: [DONE]\n\n");
    else
        sgl_emulate_put_end(&body, &flight->request, progress);
    send_bytes(flight, &body);
    if (flight->exchange != NULL)
        sgl_http_end(flight->exchange);
    flight->exchange = NULL;
}

void sgl_emulate_abort(struct sgl_emulate_flight *flight, const char *why)
{
    flight->progress.aborted = why;
    flight->progress.now_s = sgl_emulate_epoch_s(flight->worker->run, flight->worker->now_ns);
    flight->worker->aborted++;
    send_end(flight);
    leave(flight);
}

/* ---- what the engine tells ----------------------------------------------------------------- */

static void take_tokens(struct sgl_emulate_flight *flight, const struct sgl_emulated_event *event)
{
    struct sgl_emulate_progress *progress = &flight->progress;

    /* One that has to wait again is computed anew; what it gave it has given. */
    if (event->tokens <= progress->tokens)
        return;
    progress->tokens = event->tokens;
    progress->now_s = sgl_emulate_epoch_s(flight->worker->run, event->time_ns);
    if (isnan(progress->first_token_s))
        progress->first_token_s = progress->now_s;
}

static void refuse(struct sgl_emulate_flight *flight, const char *error)
{
    struct sgl_buffer event = {0};

    if (!flight->request.is_streaming) {
        sgl_http_respond_error(flight->exchange, 400, "BadRequestError", error, NULL, 0);
        flight->exchange = NULL;
        return;
    }
    sgl_buffer_format(&event,
                      "data: {\"error\":{\"message\":\"%s\",\"type\":\"BadRequestError\","
                      "\"code\":400}}\n\ndata: [DONE]\n\n",
                      error);
    send_bytes(flight, &event);
    if (flight->exchange != NULL)
        sgl_http_end(flight->exchange);
    flight->exchange = NULL;
}

void sgl_emulate_hear(void *context, const struct sgl_emulated_event *event)
{
    struct sgl_emulate_worker *worker = context;
    struct sgl_emulate_flight *flight = worker->flights[event->handle];
    struct sgl_emulate_progress *progress = &flight->progress;
    struct sgl_emulated_load load;

    if (event->kind == SGL_EMULATED_TOKENS) {
        take_tokens(flight, event);
        if (flight->exchange == NULL || flight->is_left)
            return;
        if (flight->request.is_streaming && is_cut_here(flight)) {
            cut(flight);
            /* The engine must not be told while it tells. */
            flight->is_left = worker->has_left = true;
        } else if (flight->request.is_streaming) {
            send_tokens(flight);
        }
        return;
    }
    flight->is_in_engine = false;
    if (event->kind == SGL_EMULATED_REJECT) {
        refuse(flight, event->error);
        give_flight(flight);
        return;
    }
    if (flight->exchange != NULL) {
        take_tokens(flight, event);
        sgl_emulator_load(worker->emulator, &load);
        progress->now_s = sgl_emulate_epoch_s(worker->run, event->time_ns);
        progress->queue_end_s = sgl_emulate_epoch_s(worker->run, event->started_ns);
        progress->cached_tokens = event->cached_tokens != SGL_ABSENT ? event->cached_tokens : 0;
        progress->queue_length = load.queue_length;
        worker->finished++;
        worker->output_tokens += event->tokens;
        if (is_cut_here(flight))
            cut(flight);
        else
            send_end(flight);
    }
    give_flight(flight);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void submit(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_worker *worker = flight->worker;
    struct sgl_emulate_request *request = &flight->request;
    struct sgl_failure failure = {.text = ""};
    const struct sgl_emulated_job job = {
        .handle = flight->handle,
        .prompt_tokens = request->prompt_tokens,
        .max_tokens = request->max_tokens,
        .prefix_ids = request->prefix_ids,
        .prefix_count = request->prefix_count,
        .prefix_block = worker->run->options->prefix_block,
    };

    sgl_emulate_advance(worker);
    flight->progress = (struct sgl_emulate_progress){
        .created_s = sgl_emulate_epoch_s(worker->run, worker->now_ns),
        .queue_end_s = NAN,
        .first_token_s = NAN,
        .now_s = NAN,
    };
    if (request->is_streaming)
        start_stream(flight);
    flight->is_in_engine = true;
    const int status = sgl_emulator_submit(worker->emulator, &job, worker->now_ns, &failure);
    if (status != SGL_OK) {
        flight->is_in_engine = false;
        refuse(flight, failure.text);
        give_flight(flight);
    }
    sgl_emulate_advance(worker);
}

static void take_request(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange,
                         enum sgl_emulate_api api)
{
    struct sgl_emulate_run *run = worker->run;
    struct sgl_emulate_request request;
    struct sgl_failure failure = {.text = ""};

    worker->requests++;
    if (worker->faults.status > 0) {
        sgl_http_respond_error(exchange, worker->faults.status, "fault",
                               "switched on at "
                               "/emulate/faults",
                               NULL, 0);
        return;
    }
    const int status = sgl_emulate_request_read(&request, api, exchange->body, exchange->body_size,
                                                run->options->prefix_block, run->numbers++,
                                                run->options->model, &failure);
    if (status != SGL_OK) {
        sgl_http_respond_error(exchange, status == SGL_EINVAL ? 400 : 503,
                               status == SGL_EINVAL ? "BadRequestError" : "no_memory", failure.text,
                               NULL, 0);
        return;
    }
    struct sgl_emulate_flight *flight = take_flight(worker);
    if (flight == NULL) {
        sgl_emulate_request_release(&request);
        sgl_http_respond_error(exchange, 503, "no_memory", "out of memory", NULL, 0);
        return;
    }
    flight->request = request;
    flight->exchange = exchange;
    exchange->context = flight;
    if (!worker->faults.hangs)
        submit(flight);
}

static bool is_path(const char *path, size_t size, const char *name)
{
    return strlen(name) == size && memcmp(path, name, size) == 0;
}

static void hear_request(void *context, struct sgl_http_exchange *exchange)
{
    static const struct {
        const char *path;
        enum sgl_emulate_api api;
    } apis[] = {
        {"/generate", SGL_EMULATE_GENERATE},
        {"/v1/chat/completions", SGL_EMULATE_CHAT},
        {"/v1/completions", SGL_EMULATE_COMPLETIONS},
    };
    struct sgl_emulate_worker *worker = context;
    const char *path = exchange->target;
    const size_t size = strcspn(path, "?");

    for (size_t i = 0; i < sizeof apis / sizeof apis[0]; i++) {
        if (!is_path(path, size, apis[i].path))
            continue;
        if (strcmp(exchange->method, "POST") == 0)
            take_request(worker, exchange, apis[i].api);
        else
            sgl_http_respond_error(exchange, 405, "method_not_allowed", "expected POST", NULL, 0);
        return;
    }
    if (!sgl_emulate_route(worker, exchange, path, size))
        sgl_http_respond_error(exchange, 404, "not_found", "there is no such path", NULL, 0);
}

/* The client has left: its request ends. */
static void hear_gone(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_emulate_worker *worker = context;
    struct sgl_emulate_flight *flight = exchange->context;

    if (flight == NULL)
        return;
    flight->exchange = NULL;
    worker->aborted++;
    if (!flight->is_in_engine) {
        give_flight(flight);
        return;
    }
    /* Catching up may end it; else it is left when that is done. */
    flight->is_left = worker->has_left = true;
    sgl_emulate_advance(worker);
}

static void hear_drained(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_emulate_flight *flight = exchange->context;

    (void)context;
    if (flight == NULL)
        return;
    flight->is_full = false;
    send_tokens(flight);
}

const struct sgl_http_handler sgl_emulate_handler = {
    .request = hear_request,
    .gone = hear_gone,
    .drained = hear_drained,
};

/* ---- faults -------------------------------------------------------------------------------- */

int sgl_emulate_lose(struct sgl_emulate_worker *worker)
{
    for (uint32_t handle = 0; handle < worker->flight_count; handle++) {
        struct sgl_emulate_flight *flight = worker->flights[handle];
        if (!flight->is_used)
            continue;
        if (flight->exchange != NULL)
            cut(flight);
        give_flight(flight);
    }
    sgl_alarm_set(&worker->alarm, SGL_ALARM_NEVER);
    return sgl_emulator_reset(worker->emulator, worker->run->failure);
}

int sgl_emulate_listen(struct sgl_emulate_worker *worker)
{
    struct sgl_emulate_run *run = worker->run;
    struct sgl_http_options options = {
        .limits = sgl_http_limits_standard(),
        .handler = &sgl_emulate_handler,
        .context = worker,
    };

    options.limits.body_max = BODY_MOST;
    int status = sgl_http_server_create(&worker->server, &run->loop, &options, run->failure);
    if (status != SGL_OK)
        return status;
    status = sgl_http_server_listen(worker->server, run->options->host, worker->port, &worker->port,
                                    run->failure);
    if (status != SGL_OK) {
        sgl_http_server_close(worker->server);
        worker->server = NULL;
    }
    return status;
}
