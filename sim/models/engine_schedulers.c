/* Which requests a step works on: the part in which serving engines differ. */
#include "sim/models/engine.h"

#include <assert.h>

/* Of python/sglang/srt/managers/schedule_policy.py: longer queues are left as they are; a prompt of
 * which the cache knows at most so many tokens, and which begins like another with so many, waits
 * for that. */
#define LPM_MOST 128
#define LPM_TOKENS 32

static bool has_slot(const struct sgl_engine *engine)
{
    return (int64_t)engine->running.count + engine->chunk_count + engine->departing.count <
           engine->max_running_requests;
}

static int64_t remaining(const struct sgl_engine_job *job)
{
    return sgl_engine_to_prefill(job) - job->prefilled;
}

static int64_t least(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static int64_t free_pages(const struct sgl_engine *engine)
{
    return engine->kv.pages_total - engine->kv.pages_held;
}

/* Is `left` to wait again before `right`? The less urgent; of equals the one admitted last, which
 * is the one that came last: a queue is left in the order in which it was joined. */
static bool is_less_urgent(const struct sgl_engine *engine, uint32_t left, uint32_t right)
{
    const struct sgl_engine_job *one = sgl_engine_at(engine, left);
    const struct sgl_engine_job *other = sgl_engine_at(engine, right);

    return one->priority != other->priority ? one->priority > other->priority
                                            : one->admission > other->admission;
}

/* The least urgent of the running jobs that are more urgent than `after` (NO_JOB: of all); NO_JOB:
 * there is none. */
static uint32_t least_urgent(const struct sgl_engine *engine, uint32_t after)
{
    uint32_t least = SGL_ENGINE_NO_JOB;

    for (uint32_t i = 0; i < engine->running.count; i++) {
        const uint32_t job = sgl_finish_order_at(&engine->running, i)->job;
        if ((after == SGL_ENGINE_NO_JOB || is_less_urgent(engine, after, job)) &&
            (least == SGL_ENGINE_NO_JOB || is_less_urgent(engine, job, least)))
            least = job;
    }
    return least;
}

/* The running jobs decode in the step being formed, for which there is memory. */
static void decode(struct sgl_engine *engine)
{
    engine->is_decoding = true;
    if (engine->residues != NULL)
        sgl_kv_cache_hold(&engine->kv, sgl_engine_decode_pages(engine, 1));
}

/* ---- sglang: retraction ----------------------------------------------------------------- */

/* Is `left` retracted before `right`? With retraction_policy=priority the least urgent; fewest
 * output tokens, then the longest prompt, then the last in the batch, as retract_decode sorts them
 * in python/sglang/srt/managers/schedule_batch.py (_get_decode_retraction_order, from July 2026
 * on). */
static bool goes_first(const struct sgl_engine *engine, uint32_t left, uint32_t right)
{
    const struct sgl_engine_job *one = sgl_engine_at(engine, left);
    const struct sgl_engine_job *other = sgl_engine_at(engine, right);
    const int64_t difference = sgl_engine_given(engine, left) - sgl_engine_given(engine, right);

    if (engine->keeps_urgent && one->priority != other->priority)
        return one->priority > other->priority;
    if (difference != 0)
        return difference < 0;
    if (one->prompt_tokens != other->prompt_tokens)
        return one->prompt_tokens > other->prompt_tokens;
    return one->admission > other->admission;
}

/* What the ratio becomes: as if those that stay gave 20 tokens more each. */
static int64_t ratio_after(const struct sgl_engine *engine)
{
    int64_t given = SGL_ENGINE_RETRACT_STEPS * (int64_t)engine->running.count;
    int64_t most = 0;

    for (uint32_t i = 0; i < engine->running.count; i++) {
        const uint32_t job = sgl_finish_order_at(&engine->running, i)->job;
        given += sgl_engine_given(engine, job);
        most += sgl_engine_at(engine, job)->max_tokens;
    }
    if (most == 0)
        return engine->ratio; /* nobody stays */
    return given < most ? given * SGL_ENGINE_RATIO_ONE / most : SGL_ENGINE_RATIO_ONE;
}

/* Takes running jobs back until the next decode step fits, with some room. One alone always fits:
 * nobody has been let in who could need more than there is. Says in
 * engine->was_short whether some were. */
static int retract(struct sgl_engine *engine)
{
    engine->was_short =
        engine->residues != NULL && sgl_engine_decode_pages(engine, 1) > free_pages(engine);
    if (!engine->was_short)
        return SGL_OK;
    do {
        assert(engine->running.count > 0);
        uint32_t victim = sgl_finish_order_at(&engine->running, 0)->job;
        for (uint32_t i = 1; i < engine->running.count; i++)
            if (goes_first(engine, sgl_finish_order_at(&engine->running, i)->job, victim))
                victim = sgl_finish_order_at(&engine->running, i)->job;
        const int status = sgl_engine_withdraw(engine, victim, false);
        if (status != SGL_OK)
            return status;
        sgl_kv_cache_make_room(
            &engine->kv,
            sgl_engine_pages(engine, SGL_ENGINE_RETRACT_STEPS * (int64_t)engine->running.count));
    } while (sgl_engine_decode_pages(engine, 1) > free_pages(engine) ||
             (engine->running.count > 1 &&
              free_pages(engine) * engine->kv.page_size <
                  SGL_ENGINE_RETRACT_STEPS * (int64_t)engine->running.count));
    engine->ratio = ratio_after(engine);
    return SGL_OK;
}

/* ---- sglang: the more urgent take places ------------------------------------------------ */

static bool may_take_place(const struct sgl_engine *engine, uint32_t job, uint32_t victim)
{
    return victim != SGL_ENGINE_NO_JOB &&
           sgl_engine_at(engine, victim)->priority >
               sgl_engine_at(engine, job)->priority + engine->priority_threshold;
}

/* Tokens, in units of 1 / RATIO_ONE, that this job may need beyond what nobody is to have. Its own
 * are counted as if no cache knew it, and as if it had given none. */
static int64_t shortage(const struct sgl_engine *engine, uint32_t job, int64_t batch_estimate)
{
    const struct sgl_engine_job *self = sgl_engine_at(engine, job);
    const int64_t wanted =
        sgl_engine_to_prefill(self) + least(self->max_tokens, SGL_ENGINE_ESTIMATE_MAX);

    if (engine->kv.pages_total == 0)
        return 0;
    return (wanted + batch_estimate - free_pages(engine) * engine->kv.page_size) *
               SGL_ENGINE_RATIO_ONE +
           engine->ratio * sgl_engine_estimate(engine);
}

/* What a running job may still give, in the same units. */
static int64_t relief(const struct sgl_engine *engine, uint32_t victim)
{
    return engine->ratio *
           least(sgl_engine_at(engine, victim)->max_tokens - sgl_engine_given(engine, victim),
                 SGL_ENGINE_ESTIMATE_MAX);
}

/* A running job waits again, whether or not the step being formed has memory for its token. */
static int take_place(struct sgl_engine *engine, uint32_t job)
{
    const int64_t before = engine->is_decoding ? sgl_engine_decode_pages(engine, 1) : 0;
    const int status = sgl_engine_withdraw(engine, job, false);

    if (engine->is_decoding) {
        struct sgl_kv_hold token = {.node = SGL_KV_ROOT};
        token.pages = before - sgl_engine_decode_pages(engine, 1);
        sgl_kv_cache_let_go(&engine->kv, &token);
        engine->is_decoding = engine->running.count > 0;
    }
    return status;
}

/*
 * Takes back running jobs for this one, the head of the queue, for which there is no place: the
 * least urgent first, while they are more than the threshold less urgent than it, until what they
 * might have given makes up for what it is short of. Nobody, if it does not. As
 * PrefillAdder.preempt_to_schedule of schedule_policy.py, which does not count the memory that they
 * hold. *is_done_out: somebody was.
 */
static int preempt_for(struct sgl_engine *engine, uint32_t job, int64_t batch_estimate,
                       bool *is_done_out)
{
    int64_t wanted = shortage(engine, job, batch_estimate);
    uint32_t victim = least_urgent(engine, SGL_ENGINE_NO_JOB);
    uint32_t count = 0;

    *is_done_out = false;
    if (!may_take_place(engine, job, victim)) {
        /* Until one joins or leaves, or a more urgent one comes. */
        engine->is_full = !has_slot(engine);
        return SGL_OK;
    }
    for (; may_take_place(engine, job, victim) && (count == 0 || wanted > 0); count++) {
        if (engine->kv.pages_total > 0)
            wanted -= relief(engine, victim);
        victim = least_urgent(engine, victim);
    }
    if (wanted > 0)
        return SGL_OK;
    for (; count > 0; count--) {
        const int status = take_place(engine, least_urgent(engine, SGL_ENGINE_NO_JOB));
        if (status != SGL_OK)
            return status;
    }
    *is_done_out = true;
    return SGL_OK;
}

/* ---- sglang: order of the queue --------------------------------------------------------- */

/* Tokens that two prompts with ids begin alike with. */
static int64_t common_tokens(const struct sgl_engine_prompt *left,
                             const struct sgl_engine_prompt *right)
{
    const struct sgl_kv_prompt *one = &left->prompt;
    const struct sgl_kv_prompt *other = &right->prompt;
    const uint32_t count = left->named < right->named ? left->named : right->named;
    uint32_t common = 0;

    while (common < count && common * one->block < LPM_TOKENS &&
           one->ids[common] == other->ids[common])
        common++;
    return least(common * one->block, least(one->tokens, other->tokens));
}

/* Of prompts that are new to the cache and begin alike, one goes first, and the others profit from
 * it: does this one begin like a leader? Else it becomes one, for those behind it. */
static bool follows(const struct sgl_engine *engine, uint32_t job, uint32_t *leaders,
                    uint32_t *leader_count)
{
    const struct sgl_engine_prompt *prompt = &engine->prompts[job];

    for (uint32_t i = 0; i < *leader_count; i++)
        if (common_tokens(prompt, &engine->prompts[leaders[i]]) >= LPM_TOKENS)
            return true;
    leaders[(*leader_count)++] = job;
    return false;
}

/*
 * Longest known prefix first, equal ones as they stood, followers last: as SchedulePolicy of
 * schedule_policy.py computes and sorts, with its two thresholds of 32 tokens. The order stays, as
 * it does in SGLang, which sorts the queue itself.
 */
static int sort_by_match(struct sgl_engine *engine)
{
    struct sgl_slot_list *queue = &engine->waiting[SGL_PRIORITY_NORMAL];
    uint32_t jobs[LPM_MOST];
    int64_t pages[LPM_MOST]; /* known; -1: follows */
    uint32_t leaders[LPM_MOST];
    uint32_t leader_count = 0;
    const uint32_t count = queue->count + engine->backlog[SGL_PRIORITY_NORMAL].count;

    if (count < 2 || count > LPM_MOST)
        return SGL_OK;
    if (sgl_engine_unpack(engine, SGL_PRIORITY_NORMAL, count) != SGL_OK)
        return SGL_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t job = sgl_slot_list_pop(queue, &engine->slots);
        int64_t known = sgl_engine_match(engine, job).pages;
        if (sgl_engine_at(engine, job)->has_ids && known * engine->kv.page_size <= LPM_TOKENS &&
            follows(engine, job, leaders, &leader_count))
            known = -1;
        uint32_t at = i;
        for (; at > 0 && pages[at - 1] < known; at--) {
            jobs[at] = jobs[at - 1];
            pages[at] = pages[at - 1];
        }
        jobs[at] = job;
        pages[at] = known;
    }
    for (uint32_t i = 0; i < count; i++)
        sgl_slot_list_push(queue, &engine->slots, jobs[i]);
    return SGL_OK;
}

