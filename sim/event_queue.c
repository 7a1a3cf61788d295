#include "sim/event_queue.h"

#include "core/failure.h"

#include <assert.h>
#include <stdlib.h>

#define NOWHERE UINT32_MAX

/* Times seldom tie, and which is less is a coin toss: a result without a branch for it to miss. */
static inline bool is_before(const struct sgl_event *left, const struct sgl_event *right)
{
    if (left->time == right->time)
        return left->kind != right->kind ? left->kind < right->kind : left->index < right->index;
    return left->time < right->time;
}

static void place(struct sgl_event_queue *queue, uint32_t at, const struct sgl_event *event)
{
    queue->heap[at] = *event;
    queue->position[event->item] = at;
}

/* Moves the hole at `at` up, then down, to where `event` belongs, and fills it. */
static void settle(struct sgl_event_queue *queue, uint32_t at, const struct sgl_event *event)
{
    const struct sgl_event moved = *event;
    struct sgl_event *heap = queue->heap;
    const uint32_t count = queue->count;

    while (at > 0 && is_before(&moved, &heap[(at - 1) / 2])) {
        place(queue, at, &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint64_t child = 2 * (uint64_t)at + 1;
        if (child + 1 < count)
            child += is_before(&heap[child + 1], &heap[child]);
        if (child >= count || !is_before(&heap[child], &moved))
            break;
        place(queue, at, &heap[child]);
        at = (uint32_t)child;
    }
    place(queue, at, &moved);
}

int sgl_event_queue_reserve(struct sgl_event_queue *queue, uint32_t item_count)
{
    if (item_count <= queue->item_count)
        return SGL_OK;
    struct sgl_event *heap = realloc(queue->heap, item_count * sizeof *heap);
    if (heap == NULL)
        return SGL_ENOMEM;
    queue->heap = heap;
    uint32_t *position = realloc(queue->position, item_count * sizeof *position);
    if (position == NULL)
        return SGL_ENOMEM;
    queue->position = position;
    for (uint32_t i = queue->item_count; i < item_count; i++)
        position[i] = NOWHERE;
    queue->item_count = item_count;
    return SGL_OK;
}

void sgl_event_queue_set(struct sgl_event_queue *queue, const struct sgl_event *event)
{
    assert(event->item < queue->item_count);
    uint32_t at = queue->position[event->item];

    if (at == NOWHERE)
        at = queue->count++;
    settle(queue, at, event);
}

void sgl_event_queue_remove(struct sgl_event_queue *queue, uint32_t item)
{
    if (item >= queue->item_count || queue->position[item] == NOWHERE)
        return;
    const uint32_t at = queue->position[item];
    const struct sgl_event last = queue->heap[--queue->count];
    queue->position[item] = NOWHERE;
    if (last.item != item)
        settle(queue, at, &last);
}

void sgl_event_queue_release(struct sgl_event_queue *queue)
{
    free(queue->heap);
    free(queue->position);
    *queue = (struct sgl_event_queue){0};
}
