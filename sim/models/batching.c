/* batching: a continuously batching engine with chunked prefill and KV memory (engine.h). */
#include "sim/models/engine.h"

#include "core/prefetch.h"
#include "core/rng.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PS_PER_US 1e6
#define PS_PER_NS 1000
#define NS_PER_US 1000
#define OWN_BLOCK_TOKENS 16 /* vLLM's block_size; whole pages, at least that */

static int64_t fold(double us, double scale)
{
    const double ps = round(us * scale * PS_PER_US);

    return ps < (double)SGL_STEP_PS_MAX ? (int64_t)ps : SGL_STEP_PS_MAX;
}

static int64_t fold_step(double us, double scale)
{
    const int64_t ps = fold(us, scale);

    return ps > PS_PER_NS ? ps : PS_PER_NS;
}

static void fold_cost(struct sgl_engine *self, double factor)
{
    const double *value = self->parameters->value;
    const double scale = value[SGL_ENGINE_SCALE] * factor;

    self->cost = (struct sgl_step_cost){
        .prefill_ps = fold_step(value[SGL_ENGINE_C_STEP_PREFILL], scale),
        .decode_ps = fold_step(value[SGL_ENGINE_C_STEP_DECODE], scale),
        .request_ps = fold(value[SGL_ENGINE_C_REQUEST], scale),
        .prefill_token_ps = fold(value[SGL_ENGINE_C_PREFILL_TOKEN], scale),
        .prefill_half_pair_ps = fold(value[SGL_ENGINE_C_PREFILL_CONTEXT] / 2, scale),
        .kv_token_ps = fold(value[SGL_ENGINE_C_KV_TOKEN], scale),
        .expert_ps = fold(value[SGL_ENGINE_C_EXPERT], scale),
        .expert_rate = -log1p(-value[SGL_ENGINE_P_EXPERT]),
        .token_ps = fold(value[SGL_ENGINE_C_TOKEN], scale),
        .free_tokens = (int64_t)value[SGL_ENGINE_FREE_TOKENS],
        .mixed_request_ps = fold(value[SGL_ENGINE_C_MIXED_REQUEST], scale),
        .mixed_kv_token_ps = fold(value[SGL_ENGINE_C_MIXED_KV_TOKEN], scale),
    };
    sgl_step_cost_measure(&self->cost);
}

static int create(void *state, const struct sgl_worker_model_setup *setup,
                  struct sgl_failure *failure)
{
    struct sgl_engine *self = state;
    const double *value = setup->spec->parameters.value;

