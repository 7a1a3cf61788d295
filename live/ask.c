/* Small questions to workers, and the two that are asked again and again: health and load. */
#include "proxy_thread.h"

#include "core/absent.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ask_end(struct sgl_proxy_thread *thread, struct sgl_ask *ask)
{
    if (ask->next != NULL)
        ask->next->previous = ask->previous;
    if (ask == thread->asks)
        thread->asks = ask->next;
    else
        ask->previous->next = ask->next;
    ask->answered(ask);
    sgl_call_release(&ask->call);
    sgl_buffer_release(&ask->text);
    free(ask);
}

static void on_head(struct sgl_call *call)
{
    (void)call;
}

static bool on_body(struct sgl_call *call, const char *bytes, size_t size)
{
    struct sgl_ask *ask = call->context;

    if (ask->text.size + size > SGL_ASK_MAX)
        ask->text.has_failed = true;
    sgl_buffer_append(&ask->text, bytes, size);
    return true;
}

static void on_done(struct sgl_call *call)
{
    struct sgl_ask *ask = call->context;

    ask->status = call->error == NULL && !ask->text.has_failed ? call->status : 0;
    ask->body = ask->text.size > 0 ? ask->text.bytes : "";
    ask->body_size = ask->text.size;
    ask_end(ask->thread, ask);
}

int sgl_ask(struct sgl_proxy_thread *thread, const struct sgl_ask *question)
{
    struct sgl_ask *ask = calloc(1, sizeof *ask);

    if (ask == NULL)
        return SGL_ENOMEM;
    *ask = *question;
    ask->thread = thread;
    ask->deadline_ns = uv_hrtime() + (uint64_t)ask->timeout_ns;
    ask->call = (struct sgl_call){
        .worker = ask->worker,
        .worker_url = sgl_gateway_url(thread->gateway, ask->worker),
        .target = ask->target,
        .is_post = ask->is_post,
        .on_head = on_head,
        .on_body = on_body,
        .on_done = on_done,
        .context = ask,
    };
    const int status = sgl_call_start(thread->upstream, &ask->call);
    if (status != SGL_OK) {
        sgl_call_release(&ask->call);
        free(ask);
        return status;
    }
    ask->next = thread->asks;
    if (ask->next != NULL)
        ask->next->previous = ask;
    thread->asks = ask;
    return SGL_OK;
}

void sgl_ask_sweep(struct sgl_proxy_thread *thread)
{
    const uint64_t now_ns = uv_hrtime();
    struct sgl_ask *next;

    for (struct sgl_ask *ask = thread->asks; ask != NULL; ask = next) {
        next = ask->next;
        if (now_ns < ask->deadline_ns)
            continue;
        sgl_call_cancel(&ask->call);
        ask->status = 0;
        ask_end(thread, ask);
    }
}

void sgl_ask_cancel_all(struct sgl_proxy_thread *thread)
{
    while (thread->asks != NULL) {
        struct sgl_ask *ask = thread->asks;
        sgl_call_cancel(&ask->call);
        ask->status = 0;
        ask_end(thread, ask);
    }
}

/* ---- health and load ---- */

static bool is_served(struct sgl_gateway *gateway, uint32_t worker)
{
    return !sgl_gateway_worker(gateway, worker).is_removed;
}

static void on_health(struct sgl_ask *ask)
{
    struct sgl_input input = {.kind = SGL_INPUT_PROBE_RESULT,
                              .worker = ask->worker,
                              .is_on = ask->status >= 200 && ask->status < 300};

    /* Removed in the meantime: the router refuses it, and nothing is lost. */
    sgl_gateway_feed(ask->thread->gateway, &input, NULL);
}

static void probe_all(uv_timer_t *timer)
{
    struct sgl_proxy_thread *thread = timer->data;
    const uint32_t count = sgl_gateway_worker_count(thread->gateway);

    for (uint32_t i = 0; i < count; i++)
        if (is_served(thread->gateway, i))
            sgl_ask(thread, &(struct sgl_ask){.worker = i,
                                              .target = thread->options->health_path,
                                              .timeout_ns = thread->options->health_timeout_ns,
                                              .answered = on_health});
}

static void on_first_health(struct sgl_ask *ask)
{
    if (ask->status >= 200 && ask->status < 300)
        sgl_gateway_started(ask->thread->gateway, ask->worker);
}

static void say_late(struct sgl_proxy_thread *thread, uint32_t worker)
{
    const char *url = sgl_gateway_url(thread->gateway, worker);
    const struct sgl_event_field field = {.name = "worker", .text = url};
    char text[600];

    snprintf(
        text, sizeof text,
        "worker %.400s has not answered %.80s within %g s (it gets no requests until it passes "
        "the health checks)",
        url, thread->options->health_path, (double)thread->options->startup_timeout_ns / 1e9);
    sgl_event_say(thread->proxy->events, SGL_EVENT_KIND_worker_late, text, &field, 1);
}