/* ---- sglang: batches -------------------------------------------------------------------- */

/* What is left of the budgets of a prefill batch, in tokens. */
struct budget {
    int64_t chunk;
    int64_t input;
    int64_t estimate; /* output that the batch so far may give */
    bool is_chunked;
    bool is_full; /* with preemption: there was no place for one */
};

static void charge(const struct sgl_engine *engine, struct budget *budget, int64_t tokens)
{
    const int64_t whole = sgl_engine_pages(engine, tokens) * engine->kv.page_size;

    budget->chunk -= whole;
    budget->input -= whole;
}

static int64_t estimate_of(const struct sgl_engine_job *job)
{
    return least((int64_t)job->max_tokens - job->emitted, SGL_ENGINE_ESTIMATE_MAX);
}

/* Is there memory for the job, and for what everyone may still give? A job alone needs no room for
 * estimates: it was not refused, so it fits. */
static bool is_affordable(const struct sgl_engine *engine, uint32_t job,
                          const struct sgl_kv_match *match, const struct budget *budget)
{
    const struct sgl_engine_job *self = sgl_engine_at(engine, job);
    const int64_t page = engine->kv.page_size;
    const int64_t tokens = sgl_engine_to_prefill(self);

    if (engine->kv.pages_total == 0)
        return true;
    if (!sgl_kv_cache_fits(&engine->kv, match, sgl_engine_pages(engine, tokens)))
        return false;
    if (engine->admitted == 0)
        return true;
    const int64_t spare = (free_pages(engine) - match->pages_revived) * page -
                          (tokens - match->pages * page) - estimate_of(self) - budget->estimate;
    return spare * SGL_ENGINE_RATIO_ONE > engine->ratio * sgl_engine_estimate(engine);
}

