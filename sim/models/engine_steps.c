#include "sim/models/engine.h"

#include "core/prefetch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- admission -------------------------------------------------------------------------- */

void sgl_engine_prefill(struct sgl_engine *engine, uint32_t job, int64_t tokens)
{
    const int64_t rest =
        sgl_engine_to_prefill(sgl_engine_at(engine, job)) - sgl_engine_at(engine, job)->prefilled;

    assert(tokens > 0 && tokens <= rest);
    engine->chunks[engine->chunk_count++] = (struct sgl_engine_chunk){job, (uint32_t)tokens};
    engine->partial = tokens < rest ? job : SGL_ENGINE_NO_JOB;
    if (sgl_engine_at(engine, job)->has_ids &&
        engine->scheduler->shares == SGL_ENGINE_SHARES_PLANNED)
        sgl_engine_publish(engine, job, sgl_engine_at(engine, job)->prefilled + tokens);
}

void sgl_engine_admit(struct sgl_engine *engine, uint32_t job, const struct sgl_kv_match *match,
                      int64_t tokens, int64_t pages)
{
    struct sgl_engine_job *self = sgl_engine_at(engine, job);

    sgl_engine_pop(engine, job);
    assert(engine->partial == SGL_ENGINE_NO_JOB);
    engine->admitted++;
    self->prefilled = (uint32_t)(match->pages * engine->kv.page_size);
    if (self->has_ids) {
        struct sgl_engine_prompt *prompt = &engine->prompts[job];
        sgl_kv_cache_take(&engine->kv, match, pages, &prompt->hold);
        if (self->started_ns == SGL_ABSENT && prompt->cached_tokens != SGL_ABSENT)
            prompt->cached_tokens = self->prefilled;
    } else {
        sgl_kv_cache_hold(&engine->kv, pages);
    }
    if (self->started_ns == SGL_ABSENT)
        self->started_ns = sgl_moment_ns(engine->planned);
    self->admission = engine->admissions++;
    sgl_engine_prefill(engine, job, tokens);
}

/* ---- starting a step -------------------------------------------------------------------- */

static struct sgl_step_load measure(const struct sgl_engine *engine)
{
    struct sgl_step_load load = {
        .has_prefill = engine->chunk_count > 0,
        .has_decode = engine->is_decoding,
        .requests = engine->chunk_count,
    };

    if (engine->is_decoding) {
        load.requests += engine->running.count;
        load.tokens = engine->running.count;
        load.context = engine->context;
    }
    if (engine->overrun.count > 0) {
        load.has_decode = true;
        load.requests += engine->overrun.count;
        load.tokens += engine->overrun.count;
        load.context += engine->overrun.context;
    }
    for (uint32_t i = 0; i < engine->chunk_count; i++) {
        const int64_t tokens = engine->chunks[i].tokens;
        load.prefill_tokens += tokens;
        load.prefill_half_pairs +=
            tokens *
            (2 * (int64_t)sgl_engine_at(engine, engine->chunks[i].job)->prefilled + tokens);
    }
    load.tokens += load.prefill_tokens;
    return load;
}

/* Who is looked at when this step ends: that is after the steps of all other workers. */
static void look_ahead(struct sgl_engine *engine)
{
    if (engine->is_decoding)
        engine->next = sgl_engine_at(engine, sgl_finish_order_at(&engine->running, 0)->job);
    else
        engine->next =
            engine->chunk_count > 0 ? sgl_engine_at(engine, engine->chunks[0].job) : NULL;
    sgl_prefetch(engine->next);
}

/* How many steps may be taken as one: to the next finish, while memory lasts, when nothing but
 * decoding goes on. The first has its memory already. */
