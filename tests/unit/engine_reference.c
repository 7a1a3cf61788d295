#include "engine_reference_queue.h"

#include "core/absent.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX SGL_REFERENCE_REQUEST_MAX
#define STEPS_MAX 200000 /* more: somebody is taken back for ever */

/* ---- who is where ----------------------------------------------------------------------- */

static int64_t count_departing(const struct sgl_reference_world *world)
{
    int64_t departing = 0;

    for (size_t i = 0; i < world->count; i++)
        departing += world->all[i].is_departing;
    return departing;
}

static int64_t count_overruns(const struct sgl_reference_world *world)
{
    int64_t overruns = 0;

    for (size_t i = 0; i < world->count; i++)
        overruns += world->all[i].is_overrun;
    return overruns;
}

static struct sgl_reference *partial_of(struct sgl_reference_world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (sgl_reference_is_running(&world->all[i]) && !sgl_reference_is_decoding(&world->all[i]))
            return &world->all[i];
    return NULL;
}

static void drop_head(struct sgl_reference_world *world)
{
    memmove(world->queue, world->queue + 1, --world->queued * sizeof *world->queue);
}

static void take_decode_memory(struct sgl_reference_world *world)
{
    for (size_t i = 0; i < world->count; i++)
        world->all[i].stored += sgl_reference_is_decoding(&world->all[i]);
    sgl_reference_make_room(world, 0);
}

/* ---- admission -------------------------------------------------------------------------- */

/* Who has a prompt that is not done, of which these blocks have joined the cache since it was
 * admitted; NULL: nobody. */
static const struct sgl_reference *computes(const struct sgl_reference_world *world,
                                            const struct sgl_reference *self, int64_t path)
{
    for (size_t i = 0; i < world->count; i++) {
        const struct sgl_reference *one = &world->all[i];
        if (one != self && sgl_reference_is_running(one) && !sgl_reference_is_decoding(one) &&
            one->path >= path && path > one->found &&
            memcmp(one->ids, self->ids, (size_t)path * sizeof *one->ids) == 0)
            return one;
    }
    return NULL;
}

static void admit(struct sgl_reference_world *world, struct sgl_reference *self, int64_t path,
                  int64_t stored, int64_t now_ns)
{
    const int64_t known = sgl_reference_end_of(world, self->ids, path) * world->it->page;

    if (self->started_ns == SGL_ABSENT) {
        self->started_ns = now_ns;
        self->cached = self->id_count > 0 && !self->has_own_ids ? known : SGL_ABSENT;
        world->events->hits += known > 0;
        const struct sgl_reference *other = computes(world, self, path);
        const bool is_now = other != NULL && path * other->block > other->done;
        world->events->shared += known > 0 && is_now;
        world->events->chunks += known > 0 && !world->it->is_vllm && other != NULL;
    }
    world->events->resumed += !self->has_own_ids && path > self->named;
    self->is_admitted = true;
    self->path = self->found = path;
    self->goal = self->prompt + self->emitted;
    self->done = known;
    self->stored = stored;
    self->admission = world->admissions++;
    drop_head(world);
    sgl_reference_make_room(world, 0);
}

/* Free pages if these blocks of the cache were in use, too. */
static int64_t free_with(struct sgl_reference_world *world, struct sgl_reference *self,
                         int64_t path)
{
    const int64_t end = sgl_reference_end_of(world, self->ids, path);

    self->is_admitted = true;
    self->path = path;
    self->stored = end * world->it->page;
    const int64_t pages = sgl_reference_free_pages(world);
    self->is_admitted = false;
    self->path = self->stored = 0;
    return pages;
}

static bool is_affordable(struct sgl_reference_world *world, struct sgl_reference *self,
                          int64_t path, int64_t batch_estimate)
{
    const int64_t rest = self->prompt + self->emitted -
                         sgl_reference_end_of(world, self->ids, path) * world->it->page;
    bool is_alone = true;
    int64_t running = 0;

    if (world->it->kv_tokens == 0)
        return true;
    for (size_t i = 0; i < world->count; i++) {
        is_alone = is_alone && !sgl_reference_is_running(&world->all[i]);
        running += sgl_reference_is_decoding(&world->all[i])
                       ? sgl_reference_clip(world, &world->all[i])
                       : 0;
    }
    const int64_t free = free_with(world, self, path);
    if (sgl_reference_pages_of(world, rest) > free)
        return false;
    return is_alone ||
           (free * world->it->page - rest - sgl_reference_clip(world, self) - batch_estimate) *
                   600000 >
               world->ratio * running;
}

