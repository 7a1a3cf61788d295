/*
 * Those that wait.
 *
 *     front      job -> job -> job        as jobs, linked: what a scheduler looks at, sorts, and
 *                                         puts those first that wait again
 *     backlog    [ . . . . ] -> [ . . ]   behind them, on shelves: 16 bytes each, for of a request
 *                  ^ next                 that nobody has looked at only a few numbers are known
 *
 * A queue up to FRONT_MOST long is all front. When the front is empty, some of the backlog become
 * jobs. What already is one (it has prefix ids, or has run before) lies there by its slot.
 */
#include "sim/models/engine.h"

#include <assert.h>
#include <stdlib.h>

#define FRONT_MOST 8
#define UNPACKED_AT_ONCE 8
#define SHORTER_MOST ((UINT32_C(1) << 30) - 1) /* SGL_JOB_TOKENS_MAX less one */
#define SHELF_LENGTH 63                        /* 1,024 bytes, with the link and a word of malloc */

enum kind { WHOLE = SGL_LEG_WHOLE, PREFILL = SGL_LEG_PREFILL, DECODE = SGL_LEG_DECODE, JOB };

struct sgl_engine_packed {
    uint32_t handle;                 /* of a JOB: its slot, and the rest is unused */
    unsigned int shorter : 30;       /* prompt tokens less one */
    unsigned int kind : 2;           /* enum kind */
    unsigned int output_tokens : 31; /* these two are at most SGL_JOB_TOKENS_MAX */
    unsigned int is_stopped : 1;
    unsigned int max_tokens : 31;
    unsigned int is_cut : 1;
};

struct sgl_engine_shelf {
    struct sgl_engine_shelf *next;
    struct sgl_engine_packed packed[SHELF_LENGTH];
};

/* ---- room for jobs ---------------------------------------------------------------------- */

/* Twice the room of the arrays by slot; those for jobs that run or have a chunk need no more than
 * may be admitted. */
static int widen(struct sgl_engine *engine)
{
    const uint32_t room = engine->room > 0 ? 2 * engine->room : SGL_SLOTS_CHUNK;
    const uint32_t admitted =
        room < engine->max_running_requests ? room : (uint32_t)engine->max_running_requests;

    if (sgl_finish_order_reserve(&engine->running, admitted) != SGL_OK)
        return SGL_ENOMEM;
    /* What is not in use need not be copied. */
    struct sgl_engine_chunk *chunks = malloc(admitted * sizeof *chunks);
    if (chunks == NULL)
        return SGL_ENOMEM;
    for (uint32_t i = 0; i < engine->chunk_count; i++)
        chunks[i] = engine->chunks[i];
    free(engine->chunks);
    engine->chunks = chunks;
    if (engine->gaps.withdrawn != NULL) {
        struct sgl_moment *withdrawn = realloc(engine->gaps.withdrawn, room * sizeof *withdrawn);
        if (withdrawn == NULL)
            return SGL_ENOMEM;
        engine->gaps.withdrawn = withdrawn;
    }
    if (engine->prompts != NULL) {
        struct sgl_engine_prompt *prompts = realloc(engine->prompts, room * sizeof *prompts);
        if (prompts == NULL)
            return SGL_ENOMEM;
        engine->prompts = prompts;
        /* A place without a job has no ids to free. */
        for (uint32_t job = engine->room; job < room; job++)
            prompts[job] = (struct sgl_engine_prompt){0};
    }
    engine->room = room;
    return SGL_OK;
}

static int grow(struct sgl_engine *engine)
{
    if (engine->slots.capacity == engine->room && widen(engine) != SGL_OK)
        return SGL_ENOMEM;
    return sgl_slots_grow(&engine->slots);
}

int sgl_engine_add_job(struct sgl_engine *engine, uint32_t *job_out)
{
    if (sgl_slots_are_full(&engine->slots) && grow(engine) != SGL_OK)
        return SGL_ENOMEM;
    *job_out = sgl_slots_take(&engine->slots);
    return SGL_OK;
}

int sgl_engine_add_prompts(struct sgl_engine *engine)
{
    if (engine->prompts == NULL)
        engine->prompts = calloc(engine->room, sizeof *engine->prompts);
    return engine->prompts != NULL ? SGL_OK : SGL_ENOMEM;
}

/* ---- the backlog ------------------------------------------------------------------------ */