static int64_t leap_length(const struct sgl_engine *engine)
{
    if (engine->stepwise || engine->chunk_count > 0 || engine->was_short ||
        engine->overrun.count > 0 ||
        (engine->waiting_count > 0 &&
         (engine->is_unseen || (engine->is_preempting && !engine->is_full))))
        return 1;
    int64_t steps = sgl_engine_steps_to_finish(engine);
    if (engine->residues != NULL && steps > 1) {
        int64_t pages = engine->kv.pages_total - engine->kv.pages_held;
        /* When a prompt is cut to the token budget, one known in part can need more pages than one
         * that is not known. So what waits may be let in when prompts are evicted. */
        if (engine->scheduler == &sgl_engine_vllm && engine->waiting_count > 0)
            pages -= engine->kv.pages_cached;
        pages += sgl_engine_decode_pages(engine, 1);
        const int64_t most = sgl_engine_steps_within(engine, pages, steps);
        steps = most > 1 ? most : 1;
    }
    return sgl_leap_limit(engine->leap, steps);
}

/* What a step works on, by what is known when it is planned. */
static int choose(struct sgl_engine *engine)
{
    engine->chunk_count = 0;
    engine->is_decoding = false;
    engine->was_short = false;
    if (engine->has_decode_legs && sgl_engine_join_decode_legs(engine) != SGL_OK)
        return SGL_ENOMEM;
    return engine->scheduler->form(engine);
}

static bool is_empty(const struct sgl_engine *engine)
{
    return !engine->is_decoding && engine->chunk_count == 0 && engine->overrun.count == 0;
}

