/* The two legs of a request that one worker prefills and another decodes. */
#include "sim/models/engine.h"

#include <assert.h>

/* Tokens in memory when a decode leg joins: its last token has not been fed back. Answers are not
 * counted when memory is unlimited. */
static int64_t tokens_of(const struct sgl_engine *engine, const struct sgl_engine_job *job)
{
    if (engine->residues == NULL || job->emitted == 0)
        return job->prompt_tokens;
    return sgl_engine_to_prefill(job) - 1;
}

/*
 * Is there memory for it, and some for those that decode already? One alone is never refused. As
 * DecodePreallocQueue in python/sglang/srt/disaggregation/decode.py, which keeps so many tokens
 * free for each request; its second bound (that any one could be finished with all others taken
 * back) always holds here, for nobody is let in who could need more than there is.
 */
static bool is_affordable(const struct sgl_engine *engine, int64_t tokens)
{
    const int64_t page = engine->kv.page_size;
    const int64_t free_tokens = (engine->kv.pages_total - engine->kv.pages_held) * page;
    const int64_t reserved = SGL_ENGINE_RESERVED_DECODE * (int64_t)engine->running.count;

    if (engine->kv.pages_total == 0)
        return true;
    return sgl_engine_pages(engine, tokens) * page + reserved <= free_tokens ||
           engine->admitted == 0;
}

static void join(struct sgl_engine *engine, uint32_t job)
{
    struct sgl_engine_job *self = sgl_engine_at(engine, job);
    const int64_t now_ns = sgl_moment_ns(engine->start);
    const bool is_new = self->started_ns == SGL_ABSENT;
    const int64_t tokens = tokens_of(engine, self);

    sgl_engine_pop(engine, job);
    engine->admitted++;
    self->admission = engine->admissions++;
    sgl_kv_cache_hold(&engine->kv, sgl_engine_pages(engine, tokens));
    if (is_new)
        self->started_ns = now_ns;
    if (is_new && self->emitted > 0)
        sgl_engine_tell(engine, SGL_WORKER_FIRST_TOKEN, self->handle, now_ns);
    if (self->emitted < self->output_tokens) {
        sgl_engine_join(engine, job);
        if (engine->gaps.counter != NULL)
            sgl_engine_gaps_join(engine, job, is_new ? engine->start : engine->gaps.withdrawn[job]);
        return;
    }
    sgl_engine_let_go(engine, job, tokens);
    sgl_engine_finish(engine, job, now_ns);
}

int sgl_engine_join_decode_legs(struct sgl_engine *engine)
{
    while (sgl_engine_known_count(engine) > 0 && !engine->is_full) {
        uint32_t job;
        if (sgl_engine_head(engine, engine->is_ahead, &job) != SGL_OK)
            return SGL_ENOMEM;
        if (sgl_engine_at(engine, job)->leg != SGL_LEG_DECODE)
            break;
        if ((int64_t)engine->running.count >= engine->max_running_requests ||
            !is_affordable(engine, tokens_of(engine, sgl_engine_at(engine, job)))) {
            engine->is_full = true;
            break;
        }
        join(engine, job);
    }
    return SGL_OK;
}

bool sgl_engine_release_kept(struct sgl_engine *engine, uint32_t handle)
{
    /* In the order they are sent away, mostly: the first is the one. */
    for (uint32_t left = engine->kept.count; left > 0; left--) {
        const uint32_t job = sgl_slot_list_pop(&engine->kept, &engine->slots);
        if (sgl_engine_at(engine, job)->handle == handle) {
            for (; left > 1; left--)
                sgl_slot_list_push(&engine->kept, &engine->slots,
                                   sgl_slot_list_pop(&engine->kept, &engine->slots));
            sgl_engine_let_go(engine, job, sgl_engine_at(engine, job)->prefilled);
            engine->is_full = false;
            sgl_engine_forget(engine, job);
            return true;
        }
        sgl_slot_list_push(&engine->kept, &engine->slots, job);
    }
    return false;
}
