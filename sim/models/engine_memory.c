/* KV memory of the engine: what jobs hold, and which of them wait again when it is out. */
#include "sim/models/engine.h"

#include <assert.h>
#include <string.h>

int64_t sgl_engine_pages(const struct sgl_engine *engine, int64_t tokens)
{
    const int64_t page = engine->kv.page_size;

    return page == 1 ? tokens : (tokens + page - 1) / page;
}

int64_t sgl_engine_known_count(const struct sgl_engine *engine)
{
    int64_t known = engine->waiting_count;

    for (int priority = 0; engine->is_ahead && priority < SGL_PRIORITY_COUNT; priority++)
        known -= engine->fresh[priority];
    return known;
}

int64_t sgl_engine_to_prefill(const struct sgl_engine_job *job)
{
    return (int64_t)job->prompt_tokens + job->emitted;
}

struct sgl_kv_match sgl_engine_match(struct sgl_engine *engine, uint32_t job)
{
    if (!sgl_engine_at(engine, job)->has_ids)
        return (struct sgl_kv_match){.node = SGL_KV_ROOT};
    const int64_t tokens = sgl_engine_to_prefill(sgl_engine_at(engine, job));
    struct sgl_kv_prompt prompt = engine->prompts[job].prompt;

    prompt.count = engine->prompts[job].named;
    if (engine->prompts[job].session != 0)
        sgl_kv_cache_name(&engine->kv, &prompt, engine->prompts[job].session);
    /* What answers of its session left is no part of its own before it has given some. */
    if (engine->scheduler == &sgl_engine_vllm &&
        (sgl_engine_at(engine, job)->emitted > 0 || engine->prompts[job].session == 0))
        prompt.count = sgl_engine_whole_blocks(&engine->prompts[job], tokens - 1);
    return sgl_kv_cache_match(&engine->kv, &prompt, tokens);
}

int64_t sgl_engine_given(const struct sgl_engine *engine, uint32_t job)
{
    const struct sgl_engine_job *self = sgl_engine_at(engine, job);

    return (int64_t)self->output_tokens -
           (uint32_t)(self->last_step - (uint32_t)engine->decode_step);
}

int64_t sgl_engine_steps_to_finish(const struct sgl_engine *engine)
{
    const uint32_t last_step = sgl_finish_order_at(&engine->running, 0)->step;

    return (uint32_t)(last_step - (uint32_t)engine->decode_step);
}

/* ---- pages of decode steps -------------------------------------------------------------- */

int64_t sgl_engine_decode_pages(const struct sgl_engine *engine, int64_t steps)
{
    const int64_t page = engine->kv.page_size;
    int64_t pages = steps / page * (int64_t)engine->running.count;

    if (engine->residues == NULL)
        return 0;
    for (int64_t i = 0; i < steps % page; i++)
        pages += engine->residues[(engine->decode_step + i) % page];
    return pages;
}

int64_t sgl_engine_steps_within(const struct sgl_engine *engine, int64_t pages, int64_t most)
{
    const int64_t page = engine->kv.page_size;
    const int64_t count = engine->running.count;

    if (engine->residues == NULL || count == 0)
        return most;
    const int64_t rounds = pages / count; /* each of `page` steps in which everyone takes a page */
    if (rounds >= most / page + 1)
        return most;
    int64_t steps = rounds * page;
    pages -= rounds * count;
    while (steps < most) {
        pages -= engine->residues[(engine->decode_step + steps) % page];
        if (pages < 0)
            break;
        steps++;
    }
    return steps < most ? steps : most;
}

/* ---- sums over the running jobs --------------------------------------------------------- */

/* The class of a running job whose `emitted` is up to date. */
static int64_t residue_of(const struct sgl_engine *engine, const struct sgl_engine_job *job)
{
    const int64_t page = engine->kv.page_size;

    if (page == 1)
        return 0;
    const int64_t class = (engine->decode_step + 1 - sgl_engine_to_prefill(job)) % page;
    return class < 0 ? class + page : class;
}

