/* The router's own endpoints. What they answer is in LIVE's table; see README. */
#include "admin_fleet.h"

#include "traces/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request whose answer waits for workers. The exchange's context points to it, and it to the
 * exchange, until the client has left. */
struct survey {
    struct sgl_http_exchange *exchange; /* NULL: nobody waits any more */
    struct sgl_proxy_thread *thread;
    void (*end)(struct survey *survey);
    uint32_t asked;
    uint32_t left;
    uint32_t succeeded;
    json_t *answers; /* those of 200 that are JSON, in no order */
};

#define SURVEY_TIMEOUT_NS (INT64_C(10) * 1000000000)

/* ---- answers ---- */

static void respond_json(struct sgl_http_exchange *exchange, int status, json_t *root,
                         const char *location)
{
    char *text = sgl_json_line(root);
    struct sgl_http_field fields[2] = {sgl_http_field("Content-Type", "application/json")};
    size_t count = 1;

    if (text == NULL) {
        sgl_http_respond_error(exchange, 503, "server_error", "out of memory", NULL, 0);
        return;
    }
    if (location != NULL)
        fields[count++] = sgl_http_field("Location", location);
    sgl_http_respond(exchange, status, fields, count, text, strlen(text));
    free(text);
}

static void respond_text(struct sgl_http_exchange *exchange, int status, const char *text)
{
    const struct sgl_http_field field = sgl_http_field("Content-Type", "text/plain; charset=utf-8");

    sgl_http_respond(exchange, status, &field, 1, text, strlen(text));
}

static void respond_error(struct sgl_http_exchange *exchange, int status, const char *type,
                          const char *message)
{
    const struct sgl_http_field retry = sgl_http_field("Retry-After", "1");

    sgl_http_respond_error(exchange, status, type, message, &retry, status == 503);
}

/* ---- what the router knows ---- */

/* An array with one member per worker that is there, made by `describe`. */
static json_t *each_worker(struct sgl_gateway *gateway,
                           json_t *(*describe)(const struct sgl_gateway_worker *worker))
{
    const uint32_t count = sgl_gateway_worker_count(gateway);
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(gateway, i);
        if (!worker.is_removed && !sgl_json_append(list, describe(&worker)))
            return NULL; /* no memory: the answer is an error */
    }
    return list;
}

static json_t *describe_health(const struct sgl_gateway_worker *worker)
{
    return json_pack("{s:s, s:b}", "url", worker->url, "healthy", (int)worker->is_healthy);
}

static json_t *describe_url(const struct sgl_gateway_worker *worker)
{
    return json_string(worker->url);
}

static json_t *describe_load(const struct sgl_gateway_worker *worker)
{
    return json_pack("{s:s, s:I}", "worker", worker->url, "load", (json_int_t)worker->outstanding);
}

static json_t *describe_all(const struct sgl_gateway_worker *worker)
{
    json_t *port = worker->bootstrap_port != SGL_BOOTSTRAP_NO_PORT
                       ? json_integer(worker->bootstrap_port)
                       : json_null();

    return json_pack("{s:s, s:s, s:s, s:i, s:f, s:s, s:b, s:I, s:s, s:o, s:{}}", "id", worker->id,
                     "url", worker->url, "model_id",
                     worker->model != NULL ? worker->model : "unknown", "priority", 50, "cost", 1.0,
                     "worker_type", sgl_pool_name(worker->pool), "is_healthy",
                     (int)worker->is_healthy, "load", (json_int_t)worker->outstanding,
                     "connection_mode", "HTTP", "bootstrap_port", port, "metadata");
}

static void get_health(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const bool is_healthy = sgl_fleet_count(thread->gateway).can_serve;

    respond_json(exchange, is_healthy ? 200 : 503,
                 json_pack("{s:s, s:o}", "status", is_healthy ? "healthy" : "unhealthy", "workers",
                           each_worker(thread->gateway, describe_health)),
                 NULL);
}

static void get_liveness(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    (void)thread;
    respond_text(exchange, 200, "OK");
}

static void get_readiness(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_fleet_counts counts = sgl_fleet_count(thread->gateway);

    if (counts.can_serve)
        respond_json(exchange, 200,
                     json_pack("{s:s, s:i, s:i}", "status", "ready", "healthy_workers",
                               counts.healthy, "total_workers", counts.total),
                     NULL);
    else
        respond_json(exchange, 503,
                     json_pack("{s:s, s:s}", "status", "not ready", "reason",
                               sgl_fleet_why_not(thread->gateway, &counts)),
                     NULL);
}

