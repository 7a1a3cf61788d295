#include "proxy_thread.h"

#include "listeners.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#define SWEEP_MS 100                       /* how late a deadline may be noticed */
#define POOL_MAX ((size_t)4 * 1024 * 1024) /* bytes of buffers at rest, of a thread */
#define LAST_WORDS_NS 500000000            /* for clients to take what a cut tells them */
#define DESCRIPTORS_KEPT 64

/* ---- time and signals ---- */

static void thread_stop(struct sgl_proxy_thread *thread);
static void thread_cut(struct sgl_proxy_thread *thread);

static void on_sweep(uv_timer_t *timer)
{
    struct sgl_proxy_thread *thread = timer->data;

    sgl_relay_tick_gate(thread);
    sgl_relay_sweep(thread);
    sgl_ask_sweep(thread);
    if (thread == thread->proxy->threads && thread->stopped_level == 0)
        sgl_startup_sweep(thread);
    if (thread == thread->proxy->threads)
        sgl_proxy_watch(thread->proxy);
    if (thread->stopped_level != 1)
        return;
    if (sgl_http_server_is_done(thread->server))
        thread_stop(thread);
    else if (uv_hrtime() >= thread->cut_ns)
        thread_cut(thread);
}

void sgl_thread_sweep_in(struct sgl_proxy_thread *thread, uint64_t delay_ms)
{
    if (uv_timer_get_due_in(&thread->sweep) > delay_ms)
        uv_timer_start(&thread->sweep, on_sweep, delay_ms, SWEEP_MS);
}

/* Cuts what is left, and closes all that the loop holds: it ends then. */
static void thread_stop(struct sgl_proxy_thread *thread)
{
    if (thread->stopped_level == 2)
        return;
    thread->stopped_level = 2;
    sgl_http_server_close(thread->server);
    sgl_http_server_close(thread->control);
    sgl_http_server_close(thread->metrics);
    sgl_ask_cancel_all(thread);
    sgl_upstream_close(thread->upstream);
    uv_close((uv_handle_t *)&thread->sweep, NULL);
    uv_close((uv_handle_t *)&thread->wake, NULL);
    if (thread == thread->proxy->threads) {
        for (size_t i = 0; i < sizeof thread->signals / sizeof thread->signals[0]; i++)
            uv_close((uv_handle_t *)&thread->signals[i], NULL);
        sgl_probes_stop(thread);
    }
}

/* First the clients are told, then, when they had the time to hear it, all is closed. */
static void thread_cut(struct sgl_proxy_thread *thread)
{
    if (thread->has_cut) {
        thread_stop(thread);
        return;
    }
    thread->has_cut = true;
    if (thread == thread->proxy->threads)
        sgl_event_say(thread->proxy->events, SGL_EVENT_KIND_cut, NULL,
                      &(struct sgl_event_field){
                          .name = "why",
                          .text = atomic_load(&thread->stop_level) > 1 ? "signal" : "drain_timeout",
                      },
                      1);
    thread->cut_ns = uv_hrtime() + LAST_WORDS_NS;
    sgl_relay_cut_all(thread);
}

static void on_wake(uv_async_t *wake)
{
    struct sgl_proxy_thread *thread = wake->data;
    const int64_t drain_ns = thread->options->drain_timeout_ns;
    const int level = atomic_load(&thread->stop_level);

    if (level >= 1 && thread->stopped_level == 0) {
        thread->stopped_level = 1;
        thread->cut_ns = drain_ns > 0 ? uv_hrtime() + (uint64_t)drain_ns : UINT64_MAX;
        sgl_http_server_stop(thread->server);
        if (thread->control != NULL)
            sgl_http_server_stop(thread->control);
        if (thread->metrics != NULL)
            sgl_http_server_stop(thread->metrics);
    }
    if (level >= 2 && thread->stopped_level == 1 && !thread->has_cut)
        thread_cut(thread);
    sgl_relay_hear_gate(thread);
}

/* The first signal drains, the second cuts. */
static void on_signal(uv_signal_t *signal, int number)
{
    struct sgl_proxy_thread *first = signal->data;
    struct sgl_proxy *proxy = first->proxy;

    if (atomic_load(&first->stop_level) == 0)
        sgl_event_say(proxy->events, SGL_EVENT_KIND_drain, NULL,
                      &(struct sgl_event_field){.name = "signal",
                                                .text = number == SIGINT ? "SIGINT" : "SIGTERM"},
                      1);
    for (uint32_t i = 0; i < proxy->thread_count; i++) {
        atomic_fetch_add(&proxy->threads[i].stop_level, 1);
        uv_async_send(&proxy->threads[i].wake);
    }
}

/* ---- life of a thread ---- */

static struct sgl_http_limits limits_of(const struct sgl_proxy_options *options)
{
    struct sgl_http_limits limits = sgl_http_limits_standard();
    struct rlimit files = {.rlim_cur = 1024};

