#include "sim/models/engine.h"

#include <assert.h>
#include <stdlib.h>

int64_t sgl_engine_pages(const struct sgl_engine *engine, int64_t tokens)
{
    return (tokens + engine->kv.page_size - 1) / engine->kv.page_size;
}

bool sgl_engine_fits(const struct sgl_engine *engine, const struct sgl_engine_job *job,
                     struct sgl_kv_match *match_out)
{
    *match_out = sgl_kv_cache_match(&engine->kv, &job->prompt);
    return sgl_kv_cache_fits(&engine->kv, match_out, job->pages);
}

int64_t sgl_engine_uncached(const struct sgl_engine *engine, const struct sgl_engine_job *job,
                            const struct sgl_kv_match *match)
{
    return job->prompt_tokens - match->pages * engine->kv.page_size;
}

/* The arrays grow together: every job may be running, and every job may have a chunk. */
static int grow(struct sgl_engine *engine)
{
    const uint32_t capacity = sgl_slots_next_capacity(&engine->slots);

    if (capacity == 0 || sgl_event_queue_reserve(&engine->running, capacity) != SGL_OK)
        return SGL_ENOMEM;
    struct sgl_engine_chunk *chunks = realloc(engine->chunks, capacity * sizeof *chunks);
    if (chunks == NULL)
        return SGL_ENOMEM;
    engine->chunks = chunks;
    struct sgl_engine_job *jobs = realloc(engine->jobs, capacity * sizeof *jobs);
    if (jobs == NULL)
        return SGL_ENOMEM;
    /* A place without a job has no ids to free. */
    for (uint32_t job = engine->slots.capacity; job < capacity; job++)
        jobs[job] = (struct sgl_engine_job){0};
    engine->jobs = jobs;
    return sgl_slots_grow(&engine->slots);
}

int sgl_engine_add_job(struct sgl_engine *engine, uint32_t *job_out)
{
    if (sgl_slots_are_full(&engine->slots) && grow(engine) != SGL_OK)
        return SGL_ENOMEM;
    *job_out = sgl_slots_take(&engine->slots);
    return SGL_OK;
}

void sgl_engine_prefill(struct sgl_engine *engine, uint32_t job, int64_t tokens)
{
    const struct sgl_engine_job *self = &engine->jobs[job];

    assert(tokens > 0 && tokens <= self->prompt_tokens - self->prefilled);
    engine->chunks[engine->chunk_count++] = (struct sgl_engine_chunk){job, tokens};
    engine->partial = tokens < self->prompt_tokens - self->prefilled ? job : SGL_ENGINE_NO_JOB;
}

void sgl_engine_admit(struct sgl_engine *engine, const struct sgl_kv_match *match, int64_t tokens)
{
    const uint32_t job = sgl_slot_list_pop(&engine->waiting, &engine->slots);
    struct sgl_engine_job *self = &engine->jobs[job];

    assert(engine->partial == SGL_ENGINE_NO_JOB);
    engine->admitted++;
    sgl_kv_cache_take(&engine->kv, match, self->pages, &self->hold);
    self->prefilled = match->pages * engine->kv.page_size;
    if (self->prompt.count > 0)
        self->cached_tokens = self->prefilled;
    self->started_ns = sgl_moment_ns(engine->start);
    self->admission = engine->admissions++;
    sgl_engine_prefill(engine, job, tokens);
}

static struct sgl_step_load measure(const struct sgl_engine *engine)
{
    struct sgl_step_load load = {
        .has_prefill = engine->chunk_count > 0,
        .has_decode = engine->is_decoding,
        .requests = engine->chunk_count,
    };

    if (engine->is_decoding) {
        load.requests += engine->running.count;
        load.context = engine->context;
    }
    for (uint32_t i = 0; i < engine->chunk_count; i++) {
        const int64_t tokens = engine->chunks[i].tokens;
        load.prefill_tokens += tokens;
        load.prefill_half_pairs +=
            tokens * (2 * engine->jobs[engine->chunks[i].job].prefilled + tokens);
    }
    return load;
}

/* How many steps may be taken as one: to the next finish, when nothing but decoding goes on. */
static int64_t leap_length(const struct sgl_engine *engine)
{
    if (engine->stepwise || engine->chunk_count > 0)
        return 1;
    return sgl_leap_limit(engine->leap,
                          sgl_event_queue_top(&engine->running)->time - engine->decode_step);
}