/* Tokens that both prompts begin with. */
static int64_t alike(const struct sgl_reference *one, const struct sgl_reference *other)
{
    int64_t tokens = 0;

    for (int64_t b = 0; b < one->named && b < other->named; b++) {
        if (one->ids[b] != other->ids[b])
            break;
        tokens = (b + 1) * one->block;
    }
    tokens = tokens < one->prompt ? tokens : one->prompt;
    return tokens < other->prompt ? tokens : other->prompt;
}

static void sort_by_match(struct sgl_reference_world *world)
{
    int64_t known[REQUEST_MAX];

    for (size_t i = 0; i < world->queued; i++) {
        const struct sgl_reference *one = &world->all[world->queue[i]];
        sgl_reference_name(world, one);
        known[i] = sgl_reference_end_of(world, one->ids, sgl_reference_match(world, one));
        /* known[j] < -1: a leader that knows little; it stands for its prompt */
        if (one->id_count == 0 || known[i] * world->it->page > 32)
            continue;
        bool follows = false;
        for (size_t j = 0; j < i; j++)
            follows = follows || (known[j] < -1 && alike(one, &world->all[world->queue[j]]) >= 32);
        world->events->followers += follows;
        known[i] = follows ? -1 : -2 - known[i];
    }
    for (size_t i = 0; i < world->queued; i++)
        known[i] = known[i] < -1 ? -2 - known[i] : known[i];
    for (size_t i = 1; i < world->queued; i++)
        for (size_t j = i; j > 0 && known[j] > known[j - 1]; j--) {
            const size_t request = world->queue[j];
            const int64_t pages = known[j];
            world->queue[j] = world->queue[j - 1];
            known[j] = known[j - 1];
            world->queue[j - 1] = request;
            known[j - 1] = pages;
            world->events->overtaken++;
        }
}

/* ---- steps ------------------------------------------------------------------------------ */

static void prefill_sglang(struct sgl_reference_world *world, int64_t now_ns, int64_t *tokens,
                           bool is_open)
{
    const struct sgl_reference_setting *it = world->it;
    int64_t decoding = sgl_reference_count_decoding(world);
    const int64_t mixed = it->is_mixed ? decoding : 0;
    int64_t budget = it->chunk > 0 ? it->chunk - mixed : 1 << 30;
    int64_t input = it->prefill_max - mixed;
    int64_t estimate = 0;
    int64_t in_step = 0;
    bool has_looked = false;
    bool was_full = false;
    struct sgl_reference *self = partial_of(world);

    while (true) {
        if (self == NULL) {
            if (!is_open || (world->is_full && !it->is_preempting) || world->queued == 0 ||
                budget <= 0 || input <= 0 || (!has_looked && budget < it->page))
                return;
            /* without a place for anybody, nobody looks at the order */
            if (it->is_lpm && !has_looked && decoding + in_step < it->running_max)
                sort_by_match(world);
            has_looked = true;
            self = &world->all[world->queue[0]];
            was_full = was_full || decoding + in_step >= it->running_max;
            if (it->is_preempting && was_full && !sgl_reference_take_places(world, self, estimate))
                return;
            decoding = sgl_reference_count_decoding(world);
            const bool has_place = decoding + in_step < it->running_max;
            if (has_place) /* else nobody asks the cache */
                sgl_reference_name(world, self);
            const int64_t path = sgl_reference_match(world, self);
            if (!has_place || !is_affordable(world, self, path, estimate)) {
                world->is_full = true;
                world->events->refusals++;
                return;
            }
            const int64_t rest = self->prompt + self->emitted -
                                 sgl_reference_end_of(world, self->ids, path) * it->page;
            const int64_t whole = sgl_reference_pages_of(world, rest) * it->page;
            if ((it->chunk == 0 && in_step > 0 && whole >= input) ||
                (whole > budget && budget < it->page))
                return;
            admit(world, self, path, self->prompt + self->emitted, now_ns);
        }
        const int64_t left = self->goal - self->done;
        const int64_t whole = sgl_reference_pages_of(world, left) * it->page;
        const int64_t given = whole > budget ? budget / it->page * it->page : left;
        if (given <= 0)
            return;
        tokens[self - world->all] = given;
        budget -= sgl_reference_pages_of(world, given) * it->page;
        input -= sgl_reference_pages_of(world, given) * it->page;
        in_step++;
        if (given < left)
            return;
        estimate += sgl_reference_clip(world, self);
        self = NULL;
    }
}

