/*
 * engine.h - the inside of the batching model: a continuously batching engine.
 *
 *     arrive ->  waiting         --admit-->  chunks of this step  --prefill done-->  running
 *                O -> O -> O                 [job, tokens] ...                       heap by
 *                ^ head                      a job not done stays `partial`          finish step
 *                |                                                                       |
 *                +-- memory is out: a running job waits again, to be computed anew  <----+
 *
 *     memory    the pages of a prompt, less what a cache has of it (kv_cache.h), are taken when it
 *               is admitted (vllm: chunk by chunk), those of the answer as its tokens come; all of
 *               it is let go when the job ends or has to wait again
 *
 *     time      |-- prefill step --|-- decode leap: k steps in one --|-- ...
 *               start              end = start of the next, exact to the picosecond
 *
 * Decode steps are numbered (decode_step counts those done). A job that starts to decode is put
 * into the heap once, at the step that will give its last token; a step is then O(1) whatever the
 * batch. Every running job's context grows by one per decode step, so only the sum is kept.
 *
 * Before a decode step a job of context c (prompt and tokens given) has c - 1 tokens in memory, for
 * its last token was never fed back. So it needs a page more when c - 1 is a multiple of the page
 * size: at every step whose number is congruent to a class of its own,
 *
 *     step mod 4    0   1   2   3  | 0 ...      residues[class] = running jobs of that class
 *     residues    [ 2 ][ 0 ][ 5 ][ 1 ]          pages of k steps: a sum over k classes, round robin
 *
 * and the first step that does not fit is found in O(page size), without looking at any job.
 *
 * A leap ends where its steps stop being alike: at the next finish, before the first step that does
 * not fit, and at the boundary where an arrival may be admitted. It may end sooner: two leaps of k
 * and l steps leave the engine as one of k + l does. What steps but the first do to memory and to
 * the ratio below is applied when the leap ends, whatever its length has become by then.
 *
 * Planning ahead (async_scheduling), a step is planned when the one before it begins:
 *
 *     time      |-- step 4 --|-- step 5 --|-- step 6 --|       a comes: it may be in step 6
 *     planned   5       a    6         b  7            8       b ends in step 5: its memory and its
 *                                                              place are there for step 7
 *
 * The engine still forms a step when it begins, from what the plan knew: `fresh` requests are left
 * out, and those that are `departing` keep what they have until the step is formed. That max_tokens
 * will end a request is known; one that a stop token ends is computed once more (`overrun`).
 *
 * A step takes at least a nanosecond. So an instant holds at most one step boundary of a worker,
 * and a leap cannot pass over two orders of events within one instant.
 *
 * Gaps between tokens, when somebody asks for them (setup.gaps). All running jobs give a token at
 * the end of a decode step, so a leap gives each of them the same gaps, but for the first: that is
 * as long as it is since the job's own last token. Jobs that gave theirs in one moment are a
 * cohort:
 *
 *     decode     prefill of c, d     prefill of e     decode leap
 *     -----|------------------------|----------------|----|----|----|
 *          a, b: 2 jobs             c, d: 2 jobs     e    one cohort again: 5 jobs, 3 gaps each
 *          |<------------------- 1st gap of a, b ---------|
 *                                   |<-- of c, d ---------|
 *                                                    |<-->| of e
 *
 * One that has to wait again remembers the moment, for its next token comes when it is computed.
 *
 * In a fleet of pairs (enum sgl_leg) a prefill leg is let go when its memory has arrived elsewhere,
 * and a decode leg joins the running jobs without a prefill (engine_pairs.c).
 *
 * Files: batching.c (calls of the driver), engine_parameters.c, engine_queue.c (those that wait),
 * engine_schedulers.c (which requests a step works on), engine_memory.c (pages, and who has to wait
 * again), engine_steps.c (time, what happens when steps end), finish_order.c
 * (who ends next), engine_gaps.c (between tokens), engine_answers.c (that stay in the cache),
 * engine_clients.c (tokens so far, clients that leave), step_cost.c (arithmetic).
 */
#ifndef SGL_SIM_MODELS_ENGINE_H
#define SGL_SIM_MODELS_ENGINE_H

#include "sim/gap_steps.h"
#include "sim/kv_cache.h"
#include "sim/models/finish_order.h"
#include "sim/models/step_cost.h"
#include "sim/slots.h"
#include "sim/worker_model.h"

