#include "proxy_thread.h"

#include "core/absent.h"
#include "listeners.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS_WANTED 65536

/* Threads share the port by SO_REUSEPORT, which would let them share it with a stranger's process
 * too: that is found out first, without it. */
static int check_port(const char *host, uint16_t port, struct sgl_failure *failure)
{
    struct sgl_http_server *server;
    uv_loop_t loop;
    const struct sgl_http_options options = {.limits = sgl_http_limits_standard(),
                                             .handler = &sgl_listener_clients};

    if (port == 0)
        return SGL_OK;
    if (uv_loop_init(&loop) != 0)
        return sgl_fail(failure, SGL_EIO, "cannot make an event loop");
    int status = sgl_http_server_create(&server, &loop, &options, failure);
    if (status == SGL_OK)
        status = sgl_http_server_listen(server, host, port, &port, failure);
    sgl_http_server_close(server);
    /* One turn, in which handles close; the handler is never called. */
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_loop_close(&loop);
    return status;
}

static void raise_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= DESCRIPTORS_WANTED)
        return;
    files.rlim_cur = files.rlim_max < DESCRIPTORS_WANTED ? files.rlim_max : DESCRIPTORS_WANTED;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void state_facts(const struct sgl_proxy *proxy, struct sgl_log *log)
{
    const struct sgl_proxy_options *options = proxy->options;
    char text[32];

    sgl_log_fact(log, "command", "serve");
    snprintf(text, sizeof text, "%u", options->threads);
    sgl_log_fact(log, "threads", text);
    sgl_log_fact(log, "arrival_ns", "the request was complete at the router");
    sgl_log_fact(log, "e2e_ns", "by the router's clock, to the last byte of the worker");
    sgl_log_fact(log, "ttft_ns",
                 "by the router's clock, to the first byte of a stream's body; "
                 "absent for answers that are not streams");
    sgl_log_fact(log, "itl",
                 "between events of streams as they came here, whatever tokens an event has");
    sgl_log_fact(log, "queue_time_ns", "as the worker said; absent when it did not");
    sgl_log_fact(log, "tokens", "as the worker said in meta_info or usage; absent when it did not");
    if (options->asks_for_usage)
        sgl_log_fact(log, "stream_usage",
                     "asked for: streams of /v1/ without stream_options were given them");
    if (options->policy[SGL_POOL_PREFILL] != NULL) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)proxy->room_key);
        sgl_log_fact(log, "room_key", text);
    }
    sgl_log_fact(log, "prompts",
                 !options->reads_prompts  ? "none"
                 : options->hides_prompts ? "left out"
                 : options->logs_prompts  ? "full"
                                          : "hash");
}

static int open_journal(struct sgl_proxy *proxy, struct sgl_failure *failure)
{
    const struct sgl_proxy_options *options = proxy->options;
    struct timespec now;
    struct sgl_log *log;

    clock_gettime(CLOCK_REALTIME, &now);
    const int status =
        sgl_log_open(&log, options->log,
                     &(struct sgl_log_options){
                         .seed = options->seed,
                         .limits = options->limits,
                         .policy = {options->policy[0], options->policy[1], options->policy[2]},
                         .epoch_ns = (int64_t)now.tv_sec * SGL_NANOSECONDS_PER_SECOND + now.tv_nsec,
                         .candidates = options->log_candidates,
                         .is_durable = true},
                     failure);
    if (status != SGL_OK)
        return status;
    if (sgl_log_kept(log) != NULL)
        snprintf(proxy->log_kept, sizeof proxy->log_kept, "%s", sgl_log_kept(log));
    state_facts(proxy, log);
    sgl_log_commit(log); /* what a disk that fails later cannot take */
    if (sgl_log_failure(log) != NULL) {
        sgl_fail(failure, SGL_EIO, "%s", sgl_log_failure(log));
        sgl_log_discard(log);
        return SGL_EIO;
    }
    return sgl_journal_create(&proxy->journal, log, options->log_buffer, options->hides_prompts,
                              failure);
}

static void wake_thread(void *context, uint32_t lane)
{
    struct sgl_proxy *proxy = context;

    uv_async_send(&proxy->threads[lane].wake);
}

