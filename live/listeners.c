#include "listeners.h"

#include "proxy_thread.h"

#include <stdio.h>
#include <string.h>

/* Is it for the workers? Everything that is posted to the API passes, known or not. */
static bool is_for_workers(const struct sgl_http_exchange *exchange)
{
    const size_t size = strcspn(exchange->target, "?");

    return strcmp(exchange->method, "POST") == 0 &&
           ((size == 9 && strncmp(exchange->target, "/generate", 9) == 0) ||
            strncmp(exchange->target, "/v1/", 4) == 0);
}

static bool is_api(const char *target)
{
    return strncmp(target, "/v1/", 4) == 0 || strncmp(target, "/generate", 9) == 0;
}

/* What can be asked of a path, or of the server as a whole: `*`. */
static void tell_methods(struct sgl_http_exchange *exchange)
{
    char own[SGL_ADMIN_METHODS_SIZE];
    char all[SGL_ADMIN_METHODS_SIZE + 16];
    struct sgl_http_field allowed = sgl_http_field("Allow", SGL_HTTP_METHODS);

    sgl_admin_methods(exchange->target, own);
    const char *methods = own[0] != '\0' ? own : is_api(exchange->target) ? "POST" : "";
    if (strcmp(exchange->target, "*") != 0) {
        snprintf(all, sizeof all, "%s, OPTIONS", methods);
        allowed = sgl_http_field("Allow", all);
        if (methods[0] == '\0') {
            sgl_http_respond_error(exchange, 404, "not_found", "there is nothing here", NULL, 0);
            return;
        }
    }
    sgl_http_respond(exchange, 204, &allowed, 1, NULL, 0);
}

static void on_request(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_proxy_thread *thread = context;
    const enum sgl_realm realm = sgl_realm_of(exchange->method, exchange->target);

    if (realm == SGL_REALM_CONTROL && thread->options->has_control_listener) {
        sgl_http_respond_error(exchange, 404, "not_found", "there is nothing here", NULL, 0);
    } else if (!sgl_access_admits(&thread->options->access, realm, exchange)) {
        return;
    } else if (is_for_workers(exchange)) {
        sgl_relay_begin(thread, exchange);
    } else if (strcmp(exchange->method, "OPTIONS") == 0) {
        tell_methods(exchange);
    } else if (!sgl_admin(thread, exchange)) {
        const struct sgl_http_field allowed = sgl_http_field("Allow", "POST");
        if (is_api(exchange->target))
            sgl_http_respond_error(exchange, 405, "method_not_allowed",
                                   "requests for workers are posted", &allowed, 1);
        else
            sgl_http_respond_error(exchange, 404, "not_found", "there is nothing here", NULL, 0);
    }
}

/* At the control listener: nothing goes to workers from there. */
static void on_control_request(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_proxy_thread *thread = context;
    const enum sgl_realm realm = sgl_realm_of(exchange->method, exchange->target);

    if (realm == SGL_REALM_DATA)
        sgl_http_respond_error(exchange, 404, "not_found", "there is nothing here", NULL, 0);
    else if (sgl_access_admits(&thread->options->access, realm, exchange) &&
             !sgl_admin(thread, exchange))
        sgl_http_respond_error(exchange, 404, "not_found", "there is nothing here", NULL, 0);
}

/* For a collector of figures, which knows one path. */
static void on_metrics_request(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_proxy_thread *thread = context;
    const size_t size = strcspn(exchange->target, "?");

    if (size != strlen("/metrics") || strncmp(exchange->target, "/metrics", size) != 0)
        sgl_http_respond_error(exchange, 404, "not_found", "there is only /metrics here", NULL, 0);
    else if (sgl_access_admits(&thread->options->access, SGL_REALM_CONTROL, exchange))
        sgl_admin(thread, exchange);
}

static void on_control_gone(void *context, struct sgl_http_exchange *exchange)
{
    (void)context;
    sgl_admin_gone(exchange);
}

static void on_gone(void *context, struct sgl_http_exchange *exchange)
{
    if (is_for_workers(exchange))
        sgl_relay_gone(context, exchange);
    else
        sgl_admin_gone(exchange);
}

static void on_drained(void *context, struct sgl_http_exchange *exchange)
{
    if (is_for_workers(exchange))
        sgl_relay_drained(context, exchange);
}

static bool on_turn(void *context)
{
    struct sgl_proxy_thread *thread = context;

    return sgl_upstream_turn(thread->upstream);
}

const struct sgl_http_handler sgl_listener_clients = {
    .request = on_request,
    .gone = on_gone,
    .drained = on_drained,
    .turn = on_turn,
};

const struct sgl_http_handler sgl_listener_control = {
    .request = on_control_request,
    .gone = on_control_gone,
    .turn = on_turn,
};

const struct sgl_http_handler sgl_listener_metrics = {
    .request = on_metrics_request,
    .gone = on_control_gone,
    .turn = on_turn,
};
