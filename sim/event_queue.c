#include "sim/event_queue.h"

#include "core/failure.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE 0

/* What fills the last line up. */
static const struct sgl_queued never = {.time = INT64_MAX, .kind = UINT32_MAX};

/* Times seldom tie, and which is less is a coin toss: a result without a branch for it to miss. */
static inline bool is_before(const struct sgl_event_queue *queue, const struct sgl_queued *left,
                             const struct sgl_queued *right)
{
    if (left->time == right->time)
        return left->kind != right->kind ? left->kind < right->kind
                                         : queue->index[left->item] < queue->index[right->item];
    return left->time < right->time;
}

/* The place of the least of four children. */
static inline size_t least_child(const struct sgl_event_queue *queue, size_t first)
{
    const struct sgl_queued *heap = queue->heap;
    const size_t one = first + is_before(queue, &heap[first + 1], &heap[first]);
    const size_t other = first + 2 + is_before(queue, &heap[first + 3], &heap[first + 2]);

    return is_before(queue, &heap[other], &heap[one]) ? other : one;
}

static inline void put(struct sgl_event_queue *queue, size_t place, const struct sgl_queued *event)
{
    queue->heap[place] = *event;
    queue->position[event->item] = (uint32_t)place;
}

/* Moves the hole at `place` up, then down, to where `event` belongs, and fills it. */
static void settle(struct sgl_event_queue *queue, size_t place, const struct sgl_queued *event)
{
    const struct sgl_queued moved = *event;
    const struct sgl_queued *heap = queue->heap;
    const size_t end = SGL_HEAP_ROOT + (size_t)queue->count;

    while (place > SGL_HEAP_ROOT && is_before(queue, &moved, &heap[sgl_heap_parent(place)])) {
        put(queue, place, &heap[sgl_heap_parent(place)]);
        place = sgl_heap_parent(place);
    }
    for (size_t first; (first = sgl_heap_first_child(place)) < end;) {
        const size_t least = least_child(queue, first);
        if (!is_before(queue, &heap[least], &moved))
            break;
        put(queue, place, &heap[least]);
        place = least;
    }
    put(queue, place, &moved);
}

int sgl_event_queue_reserve(struct sgl_event_queue *queue, uint32_t item_count)
{
    if (item_count <= queue->item_count)
        return SGL_OK;
    uint32_t *position = realloc(queue->position, item_count * sizeof *position);
    if (position == NULL)
        return SGL_ENOMEM;
    queue->position = position;
    uint64_t *index = realloc(queue->index, item_count * sizeof *index);
    if (index == NULL)
        return SGL_ENOMEM;
    queue->index = index;
    struct sgl_queued *heap = aligned_alloc(SGL_CACHE_LINE, sgl_heap_bytes(item_count));
    if (heap == NULL)
        return SGL_ENOMEM;
    if (queue->count > 0)
        memcpy(heap + SGL_HEAP_ROOT, queue->heap + SGL_HEAP_ROOT, queue->count * sizeof *heap);
    for (size_t i = SGL_HEAP_ROOT + (size_t)queue->count; i < sgl_heap_places(item_count); i++)
        heap[i] = never;
    free(queue->heap);
    queue->heap = heap;
    for (uint32_t i = queue->item_count; i < item_count; i++)
        position[i] = NOWHERE;
    queue->item_count = item_count;
    return SGL_OK;
}

void sgl_event_queue_set(struct sgl_event_queue *queue, const struct sgl_event *event)
{
    assert(event->item < queue->item_count);
    const struct sgl_queued queued = {
        .time = event->time, .kind = event->kind, .item = event->item};
    size_t place = queue->position[event->item];

    if (place == NOWHERE)
        place = SGL_HEAP_ROOT + (size_t)queue->count++;
    else if (queue->heap[place].time == event->time && queue->heap[place].kind == event->kind &&
             queue->index[event->item] == event->index)
        return;
    queue->index[event->item] = event->index;
    settle(queue, place, &queued);
}

void sgl_event_queue_remove(struct sgl_event_queue *queue, uint32_t item)
{
    if (item >= queue->item_count || queue->position[item] == NOWHERE)
        return;
    const size_t place = queue->position[item];
    struct sgl_queued *const behind = &queue->heap[SGL_HEAP_ROOT + (size_t)--queue->count];
    const struct sgl_queued last = *behind;
    *behind = never;
    queue->position[item] = NOWHERE;
    if (last.item != item)
        settle(queue, place, &last);
}

void sgl_event_queue_release(struct sgl_event_queue *queue)
{
    free(queue->heap);
    free(queue->position);
    free(queue->index);
    *queue = (struct sgl_event_queue){0};
}