/* Admits this one, the head of the queue, if it can be. Says whether to go on. With preemption who
 * is refused is asked again before the next step, as SGLang does then. */
static bool admit_head(struct sgl_engine *engine, uint32_t job, struct budget *budget)
{
    const int64_t page = engine->kv.page_size;
    struct sgl_kv_match match = {.node = SGL_KV_ROOT};
    const bool has_place = has_slot(engine);

    /* Only with a place: to ask the cache gives names to what others have left there by now. */
    if (has_place)
        match = sgl_engine_match(engine, job);
    if (!has_place || !is_affordable(engine, job, &match, budget)) {
        engine->is_full = !engine->is_preempting;
        return false;
    }
    const int64_t total = sgl_engine_to_prefill(sgl_engine_at(engine, job));
    const int64_t rest = total - match.pages * page;
    const int64_t whole = sgl_engine_pages(engine, rest) * page;
    if (!budget->is_chunked && engine->chunk_count > 0 && whole >= budget->input)
        return false;
    const int64_t tokens = whole > budget->chunk ? budget->chunk / page * page : rest;
    if (tokens == 0)
        return false;
    if (tokens == rest)
        budget->estimate += estimate_of(sgl_engine_at(engine, job));
    sgl_engine_admit(engine, job, &match, tokens, sgl_engine_pages(engine, total));
    charge(engine, budget, tokens);
    return true;
}

