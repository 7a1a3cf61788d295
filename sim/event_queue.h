/*
 * event_queue.h - what happens next: an indexed heap of four children a node, with a total order.
 *
 *     heap[]       -  -  -  0   1  2  3  4   5  6  7  8   9 ...     the first stands at place 3, so
 *                 |-- 64 bytes -|- of 0 ----|- of 1 ----|           that the four children of each
 *                                                                   share a line of the cache
 *     key          (time, kind, index); the least is first
 *
 *     position[]   item -> place in heap[], 0: none: so an item can be re-keyed or taken out
 *                  wherever it lies
 *     index[]      item -> the last part of its key, which only ties of the others look at
 *
 *     the last line of the heap is filled up with events of the end of time, so that every node
 *     that has children has four
 *
 * An item is a small number the caller gives meaning to (a worker, a pending answer); it is in the
 * queue at most once. Time is in the caller's unit. Keys of queued items must differ, then the
 * order of leaving is a function of the keys alone, whatever the order of entering. set and remove
 * cost O(log n), looking at the top O(1), and so does setting an item to the key it has.
 *
 * Memory: only reserve allocates, so set cannot fail. A zeroed struct is an empty queue.
 */
#ifndef SGL_SIM_EVENT_QUEUE_H
#define SGL_SIM_EVENT_QUEUE_H

#include "sim/heap_places.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgl_event {
    int64_t time;
    uint64_t index; /* order among events of one time and kind */
    uint32_t kind;  /* order among events of one time */
    uint32_t item;
};

/* An event in the queue. */
struct sgl_queued {
    int64_t time;
    uint32_t kind;
    uint32_t item;
};

struct sgl_event_queue {
    struct sgl_queued *heap;
    uint32_t *position;
    uint64_t *index;
    uint32_t count;
    uint32_t item_count; /* items 0 .. item_count - 1 may be queued */
};

/* Room for items 0 .. item_count - 1. SGL_ENOMEM changes nothing. */
int sgl_event_queue_reserve(struct sgl_event_queue *queue, uint32_t item_count);

/* Puts the item at this key, whether or not it is queued already. */
void sgl_event_queue_set(struct sgl_event_queue *queue, const struct sgl_event *event);

/* Takes the item out; one that is not queued is left alone. */
void sgl_event_queue_remove(struct sgl_event_queue *queue, uint32_t item);

/* The least event, or NULL. Borrowed until the next change. */
static inline const struct sgl_queued *sgl_event_queue_top(const struct sgl_event_queue *queue)
{
    return queue->count > 0 ? &queue->heap[SGL_HEAP_ROOT] : NULL;
}

void sgl_event_queue_release(struct sgl_event_queue *queue);

#endif