static void get_list(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    respond_json(exchange, 200,
                 json_pack("{s:o}", "urls", each_worker(thread->gateway, describe_url)), NULL);
}

static void get_loads(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    respond_json(exchange, 200,
                 json_pack("{s:o}", "workers", each_worker(thread->gateway, describe_load)), NULL);
}

static void get_workers(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_fleet_counts counts = sgl_fleet_count(thread->gateway);
    json_t *list = each_worker(thread->gateway, describe_all);
    const int total = (int)json_array_size(list);

    respond_json(exchange, 200,
                 json_pack("{s:o, s:i, s:{s:i, s:i, s:i}}", "workers", list, "total", total,
                           "stats", "prefill_count", counts.pool_total[SGL_POOL_PREFILL],
                           "decode_count", counts.pool_total[SGL_POOL_DECODE], "regular_count",
                           counts.pool_total[SGL_POOL_REGULAR]),
                 NULL);
}

static void get_metrics(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_http_field field =
        sgl_http_field("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    char *text = sgl_metrics_text(thread);

    if (text == NULL)
        respond_error(exchange, 503, "server_error", "out of memory");
    else
        sgl_http_respond(exchange, 200, &field, 1, text, strlen(text));
    free(text);
}

/* ---- changing the fleet ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of `url` in the query, percent-decoded; caller frees. NULL: there is none. */
static char *query_url(const char *target)
{
    const char *at = strchr(target, '?');

    while (at != NULL && strncmp(at + 1, "url=", 4) != 0)
        at = strchr(at + 1, '&');
    if (at == NULL)
        return NULL;
    at += 5;
    const size_t size = strcspn(at, "&");
    char *out = malloc(size + 1);
    size_t used = 0;
    for (size_t i = 0; out != NULL && i < size; i++) {
        const int high = at[i] == '%' && i + 2 < size + 0 ? hex_digit(at[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(at[i + 2]) : -1;
        if (low >= 0) {
            out[used++] = (char)(16 * high + low);
            i += 2;
        } else {
            out[used++] = at[i];
        }
    }
    if (out != NULL)
        out[used] = '\0';
    return out;
}

static void add_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    struct sgl_failure failure;
    char text[600];
    char *url = query_url(exchange->target);
    uint32_t worker;
    bool is_duplicate;

    if (url == NULL) {
        respond_error(exchange, 400, "invalid_request_error", "add_worker needs ?url=http://...");
        return;
    }
    const struct sgl_gateway_newcomer newcomer = {.url = url,
                                                  .bootstrap_port = SGL_BOOTSTRAP_NO_PORT};
    if (sgl_access_may_add(&thread->options->access, url, &failure) != SGL_OK ||
        sgl_gateway_add(thread->gateway, &newcomer, &worker, &is_duplicate, &failure) != SGL_OK) {
        respond_error(exchange, 400, "invalid_request_error", failure.text);
    } else {
        snprintf(text, sizeof text, "Successfully added worker: %.500s", url);
        respond_text(exchange, 200, text);
    }
    free(url);
}

/* The worker that is there under that URL (a trailing slash aside), or SGL_NO_WORKER. */
static uint32_t find_url(struct sgl_gateway *gateway, const char *url)
{
    const uint32_t count = sgl_gateway_worker_count(gateway);
    size_t size = strlen(url);

    while (size > 0 && url[size - 1] == '/')
        size--;
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(gateway, i);
        if (!worker.is_removed && strlen(worker.url) == size && strncmp(worker.url, url, size) == 0)
            return i;
    }
    return SGL_NO_WORKER;
}

static void remove_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    char text[600];
    char *url = query_url(exchange->target);
    const uint32_t worker = url != NULL ? find_url(thread->gateway, url) : SGL_NO_WORKER;

    if (url == NULL) {
        respond_error(exchange, 400, "invalid_request_error",
                      "remove_worker needs ?url=http://...");
    } else if (worker == SGL_NO_WORKER ||
               sgl_gateway_remove(thread->gateway, worker, NULL) != SGL_OK) {
        respond_error(exchange, 404, "not_found", "there is no such worker");
    } else {
        snprintf(text, sizeof text, "Successfully removed worker: %.500s", url);
        respond_text(exchange, 200, text);
    }
    free(url);
}