/* Fills tokens[i] with prefill tokens; returns whether the decoding ones take part. */
static bool plan_sglang(struct sgl_reference_world *world, int64_t now_ns, int64_t *tokens)
{
    bool decodes = false;
    bool prefills = false;
    bool was_short = false;

    if (world->it->is_mixed && sgl_reference_count_decoding(world) > 0) {
        was_short = sgl_reference_retract(world);
        decodes = sgl_reference_count_decoding(world) > 0;
        take_decode_memory(world);
    }
    prefill_sglang(world, now_ns, tokens, !was_short);
    for (size_t i = 0; i < world->count; i++)
        prefills = prefills || tokens[i] > 0;
    if (prefills)
        return decodes;
    if (!decodes && sgl_reference_count_decoding(world) > 0) {
        was_short = sgl_reference_retract(world);
        decodes = true;
        take_decode_memory(world);
    }
    if (decodes && !was_short)
        world->ratio = world->ratio - 602 > 58800 ? world->ratio - 602 : 58800;
    return decodes;
}

static bool plan_vllm(struct sgl_reference_world *world, int64_t now_ns, int64_t *tokens)
{
    const struct sgl_reference_setting *it = world->it;
    struct sgl_reference *self;
    bool was_short = false;
    int64_t in_step = 0;

    /* those that decode first; what the cut prompt then gets of the budget is what it gets */
    while (it->kv_tokens > 0 &&
           sgl_reference_decode_need(world) > sgl_reference_free_pages(world)) {
        sgl_reference_preempt(world);
        was_short = true;
    }
    int64_t budget = it->batch_max - sgl_reference_count_decoding(world) - count_overruns(world);
    for (self = partial_of(world); self != NULL && it->kv_tokens > 0; self = partial_of(world)) {
        const int64_t left = self->goal - self->done;
        const int64_t need =
            sgl_reference_decode_need(world) +
            sgl_reference_pages_of(world, self->done + (left < budget ? left : budget)) -
            sgl_reference_pages_of(world, self->stored);
        if (need <= sgl_reference_free_pages(world))
            break;
        sgl_reference_preempt(world);
        was_short = true;
    }
    const int64_t decoding = sgl_reference_count_decoding(world);
    take_decode_memory(world);
    while (budget > 0) {
        if (self == NULL) {
            if (was_short || world->queued == 0 ||
                decoding + in_step + count_departing(world) >= it->running_max)
                break;
            self = &world->all[world->queue[0]];
            sgl_reference_name(world, self);
            const int64_t path = sgl_reference_match(world, self);
            const int64_t known = sgl_reference_end_of(world, self->ids, path) * it->page;
            const int64_t left = self->prompt + self->emitted - known;
            const int64_t stored = known + (left < budget ? left : budget);
            if (it->kv_tokens > 0 &&
                sgl_reference_pages_of(world, stored) - sgl_reference_pages_of(world, known) >
                    free_with(world, self, path))
                break;
            admit(world, self, path, stored, now_ns);
        }
        const int64_t left = self->goal - self->done;
        const int64_t given = left < budget ? left : budget;
        tokens[self - world->all] = given;
        self->stored = self->done + given;
        sgl_reference_make_room(world, 0);
        sgl_reference_share(world, self, self->stored);
        budget -= given;
        in_step++;
        if (given < left)
            break;
        self = NULL;
    }
    return decoding > 0;
}

static void emit_token(struct sgl_reference_world *world, struct sgl_reference *self,
                       int64_t now_ns)
{
    if (self->emitted < self->output) {
        if (++self->emitted == 1)
            self->first_ns = now_ns;
        else
            world->gaps->length_ps[world->gaps->count++] = world->now_ps - self->token_ps;
        self->token_ps = world->now_ps;
    }
    if (self->emitted == self->output) {
        self->is_finished = true;
        self->finish_ns = now_ns;
        self->finish_order = world->finishes++;
        self->is_departing = world->it->is_ahead && !self->is_abandoned;
        self->is_overrun = self->is_departing && self->is_stopped;
        if (!self->is_departing) {
            sgl_reference_keep_answer(world, self);
            sgl_reference_let_go(world, self);
        }
        world->is_full = false;
    }
}

