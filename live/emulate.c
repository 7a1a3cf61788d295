#include "emulate.h"

#include "core/rng.h"
#include "live/emulate_worker.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define REFUSAL_DELAY_MS 20
#define LATEST_NS 4e18 /* a century: what would be later is then */

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
    const double since_ns = ceil(real_ns(run, worker_ns));

    return run->began_ns + (int64_t)(since_ns < LATEST_NS ? since_ns : LATEST_NS);
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
    sgl_http_server_close(worker->bootstrap);
    worker->server = NULL;
    worker->bootstrap = NULL;
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

static void be_awake(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the loop from sleeping */
}

void sgl_emulate_stay_awake(struct sgl_emulate_run *run)
{
    uv_idle_start(&run->awake, be_awake);
}

static void hear_check(uv_check_t *check)
{
    struct sgl_emulate_run *run = check->data;

    uv_idle_stop(&run->awake);
    if (run->prefills != NULL && sgl_emulate_prefills_turn(run->prefills))
        sgl_emulate_stay_awake(run);
}

static void close_all(struct sgl_emulate_run *run)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct sgl_emulate_worker *worker = &run->workers[i];
        if (uv_is_closing((uv_handle_t *)&worker->refusal))
            continue;
        for (uint32_t handle = 0; handle < worker->flight_count; handle++)
            if (worker->flights[handle]->question != NULL)
                sgl_emulate_forget(worker->flights[handle]->question);
        sgl_http_server_close(worker->server);
        sgl_http_server_close(worker->bootstrap);
        sgl_alarm_close(&worker->alarm);
        uv_close((uv_handle_t *)&worker->faults_end, NULL);
        uv_close((uv_handle_t *)&worker->refusal, NULL);
    }
    for (size_t i = 0; i < sizeof run->signals / sizeof run->signals[0]; i++)
        if (!uv_is_closing((uv_handle_t *)&run->signals[i]))
            uv_close((uv_handle_t *)&run->signals[i], NULL);
    if (!uv_is_closing((uv_handle_t *)&run->check)) {
        uv_close((uv_handle_t *)&run->check, NULL);
        uv_close((uv_handle_t *)&run->awake, NULL);
    }
    sgl_emulate_prefills_close(run->prefills);
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

/* A port as asked for, or any free one. */
static uint16_t port_of(uint16_t first, uint32_t index)
{
    return first > 0 ? (uint16_t)(first + index) : 0;
}

/* The index-th worker, the place-th of its role. */
static int open_worker(struct sgl_emulate_run *run, enum sgl_emulate_role role, uint32_t place)
{
    const struct sgl_emulate_options *options = run->options;
    const uint32_t index = run->worker_count;
    struct sgl_emulate_worker *worker = &run->workers[index];

    *worker = (struct sgl_emulate_worker){
        .run = run,
        .index = index,
        .role = role,
        .port = port_of(options->port, index),
        .bootstrap_port = port_of(options->bootstrap_port, place),
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

/* What pairs share. */
static int open_pairs(struct sgl_emulate_run *run, uint32_t count)
{
    const uint32_t *counts = run->options->counts;
    const uint64_t process =
        sgl_rng_finalize((uint64_t)run->began_epoch_ns ^ (uint64_t)uv_os_getpid() << 40);
    int status = SGL_OK;

    if (counts[SGL_EMULATE_PREFILL] > 0 || counts[SGL_EMULATE_DECODE] > 0)
        status = sgl_emulate_wires_create(&run->wires, run->options->kv_transfer, count, process,
                                          run->failure);
    if (status == SGL_OK && counts[SGL_EMULATE_DECODE] > 0)
        status = sgl_emulate_prefills_create(&run->prefills, run);
    return status;
}

static int open_workers(struct sgl_emulate_run *run, struct sgl_emulate_place *places)
{
    int status = SGL_OK;

    for (int role = 0; role < SGL_EMULATE_ROLE_COUNT; role++) {
        for (uint32_t i = 0; i < run->options->counts[role] && status == SGL_OK; i++) {
            const struct sgl_emulate_worker *worker = &run->workers[run->worker_count];
            status = open_worker(run, (enum sgl_emulate_role)role, i);
            *places++ = (struct sgl_emulate_place){
                .role = worker->role,
                .port = worker->port,
                .bootstrap_port = worker->bootstrap_port,
            };
        }
    }
    return status;
}

static int open_all(struct sgl_emulate_run *run)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    const uint32_t *counts = run->options->counts;
    const uint32_t count =
        counts[SGL_EMULATE_REGULAR] + counts[SGL_EMULATE_PREFILL] + counts[SGL_EMULATE_DECODE];

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        uv_signal_start(&run->signals[i], hear_signal, numbers[i]);
    }
    uv_idle_init(&run->loop, &run->awake);
    uv_check_init(&run->loop, &run->check);
    run->check.data = run;
    uv_check_start(&run->check, hear_check);
    run->workers = calloc(count, sizeof *run->workers);
    struct sgl_emulate_place *places = calloc(count, sizeof *places);
    int status = run->workers != NULL && places != NULL
                     ? open_pairs(run, count)
                     : sgl_fail(run->failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK)
        status = open_workers(run, places);
    if (status == SGL_OK)
        run->options->ready(run->options->context, places, count);
    free(places);
    return status;
}

static void free_worker(struct sgl_emulate_worker *worker)
{
    for (uint32_t handle = 0; handle < worker->flight_count; handle++)
        free(worker->flights[handle]);
    free(worker->flights);
    sgl_emulate_rooms_release(&worker->rooms);
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
    sgl_emulate_wires_destroy(run.wires);
    sgl_emulate_prefills_free(run.prefills);
    uv_loop_close(&run.loop);
    return run.status;
}
