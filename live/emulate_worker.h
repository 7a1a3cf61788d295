/*
 * emulate_worker.h - one emulated worker: its port, its engine, its requests under way. Shared by
 * the files of the emulator only.
 *
 *     emulate.c           workers, clock, signals, the loop
 *     emulate_worker.c    requests: from HTTP to the engine and back
 *     emulate_routes.c    everything else that can be asked
 *
 *     flights[handle]     a request under way. Its exchange is NULL when the client has left or was
 *                         answered: then the handle waits for the engine to let go
 */
#ifndef SGL_LIVE_EMULATE_WORKER_H
#define SGL_LIVE_EMULATE_WORKER_H

#include "live/alarm.h"
#include "live/emulate.h"
#include "live/emulate_answer.h"
#include "live/emulate_faults.h"
#include "live/emulator.h"
#include "live/http_server.h"

struct sgl_emulate_flight {
    struct sgl_http_exchange *exchange;
    struct sgl_emulate_worker *worker;
    struct sgl_emulate_request request;
    struct sgl_emulate_progress progress;
    uint32_t handle;
    uint32_t next_free; /* handle + 1; 0: none */
    bool is_used;
    bool is_in_engine; /* which has not let go of it yet */
    bool has_started;  /* the head of its stream was sent */
    bool is_full;      /* the client takes no more for now */
    bool is_left;      /* the engine is to be told that nobody waits for it */
};

struct sgl_emulate_worker {
    struct sgl_emulate_run *run;
    uint32_t index;
    uint16_t port;
    struct sgl_http_server *server; /* NULL: it refuses */
    struct sgl_emulator *emulator;
    int64_t now_ns; /* up to which the engine was run: the time of whatever it is told */
    struct sgl_alarm alarm;
    uv_timer_t faults_end;
    uv_timer_t refusal;
    struct sgl_emulate_faults faults;

    struct sgl_emulate_flight **flights; /* by handle */
    uint32_t flight_count;
    uint32_t free; /* handle + 1; 0: none */
    bool has_left; /* one of them is_left */

    uint64_t requests; /* so far; so the next three */
    uint64_t finished;
    uint64_t aborted;
    int64_t output_tokens;
};

struct sgl_emulate_run {
    const struct sgl_emulate_options *options;
    struct sgl_failure *failure;
    int status;
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct sgl_emulate_worker *workers;
    uint32_t worker_count; /* made so far */
    int64_t began_ns;      /* monotonic: time 0 of all workers */
    int64_t began_epoch_ns;
    uint64_t numbers; /* ids made up so far */
};

extern const struct sgl_http_handler sgl_emulate_handler;

/* The worker's time now. */
int64_t sgl_emulate_now_ns(const struct sgl_emulate_run *run);

/* The monotonic clock at a time of the worker. */
int64_t sgl_emulate_clock_ns(const struct sgl_emulate_run *run, int64_t worker_ns);

/* A worker's time as seconds since 1970. */
double sgl_emulate_epoch_s(const struct sgl_emulate_run *run, int64_t worker_ns);

/* Runs the engine up to now, and sets the alarm for what comes next. */
void sgl_emulate_advance(struct sgl_emulate_worker *worker);

/* What the engine tells. */
void sgl_emulate_hear(void *context, const struct sgl_emulated_event *event);

/* Ends a request early, telling its client why. The engine must be at the present. */
void sgl_emulate_abort(struct sgl_emulate_flight *flight, const char *why);

/* All that the engine holds is lost, and those who asked are cut. */
int sgl_emulate_lose(struct sgl_emulate_worker *worker);

/* Puts these faults in force. */
void sgl_emulate_set_faults(struct sgl_emulate_worker *worker,
                            const struct sgl_emulate_faults *faults, uint64_t for_ms);

/* Opens its port. */
int sgl_emulate_listen(struct sgl_emulate_worker *worker);

/* The loop ends with this text. */
void sgl_emulate_stop(struct sgl_emulate_run *run, int status, const char *text);

/* Answers everything but requests for tokens; false: there is no such path. */
bool sgl_emulate_route(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange,
                       const char *path, size_t path_size);

void sgl_emulate_respond_json(struct sgl_http_exchange *exchange, int status,
                              struct sgl_buffer *body);

#endif