/* Forms a step and prices it; 1 when there is no work. */
static int form(struct sgl_engine *engine, struct sgl_failure *failure)
{
    engine->chunk_count = 0;
    engine->is_decoding = false;
    engine->was_short = false;
    if (engine->admitted == 0 && engine->waiting_count == 0 && engine->overrun.count == 0) {
        engine->ratio = SGL_ENGINE_RATIO_FIRST;
        sgl_engine_catch_up(engine);
        return 1;
    }
    if (choose(engine) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    engine->is_unseen = sgl_engine_catch_up(engine);
    if (engine->has_leaving) {
        const int status = sgl_engine_see_leaving(engine);
        if (status < 0)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory");
        engine->is_unseen = engine->is_unseen || status == 1;
    }
    if (is_empty(engine) && engine->is_unseen) {
        /* Nothing was planned ahead: the step is planned when the one before it has ended. */
        engine->planned = engine->start;
        engine->is_unseen = false;
        if (choose(engine) != SGL_OK)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    if (is_empty(engine)) {
        /* All have joined and ended, or wait for memory that is being sent away. */
        assert(engine->admitted == 0 && (engine->waiting_count == 0 || engine->kept.count > 0));
        return 1;
    }

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
    engine->is_steady = engine->chunk_count == 0 && engine->overrun.count == 0;
    return SGL_OK;
}

/* The step under way was all decode and the next is, too: what forming it anew would find out is
 * known. False when it is not. */
static bool repeat(struct sgl_engine *engine)
{
    const struct sgl_leap leap = engine->leap;

    if (!engine->is_steady || engine->was_short || engine->has_leaving ||
        engine->partial != SGL_ENGINE_NO_JOB || (engine->waiting_count > 0 && !engine->is_full) ||
        leap.base_ps > SGL_STEP_PS_MAX / 4 ||
        leap.slope_ps > SGL_STEP_PS_MAX / 4 / engine->step_count)
        return false;
    if (engine->residues != NULL) {
        const int64_t pages = sgl_engine_decode_pages(engine, 1);
        if (engine->kv.pages_held + pages > engine->kv.pages_total)
            return false;
        sgl_kv_cache_hold(&engine->kv, pages);
    }
    sgl_engine_let_ratio_fall(engine, 1);
    engine->leap.base_ps += leap.slope_ps * engine->step_count;
    return true;
}

/* Of the step or leap that has just ended. */
static struct sgl_moment start_of_last_step(const struct sgl_engine *engine)
{
    return sgl_moment_after(engine->start, sgl_leap_ps(engine->leap, engine->step_count - 1));
}

int sgl_engine_start_step(struct sgl_engine *engine, int64_t now_ns, struct sgl_failure *failure)
{
    assert(!engine->is_stepping);
    if (engine->gaps.counter != NULL && engine->gaps.counter->is_out_of_memory)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    /* Steps follow each other without a gap; after a pause the engine wakes with the instant. */
    const bool has_paused = sgl_moment_ns(engine->end) != now_ns;
    struct sgl_moment start = engine->end;
    if (has_paused)
        start = (struct sgl_moment){.ns = now_ns};
    engine->planned = engine->is_ahead && !has_paused ? start_of_last_step(engine) : start;
    engine->start = start;
    if (has_paused)
        memset(engine->fresh, 0, sizeof engine->fresh);
    if (!repeat(engine)) {
        const int status = form(engine, failure);
        if (status != SGL_OK)
            return status < 0 ? status : SGL_OK;
    }
    look_ahead(engine);
    engine->step_count = leap_length(engine);
    engine->overrun = (struct sgl_engine_overrun){0};
    engine->end = sgl_moment_after(engine->start, sgl_leap_ps(engine->leap, engine->step_count));
    engine->is_stepping = true;
    return SGL_OK;
}

/* The first step of the leap under way that ends at `now_ns` or later, counted from 1; the leap
 * must not have ended before. A boundary belongs to now_ns or a later instant when it is later than
 * now_ns - 1 ns. */
static int64_t step_at(const struct sgl_engine *engine, int64_t now_ns)
{
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

int64_t sgl_engine_steps_begun(const struct sgl_engine *engine, int64_t now_ns)
{
    /* Step j begins where step j - 1 ends, and those that end before now_ns are those that do not
     * end at or after it. */
    return engine->step_count > 1 ? step_at(engine, now_ns) : 1;
}

/* ---- ending it -------------------------------------------------------------------------- */

static void emit(const struct sgl_engine *engine, uint32_t handle,
                 const struct sgl_worker_event *event)
{
    struct sgl_worker_event full = *event;

    full.handle = handle;
    full.delay_ns = engine->host_overhead_ns;
    engine->emit(engine->emit_context, &full);
}

void sgl_engine_tell(const struct sgl_engine *engine, enum sgl_worker_event_kind kind,
                     uint32_t handle, int64_t now_ns)
{
    const struct sgl_worker_event event = {
        .kind = kind,
        .time_ns = now_ns,
        .started_ns = SGL_ABSENT,
        .output_tokens = SGL_ABSENT,
        .cached_tokens = SGL_ABSENT,
    };

    emit(engine, handle, &event);
}

void sgl_engine_forget(struct sgl_engine *engine, uint32_t job)
{
    if (sgl_engine_at(engine, job)->has_ids) {
        struct sgl_engine_prompt *prompt = &engine->prompts[job];
        sgl_kv_cache_unreserve(&engine->kv, prompt->prompt.count - prompt->published);
        free(prompt->prompt.ids);
        engine->prompts[job] = (struct sgl_engine_prompt){0};
    }
    sgl_slots_give(&engine->slots, job);
}

/* It is told, and counts no longer; what it holds is the caller's to see to. */
static void tell_finish(struct sgl_engine *engine, uint32_t job, int64_t now_ns)
{
    const struct sgl_engine_job self = *sgl_engine_at(engine, job);
    const struct sgl_worker_event event = {
        .kind = SGL_WORKER_FINISH,
        .time_ns = now_ns,
        .started_ns = self.started_ns,
        .output_tokens = self.output_tokens,
        .cached_tokens = self.has_ids ? engine->prompts[job].cached_tokens : SGL_ABSENT,
        .is_cut = self.is_cut,
    };

    engine->admitted--;
    engine->is_full = false;
    assert(engine->admitted >= 0);
    if (engine->has_leaving)
        sgl_engine_has_left(engine, self.handle);
    emit(engine, self.handle, &event);
}

void sgl_engine_finish(struct sgl_engine *engine, uint32_t job, int64_t now_ns)
{
    tell_finish(engine, job, now_ns);
    if (sgl_engine_at(engine, job)->leg == SGL_LEG_PREFILL)
        sgl_slot_list_push(&engine->kept, &engine->slots, job);
    else
        sgl_engine_forget(engine, job);
}

/* A job has given its last token. The step that is planned already holds nothing for it, and knows
 * nothing of its end. */
static void end_job(struct sgl_engine *engine, uint32_t job, int64_t now_ns)
{
    const bool is_kept = sgl_engine_at(engine, job)->leg == SGL_LEG_PREFILL;

    /* Of who was abandoned the plan knew: it was made after its client had left. */
    if (engine->is_ahead && !is_kept && !sgl_engine_at(engine, job)->is_abandoned) {
        if (sgl_engine_at(engine, job)->is_stopped) {
            engine->overrun.count++;
            engine->overrun.context += sgl_engine_to_prefill(sgl_engine_at(engine, job));
        }
        tell_finish(engine, job, now_ns);
        sgl_slot_list_push(&engine->departing, &engine->slots, job);
        return;
    }
    if (!is_kept) {
        const int64_t tokens = sgl_engine_stored(sgl_engine_at(engine, job));
        sgl_engine_keep_answer(engine, job, tokens);
        sgl_engine_let_go(engine, job, tokens);
    }
    sgl_engine_finish(engine, job, now_ns);
}

/* All is computed that the next token needs: it comes out of the same step. */
static void end_prefill(struct sgl_engine *engine, uint32_t job, int64_t now_ns)
{
    struct sgl_engine_job *self = sgl_engine_at(engine, job);

    if (self->emitted < self->output_tokens) {
        if (self->emitted++ == 0)
            sgl_engine_tell(engine, SGL_WORKER_FIRST_TOKEN, self->handle, now_ns);
        else if (engine->gaps.counter != NULL)
            sgl_engine_gaps_resume(engine, job);
    }
    if (self->emitted == self->output_tokens) {
        end_job(engine, job, now_ns);
        return;
    }
    sgl_engine_join(engine, job);
    if (engine->gaps.counter != NULL)
        sgl_engine_gaps_join(engine, job, engine->end);
}

/* What the steps of a leap but the first did to memory and ratio, and all of them to contexts. */
static void end_decode(struct sgl_engine *engine, int64_t now_ns)
{
    const int64_t more = engine->step_count - 1;

    if (engine->gaps.counter != NULL)
        sgl_engine_gaps_count(engine, engine->step_count);
    if (more > 0) {
        if (engine->residues != NULL)
            sgl_kv_cache_hold(&engine->kv, sgl_engine_decode_pages(engine, engine->step_count) -
                                               sgl_engine_decode_pages(engine, 1));
        sgl_engine_let_ratio_fall(engine, more);
    }
    engine->decode_step += engine->step_count;
    engine->context += engine->step_count * (int64_t)engine->running.count;
    while (engine->running.count > 0 && sgl_engine_steps_to_finish(engine) == 0) {
        const uint32_t job = sgl_finish_order_at(&engine->running, 0)->job;
        sgl_engine_leave(engine, 0);
        end_job(engine, job, now_ns);
    }
    if (engine->gaps.counter != NULL)
        sgl_engine_gaps_end(engine);
}

void sgl_engine_end_step(struct sgl_engine *engine)
{
    const int64_t now_ns = sgl_moment_ns(engine->end);

    engine->is_stepping = false;
    engine->steps += (uint64_t)engine->step_count;
    if (engine->is_decoding)
        end_decode(engine, now_ns);
    for (uint32_t i = 0; i < engine->chunk_count; i++) {
        struct sgl_engine_job *self = sgl_engine_at(engine, engine->chunks[i].job);
        self->prefilled += engine->chunks[i].tokens;
        if (self->has_ids && engine->scheduler->shares == SGL_ENGINE_SHARES_COMPUTED)
            sgl_engine_publish(engine, engine->chunks[i].job, self->prefilled);
        if (self->is_abandoned)
            sgl_engine_abandon_chunk(engine, engine->chunks[i].job);
        else if (self->prefilled == sgl_engine_to_prefill(self))
            end_prefill(engine, engine->chunks[i].job, now_ns);
    }
}
