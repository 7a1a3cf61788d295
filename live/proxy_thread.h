/*
 * proxy_thread.h - one thread of the proxy; shared by the files of the proxy only.
 *
 *      proxy.c        life of the whole: workers, threads, the log
 *      proxy_thread.c life of a thread: its loop, its timers, signals
 *      listeners.c    what is answered at which port
 *      relay.c        one request, from its arrival to its end
 *      relay_request.c    what a worker and a policy are told of it
 *      relay_end.c    it ends otherwise than by an answer: client, clock, stop
 *      relay_admission.c  whether and when it is let in
 *      relay_answer.c what its client gets
 *      relay_stream.c what is seen of a stream that passes
 *      pairs.c        the two legs of a request to a pair of workers
 *      fields.c       which header fields pass
 *      admin.c        the router's own endpoints; admin_workers.c those about workers; metrics.c
 *      ask.c          small questions to workers: probes, loads, what admin endpoints pass on
 */
#ifndef SGL_LIVE_PROXY_THREAD_H
#define SGL_LIVE_PROXY_THREAD_H

#include "core/gap_counter.h"
#include "core/rng.h"
#include "admission_gate.h"
#include "buffer_pool.h"
#include "counters.h"
#include "event_log.h"
#include "fleet_watch.h"
#include "gateway.h"
#include "http_server.h"
#include "own_address.h"
#include "prompt.h"
#include "proxy.h"
#include "upstream.h"
#include "worker_notes.h"

#include <pthread.h>

struct sgl_relay;

struct sgl_proxy {
    const struct sgl_proxy_options *options;
    struct sgl_gateway *gateway;
    struct sgl_journal *journal; /* NULL: no log */
    struct sgl_gate *gate;       /* NULL: everybody is let in */
    struct sgl_worker_notes *notes;
    struct sgl_event_log *events;
    struct sgl_fleet_watch *watch; /* thread 0's */
    bool has_told_log;             /* that it has failed; thread 0's */
    char log_kept[512];            /* how what an earlier run left is called now; "": nothing */
    struct sgl_own_addresses own;  /* where this router listens */
    struct sgl_trust trust;        /* of workers over TLS */
    struct sgl_prompt_key prompt_key;
    uint64_t room_key; /* of pairs; random, for two routers may share their workers */
    struct sgl_proxy_thread *threads;
    uint32_t thread_count;
    uint16_t port;
    uint16_t control_port;
    uint16_t metrics_port;
    uint64_t start_ns;
};

struct sgl_proxy_thread {
    struct sgl_proxy *proxy;
    const struct sgl_proxy_options *options;
    struct sgl_gateway *gateway;
    uv_loop_t loop;
    pthread_t thread;
    struct sgl_http_server *server;
    struct sgl_http_server *control; /* thread 0, when control has a listener of its own */
    struct sgl_http_server *metrics; /* so, when figures have one */
    struct sgl_upstream *upstream;
    uv_async_t wake;        /* another thread wants this one to stop */
    _Atomic int stop_level; /* 0 serve, 1 drain, 2 cut */
    int stopped_level;
    uint64_t cut_ns; /* by uv_hrtime: what still drains then is cut; UINT64_MAX: nothing is */
    bool has_cut;
    uv_timer_t sweep; /* deadlines, retries */
    uv_signal_t signals[2];
    uv_timer_t probe_timer; /* thread 0: health */
    uv_timer_t load_timer;
    struct sgl_relay *relays; /* all under way */
    struct sgl_relay *spare;  /* for the next ones */
    size_t spare_count;
    struct sgl_gap_counter *gaps; /* between events of streams, by worker; NULL: no log */
    uint64_t *pair_heard_ns;      /* of each worker, by uv_hrtime; NULL: no pairs. pair_time.c */
    struct sgl_buffer_pool pool;  /* of what relays gather and learn */
    struct sgl_ask *asks;         /* under way */
    struct sgl_rng id_draws;      /* of made request ids */
    struct sgl_counters counters;
};

/* Of a zeroed struct. On failure, and when the loop has ended, destroy what there is of it. */
int sgl_thread_create(struct sgl_proxy_thread *thread, struct sgl_proxy *proxy,
                      struct sgl_failure *failure);