#include <stdalign.h>

#define SGL_ENGINE_NO_JOB UINT32_MAX

/*
 * SGLang's defaults (python/sglang/srt/environ.py, SGLANG_INIT_NEW_TOKEN_RATIO and the four after
 * it). The ratio goes from 0.7 down to 0.14 x 0.7 in 600 decode steps. It is kept in units of
 * 1/600,000, in which every step of the way is whole: 420,000 less 602 a step, down to 58,800.
 */
#define SGL_ENGINE_RATIO_ONE INT64_C(600000)
#define SGL_ENGINE_RATIO_FIRST INT64_C(420000)
#define SGL_ENGINE_RATIO_LEAST INT64_C(58800)
#define SGL_ENGINE_RATIO_STEP INT64_C(602)
#define SGL_ENGINE_RETRACT_STEPS 20
#define SGL_ENGINE_ESTIMATE_MAX 4096
/* Tokens kept free for each request that decodes, when one more of a pair wants to (server_args.py,
 * num_reserved_decode_tokens). */
#define SGL_ENGINE_RESERVED_DECODE 512

/* A line of the processor's cache, in the place of a slot. Of hundreds of running jobs hardly one
 * is in the cache when it ends: so an end is one miss here. */
struct sgl_engine_job {
    alignas(64) uint32_t next; /* the slots' */
    uint32_t handle;
    int64_t started_ns;     /* first admission; SGL_ABSENT before */
    uint64_t admission;     /* order of the last admission */
    uint32_t prompt_tokens; /* at least 1, for every prompt begins with a token */
    uint32_t output_tokens; /* it will give: the truth or max_tokens, whichever is less */
    uint32_t max_tokens;
    uint32_t emitted;              /* of its output, when it last started or stopped to decode */
    uint32_t prefilled;            /* of prompt and emitted, what the cache had included */
    uint32_t last_step;            /* while it decodes: the low bits of the step that ends it */
    unsigned int priority : 4;     /* enum sgl_priority: which of the queues it waits in */
    unsigned int leg : 4;          /* enum sgl_leg */
    unsigned int has_ids : 1;      /* it has an engine_prompt */
    unsigned int is_cut : 1;       /* max_tokens will end it, and not the truth */
    unsigned int is_clipped : 1;   /* its estimate was cut when it started to decode */
    unsigned int is_abandoned : 1; /* its client has left: it ends with the step under way */
    unsigned int is_stopped : 1;   /* a stop token ends it: nobody knows when */
};

/* What only jobs with prefix ids have: kept apart, for most traces have none. */
struct sgl_engine_prompt {
    struct sgl_kv_prompt prompt; /* its ids are the job's own */
    struct sgl_kv_hold hold;     /* .pages is what it was when it last joined the cache */
    uint32_t named;              /* ids that the trace gives; behind them made up ones */
    uint64_t session;            /* by which its answer is found (engine_answers.c); 0: none */
    int64_t cached_tokens;       /* at the first admission; SGL_ABSENT: the ids are made up */
    uint32_t published; /* blocks for which room is no longer kept: they are in the cache */
};

/* What a prefill step does for one job. */
struct sgl_engine_chunk {
    uint32_t job;
    uint32_t tokens;
};

/* Those at the end of a long queue, of whom little is kept (engine_queue.c). */
struct sgl_engine_backlog {
    struct sgl_engine_shelf *first;
    struct sgl_engine_shelf *last;
    uint32_t start; /* of the first shelf */
    uint32_t end;   /* of the last one */
    uint32_t count;
};

/* Clients that have left while a plan was made that knows nothing of it (engine_clients.c). */
struct sgl_engine_leaving {
    uint32_t *handles;
    uint32_t count;
    uint32_t capacity;
    bool is_out_of_memory; /* there was no room for one, in a call that cannot fail */
};

/* Whom a stop token has just ended: the next step is planned, and computes them once more. */
struct sgl_engine_overrun {
    int64_t count;
    int64_t context; /* together */
};

/* Running jobs that gave their last token in one moment. */
struct sgl_engine_cohort {
    struct sgl_moment token;
    uint64_t first_admission; /* cohorts lie in the order in which their jobs were admitted */
    uint32_t count;
};

