/* The endpoints about workers. */
#include "admin_workers.h"

#include "traces/json.h"
#include "admin_answer.h"
#include "admin_fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what is told of them ---- */

json_t *sgl_admin_each_worker(struct sgl_proxy_thread *thread,
                              json_t *(*describe)(struct sgl_proxy_thread *thread,
                                                  const struct sgl_gateway_worker *worker))
{
    const uint32_t count = sgl_gateway_worker_count(thread->gateway);
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(thread->gateway, i);
        if (!worker.is_removed && !sgl_json_append(list, describe(thread, &worker)))
            return NULL;
    }
    return list;
}

static json_t *describe_url(struct sgl_proxy_thread *thread,
                            const struct sgl_gateway_worker *worker)
{
    (void)thread;
    return json_string(worker->url);
}

static json_t *describe_load(struct sgl_proxy_thread *thread,
                             const struct sgl_gateway_worker *worker)
{
    (void)thread;
    return json_pack("{s:s, s:I}", "worker", worker->url, "load", (json_int_t)worker->outstanding);
}

static json_t *describe_all(struct sgl_proxy_thread *thread,
                            const struct sgl_gateway_worker *worker)
{
    json_t *port = worker->bootstrap_port != SGL_BOOTSTRAP_NO_PORT
                       ? json_integer(worker->bootstrap_port)
                       : json_null();
    uint32_t priority;
    double cost;
    json_t *labels;

    sgl_worker_notes_read(thread->proxy->notes, worker->worker, &priority, &cost, &labels);
    return json_pack("{s:s, s:s, s:s, s:I, s:f, s:s, s:b, s:I, s:s, s:o, s:o}", "id", worker->id,
                     "url", worker->url, "model_id",
                     worker->model != NULL ? worker->model : "unknown", "priority",
                     (json_int_t)priority, "cost", cost, "worker_type", sgl_pool_name(worker->pool),
                     "is_healthy", (int)worker->is_healthy, "load", (json_int_t)worker->outstanding,
                     "connection_mode", "HTTP", "bootstrap_port", port, "metadata", labels);
}

void sgl_admin_get_list(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    sgl_admin_respond_json(exchange, 200,
                           json_pack("{s:o}", "urls", sgl_admin_each_worker(thread, describe_url)),
                           NULL);
}

void sgl_admin_get_loads(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    sgl_admin_respond_json(
        exchange, 200, json_pack("{s:o}", "workers", sgl_admin_each_worker(thread, describe_load)),
        NULL);
}

void sgl_admin_get_workers(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const struct sgl_fleet_counts counts = sgl_fleet_count(thread->gateway);
    json_t *list = sgl_admin_each_worker(thread, describe_all);
    const int total = (int)json_array_size(list);

    sgl_admin_respond_json(exchange, 200,
                           json_pack("{s:o, s:i, s:{s:i, s:i, s:i}}", "workers", list, "total",
                                     total, "stats", "prefill_count",
                                     counts.pool_total[SGL_POOL_PREFILL], "decode_count",
                                     counts.pool_total[SGL_POOL_DECODE], "regular_count",
                                     counts.pool_total[SGL_POOL_REGULAR]),
                           NULL);
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

/* Percent-decoded; caller frees. NULL: no memory. */
static char *decoded(const char *text, size_t size)
{
    char *out = malloc(size + 1);
    size_t used = 0;

    for (size_t i = 0; out != NULL && i < size; i++) {
        const int high = text[i] == '%' && i + 2 < size ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0 && high + low > 0) { /* a NUL would end the text */
            out[used++] = (char)(16 * high + low);
            i += 2;
        } else {
            out[used++] = text[i];
        }
    }
    if (out != NULL)
        out[used] = '\0';
    return out;
}

/* The value of `url` in the query; caller frees. NULL: there is none. */
static char *query_url(const char *target)
{
    const char *at = strchr(target, '?');

    while (at != NULL && strncmp(at + 1, "url=", 4) != 0)
        at = strchr(at + 1, '&');
    return at != NULL ? decoded(at + 5, strcspn(at + 5, "&")) : NULL;
}

