/* The router's own endpoints. What they answer is in LIVE's table; see README. */
#include "admin_answer.h"
#include "admin_fleet.h"
#include "admin_workers.h"

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
    json_t *answers; /* those of 200 that are JSON, in no order; NULL: there was no memory */
};

#define SURVEY_TIMEOUT_NS (INT64_C(10) * 1000000000)

/* ---- what the router knows ---- */

static json_t *describe_health(struct sgl_proxy_thread *thread,
                               const struct sgl_gateway_worker *worker)
{
    (void)thread;
    return json_pack("{s:s, s:b}", "url", worker->url, "healthy", (int)worker->is_healthy);
}

/* A router that was given no worker yet lacks nothing itself: those who start one and add workers
 * then wait for a 200 here, as SGLang's routers answer. /readiness says whether it can serve. */
static void get_health(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_fleet_counts counts = sgl_fleet_count(thread->gateway);
    const bool is_new = sgl_gateway_worker_count(thread->gateway) == 0;
    const bool is_healthy = counts.can_serve || is_new;

    sgl_admin_respond_json(exchange, is_healthy ? 200 : 503,
                           json_pack("{s:s, s:o}", "status", is_healthy ? "healthy" : "unhealthy",
                                     "workers", sgl_admin_each_worker(thread, describe_health)),
                           NULL);
}

static void get_liveness(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    (void)thread;
    sgl_admin_respond_text(exchange, 200, "OK");
}

static void get_readiness(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_fleet_counts counts = sgl_fleet_count(thread->gateway);

    if (counts.can_serve)
        sgl_admin_respond_json(exchange, 200,
                               json_pack("{s:s, s:i, s:i}", "status", "ready", "healthy_workers",
                                         counts.healthy, "total_workers", counts.total),
                               NULL);
    else
        sgl_admin_respond_json(exchange, 503,
                               json_pack("{s:s, s:s}", "status", "not ready", "reason",
                                         sgl_fleet_why_not(thread->gateway, &counts)),
                               NULL);
}