struct sgl_engine_gaps {
    struct sgl_gap_counter *counter; /* borrowed; NULL: nobody asks, and the rest is unused */
    struct sgl_engine_cohort *cohorts;
    uint32_t cohort_count;
    uint32_t cohort_capacity;
    struct sgl_moment *withdrawn; /* by slot; NULL until a job is: its last token */
    int64_t counted;              /* steps of the leap under way */
};

struct sgl_engine;

/* When others find each whole block of a prompt in the cache; what does not fill a block they find
 * with the end of it. */
enum sgl_engine_sharing {
    SGL_ENGINE_SHARES_COMPUTED, /* when the step that computes it has ended */
    SGL_ENGINE_SHARES_PLANNED,  /* when that step is planned, so in that very step */
};

struct sgl_engine_scheduler {
    enum sgl_engine_sharing shares;
    /* Fills engine->chunks for the next step and says in engine->is_decoding whether the running
     * jobs take part, with memory for both. SGL_ENOMEM, or 0. */
    int (*form)(struct sgl_engine *engine);
    /* Could a job that arrives while the present batch decodes be admitted before one leaves? */
    bool (*could_admit)(const struct sgl_engine *engine);
};

extern const struct sgl_engine_scheduler sgl_engine_sglang;
extern const struct sgl_engine_scheduler sgl_engine_vllm;

enum sgl_schedule_policy { SGL_SCHEDULE_FCFS, SGL_SCHEDULE_LPM, SGL_SCHEDULE_PRIORITY };

/* What every step looks at stands first and together: with a thousand workers each of them has
 * fallen out of the processor's cache when its turn comes again. */
struct sgl_engine {
    /* The step or leap under way. */
    struct sgl_moment start;
    struct sgl_moment end; /* of the last step, also when none is under way */
    struct sgl_leap leap;
    int64_t step_count;
    bool is_stepping;
    bool is_decoding; /* the running jobs take part */
    bool is_steady;   /* it was all decode, and nobody has joined, left or slowed since */
    bool was_short;   /* some were taken back to form it: the next step looks at the queue again */
    bool is_unseen;   /* its plan knew less than the next will (planning ahead) */
    bool is_full;     /* one was refused, and no other has left since (vllm: only of decode legs) */
    bool is_ahead;    /* a step is planned while the one before it runs */
    bool stepwise;
    bool has_cache;
    bool has_mixed_chunks;
    bool keeps_answers;
    bool has_decode_legs; /* one has come */
    bool is_preempting;   /* sglang: the more urgent take the places of the less urgent */
    bool has_leaving;
    uint32_t chunk_count; /* 0 in a leap */
    uint32_t partial;     /* admitted, its prompt not done after the chunk of this step */
    struct sgl_engine_chunk *chunks;
    const struct sgl_engine_job *next; /* a hint: of those of this step, who ends first */

    int64_t now_ns; /* the last time the driver told */
    uint64_t steps;
    int64_t decode_step;
    int64_t context; /* of the running jobs, together */
    struct sgl_engine_overrun overrun;
    struct sgl_finish_order running;
    struct sgl_slots slots; /* of jobs */
    int64_t admitted;       /* jobs in prefill or decode */
    uint64_t admissions;
    int64_t *residues; /* NULL when memory is unlimited */

    /* Those that wait: one queue after the other; of each, behind a front of jobs, a backlog. */
    int64_t waiting_count;
    uint32_t fresh[SGL_PRIORITY_COUNT]; /* of each queue, the last: come since the last plan
                                           (planning ahead) */
    uint32_t packed;                    /* of them, in backlogs */
    struct sgl_slot_list waiting[SGL_PRIORITY_COUNT];

    /* sglang's estimate of what running jobs may still give: those whose estimate is not cut give
     * `estimate_base` less their number times decode_step. */
    int64_t ratio;
    int64_t estimate_base;
    int64_t clipped_count;

    const struct sgl_engine_scheduler *scheduler;
    void (*emit)(void *context, const struct sgl_worker_event *event);
    void *emit_context;
    int64_t host_overhead_ns;
    int64_t max_running_requests;
    int64_t chunked_prefill_size; /* 0: prompts are never cut */
    int64_t max_prefill_tokens;
    int64_t max_batch_tokens;
    enum sgl_schedule_policy schedule_policy;
    bool keeps_urgent; /* sglang: of those that run the least urgent wait again */
    unsigned int priority_threshold;
    struct sgl_slot_list departing; /* ended, with memory and a place that the next plan misses */
    struct sgl_moment planned;      /* when the step being formed was */
    struct sgl_step_cost cost;
    struct sgl_kv_cache kv;
    struct sgl_engine_gaps gaps;

