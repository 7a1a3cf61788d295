#include "engine_reference_queue.h"

#include "core/absent.h"
#include "support.h"

#include <string.h>

#define REQUEST_MAX SGL_REFERENCE_REQUEST_MAX

/* ---- who is where ----------------------------------------------------------------------- */

int64_t sgl_reference_count_decoding(const struct sgl_reference_world *world)
{
    int64_t decoding = 0;

    for (size_t i = 0; i < world->count; i++)
        decoding += sgl_reference_is_decoding(&world->all[i]);
    return decoding;
}

void sgl_reference_put_last(struct sgl_reference_world *world, size_t request)
{
    size_t at = world->queued++;

    while (world->it->is_priority && at > 0 &&
           world->all[world->queue[at - 1]].priority > world->all[request].priority) {
        world->queue[at] = world->queue[at - 1];
        at--;
    }
    world->events->overtaken += at + 1 < world->queued;
    world->queue[at] = request;
}

/* ---- clients that leave ----------------------------------------------------------------- */

static void forget(struct sgl_reference_world *world, size_t request)
{
    size_t at = 0;

    world->all[request].is_finished = true;
    while (at < world->queued && world->queue[at] != request)
        at++;
    if (at == world->queued)
        return; /* it came, and left, within a step */
    world->queued--;
    memmove(world->queue + at, world->queue + at + 1, (world->queued - at) * sizeof *world->queue);
}

/* vllm: the step that is planned or under way is the last one it is computed in. */
static void abandon(struct sgl_reference *self)
{
    self->is_leaving = false;
    self->is_abandoned = true;
    self->output = self->emitted + sgl_reference_is_decoding(self);
}

/* Planning ahead: is it in the plan of the next step? */
static bool is_planned(const struct sgl_reference_world *world, const struct sgl_reference *self)
{
    return world->it->is_ahead && world->last_ps >= 0 &&
           self->arrival_ns <= (world->last_ps + 999) / 1000;
}

static void leave(struct sgl_reference_world *world, size_t request, bool is_in_step)
{
    struct sgl_reference *self = &world->all[request];

    self->left_ns = self->arrival_ns + world->it->patience_ns[request];
    self->left_order = world->finishes++;
    world->events->left_waiting += !self->is_admitted;
    world->events->left_decoding += sgl_reference_is_decoding(self);
    world->events->left_in_prefill += self->is_admitted && !sgl_reference_is_decoding(self);
    if (!self->is_admitted && !is_planned(world, self))
        forget(world, request);
    else if (!world->it->is_vllm)
        self->output = self->emitted + sgl_reference_is_decoding(self);
    else if (is_in_step && !world->it->is_ahead)
        abandon(self);
    else
        self->is_leaving = true;
}

bool sgl_reference_see_leaving(struct sgl_reference_world *world)
{
    bool has_waited = false;

    for (size_t i = 0; i < world->count; i++) {
        struct sgl_reference *self = &world->all[i];
        if (!self->is_leaving || self->is_finished)
            continue;
        if (self->is_admitted) {
            world->events->once_more += world->it->is_ahead;
            abandon(self);
        } else {
            world->events->left_in_plan++;
            has_waited = true;
            forget(world, i);
        }
    }
    return has_waited;
}

void sgl_reference_leave(struct sgl_reference_world *world, int64_t until_ns, bool is_in_step)
{
    for (size_t i = 0; i < world->count; i++) {
        const struct sgl_reference *one = &world->all[i];
        if (world->it->patience_ns[i] > 0 && !one->is_rejected && !one->is_finished &&
            one->left_ns == SGL_ABSENT && one->arrival_ns + world->it->patience_ns[i] <= until_ns)
            leave(world, i, is_in_step);
    }
}

/* ---- who is taken back ------------------------------------------------------------------ */

int64_t sgl_reference_decode_need(const struct sgl_reference_world *world)
{
    int64_t pages = 0;

    for (size_t i = 0; i < world->count; i++)
        if (sgl_reference_is_decoding(&world->all[i]))
            pages += sgl_reference_pages_of(world, world->all[i].stored + 1) -
                     sgl_reference_pages_of(world, world->all[i].stored);
    return pages;
}

static void withdraw(struct sgl_reference_world *world, struct sgl_reference *self)
{
    if (world->it->is_vllm)
        sgl_reference_keep_answer(world, self);
    self->is_admitted = false;
    sgl_reference_let_go(world, self);
    self->done = 0;
    world->is_full = false;
    world->events->withdrawals++;
}

/* Fewer tokens; of equals the longer prompt, of these the one that was let in later. */
static bool gave_less(const struct sgl_reference *one, const struct sgl_reference *other)
{
    if (one->emitted != other->emitted)
        return one->emitted < other->emitted;
    return one->prompt > other->prompt ||
           (one->prompt == other->prompt && one->admission > other->admission);
}

