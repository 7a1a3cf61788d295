/*
 * emulate_worker.h - one emulated worker: its port, its engine, its requests under way. Shared by
 * the files of the emulator only.
 *
 *     emulate.c           workers, clock, signals, the loop
 *     emulate_worker.c    questions: from HTTP to flights, and answers back
 *     emulate_flights.c   flights: into the engine, what it tells, out of it
 *     emulate_legs.c      flights of prefill and decode workers
 *     emulate_claims.c    how the two meet: the bootstrap port, and those who ask there
 *     emulate_routes.c    everything else that can be asked
 *
 *     exchange <--> question --parts--> flights[handle] --> engine
 *     (one request of a client)         (one prompt each; several in a batch)
 *
 * A question lives as long as its client waits; its flights may live longer, until the engine lets
 * go of them: then their question is NULL.
 *
 *     FREE -> HELD -> ENGINE -> FREE        whole requests; HELD: it hangs
 *             HELD -> ENGINE -> FREE        decode legs; HELD: their memory has not arrived
 *             HELD -> ENGINE -> KEPT -> FREE   prefill legs; KEPT: computed, and the memory waits
 *                                              for its decode worker or is on its way
 */
#ifndef SGL_LIVE_EMULATE_WORKER_H
#define SGL_LIVE_EMULATE_WORKER_H

#include "live/alarm.h"
#include "live/emulate.h"
#include "live/emulate_answer.h"
#include "live/emulate_faults.h"
#include "live/emulate_rooms.h"
#include "live/emulate_wires.h"
#include "live/emulator.h"
#include "live/http_server.h"

struct sgl_emulate_claim;
struct sgl_emulate_prefills;

enum sgl_emulate_stage {
    SGL_EMULATE_FREE,
    SGL_EMULATE_HELD,
    SGL_EMULATE_ENGINE,
    SGL_EMULATE_KEPT,
};

/* Flights by the time at which something happens to them. */
struct sgl_emulate_due {
    struct sgl_emulate_flight *first;
    struct sgl_emulate_flight *last;
};

struct sgl_emulate_flight {
    struct sgl_emulate_worker *worker;
    struct sgl_emulate_question *question; /* NULL: nobody waits for it */
    size_t part;                           /* of the question */
    uint32_t handle;
    uint32_t next_free; /* handle + 1; 0: none */
    enum sgl_emulate_stage stage;
    bool is_left; /* the engine is to be told that nobody waits for it */

    /* Of a pair. */
    struct sgl_emulate_room *room;   /* ? prefill */
    struct sgl_emulate_claim *claim; /* ? decode: asked, and not answered */
    struct sgl_emulate_due *due;     /* ? the list it is in */
    struct sgl_emulate_flight *due_next;
    struct sgl_emulate_flight *due_previous;
    int64_t due_ns;
};

struct sgl_emulate_question {
    struct sgl_http_exchange *exchange;
    struct sgl_emulate_worker *worker;
    struct sgl_emulate_request request;
    struct sgl_emulate_progress *progress; /* of each part */
    struct sgl_emulate_flight **flights;   /* of each part; NULL: it is over */
    size_t left;                           /* parts that are not */
    bool has_started;                      /* the head of its stream was sent */
    bool is_full;                          /* the client takes no more for now */
    bool is_held;                          /* its parts are walked: not freed under them */
    bool is_over;
};

struct sgl_emulate_worker {
    struct sgl_emulate_run *run;
    uint32_t index;
    enum sgl_emulate_role role;
    uint16_t port;
    uint16_t bootstrap_port;
    struct sgl_http_server *server;    /* NULL: it refuses */
    struct sgl_http_server *bootstrap; /* of a prefill worker */
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

    struct sgl_emulate_rooms rooms;
    struct sgl_emulate_due transfers; /* memory that leaves or arrives, by its end */
    struct sgl_emulate_due deadlines; /* legs that wait for the other one, by their last moment */

    uint64_t requests; /* so far, each of a batch counted; so the next three */
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
    uv_check_t check; /* after each poll: claims go on */
    uv_idle_t awake;  /* active: the loop may not sleep */
    struct sgl_emulate_worker *workers;
    uint32_t worker_count; /* made so far */
    int64_t began_ns;      /* monotonic: time 0 of all workers */
    int64_t began_epoch_ns;
    uint64_t numbers;                      /* ids made up so far */
    struct sgl_emulate_wires *wires;       /* NULL: no pairs */
    struct sgl_emulate_prefills *prefills; /* whom decode workers ask; NULL: none do */
};

/* ---- emulate.c ---- */

/* The worker's time now. */
int64_t sgl_emulate_now_ns(const struct sgl_emulate_run *run);

/* The monotonic clock at a time of the worker. */
int64_t sgl_emulate_clock_ns(const struct sgl_emulate_run *run, int64_t worker_ns);

/* A worker's time as seconds since 1970. */
double sgl_emulate_epoch_s(const struct sgl_emulate_run *run, int64_t worker_ns);

/* Puts these faults in force. */
void sgl_emulate_set_faults(struct sgl_emulate_worker *worker,
                            const struct sgl_emulate_faults *faults, uint64_t for_ms);