static void post_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    json_t *root = json_loadb(exchange->body, exchange->body_size, 0, NULL);
    struct sgl_gateway_newcomer newcomer;
    const bool is_good = sgl_newcomer_read(root, &newcomer);
    struct sgl_failure failure;
    char location[64];
    uint32_t index;
    bool is_duplicate = false;

    if (root == NULL) {
        respond_error(exchange, 400, "invalid_request_error", "the body is not JSON");
    } else if (!is_good) {
        respond_error(exchange, 400, "invalid_request_error",
                      "expected worker_type regular, prefill or decode, and bootstrap_port 0 to "
                      "65535 or null");
    } else if (newcomer.url == NULL) {
        respond_error(exchange, 422, "invalid_request_error", "the body has no text \"url\"");
    } else if (sgl_access_may_add(&thread->options->access, newcomer.url, &failure) != SGL_OK ||
               sgl_gateway_add(thread->gateway, &newcomer, &index, &is_duplicate, &failure) !=
                   SGL_OK) {
        respond_error(exchange, is_duplicate ? 409 : 400, "invalid_request_error", failure.text);
    } else {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(thread->gateway, index);
        snprintf(location, sizeof location, "/workers/%s", worker.id);
        respond_json(exchange, 202,
                     json_pack("{s:s, s:s, s:s, s:s, s:s}", "status", "accepted", "worker_id",
                               worker.id, "url", worker.url, "location", location, "message",
                               "the worker was added"),
                     location);
    }
    json_decref(root);
}

/* Is it written like a UUID? */
static bool is_id(const char *text)
{
    size_t i = 0;

    for (; text[i] != '\0'; i++) {
        const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : hex_digit(text[i]) < 0)
            return false;
    }
    return i == SGL_GATEWAY_ID_SIZE - 1;
}

static void one_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const char *id = exchange->target + strlen("/workers/");
    const uint32_t count = sgl_gateway_worker_count(thread->gateway);
    struct sgl_gateway_worker worker = {.is_removed = true};

    if (!is_id(id)) {
        respond_error(exchange, 400, "invalid_request_error", "the id is not a UUID");
        return;
    }
    for (uint32_t i = 0; i < count && worker.is_removed; i++) {
        const struct sgl_gateway_worker candidate = sgl_gateway_worker(thread->gateway, i);
        if (!candidate.is_removed && strcmp(candidate.id, id) == 0)
            worker = candidate;
    }
    if (worker.is_removed) {
        respond_error(exchange, 404, "not_found", "there is no such worker");
    } else if (strcmp(exchange->method, "GET") == 0) {
        respond_json(exchange, 200, describe_all(&worker), NULL);
    } else if (strcmp(exchange->method, "DELETE") == 0 &&
               sgl_gateway_remove(thread->gateway, worker.worker, NULL) == SGL_OK) {
        respond_json(exchange, 202,
                     json_pack("{s:s, s:s, s:s}", "status", "accepted", "worker_id", id, "message",
                               "the worker was removed"),
                     NULL);
    } else {
        respond_error(exchange, 405, "method_not_allowed", "a worker is read or deleted here");
    }
}

/* ---- asking the workers ---- */

static void on_answer(struct sgl_ask *ask)
{
    struct survey *survey = ask->context;

    if (ask->status == 200) {
        survey->succeeded++;
        json_t *answer = json_loadb(ask->body, ask->body_size, 0, NULL);
        if (answer != NULL)
            json_array_append_new(survey->answers, answer);
    }
    if (--survey->left > 0)
        return;
    if (survey->exchange != NULL) {
        survey->exchange->context = NULL;
        survey->end(survey);
    }
    json_decref(survey->answers);
    free(survey);
}

/* Asks every worker, and ends when all have answered or their time is up. */
static void survey_workers(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange,
                           const char *target, bool is_post, void (*end)(struct survey *survey))
{
    const uint32_t count = sgl_gateway_worker_count(thread->gateway);
    struct survey *survey = calloc(1, sizeof *survey);

    if (survey == NULL) {
        respond_error(exchange, 503, "server_error", "out of memory");
        return;
    }
    *survey = (struct survey){
        .exchange = exchange, .thread = thread, .end = end, .answers = json_array()};
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_ask ask = {.worker = i,
                                    .target = target,
                                    .is_post = is_post,
                                    .timeout_ns = SURVEY_TIMEOUT_NS,
                                    .answered = on_answer,
                                    .context = survey};
        if (!sgl_gateway_worker(thread->gateway, i).is_removed) {
            survey->asked++;
            survey->left += sgl_ask(thread, &ask) == SGL_OK;
        }
    }
    if (survey->left > 0) {
        exchange->context = survey;
        return;
    }
    end(survey);
    json_decref(survey->answers);
    free(survey);
}