bool sgl_reference_retract(struct sgl_reference_world *world)
{
    if (world->it->kv_tokens == 0 ||
        sgl_reference_decode_need(world) <= sgl_reference_free_pages(world))
        return false;
    for (;;) {
        struct sgl_reference *victim = NULL;
        struct sgl_reference *shortest = NULL;
        for (size_t i = 0; i < world->count; i++) {
            struct sgl_reference *one = &world->all[i];
            if (!sgl_reference_is_decoding(one))
                continue;
            if (shortest == NULL || gave_less(one, shortest))
                shortest = one;
            if (victim == NULL || one->priority > victim->priority ||
                (one->priority == victim->priority && gave_less(one, victim)))
                victim = one;
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(victim);
        world->events->kept += world->it->keeps_urgent && victim != shortest;
        victim = world->it->keeps_urgent ? victim : shortest;
        withdraw(world, victim);
        sgl_reference_put_last(world, (size_t)(victim - world->all));
        const int64_t left = sgl_reference_count_decoding(world);
        sgl_reference_make_room(world, sgl_reference_pages_of(world, 20 * left));
        if (sgl_reference_decode_need(world) <= sgl_reference_free_pages(world) &&
            (left <= 1 || sgl_reference_free_pages(world) * world->it->page >= 20 * left))
            break;
    }
    int64_t given = 0;
    int64_t most = 0;
    for (size_t i = 0; i < world->count; i++) {
        given += sgl_reference_is_decoding(&world->all[i]) ? world->all[i].emitted + 20 : 0;
        most += sgl_reference_is_decoding(&world->all[i]) ? world->all[i].max : 0;
    }
    if (most > 0)
        world->ratio = given >= most ? 600000 : given * 600000 / most;
    return true;
}

/* Does `one` wait again before `other`? */
static bool is_less_urgent(const struct sgl_reference_world *world, const struct sgl_reference *one,
                           const struct sgl_reference *other)
{
    if (world->it->is_priority && one->priority != other->priority)
        return one->priority > other->priority;
    return one->admission > other->admission;
}

void sgl_reference_preempt(struct sgl_reference_world *world)
{
    struct sgl_reference *victim = NULL;
    struct sgl_reference *youngest = NULL;
    size_t at = 0;

    for (size_t i = 0; i < world->count; i++) {
        struct sgl_reference *one = &world->all[i];
        if (!sgl_reference_is_running(one))
            continue;
        if (victim == NULL || is_less_urgent(world, one, victim))
            victim = one;
        if (youngest == NULL || one->admission > youngest->admission)
            youngest = one;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(victim);
    world->events->spared += victim != youngest;
    withdraw(world, victim);
    while (world->it->is_priority && at < world->queued &&
           world->all[world->queue[at]].priority < victim->priority)
        at++;
    memmove(world->queue + at + 1, world->queue + at,
            (world->queued++ - at) * sizeof *world->queue);
    world->queue[at] = (size_t)(victim - world->all);
}

int64_t sgl_reference_clip(struct sgl_reference_world *world, const struct sgl_reference *one)
{
    world->events->clipped += one->max - one->emitted > 4096;
    return one->max - one->emitted < 4096 ? one->max - one->emitted : 4096;
}

bool sgl_reference_take_places(struct sgl_reference_world *world, const struct sgl_reference *self,
                               int64_t batch_estimate)
{
    struct sgl_reference *victims[REQUEST_MAX];
    size_t count = 0;
    size_t taken = 0;
    int64_t short_of = 0; /* of 600,000 of a token */

    for (size_t i = 0; i < world->count; i++) {
        if (!sgl_reference_is_decoding(&world->all[i]))
            continue;
        short_of += world->ratio * sgl_reference_clip(world, &world->all[i]);
        size_t at = count++;
        for (; at > 0 && is_less_urgent(world, &world->all[i], victims[at - 1]); at--)
            victims[at] = victims[at - 1];
        victims[at] = &world->all[i];
    }
    short_of += 600000 * (self->prompt + self->emitted + (self->max < 4096 ? self->max : 4096) +
                          batch_estimate - sgl_reference_free_pages(world) * world->it->page);
    if (world->it->kv_tokens == 0)
        short_of = 0;
    while (taken < count && (taken == 0 || short_of > 0)) {
        struct sgl_reference *victim = victims[taken];
        if ((int64_t)victim->priority - (int64_t)self->priority <= world->it->threshold)
            break;
        short_of -= world->it->kv_tokens > 0 ? world->ratio * sgl_reference_clip(world, victim) : 0;
        taken++;
    }
    if (short_of > 0)
        return false;
    for (size_t i = 0; i < taken; i++) {
        withdraw(world, victims[i]);
        sgl_reference_put_last(world, (size_t)(victims[i] - world->all));
    }
    world->events->places += (int64_t)taken;
    return taken > 0;
}