/* Adds a worker that a request asks for. SGL_EINVAL: it may not, or is none. */
static int add(struct sgl_proxy_thread *thread, const struct sgl_gateway_newcomer *newcomer,
               uint32_t *worker_out, bool *is_duplicate_out, struct sgl_failure *failure)
{
    const struct sgl_proxy *proxy = thread->proxy;
    const int status = sgl_access_may_add(&thread->options->access, newcomer->url, failure);

    *is_duplicate_out = false;
    if (status != SGL_OK)
        return status;
    if (sgl_own_address_is(&proxy->own, newcomer->url, false))
        return sgl_fail(failure, SGL_EINVAL,
                        "worker '%.200s' is this router itself (a worker is an SGLang server)",
                        newcomer->url);
    return sgl_gateway_add(thread->gateway, newcomer, worker_out, is_duplicate_out, failure);
}

void sgl_admin_add_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    struct sgl_failure failure;
    char text[600];
    char *url = query_url(exchange->target);
    uint32_t worker;
    bool is_duplicate;

    if (url == NULL) {
        sgl_admin_respond_error(exchange, 400, "invalid_request_error",
                                "add_worker needs ?url=http://...");
        return;
    }
    const struct sgl_gateway_newcomer newcomer = {.url = url,
                                                  .bootstrap_port = SGL_BOOTSTRAP_NO_PORT};
    if (add(thread, &newcomer, &worker, &is_duplicate, &failure) != SGL_OK) {
        sgl_admin_respond_error(exchange, 400, "invalid_request_error", failure.text);
    } else {
        snprintf(text, sizeof text, "Successfully added worker: %s",
                 sgl_gateway_url(thread->gateway, worker));
        sgl_admin_respond_text(exchange, 200, text);
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

void sgl_admin_remove_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    char text[600];
    char *url = query_url(exchange->target);
    const uint32_t worker = url != NULL ? find_url(thread->gateway, url) : SGL_NO_WORKER;

    if (url == NULL) {
        sgl_admin_respond_error(exchange, 400, "invalid_request_error",
                                "remove_worker needs ?url=http://...");
    } else if (worker == SGL_NO_WORKER ||
               sgl_gateway_remove(thread->gateway, worker, NULL) != SGL_OK) {
        sgl_admin_respond_error(exchange, 404, "not_found", "there is no such worker");
    } else {
        snprintf(text, sizeof text, "Successfully removed worker: %s",
                 sgl_gateway_url(thread->gateway, worker));
        sgl_admin_respond_text(exchange, 200, text);
    }
    free(url);
}

/* Whether what the body of POST /workers says can be done; the status to answer when not. */
static int check_newcomer(json_t *root, struct sgl_gateway_newcomer *newcomer,
                          struct sgl_failure *failure)
{
    const bool is_good = sgl_newcomer_read(root, newcomer);

    if (root == NULL)
        sgl_fail(failure, SGL_EINVAL, "the body is not JSON");
    else if (!is_good)
        sgl_fail(failure, SGL_EINVAL,
                 "expected worker_type regular, prefill or decode, and bootstrap_port 0 to 65535 "
                 "or null");
    else if (newcomer->url == NULL)
        sgl_fail(failure, SGL_EINVAL, "the body has no text \"url\"");
    else
        return sgl_worker_notes_check(root, failure) == SGL_OK ? 0 : 422;
    return root != NULL && is_good ? 422 : 400;
}