/* Is there a place for this one, the head of the queue, or can one be made? Once there was none,
 * there is none but that of others for the rest of the batch. SGL_ENOMEM, or 0. */
static int find_place(struct sgl_engine *engine, uint32_t job, struct budget *budget, bool *is_out)
{
    *is_out = true;
    budget->is_full = budget->is_full || !has_slot(engine);
    return budget->is_full ? preempt_for(engine, job, budget->estimate, is_out) : SGL_OK;
}

/* New requests, in order. There is one, and budgets for it. */
static int admit_waiting(struct sgl_engine *engine, struct budget *budget)
{
    bool has_place = true;
    uint32_t job;

    do {
        if (sgl_engine_head(engine, false, &job) != SGL_OK ||
            (engine->is_preempting && find_place(engine, job, budget, &has_place) != SGL_OK))
            return SGL_ENOMEM;
    } while (has_place && admit_head(engine, job, budget) && engine->waiting_count > 0 &&
             engine->partial == SGL_ENGINE_NO_JOB && budget->chunk > 0 && budget->input > 0);
    return SGL_OK;
}

/* The chunks of the step: the rest of the prompt that was cut, then new requests in order. */
static int form_prefill(struct sgl_engine *engine, struct budget *budget, bool is_open)
{
    const uint32_t partial = engine->partial;
    const int64_t page = engine->kv.page_size;

    if (partial != SGL_ENGINE_NO_JOB) {
        const int64_t rest = remaining(sgl_engine_at(engine, partial));
        const int64_t whole = sgl_engine_pages(engine, rest) * page;
        const int64_t tokens = whole > budget->chunk ? budget->chunk / page * page : rest;
        if (tokens <= 0)
            return SGL_OK;
        sgl_engine_prefill(engine, partial, tokens);
        charge(engine, budget, tokens);
        if (tokens == rest)
            budget->estimate += estimate_of(sgl_engine_at(engine, partial));
    }
    /* Sorts only a queue of which somebody will be admitted or refused for good: else the order
     * would depend on how often it was looked at. */
    if (!is_open || engine->is_full || engine->waiting_count == 0 ||
        engine->partial != SGL_ENGINE_NO_JOB || budget->chunk < page || budget->input <= 0)
        return SGL_OK;
    if (!engine->is_preempting && !has_slot(engine)) {
        engine->is_full = true;
        return SGL_OK;
    }
    if (engine->schedule_policy == SGL_SCHEDULE_LPM && sort_by_match(engine) != SGL_OK)
        return SGL_ENOMEM;
    return admit_waiting(engine, budget);
}

