/* batching: a continuously batching engine with chunked prefill and KV memory (engine.h). */
#include "sim/models/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PS_PER_US 1e6
#define PS_PER_NS 1000

enum {
    SCHEDULER,
    SCALE,
    C_STEP,
    C_STEP_PREFILL,
    C_STEP_DECODE,
    C_REQUEST,
    C_PREFILL_TOKEN,
    C_PREFILL_CONTEXT,
    C_KV_TOKEN,
    KV_TOKENS,
    PAGE_SIZE,
    PREFIX_CACHE,
    CHUNKED_PREFILL_SIZE,
    MAX_PREFILL_TOKENS,
    MAX_BATCH_TOKENS,
    MAX_RUNNING_REQUESTS,
};

#define COEFFICIENT_MAX 1e9 /* us: a thousand seconds */
#define TOKENS_MAX 1073741824.0

/* clang-format off */
static const struct sgl_parameter table[] = {
    [SCHEDULER] = {"scheduler", SGL_PARAMETER_CHOICE, 0, 0, 0, "sglang|vllm",
        "prefill batches before decode steps, or mixed steps under one token budget"},
    [SCALE] = {"scale", SGL_PARAMETER_REAL, 1, 1e-6, 1e6, NULL,
        "factor on every step time: what calibration fits"},
    [C_STEP] = {"c_step_us", SGL_PARAMETER_REAL, NAN, 0.001, COEFFICIENT_MAX,
        NULL, "sets c_step_prefill_us and c_step_decode_us"},
    [C_STEP_PREFILL] = {"c_step_prefill_us", SGL_PARAMETER_REAL, NAN, 0.001, COEFFICIENT_MAX,
        NULL, "a step with prefill tokens takes at least this (profile)"},
    [C_STEP_DECODE] = {"c_step_decode_us", SGL_PARAMETER_REAL, NAN, 0.001, COEFFICIENT_MAX,
        NULL, "a step with decoding requests takes at least this (profile)"},
    [C_REQUEST] = {"c_request_us", SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each request in the step (profile)"},
    [C_PREFILL_TOKEN] = {"c_prefill_token_us", SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each prefill token (profile)"},
    [C_PREFILL_CONTEXT] = {"c_prefill_context_us", SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each pair of a prefill token and a token before it (profile)"},
    [C_KV_TOKEN] = {"c_kv_token_us", SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each token of context of a decoding request (profile)"},
    [KV_TOKENS] = {"kv_tokens", SGL_PARAMETER_INTEGER, 0, 0, TOKENS_MAX,
        NULL, "tokens the KV memory holds; 0: unlimited"},
    [PAGE_SIZE] = {"page_size", SGL_PARAMETER_INTEGER, 1, 1, 65536, NULL,
        "tokens of a page of KV memory (SGLang: 1)"},
    [PREFIX_CACHE] = {"prefix_cache", SGL_PARAMETER_CHOICE, 1, 0, 0, "off|on",
        "prompts stay in KV memory for later ones that begin alike (needs prefix ids)"},
    [CHUNKED_PREFILL_SIZE] = {"chunked_prefill_size", SGL_PARAMETER_INTEGER, 8192, 0, TOKENS_MAX,
        NULL, "sglang: prefill tokens of a step; 0: prompts are not cut (SGLang: by GPU memory)"},
    [MAX_PREFILL_TOKENS] = {"max_prefill_tokens", SGL_PARAMETER_INTEGER, 16384, 1, TOKENS_MAX,
        NULL, "sglang: no request is added to a prefill batch beyond this (SGLang: 16384)"},
    [MAX_BATCH_TOKENS] = {"max_batch_tokens", SGL_PARAMETER_INTEGER, 2048, 1, TOKENS_MAX,
        NULL, "vllm: tokens of a step, prefill and decode (vLLM: 2048)"},
    [MAX_RUNNING_REQUESTS] = {"max_running_requests", SGL_PARAMETER_INTEGER, 2048, 1, 65536, NULL,
        "requests in prefill and decode (SGLang: 2048 to 4096, by KV memory and context)"},
    {0},
};
/* clang-format on */

static void spread(struct sgl_parameters *parameters)
{
    double *value = parameters->value;

    if (isnan(value[C_STEP]))
        return;
    value[C_STEP_PREFILL] = value[C_STEP];
    value[C_STEP_DECODE] = value[C_STEP];
    value[C_STEP] = SGL_ABSENT_REAL;
}

static int check(const struct sgl_parameters *parameters, struct sgl_failure *failure)
{
    const double *value = parameters->value;

    for (int i = C_STEP_PREFILL; i <= C_KV_TOKEN; i++) {
        if (isnan(value[i]))
            return sgl_fail(failure, SGL_EINVAL, "%s is missing, expected a number of at least %g",
                            table[i].name, table[i].least);
    }
    if (fmod(value[CHUNKED_PREFILL_SIZE], value[PAGE_SIZE]) != 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "chunked_prefill_size=%.0f, expected 0 or a multiple of page_size=%.0f",
                        value[CHUNKED_PREFILL_SIZE], value[PAGE_SIZE]);
    if (value[KV_TOKENS] > 0 && value[KV_TOKENS] < value[PAGE_SIZE])
        return sgl_fail(failure, SGL_EINVAL,
                        "kv_tokens=%.0f, expected 0 or at least page_size=%.0f", value[KV_TOKENS],
                        value[PAGE_SIZE]);
    return SGL_OK;
}

static const char *caveat(const struct sgl_worker_model_spec *spec, uint32_t index, char *out,
                          size_t size)
{
    const double *value = spec->parameters.value;
    const bool is_unlimited = value[KV_TOKENS] == 0;

    if (is_unlimited && index == 0) {
        snprintf(out, size, "kv_tokens is not known: KV memory is unlimited, nothing waits for it");
        return out;
    }
    if (index == (is_unlimited ? 1 : 0) && value[SCALE] == 1) {
        snprintf(out, size, "not calibrated (scale=1): profile %s%s%s", spec->profile.name,
                 spec->profile.fit_error[0] != '\0' ? ", fit error " : "", spec->profile.fit_error);
        return out;
    }
    return NULL;
}

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
    const double scale = value[SCALE] * factor;

    self->cost = (struct sgl_step_cost){
        .prefill_ps = fold_step(value[C_STEP_PREFILL], scale),
        .decode_ps = fold_step(value[C_STEP_DECODE], scale),
        .request_ps = fold(value[C_REQUEST], scale),
        .prefill_token_ps = fold(value[C_PREFILL_TOKEN], scale),
        .prefill_half_pair_ps = fold(value[C_PREFILL_CONTEXT] / 2, scale),
        .kv_token_ps = fold(value[C_KV_TOKEN], scale),
    };
}

static int create(void *state, const struct sgl_worker_model_setup *setup,
                  struct sgl_failure *failure)
{
    struct sgl_engine *self = state;
    const double *value = setup->spec->parameters.value;

    (void)failure;
    self->scheduler = value[SCHEDULER] == 0 ? &sgl_engine_sglang : &sgl_engine_vllm;
    self->emit = setup->emit;
    self->emit_context = setup->context;
    self->stepwise = setup->stepwise;
    self->parameters = &setup->spec->parameters;
    fold_cost(self, 1);
    self->has_cache = value[PREFIX_CACHE] != 0;
    self->kv.page_size = (int64_t)value[PAGE_SIZE];
    self->kv.pages_total = (int64_t)value[KV_TOKENS] / self->kv.page_size;
    self->chunked_prefill_size = (int64_t)value[CHUNKED_PREFILL_SIZE];
    self->max_prefill_tokens = (int64_t)value[MAX_PREFILL_TOKENS];
    self->max_batch_tokens = (int64_t)value[MAX_BATCH_TOKENS];
    self->max_running_requests = (int64_t)value[MAX_RUNNING_REQUESTS];
    self->partial = SGL_ENGINE_NO_JOB;
    return SGL_OK;
}

static void destroy(void *state)
{
    struct sgl_engine *self = state;

    /* Places without a job hold no ids. */
    for (uint32_t job = 0; job < self->slots.capacity; job++)
        free(self->jobs[job].prompt.ids);
    free(self->jobs);
    sgl_kv_cache_release(&self->kv);
    free(self->chunks);
    sgl_slots_release(&self->slots);
    sgl_event_queue_release(&self->running);
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

/* Copies the ids of the blocks that begin within the prompt. */
static int take_ids(struct sgl_engine *self, struct sgl_engine_job *job,
                    const struct sgl_request *request)
{
    const uint64_t tokens = (uint64_t)job->prompt_tokens;
    uint64_t count = request->prefix_count;

    if (!self->has_cache || count == 0)
        return SGL_OK;
    /* Not stated: the ids share the prompt evenly. */
    const uint64_t block = request->prefix_block > 0 ? request->prefix_block
                           : count < tokens          ? (tokens + count - 1) / count
                                                     : 1;
    if (count > (tokens + block - 1) / block)
        count = (tokens + block - 1) / block;
    uint64_t *ids = malloc(count * sizeof *ids);
    if (ids == NULL || sgl_kv_cache_reserve(&self->kv, (uint32_t)count) != SGL_OK) {
        free(ids);
        return SGL_ENOMEM;
    }
    memcpy(ids, request->prefix_ids, count * sizeof *ids);
    job->cached_tokens = 0;
    job->prompt = (struct sgl_kv_prompt){
        .ids = ids, .count = (uint32_t)count, .block = (int64_t)block, .tokens = (int64_t)tokens};
    return SGL_OK;
}

static int arrive(void *state, const struct sgl_job *job, struct sgl_failure *failure)
{
    struct sgl_engine *self = state;
    struct sgl_kv_match match;
    uint32_t index;

    const int status = check_job(job, failure);
    if (status != SGL_OK)
        return status;
    const int64_t prompt_tokens = job->request->prompt_tokens > 0 ? job->request->prompt_tokens : 1;
    /* A limit beyond what any request can give does not bind. */
    const int64_t max_tokens =
        job->max_tokens < SGL_JOB_TOKENS_MAX ? job->max_tokens : SGL_JOB_TOKENS_MAX;
    const int64_t pages = sgl_engine_pages(self, prompt_tokens + max_tokens);
    if (self->kv.pages_total > 0 && pages > self->kv.pages_total) {
        reject(self, job, "over_capacity");
        return SGL_OK;
    }
    if (sgl_engine_add_job(self, &index) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    self->jobs[index] = (struct sgl_engine_job){
        .handle = job->handle,
        .prompt_tokens = prompt_tokens,
        .output_tokens = job->output_tokens < max_tokens ? job->output_tokens : max_tokens,
        .pages = pages,
        .cached_tokens = SGL_ABSENT,
        .hold = {.node = SGL_KV_ROOT},
    };
    if (take_ids(self, &self->jobs[index], job->request) != SGL_OK) {
        sgl_slots_give(&self->slots, index);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    sgl_slot_list_push(&self->waiting, &self->slots, index);

    /* A leap starts with an empty queue or a head that cannot be admitted before a finish. In the
     * first case the first arrival that could be admitted ends it at the next step boundary, which
     * may be this very instant. */
    if (self->is_stepping && self->chunk_count == 0 && self->waiting.count == 1 &&
        self->scheduler->could_admit(self) && sgl_engine_fits(self, &self->jobs[index], &match))
        sgl_engine_cut_leap(self, job->arrival_ns);
    return SGL_OK;
}

static int64_t next_event_ns(const void *state)
{
    const struct sgl_engine *self = state;

    return self->is_stepping ? sgl_moment_ns(self->end) : SGL_NEVER;
}

static void advance(void *state, int64_t now_ns)
{
    struct sgl_engine *self = state;

    if (self->is_stepping && sgl_moment_ns(self->end) <= now_ns)
        sgl_engine_end_step(self);
}

static int schedule(void *state, int64_t now_ns, struct sgl_failure *failure)
{
    struct sgl_engine *self = state;

    return self->is_stepping ? SGL_OK : sgl_engine_start_step(self, now_ns, failure);
}

static void load(const void *state, struct sgl_worker_load *load_out)
{
    const struct sgl_engine *self = state;

    load_out->queue_length = self->waiting.count;
    load_out->running = self->admitted;
    load_out->token_usage = self->kv.pages_total > 0
                                ? (double)self->kv.pages_held / (double)self->kv.pages_total
                                : SGL_ABSENT_REAL;
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
    if (self->is_stepping && self->chunk_count == 0)
        sgl_engine_cut_leap(self, now_ns);
}

const struct sgl_worker_model_ops sgl_worker_model_batching = {
    .name = "batching",
    .summary = "continuous batching with chunked prefill and KV memory, step by step",
    .parameters = table,
    .takes_profile = true,
    .state_size = sizeof(struct sgl_engine),
    .spread = spread,
    .check = check,
    .caveat = caveat,
    .create = create,
    .destroy = destroy,
    .arrive = arrive,
    .next_event_ns = next_event_ns,
    .advance = advance,
    .schedule = schedule,
    .load = load,
    .steps = steps,
    .slow = slow,
};