    self->ratio = SGL_ENGINE_RATIO_FIRST;
    self->scheduler = value[SGL_ENGINE_SCHEDULER] == 0 ? &sgl_engine_sglang : &sgl_engine_vllm;
    self->emit = setup->emit;
    self->emit_context = setup->context;
    self->stepwise = setup->stepwise;
    self->gaps.counter = setup->gaps;
    self->parameters = &setup->spec->parameters;
    fold_cost(self, 1);
    self->host_overhead_ns = (int64_t)round(value[SGL_ENGINE_HOST_OVERHEAD] * NS_PER_US);
    self->schedule_policy = (enum sgl_schedule_policy)value[SGL_ENGINE_SCHEDULE_POLICY];
    self->is_preempting = value[SGL_ENGINE_PRIORITY_PREEMPTION] != 0;
    self->keeps_urgent = value[SGL_ENGINE_RETRACTION_POLICY] != 0;
    self->priority_threshold = (unsigned)value[SGL_ENGINE_PRIORITY_THRESHOLD];
    self->is_ahead = value[SGL_ENGINE_ASYNC_SCHEDULING] != 0;
    self->has_mixed_chunks = value[SGL_ENGINE_MIXED_CHUNK] != 0;
    self->has_cache = value[SGL_ENGINE_PREFIX_CACHE] != 0;
    self->keeps_answers = self->has_cache && value[SGL_ENGINE_ANSWER_CACHE] != 0;
    self->kv.page_size = (int64_t)value[SGL_ENGINE_PAGE_SIZE];
    self->kv.pages_total = (int64_t)value[SGL_ENGINE_KV_TOKENS] / self->kv.page_size;
    self->chunked_prefill_size = (int64_t)value[SGL_ENGINE_CHUNKED_PREFILL_SIZE];
    self->max_prefill_tokens = (int64_t)value[SGL_ENGINE_MAX_PREFILL_TOKENS];
    self->max_batch_tokens = (int64_t)value[SGL_ENGINE_MAX_BATCH_TOKENS];
    self->max_running_requests = (int64_t)value[SGL_ENGINE_MAX_RUNNING_REQUESTS];
    self->partial = SGL_ENGINE_NO_JOB;
    self->slots.size = sizeof(struct sgl_engine_job);
    if (self->kv.pages_total == 0)
        return SGL_OK;
    self->residues = calloc((size_t)self->kv.page_size, sizeof *self->residues);
    return self->residues != NULL ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

static void destroy(void *state)
{
    struct sgl_engine *self = state;

    /* Places without a job hold no ids. */
    for (uint32_t job = 0; self->prompts != NULL && job < self->room; job++)
        free(self->prompts[job].prompt.ids);
    free(self->prompts);
    sgl_engine_release_backlog(self);
    free(self->leaving.handles);
    free(self->residues);
    sgl_kv_cache_release(&self->kv);
    free(self->chunks);
    free(self->gaps.cohorts);
    free(self->gaps.withdrawn);
    sgl_slots_release(&self->slots);
    sgl_finish_order_release(&self->running);
}

static int check_job(const struct sgl_job *job, struct sgl_failure *failure)
{
    const int64_t prompt_tokens = job->request->prompt_tokens;

    if (prompt_tokens < 0 || prompt_tokens > SGL_JOB_TOKENS_MAX)
        return sgl_fail(failure, SGL_EINVAL,
                        "no usable prompt_tokens, expected a number from 0 to %lld",
                        (long long)SGL_JOB_TOKENS_MAX);
    if (job->output_tokens < 0 || job->output_tokens > SGL_JOB_TOKENS_MAX)
        return sgl_fail(failure, SGL_EINVAL,
                        "no usable output_tokens, expected a number from 0 to %lld",
                        (long long)SGL_JOB_TOKENS_MAX);
    if (job->max_tokens < 0)
        return sgl_fail(failure, SGL_EINVAL, "max_tokens %lld, expected a number of at least 0",
                        (long long)job->max_tokens);
    return SGL_OK;
}

static void reject(const struct sgl_engine *self, const struct sgl_job *job, const char *error)
{
    const struct sgl_worker_event event = {
        .kind = SGL_WORKER_REJECT,
        .handle = job->handle,
        .time_ns = job->arrival_ns,
        .started_ns = SGL_ABSENT,
        .output_tokens = SGL_ABSENT,
        .cached_tokens = SGL_ABSENT,
        .error = error,
    };

    self->emit(self->emit_context, &event);
}

/* Gives a job these ids, which become its own. */
static int hold_ids(struct sgl_engine *self, uint32_t job, uint64_t *ids, uint64_t count,
                    uint64_t block)
{
    if (ids == NULL || sgl_engine_add_prompts(self) != SGL_OK ||
        sgl_kv_cache_reserve(&self->kv, (uint32_t)count) != SGL_OK) {
        free(ids);
        return SGL_ENOMEM;
    }
    sgl_engine_at(self, job)->has_ids = true;
    self->prompts[job] = (struct sgl_engine_prompt){
        .prompt = {.ids = ids,
                   .count = (uint32_t)count,
                   .block = (int64_t)block,
                   .tokens = (int64_t)sgl_engine_at(self, job)->prompt_tokens},
        .named = (uint32_t)count,
        .hold = {.node = SGL_KV_ROOT},
    };
    return SGL_OK;
}

/*
 * vLLM names every full block of a prompt by its hash, so one that is preempted finds what has not
 * been evicted meanwhile (vllm/v1/core/kv_cache_manager.py: free leaves blocks cached, the last one
 * first to be evicted; get_computed_blocks). A prompt of which nothing is known shares with nobody
 * but itself: ids that no other has. So do blocks behind those that the trace names. The mix is a
 * bijection (core/rng.h), so they differ from one another.
 */
static uint64_t make_own_id(struct sgl_engine *self)
{
    return sgl_rng_finalize(++self->own_ids * SGL_RNG_GOLDEN);
}

static int make_own_ids(struct sgl_engine *self, uint32_t job)
{
    const uint64_t page = (uint64_t)self->kv.page_size;
    const uint64_t block = page * ((OWN_BLOCK_TOKENS + page - 1) / page);
    const uint64_t tokens =
        (uint64_t)sgl_engine_at(self, job)->prompt_tokens + sgl_engine_at(self, job)->output_tokens;
    const uint64_t count = (tokens + block - 1) / block;
    uint64_t *ids = malloc(count * sizeof *ids);

    for (uint64_t i = 0; ids != NULL && i < count; i++)
        ids[i] = make_own_id(self);
    const int status = hold_ids(self, job, ids, count, block);
    if (status == SGL_OK)
        self->prompts[job].cached_tokens = SGL_ABSENT;
    return status;
}

/* Copies the ids of the blocks that begin within the prompt, and makes up those behind them. */
static int take_ids(struct sgl_engine *self, uint32_t job, const struct sgl_request *request)
{
    const uint64_t tokens = sgl_engine_at(self, job)->prompt_tokens;
    uint64_t count = request->prefix_count;

    /* Not stated: the ids share the prompt evenly. */
    const uint64_t block = request->prefix_block > 0 ? request->prefix_block
                           : count < tokens          ? (tokens + count - 1) / count
                                                     : 1;
    if (count > (tokens + block - 1) / block)
        count = (tokens + block - 1) / block;
    uint64_t session;
    const uint64_t answer = sgl_engine_count_answer(self, job, request, count, block, &session);
    uint64_t *ids = malloc((count + answer) * sizeof *ids);
    if (ids != NULL)
        memcpy(ids, request->prefix_ids, count * sizeof *ids);
    for (uint64_t i = count; ids != NULL && i < count + answer; i++)
        ids[i] = session != 0 ? sgl_kv_answer_id(session, (uint32_t)i) : make_own_id(self);
    const int status = hold_ids(self, job, ids, count + answer, block);
    if (status == SGL_OK) {
        self->prompts[job].named = (uint32_t)count;
        self->prompts[job].session = session;
    }
    return status;
}

/* May the cache know something of it? Ids of its own are of use to who finds itself again. */
static bool wants_ids(const struct sgl_engine *self, const struct sgl_job *job)
{
    if (!self->has_cache || job->leg == SGL_LEG_DECODE)
        return false;
    return job->request->prefix_count > 0 || sgl_engine_finds_itself(self, job->leg);
}

/* A job with a slot of its own. */
static int enqueue(struct sgl_engine *self, const struct sgl_engine_job *job,
                   const struct sgl_request *request, bool has_ids)
{
    uint32_t index;
    int status = sgl_engine_add_job(self, &index);

    if (status != SGL_OK)
        return status;
    *sgl_engine_at(self, index) = *job;
    if (has_ids)
        status =
            request->prefix_count > 0 ? take_ids(self, index, request) : make_own_ids(self, index);
    if (status != SGL_OK) {
        sgl_slots_give(&self->slots, index);
        return status;
    }
    return sgl_engine_enqueue(self, index, false);
}

static enum sgl_priority priority_of(const struct sgl_engine *self,
                                     const struct sgl_request *request)
{
    return self->schedule_policy == SGL_SCHEDULE_PRIORITY ? request->priority : SGL_PRIORITY_NORMAL;
}

static int arrive(void *state, const struct sgl_job *job, struct sgl_failure *failure)
{
    struct sgl_engine *self = state;

    const int status = check_job(job, failure);
    if (status != SGL_OK)
        return status;
    sgl_slots_fetch_free(&self->slots, sizeof(struct sgl_engine_job));
    const struct sgl_request *request = job->request;
    const int64_t prompt_tokens = request->prompt_tokens > 0 ? request->prompt_tokens : 1;
    /* A limit beyond what any request can give does not bind. */
    const int64_t limit =
        job->max_tokens < SGL_JOB_TOKENS_MAX ? job->max_tokens : SGL_JOB_TOKENS_MAX;
    int64_t max_tokens = job->leg == SGL_LEG_PREFILL && limit > 1 ? 1 : limit;
    /* What is asked for beyond all memory is not promised, as SGLang has it. */
    const int64_t room = self->kv.pages_total * self->kv.page_size - prompt_tokens;
    if (room > 0 && room < max_tokens)
        max_tokens = room;
    if (self->kv.pages_total > 0 &&
        sgl_engine_pages(self, prompt_tokens + max_tokens) > self->kv.pages_total) {
        reject(self, job, "over_capacity");
        return SGL_OK;
    }
    const int64_t output_tokens = job->output_tokens < max_tokens ? job->output_tokens : max_tokens;
    const struct sgl_engine_job waiting = {
        .started_ns = SGL_ABSENT,
        .handle = job->handle,
        .prompt_tokens = (uint32_t)prompt_tokens,
        .output_tokens = (uint32_t)output_tokens,
        .max_tokens = (uint32_t)max_tokens,
        .emitted = job->leg == SGL_LEG_DECODE && output_tokens > 0,
        .priority = (unsigned)priority_of(self, request) & 15,
        .leg = (unsigned)job->leg & 15,
        .is_cut = job->output_tokens > max_tokens,
        .is_stopped = job->is_stopped && output_tokens < max_tokens,
    };
    /* The leap under way ends where somebody looks at the queue, which may be this very instant.
     * Those that found the queue empty can change something; see could_admit. */
    self->now_ns = job->arrival_ns;
    self->has_decode_legs = self->has_decode_legs || job->leg == SGL_LEG_DECODE;
    if (self->is_stepping && self->step_count > 1 && self->scheduler->could_admit(self))
        sgl_engine_cut_leap(self, job->arrival_ns);
    const bool has_ids = wants_ids(self, job);
    if ((!has_ids && sgl_engine_is_crowded(self, waiting.priority)
             ? sgl_engine_pack(self, &waiting)
             : enqueue(self, &waiting, request, has_ids)) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    self->fresh[waiting.priority]++;
    if (self->is_preempting)
        self->is_full = false; /* it may be more urgent than who was refused */
    return SGL_OK;
}

static int64_t capacity(const struct sgl_worker_model_spec *spec)
{
    const double *value = spec->parameters.value;
    const int64_t page_size = (int64_t)value[SGL_ENGINE_PAGE_SIZE];
    const int64_t pages = (int64_t)value[SGL_ENGINE_KV_TOKENS] / page_size;

    return pages > 0 ? pages * page_size : INT64_MAX;
}

static int64_t next_event_ns(const void *state)
{
    const struct sgl_engine *self = state;

    return self->is_stepping ? sgl_moment_ns(self->end) : SGL_NEVER;
}

static void advance(void *state, int64_t now_ns)
{
    struct sgl_engine *self = state;

    self->now_ns = now_ns;
    if (self->is_stepping && sgl_moment_ns(self->end) <= now_ns)
        sgl_engine_end_step(self);
}

static int schedule(void *state, int64_t now_ns, struct sgl_failure *failure)
{
    struct sgl_engine *self = state;

    self->now_ns = now_ns;
    return self->is_stepping ? SGL_OK : sgl_engine_start_step(self, now_ns, failure);
}

static void load(const void *state, struct sgl_worker_load *load_out)
{
    const struct sgl_engine *self = state;

    load_out->queue_length = self->waiting_count;
    load_out->running = self->admitted;
    load_out->token_usage = SGL_ABSENT_REAL;
    if (self->kv.pages_total == 0)
        return;
    int64_t pages = self->kv.pages_held;
    if (self->is_stepping && self->step_count > 1)
        pages += sgl_engine_decode_pages(self, sgl_engine_steps_begun(self, self->now_ns)) -
                 sgl_engine_decode_pages(self, 1);
    load_out->token_usage = (double)pages / (double)self->kv.pages_total;
}

static uint64_t steps(const void *state, int64_t now_ns)
{
    return sgl_engine_steps(state, now_ns);
}

/* The step under way keeps its time, so of a leap the first one that ends from now on is the last.
 */
static void slow(void *state, int64_t now_ns, double factor)
{
    struct sgl_engine *self = state;

    fold_cost(self, factor);
    self->is_steady = false;
    if (self->is_stepping && self->chunk_count == 0)
        sgl_engine_cut_leap(self, now_ns);
}

static void fetch(const void *state)
{
    const struct sgl_engine *self = state;

    sgl_prefetch(self->next);
    sgl_prefetch(self->slots.chunks);
    sgl_finish_order_fetch(&self->running);
}

static uint32_t tells_next(const void *state)
{
    const struct sgl_engine *self = state;

    return self->next != NULL ? self->next->handle : UINT32_MAX;
}

const struct sgl_worker_model_ops sgl_worker_model_batching = {
    .name = "batching",
    .summary = "continuous batching with chunked prefill and KV memory, step by step",
    .parameters = sgl_engine_parameters,
    .takes_profile = true,
    .has_legs = true,
    .state_size = sizeof(struct sgl_engine),
    .busy_size = offsetof(struct sgl_engine, gaps.cohorts),
    .spread = sgl_engine_spread,
    .check = sgl_engine_check,
    .caveat = sgl_engine_caveat,
    .capacity = capacity,
    .create = create,
    .destroy = destroy,
    .arrive = arrive,
    .next_event_ns = next_event_ns,
    .advance = advance,
    .schedule = schedule,
    .load = load,
    .steps = steps,
    .settle_gaps = sgl_engine_gaps_settle,
    .slow = slow,
    .tokens = sgl_engine_tokens,
    .cancel = sgl_engine_cancel,
    .fetch = fetch,
    .tells_next = tells_next,
};