    /* Not in every step. */
    uint32_t room;             /* jobs that the arrays by slot have room for, in use or not yet */
    struct sgl_slot_list kept; /* prefill legs that are done, while their memory is sent away */
    struct sgl_engine_leaving leaving;
    struct sgl_engine_backlog backlog[SGL_PRIORITY_COUNT];
    struct sgl_engine_prompt *prompts; /* by slot; NULL until a job has ids */
    uint64_t own_ids;                  /* made up for what the trace gives no ids */
    const struct sgl_parameters
        *parameters; /* of the spec, for the cost is folded anew when slowed */
};

/* The job of a slot. */
static inline struct sgl_engine_job *sgl_engine_at(const struct sgl_engine *engine, uint32_t job)
{
    return sgl_slots_at(&engine->slots, sizeof(struct sgl_engine_job), job);
}

/* The parameters of the model, in the order of its table (engine_parameters.c). */
enum {
    SGL_ENGINE_SCHEDULER,
    SGL_ENGINE_SCHEDULE_POLICY,
    SGL_ENGINE_PRIORITY_PREEMPTION,
    SGL_ENGINE_PRIORITY_THRESHOLD,
    SGL_ENGINE_RETRACTION_POLICY,
    SGL_ENGINE_SCALE,
    SGL_ENGINE_C_STEP,
    SGL_ENGINE_C_STEP_PREFILL,
    SGL_ENGINE_C_STEP_DECODE,
    SGL_ENGINE_C_REQUEST,
    SGL_ENGINE_C_PREFILL_TOKEN,
    SGL_ENGINE_C_PREFILL_CONTEXT,
    SGL_ENGINE_C_KV_TOKEN,
    SGL_ENGINE_C_EXPERT,
    SGL_ENGINE_P_EXPERT,
    SGL_ENGINE_C_TOKEN,
    SGL_ENGINE_FREE_TOKENS,
    SGL_ENGINE_C_MIXED_REQUEST,
    SGL_ENGINE_C_MIXED_KV_TOKEN,
    SGL_ENGINE_HOST_OVERHEAD,
    SGL_ENGINE_KV_TOKENS,
    SGL_ENGINE_PAGE_SIZE,
    SGL_ENGINE_PREFIX_CACHE,
    SGL_ENGINE_ANSWER_CACHE,
    SGL_ENGINE_CHUNKED_PREFILL_SIZE,
    SGL_ENGINE_MIXED_CHUNK,
    SGL_ENGINE_ASYNC_SCHEDULING,
    SGL_ENGINE_MAX_PREFILL_TOKENS,
    SGL_ENGINE_MAX_BATCH_TOKENS,
    SGL_ENGINE_MAX_RUNNING_REQUESTS,
};

extern const struct sgl_parameter sgl_engine_parameters[];

/* The calls of sgl_worker_model_ops that are about parameters. */
void sgl_engine_spread(struct sgl_parameters *parameters);
int sgl_engine_check(const struct sgl_parameters *parameters, struct sgl_failure *failure);
const char *sgl_engine_caveat(const struct sgl_worker_model_spec *spec, uint32_t index, char *out,
                              size_t size);

/* ---- memory (engine_memory.c) ----------------------------------------------------------- */

int64_t sgl_engine_pages(const struct sgl_engine *engine, int64_t tokens);

/* Tokens a job must have computed before it gives its next one. */
int64_t sgl_engine_to_prefill(const struct sgl_engine_job *job);

/* What the cache has of a job. What an earlier answer of its session left gets its names. */
struct sgl_kv_match sgl_engine_match(struct sgl_engine *engine, uint32_t job);

/* Output tokens that a running job has given. */
int64_t sgl_engine_given(const struct sgl_engine *engine, uint32_t job);

/* Pages that the next `steps` decode steps take, if the batch stays. */
int64_t sgl_engine_decode_pages(const struct sgl_engine *engine, int64_t steps);

/* The most decode steps, up to `most`, that take at most `pages`. */
int64_t sgl_engine_steps_within(const struct sgl_engine *engine, int64_t pages, int64_t most);

/* A job starts to decode, or the one at `index` of the running ones stops: they and their sums. */
void sgl_engine_join(struct sgl_engine *engine, uint32_t job);
void sgl_engine_leave(struct sgl_engine *engine, uint32_t index);

