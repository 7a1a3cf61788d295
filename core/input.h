/*
 * input.h - everything that can happen to a router. Feeding the same inputs to a fresh router of
 * the same build, seed and parameters gives the same decisions, bit for bit: this is what a
 * decision log stores and what `verify` re-executes.
 *
 *   kind          fields used beside kind and now_ns
 *   ------------  ------------------------------------------------------------------------------
 *   route         request (its number), attempt, pool, route      a request asks for a worker
 *   first_token   request, attempt, pool                          its first token came back
 *   complete      request, attempt, pool, outcome                 it was answered, well or not
 *   cancel        request, attempt, pool, outcome                 its client left: nothing learned
 *   reject        request, attempt, pool, outcome                 it was refused, no worker has it
 *   add_worker    pool, added                                     the next worker index joins
 *   remove_worker worker                                          gone for good
 *   probe_result  worker, is_on                                   a health check passed or failed
 *   set_health    worker, is_on                                   healthy or not: candidate or not
 *   set_draining  worker, is_on                                   no new requests, or again
 *   report_load   worker, report                                  what the worker says of itself
 *   flush_cache   -                                               all prefix caches were emptied
 *   tick          -                                               time passed, nothing else
 *
 * Who has kept the flight that a dispatch named (router.h) may name it with what becomes of it:
 * that saves the router a search, and nothing else. Any number will do.
 *
 * now_ns is the driver's clock (virtual or real), in integer nanoseconds from the run's start,
 * never decreasing. Pointers are borrowed for the call.
 */
#ifndef SGL_CORE_INPUT_H
#define SGL_CORE_INPUT_H

#include "absent.h"
#include "request.h"

#include <stdbool.h>

#define SGL_INPUT_MAP(X)                                                                           \
    X(ROUTE, route)                                                                                \
    X(FIRST_TOKEN, first_token)                                                                    \
    X(COMPLETE, complete)                                                                          \
    X(CANCEL, cancel)                                                                              \
    X(REJECT, reject)                                                                              \
    X(ADD_WORKER, add_worker)                                                                      \
    X(REMOVE_WORKER, remove_worker)                                                                \
    X(PROBE_RESULT, probe_result)                                                                  \
    X(SET_HEALTH, set_health)                                                                      \
    X(SET_DRAINING, set_draining)                                                                  \
    X(REPORT_LOAD, report_load)                                                                    \
    X(FLUSH_CACHE, flush_cache)                                                                    \
    X(TICK, tick)

enum sgl_input_kind {
#define SGL_INPUT_ENUM(upper, lower) SGL_INPUT_##upper,
    SGL_INPUT_MAP(SGL_INPUT_ENUM)
#undef SGL_INPUT_ENUM
        SGL_INPUT_COUNT
};

#define SGL_NO_WORKER UINT32_MAX

/* A request asks for a worker. The workers it was already refused by are left out. */
struct sgl_route {
    const struct sgl_request *request;
    const uint32_t *excluded; /* ascending worker indices */
    uint32_t excluded_count;
};

/* How an attempt ended, as far as anybody measured it. Integers are SGL_ABSENT when absent. */
struct sgl_outcome {
    int64_t queue_time_ns; /* prefill start - arrival at the worker */
    int64_t ttft_ns;       /* first token - arrival at the router */
    int64_t e2e_ns;        /* last token - arrival at the router */
    int64_t prompt_tokens; /* as the worker counted */
    int64_t output_tokens;
    int64_t cached_tokens;
    int64_t queue_length; /* requests waiting at the worker when it answered, running ones not */
    int64_t reported_ns;  /* when the worker counted them */
    bool success;
    const char *error; /* a word such as "over_capacity"; NULL when success */
};

struct sgl_worker_identity {
    const char *url; /* never NULL */
    const char *model;
};

struct sgl_load_report {
    int64_t queue_length; /* requests waiting, running ones not */
    int64_t running;
    double token_usage;  /* used fraction of the KV cache; NaN when absent */
    int64_t reported_ns; /* when the worker counted: at most now_ns */
};

struct sgl_input {
    enum sgl_input_kind kind;
    enum sgl_pool pool;
    int64_t now_ns;
    int64_t request;
    uint32_t attempt; /* 0 for the first, 1 for its first retry, up to 255 (flights.h) */
    union {
        uint32_t worker;
        uint32_t flight; /* of first_token, complete and cancel; not logged */
    };
    union {
        struct sgl_route route;
        struct sgl_outcome outcome;
        struct sgl_worker_identity added;
        struct sgl_load_report report;
        bool is_on;
    };
};

const char *sgl_input_name(enum sgl_input_kind kind);
enum sgl_input_kind sgl_input_named(const char *name);

/* An outcome in which nothing was measured: every integer absent, success false, no error word. */
struct sgl_outcome sgl_outcome_absent(void);

#endif
