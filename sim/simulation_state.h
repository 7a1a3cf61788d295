/*
 * simulation_state.h - the inside of a simulation, shared by its files: simulation.c (the clock,
 * the workers, routing), simulation_arrivals.c (rows of the source), simulation_answers.c (requests
 * in flight, and what the router hears of them), simulation_capacity.c (what the fleet can hold),
 * simulation_faults.c (workers that fail, and probes), simulation_gaps.c (between tokens),
 * simulation_admission.c (who is let in, and who waits for that),
 * simulation_deadlines.c (who takes too long), simulation_fetch.c (what comes next),
 * simulation_pairs.c (requests of two legs) and simulation_retries.c (those tried again);
 * simulation_check.c looks at the options before anything happens.
 */
#ifndef SGL_SIM_SIMULATION_STATE_H
#define SGL_SIM_SIMULATION_STATE_H

#include "core/gap_counter.h"
#include "core/records.h"
#include "core/router.h"
#include "sim/event_queue.h"
#include "sim/reports.h"
#include "sim/simulation.h"
#include "sim/tournament.h"

/* Order of events within one instant. Those of workers come before all of these, arrivals and what
 * workers then start behind them. */
enum {
    SGL_EVENT_FAULT,
    SGL_EVENT_TRANSFER,
    SGL_EVENT_ANSWER,
    SGL_EVENT_POLL,
    SGL_EVENT_REPORT,
    SGL_EVENT_PROBE,
    SGL_EVENT_DEADLINE,
    SGL_EVENT_RETRY,
    SGL_EVENT_ADMISSION,
    SGL_EVENT_KIND_COUNT
};

#define SGL_NO_SLOT UINT32_MAX

/*
 * A request, or a leg of one, between its arrival and its outcome. Its slot number is its handle at
 * the worker. When many wait they are what fills memory, so what the router knows of it (which
 * request, which worker, since when) is asked of the router, what it will be served with is at its
 * worker, and more is kept only when there is more to keep:
 *
 *     flight      8 bytes    the router's number for it, and its prompt
 *        `-> progress  16      of one that has had a token, or its answer: its first token
 *               |-> answer     of one whose answer is on its way to the router, which is soon over:
 *               |              what the worker said of it
 *               `-> leg        of pairs, from the start: what it has beside that
 *
 * All four are records (core/records.h), which stay where they are; the first four bytes are
 * theirs when they are free. A leg begins with its progress. With ten thousand requests in flight
 * each of these is out of the processor's cache when it is wanted again, so what is kept for long
 * is small, and each is within one line.
 */
#define SGL_GHOST_FLIGHT (SGL_NO_FLIGHT - 1)

struct sgl_simulated_flight {
    uint32_t number; /* the router's; SGL_NO_FLIGHT: it waits to be let in or to be tried again, or
                        is a leg's ghost; SGL_GHOST_FLIGHT: a ghost's (simulation_deadlines.c) */
    unsigned int value : 28; /* the number of its progress, if it has that; else prompt tokens, or
                                a ghost's worker */
    unsigned int is_used : 1;
    unsigned int has_progress : 1;
    unsigned int has_answer : 1;  /* then it has progress, too */
    unsigned int is_answered : 1; /* the whole answer, or its failure, is on its way */
};

struct sgl_simulated_progress {
    uint32_t value; /* the number of its answer, if it has that; else prompt tokens */
    uint32_t slot;  /* SGL_NO_SLOT: it is free */
    int64_t first_token_ns;
};

/* What the worker sent. */
struct sgl_simulated_answer {
    uint32_t queue_length; /* SGL_NO_QUEUE_LENGTH: not told, or lost */
    bool is_cut;           /* it ended at max_tokens, before the truth */
    int64_t prompt_tokens;
    int64_t started_ns;
    int64_t output_tokens;
    int64_t cached_tokens;
    int64_t reported_ns; /* when the queue was that long */
    const char *error;   /* NULL: it was served */
};

#define SGL_NO_QUEUE_LENGTH UINT32_MAX