/* Decode steps until the first of the running jobs ends; there must be one. */
int64_t sgl_engine_steps_to_finish(const struct sgl_engine *engine);

/* What the running jobs may still give, each cut to SGL_ENGINE_ESTIMATE_MAX. */
int64_t sgl_engine_estimate(const struct sgl_engine *engine);

/* After that many decode steps that took nobody back. */
void sgl_engine_let_ratio_fall(struct sgl_engine *engine, int64_t steps);

/* Of those that wait, those whom the step being formed may admit. */
int64_t sgl_engine_known_count(const struct sgl_engine *engine);

/* What came and what ended since the last plan is known to the next. Says whether there was any. */
bool sgl_engine_catch_up(struct sgl_engine *engine);

/* Tokens in the memory of a job that has just ended. */
int64_t sgl_engine_stored(const struct sgl_engine_job *job);

/* What a job has computed or is about to in the step being planned, `tokens`, joins the cache. */
void sgl_engine_publish(struct sgl_engine *engine, uint32_t job, int64_t tokens);

/* Lets go of the memory of a job that has `tokens` in it. */
void sgl_engine_let_go(struct sgl_engine *engine, uint32_t job, int64_t tokens);

/* An admitted job gives up its memory and waits again, first or last. SGL_ENOMEM, or 0. */
int sgl_engine_withdraw(struct sgl_engine *engine, uint32_t job, bool is_first);

/* ---- answers (engine_answers.c) ---------------------------------------------------------- */

/* May a job of that leg be preempted, and then find what it has computed? Without a bound on memory
 * nobody is. */
static inline bool sgl_engine_finds_itself(const struct sgl_engine *engine, enum sgl_leg leg)
{
    return engine->scheduler == &sgl_engine_vllm && engine->kv.pages_total > 0 &&
           leg == SGL_LEG_WHOLE;
}

/* Blocks that a job with `count` ids, each of `block` tokens, may leave behind those. *session_out:
 * 0 when it may not even go on from an earlier answer. */
uint32_t sgl_engine_count_answer(const struct sgl_engine *engine, uint32_t job,
                                 const struct sgl_request *request, uint64_t count, uint64_t block,
                                 uint64_t *session_out);

/* Blocks that so many tokens fill, of all that have ids; at least those that the trace names. */
uint32_t sgl_engine_whole_blocks(const struct sgl_engine_prompt *prompt, int64_t tokens);

/* The blocks of an answer that has ended, or is taken back to be found again, join the cache;
 * `tokens` are in the job's memory. */
void sgl_engine_keep_answer(struct sgl_engine *engine, uint32_t job, int64_t tokens);

/* ---- steps (engine_steps.c) ------------------------------------------------------------- */

/* Takes the head of the queue, this job, with its match, into the next step with a chunk of
 * `tokens`; `pages` of memory are its from now on. */
void sgl_engine_admit(struct sgl_engine *engine, uint32_t job, const struct sgl_kv_match *match,
                      int64_t tokens, int64_t pages);

/* Gives `job` a chunk of `tokens` in the next step. */
void sgl_engine_prefill(struct sgl_engine *engine, uint32_t job, int64_t tokens);

/* Starts the next step or leap at `now_ns`, if there is work. */
int sgl_engine_start_step(struct sgl_engine *engine, int64_t now_ns, struct sgl_failure *failure);

/* Ends the step or leap under way, at its end. */
void sgl_engine_end_step(struct sgl_engine *engine);

/* Steps done by `now_ns`, those of the leap under way that have ended included. */
uint64_t sgl_engine_steps(const struct sgl_engine *engine, int64_t now_ns);

/* ---- clients (engine_clients.c) --------------------------------------------------------- */

/* Two calls of the driver: worker_model.h says what they do. */
void sgl_engine_tokens(const void *state,
                       void (*tell)(void *context, uint32_t handle, int64_t tokens), void *context);
bool sgl_engine_cancel(void *state, int64_t now_ns, uint32_t handle);

/* The next step is planned, knowing nothing of those that are leaving: those that wait are
 * forgotten, the others end with it. Says whether any of them waited; SGL_ENOMEM: one could not be
 * kept in mind. */
int sgl_engine_see_leaving(struct sgl_engine *engine);

/* A job ends by itself, with that handle: it is not leaving any more, if it was. */
void sgl_engine_has_left(struct sgl_engine *engine, uint32_t handle);

