/*
 * request.h - what a router knows of a request when it decides.
 *
 * The true output length is not here, and must not be: no policy may see the future.
 * Strings and prefix ids are borrowed: they live as long as the call that takes the request.
 */
#ifndef SGL_CORE_REQUEST_H
#define SGL_CORE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

/* The pool a worker belongs to, and the pool a decision is made in. */
#define SGL_POOL_MAP(X) X(REGULAR, regular) X(PREFILL, prefill) X(DECODE, decode)

enum sgl_pool {
#define SGL_POOL_ENUM(upper, lower) SGL_POOL_##upper,
    SGL_POOL_MAP(SGL_POOL_ENUM)
#undef SGL_POOL_ENUM
        SGL_POOL_COUNT
};

#define SGL_PRIORITY_MAP(X) X(HIGH, high) X(NORMAL, normal) X(LOW, low)

enum sgl_priority {
#define SGL_PRIORITY_ENUM(upper, lower) SGL_PRIORITY_##upper,
    SGL_PRIORITY_MAP(SGL_PRIORITY_ENUM)
#undef SGL_PRIORITY_ENUM
        SGL_PRIORITY_COUNT
};

struct sgl_request {
    int64_t request;       /* its number in the run, from 0: the key of logs and random streams */
    int64_t arrival_ns;    /* at the router */
    int64_t prompt_tokens; /* SGL_ABSENT when nobody counted */
    int64_t max_tokens;    /* the limit asked for; SGL_ABSENT when none */
    enum sgl_priority priority;
    const char *request_id; /* the client's name for it; NULL when it has none; so below */
    const char *tenant;
    const char *session;
    const char *model;
    const uint64_t
        *prefix_ids; /* one per block of the prompt: equal ids = equal prefix up to there */
    size_t prefix_count;
    uint32_t prefix_block; /* tokens (live: bytes) that an id stands for; 0 when not stated */
};

/* Names as logs and files write them; the reverse calls give ..._COUNT for an unknown name. */
const char *sgl_pool_name(enum sgl_pool pool);
enum sgl_pool sgl_pool_named(const char *name);
const char *sgl_priority_name(enum sgl_priority priority);
enum sgl_priority sgl_priority_named(const char *name);

#endif