/* One leg of a request of two. */
struct sgl_simulated_leg {
    struct sgl_simulated_progress progress;
    int64_t request;
    int64_t begin_ns;   /* when the request arrived */
    int64_t reached_ns; /* the worker */
    int64_t max_tokens;
    int64_t true_output_tokens;
    enum sgl_priority priority;
    enum sgl_pool pool;
    uint32_t worker;
    uint32_t twin;   /* slot of the other leg; SGL_NO_SLOT: none, or it has ended */
    bool is_stopped; /* as in its row */
    bool is_counted; /* how the request ends is known by its other leg */
    bool is_placed;  /* its worker's model has it, or had */
    bool is_ghost;   /* cancelled: the router is done with it, its worker not yet */
    bool is_sending; /* a prefill leg whose memory is on its way */
};

/* A request that may be routed again, or is not yet let in. */
struct sgl_simulated_past {
    struct sgl_trace_row row;           /* its texts and ids lie behind, in `bytes` */
    struct sgl_past_attempts *attempts; /* owned; NULL: none has failed */
    uint32_t place;                     /* in the queue of those who are not let in */
    bool is_queued;
    _Alignas(uint64_t) unsigned char bytes[]; /* ids come first */
};

/* Where the router sent a request, and its number for it. */
struct sgl_simulated_dispatch {
    uint32_t worker; /* SGL_NO_WORKER: nowhere */
    uint32_t number;
};

struct sgl_simulation;

struct sgl_simulated_worker {
    struct sgl_simulation *simulation;
    const struct sgl_worker_model_ops *ops;
    void *state;
    struct sgl_condition condition;
    bool is_touched; /* something happened to it in this instant: it must be scheduled */
};

/*
 *   players               0 .. W-1   workers: their next event
 *
 *   items of the queue    0          the next poll of all workers
 *                         1          the next report to reach the router
 *                         2          the next probe of all workers
 *                         3          somebody who waits may be let in, or has waited too long
 *                         4          somebody has waited too long for an answer
 *                         5+w        worker w: its next change of condition
 *                         W+5+2p     flight of progress p: its first token on its way to the
 *                                    router; of a prefill leg: its memory on its way to the decode
 *                                    worker; of one that waits to be tried again: when it is
 *                         W+6+2p     its answer
 */
struct sgl_simulation {
    const struct sgl_simulation_options *options;
    struct sgl_source *source;
    struct sgl_simulation_totals *totals;
    struct sgl_failure *failure;
    struct sgl_router *router;
    struct sgl_tournament turns; /* of workers */
    struct sgl_event_queue events;
    struct sgl_reports reports;
    bool has_pairs;
    struct sgl_transfers transfers;   /* of pairs */
    int64_t capacity[SGL_POOL_COUNT]; /* of the largest worker, in tokens of one request */
    struct sgl_gap_counter *gaps;     /* by worker; NULL: the sink does not want them */
    bool is_warm_up;                  /* those counted now are of it */
    int64_t now_ns;

    struct sgl_simulated_worker *workers;
    uint32_t *touched;
    uint32_t touched_count;

    struct sgl_records flights;  /* by slot */
    struct sgl_records progress; /* of pairs: legs */
    struct sgl_records answers;
    size_t progress_size;
    struct sgl_simulated_past **pasts; /* by slot, each owned; NULL: they are not kept */
    uint32_t past_capacity;
    bool keeps_pasts;
    bool has_retries;
    struct sgl_retry_budget budget;
    struct sgl_admission *admission;  /* NULL: everybody is let in */
    struct sgl_event_queue deadlines; /* by slot */
    bool has_deadlines;
    uint64_t sent;        /* answers, so far: their order */
    uint64_t cut_flights; /* out when the run was cut; of pairs each leg is one */

    /* Answers that take no time, in the order they were sent: items that do not pass through the
     * queue, for they leave in the same instant, after those that do. */
    uint32_t *due;
    uint32_t due_capacity;
    uint32_t due_first;
    uint32_t due_count;    /* behind the last; 0 when all have left */
    bool is_out_of_memory; /* an answer could not be sent, in a call that cannot fail */