void sgl_startup_sweep(struct sgl_proxy_thread *thread)
{
    const struct sgl_proxy_options *options = thread->options;
    uint32_t worker = 0;
    bool is_late;

    while ((worker = sgl_gateway_starting(thread->gateway, worker, &is_late)) != SGL_NO_WORKER) {
        if (is_late)
            say_late(thread, worker);
        else
            sgl_ask(thread, &(struct sgl_ask){.worker = worker,
                                              .target = options->health_path,
                                              .timeout_ns = options->health_timeout_ns,
                                              .answered = on_first_health});
        worker++;
    }
}

static int64_t sum_of(const json_t *list, const char *key)
{
    int64_t sum = 0;
    size_t i;
    const json_t *member;

    if (!json_is_array(list) || json_array_size(list) == 0)
        return SGL_ABSENT;
    json_array_foreach(list, i, member)
    {
        const json_t *value = json_object_get(member, key);
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > INT32_MAX)
            return SGL_ABSENT;
        sum += json_integer_value(value);
    }
    return sum;
}

/* The mean over data-parallel ranks; NaN when one does not say. */
static double usage_of(const json_t *list)
{
    double sum = 0;
    size_t i;
    const json_t *member;

    if (!json_is_array(list) || json_array_size(list) == 0)
        return NAN;
    json_array_foreach(list, i, member)
    {
        const json_t *value = json_object_get(member, "token_usage");
        const double usage = json_is_number(value) ? json_number_value(value) : NAN;
        if (!(usage >= 0 && usage <= 1))
            return NAN;
        sum += usage;
    }
    return sum / (double)json_array_size(list);
}

/* Either /v1/loads, {"loads":[{num_waiting_reqs, num_running_reqs, token_usage}]}, or /get_load,
 * [{num_waiting_reqs, num_reqs}], whose num_reqs counts those that wait too. */
static void on_load(struct sgl_ask *ask)
{
    json_t *root = ask->status == 200 ? json_loadb(ask->body, ask->body_size, 0, NULL) : NULL;
    const json_t *loads = json_object_get(root, "loads");
    const json_t *list = loads != NULL ? loads : root;
    const int64_t all = sum_of(list, "num_reqs");
    struct sgl_input input = {
        .kind = SGL_INPUT_REPORT_LOAD,
        .worker = ask->worker,
        .report = {.queue_length = sum_of(list, "num_waiting_reqs"),
                   .running = sum_of(list, "num_running_reqs"),
                   .token_usage = usage_of(list),
                   .reported_ns = sgl_gateway_time(ask->thread->gateway, uv_hrtime())},
    };

    if (input.report.running == SGL_ABSENT && all != SGL_ABSENT && all >= input.report.queue_length)
        input.report.running = all - input.report.queue_length;
    if (input.report.queue_length != SGL_ABSENT)
        sgl_gateway_feed(ask->thread->gateway, &input, NULL);
    else if (ask->status == 404 && strcmp(ask->target, "/v1/loads") == 0)
        sgl_ask(ask->thread, &(struct sgl_ask){.worker = ask->worker,
                                               .target = "/get_load",
                                               .timeout_ns = ask->timeout_ns,
                                               .answered = on_load});
    json_decref(root);
}

static void poll_loads(uv_timer_t *timer)
{
    struct sgl_proxy_thread *thread = timer->data;
    const uint32_t count = sgl_gateway_worker_count(thread->gateway);

    for (uint32_t i = 0; i < count; i++)
        if (is_served(thread->gateway, i))
            sgl_ask(thread, &(struct sgl_ask){.worker = i,
                                              .target = "/v1/loads",
                                              .timeout_ns = thread->options->health_timeout_ns,
                                              .answered = on_load});
}

void sgl_probes_start(struct sgl_proxy_thread *thread)
{
    const uint64_t health_ms = (uint64_t)thread->options->health_interval_ns / 1000000;
    const uint64_t load_ms = (uint64_t)thread->options->load_interval_ns / 1000000;

    uv_timer_init(&thread->loop, &thread->probe_timer);
    uv_timer_init(&thread->loop, &thread->load_timer);
    thread->probe_timer.data = thread;
    thread->load_timer.data = thread;
    if (thread->options->health_interval_ns > 0)
        uv_timer_start(&thread->probe_timer, probe_all, 1, health_ms > 0 ? health_ms : 1);
    if (thread->options->load_interval_ns > 0)
        uv_timer_start(&thread->load_timer, poll_loads, 1, load_ms > 0 ? load_ms : 1);
}

void sgl_probes_stop(struct sgl_proxy_thread *thread)
{
    uv_close((uv_handle_t *)&thread->probe_timer, NULL);
    uv_close((uv_handle_t *)&thread->load_timer, NULL);
}
