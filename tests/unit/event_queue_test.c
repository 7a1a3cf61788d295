#include "core/rng.h"
#include "sim/event_queue.h"
#include "sim/slots.h"
#include "sim/tournament.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

#define ITEM_MAX 400

static int by_key(const void *left, const void *right)
{
    const struct sgl_event *a = left;
    const struct sgl_event *b = right;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static struct sgl_event random_event(struct sgl_rng *draws, uint32_t item)
{
    /* Few times and kinds, so that most comparisons go down to the index, which is unique. */
    return (struct sgl_event){
        .time = (int64_t)sgl_rng_below(draws, 5) - 2,
        .kind = sgl_rng_below(draws, 3),
        .index = (uint64_t)sgl_rng_below(draws, 1000) * ITEM_MAX + item,
        .item = item,
    };
}

static void leaves_sorted(void)
{
    for (int64_t world = 0; world < 300; world++) {
        struct sgl_rng draws = sgl_rng_stream(7, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        struct sgl_event_queue queue = {0};
        struct sgl_event expected[ITEM_MAX];
        bool is_queued[ITEM_MAX] = {false};
        struct sgl_event latest[ITEM_MAX];
        const uint32_t item_count = 1 + sgl_rng_below(&draws, ITEM_MAX);
        uint32_t count = 0;

        const int status = sgl_event_queue_reserve(&queue, item_count);
        CU_ASSERT_EQUAL_FATAL(status, 0);
        for (uint32_t i = 0; i < 3 * item_count; i++) {
            const uint32_t item = sgl_rng_below(&draws, item_count);
            if (sgl_rng_below(&draws, 4) == 0) {
                sgl_event_queue_remove(&queue, item);
                is_queued[item] = false;
                continue;
            }
            latest[item] = random_event(&draws, item);
            is_queued[item] = true;
            sgl_event_queue_set(&queue, &latest[item]);
        }
        for (uint32_t i = 0; i < item_count; i++)
            if (is_queued[i])
                expected[count++] = latest[i];
        qsort(expected, count, sizeof expected[0], by_key);
        CU_ASSERT_EQUAL(queue.count, count);
        for (uint32_t i = 0; i < count; i++) {
            const struct sgl_queued *top = sgl_event_queue_top(&queue);
            const uint32_t item = top != NULL ? top->item : ITEM_MAX;
            CU_ASSERT_EQUAL(item, expected[i].item);
            sgl_event_queue_remove(&queue, item);
        }
        CU_ASSERT_EQUAL(queue.count, 0);
        sgl_event_queue_release(&queue);
    }
}

/* Is player `one` before `other` of those times? */
static bool comes_first(const int64_t *times, uint32_t one, uint32_t other)
{
    return times[one] != times[other] ? times[one] < times[other] : one < other;
}

static void tournaments_are_won_by_the_first(void)
{
    int ties = 0;

    for (int64_t world = 0; world < 300; world++) {
        struct sgl_rng draws = sgl_rng_stream(8, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        const uint32_t count = 1 + sgl_rng_below(&draws, world % 2 == 0 ? 6 : 70);
        struct sgl_tournament tournament = {0};
        int64_t times[70];
        uint32_t part = 1; /* a sixteenth of the places: so many players */

        while (16 * part < count)
            part *= 4;
        const int status = sgl_tournament_open(&tournament, count);
        CU_ASSERT_EQUAL_FATAL(status, 0);
        CU_ASSERT_EQUAL(sgl_tournament_first(&tournament)->time, SGL_TOURNAMENT_NEVER);
        for (uint32_t player = 0; player < count; player++)
            times[player] = SGL_TOURNAMENT_NEVER;
        for (uint32_t i = 0; i < 5 * count; i++) {
            const uint32_t player = sgl_rng_below(&draws, count);
            times[player] = sgl_rng_below(&draws, 4) == 0 ? SGL_TOURNAMENT_NEVER
                                                          : (int64_t)sgl_rng_below(&draws, 40);
            sgl_tournament_set(&tournament, player, times[player]);
            uint32_t first = 0;
            for (uint32_t p = 1; p < count; p++)
                first = comes_first(times, p, first) ? p : first;
            const struct sgl_contender *winner = sgl_tournament_first(&tournament);
            const struct sgl_contender found = sgl_tournament_other(&tournament);
            CU_ASSERT_EQUAL(winner->time, times[first]);
            if (times[first] == SGL_TOURNAMENT_NEVER) {
                CU_ASSERT_EQUAL(found.time, SGL_TOURNAMENT_NEVER);
                continue;
            }
            CU_ASSERT_EQUAL(winner->player, first);
            uint32_t other = count;
            for (uint32_t p = 0; p < count; p++)
                if (p / part != first / part && (other == count || comes_first(times, p, other)))
                    other = p;
            const int64_t expected = other < count ? times[other] : SGL_TOURNAMENT_NEVER;
            CU_ASSERT_EQUAL(found.time, expected);
            CU_ASSERT(expected == SGL_TOURNAMENT_NEVER || found.player == other);
            ties += expected == times[first];
        }
        sgl_tournament_release(&tournament);
    }
    CU_ASSERT(ties > 1000);
}

static void grows_with_contents(void)
{
    struct sgl_event_queue queue = {0};

    for (uint32_t i = 0; i < 100; i++) {
        const struct sgl_event event = {.time = 100 - (int64_t)i, .item = i};
        const int status = sgl_event_queue_reserve(&queue, i + 1);
        CU_ASSERT_EQUAL_FATAL(status, 0);
        sgl_event_queue_set(&queue, &event);
        CU_ASSERT_EQUAL(sgl_event_queue_top(&queue)->item, i);
    }
    sgl_event_queue_remove(&queue, 1000); /* an item nobody has room for is not queued */
    CU_ASSERT_EQUAL(queue.count, 100);
    sgl_event_queue_release(&queue);
}

static void slots_are_reused_and_listed_in_order(void)
{
    struct sgl_slots slots = {.size = sizeof(uint32_t)};
    struct sgl_slot_list list = {0};
    uint32_t expected[256] = {0};
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t most = 0;
    bool is_used[1024] = {false};
    struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 0, 0, 0);

    for (int i = 0; i < 20000; i++) {
        if (list.count < 200 && sgl_rng_below(&draws, 2) == 0) {
            const int status = sgl_slots_are_full(&slots) ? sgl_slots_grow(&slots) : 0;
            CU_ASSERT_EQUAL_FATAL(status, 0);
            const uint32_t slot = sgl_slots_take(&slots);
            CU_ASSERT_FALSE(is_used[slot]);
            is_used[slot] = true;
            expected[last++ % 256] = slot;
            sgl_slot_list_push(&list, &slots, slot);
        } else if (list.count > 0) {
            CU_ASSERT_EQUAL(sgl_slot_list_first(&list), expected[first % 256]);
            const uint32_t slot = sgl_slot_list_pop(&list, &slots);
            CU_ASSERT_EQUAL(slot, expected[first++ % 256]);
            is_used[slot] = false;
            sgl_slots_give(&slots, slot);
        }
        most = list.count > most ? list.count : most;
        CU_ASSERT_EQUAL(slots.used, list.count);
        CU_ASSERT_EQUAL(list.count, last - first);
    }
    CU_ASSERT(most > 2 * SGL_SLOTS_CHUNK);
    CU_ASSERT(slots.capacity >= most && slots.capacity < most + SGL_SLOTS_CHUNK);
    sgl_slots_release(&slots);
}

SGL_SUITE(event_queue) = {
    {"events leave in the order of time, kind, index, whatever was re-keyed or removed",
     leaves_sorted},
    {"a tournament is won by the first, of equals by the lesser number",
     tournaments_are_won_by_the_first},
    {"the queue grows with what is in it", grows_with_contents},
    {"slots in a list leave in order, are reused, and never given twice",
     slots_are_reused_and_listed_in_order},
    CU_TEST_INFO_NULL,
};