    struct sgl_trace_row row; /* the next to arrive, when has_row */
    bool has_row;
    bool is_row_stale;  /* the source may have one that arrives before it */
    int64_t arrival_ns; /* of that row, scaled */
    bool is_paused;     /* that row arrives when nothing is in flight */
    int64_t origin_ns;  /* when the source's time 0 is: after a pause, not 0 */
};

enum {
    SGL_ITEM_POLL,
    SGL_ITEM_REPORT,
    SGL_ITEM_PROBE,
    SGL_ITEM_ADMISSION,
    SGL_ITEM_DEADLINE,
    SGL_ITEM_FAULT /* the first of them */
};
uint32_t sgl_simulation_fault_item(uint32_t worker);
uint32_t sgl_simulation_answer_item(const struct sgl_simulation *self, uint32_t progress,
                                    bool is_last);

/* Reads the next row of the source, if there is one, and says when it arrives. */
int sgl_simulation_read_row(struct sgl_simulation *self);

/* The same when the source may have one before the row that waits: that is given back first. */
int sgl_simulation_read_row_again(struct sgl_simulation *self);

/* Is the row that was read to arrive now? Then, if there was a pause, it ends: the rows behind it
 * count from now. */
bool sgl_simulation_is_due(const struct sgl_simulation *self);
void sgl_simulation_end_pause(struct sgl_simulation *self);

/* Gives the router an input of this instant. The result may be NULL. */
int sgl_simulation_feed(struct sgl_simulation *self, struct sgl_input *input,
                        struct sgl_result *result);

/* How much the largest worker of each pool can hold; and: is that enough for the request? */
void sgl_simulation_measure(struct sgl_simulation *self);

/* Tokens that a worker has KV memory for; INT64_MAX: no limit. */
int64_t sgl_simulation_capacity(const struct sgl_simulation_worker *worker);
int sgl_simulation_check_capacity(const struct sgl_simulation *self,
                                  const struct sgl_request *request);

int sgl_simulation_no_memory(struct sgl_simulation *self);

/* Something happened to the worker: it is scheduled at the end of the instant. */
void sgl_simulation_touch(struct sgl_simulation *self, uint32_t worker);

/* A model for the worker, new and empty; its state must be zeroed. */
int sgl_simulation_start_worker(struct sgl_simulation *self, uint32_t worker);

/* Puts the first poll after `now_ns` into the queue. */
void sgl_simulation_set_poll(struct sgl_simulation *self, int64_t now_ns);

/* All workers say how much they have to do; and: one of those reports reaches the router. */
int sgl_simulation_poll_workers(struct sgl_simulation *self);
int sgl_simulation_deliver_report(struct sgl_simulation *self);

static inline struct sgl_simulated_flight *sgl_simulation_flight(const struct sgl_simulation *self,
                                                                 uint32_t slot)
{
    return sgl_records_at(&self->flights, sizeof(struct sgl_simulated_flight), slot);
}

/* Of a flight that has progress. */
static inline struct sgl_simulated_progress *
sgl_simulation_progress_of(const struct sgl_simulation *self,
                           const struct sgl_simulated_flight *flight)
{
    return sgl_records_at(&self->progress, self->progress_size, flight->value);
}

static inline struct sgl_simulated_progress *
sgl_simulation_progress(const struct sgl_simulation *self, uint32_t slot)
{
    return sgl_simulation_progress_of(self, sgl_simulation_flight(self, slot));
}

/* Of progress that has an answer. */
static inline struct sgl_simulated_answer *
sgl_simulation_answer_of(const struct sgl_simulation *self,
                         const struct sgl_simulated_progress *progress)
{
    return sgl_records_at(&self->answers, sizeof(struct sgl_simulated_answer), progress->value);
}

static inline struct sgl_simulated_answer *
sgl_simulation_answer_at(const struct sgl_simulation *self, uint32_t slot)
{
    return sgl_simulation_answer_of(self, sgl_simulation_progress(self, slot));
}

/* Of any flight; SGL_ABSENT when nobody knows. */
int64_t sgl_simulation_prompt_tokens(const struct sgl_simulation *self, uint32_t slot);