static void end_flush(struct survey *survey)
{
    struct sgl_input input = {.kind = SGL_INPUT_FLUSH_CACHE};
    const bool is_whole = survey->succeeded == survey->asked;

    sgl_gateway_feed(survey->thread->gateway, &input, NULL);
    respond_json(
        survey->exchange, is_whole ? 200 : 502,
        json_pack("{s:s, s:s, s:i, s:i}", "status", is_whole ? "success" : "partial", "message",
                  is_whole ? "the caches of all workers were flushed"
                           : "not every worker flushed its cache",
                  "workers_flushed", (int)survey->succeeded, "total_workers", (int)survey->asked),
        NULL);
}

static void post_flush(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    survey_workers(thread, exchange, "/flush_cache", true, end_flush);
}

static void end_info(struct survey *survey)
{
    const size_t count = json_array_size(survey->answers);

    if (count == 0)
        respond_error(survey->exchange, 503, "no_available_workers", "no worker has answered");
    else if (count == 1)
        respond_json(survey->exchange, 200, json_incref(json_array_get(survey->answers, 0)), NULL);
    else
        respond_json(survey->exchange, 200, json_pack("{s:O}", "workers", survey->answers), NULL);
}

static void get_server_info(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    survey_workers(thread, exchange, "/get_server_info", false, end_info);
}

/* What is asked of a model is the same at all workers: the first answer. */
static void end_first(struct survey *survey)
{
    json_t *first = json_array_get(survey->answers, 0);

    if (first == NULL)
        respond_error(survey->exchange, 503, "no_available_workers", "no worker has answered");
    else
        respond_json(survey->exchange, 200, json_incref(first), NULL);
}

static void get_model_info(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    survey_workers(thread, exchange, "/get_model_info", false, end_first);
}

/* The models of all workers, each once. */
static void end_models(struct survey *survey)
{
    json_t *models = json_array();
    json_t *seen = json_object();
    size_t i;
    size_t j;
    json_t *answer;
    json_t *model;

    json_array_foreach(survey->answers, i, answer)
    {
        json_array_foreach(json_object_get(answer, "data"), j, model)
        {
            const char *id = json_string_value(json_object_get(model, "id"));
            if (id == NULL || json_object_get(seen, id) != NULL)
                continue;
            json_object_set_new(seen, id, json_true());
            json_array_append(models, model);
        }
    }
    json_decref(seen);
    if (survey->succeeded > 0) {
        respond_json(survey->exchange, 200,
                     json_pack("{s:s, s:o}", "object", "list", "data", models), NULL);
        return;
    }
    json_decref(models);
    respond_error(survey->exchange, 503, "no_available_workers", "no worker has answered");
}

static void get_models(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    survey_workers(thread, exchange, "/v1/models", false, end_models);
}

void sgl_admin_gone(struct sgl_http_exchange *exchange)
{
    struct survey *survey = exchange->context;

    if (survey != NULL)
        survey->exchange = NULL;
}

/* ---- the table ---- */

static const struct route {
    const char *method;
    const char *path; /* one that ends in a slash stands for all that begin with it */
    void (*run)(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
} routes[] = {
    {"GET", "/health", get_health},
    {"GET", "/health_generate", get_health},
    {"GET", "/liveness", get_liveness},
    {"GET", "/readiness", get_readiness},
    {"GET", "/list_workers", get_list},
    {"POST", "/add_worker", add_worker},
    {"POST", "/remove_worker", remove_worker},
    {"GET", "/workers", get_workers},
    {"POST", "/workers", post_worker},
    {NULL, "/workers/", one_worker},
    {"GET", "/get_loads", get_loads},
    {"POST", "/flush_cache", post_flush},
    {"GET", "/get_server_info", get_server_info},
    {"GET", "/get_model_info", get_model_info},
    {"GET", "/v1/models", get_models},
    {"GET", "/metrics", get_metrics},
};

bool sgl_admin(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const size_t size = strcspn(exchange->target, "?");
    const bool is_head = strcmp(exchange->method, "HEAD") == 0;
    bool is_known = false;

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const struct route *route = &routes[i];
        const size_t path_size = strlen(route->path);
        const bool is_prefix = route->path[path_size - 1] == '/';
        if (strncmp(exchange->target, route->path, path_size) != 0 ||
            (is_prefix ? size == path_size : size != path_size))
            continue;
        is_known = true;
        if (route->method == NULL || strcmp(route->method, exchange->method) == 0 ||
            (is_head && strcmp(route->method, "GET") == 0)) {
            route->run(thread, exchange);
            return true;
        }
    }
    if (is_known)
        respond_error(exchange, 405, "method_not_allowed", "this path takes another method");
    return is_known;
}
