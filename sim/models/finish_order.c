#include "sim/models/finish_order.h"

#include "core/failure.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_before(const struct sgl_finish *left, const struct sgl_finish *right)
{
    const uint32_t ahead = right->step - left->step;

    return ahead != 0 ? ahead <= INT32_MAX : left->admission < right->admission;
}

int sgl_finish_order_reserve(struct sgl_finish_order *order, uint32_t capacity)
{
    if (capacity <= order->capacity)
        return SGL_OK;
    struct sgl_finish *entries = aligned_alloc(SGL_CACHE_LINE, sgl_heap_bytes(capacity));
    if (entries == NULL)
        return SGL_ENOMEM;
    if (order->count > 0)
        memcpy(entries + SGL_HEAP_ROOT, order->entries + SGL_HEAP_ROOT,
               order->count * sizeof *entries);
    free(order->entries);
    order->entries = entries;
    order->capacity = capacity;
    return SGL_OK;
}

void sgl_finish_order_release(struct sgl_finish_order *order)
{
    free(order->entries);
    *order = (struct sgl_finish_order){0};
}

/* Moves the hole at `place` up to where `finish` belongs, and fills it. */
static void rise(struct sgl_finish *entries, size_t place, const struct sgl_finish *finish)
{
    while (place > SGL_HEAP_ROOT && is_before(finish, &entries[sgl_heap_parent(place)])) {
        entries[place] = entries[sgl_heap_parent(place)];
        place = sgl_heap_parent(place);
    }
    entries[place] = *finish;
}

/* The place of the least child; `first` is that of the first, and `end` is behind the heap. */
static inline size_t least_child(const struct sgl_finish *entries, size_t first, size_t end)
{
    if (end - first >= SGL_HEAP_CHILDREN) {
        const size_t one = first + is_before(&entries[first + 1], &entries[first]);
        const size_t other = first + 2 + is_before(&entries[first + 3], &entries[first + 2]);
        return is_before(&entries[other], &entries[one]) ? other : one;
    }
    size_t least = first;
    for (size_t child = first + 1; child < end; child++)
        least = is_before(&entries[child], &entries[least]) ? child : least;
    return least;
}

/* Of all four from `first` on, while the least of them is searched for: in a large heap the way
 * down is out of the processor's cache. */
static inline void fetch_children(const struct sgl_finish *entries, size_t first, size_t end)
{
    const size_t below = sgl_heap_first_child(first);

    for (size_t i = 0; below < end && i < SGL_HEAP_CHILDREN; i++)
        sgl_prefetch(&entries[below + SGL_HEAP_CHILDREN * i]);
}

/* Moves the hole at `place` down to where `finish` belongs, and fills it. */
static void sink(struct sgl_finish *entries, size_t end, size_t place,
                 const struct sgl_finish *finish)
{
    for (size_t first; (first = sgl_heap_first_child(place)) < end;) {
        fetch_children(entries, first, end);
        const size_t least = least_child(entries, first, end);
        if (!is_before(&entries[least], finish))
            break;
        entries[place] = entries[least];
        place = least;
    }
    entries[place] = *finish;
}

void sgl_finish_order_add(struct sgl_finish_order *order, const struct sgl_finish *finish)
{
    assert(order->count < order->capacity);
    rise(order->entries, SGL_HEAP_ROOT + (size_t)order->count++, finish);
}

void sgl_finish_order_remove(struct sgl_finish_order *order, uint32_t index)
{
    assert(index < order->count);
    struct sgl_finish *const entries = order->entries;
    const size_t place = SGL_HEAP_ROOT + (size_t)index;
    const size_t end = SGL_HEAP_ROOT + (size_t)--order->count;

    if (place == end)
        return;
    const struct sgl_finish moved = entries[end];
    if (place > SGL_HEAP_ROOT && is_before(&moved, &entries[sgl_heap_parent(place)]))
        rise(entries, place, &moved);
    else
        sink(entries, end, place, &moved);
}

uint32_t sgl_finish_order_find(const struct sgl_finish_order *order, uint32_t job)
{
    uint32_t index = 0;

    while (sgl_finish_order_at(order, index)->job != job)
        index++;
    return index;
}