/* Of a flight in a fleet of pairs. */
static inline struct sgl_simulated_leg *sgl_simulation_leg(const struct sgl_simulation *self,
                                                           uint32_t slot)
{
    return sgl_records_at(&self->progress, sizeof(struct sgl_simulated_leg),
                          sgl_simulation_flight(self, slot)->value);
}

/* The worker that has the flight; SGL_NO_WORKER: the slot is free. */
uint32_t sgl_simulation_worker_of(const struct sgl_simulation *self, uint32_t slot);

/* A slot for the request that arrives and was sent there. */
int sgl_simulation_take_off(struct sgl_simulation *self, const struct sgl_request *request,
                            const struct sgl_simulated_dispatch *dispatch, uint32_t *slot_out);

/* The job reaches the worker of its flight, which is up. */
int sgl_simulation_place(struct sgl_simulation *self, uint32_t worker, const struct sgl_job *job);

/* The same for a worker that may be down: then its flight fails with connection_refused. */
int sgl_simulation_send(struct sgl_simulation *self, uint32_t worker, const struct sgl_job *job);

/* Asks the router for a worker of the pool. SGL_NO_WORKER: the request is refused, which the router
 * has been told. */
int sgl_simulation_route(struct sgl_simulation *self, const struct sgl_route *route,
                         enum sgl_pool pool, uint32_t attempt,
                         struct sgl_simulated_dispatch *dispatch_out);

/* A request is routed, and goes to where it is sent. Its row says when it arrived, and has
 * max_tokens. */
int sgl_simulation_enter(struct sgl_simulation *self, const struct sgl_trace_row *row);

/* How a request ended is known. */
void sgl_simulation_count(struct sgl_simulation *self, int64_t request, bool success);

/* One of those that were let in has ended: its place is free. Where admission is. */
void sgl_simulation_free_place(struct sgl_simulation *self);

/* How the end of one that was let in is known. */
static inline void sgl_simulation_leave(struct sgl_simulation *self, int64_t request, bool success)
{
    sgl_simulation_count(self, request, success);
    if (self->admission != NULL)
        sgl_simulation_free_place(self);
}

/* Nobody wants anything more of the flight. */
void sgl_simulation_land(struct sgl_simulation *self, uint32_t slot);

/* Nor of this one, but that worker has not done with it: it is a ghost until it lands. */
void sgl_simulation_haunt(struct sgl_simulation *self, uint32_t slot, uint32_t worker);
void sgl_simulation_haunt_leg(struct sgl_simulation *self, uint32_t slot);

/* The worker cannot answer the request in that slot: the router hears of it as of an answer. */
void sgl_simulation_fail(struct sgl_simulation *self, uint32_t slot, const char *error);

/* A model's emit: `context` is its struct sgl_simulated_worker. Sends the answer on its way. */
void sgl_simulation_hear(void *context, const struct sgl_worker_event *event);

/* The answer of this item, which is not queued any more, has reached the router. */
int sgl_simulation_deliver(struct sgl_simulation *self, uint32_t item);

/* Puts an event of a flight into the queue; is_out_of_memory when it has no room. */
void sgl_simulation_set_event(struct sgl_simulation *self, const struct sgl_event *event);

/* Sends the whole answer on its way, from now, `delay_ns` late. */
void sgl_simulation_answer(struct sgl_simulation *self, uint32_t slot, int64_t delay_ns);

/* The request comes to a fleet of pairs. */
int sgl_simulation_enter_pair(struct sgl_simulation *self, const struct sgl_trace_row *row);

/* The prompt of a prefill leg is computed: its memory leaves. */
void sgl_simulation_send_memory(struct sgl_simulation *self, uint32_t slot);

/* It has arrived. */
int sgl_simulation_receive_memory(struct sgl_simulation *self, uint32_t slot);

/* A leg's outcome is with the router; its slot is free. */
int sgl_simulation_leg_ended(struct sgl_simulation *self, const struct sgl_simulated_leg *leg,
                             bool success);

/* The first change of each worker's condition goes into the queue. */
void sgl_simulation_plan_faults(struct sgl_simulation *self);

/* The worker's condition changes now, it may be. */
int sgl_simulation_change(struct sgl_simulation *self, uint32_t worker);