static int open_gate(struct sgl_proxy *proxy, struct sgl_failure *failure)
{
    const struct sgl_proxy_options *options = proxy->options;

    if (options->admission.concurrency_max < 0 && options->admission.rate.interval_ns == 0 &&
        options->tenant_rate.interval_ns == 0)
        return SGL_OK;
    return sgl_gate_create(&proxy->gate,
                           &(struct sgl_gate_options){.admission = options->admission,
                                                      .tenant_rate = options->tenant_rate,
                                                      .key = proxy->prompt_key,
                                                      .lane_count = options->threads,
                                                      .wake = wake_thread,
                                                      .context = proxy},
                           failure);
}

/* Ports are known, and nothing is answered yet: names may be looked up. */
static int add_workers(struct sgl_proxy *proxy, struct sgl_failure *failure)
{
    const struct sgl_proxy_options *options = proxy->options;
    int status = SGL_OK;

    sgl_own_address_add(&proxy->own, options->host, proxy->port);
    if (options->has_control_listener)
        sgl_own_address_add(&proxy->own, options->access.control_host, proxy->control_port);
    if (options->has_metrics_listener)
        sgl_own_address_add(&proxy->own, options->metrics_host, proxy->metrics_port);
    for (size_t i = 0; i < options->worker_count && status == SGL_OK; i++) {
        const struct sgl_proxy_worker *named = &options->workers[i];
        const struct sgl_gateway_newcomer newcomer = {
            .url = named->url, .pool = named->pool, .bootstrap_port = named->bootstrap_port};
        uint32_t worker;
        bool is_duplicate;
        if (sgl_own_address_is(&proxy->own, named->url, true))
            return sgl_fail(failure, SGL_EINVAL,
                            "worker %.200s is this router itself (a worker is an SGLang server)",
                            named->url);
        status = sgl_gateway_add(proxy->gateway, &newcomer, &worker, &is_duplicate, failure);
    }
    return status;
}