void sgl_engine_join(struct sgl_engine *engine, uint32_t job)
{
    struct sgl_engine_job *self = sgl_engine_at(engine, job);

    self->last_step = (uint32_t)engine->decode_step + self->output_tokens - self->emitted;
    sgl_finish_order_add(
        &engine->running,
        &(struct sgl_finish){.admission = self->admission, .step = self->last_step, .job = job});
    engine->is_steady = false;
    engine->is_full = engine->is_full && !engine->is_preempting; /* its place may be taken */
    engine->context += sgl_engine_to_prefill(self);
    if (engine->residues == NULL)
        return;
    engine->residues[residue_of(engine, self)]++;
    const int64_t left = (int64_t)self->max_tokens - self->emitted;
    self->is_clipped = left > SGL_ENGINE_ESTIMATE_MAX;
    if (self->is_clipped)
        engine->clipped_count++;
    else
        engine->estimate_base += left + engine->decode_step;
}

void sgl_engine_leave(struct sgl_engine *engine, uint32_t index)
{
    const uint32_t job = sgl_finish_order_at(&engine->running, index)->job;
    struct sgl_engine_job *self = sgl_engine_at(engine, job);

    self->emitted = (uint32_t)sgl_engine_given(engine, job);
    sgl_finish_order_remove(&engine->running, index);
    engine->is_steady = false;
    engine->context -= sgl_engine_to_prefill(self);
    if (engine->residues == NULL)
        return;
    engine->residues[residue_of(engine, self)]--;
    if (self->is_clipped)
        engine->clipped_count--;
    else
        engine->estimate_base -= (int64_t)self->max_tokens - self->emitted + engine->decode_step;
}

int64_t sgl_engine_estimate(const struct sgl_engine *engine)
{
    const uint32_t count = engine->running.count;
    int64_t sum = engine->estimate_base - (count - engine->clipped_count) * engine->decode_step;

    for (uint32_t i = 0; engine->clipped_count > 0 && i < count; i++) {
        const uint32_t job = sgl_finish_order_at(&engine->running, i)->job;
        const int64_t left = sgl_engine_at(engine, job)->max_tokens - sgl_engine_given(engine, job);
        if (sgl_engine_at(engine, job)->is_clipped)
            sum += left < SGL_ENGINE_ESTIMATE_MAX ? left : SGL_ENGINE_ESTIMATE_MAX;
    }
    return sum;
}

void sgl_engine_let_ratio_fall(struct sgl_engine *engine, int64_t steps)
{
    const int64_t room = engine->ratio - SGL_ENGINE_RATIO_LEAST;

    /* Retraction can leave it below the least; the next step then brings it up to that. */
    if (steps > room / SGL_ENGINE_RATIO_STEP)
        engine->ratio = SGL_ENGINE_RATIO_LEAST;
    else
        engine->ratio -= steps * SGL_ENGINE_RATIO_STEP;
}

/* ---- letting go ------------------------------------------------------------------------- */

/* Made up ids name the blocks of the answer, too, for whom nobody else has them. */
static bool has_own_ids(const struct sgl_engine *engine, uint32_t job)
{
    return sgl_engine_at(engine, job)->has_ids && engine->prompts[job].cached_tokens == SGL_ABSENT;
}

static bool has_kept_answer(const struct sgl_engine *engine, uint32_t job)
{
    return sgl_engine_at(engine, job)->has_ids &&
           engine->prompts[job].hold.depth > engine->prompts[job].named;
}

