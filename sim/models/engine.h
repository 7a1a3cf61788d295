/*
 * engine.h - the inside of the batching model: a continuously batching engine.
 *
 *     arrive ->  waiting (FIFO)  --admit-->  chunks of this step  --prefill done-->  running
 *                O -> O -> O                 [job, tokens] ...                       heap by finish
 *                ^ head                      a job not done stays `partial`          step,
 * admission
 *
 *     memory    pages of a job are taken at admission, prompt + max_tokens less what a cache has of
 *               the prompt (kv_cache.h); the prompt joins the cache when it is computed, and all
 *               is let go at the job's end
 *
 *     time      |-- prefill step --|-- decode leap: k steps in one --|-- ...
 *               start              end = start of the next, exact to the picosecond
 *
 * Decode steps are numbered (decode_step counts those done). A job that starts to decode is put
 * into the heap once, at the step that will give its last token; a step is then O(1) whatever the
 * batch. Every running job's context grows by one per decode step, so only the sum is kept.
 *
 * A step takes at least a nanosecond. So an instant holds at most one step boundary of a worker,
 * and a leap cannot pass over two orders of events within one instant.
 *
 * Files: batching.c (parameters, calls of the driver), engine_schedulers.c (which requests a step
 * works on), engine_steps.c (memory, time, what happens when steps end), step_cost.c (arithmetic).
 */
#ifndef SGL_SIM_MODELS_ENGINE_H
#define SGL_SIM_MODELS_ENGINE_H

#include "sim/event_queue.h"
#include "sim/kv_cache.h"
#include "sim/models/step_cost.h"
#include "sim/slots.h"
#include "sim/worker_model.h"

#define SGL_ENGINE_NO_JOB UINT32_MAX

struct sgl_engine_job {
    uint32_t handle;
    int64_t prompt_tokens;       /* to prefill: at least 1, for every prompt begins with a token */
    int64_t output_tokens;       /* it will give: the truth or max_tokens, whichever is less */
    int64_t pages;               /* of KV memory, prompt and max_tokens */
    int64_t prefilled;           /* of the prompt, what the cache had included */
    int64_t cached_tokens;       /* of the prompt; SGL_ABSENT when it has no ids */
    struct sgl_kv_prompt prompt; /* its ids are the job's own */
    struct sgl_kv_hold hold;
    int64_t started_ns; /* admission */
    uint64_t admission; /* order of admission */
};

/* What a prefill step does for one job. */
struct sgl_engine_chunk {
    uint32_t job;
    int64_t tokens;
};

struct sgl_engine;

struct sgl_engine_scheduler {
    /* Fills engine->chunks for the next step; says whether the running jobs decode in it. */
    bool (*form)(struct sgl_engine *engine);
    /* Memory aside, could a job be admitted while the present batch decodes? */
    bool (*could_admit)(const struct sgl_engine *engine);
};

extern const struct sgl_engine_scheduler sgl_engine_sglang;
extern const struct sgl_engine_scheduler sgl_engine_vllm;

struct sgl_engine {
    const struct sgl_engine_scheduler *scheduler;
    void (*emit)(void *context, const struct sgl_worker_event *event);
    void *emit_context;
    bool stepwise;

    const struct sgl_parameters
        *parameters; /* of the spec, for the cost is folded anew when slowed */
    struct sgl_step_cost cost;
    bool has_cache;
    struct sgl_kv_cache kv;
    int64_t max_running_requests;
    int64_t chunked_prefill_size; /* 0: prompts are never cut */
    int64_t max_prefill_tokens;
    int64_t max_batch_tokens;

    struct sgl_engine_job *jobs; /* by slot */
    struct sgl_slots slots;
    struct sgl_slot_list waiting;

    uint32_t partial; /* admitted, its prompt not done after the chunk of this step */
    int64_t admitted; /* jobs in prefill or decode */
    uint64_t admissions;

    struct sgl_event_queue running; /* time = decode step that ends it, index = admission */
    int64_t context;                /* of the running jobs, together */
    int64_t decode_step;

    /* The step or leap under way. */
    bool is_stepping;
    bool is_decoding; /* the running jobs take part */
    struct sgl_engine_chunk *chunks;
    uint32_t chunk_count; /* 0 in a leap */
    int64_t step_count;
    struct sgl_leap leap;
    struct sgl_moment start;
    struct sgl_moment end; /* of the last step, also when none is under way */

    uint64_t steps;
};

int64_t sgl_engine_pages(const struct sgl_engine *engine, int64_t tokens);

/* Is there memory for the job? *match_out is then what the cache has of it. */
bool sgl_engine_fits(const struct sgl_engine *engine, const struct sgl_engine_job *job,
                     struct sgl_kv_match *match_out);

/* Prompt tokens of the job that are to be computed, with that match. */
int64_t sgl_engine_uncached(const struct sgl_engine *engine, const struct sgl_engine_job *job,
                            const struct sgl_kv_match *match);

/* Takes the head of the queue, with its match, into the next step with a chunk of `tokens`. */
void sgl_engine_admit(struct sgl_engine *engine, const struct sgl_kv_match *match, int64_t tokens);

/* Gives `job` a chunk of `tokens` in the next step. */
void sgl_engine_prefill(struct sgl_engine *engine, uint32_t job, int64_t tokens);

/* Starts the next step or leap at `now_ns`, if there is work. */
int sgl_engine_start_step(struct sgl_engine *engine, int64_t now_ns, struct sgl_failure *failure);

/* Ends the step or leap under way, at its end. */
void sgl_engine_end_step(struct sgl_engine *engine);

/* Steps done by `now_ns`, those of the leap under way that have ended included. */
uint64_t sgl_engine_steps(const struct sgl_engine *engine, int64_t now_ns);

/* Shortens the leap under way to its first step boundary at or after `now_ns`. */
void sgl_engine_cut_leap(struct sgl_engine *engine, int64_t now_ns);

/* Room for one more job. On success *job_out is its slot; its members are the caller's to fill. */
int sgl_engine_add_job(struct sgl_engine *engine, uint32_t *job_out);

#endif