static int start(struct sgl_proxy *proxy, struct sgl_failure *failure)
{
    const struct sgl_proxy_options *options = proxy->options;
    const uint32_t worker_max = (uint32_t)sgl_router_limits_resolved(&options->limits).worker_max;
    int status = options->threads > 1 ? check_port(options->host, options->port, failure) : SGL_OK;

    proxy->notes = sgl_worker_notes_create(worker_max);
    if (status == SGL_OK && proxy->notes == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK)
        status = sgl_trust_read(&proxy->trust, options->ca_files, options->certificate_file,
                                options->key_file, failure);
    if (status == SGL_OK)
        status = open_gate(proxy, failure);
    if (status == SGL_OK && options->log != NULL)
        status = open_journal(proxy, failure);
    if (status == SGL_OK)
        status = sgl_gateway_create(
            &proxy->gateway,
            &(struct sgl_gateway_options){
                .seed = options->seed,
                .limits = options->limits,
                .retry = options->retry,
                .policy = {options->policy[0], options->policy[1], options->policy[2]},
                .journal = proxy->journal,
                .start_ns = proxy->start_ns,
                .startup_timeout_ns = options->startup_timeout_ns,
                .startup_interval_ns = options->startup_interval_ns},
            failure);
    for (uint32_t i = 0; i < options->threads && status == SGL_OK; i++) {
        status = sgl_thread_create(&proxy->threads[i], proxy, failure);
        proxy->thread_count = i + 1;
    }
    if (status == SGL_OK)
        status = add_workers(proxy, failure);
    if (status != SGL_OK)
        return status;
    proxy->watch = sgl_fleet_watch_create(proxy->gateway, proxy->events, worker_max);
    return proxy->watch != NULL ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

/* Runs thread 0 here and the others beside; back when all have ended. */
static int serve(struct sgl_proxy *proxy, struct sgl_failure *failure)
{
    uint32_t running = 1;
    int status = SGL_OK;

    for (; running < proxy->thread_count && status == SGL_OK; running++)
        if (pthread_create(&proxy->threads[running].thread, NULL, sgl_thread_run,
                           &proxy->threads[running]) != 0)
            status = sgl_fail(failure, SGL_EIO, "cannot start thread %u", running);
    if (status == SGL_OK) {
        if (proxy->options->ready != NULL)
            proxy->options->ready(proxy->options->context, proxy->events,
                                  &(struct sgl_proxy_ports){.clients = proxy->port,
                                                            .control = proxy->control_port,
                                                            .metrics = proxy->metrics_port});
        sgl_proxy_say_kept(proxy);
        sgl_thread_run(&proxy->threads[0]);
    } else {
        running--;
        for (uint32_t i = 1; i < running; i++) {
            atomic_store(&proxy->threads[i].stop_level, 2);
            uv_async_send(&proxy->threads[i].wake);
        }
    }
    for (uint32_t i = 1; i < running; i++)
        pthread_join(proxy->threads[i].thread, NULL);
    return status;
}

static void release_gaps(struct sgl_proxy *proxy)
{
    const size_t worker_max =
        (size_t)sgl_router_limits_resolved(&proxy->options->limits).worker_max;

    for (uint32_t i = 0; i < proxy->thread_count; i++) {
        struct sgl_gap_counter *gaps = proxy->threads[i].gaps;
        for (size_t worker = 0; gaps != NULL && worker < worker_max; worker++)
            sgl_gap_counter_release(&gaps[worker]);
        free(gaps);
    }
}

/* Ends what was started, however far that went. `status` of the run so far. */
static int end(struct sgl_proxy *proxy, int status, struct sgl_failure *failure)
{
    const bool has_started = status == SGL_OK;

    for (uint32_t i = 0; i < proxy->thread_count; i++)
        sgl_thread_destroy(&proxy->threads[i]);
    if (proxy->journal != NULL)
        sgl_journal_drain(proxy->journal);
    if (has_started)
        sgl_proxy_say_stop(proxy);
    if (proxy->journal != NULL && has_started)
        sgl_proxy_tell_gaps(proxy);
    release_gaps(proxy);
    if (proxy->journal != NULL && has_started)
        status = sgl_journal_close(proxy->journal, failure);
    else if (proxy->journal != NULL)
        sgl_journal_discard(proxy->journal);
    sgl_trust_release(&proxy->trust);
    sgl_gate_destroy(proxy->gate);
    sgl_fleet_watch_destroy(proxy->watch);
    sgl_gateway_destroy(proxy->gateway);
    sgl_worker_notes_destroy(proxy->notes);
    free(proxy->threads);
    return status;
}

int sgl_proxy_run(const struct sgl_proxy_options *options, struct sgl_failure *failure)
{
    struct sgl_proxy proxy = {.options = options, .port = options->port, .start_ns = uv_hrtime()};

    umask(S_IRWXG | S_IRWXO); /* what is logged is nobody else's business */
    signal(SIGPIPE, SIG_IGN); /* a client that left is an error of a write, not a death */
    raise_descriptors();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return sgl_fail(failure, SGL_EIO, "libcurl cannot be used");
    int status = sgl_event_log_create(&proxy.events, STDERR_FILENO, options->events_are_json,
                                      options->event_level, failure);
    if (status != SGL_OK)
        return status;
    proxy.threads = calloc(options->threads, sizeof *proxy.threads);
    if (proxy.threads == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    uv_random(NULL, NULL, &proxy.prompt_key, sizeof proxy.prompt_key, 0, NULL);
    uv_random(NULL, NULL, &proxy.room_key, sizeof proxy.room_key, 0, NULL);
    if (status == SGL_OK)
        status = start(&proxy, failure);
    if (status == SGL_OK)
        status = serve(&proxy, failure);
    status = end(&proxy, status, failure);
    if (status != SGL_OK && options->events_are_json) {
        const struct sgl_event_field field = {.name = "message", .text = failure->text};
        sgl_event_say(proxy.events, SGL_EVENT_KIND_failed, NULL, &field, 1);
    }
    sgl_event_log_close(proxy.events);
    return status;
}

/* Policies that decide without a look at the request's body. Any other is shown its prompt. */
bool sgl_proxy_reads_prompts(const struct sgl_policy_spec *policy)
{
    static const char *const blind[] = {
        "random",         "round_robin",       "power_of_two",    "least_outstanding",
        "shortest_queue", "fixed_probability", "marginal_utility"};

    if (strcmp(policy->ops->name, "explore") == 0 && policy->parameters.policy != NULL)
        policy = policy->parameters.policy; /* it holds no other: one level */
    for (size_t i = 0; i < sizeof blind / sizeof blind[0]; i++)
        if (strcmp(policy->ops->name, blind[i]) == 0)
            return false;
    return true;
}