/*
 * SGLang: prompts before tokens. A prefill batch is the rest of the prompt that was cut, then new
 * requests in order while both budgets and the memory last; only without one do the running
 * requests decode, unless chunks are mixed. As in python/sglang/srt/managers: PrefillAdder of
 * schedule_policy.py (budgets are charged in whole pages and a cut falls on a page; without chunks,
 * a prompt that does not fit what is left of max_prefill_tokens waits, unless it is the first of
 * its batch), and get_next_batch_to_run and update_running_batch of scheduler.py (one that is
 * refused for memory or for want of a place makes the batch full until one leaves; the ratio falls
 * with each decode step that took nobody back).
 */
static int form_sglang(struct sgl_engine *engine)
{
    struct budget budget = {
        .chunk = engine->chunked_prefill_size > 0 ? engine->chunked_prefill_size : INT64_MAX,
        .input = engine->max_prefill_tokens,
        .is_chunked = engine->chunked_prefill_size > 0,
    };
    int status;

    if (engine->has_mixed_chunks && engine->running.count > 0) {
        if ((status = retract(engine)) != SGL_OK)
            return status;
        budget.chunk -= engine->running.count;
        budget.input -= engine->running.count;
        if (engine->running.count > 0)
            decode(engine);
    }
    if ((status = form_prefill(engine, &budget, !engine->was_short)) != SGL_OK ||
        engine->chunk_count > 0)
        return status;
    if (!engine->is_decoding && engine->running.count > 0) {
        if ((status = retract(engine)) != SGL_OK)
            return status;
        decode(engine);
    }
    if (engine->is_decoding && !engine->was_short)
        sgl_engine_let_ratio_fall(engine, 1);
    return SGL_OK;
}

static bool could_admit_sglang(const struct sgl_engine *engine)
{
    return engine->is_preempting ||
           (!engine->is_full && (int64_t)engine->running.count < engine->max_running_requests);
}

const struct sgl_engine_scheduler sgl_engine_sglang = {
    .shares = SGL_ENGINE_SHARES_COMPUTED,
    .form = form_sglang,
    .could_admit = could_admit_sglang,
};

/* ---- vllm ------------------------------------------------------------------------------- */

/* Who makes room: without priorities all are as urgent, and it is the one admitted last. */
static uint32_t victim_of(const struct sgl_engine *engine)
{
    const uint32_t least = least_urgent(engine, SGL_ENGINE_NO_JOB);

    if (engine->partial == SGL_ENGINE_NO_JOB)
        return least;
    return least == SGL_ENGINE_NO_JOB || is_less_urgent(engine, engine->partial, least)
               ? engine->partial
               : least;
}

/* Pages that the next chunk of the prompt that was cut takes. */
static int64_t chunk_pages(const struct sgl_engine *engine, int64_t tokens)
{
    const int64_t prefilled = sgl_engine_at(engine, engine->partial)->prefilled;

    return sgl_engine_pages(engine, prefilled + tokens) - sgl_engine_pages(engine, prefilled);
}

/* Of those that decode, and of those that the plan takes for such. */
static int64_t decode_tokens(const struct sgl_engine *engine)
{
    return (int64_t)engine->running.count + engine->overrun.count;
}