    getrlimit(RLIMIT_NOFILE, &files);
    limits.body_max = options->body_max;
    if (files.rlim_cur > 4 * DESCRIPTORS_KEPT)
        limits.connection_max = (files.rlim_cur - DESCRIPTORS_KEPT) / 2 / options->threads;
    return limits;
}

/* A listener of thread 0 beside that of the clients. */
static int listen_beside(struct sgl_proxy_thread *thread, struct sgl_http_server **server_out,
                         const struct sgl_http_handler *answers, const char *host, uint16_t port,
                         uint16_t *port_out, struct sgl_failure *failure)
{
    const int status = sgl_http_server_create(
        server_out, &thread->loop,
        &(struct sgl_http_options){.limits = sgl_http_limits_standard(),
                                   .states_date = true,
                                   .half_close_answers = thread->options->half_close_answers,
                                   .handler = answers,
                                   .context = thread},
        failure);

    return status == SGL_OK ? sgl_http_server_listen(*server_out, host, port, port_out, failure)
                            : status;
}

static int listen_all_beside(struct sgl_proxy_thread *thread, struct sgl_failure *failure)
{
    const struct sgl_proxy_options *options = thread->options;
    struct sgl_proxy *proxy = thread->proxy;
    int status = SGL_OK;

    if (options->has_control_listener)
        status = listen_beside(thread, &thread->control, &sgl_listener_control,
                               options->access.control_host, options->control_port,
                               &proxy->control_port, failure);
    if (options->has_metrics_listener && status == SGL_OK)
        status =
            listen_beside(thread, &thread->metrics, &sgl_listener_metrics, options->metrics_host,
                          options->metrics_port, &proxy->metrics_port, failure);
    return status;
}

int sgl_thread_create(struct sgl_proxy_thread *thread, struct sgl_proxy *proxy,
                      struct sgl_failure *failure)
{
    const struct sgl_proxy_options *options = proxy->options;
    const struct sgl_http_limits limits = limits_of(options);
    const size_t worker_max = (size_t)sgl_router_limits_resolved(&options->limits).worker_max;
    uint64_t seed = 0;

    thread->proxy = proxy;
    thread->options = options;
    thread->gateway = proxy->gateway;
    thread->pool.bytes_max = POOL_MAX;
    uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    thread->id_draws = (struct sgl_rng){.state = seed};
    if (uv_loop_init(&thread->loop) != 0)
        return sgl_fail(failure, SGL_EIO, "cannot make an event loop");
    int status = sgl_upstream_create(
        &thread->upstream,
        &(struct sgl_upstream_options){
            .loop = &thread->loop,
            .worker_max = (uint32_t)worker_max,
            .connection_max = limits.connection_max < 4096 ? (long)limits.connection_max : 4096,
            .connect_timeout_ms = (long)(options->connect_timeout_ns / 1000000),
            .trust = &proxy->trust},
        failure);
    if (status == SGL_OK && proxy->journal != NULL) {
        thread->gaps = calloc(worker_max, sizeof *thread->gaps);
        if (thread->gaps == NULL)
            status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    if (status == SGL_OK && sgl_gateway_is_paired(proxy->gateway)) {
        thread->pair_heard_ns = calloc(worker_max, sizeof *thread->pair_heard_ns);
        if (thread->pair_heard_ns == NULL)
            status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    if (status == SGL_OK)
        status = sgl_http_server_create(
            &thread->server, &thread->loop,
            &(struct sgl_http_options){.limits = limits,
                                       .states_date = true,
                                       .half_close_answers = options->half_close_answers,
                                       .shares_port = options->threads > 1,
                                       .handler = &sgl_listener_clients,
                                       .context = thread},
            failure);
    if (status == SGL_OK)
        status = sgl_http_server_listen(thread->server, options->host, proxy->port, &proxy->port,
                                        failure);
    if (status == SGL_OK && thread == proxy->threads)
        status = listen_all_beside(thread, failure);
    uv_timer_init(&thread->loop, &thread->sweep);
    thread->sweep.data = thread;
    uv_timer_start(&thread->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_async_init(&thread->loop, &thread->wake, on_wake);
    thread->wake.data = thread;
    if (thread == proxy->threads) {
        static const int numbers[] = {SIGTERM, SIGINT};
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            uv_signal_init(&thread->loop, &thread->signals[i]);
            thread->signals[i].data = thread;
            uv_signal_start(&thread->signals[i], on_signal, numbers[i]);
        }
        sgl_probes_start(thread);
    }
    return status;
}

void *sgl_thread_run(void *context)
{
    struct sgl_proxy_thread *thread = context;

    uv_run(&thread->loop, UV_RUN_DEFAULT);
    return NULL;
}

void sgl_thread_destroy(struct sgl_proxy_thread *thread)
{
    if (thread->proxy == NULL || thread->upstream == NULL)
        return;
    thread_stop(thread);
    uv_run(&thread->loop, UV_RUN_DEFAULT);
    sgl_upstream_free(thread->upstream);
    sgl_relay_free_spare(thread);
    free(thread->pair_heard_ns);
    uv_loop_close(&thread->loop);
}