static void queue_arrivals(struct sgl_reference_world *world, int64_t now_ns)
{
    for (size_t i = 0; i < world->count; i++)
        if (!world->all[i].is_rejected && !world->all[i].is_queued && !world->all[i].is_finished &&
            world->all[i].arrival_ns <= now_ns) {
            world->all[i].is_queued = true;
            sgl_reference_put_last(world, i);
        }
}

static int64_t step_ps(const struct sgl_reference_world *world, const int64_t *tokens,
                       const bool *decodes)
{
    const struct sgl_reference_setting *it = world->it;
    int64_t constant_ps = 0;
    int64_t variable_ps = 0;
    int64_t all_tokens = 0;

    for (size_t i = 0; i < world->count; i++) {
        const struct sgl_reference *one = &world->all[i];
        if (tokens[i] > 0) {
            constant_ps = constant_ps > it->prefill_ps ? constant_ps : it->prefill_ps;
            variable_ps += it->request_ps + it->token_ps * tokens[i] +
                           it->half_pair_ps * tokens[i] * (2 * one->done + tokens[i]);
        }
        if (decodes[i]) {
            constant_ps = constant_ps > it->decode_ps ? constant_ps : it->decode_ps;
            variable_ps += it->request_ps + it->kv_ps * (one->prompt + one->emitted);
        }
        all_tokens += tokens[i] + decodes[i];
    }
    int64_t decoding = 0;
    for (size_t i = 0; i < world->count; i++)
        decoding += decodes[i];
    const bool is_mixed = decoding > 0 && all_tokens > decoding;
    for (size_t i = 0; is_mixed && i < world->count; i++)
        if (decodes[i])
            variable_ps += it->mixed_request_ps +
                           it->mixed_kv_ps * (world->all[i].prompt + world->all[i].emitted);
    for (int64_t token = it->free_tokens; token < all_tokens; token++)
        variable_ps += it->every_token_ps;
    /* p_expert is a half: of expert_ps, all but a 2^T-th */
    return constant_ps + variable_ps +
           (int64_t)round((double)it->expert_ps * (1 - ldexp(1, (int)-all_tokens)));
}

/* Tokens of one step leave in the order of admission, those of decoding requests first. */
static void end_step(struct sgl_reference_world *world, const int64_t *tokens, const bool *decodes,
                     int64_t now_ns)
{
    struct sgl_reference *order[REQUEST_MAX];
    size_t count = 0;

    for (size_t i = 0; i < world->count; i++) {
        if (!sgl_reference_is_running(&world->all[i]))
            continue;
        size_t at = count++;
        for (; at > 0 && order[at - 1]->admission > world->all[i].admission; at--)
            order[at] = order[at - 1];
        order[at] = &world->all[i];
    }
    for (size_t i = 0; i < count; i++)
        if (decodes[order[i] - world->all]) {
            order[i]->goal = ++order[i]->done;
            emit_token(world, order[i], now_ns);
        }
    for (size_t i = 0; i < count; i++) {
        const int64_t given = tokens[order[i] - world->all];
        order[i]->done += given;
        if (given > 0 && !world->it->is_vllm) /* each chunk, before the next step is planned */
            sgl_reference_share(world, order[i], order[i]->done);
        if (given > 0 && (order[i]->done == order[i]->goal || order[i]->is_abandoned)) {
            world->events->half_done += order[i]->done < order[i]->goal;
            emit_token(world, order[i], now_ns);
        }
    }
}

static bool is_nothing(const int64_t *tokens, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i] > 0)
            return false;
    return true;
}

/* Is it computed once more? Not again. */
static bool take_overrun(struct sgl_reference_world *world, struct sgl_reference *self)
{
    const bool is_overrun = self->is_overrun;

    world->events->overruns += is_overrun;
    self->is_overrun = false;
    return is_overrun;
}