/* As pthread_create wants it: back when the proxy was stopped. */
void *sgl_thread_run(void *thread);
void sgl_thread_destroy(struct sgl_proxy_thread *thread);

/* Looks at deadlines and retries in that many ms, if not earlier. */
void sgl_thread_sweep_in(struct sgl_proxy_thread *thread, uint64_t delay_ms);

/* proxy_events.c: looks for what nobody comes by to tell of; and the last words of a run. */
void sgl_proxy_watch(struct sgl_proxy *proxy);
void sgl_proxy_say_kept(const struct sgl_proxy *proxy);
void sgl_proxy_say_stop(const struct sgl_proxy *proxy);

/* relay_stream.c: what was counted between events, to the log. No thread runs, and the journal is
 * drained. */
void sgl_proxy_tell_gaps(const struct sgl_proxy *proxy);

/* relay.c */
void sgl_relay_begin(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
/* relay_end.c */
void sgl_relay_gone(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_relay_drained(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_relay_sweep(struct sgl_proxy_thread *thread);
/* The router ends: every client is told so, as far as its answer allows. */
void sgl_relay_cut_all(struct sgl_proxy_thread *thread);
/* relay_admission.c: whose waiting is over; and that time has passed. */
void sgl_relay_hear_gate(struct sgl_proxy_thread *thread);
void sgl_relay_tick_gate(struct sgl_proxy_thread *thread);
void sgl_relay_free_spare(struct sgl_proxy_thread *thread);

/* admin.c: false when the path is not the router's own. */
bool sgl_admin(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
/* The methods that a path of the router's own takes, "GET, HEAD"; "": it is none of them. */
#define SGL_ADMIN_METHODS_SIZE 64
void sgl_admin_methods(const char *target, char text[static SGL_ADMIN_METHODS_SIZE]);
/* The client of an admin request left. */
void sgl_admin_gone(struct sgl_http_exchange *exchange);

/* metrics.c: Prometheus' text format; caller frees, NULL: no memory. */
char *sgl_metrics_text(struct sgl_proxy_thread *thread);

/* ---- ask.c ---- */

/* A small request to a worker, whose answer (at most SGL_ASK_MAX bytes) is wanted whole. */
#define SGL_ASK_MAX ((size_t)1024 * 1024)

struct sgl_ask {
    uint32_t worker;
    const char *target;
    bool is_post;
    int64_t timeout_ns;
    void (*answered)(struct sgl_ask *ask); /* freed behind it */
    void *context;
    struct sgl_proxy_thread *thread;

    int status; /* 0: no answer */
    const char *body;
    size_t body_size;

    struct sgl_call call;
    struct sgl_buffer text;
    uint64_t deadline_ns;
    struct sgl_ask *next;
    struct sgl_ask *previous;
};

/* Copies the question; `answered` is told in a later turn, or never when this fails: SGL_ENOMEM. */
int sgl_ask(struct sgl_proxy_thread *thread, const struct sgl_ask *question);
void sgl_ask_sweep(struct sgl_proxy_thread *thread);
void sgl_ask_cancel_all(struct sgl_proxy_thread *thread);

/* Thread 0: probes the workers that nobody has heard yet, when their time has come. */
void sgl_startup_sweep(struct sgl_proxy_thread *thread);

/* Timers of thread 0. */
void sgl_probes_start(struct sgl_proxy_thread *thread);
void sgl_probes_stop(struct sgl_proxy_thread *thread);

/* ---- fields.c ---- */

/* Does the field belong to one connection alone, or is made anew on the other side? */
bool sgl_field_is_hop(const struct sgl_http_field *field, const struct sgl_http_field *fields,
                      size_t field_count);

/* The fields that pass: copies those that are not a hop's into `out` (room for all). */
size_t sgl_fields_pass(const struct sgl_http_field *fields, size_t field_count, bool is_request,
                       struct sgl_http_field *out);

/* Drops the fields of that name; returns how many are left. */
size_t sgl_fields_drop(struct sgl_http_field *fields, size_t field_count, const char *name);

/* Drops the fields by which the client proves who it is; returns how many are left. */
size_t sgl_fields_drop_secrets(struct sgl_http_field *fields, size_t field_count);

#endif
