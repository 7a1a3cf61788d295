#include "emulate_worker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MOST ((size_t)64 * 1024 * 1024)
#define CLAIM_MOST 4096 /* bytes of a question for a room */

/* ---- questions ----------------------------------------------------------------------------- */

static void free_question(struct sgl_emulate_question *question)
{
    sgl_emulate_request_release(&question->request);
    free(question->progress);
    free(question->flights);
    free(question);
}

/* Its client has its answer, or left. */
static void drop(struct sgl_emulate_question *question)
{
    for (size_t i = 0; i < question->request.part_count; i++)
        if (question->flights[i] != NULL)
            sgl_emulate_leave(question->flights[i]);
    question->is_over = true;
    if (!question->is_held)
        free_question(question);
}

/* It may be freed again; it was held while its parts were walked. */
static void let_go(struct sgl_emulate_question *question)
{
    question->is_held = false;
    if (question->is_over)
        free_question(question);
}

/* Takes over the request, also when there is no memory. */
static struct sgl_emulate_question *new_question(struct sgl_emulate_worker *worker,
                                                 struct sgl_http_exchange *exchange,
                                                 struct sgl_emulate_request *request)
{
    const size_t count = request->part_count;
    struct sgl_emulate_question *question = calloc(1, sizeof *question);

    if (question == NULL) {
        sgl_emulate_request_release(request);
        return NULL;
    }
    question->exchange = exchange;
    question->worker = worker;
    question->request = *request;
    question->left = count;
    question->progress = calloc(count, sizeof *question->progress);
    question->flights = calloc(count, sizeof(struct sgl_emulate_flight *));
    bool is_whole = question->progress != NULL && question->flights != NULL;
    for (size_t i = 0; i < count && is_whole; i++) {
        struct sgl_emulate_flight *flight = sgl_emulate_take_flight(worker);
        is_whole = flight != NULL;
        if (!is_whole)
            break;
        flight->question = question;
        flight->part = i;
        question->flights[i] = flight;
        question->progress[i] = (struct sgl_emulate_progress){
            .queue_start_s = NAN, .queue_end_s = NAN, .first_token_s = NAN, .now_s = NAN};
    }
    if (is_whole)
        return question;
    for (size_t i = 0; question->flights != NULL && i < count; i++)
        if (question->flights[i] != NULL)
            sgl_emulate_give_flight(question->flights[i]);
    free_question(question);
    return NULL;
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

static void start_stream(struct sgl_emulate_question *question)
{
    const struct sgl_http_field fields[] = {
        sgl_http_field("Content-Type", "text/event-stream; charset=utf-8"),
        sgl_http_field("Cache-Control", "no-cache"),
    };

    sgl_http_start(question->exchange, 200, NULL, fields, 2, SGL_HTTP_CHUNKED);
    question->has_started = true;
}

void sgl_emulate_cut(struct sgl_emulate_question *question)
{
    if (!question->has_started)
        sgl_http_start(question->exchange, 200, NULL, NULL, 0, 1000);
    sgl_http_abort(question->exchange);
    drop(question);
}

void sgl_emulate_forget(struct sgl_emulate_question *question)
{
    question->exchange->context = NULL;
    drop(question);
}

bool sgl_emulate_is_cut(const struct sgl_emulate_flight *flight)
{
    const struct sgl_emulate_question *question = flight->question;
    const int64_t cut_after = flight->worker->faults.cut_after;

    return cut_after >= 0 && (!question->request.is_streaming ||
                              question->progress[flight->part].tokens >= cut_after);
}

/* False: there was no memory for it, and the question is over. */
static bool send_bytes(struct sgl_emulate_question *question, struct sgl_buffer *event)
{
    const bool is_sent = !event->has_failed;

    if (is_sent)
        question->is_full = !sgl_http_send(question->exchange, event->bytes, event->size);
    else
        sgl_emulate_cut(question);
    sgl_buffer_release(event);
    return is_sent;
}

void sgl_emulate_send_tokens(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_question *question = flight->question;
    struct sgl_emulate_progress *progress = &question->progress[flight->part];
    struct sgl_buffer event = {0};

    if (progress->tokens == progress->tokens_sent || question->is_full)
        return;
    if (flight->worker->faults.is_malformed)
        sgl_buffer_append_text(&event, "data: {\"text\": \n\n");
    else
        sgl_emulate_put_tokens(&event, &question->request, flight->part, progress);
    progress->tokens_sent = progress->tokens;
    send_bytes(question, &event);
}

static void send_end(struct sgl_emulate_question *question, size_t part)
{
    const bool is_malformed = question->worker->faults.is_malformed;
    const bool is_last = question->left == 0;
    struct sgl_buffer event = {0};

    if (is_malformed)
        sgl_buffer_append_text(&event, "data: {\"text\": \n\n");
    else
        sgl_emulate_put_end(&event, &question->request, part, &question->progress[part]);
    if (is_last && is_malformed)
        sgl_buffer_append_text(&event, "data: [DONE]\n\n");
    else if (is_last)
        sgl_emulate_put_done(&event, &question->request, question->progress);
    if (!send_bytes(question, &event) || !is_last)
        return;
    sgl_http_end(question->exchange);
    drop(question);
}

static void answer(struct sgl_emulate_question *question)
{
    struct sgl_buffer body = {0};

    if (question->worker->faults.is_malformed)
        sgl_buffer_append_text(&body, "{\"text\": ");
    else
        sgl_emulate_put_answer(&body, &question->request, question->progress);
    sgl_emulate_respond_json(question->exchange, 200, &body);
    drop(question);
}

void sgl_emulate_end_part(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_question *question = flight->question;
    const bool is_cut = sgl_emulate_is_cut(flight);

    question->flights[flight->part] = NULL;
    question->left--;
    flight->question = NULL;
    if (is_cut)
        sgl_emulate_cut(question);
    else if (question->request.is_streaming)
        send_end(question, flight->part);
    else if (question->left == 0)
        answer(question);
}

void sgl_emulate_abort(struct sgl_emulate_flight *flight, const char *why)
{
    struct sgl_emulate_progress *progress = &flight->question->progress[flight->part];

    progress->aborted = why;
    progress->now_s = sgl_emulate_epoch_s(flight->worker->run, flight->worker->now_ns);
    flight->worker->aborted++;
    sgl_emulate_end_part(flight);
    sgl_emulate_leave(flight);
}

void sgl_emulate_fail(struct sgl_emulate_question *question, int status, const char *message)
{
    const char *type = status < 500 ? "BadRequestError" : "InternalServerError";
    struct sgl_buffer event = {0};

    if (question->request.is_streaming) {
        /* No message has quotes in it. */
        sgl_buffer_format(&event,
                          "data: {\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"code\":%d}}\n\n"
                          "data: [DONE]\n\n",
                          message, type, status);
        if (!send_bytes(question, &event))
            return;
        sgl_http_end(question->exchange);
    } else {
        sgl_http_respond_error(question->exchange, status, type, message, NULL, 0);
    }
    drop(question);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void launch(struct sgl_emulate_question *question)
{
    struct sgl_emulate_worker *worker = question->worker;

    sgl_emulate_advance(worker);
    for (size_t i = 0; i < question->request.part_count; i++)
        question->progress[i].created_s = sgl_emulate_epoch_s(worker->run, worker->now_ns);
    if (question->request.is_streaming)
        start_stream(question);
    question->is_held = true;
    for (size_t i = 0; i < question->request.part_count && !question->is_over; i++)
        sgl_emulate_launch(question->flights[i]);
    let_go(question);
    sgl_emulate_advance(worker);
}

static void take_request(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange,
                         enum sgl_emulate_api api)
{
    struct sgl_emulate_run *run = worker->run;
    struct sgl_emulate_request request;
    struct sgl_failure failure = {.text = ""};
    const struct sgl_emulate_reader reader = {
        .api = api,
        .prefix_block = run->options->prefix_block,
        .number = run->numbers++,
        .model = run->options->model,
        .is_paired = worker->role != SGL_EMULATE_REGULAR,
    };

    worker->requests++;
    if (worker->faults.status > 0) {
        sgl_http_respond_error(exchange, worker->faults.status, "fault",
                               "switched on at "
                               "/emulate/faults",
                               NULL, 0);
        return;
    }
    const int status =
        sgl_emulate_request_read(&request, &reader, exchange->body, exchange->body_size, &failure);
    if (status != SGL_OK) {
        sgl_http_respond_error(exchange, status == SGL_EINVAL ? 400 : 503,
                               status == SGL_EINVAL ? "BadRequestError" : "no_memory", failure.text,
                               NULL, 0);
        return;
    }
    struct sgl_emulate_question *question = new_question(worker, exchange, &request);
    if (question == NULL) {
        sgl_http_respond_error(exchange, 503, "no_memory", "out of memory", NULL, 0);
        return;
    }
    exchange->context = question;
    worker->requests += question->request.part_count - 1;
    if (!worker->faults.hangs)
        launch(question);
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
    struct sgl_emulate_question *question = exchange->context;

    if (question == NULL)
        return;
    worker->aborted++;
    drop(question);
    sgl_emulate_advance(worker);
}

static void hear_drained(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_emulate_question *question = exchange->context;

    (void)context;
    if (question == NULL)
        return;
    question->is_full = false;
    question->is_held = true;
    for (size_t i = 0; i < question->request.part_count && !question->is_full; i++)
        if (!question->is_over && question->flights[i] != NULL)
            sgl_emulate_send_tokens(question->flights[i]);
    let_go(question);
}

static const struct sgl_http_handler worker_handler = {
    .request = hear_request,
    .gone = hear_gone,
    .drained = hear_drained,
};

/* ---- ports --------------------------------------------------------------------------------- */

static int listen_on(struct sgl_emulate_worker *worker, struct sgl_http_server **server,
                     const struct sgl_http_handler *handler, size_t body_max, uint16_t *port)
{
    struct sgl_emulate_run *run = worker->run;
    struct sgl_http_options options = {
        .limits = sgl_http_limits_standard(),
        .handler = handler,
        .context = worker,
    };

    options.limits.body_max = body_max;
    int status = sgl_http_server_create(server, &run->loop, &options, run->failure);
    if (status != SGL_OK)
        return status;
    status = sgl_http_server_listen(*server, run->options->host, *port, port, run->failure);
    if (status != SGL_OK) {
        sgl_http_server_close(*server);
        *server = NULL;
    }
    return status;
}

int sgl_emulate_listen(struct sgl_emulate_worker *worker)
{
    const int status =
        listen_on(worker, &worker->server, &worker_handler, BODY_MOST, &worker->port);

    return status == SGL_OK && worker->role == SGL_EMULATE_PREFILL
               ? listen_on(worker, &worker->bootstrap, &sgl_emulate_bootstrap_handler, CLAIM_MOST,
                           &worker->bootstrap_port)
               : status;
}