/* One step from time_ps; its end, or -1 when there is nothing to do. */
static int64_t step(struct sgl_reference_world *world, int64_t time_ps)
{
    int64_t tokens[REQUEST_MAX] = {0};
    bool decodes[REQUEST_MAX] = {false};
    bool is_idle = true;

    sgl_reference_leave(world, (time_ps + 999) / 1000, false);
    bool decoding = false;
    if (world->it->is_ahead && world->last_ps >= 0) {
        queue_arrivals(world, (world->last_ps + 999) / 1000);
        decoding = plan_vllm(world, (world->last_ps + 999) / 1000, tokens);
    }
    sgl_reference_see_departures(world);
    if (world->it->is_ahead)
        sgl_reference_see_leaving(world);
    const bool has_overrun = count_overruns(world) > 0;
    if (!decoding && is_nothing(tokens, world->count) && has_overrun)
        world->events->lonely++;
    if (!decoding && is_nothing(tokens, world->count) && !has_overrun) {
        queue_arrivals(world, (time_ps + 999) / 1000);
        for (size_t i = 0; i < world->count; i++)
            is_idle = is_idle && !sgl_reference_is_running(&world->all[i]);
        if (is_idle && world->queued == 0) {
            world->ratio = 420000;
            world->last_ps = -1;
            return -1;
        }
        decoding = world->it->is_vllm ? plan_vllm(world, (time_ps + 999) / 1000, tokens)
                                      : plan_sglang(world, (time_ps + 999) / 1000, tokens);
        if (sgl_reference_see_leaving(world) && !decoding && is_nothing(tokens, world->count))
            decoding = plan_vllm(world, (time_ps + 999) / 1000, tokens);
    }
    world->last_ps = time_ps;
    for (size_t i = 0; i < world->count; i++)
        decodes[i] = (decoding && sgl_reference_is_decoding(&world->all[i])) ||
                     take_overrun(world, &world->all[i]);
    const int64_t duration_ps = step_ps(world, tokens, decodes);
    CU_ASSERT_TRUE_FATAL(duration_ps >= 1000); /* work conserving: there was something to do */
    time_ps += duration_ps;
    world->now_ps = time_ps;
    sgl_reference_leave(world, (time_ps + 999) / 1000 - 1, true);
    end_step(world, tokens, decodes, (time_ps + 999) / 1000);
    return time_ps;
}

void sgl_reference_run(const struct sgl_reference_setting *it, const struct sgl_trace_row *rows,
                       size_t count, struct sgl_reference *all, struct sgl_reference_events *events,
                       struct sgl_reference_gaps *gaps)
{
    static struct sgl_reference_world world;
    int64_t time_ps = 0;

    world = (struct sgl_reference_world){
        .it = it,
        .all = all,
        .events = events,
        .gaps = gaps,
        .count = count,
        .ratio = 420000,
        .last_ps = -1,
    };
    gaps->count = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t prompt = rows[i].request.prompt_tokens;
        const int64_t room = it->kv_tokens / it->page * it->page - (prompt > 0 ? prompt : 1);
        int64_t max_tokens = rows[i].request.max_tokens;
        if (it->kv_tokens > 0 && room > 0 && room < max_tokens)
            max_tokens = room;
        all[i] = (struct sgl_reference){
            .arrival_ns = rows[i].request.arrival_ns,
            .started_ns = SGL_ABSENT,
            .first_ns = SGL_ABSENT,
            .left_ns = SGL_ABSENT,
            .prompt = prompt > 0 ? prompt : 1,
            .output = rows[i].output_tokens < max_tokens ? rows[i].output_tokens : max_tokens,
            .max = max_tokens,
            .is_stopped = rows[i].is_stopped && rows[i].output_tokens < max_tokens,
            .priority = rows[i].request.priority,
        };
        sgl_reference_know_ids(it, &rows[i].request, (int64_t)i, &all[i]);
        all[i].is_rejected =
            it->kv_tokens > 0 &&
            sgl_reference_pages_of(&world, all[i].prompt + max_tokens) > it->kv_tokens / it->page;
    }
    for (int64_t steps = 0; steps < STEPS_MAX; steps++) {
        const int64_t end_ps = step(&world, time_ps);
        if (end_ps >= 0) {
            time_ps = end_ps;
            continue;
        }
        int64_t next_ns = -1; /* idle: the next arrival, if there is one */
        for (size_t i = 0; i < count && next_ns < 0; i++)
            if (!all[i].is_rejected && !all[i].is_finished)
                next_ns = all[i].arrival_ns;
        if (next_ns < 0)
            return;
        CU_ASSERT_TRUE_FATAL(next_ns * 1000 > time_ps);
        time_ps = next_ns * 1000;
    }
    CU_FAIL_FATAL("somebody waits for ever");
}
