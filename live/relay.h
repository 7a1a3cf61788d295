/*
 * relay.h - one request on its way: from the client, by the router's word, to a worker and back.
 *
 *      begin -> gate: refused (429), or QUEUED -> 408, or let in; then
 *
 *               routed -> UNDER_WAY --head--> gathering: a short answer, or one to be retried,
 *                 ^           |       |       is held until it is whole
 *                 |           |       \-----> streaming: head and bytes pass as they come
 *                 |           v
 *                 +-delay- WAITING  <-- the attempt failed, nothing went to the client, and
 *                             |         core/retry.h says again
 *                             v
 *                           ended: answered | 502 | 503 | 504 | client gone | stream broken
 *
 * Every attempt that a worker was decided for ends with one input: complete (well or not), or
 * cancel. A request that never was routed ends with one reject.
 * All of it happens on one thread. A relay is freed when it has ended; its exchange is then over.
 */
#ifndef SGL_LIVE_RELAY_H
#define SGL_LIVE_RELAY_H

#include "event_lines.h"
#include "learner.h"
#include "proxy_thread.h"

#define SGL_RELAY_GATHER_MAX ((size_t)64 * 1024)
#define SGL_RELAY_MADE_ID_SIZE 33
#define SGL_RELAY_OWN_FIELDS 8
#define SGL_RELAY_ERROR_LEAST 400  /* statuses from here on are failures */
#define SGL_RELAY_FAILED_LEAST 500 /* and from here on not the client's */

enum sgl_relay_state {
    SGL_RELAY_UNDER_WAY,
    SGL_RELAY_WAITING,
    SGL_RELAY_QUEUED,
};

/* An answer that is kept in case no better one comes. */
struct sgl_relay_held {
    int status; /* 0: none */
    char reason[64];
    struct sgl_buffer head;
    struct sgl_http_field *fields;
    size_t field_count;
    struct sgl_buffer body;
};

struct sgl_pair;

struct sgl_relay {
    struct sgl_call call;  /* first: the upstream's pointer is ours */
    struct sgl_pair *pair; /* pairs.h; NULL: one worker answers alone */
    enum sgl_pool pool;    /* of `call` */
    struct sgl_proxy_thread *thread;
    struct sgl_http_exchange *exchange;
    struct sgl_relay *next; /* of the thread's */
    struct sgl_relay *previous;
    enum sgl_relay_state state;

    struct sgl_gate_waiter waiter; /* its place, when there is a gate */
    struct sgl_buffer cut_body;    /* the body that is sent, where it is not the client's own */
    struct sgl_request request;
    struct sgl_prompt prompt;
    struct sgl_decision decision;
    uint64_t deadline_ns; /* by uv_hrtime; so the next three */
    uint64_t resume_ns;   /* of a retry */
    uint64_t first_ns;    /* the first byte of a stream's body; 0: none */
    uint64_t last_ns;     /* the last sign of life of the worker */

    uint32_t attempt;
    struct sgl_past_attempts past; /* those before it */

    const char *request_id; /* the client's, or made_id */
    char made_id[SGL_RELAY_MADE_ID_SIZE];
    struct sgl_http_field *fields; /* to the worker */
    size_t field_capacity;
    struct sgl_http_field *answer_fields; /* to the client */
    size_t answer_capacity;

    struct sgl_learner learner;
    bool is_stream;   /* the answer is an event stream */
    bool is_gathered; /* the answer is held until it is whole */
    bool has_answer;  /* its head went to the client */
    bool is_line_end; /* of the stream, so far */
    struct sgl_event_lines lines;
    uint64_t event_ns; /* the last event, by uv_hrtime; 0: none yet, or none since a pause */
    struct sgl_buffer gathered;
    struct sgl_relay_held held;
    char error_text[20]; /* "http_503" */
};

/* relay.c: asks the router for a worker and sends it the request. */
void sgl_relay_send(struct sgl_relay *relay);
/* A new attempt: forgets what the one before was answered. Up to `kept_max` bytes of memory of a
 * gathered answer are kept for the next. */
void sgl_relay_start_attempt(struct sgl_relay *relay, size_t kept_max);
/* The client has its answer, or left: counts it, and the relay is over. */
void sgl_relay_finish(struct sgl_relay *relay, int status);

/* relay_request.c: the fields that go to the worker, the request's name among them. False: no
 * memory. */
bool sgl_relay_make_fields(struct sgl_relay *relay);
/* relay_request.c: what the policy may know of the request. False: the client was answered. */
bool sgl_relay_read_request(struct sgl_relay *relay);

/* relay_events.c: the log gets the body of a request that was routed for the first time, when it is
 * to have bodies. */
void sgl_relay_keep_prompt(const struct sgl_relay *relay);
/* relay_events.c: the event log hears of an attempt that failed, or of a 5xx to the client. */
void sgl_relay_say_attempt(const struct sgl_relay *relay, const char *error);
void sgl_relay_say_failed(const struct sgl_relay *relay, int status);

/* The attempt of `call` is over. `error` NULL: well. */
void sgl_relay_tell_end(struct sgl_relay *relay, enum sgl_input_kind kind, const char *error);
void sgl_relay_tell_first_token(struct sgl_relay *relay);
bool sgl_relay_is_event_stream(const struct sgl_call *call);

/* relay_stream.c: bytes of an event stream went on, or will. */
void sgl_relay_hear_stream(struct sgl_relay *relay, const char *bytes, size_t size,
                           uint64_t now_ns);

/* relay_admission.c: true when it may be sent now; else it waits in the queue, or is over. */
bool sgl_relay_admit(struct sgl_relay *relay);
/* Whatever became of it, its place is free. */
void sgl_relay_leave_gate(struct sgl_relay *relay);

/* relay_answer.c */

/* The head of the worker's answer, to the client. False: no memory. */
bool sgl_relay_start_answer(struct sgl_relay *relay, int64_t length);
/* The gathered answer as a whole. */
void sgl_relay_answer_gathered(struct sgl_relay *relay);
/* The held one. */
void sgl_relay_answer_held(struct sgl_relay *relay);
/* An answer of our own. */
void sgl_relay_answer_error(struct sgl_relay *relay, int status, const char *type,
                            const char *message);
/* No attempt is left: the held answer, or one of our own; the relay is over. */
void sgl_relay_fail(struct sgl_relay *relay, int status, const char *type, const char *message);
/* A stream that cannot go on: says so in an event, and cuts. */
void sgl_relay_break_stream(struct sgl_relay *relay, int status, const char *message);
/* Keeps the gathered answer as the held one. */
void sgl_relay_hold(struct sgl_relay *relay);

#endif
