/*
 * server_queue.h - c equal servers behind one queue, first come first served: what the models
 * without tokens have in common. They differ in how long a job is served.
 *
 *     arrive -> waiting  O -> O -> O  -> [ server ]    busy: heap of (finish, first token) by
 *                        head            [ server ]          (time, first token before finish,
 *                                        [  ...   ]           order of start)
 *
 * The number of servers may be unlimited (0); then nothing waits. A service time of 0 ns is fine:
 * the job finishes in the instant it starts in. One whose client leaves is dropped at once, for a
 * service has no parts that would have to end first: its server takes the next in that instant.
 * Ownership and errors as in worker_model.h, whose calls these are, but for arrive, which takes the
 * service time too.
 */
#ifndef SGL_SIM_MODELS_SERVER_QUEUE_H
#define SGL_SIM_MODELS_SERVER_QUEUE_H

#include "sim/event_queue.h"
#include "sim/slots.h"
#include "sim/worker_model.h"

struct sgl_server_job {
    uint32_t next; /* the slots' */
    uint32_t handle;
    int64_t started_ns;
    int64_t service_ns;
    int64_t first_token_ns; /* from the start; SGL_ABSENT when the model does not know */
    int64_t output_tokens;
};

struct sgl_server_queue {
    void (*emit)(void *context, const struct sgl_worker_event *event);
    void *emit_context;
    int64_t server_count; /* 0: unlimited */
    double factor;        /* on the service times of jobs that start now */
    int64_t busy_count;

    struct sgl_slots slots; /* of jobs */
    struct sgl_slot_list waiting;

    struct sgl_event_queue events; /* items 2 job (its first token) and 2 job + 1 (its finish) */
    uint64_t starts;
};

void sgl_server_queue_init(struct sgl_server_queue *queue,
                           const struct sgl_worker_model_setup *setup, int64_t server_count);
int sgl_server_queue_arrive(struct sgl_server_queue *queue, const struct sgl_job *job,
                            int64_t service_ns, int64_t first_token_ns,
                            struct sgl_failure *failure);

/* Members of an ops table, for states that begin with a struct sgl_server_queue. */
void sgl_server_queue_destroy(void *state);
int64_t sgl_server_queue_next_event_ns(const void *state);
void sgl_server_queue_advance(void *state, int64_t now_ns);
int sgl_server_queue_schedule(void *state, int64_t now_ns, struct sgl_failure *failure);
void sgl_server_queue_load(const void *state, struct sgl_worker_load *load_out);
void sgl_server_queue_slow(void *state, int64_t now_ns, double factor);
bool sgl_server_queue_cancel(void *state, int64_t now_ns, uint32_t handle);

/* clang-format off */
#define SGL_SERVER_QUEUE_OPS                                                                       \
    .destroy = sgl_server_queue_destroy,                                                           \
    .next_event_ns = sgl_server_queue_next_event_ns,                                               \
    .advance = sgl_server_queue_advance,                                                           \
    .schedule = sgl_server_queue_schedule,                                                         \
    .load = sgl_server_queue_load,                                                                 \
    .slow = sgl_server_queue_slow,                                                                 \
    .cancel = sgl_server_queue_cancel

/* The row of a table of parameters that says how many servers there are. */
#define SGL_SERVERS_ROW(standard)                                                                  \
    {"servers", SGL_PARAMETER_INTEGER, standard, 0, 1e6, NULL,                                     \
     "requests served at once; 0: as many as there are"}
/* clang-format on */

/* Service times longer than this (2^60 ns, 36 years) are refused. */
#define SGL_SERVICE_NS_MAX (INT64_C(1) << 60)

/* Seconds to whole nanoseconds, to the nearest; at most SGL_SERVICE_NS_MAX. */
int64_t sgl_service_ns(double seconds);

#endif