void sgl_admin_post_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    json_t *root = json_loadb(exchange->body, exchange->body_size, 0, NULL);
    struct sgl_gateway_newcomer newcomer;
    struct sgl_failure failure;
    char location[64];
    uint32_t index;
    bool is_duplicate = false;
    int refusal = check_newcomer(root, &newcomer, &failure);

    if (refusal == 0 && add(thread, &newcomer, &index, &is_duplicate, &failure) != SGL_OK)
        refusal = is_duplicate ? 409 : 400;
    if (refusal != 0) {
        sgl_admin_respond_error(exchange, refusal, "invalid_request_error", failure.text);
    } else if (sgl_worker_notes_change(thread->proxy->notes, index, root, &failure) != SGL_OK) {
        sgl_gateway_remove(thread->gateway, index, NULL);
        sgl_admin_respond_error(exchange, 422, "invalid_request_error", failure.text);
    } else {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(thread->gateway, index);
        snprintf(location, sizeof location, "/workers/%s", worker.id);
        sgl_admin_respond_json(exchange, 202,
                               json_pack("{s:s, s:s, s:s, s:s, s:s}", "status", "accepted",
                                         "worker_id", worker.id, "url", worker.url, "location",
                                         location, "message", "the worker was added"),
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

static void respond_accepted(struct sgl_http_exchange *exchange, const char *id,
                             const char *message)
{
    sgl_admin_respond_json(
        exchange, 202,
        json_pack("{s:s, s:s, s:s}", "status", "accepted", "worker_id", id, "message", message),
        NULL);
}

/* Members of SGLang's update that this router keeps for all workers alike. */
static const char *common_member(const json_t *body)
{
    static const char *const names[] = {
        "api_key",
        "health_check_timeout_secs",
        "health_check_interval_secs",
        "health_success_threshold",
        "health_failure_threshold",
        "disable_health_check",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_object_get(body, names[i]) != NULL)
            return names[i];
    return NULL;
}

static void put_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange,
                       const struct sgl_gateway_worker *worker)
{
    json_t *root = json_loadb(exchange->body, exchange->body_size, 0, NULL);
    const char *common = common_member(root);
    struct sgl_failure failure;
    int status;

    if (!json_is_object(root)) {
        sgl_admin_respond_error(exchange, 400, "invalid_request_error",
                                "the body is not a JSON object");
        json_decref(root);
        return;
    }
    if (common != NULL)
        status = sgl_fail(&failure, SGL_EINVAL,
                          "%s is the same for all workers here, by the options of the router: it "
                          "cannot be set for one",
                          common);
    else
        status = sgl_worker_notes_check(root, &failure);
    if (status == SGL_OK)
        status = sgl_worker_notes_change(thread->proxy->notes, worker->worker, root, &failure);
    if (status == SGL_OK)
        respond_accepted(exchange, worker->id, "the worker was updated");
    else
        sgl_admin_respond_error(exchange, status == SGL_ENOMEM ? 503 : 422, "invalid_request_error",
                                failure.text);
    json_decref(root);
}

/* The worker that a path names: by its id, or by its URL, percent-encoded, as older routers had it.
 * SGL_NO_WORKER: none; *is_name_out says whether it could have been one. */
static uint32_t find_named(struct sgl_gateway *gateway, const char *name, bool *is_name_out)
{
    const uint32_t count = sgl_gateway_worker_count(gateway);
    char *text = decoded(name, strcspn(name, "?"));
    uint32_t found = SGL_NO_WORKER;

    const bool is_url = text != NULL && strstr(text, "://") != NULL;
    *is_name_out = text == NULL || is_url || is_id(text);
    if (is_url)
        found = find_url(gateway, text);
    for (uint32_t i = 0; text != NULL && found == SGL_NO_WORKER && i < count; i++) {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(gateway, i);
        if (!worker.is_removed && strcasecmp(worker.id, text) == 0)
            found = i;
    }
    free(text);
    return found;
}

void sgl_admin_one_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange)
{
    const char *method = exchange->method;
    bool is_name;
    const uint32_t found =
        find_named(thread->gateway, exchange->target + strlen("/workers/"), &is_name);
    struct sgl_gateway_worker worker = {.is_removed = true};

    if (!is_name) {
        sgl_admin_respond_error(exchange, 400, "invalid_request_error",
                                "expected the id of a worker, a UUID, or its URL");
        return;
    }
    if (found != SGL_NO_WORKER)
        worker = sgl_gateway_worker(thread->gateway, found);
    if (worker.is_removed)
        sgl_admin_respond_error(exchange, 404, "not_found", "there is no such worker");
    else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        sgl_admin_respond_json(exchange, 200, describe_all(thread, &worker), NULL);
    else if (strcmp(method, "PUT") == 0)
        put_worker(thread, exchange, &worker);
    else if (strcmp(method, "DELETE") == 0 &&
             sgl_gateway_remove(thread->gateway, worker.worker, NULL) == SGL_OK)
        respond_accepted(exchange, worker.id, "the worker was removed");
    else
        sgl_admin_refuse_method(exchange, "GET, HEAD, PUT, DELETE");
}