/* The step under way is over, and computed a chunk for a client that had left. */
void sgl_engine_abandon_chunk(struct sgl_engine *engine, uint32_t job);

/* Shortens the leap under way to its first step boundary at or after `now_ns`. */
void sgl_engine_cut_leap(struct sgl_engine *engine, int64_t now_ns);

/* Steps of the leap under way that have begun before `now_ns`; at least one. */
int64_t sgl_engine_steps_begun(const struct sgl_engine *engine, int64_t now_ns);

/* ---- the queue (engine_queue.c) --------------------------------------------------------- */

/* Room for one more job. On success *job_out is its slot; its members are the caller's to fill. */
int sgl_engine_add_job(struct sgl_engine *engine, uint32_t *job_out);

/* Room for what jobs with ids have beside that. */
int sgl_engine_add_prompts(struct sgl_engine *engine);

/* Is the queue so long that one who comes last is better packed? */
bool sgl_engine_is_crowded(const struct sgl_engine *engine, uint32_t priority);

/* Puts the request that `job` describes, which has no slot and no ids, at the end of a queue that
 * is crowded. SGL_ENOMEM, or 0; so the next two. */
int sgl_engine_pack(struct sgl_engine *engine, const struct sgl_engine_job *job);

/* Puts a job first or last. First cannot fail. */
int sgl_engine_enqueue(struct sgl_engine *engine, uint32_t job, bool is_first);

/* The head of the queue, which stays; there must be one. `is_known`: of those that are not fresh.
 */
int sgl_engine_head(struct sgl_engine *engine, bool is_known, uint32_t *job_out);

/* Takes it out, after sgl_engine_head has said which it is. */
void sgl_engine_pop(struct sgl_engine *engine, uint32_t job);

/* Up to `count` of those that are packed become jobs at the end of the front. SGL_ENOMEM, or 0. */
int sgl_engine_unpack(struct sgl_engine *engine, uint32_t priority, uint32_t count);

/* The client of one that waits has left. False: none with that handle waits, or (`is_fresh`) it is
 * known to the plan. */
bool sgl_engine_drop_waiting(struct sgl_engine *engine, uint32_t handle, bool is_fresh);

void sgl_engine_release_backlog(struct sgl_engine *engine);

/* ---- gaps (engine_gaps.c); only when they are counted ------------------------------------ */

/* A job starts to decode; its last token was given then. */
void sgl_engine_gaps_join(struct sgl_engine *engine, uint32_t job, struct sgl_moment token);

/* A running job will have to wait again. SGL_ENOMEM, or 0. */
int sgl_engine_gaps_withdraw(struct sgl_engine *engine, uint32_t job);

/* One that waited again gives a token, at the end of this step. */
void sgl_engine_gaps_resume(struct sgl_engine *engine, uint32_t job);

/* Counts the gaps of the first `steps` steps of the leap under way, each once however often this is
 * called; before anybody leaves. */
void sgl_engine_gaps_count(struct sgl_engine *engine, int64_t steps);

/* The leap has ended, and who was to leave has. */
void sgl_engine_gaps_end(struct sgl_engine *engine);

/* The call of the driver: counts those of the leap under way that have ended by `now_ns`. */
void sgl_engine_gaps_settle(void *state, int64_t now_ns);

/* ---- pairs (engine_pairs.c) ------------------------------------------------------------- */

/* Decode legs at the head of the queue join the running jobs, while there are places and memory.
 * SGL_ENOMEM, or 0. */
int sgl_engine_join_decode_legs(struct sgl_engine *engine);

/* Memory of a prefill leg that is done, by its handle, is let go. False: there is none such. */
bool sgl_engine_release_kept(struct sgl_engine *engine, uint32_t handle);

/* ---- ends (engine_steps.c) -------------------------------------------------------------- */

/* Tells of a job what has no figures: its first token, or that it is forgotten. */
void sgl_engine_tell(const struct sgl_engine *engine, enum sgl_worker_event_kind kind,
                     uint32_t handle, int64_t now_ns);

/* A job is done: it is told, and forgotten, unless its memory is still wanted. */
void sgl_engine_finish(struct sgl_engine *engine, uint32_t job, int64_t now_ns);

/* The place and the ids of a job whose memory has been let go are given back. */
void sgl_engine_forget(struct sgl_engine *engine, uint32_t job);

#endif