static int64_t partial_tokens(const struct sgl_engine *engine)
{
    if (engine->partial == SGL_ENGINE_NO_JOB)
        return 0;
    return least(remaining(sgl_engine_at(engine, engine->partial)),
                 engine->max_batch_tokens - decode_tokens(engine));
}

/* Takes back who makes room until the running jobs can decode and the prompt that was cut can go on
 * by so many tokens. One alone always fits. */
static int make_room(struct sgl_engine *engine, int64_t tokens)
{
    while (engine->kv.pages_total > 0) {
        int64_t pages = sgl_engine_decode_pages(engine, 1);
        if (engine->partial != SGL_ENGINE_NO_JOB)
            pages += chunk_pages(engine, tokens);
        if (pages <= free_pages(engine))
            break;
        engine->was_short = true;
        const int status = sgl_engine_withdraw(engine, victim_of(engine), true);
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

/* First for those that decode, then for the prompt, whose tokens are what the budget has left by
 * then: one that makes room for it gives it none. */
static int preempt(struct sgl_engine *engine, int64_t *tokens_out)
{
    engine->was_short = false;
    const int status = make_room(engine, 0);
    *tokens_out = partial_tokens(engine);
    return status == SGL_OK ? make_room(engine, *tokens_out) : status;
}

/*
 * vLLM: the running requests first, a token each or the rest of the prompt that was cut, then new
 * requests in order while the step's token budget lasts. The budget holds every running request:
 * all of them had at least a token of the step that admitted the last one. As in
 * vllm/v1/core/sched/scheduler.py: a request takes pages for the tokens of the step, when there are
 * none the last one admitted (by priorities: the least urgent, of these the last) is preempted and
 * goes to the front of its queue, and such a step admits nobody. And as allocate_slots of
 * vllm/v1/core/kv_cache_manager.py, which names full blocks (cache_blocks) when it gives them
 * slots: who is looked at later in the same step finds what those before it are about to compute.
 */
static int form_vllm(struct sgl_engine *engine)
{
    int64_t tokens;
    const int status = preempt(engine, &tokens);
    if (status != SGL_OK)
        return status;
    int64_t budget = engine->max_batch_tokens - decode_tokens(engine);
    if (engine->running.count > 0)
        decode(engine);
    if (engine->partial != SGL_ENGINE_NO_JOB) {
        sgl_kv_cache_hold(&engine->kv, chunk_pages(engine, tokens));
        sgl_engine_prefill(engine, engine->partial, tokens);
        budget -= tokens;
    }
    while (!engine->was_short && budget > 0 && sgl_engine_known_count(engine) > 0 &&
           has_slot(engine) && engine->partial == SGL_ENGINE_NO_JOB) {
        uint32_t job;
        if (sgl_engine_head(engine, engine->is_ahead, &job) != SGL_OK)
            return SGL_ENOMEM;
        if (sgl_engine_at(engine, job)->leg == SGL_LEG_DECODE)
            break; /* it was refused: nothing of it is to be computed */
        const struct sgl_kv_match match = sgl_engine_match(engine, job);
        const int64_t known = match.pages * engine->kv.page_size;
        tokens = least(sgl_engine_to_prefill(sgl_engine_at(engine, job)) - known, budget);
        const int64_t pages = sgl_engine_pages(engine, known + tokens);
        if (!sgl_kv_cache_fits(&engine->kv, &match, pages))
            break;
        sgl_engine_admit(engine, job, &match, tokens, pages);
        budget -= tokens;
    }
    return SGL_OK;
}

static bool could_admit_vllm(const struct sgl_engine *engine)
{
    const int64_t running = engine->running.count;

    /* Planning ahead, a finish leaves its token to the next step, but its place and its memory to
     * the one after: only when tokens are what is short must the plan know who came meanwhile. */
    if (engine->is_ahead && running >= engine->max_batch_tokens)
        return true;
    /* Who was refused blocks those behind it, but not the more urgent. */
    return (engine->waiting_count == 0 || engine->schedule_policy == SGL_SCHEDULE_PRIORITY) &&
           running < engine->max_batch_tokens && running < engine->max_running_requests;
}

const struct sgl_engine_scheduler sgl_engine_vllm = {
    .shares = SGL_ENGINE_SHARES_PLANNED,
    .form = form_vllm,
    .could_admit = could_admit_vllm,
};