static int push(struct sgl_engine *engine, uint32_t priority,
                const struct sgl_engine_packed *packed)
{
    struct sgl_engine_backlog *backlog = &engine->backlog[priority];

    if (backlog->last == NULL || backlog->end == SHELF_LENGTH) {
        struct sgl_engine_shelf *shelf = malloc(sizeof *shelf);
        if (shelf == NULL)
            return SGL_ENOMEM;
        shelf->next = NULL;
        *(backlog->last != NULL ? &backlog->last->next : &backlog->first) = shelf;
        backlog->last = shelf;
        backlog->end = 0;
    }
    backlog->last->packed[backlog->end++] = *packed;
    backlog->count++;
    engine->packed++;
    return SGL_OK;
}

static struct sgl_engine_packed pop(struct sgl_engine *engine, uint32_t priority)
{
    struct sgl_engine_backlog *backlog = &engine->backlog[priority];
    struct sgl_engine_shelf *shelf = backlog->first;
    const struct sgl_engine_packed packed = shelf->packed[backlog->start++];

    backlog->count--;
    engine->packed--;
    if (backlog->count == 0 || backlog->start == SHELF_LENGTH) {
        backlog->first = shelf->next;
        backlog->start = 0;
        if (backlog->first == NULL)
            backlog->last = NULL;
        free(shelf);
    }
    return packed;
}

static int unpack_one(struct sgl_engine *engine, uint32_t priority)
{
    uint32_t job;

    /* First, for what leaves the backlog must have a place. */
    if (sgl_engine_add_job(engine, &job) != SGL_OK)
        return SGL_ENOMEM;
    const struct sgl_engine_packed packed = pop(engine, priority);
    if (packed.kind == JOB) {
        sgl_slots_give(&engine->slots, job);
        job = packed.handle;
    } else {
        *sgl_engine_at(engine, job) = (struct sgl_engine_job){
            .started_ns = SGL_ABSENT,
            .handle = packed.handle,
            .prompt_tokens = packed.shorter + 1,
            .output_tokens = packed.output_tokens,
            .max_tokens = packed.max_tokens,
            .emitted = packed.kind == DECODE && packed.output_tokens > 0,
            .priority = priority & 15,
            .leg = packed.kind,
            .is_cut = packed.is_cut,
            .is_stopped = packed.is_stopped,
        };
    }
    sgl_slot_list_push(&engine->waiting[priority], &engine->slots, job);
    return SGL_OK;
}

int sgl_engine_unpack(struct sgl_engine *engine, uint32_t priority, uint32_t count)
{
    int status = SGL_OK;

    while (status == SGL_OK && count-- > 0 && engine->backlog[priority].count > 0)
        status = unpack_one(engine, priority);
    return status;
}

void sgl_engine_release_backlog(struct sgl_engine *engine)
{
    for (uint32_t priority = 0; priority < SGL_PRIORITY_COUNT; priority++)
        while (engine->backlog[priority].count > 0)
            pop(engine, priority);
}

/* ---- the queue -------------------------------------------------------------------------- */

bool sgl_engine_is_crowded(const struct sgl_engine *engine, uint32_t priority)
{
    return (engine->packed > 0 && engine->backlog[priority].count > 0) ||
           engine->waiting[priority].count >= FRONT_MOST;
}

int sgl_engine_pack(struct sgl_engine *engine, const struct sgl_engine_job *job)
{
    const unsigned int leg = job->leg;
    const struct sgl_engine_packed packed = {
        .handle = job->handle,
        .shorter = (job->prompt_tokens - 1) & SHORTER_MOST,
        .kind = leg & 3,
        .output_tokens = job->output_tokens & INT32_MAX,
        .is_stopped = job->is_stopped,
        .max_tokens = job->max_tokens & INT32_MAX,
        .is_cut = job->is_cut,
    };

    assert(!job->has_ids);
    if (push(engine, job->priority, &packed) != SGL_OK)
        return SGL_ENOMEM;
    engine->waiting_count++;
    return SGL_OK;
}

int sgl_engine_enqueue(struct sgl_engine *engine, uint32_t job, bool is_first)
{
    const uint32_t priority = sgl_engine_at(engine, job)->priority;
    struct sgl_slot_list *front = &engine->waiting[priority];

    if (is_first)
        sgl_slot_list_push_first(front, &engine->slots, job);
    else if (!sgl_engine_is_crowded(engine, priority))
        sgl_slot_list_push(front, &engine->slots, job);
    else if (push(engine, priority, &(struct sgl_engine_packed){.handle = job, .kind = JOB}) !=
             SGL_OK)
        return SGL_ENOMEM;
    engine->waiting_count++;
    return SGL_OK;
}

/* The most urgent of the queues that have somebody, or somebody who is known. */
static uint32_t first_queue(const struct sgl_engine *engine, bool is_known)
{
    uint32_t priority = 0;

    while (engine->waiting[priority].count + engine->backlog[priority].count ==
           (is_known ? engine->fresh[priority] : 0))
        priority++;
    return priority;
}

