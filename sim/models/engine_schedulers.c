/* Which requests a step works on: the part in which serving engines differ. */
#include "sim/models/engine.h"

static bool has_slot(const struct sgl_engine *engine)
{
    return (int64_t)engine->running.count + engine->chunk_count < engine->max_running_requests;
}

/* The head of the queue and its match, if it may join the step being formed. */
static const struct sgl_engine_job *admissible(const struct sgl_engine *engine,
                                               struct sgl_kv_match *match_out)
{
    if (engine->waiting.count == 0 || engine->partial != SGL_ENGINE_NO_JOB || !has_slot(engine))
        return NULL;
    const struct sgl_engine_job *head = &engine->jobs[sgl_slot_list_first(&engine->waiting)];
    return sgl_engine_fits(engine, head, match_out) ? head : NULL;
}

static int64_t remaining(const struct sgl_engine_job *job)
{
    return job->prompt_tokens - job->prefilled;
}

static int64_t least(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

/*
 * SGLang: prompts before tokens. A prefill batch is the rest of the prompt that was cut, then new
 * requests in order while both budgets last; only without one do the running requests decode.
 * Budgets are charged in whole pages and a cut falls on a page, as PrefillAdder in
 * python/sglang/srt/managers/schedule_policy.py does. Without chunks, a prompt that does not fit
 * what is left of max_prefill_tokens waits, unless it is the first of its batch.
 */
static bool form_sglang(struct sgl_engine *engine)
{
    const int64_t page = engine->kv.page_size;
    const bool is_chunked = engine->chunked_prefill_size > 0;
    int64_t chunk_left = is_chunked ? engine->chunked_prefill_size : INT64_MAX;
    int64_t input_left = engine->max_prefill_tokens;
    const struct sgl_engine_job *job;
    struct sgl_kv_match match;

    if (engine->partial != SGL_ENGINE_NO_JOB) {
        const int64_t rest = remaining(&engine->jobs[engine->partial]);
        const int64_t tokens = least(rest, chunk_left);
        sgl_engine_prefill(engine, engine->partial, tokens);
        chunk_left -= sgl_engine_pages(engine, tokens) * page;
        input_left -= sgl_engine_pages(engine, tokens) * page;
    }
    while (chunk_left > 0 && input_left > 0 && (job = admissible(engine, &match)) != NULL) {
        int64_t tokens = sgl_engine_uncached(engine, job, &match);
        const int64_t charge = sgl_engine_pages(engine, tokens) * page;
        if (!is_chunked && engine->chunk_count > 0 && charge >= input_left)
            break;
        if (charge > chunk_left)
            tokens = chunk_left / page * page;
        if (tokens == 0)
            break;
        sgl_engine_admit(engine, &match, tokens);
        chunk_left -= sgl_engine_pages(engine, tokens) * page;
        input_left -= sgl_engine_pages(engine, tokens) * page;
    }
    return engine->chunk_count == 0 && engine->running.count > 0;
}

static bool could_admit_sglang(const struct sgl_engine *engine)
{
    return (int64_t)engine->running.count < engine->max_running_requests;
}

const struct sgl_engine_scheduler sgl_engine_sglang = {
    .form = form_sglang,
    .could_admit = could_admit_sglang,
};

/*
 * vLLM: the running requests first, a token each or the rest of the prompt that was cut, then new
 * requests in order while the step's token budget lasts. The budget holds every running request:
 * all of them had at least a token of the step that admitted the last one.
 */
static bool form_vllm(struct sgl_engine *engine)
{
    int64_t budget = engine->max_batch_tokens - (int64_t)engine->running.count;
    const struct sgl_engine_job *job;
    struct sgl_kv_match match;

    if (engine->partial != SGL_ENGINE_NO_JOB) {
        const int64_t rest = remaining(&engine->jobs[engine->partial]);
        const int64_t tokens = least(rest, budget);
        sgl_engine_prefill(engine, engine->partial, tokens);
        budget -= tokens;
    }
    while (budget > 0 && (job = admissible(engine, &match)) != NULL) {
        const int64_t tokens = least(sgl_engine_uncached(engine, job, &match), budget);
        sgl_engine_admit(engine, &match, tokens);
        budget -= tokens;
    }
    return engine->running.count > 0;
}

static bool could_admit_vllm(const struct sgl_engine *engine)
{
    return (int64_t)engine->running.count < engine->max_batch_tokens && could_admit_sglang(engine);
}

const struct sgl_engine_scheduler sgl_engine_vllm = {
    .form = form_vllm,
    .could_admit = could_admit_vllm,
};
