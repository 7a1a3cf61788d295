/*
 * event_queue.h - what happens next: an indexed binary heap with a total order.
 *
 *     heap[]       0:(5,0,1)                      least key on top; children of i are 2i+1, 2i+2
 *                  /        \
 *            1:(7,1,4)    2:(5,1,3)               key = (time, kind, index)
 *              /
 *         3:(9,0,2)
 *
 *     position[]   item -> place in heap[], or none: so an item can be re-keyed or taken out
 *                  wherever it lies
 *
 * An item is a small number the caller gives meaning to (a worker, a pending answer); it is in the
 * queue at most once. Time is in the caller's unit. Keys of queued items must differ, then the
 * order of leaving is a function of the keys alone, whatever the order of entering. set and remove
 * cost O(log n), looking at the top O(1).
 *
 * Memory: only reserve allocates, so set cannot fail. A zeroed struct is an empty queue.
 */
#ifndef SGL_SIM_EVENT_QUEUE_H
#define SGL_SIM_EVENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgl_event {
    int64_t time;
    uint64_t index; /* order among events of one time and kind */
    uint32_t kind;  /* order among events of one time */
    uint32_t item;
};

struct sgl_event_queue {
    struct sgl_event *heap;
    uint32_t *position;
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
static inline const struct sgl_event *sgl_event_queue_top(const struct sgl_event_queue *queue)
{
    return queue->count > 0 ? &queue->heap[0] : NULL;
}

/* The time of the least event but one; INT64_MAX when there is none. */
static inline int64_t sgl_event_queue_second_time(const struct sgl_event_queue *queue)
{
    int64_t time = INT64_MAX;

    for (uint32_t i = 1; i < 3 && i < queue->count; i++)
        time = queue->heap[i].time < time ? queue->heap[i].time : time;
    return time;
}

void sgl_event_queue_release(struct sgl_event_queue *queue);

#endif