void sgl_engine_publish(struct sgl_engine *engine, uint32_t job, int64_t tokens)
{
    struct sgl_engine_prompt *self = &engine->prompts[job];
    struct sgl_kv_prompt computed = self->prompt;
    struct sgl_kv_hold *hold = &self->hold;

    computed.count = self->named;
    hold->pages =
        sgl_engine_pages(engine, tokens) - sgl_kv_cache_end_pages(&engine->kv, hold->node);
    const bool is_whole = !has_own_ids(engine, job) && tokens >= computed.tokens;
    if (!is_whole) {
        computed.tokens = tokens;
        if (computed.count > tokens / computed.block)
            computed.count = (uint32_t)(tokens / computed.block); /* whole blocks, as vLLM's */
    }
    sgl_kv_cache_publish(&engine->kv, &computed, hold);
    /* With its whole prompt a job adds no more of it, whatever others did to its last blocks. */
    const uint32_t published =
        is_whole && computed.count > hold->depth ? computed.count : hold->depth;
    sgl_kv_cache_unreserve(&engine->kv, published - self->published);
    self->published = published;
}

void sgl_engine_let_go(struct sgl_engine *engine, uint32_t job, int64_t tokens)
{
    struct sgl_kv_hold hold = {.node = SGL_KV_ROOT};

    if (engine->residues == NULL && !has_kept_answer(engine, job) &&
        tokens > sgl_engine_at(engine, job)->prompt_tokens)
        tokens = sgl_engine_at(engine, job)->prompt_tokens; /* answers are not counted then */
    if (has_own_ids(engine, job))
        sgl_engine_publish(engine, job, tokens);
    if (sgl_engine_at(engine, job)->has_ids)
        hold = engine->prompts[job].hold;
    hold.pages = sgl_engine_pages(engine, tokens) - sgl_kv_cache_end_pages(&engine->kv, hold.node);
    sgl_kv_cache_let_go(&engine->kv, &hold);
    if (sgl_engine_at(engine, job)->has_ids)
        engine->prompts[job].hold = hold;
}

/* The last token was never fed back, unless the prompt was all there was to compute. */
int64_t sgl_engine_stored(const struct sgl_engine_job *job)
{
    const int64_t fed = sgl_engine_to_prefill(job) - 1;

    return fed > job->prefilled ? fed : job->prefilled;
}

bool sgl_engine_catch_up(struct sgl_engine *engine)
{
    const bool is_news =
        engine->is_ahead &&
        (sgl_engine_known_count(engine) < engine->waiting_count || engine->departing.count > 0);

    memset(engine->fresh, 0, sizeof engine->fresh);
    while (engine->departing.count > 0) {
        const uint32_t job = sgl_slot_list_pop(&engine->departing, &engine->slots);
        const int64_t tokens = sgl_engine_stored(sgl_engine_at(engine, job));
        sgl_engine_keep_answer(engine, job, tokens);
        sgl_engine_let_go(engine, job, tokens);
        sgl_engine_forget(engine, job);
    }
    return is_news;
}

int sgl_engine_withdraw(struct sgl_engine *engine, uint32_t job, bool is_first)
{
    struct sgl_engine_job *self = sgl_engine_at(engine, job);
    int64_t computed = self->prefilled;

    if (job == engine->partial) {
        engine->partial = SGL_ENGINE_NO_JOB;
    } else {
        if (engine->gaps.counter != NULL && sgl_engine_gaps_withdraw(engine, job) != SGL_OK)
            return SGL_ENOMEM;
        sgl_engine_leave(engine, sgl_finish_order_find(&engine->running, job));
        computed = sgl_engine_to_prefill(self) - 1;
    }
    if (engine->scheduler == &sgl_engine_vllm)
        sgl_engine_keep_answer(engine, job, computed);
    sgl_engine_let_go(engine, job, computed);
    if (self->has_ids) {
        /* What joined the cache may have to do so again. */
        if (sgl_kv_cache_reserve(&engine->kv, engine->prompts[job].published) != SGL_OK)
            return SGL_ENOMEM;
        engine->prompts[job].published = 0;
    }
    self->prefilled = 0;
    engine->admitted--;
    engine->is_full = false;
    return sgl_engine_enqueue(engine, job, is_first);
}