/* The loop goes round once more before it sleeps: an answer was made for another port. */
void sgl_emulate_stay_awake(struct sgl_emulate_run *run);

/* The loop ends with this text. */
void sgl_emulate_stop(struct sgl_emulate_run *run, int status, const char *text);

/* ---- emulate_worker.c ---- */

/* Opens its ports. */
int sgl_emulate_listen(struct sgl_emulate_worker *worker);

/* Sends what a part has given. */
void sgl_emulate_send_tokens(struct sgl_emulate_flight *flight);

/* The connection breaks here, by a fault. */
bool sgl_emulate_is_cut(const struct sgl_emulate_flight *flight);
void sgl_emulate_cut(struct sgl_emulate_question *question);

/* Without a word: its port is about to close. */
void sgl_emulate_forget(struct sgl_emulate_question *question);

/* The part is over, well or aborted: its client is told, now or with the others. The flight has no
 * question any more. */
void sgl_emulate_end_part(struct sgl_emulate_flight *flight);

/* The whole question ends with an error; its flights are left. */
void sgl_emulate_fail(struct sgl_emulate_question *question, int status, const char *message);

/* Ends a part early, telling its client why. Advance then. */
void sgl_emulate_abort(struct sgl_emulate_flight *flight, const char *why);

void sgl_emulate_respond_json(struct sgl_http_exchange *exchange, int status,
                              struct sgl_buffer *body);

/* ---- emulate_flights.c ---- */

/* A flight that is HELD; NULL: no memory. */
struct sgl_emulate_flight *sgl_emulate_take_flight(struct sgl_emulate_worker *worker);

/* Nobody waits for it any more. What is in the engine leaves it with the next advance. */
void sgl_emulate_leave(struct sgl_emulate_flight *flight);

/* Puts it in the engine, which is at the present. */
void sgl_emulate_submit(struct sgl_emulate_flight *flight, enum sgl_emulated_leg leg);

/* Done with, also for the engine. */
void sgl_emulate_give_flight(struct sgl_emulate_flight *flight);

/* Runs the engine up to now, and sets the alarm for what comes next. */
void sgl_emulate_advance(struct sgl_emulate_worker *worker);

/* What the engine tells. */
void sgl_emulate_hear(void *context, const struct sgl_emulated_event *event);

/* All that the engine holds is lost, and those who asked are cut. */
int sgl_emulate_lose(struct sgl_emulate_worker *worker);

/* ---- emulate_legs.c ---- */

/* What a decode worker is told of the memory it claims. */
struct sgl_emulate_grant {
    int64_t prompt_tokens;
    int64_t cached_tokens;
    int64_t wait_ns; /* until it arrives, in real time */
};

/* Its way begins: whole, as a prefill leg in its room, or as a decode leg that claims one. */
void sgl_emulate_launch(struct sgl_emulate_flight *flight);

/* The prompt of a prefill leg was computed. */
void sgl_emulate_computed(struct sgl_emulate_flight *flight, int64_t now_ns);

/* The leg is over, so what the pair shares is let go; the other leg hears of it. */
void sgl_emulate_leave_pair(struct sgl_emulate_flight *flight);

/* The transfer at the head of the list has ended. */
void sgl_emulate_transferred(struct sgl_emulate_worker *worker);

/* Those at the head of the list have waited too long. */
void sgl_emulate_expire(struct sgl_emulate_worker *worker);

/* The decode worker that waits in the room is told to come, if the memory is ready. */
void sgl_emulate_send_memory(struct sgl_emulate_room *room, int64_t ready_ns);

/* The claim of a decode leg is granted. */
void sgl_emulate_claimed(struct sgl_emulate_flight *flight, const struct sgl_emulate_grant *grant);

/* A leg fails as SGLang's do: `what` ("Decode transfer") failed, `why`. Advance then. */
void sgl_emulate_fail_leg(struct sgl_emulate_flight *flight, const char *what, const char *why);

/* ---- emulate_claims.c ---- */

extern const struct sgl_http_handler sgl_emulate_bootstrap_handler;

/* Who answers claims, for decode workers. Closed, then freed when the loop has ended; both accept
 * NULL. */
int sgl_emulate_prefills_create(struct sgl_emulate_prefills **prefills_out,
                                struct sgl_emulate_run *run);
void sgl_emulate_prefills_close(struct sgl_emulate_prefills *prefills);
void sgl_emulate_prefills_free(struct sgl_emulate_prefills *prefills);

/* Claims go on. True: at once again. */
bool sgl_emulate_prefills_turn(struct sgl_emulate_prefills *prefills);

/* Claims the room of a decode leg: sgl_emulate_claimed or sgl_emulate_fail_leg follow, also from
 * within. */
void sgl_emulate_claim(struct sgl_emulate_flight *flight);
/* Nobody waits for the answer any more. */
void sgl_emulate_unclaim(struct sgl_emulate_flight *flight);

/* The room's claim is answered: with a grant, or (NULL) that there will be none. */
void sgl_emulate_answer_claim(struct sgl_emulate_room *room, const struct sgl_emulate_grant *grant);

/* ---- emulate_routes.c ---- */

/* Answers everything but requests for tokens; false: there is no such path. */
bool sgl_emulate_route(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange,
                       const char *path, size_t path_size);

#endif