int sgl_engine_head(struct sgl_engine *engine, bool is_known, uint32_t *job_out)
{
    /* Without priorities there is one queue. */
    const uint32_t priority = engine->schedule_policy == SGL_SCHEDULE_PRIORITY
                                  ? first_queue(engine, is_known)
                                  : SGL_PRIORITY_NORMAL;

    assert(engine->waiting_count > 0);
    if (engine->waiting[priority].count == 0 &&
        sgl_engine_unpack(engine, priority, UNPACKED_AT_ONCE) != SGL_OK)
        return SGL_ENOMEM;
    *job_out = sgl_slot_list_first(&engine->waiting[priority]);
    return SGL_OK;
}

void sgl_engine_pop(struct sgl_engine *engine, uint32_t job)
{
    engine->waiting_count--;
    sgl_slot_list_pop(&engine->waiting[sgl_engine_at(engine, job)->priority], &engine->slots);
}

/* ---- leaving it ------------------------------------------------------------------------- */

/* Of its queue, so many wait behind it. */
static bool has_just_come(const struct sgl_engine *engine, uint32_t priority, int64_t behind)
{
    return behind < engine->fresh[priority]; /* each of the last `fresh` in the queue is one */
}

/* So many wait behind the one that leaves. */
static void close_up(struct sgl_engine *engine, uint32_t priority, int64_t behind)
{
    if (has_just_come(engine, priority, behind))
        engine->fresh[priority]--;
    engine->waiting_count--;
}

static bool drop_from_front(struct sgl_engine *engine, uint32_t priority, uint32_t handle,
                            bool is_fresh)
{
    struct sgl_slot_list *front = &engine->waiting[priority];
    int64_t behind = (int64_t)front->count + engine->backlog[priority].count;

    for (uint32_t at = front->first; at != 0; at = sgl_slots_next(&engine->slots, at - 1)) {
        behind--;
        if (sgl_engine_at(engine, at - 1)->handle != handle)
            continue;
        if (is_fresh && !has_just_come(engine, priority, behind))
            return false;
        close_up(engine, priority, behind);
        sgl_slot_list_remove(front, &engine->slots, at - 1);
        sgl_engine_forget(engine, at - 1); /* it holds no memory, whether or not it ran before */
        return true;
    }
    return false;
}

/* The i-th of the backlog, in `shelf` or behind it; what is passed over moves *shelf and *i on. */
static struct sgl_engine_packed *at(struct sgl_engine_shelf **shelf, uint32_t *i)
{
    if (*i == SHELF_LENGTH) {
        *shelf = (*shelf)->next;
        *i = 0;
    }
    return &(*shelf)->packed[*i];
}

/* Moves those before it one place on, and takes the first place away. */
static bool drop_from_backlog(struct sgl_engine *engine, uint32_t priority, uint32_t handle,
                              bool is_fresh)
{
    struct sgl_engine_backlog *backlog = &engine->backlog[priority];
    struct sgl_engine_shelf *shelf = backlog->first;
    struct sgl_engine_packed before = {0};
    uint32_t place = backlog->start;
    uint32_t found = 0; /* its number, from 1 */

    for (uint32_t number = 1; number <= backlog->count && found == 0; number++, place++) {
        const struct sgl_engine_packed packed = *at(&shelf, &place);
        if ((packed.kind == JOB ? sgl_engine_at(engine, packed.handle)->handle : packed.handle) !=
            handle)
            continue;
        if (is_fresh && !has_just_come(engine, priority, (int64_t)backlog->count - number))
            return false;
        found = number;
        if (packed.kind == JOB)
            sgl_engine_forget(engine, packed.handle);
    }
    if (found == 0)
        return false;
    close_up(engine, priority, (int64_t)backlog->count - found);
    shelf = backlog->first;
    place = backlog->start;
    for (uint32_t number = 1; number <= found; number++, place++) {
        struct sgl_engine_packed *packed = at(&shelf, &place);
        const struct sgl_engine_packed moved = *packed;
        *packed = before;
        before = moved;
    }
    pop(engine, priority);
    return true;
}

bool sgl_engine_drop_waiting(struct sgl_engine *engine, uint32_t handle, bool is_fresh)
{
    for (uint32_t priority = 0; priority < SGL_PRIORITY_COUNT; priority++)
        if (drop_from_front(engine, priority, handle, is_fresh) ||
            drop_from_backlog(engine, priority, handle, is_fresh))
            return true;
    return false;
}