int sgl_engine_start_step(struct sgl_engine *engine, int64_t now_ns, struct sgl_failure *failure)
{
    assert(!engine->is_stepping);
    /* Steps follow each other without a gap; after a pause the engine wakes with the instant. */
    engine->start =
        sgl_moment_ns(engine->end) == now_ns ? engine->end : (struct sgl_moment){.ns = now_ns};
    engine->chunk_count = 0;
    engine->is_decoding = engine->scheduler->form(engine);
    if (!engine->is_decoding && engine->chunk_count == 0)
        return SGL_OK;

    const struct sgl_step_load load = measure(engine);
    const int64_t step_ps = sgl_step_ps(&engine->cost, &load);
    if (step_ps < 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "an engine step of more than %lld s: expected shorter requests or smaller "
                        "step coefficients",
                        (long long)(SGL_STEP_PS_MAX / 1000 / SGL_NANOSECONDS_PER_SECOND));
    /* A context is never shorter than a token, so the slope is part of the step and fits like it.
     */
    engine->leap = (struct sgl_leap){
        .base_ps = step_ps,
        .slope_ps =
            engine->is_decoding ? engine->cost.kv_token_ps * (int64_t)engine->running.count : 0,
    };
    engine->step_count = leap_length(engine);
    engine->end = sgl_moment_after(engine->start, sgl_leap_ps(engine->leap, engine->step_count));
    engine->is_stepping = true;
    return SGL_OK;
}

/* The first step of the leap under way that ends at `now_ns` or later, counted from 1; the leap
 * must not have ended before. */
static int64_t step_at(const struct sgl_engine *engine, int64_t now_ns)
{
    /* A boundary belongs to now_ns or a later instant when it is later than now_ns - 1 ns. */
    const int64_t target_ps = (now_ns - 1 - engine->start.ns) * 1000 - engine->start.ps + 1;

    return sgl_leap_reach(engine->leap, target_ps, engine->step_count);
}

uint64_t sgl_engine_steps(const struct sgl_engine *engine, int64_t now_ns)
{
    if (!engine->is_stepping || sgl_moment_ns(engine->end) <= now_ns)
        return engine->steps;
    return engine->steps + (uint64_t)step_at(engine, now_ns + 1) - 1;
}

void sgl_engine_cut_leap(struct sgl_engine *engine, int64_t now_ns)
{
    engine->step_count = step_at(engine, now_ns);
    engine->end = sgl_moment_after(engine->start, sgl_leap_ps(engine->leap, engine->step_count));
}

static void finish(struct sgl_engine *engine, uint32_t job, int64_t now_ns)
{
    struct sgl_engine_job *self = &engine->jobs[job];

    sgl_kv_cache_let_go(&engine->kv, &self->hold);
    free(self->prompt.ids);
    self->prompt = (struct sgl_kv_prompt){0};
    engine->admitted--;
    assert(engine->admitted >= 0);
    const struct sgl_worker_event event = {
        .kind = SGL_WORKER_FINISH,
        .handle = self->handle,
        .time_ns = now_ns,
        .started_ns = self->started_ns,
        .output_tokens = self->output_tokens,
        .cached_tokens = self->cached_tokens,
    };
    sgl_slots_give(&engine->slots, job);
    engine->emit(engine->emit_context, &event);
}

/* The prompt is done: token 1 comes out of the same step. */
static void end_prefill(struct sgl_engine *engine, uint32_t job, int64_t now_ns)
{
    struct sgl_engine_job *self = &engine->jobs[job];

    sgl_kv_cache_publish(&engine->kv, &self->prompt, &self->hold);
    sgl_kv_cache_unreserve(&engine->kv, self->prompt.count);
    if (self->output_tokens > 0) {
        const struct sgl_worker_event event = {
            .kind = SGL_WORKER_FIRST_TOKEN,
            .handle = self->handle,
            .time_ns = now_ns,
            .started_ns = SGL_ABSENT,
            .output_tokens = SGL_ABSENT,
            .cached_tokens = SGL_ABSENT,
        };
        engine->emit(engine->emit_context, &event);
    }
    if (self->output_tokens <= 1) {
        finish(engine, job, now_ns);
        return;
    }
    engine->context += self->prompt_tokens + 1;
    const struct sgl_event last = {
        .time = engine->decode_step + self->output_tokens - 1,
        .index = self->admission,
        .item = job,
    };
    sgl_event_queue_set(&engine->running, &last);
}

void sgl_engine_end_step(struct sgl_engine *engine)
{
    const int64_t now_ns = sgl_moment_ns(engine->end);
    const struct sgl_event *last;

    engine->is_stepping = false;
    engine->steps += (uint64_t)engine->step_count;
    if (engine->is_decoding) {
        engine->decode_step += engine->step_count;
        engine->context += engine->step_count * (int64_t)engine->running.count;
        while ((last = sgl_event_queue_top(&engine->running)) != NULL &&
               last->time == engine->decode_step) {
            const uint32_t job = last->item;
            engine->context -= engine->jobs[job].prompt_tokens + engine->jobs[job].output_tokens;
            sgl_event_queue_remove(&engine->running, job);
            finish(engine, job, now_ns);
        }
    }
    for (uint32_t i = 0; i < engine->chunk_count; i++) {
        struct sgl_engine_job *self = &engine->jobs[engine->chunks[i].job];
        self->prefilled += engine->chunks[i].tokens;
        if (self->prefilled == self->prompt_tokens)
            end_prefill(engine, engine->chunks[i].job, now_ns);
    }
}