static void get_metrics(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_http_field field =
        sgl_http_field("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    char *text = sgl_metrics_text(thread);

    if (text == NULL)
        sgl_admin_respond_error(exchange, 503, "server_error", "out of memory");
    else
        sgl_http_respond(exchange, 200, &field, 1, text, strlen(text));
    free(text);
}

/* ---- asking the workers ---- */

static void end_survey(struct survey *survey)
{
    if (survey->answers != NULL)
        survey->end(survey);
    else
        sgl_admin_respond_error(survey->exchange, 503, "server_error", "out of memory");
}

static void on_answer(struct sgl_ask *ask)
{
    struct survey *survey = ask->context;

    if (ask->status == 200) {
        survey->succeeded++;
        json_t *answer = json_loadb(ask->body, ask->body_size, 0, NULL);
        if (answer != NULL && survey->answers != NULL && !sgl_json_append(survey->answers, answer))
            survey->answers = NULL;
    }
    if (--survey->left > 0)
        return;
    if (survey->exchange != NULL) {
        survey->exchange->context = NULL;
        end_survey(survey);
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
        sgl_admin_respond_error(exchange, 503, "server_error", "out of memory");
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
    end_survey(survey);
    json_decref(survey->answers);
    free(survey);
}

static void end_flush(struct survey *survey)
{
    struct sgl_input input = {.kind = SGL_INPUT_FLUSH_CACHE};
    const bool is_whole = survey->succeeded == survey->asked;

    sgl_gateway_feed(survey->thread->gateway, &input, NULL);
    sgl_admin_respond_json(
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
        sgl_admin_respond_error(survey->exchange, 503, "no_available_workers",
                                "no worker has answered");
    else if (count == 1)
        sgl_admin_respond_json(survey->exchange, 200,
                               json_incref(json_array_get(survey->answers, 0)), NULL);
    else
        sgl_admin_respond_json(survey->exchange, 200,
                               json_pack("{s:O}", "workers", survey->answers), NULL);
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
        sgl_admin_respond_error(survey->exchange, 503, "no_available_workers",
                                "no worker has answered");
    else
        sgl_admin_respond_json(survey->exchange, 200, json_incref(first), NULL);
}

static void get_model_info(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    survey_workers(thread, exchange, "/get_model_info", false, end_first);
}

/* Adds the models of an answer that are not there yet. False: no memory. */
static bool add_models(json_t *models, json_t *seen, const json_t *answer)
{
    size_t i;
    json_t *model;

    json_array_foreach(json_object_get(answer, "data"), i, model)
    {
        const char *id = json_string_value(json_object_get(model, "id"));
        if (id == NULL || json_object_get(seen, id) != NULL)
            continue;
        if (json_object_set_new(seen, id, json_true()) != 0 ||
            json_array_append(models, model) != 0)
            return false;
    }
    return true;
}

/* The models of all workers, each once. */
static void end_models(struct survey *survey)
{
    json_t *models = json_array();
    json_t *seen = json_object();
    bool is_whole = models != NULL && seen != NULL;
    size_t i;
    json_t *answer;

    json_array_foreach(survey->answers, i, answer) is_whole =
        is_whole && add_models(models, seen, answer);
    json_decref(seen);
    if (survey->succeeded > 0 && is_whole) {
        sgl_admin_respond_json(survey->exchange, 200,
                               json_pack("{s:s, s:o}", "object", "list", "data", models), NULL);
        return;
    }
    json_decref(models);
    if (is_whole)
        sgl_admin_respond_error(survey->exchange, 503, "no_available_workers",
                                "no worker has answered");
    else
        sgl_admin_respond_error(survey->exchange, 503, "server_error", "out of memory");
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
    {"GET", "/list_workers", sgl_admin_get_list},
    {"POST", "/add_worker", sgl_admin_add_worker},
    {"POST", "/remove_worker", sgl_admin_remove_worker},
    {"GET", "/workers", sgl_admin_get_workers},
    {"POST", "/workers", sgl_admin_post_worker},
    {NULL, "/workers/", sgl_admin_one_worker},
    {"GET", "/get_loads", sgl_admin_get_loads},
    {"POST", "/flush_cache", post_flush},
    {"GET", "/get_server_info", get_server_info},
    {"GET", "/get_model_info", get_model_info},
    {"GET", "/v1/models", get_models},
    {"GET", "/metrics", get_metrics},
};

static bool leads_to(const char *target, const struct route *route)
{
    const size_t size = strcspn(target, "?");
    const size_t path_size = strlen(route->path);
    const bool is_prefix = route->path[path_size - 1] == '/';

    return strncmp(target, route->path, path_size) == 0 &&
           (is_prefix ? size != path_size : size == path_size);
}

void sgl_admin_methods(const char *target, char text[static SGL_ADMIN_METHODS_SIZE])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const char *method = routes[i].method;
        if (!leads_to(target, &routes[i]) || used >= SGL_ADMIN_METHODS_SIZE)
            continue;
        if (method == NULL)
            method = "GET, HEAD, PUT, DELETE";
        else if (strcmp(method, "GET") == 0)
            method = "GET, HEAD";
        used += (size_t)snprintf(text + used, SGL_ADMIN_METHODS_SIZE - used, "%s%s",
                                 used > 0 ? ", " : "", method);
    }
}

bool sgl_admin(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const bool is_head = strcmp(exchange->method, "HEAD") == 0;
    char methods[SGL_ADMIN_METHODS_SIZE];

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const struct route *route = &routes[i];
        if (!leads_to(exchange->target, route))
            continue;
        if (route->method == NULL || strcmp(route->method, exchange->method) == 0 ||
            (is_head && strcmp(route->method, "GET") == 0)) {
            route->run(thread, exchange);
            return true;
        }
    }
    sgl_admin_methods(exchange->target, methods);
    if (methods[0] == '\0')
        return false;
    sgl_admin_refuse_method(exchange, methods);
    return true;
}
