/* The engine's queue, packed where it is long, against plain lists. */
#include "core/failure.h"
#include "core/rng.h"
#include "sim/models/engine.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define MOST 400 /* in a list */

struct list {
    uint32_t handles[MOST];
    uint32_t count;
};

static void insert(struct list *list, uint32_t at, uint32_t handle)
{
    memmove(&list->handles[at + 1], &list->handles[at], (list->count - at) * sizeof handle);
    list->handles[at] = handle;
    list->count++;
}

static void take_out(struct list *list, uint32_t at)
{
    list->count--;
    memmove(&list->handles[at], &list->handles[at + 1], (list->count - at) * sizeof at);
}

/* What is known of a request, all made from its handle, with the largest numbers among them. */
static struct sgl_engine_job job_of(uint32_t handle)
{
    const uint32_t most = (uint32_t)SGL_JOB_TOKENS_MAX;
    const unsigned leg = handle % 3;
    const uint32_t output_tokens = handle % 7 == 0 ? most : handle % 5;

    return (struct sgl_engine_job){
        .started_ns = SGL_ABSENT,
        .handle = handle,
        .prompt_tokens = handle % 11 == 0 ? most : handle + 1,
        .output_tokens = output_tokens,
        .max_tokens = handle % 13 == 0 ? most : handle,
        .emitted = leg == SGL_LEG_DECODE && output_tokens > 0,
        .priority = handle / 3 % SGL_PRIORITY_COUNT & 15,
        .leg = leg & 15,
        .is_cut = handle % 2 == 1,
    };
}

static void check_job(const struct sgl_engine_job *is, uint32_t handle)
{
    const struct sgl_engine_job expected = job_of(handle);

    CU_ASSERT_EQUAL_FATAL(is->handle, handle);
    CU_ASSERT_EQUAL(is->prompt_tokens, expected.prompt_tokens);
    CU_ASSERT_EQUAL(is->output_tokens, expected.output_tokens);
    CU_ASSERT_EQUAL(is->max_tokens, expected.max_tokens);
    CU_ASSERT_EQUAL(is->emitted, expected.emitted);
    CU_ASSERT_EQUAL(is->priority, expected.priority);
    CU_ASSERT_EQUAL(is->leg, expected.leg);
    CU_ASSERT_EQUAL(is->is_cut, expected.is_cut);
    CU_ASSERT_EQUAL(is->started_ns, SGL_ABSENT);
    CU_ASSERT_FALSE(is->has_ids);
}

/* As the driver does it: packed when the queue is crowded, unless the job has a slot already. */
static void come(struct sgl_engine *engine, struct list *lists, uint32_t handle, uint32_t how)
{
    const struct sgl_engine_job job = job_of(handle);
    struct list *list = &lists[job.priority];
    uint32_t slot;

    if (how < 4 && sgl_engine_is_crowded(engine, job.priority)) {
        CU_ASSERT_EQUAL_FATAL(sgl_engine_pack(engine, &job), SGL_OK);
        insert(list, list->count, handle);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(sgl_engine_add_job(engine, &slot), SGL_OK);
    *sgl_engine_at(engine, slot) = job;
    CU_ASSERT_EQUAL_FATAL(sgl_engine_enqueue(engine, slot, how == 5), SGL_OK);
    insert(list, how == 5 ? 0 : list->count, handle);
}

static void go(struct sgl_engine *engine, struct list *lists)
{
    uint32_t slot;
    uint32_t first = 0;

    while (lists[first].count == 0)
        first++;
    uint32_t known = 0;
    while (known < SGL_PRIORITY_COUNT && lists[known].count == engine->fresh[known])
        known++;
    if (known < SGL_PRIORITY_COUNT) {
        CU_ASSERT_EQUAL_FATAL(sgl_engine_head(engine, true, &slot), SGL_OK);
        check_job(sgl_engine_at(engine, slot), lists[known].handles[0]);
    }
    CU_ASSERT_EQUAL_FATAL(sgl_engine_head(engine, false, &slot), SGL_OK);
    check_job(sgl_engine_at(engine, slot), lists[first].handles[0]);
    sgl_engine_pop(engine, slot);
    sgl_engine_forget(engine, slot);
    take_out(&lists[first], 0);
}

/* Somebody leaves, from anywhere. */
static void leave(struct sgl_engine *engine, struct list *lists, uint32_t priority, uint32_t at)
{
    const uint32_t handle = lists[priority].handles[at];
    const int64_t behind = (int64_t)lists[priority].count - at - 1;
    const uint32_t fresh = engine->fresh[priority] - (behind < engine->fresh[priority]);

    CU_ASSERT_TRUE(sgl_engine_drop_waiting(engine, handle, false));
    CU_ASSERT_EQUAL(engine->fresh[priority], fresh);
    CU_ASSERT_FALSE(sgl_engine_drop_waiting(engine, handle, false));
    take_out(&lists[priority], at);
}

static void the_queue_agrees_with_lists(void)
{
    for (int64_t world = 0; world < 60; world++) {
        struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_LENGTH, 0, world, 0);
        struct sgl_engine engine = {.max_running_requests = INT64_MAX,
                                    .schedule_policy = SGL_SCHEDULE_PRIORITY,
                                    .kv.page_size = 1,
                                    .slots.size = sizeof(struct sgl_engine_job)};
        struct list lists[SGL_PRIORITY_COUNT] = {{.count = 0}};
        const uint32_t fill = sgl_rng_below(&draws, 100); /* of a hundred, how many come */

        for (uint32_t handle = 0; handle < 1500; handle++) {
            const uint32_t priority = sgl_rng_below(&draws, SGL_PRIORITY_COUNT);
            if (sgl_rng_below(&draws, 100) < fill &&
                lists[handle / 3 % SGL_PRIORITY_COUNT].count < MOST)
                come(&engine, lists, handle, sgl_rng_below(&draws, 6));
            else if (engine.waiting_count > 0 && sgl_rng_below(&draws, 3) > 0)
                go(&engine, lists);
            else if (lists[priority].count > 0)
                leave(&engine, lists, priority, sgl_rng_below(&draws, lists[priority].count));
            if (sgl_rng_below(&draws, 20) == 0)
                CU_ASSERT_EQUAL(sgl_engine_unpack(&engine, priority, sgl_rng_below(&draws, 50)),
                                SGL_OK);
            int64_t count = 0;
            for (uint32_t i = 0; i < SGL_PRIORITY_COUNT; i++) {
                engine.fresh[i] = sgl_rng_below(&draws, lists[i].count + 1);
                count += lists[i].count;
            }
            CU_ASSERT_EQUAL_FATAL(engine.waiting_count, count);
        }
        memset(engine.fresh, 0, sizeof engine.fresh);
        /* Half of the worlds end with a queue. */
        while (world % 2 == 0 && engine.waiting_count > 0)
            go(&engine, lists);
        CU_ASSERT(world % 2 == 1 || engine.slots.used == 0);
        sgl_engine_release_backlog(&engine);
        free(engine.chunks);
        sgl_slots_release(&engine.slots);
        sgl_finish_order_release(&engine.running);
    }
}

SGL_SUITE(sim_queue) = {
    {"the queue, packed or not, agrees with plain lists", the_queue_agrees_with_lists},
    CU_TEST_INFO_NULL,
};