/* The next change of any worker's condition, or SGL_NEVER. */
int64_t sgl_simulation_next_fault_ns(const struct sgl_simulation *self);

/* Probes the workers of which the router would learn something. */
int sgl_simulation_probe(struct sgl_simulation *self);

/* ---- what comes next (simulation_fetch.c) ------------------------------------------------ */

/* That worker will be looked at soon. */
void sgl_simulation_fetch_worker(const struct sgl_simulation *self, uint32_t index);

/* It is this worker's turn, which is no longer among those of the others: fetches what its event
 * and the next ones will read. */
void sgl_simulation_fetch_next(const struct sgl_simulation *self, uint32_t index);

/* ---- retries (simulation_retries.c) ----------------------------------------------------- */

/* Keeps what a later attempt of the request in that slot needs; when pasts are kept. */
int sgl_simulation_keep(struct sgl_simulation *self, uint32_t slot,
                        const struct sgl_trace_row *row);
void sgl_simulation_forget(struct sgl_simulation *self, uint32_t slot);
void sgl_simulation_release_pasts(struct sgl_simulation *self);

/* When the client sent the request in that slot, whose present attempt began at `sent_ns`. */
int64_t sgl_simulation_begin_ns(const struct sgl_simulation *self, uint32_t slot, int64_t sent_ns);

/* The attempt in that slot has failed, which the router has been told: is there to be another? 1:
 * it will come by itself; 0: no. */
int sgl_simulation_ask_retry(struct sgl_simulation *self, uint32_t slot,
                             const struct sgl_flight *failed);

/* Its time has come. */
int sgl_simulation_retry(struct sgl_simulation *self, uint32_t slot);

/* ---- admission (simulation_admission.c) -------------------------------------------------- */

int sgl_simulation_open_admission(struct sgl_simulation *self);

/* A request arrives where not everybody is let in. Says whether it is let in at once; else it
 * waits, or was refused. */
int sgl_simulation_ask_in(struct sgl_simulation *self, const struct sgl_trace_row *row,
                          bool *is_in_out);

/* Those who need not wait any longer are routed or refused. */
int sgl_simulation_let_in(struct sgl_simulation *self);

/* One that waits does so no longer, and is refused. */
int sgl_simulation_turn_away_waiting(struct sgl_simulation *self, uint32_t slot, const char *error);

/* ---- deadlines (simulation_deadlines.c) -------------------------------------------------- */

/* The request in that slot, just taken, has until its deadline, if requests have any. */
int sgl_simulation_set_deadline(struct sgl_simulation *self, uint32_t slot,
                                const struct sgl_request *request);
void sgl_simulation_clear_deadline(struct sgl_simulation *self, uint32_t slot);

/* Until when the router goes on with a request that arrived then. */
int64_t sgl_simulation_deadline_ns(const struct sgl_simulation *self, int64_t begin_ns);

/* Those whose time is up are given up. */
int sgl_simulation_pass_deadlines(struct sgl_simulation *self);

/* ---- gaps between tokens (simulation_gaps.c) -------------------------------------------- */

/* Counters for all workers, if the sink wants gaps. */
int sgl_simulation_open_gaps(struct sgl_simulation *self);
void sgl_simulation_close_gaps(struct sgl_simulation *self);

/* A request of that number arrives: is it the first behind the warm-up? Then that has ended. */
int sgl_simulation_end_warm_up(struct sgl_simulation *self, int64_t request);

/* Tells the sink of the gaps up to now that it has not heard of. */
int sgl_simulation_tell_gaps(struct sgl_simulation *self);

/* The worker's model is about to go: what it gave tokens for is counted. */
void sgl_simulation_settle_gaps(struct sgl_simulation *self, uint32_t worker);

/* ---- options (simulation_check.c) ------------------------------------------------------- */

int sgl_simulation_check(const struct sgl_simulation_options *options, struct sgl_failure *failure);

bool sgl_simulation_has_pairs(const struct sgl_simulation_options *options);

/* The policy of a pool. */
const struct sgl_policy_spec *sgl_simulation_policy(const struct sgl_simulation_options *options,
                                                    enum sgl_pool pool);

#endif
