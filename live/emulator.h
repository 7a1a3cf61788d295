/*
 * emulator.h - one worker of the simulator, driven in real time.
 *
 *     submit, cancel -->  [ worker model ]  --> hear: tokens, finish, reject
 *     run(now)       -->  (sim/worker_model.h)
 *     next           <--  when to come back
 *
 * Times are the worker's own: nanoseconds since it began, given by the caller, never decreasing.
 * The model is run one engine step at a time, so that every token is told in the instant that it
 * comes out of the engine: none of them is interpolated. A late caller hears what it missed in
 * order, each with its own time.
 *
 * Handles are the caller's: small numbers, unique among requests for which neither finish nor
 * reject was told nor cancel gave true. One thread at a time; `hear` may call load, no more.
 */
#ifndef SGL_LIVE_EMULATOR_H
#define SGL_LIVE_EMULATOR_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgl_worker_model_spec;
struct sgl_emulator;

enum sgl_emulated_kind {
    SGL_EMULATED_TOKENS,
    SGL_EMULATED_FINISH,
    SGL_EMULATED_REJECT,
    SGL_EMULATED_FORGET, /* its client had left, and it is gone */
};

/* Which part of a request it has: sim/worker_model.h. */
enum sgl_emulated_leg {
    SGL_EMULATED_WHOLE,
    SGL_EMULATED_PREFILL, /* finish: its memory stays taken until cancel */
    SGL_EMULATED_DECODE,  /* token 1 is told when it joins */
};

struct sgl_emulated_event {
    enum sgl_emulated_kind kind;
    uint32_t handle;
    int64_t time_ns;
    int64_t tokens;        /* given so far; finish: in all */
    int64_t started_ns;    /* finish: prefill start */
    int64_t cached_tokens; /* finish: of the prompt; SGL_ABSENT when it had no ids */
    const char *error;     /* reject */
};

struct sgl_emulated_job {
    uint32_t handle;
    enum sgl_emulated_leg leg;
    int64_t prompt_tokens;
    int64_t max_tokens;
    const uint64_t *prefix_ids;
    size_t prefix_count;
    uint32_t prefix_block; /* tokens */
};

struct sgl_emulated_load {
    int64_t queue_length;
    int64_t running;
    double token_usage; /* NaN: not limited */
};

/* The spec outlives the emulator. `hear` is called from run and submit. */
int sgl_emulator_create(struct sgl_emulator **emulator_out,
                        const struct sgl_worker_model_spec *spec,
                        void (*hear)(void *context, const struct sgl_emulated_event *event),
                        void *context, struct sgl_failure *failure);
void sgl_emulator_destroy(struct sgl_emulator *emulator);

/* Everything that happens up to `now_ns`. */
int sgl_emulator_run(struct sgl_emulator *emulator, int64_t now_ns, struct sgl_failure *failure);

/* A request that gives all of its max_tokens. run(now_ns) must have been called. SGL_EINVAL: the
 * numbers make no request. */
int sgl_emulator_submit(struct sgl_emulator *emulator, const struct sgl_emulated_job *job,
                        int64_t now_ns, struct sgl_failure *failure);

/* Its client has left, or the memory of a prefill leg has arrived elsewhere. True: nothing more
 * will be told of it; false: its finish will. run(now_ns) must have been called, and must be called
 * again: others may go on. */
bool sgl_emulator_cancel(struct sgl_emulator *emulator, uint32_t handle, int64_t now_ns);

/* From now on its steps take `factor` times as long. */
void sgl_emulator_slow(struct sgl_emulator *emulator, double factor, int64_t now_ns);

/* Forgets everything it holds, its requests (of which nothing more is told) and its cache, as a new
 * process would; a slow one stays slow. */
int sgl_emulator_reset(struct sgl_emulator *emulator, struct sgl_failure *failure);

/* When to run it next; INT64_MAX: when something is submitted. */
int64_t sgl_emulator_next_ns(const struct sgl_emulator *emulator);

void sgl_emulator_load(const struct sgl_emulator *emulator, struct sgl_emulated_load *load_out);

/* A parameter of its model by name; NaN when there is none. */
double sgl_emulator_parameter(const struct sgl_emulator *emulator, const char *name);

#endif
