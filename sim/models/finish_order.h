/*
 * finish_order.h - which of the running jobs ends first: a heap of four children a node.
 *
 *     entries[]    -  -  -  0   1  2  3  4   5  6  7  8   9 ...     the first stands at place 3, so
 *                 |-- 64 bytes -|- of 0 ----|- of 1 ----|           that the four children of each
 *                                                                   share a line of the cache
 *
 * The order is (last step, admission): the step whose end gives the job's last token, and of equal
 * ones who was admitted first; admissions differ. Steps are kept by their low 32 bits, which is
 * enough, for no two running jobs end 2^31 steps or more apart: an answer has at most 2^30 tokens.
 *
 * A general indexed heap (sim/event_queue.h) writes a place for every job it passes: with thousands
 * of running jobs most of those are misses of the cache. Here whoever leaves before its time (its
 * memory is taken back, its client has left) is searched for, which costs no more than choosing it
 * did.
 *
 * Memory: only reserve allocates. A zeroed struct is empty.
 */
#ifndef SGL_SIM_MODELS_FINISH_ORDER_H
#define SGL_SIM_MODELS_FINISH_ORDER_H

#include "core/prefetch.h"
#include "sim/heap_places.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct sgl_finish {
    uint64_t admission;
    uint32_t step; /* the low bits of its last */
    uint32_t job;
};

struct sgl_finish_order {
    struct sgl_finish *entries; /* NULL until there is room for one */
    uint32_t count;
    uint32_t capacity;
};

/* Room for so many jobs at a time. SGL_ENOMEM changes nothing. */
int sgl_finish_order_reserve(struct sgl_finish_order *order, uint32_t capacity);
void sgl_finish_order_release(struct sgl_finish_order *order);

/* There must be room. */
void sgl_finish_order_add(struct sgl_finish_order *order, const struct sgl_finish *finish);

/* Takes out the one at `index`, as sgl_finish_order_at() counts. */
void sgl_finish_order_remove(struct sgl_finish_order *order, uint32_t index);

/* The one at `index` < count, 0 being who ends first, the others in no order that means anything.
 * Borrowed until the next change. */
static inline const struct sgl_finish *sgl_finish_order_at(const struct sgl_finish_order *order,
                                                           uint32_t index)
{
    assert(index < order->count);
    return &order->entries[SGL_HEAP_ROOT + index];
}

/* Who ends first, and those who may be next, are looked at soon. */
static inline void sgl_finish_order_fetch(const struct sgl_finish_order *order)
{
    sgl_prefetch(&order->entries[SGL_HEAP_ROOT]);
    sgl_prefetch(&order->entries[SGL_HEAP_ROOT + 1]);
}

/* The index of a job that is there. */
uint32_t sgl_finish_order_find(const struct sgl_finish_order *order, uint32_t job);

#endif
