#include "emulate.h"

#include "live/emulate_worker.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define REFUSAL_DELAY_MS 20

/* ---- time ---------------------------------------------------------------------------------- */

int64_t sgl_emulate_now_ns(const struct sgl_emulate_run *run)
{
    const int64_t since_ns = sgl_alarm_now_ns() - run->began_ns;
    const double scale = run->options->time_scale;

    return scale == 1 ? since_ns : (int64_t)llround((double)since_ns * scale);
}

/* Real nanoseconds since time 0. */
static double real_ns(const struct sgl_emulate_run *run, int64_t worker_ns)
{
    return (double)worker_ns / run->options->time_scale;
}

int64_t sgl_emulate_clock_ns(const struct sgl_emulate_run *run, int64_t worker_ns)
{
    return run->began_ns + (int64_t)ceil(real_ns(run, worker_ns));
}

double sgl_emulate_epoch_s(const struct sgl_emulate_run *run, int64_t worker_ns)
{
    return ((double)run->began_epoch_ns + real_ns(run, worker_ns)) / 1e9;
}

/* ---- faults -------------------------------------------------------------------------------- */

static void hear_refusal(uv_timer_t *timer)
{
    struct sgl_emulate_worker *worker = timer->data;

    if (!worker->faults.refuses || worker->server == NULL)
        return;
    if (sgl_emulate_lose(worker) != SGL_OK)
        sgl_emulate_stop(worker->run, SGL_ENOMEM, NULL);
    sgl_http_server_close(worker->server);
    worker->server = NULL;
}

static void hear_faults_end(uv_timer_t *timer)
{
    const struct sgl_emulate_faults none = sgl_emulate_faults_none();

    sgl_emulate_set_faults(timer->data, &none, 0);
}

void sgl_emulate_set_faults(struct sgl_emulate_worker *worker,
                            const struct sgl_emulate_faults *faults, uint64_t for_ms)
{
    const double factor = worker->faults.slow;

    worker->faults = *faults;
    uv_timer_stop(&worker->faults_end);
    if (for_ms > 0)
        uv_timer_start(&worker->faults_end, hear_faults_end, for_ms, 0);
    if (faults->slow != factor) {
        sgl_emulate_advance(worker);
        sgl_emulator_slow(worker->emulator, faults->slow, worker->now_ns);
        sgl_emulate_advance(worker);
    }
    if (faults->refuses)
        uv_timer_start(&worker->refusal, hear_refusal, REFUSAL_DELAY_MS, 0);
    else if (worker->server == NULL && sgl_emulate_listen(worker) != SGL_OK)
        sgl_emulate_stop(worker->run, SGL_EIO, NULL);
}

/* ---- the run ------------------------------------------------------------------------------- */

static void hear_alarm(struct sgl_alarm *alarm, int64_t now_ns)
{
    (void)now_ns;
    sgl_emulate_advance(alarm->context);
}

static void close_all(struct sgl_emulate_run *run)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct sgl_emulate_worker *worker = &run->workers[i];
        if (uv_is_closing((uv_handle_t *)&worker->refusal))
            continue;
        for (uint32_t handle = 0; handle < worker->flight_count; handle++)
            if (worker->flights[handle]->is_used && worker->flights[handle]->exchange != NULL)
                worker->flights[handle]->exchange->context = NULL;
        sgl_http_server_close(worker->server);
        sgl_alarm_close(&worker->alarm);
        uv_close((uv_handle_t *)&worker->faults_end, NULL);
        uv_close((uv_handle_t *)&worker->refusal, NULL);
    }
    for (size_t i = 0; i < sizeof run->signals / sizeof run->signals[0]; i++)
        if (!uv_is_closing((uv_handle_t *)&run->signals[i]))
            uv_close((uv_handle_t *)&run->signals[i], NULL);
}

void sgl_emulate_stop(struct sgl_emulate_run *run, int status, const char *text)
{
    if (run->status == SGL_OK)
        run->status = text != NULL ? sgl_fail(run->failure, status, "%s", text) : status;
    uv_stop(&run->loop);
}

static void hear_signal(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static int open_worker(struct sgl_emulate_run *run, uint32_t index)
{
    const struct sgl_emulate_options *options = run->options;
    struct sgl_emulate_worker *worker = &run->workers[index];

    *worker = (struct sgl_emulate_worker){
        .run = run,
        .index = index,
        .port = options->port > 0 ? (uint16_t)(options->port + index) : 0,
        .faults = sgl_emulate_faults_none(),
    };
    int status = sgl_emulator_create(&worker->emulator, options->spec, sgl_emulate_hear, worker,
                                     run->failure);
    if (status == SGL_OK)
        status = sgl_alarm_open(&worker->alarm, &run->loop, hear_alarm, worker, run->failure);
    if (status != SGL_OK) {
        sgl_emulator_destroy(worker->emulator);
        return status;
    }
    uv_timer_init(&run->loop, &worker->faults_end);
    uv_timer_init(&run->loop, &worker->refusal);
    worker->faults_end.data = worker->refusal.data = worker;
    run->worker_count++;
    return sgl_emulate_listen(worker);
}

static int open_all(struct sgl_emulate_run *run)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    const uint32_t count = run->options->count;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        uv_signal_start(&run->signals[i], hear_signal, numbers[i]);
    }
    run->workers = calloc(count, sizeof *run->workers);
    uint16_t *ports = calloc(count, sizeof *ports);
    int status = run->workers != NULL && ports != NULL
                     ? SGL_OK
                     : sgl_fail(run->failure, SGL_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < count && status == SGL_OK; i++) {
        status = open_worker(run, i);
        ports[i] = run->workers[i].port;
    }
    if (status == SGL_OK)
        run->options->ready(run->options->context, ports, count);
    free(ports);
    return status;
}

static void free_worker(struct sgl_emulate_worker *worker)
{
    for (uint32_t handle = 0; handle < worker->flight_count; handle++) {
        sgl_emulate_request_release(&worker->flights[handle]->request);
        free(worker->flights[handle]);
    }
    free(worker->flights);
    sgl_emulator_destroy(worker->emulator);
}

/* A connection is a descriptor: as many as the system allows us. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int sgl_emulate_run(const struct sgl_emulate_options *options, struct sgl_failure *failure)
{
    struct sgl_emulate_run run = {.options = options, .failure = failure};

    raise_limits();
    if (uv_loop_init(&run.loop) != 0)
        return sgl_fail(failure, SGL_EIO, "cannot make an event loop");
    run.began_ns = sgl_alarm_now_ns();
    run.began_epoch_ns = sgl_alarm_epoch_ns();
    run.status = open_all(&run);
    if (run.status == SGL_OK)
        uv_run(&run.loop, UV_RUN_DEFAULT);
    close_all(&run);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    for (uint32_t i = 0; i < run.worker_count; i++)
        free_worker(&run.workers[i]);
    free(run.workers);
    uv_loop_close(&run.loop);
    return run.status;
}
