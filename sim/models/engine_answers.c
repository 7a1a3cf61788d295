/*
 * Answers that stay in the cache.
 *
 * An answer has no ids before a prompt repeats it. So its blocks, when it ends, join the cache
 * behind those of its prompt under ids made up of the session and the place, and get their own from
 * the next prompt of the session that goes on from there:
 *
 *     turn 1   | prompt: a b | answer |           a - b - (s,2) - (s,3)      when it has ended
 *     turn 2   | prompt: a b c d e ...   |        a - b -  c   -   d         when it is looked for
 *
 * That is the whole of what is known of a next turn: nothing is looked at before it comes. A
 * prompt goes on when its session is the same, all whole blocks of the earlier prompt are its own,
 * at least one, and it is as long as all that the answer left. What is taken for granted is that
 * the tokens in between are the answer's. As cache_finished_req of SGLang, which keeps prompt and
 * output but the last token (python/sglang/srt/mem_cache/radix_cache.py), and allocate_slots of
 * vLLM, which names full blocks of both (vllm/v1/core/kv_cache_manager.py).
 *
 * So one that vLLM preempts finds what it had given, as far as it has not been evicted: where
 * memory is limited, blocks behind those that the trace names have ids, too, of its session or,
 * without one, that no other has. While such an answer goes on nothing of it gets other names.
 */
#include "sim/models/engine.h"

#include <string.h>

/* A prompt whose ids name all its whole blocks and nothing else, of a session: 0 for others. */
static uint64_t session_of(const struct sgl_engine *engine, uint32_t job,
                           const struct sgl_request *request, uint64_t count)
{
    const struct sgl_engine_job *self = sgl_engine_at(engine, job);
    struct sgl_digest digest = {0};

    if (!engine->keeps_answers || request->session == NULL || self->leg != SGL_LEG_WHOLE ||
        request->prefix_block == 0 || count == 0 ||
        count != self->prompt_tokens / request->prefix_block)
        return 0;
    sgl_digest_text(&digest, request->session, strlen(request->session));
    sgl_digest_word(&digest, request->prefix_block);
    return digest.state;
}

uint32_t sgl_engine_count_answer(const struct sgl_engine *engine, uint32_t job,
                                 const struct sgl_request *request, uint64_t count, uint64_t block,
                                 uint64_t *session_out)
{
    const struct sgl_engine_job *self = sgl_engine_at(engine, job);
    const uint64_t stored = (uint64_t)self->prompt_tokens + self->output_tokens - 1;

    *session_out = session_of(engine, job, request, count);
    if ((*session_out == 0 && !sgl_engine_finds_itself(engine, self->leg)) ||
        stored / block <= count)
        return 0;
    return (uint32_t)(stored / block - count);
}

uint32_t sgl_engine_whole_blocks(const struct sgl_engine_prompt *prompt, int64_t tokens)
{
    const int64_t whole = tokens / prompt->prompt.block;

    if (whole <= prompt->named)
        return prompt->named;
    return whole < prompt->prompt.count ? (uint32_t)whole : prompt->prompt.count;
}

void sgl_engine_keep_answer(struct sgl_engine *engine, uint32_t job, int64_t tokens)
{
    if (!sgl_engine_at(engine, job)->has_ids)
        return;
    struct sgl_engine_prompt *self = &engine->prompts[job];
    struct sgl_kv_prompt computed = self->prompt;

    computed.count = sgl_engine_whole_blocks(self, tokens);
    if (computed.count <= self->named || self->hold.depth < self->named)
        return;
    computed.tokens = tokens;
    if (engine->residues == NULL) /* answers were not counted */
        sgl_kv_cache_hold(&engine->kv, sgl_engine_pages(engine, tokens) -
                                           sgl_engine_pages(engine, self->prompt.tokens));
    self->hold.pages =
        sgl_engine_pages(engine, tokens) - sgl_kv_cache_end_pages(&engine->kv, self->hold.node);
    sgl_kv_cache_publish(&engine->kv, &computed, &self->hold);
    sgl_kv_cache_unreserve(&engine->kv, self->hold.depth - self->published);
    self->published = self->hold.depth;
}
