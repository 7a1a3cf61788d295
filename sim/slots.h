/*
 * slots.h - numbered places for things that come and go, and queues of them.
 *
 *     chunks   [ * ][ * ]               slot  0 .. 15   16 .. 31
 *                |    '-> 16 places     a chunk is got when it is wanted, and starts with a line of
 *                '-> 16 places          the processor's cache: growth moves nothing
 *
 *     place    [ next | the owner's ]   the first four bytes are the slots': slot + 1, 0: none
 *
 *     free  -> 4                        a slot is in use, free, or in one list
 *     list  -> 2 -> 1                   first in, first out
 *              ^first ^last
 *
 * Slots are reused at once, the last given back first, so memory is bounded by the most that were
 * ever in use together. Only sgl_slots_grow allocates: before it is called, or when it fails,
 * nothing has changed. A struct that is zero but for its size is empty, and so is a zeroed list. A
 * list does not know its slots: always pass the same. core/records.h is the same for what comes in
 * thousands: its chunks are larger, and it knows no lists.
 */
#ifndef SGL_SIM_SLOTS_H
#define SGL_SIM_SLOTS_H

#include "core/prefetch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_SLOTS_CHUNK 16

struct sgl_slots {
    void **chunks;
    uint32_t
        size; /* of a place, in bytes, at least 4: the owner's to set before the first growth */
    uint32_t capacity; /* a multiple of SGL_SLOTS_CHUNK */
    uint32_t fresh;    /* slots from here on were never taken */
    uint32_t free;     /* slot + 1; 0: none but those */
    uint32_t used;
};

struct sgl_slot_list {
    uint32_t first; /* slot + 1; 0: empty */
    uint32_t last;
    uint32_t count;
};

/* The place of a slot, which stays where it is; `size` is that of the slots. */
static inline void *sgl_slots_at(const struct sgl_slots *slots, size_t size, uint32_t slot)
{
    unsigned char *chunk = slots->chunks[slot / SGL_SLOTS_CHUNK];

    return chunk + slot % SGL_SLOTS_CHUNK * size;
}

bool sgl_slots_are_full(const struct sgl_slots *slots);

/* A slot will be taken soon: a hint. */
static inline void sgl_slots_fetch_free(const struct sgl_slots *slots, size_t size)
{
    if (slots->free != 0)
        sgl_prefetch(sgl_slots_at(slots, size, slots->free - 1));
}

/* SGL_SLOTS_CHUNK more. SGL_ENOMEM, or 0. */
int sgl_slots_grow(struct sgl_slots *slots);

/* A free slot; there must be one. What is in its place is undefined but for the link, 0. */
uint32_t sgl_slots_take(struct sgl_slots *slots);
void sgl_slots_give(struct sgl_slots *slots, uint32_t slot);
void sgl_slots_release(struct sgl_slots *slots);

/* The slot behind this one in its list, plus 1; 0: none. */
uint32_t sgl_slots_next(const struct sgl_slots *slots, uint32_t slot);

void sgl_slot_list_push(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot);
void sgl_slot_list_push_first(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot);

/* The first slot, which stays; the list must not be empty. */
uint32_t sgl_slot_list_first(const struct sgl_slot_list *list);
uint32_t sgl_slot_list_pop(struct sgl_slot_list *list, const struct sgl_slots *slots);

/* Takes a slot out of the list wherever it is, by walking there. False: it is not in the list. */
bool sgl_slot_list_remove(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot);

#endif
