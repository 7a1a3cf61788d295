#include "core/rng.h"
#include "sim/models/finish_order.h"

#include "support.h"

#include <stdlib.h>

#define MOST 300

static uint32_t base; /* of the world: the least step anybody ends at */

static int by_end(const void *left, const void *right)
{
    const struct sgl_finish *a = left;
    const struct sgl_finish *b = right;
    const uint32_t one = a->step - base;
    const uint32_t other = b->step - base;

    if (one != other)
        return one < other ? -1 : 1;
    return a->admission < b->admission ? -1 : a->admission > b->admission;
}

/* The entries in the order in which they leave. */
static void check_order(struct sgl_finish_order *order, struct sgl_finish *expected, uint32_t count)
{
    qsort(expected, count, sizeof expected[0], by_end);
    CU_ASSERT_EQUAL_FATAL(order->count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_finish first = *sgl_finish_order_at(order, 0);
        CU_ASSERT_EQUAL(first.job, expected[i].job);
        CU_ASSERT_EQUAL(first.step, expected[i].step);
        CU_ASSERT_EQUAL(first.admission, expected[i].admission);
        CU_ASSERT_EQUAL(sgl_finish_order_find(order, first.job), 0);
        sgl_finish_order_remove(order, 0);
    }
}

/* Spreads up to the most there may be, and bases from which steps pass 2^32. */
static void leave_in_order(void)
{
    static const uint32_t spreads[] = {2, 50, 100000, UINT32_C(1) << 30};

    for (int64_t world = 0; world < 400; world++) {
        struct sgl_rng draws = sgl_rng_stream(8, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        struct sgl_finish_order order = {0};
        struct sgl_finish expected[MOST];
        uint32_t count = 0;
        const uint32_t spread = spreads[world % 4];
        const uint32_t rounds = 1 + sgl_rng_below(&draws, 3 * MOST);

        base = world % 2 == 0 ? UINT32_MAX - sgl_rng_below(&draws, 100) : 0;
        for (uint32_t round = 0; round < rounds; round++) {
            if (count > 0 && (count == MOST || sgl_rng_below(&draws, 3) == 0)) {
                const uint32_t i = sgl_rng_below(&draws, count);
                sgl_finish_order_remove(&order, sgl_finish_order_find(&order, expected[i].job));
                expected[i] = expected[--count];
                continue;
            }
            const struct sgl_finish finish = {
                .admission = UINT64_MAX - round,
                .step = base + sgl_rng_below(&draws, spread),
                .job = 7 * round,
            };
            const int status = sgl_finish_order_reserve(&order, count + 1);
            CU_ASSERT_EQUAL_FATAL(status, 0);
            expected[count++] = finish;
            sgl_finish_order_add(&order, &finish);
        }
        check_order(&order, expected, count);
        sgl_finish_order_release(&order);
    }
}

SGL_SUITE(finish_order) = {
    {"jobs leave by last step, then admission, whoever left before, also as steps pass 2^32",
     leave_in_order},
    CU_TEST_INFO_NULL,
};
