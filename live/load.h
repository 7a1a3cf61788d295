/*
 * load.h - a trace as real requests to a server that speaks SGLang's or OpenAI's API.
 *
 *     trace --rows--> body (load_body.h) --> the wire (load_wire.h) --> answer (load_answer.h)
 *                                                                          |
 *                     one struct sgl_load_record per request sent  <-------+--> gaps between tokens
 *
 * Open loop: a request is sent at its time of arrival, however many are under way. Closed loop: the
 * times are ignored and `concurrency` requests are kept under way.
 *
 * Times are integer nanoseconds since the run began, which is when the first request was to be
 * sent. Each latency can be taken from two starts:
 *
 *     intended ----- lag ----- sent ----------------- first token ------ ... ------ finish
 *        |--------------------- ttft ----------------------|
 *        |---------------------------------- e2e ---------------------------------------|
 *                               |--- ttft_sent ------------|
 *
 * From `intended` is what a user would see who came at that time: a server (or a client) that
 * stalls is charged for everyone who had to wait, which measuring from `sent` leaves out
 * (coordinated omission). In a closed loop nobody intends a time, so intended is sent and the
 * omission stays.
 *
 * One thread, one loop; nothing here prints. SIGINT and SIGTERM end a run early: what is under way
 * is given up (error "interrupted") and the records so far are the caller's.
 */
#ifndef SGL_LIVE_LOAD_H
#define SGL_LIVE_LOAD_H

#include "core/failure.h"
#include "traces/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sgl_load_api {
    SGL_LOAD_GENERATE,    /* POST /generate, SGLang's own */
    SGL_LOAD_CHAT,        /* POST /v1/chat/completions */
    SGL_LOAD_COMPLETIONS, /* POST /v1/completions */
};

struct sgl_load_options {
    const char *url; /* http://host:port, as the workers of a router or the router itself */
    enum sgl_load_api api;
    bool is_streaming;
    bool sends_ids;        /* prompts as token ids instead of text; not for chat */
    double rate_scale;     /* arrival times are divided by it */
    uint32_t concurrency;  /* 0: open loop */
    uint64_t request_most; /* 0: all of the trace */
    int64_t timeout_ns;    /* of a request, from when it is sent */
    const char *model;     /* for rows that name none; NULL: "default" */
    const char *header;    /* ? one more header, "Name: value" */
    uint64_t seed;         /* of prompts without prefix ids */

    /* ? Called for every token after the first of a request: `count` tokens came `gap_ns` apart. */
    void (*gap)(void *context, int64_t gap_ns, int64_t count);
    /* ? Called some ten times a second. */
    void (*progress)(void *context, uint64_t finished, uint64_t in_flight, int64_t now_ns);
    void *context;
};

/* What became of a request. SGL_ABSENT, NaN, NULL: not known. */
struct sgl_load_record {
    char *request_id; /* owned by the run, as the next two */
    char *worker_url; /* who served: the answer's x-sglsim-worker, else the url of the run */
    uint64_t *prefix_ids;
    size_t prefix_count;
    uint32_t prefix_block;

    int64_t intended_ns;
    int64_t sent_ns;
    int64_t first_token_ns;
    int64_t finish_ns; /* last byte, or the failure */

    size_t prompt_bytes;   /* of text; 0 when ids were sent */
    int64_t wanted_prompt; /* tokens, as the trace has them */
    int64_t wanted_output;
    int64_t prompt_tokens; /* as the server counted */
    int64_t output_tokens; /* as the server counted; of a broken answer what arrived */
    int64_t cached_tokens;

    /* What the server stamped, in ns of this run: only where it lies between sent and finish, for a
     * clock that differs from ours tells nothing. */
    int64_t server_created_ns;
    int64_t queue_start_ns;
    int64_t queue_end_ns;

    bool has_text;
    char error[24]; /* a kind of the table below; empty: success */
};

/*
 * Kinds of error:
 *   connect       no connection         http_503 ...  that status
 *   closed        before an answer      malformed     not what the API answers
 *   timeout                             error_event   the answer is, or holds, an `error`
 *   cut           after a part of it    abort         the server gave it up: finish_reason abort
 *   no_memory     here                  interrupted   the run was ended
 */
struct sgl_load_result {
    struct sgl_load_record *records; /* in the order of the trace */
    size_t count;
    int64_t began_epoch_ns; /* time 0 of the run, since 1970 */
    int64_t ended_ns;
    bool is_interrupted;
};

/* Sends the source's requests and waits for their answers. On failure (the trace, memory, no loop)
 * the result holds what was done so far. Release it either way. */
int sgl_load_run(const struct sgl_load_options *options, struct sgl_source *source,
                 struct sgl_load_result *result, struct sgl_failure *failure);

void sgl_load_result_release(struct sgl_load_result *result);

#endif
