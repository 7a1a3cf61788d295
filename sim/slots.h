/*
 * slots.h - numbered places for things that come and go, and queues of them.
 *
 *     slot      0     1     2     3     4            the owner keeps its things in arrays
 *     next[]  [ 3 ] [ - ] [ 1 ] [ - ] [ - ]          of its own, indexed by slot
 *
 *     free  -> 4                                     a slot is in use, free, or in one list
 *     list  -> 2 -> 1                                first in, first out
 *              ^first ^last
 *
 * Slots are reused at once, the last given back first, so memory is bounded by the most that were
 * ever in use together. Only sgl_slots_grow allocates: before it is called, or when it fails,
 * nothing has changed. Zeroed structs are empty. A list does not know its slots: always pass the
 * same.
 */
#ifndef SGL_SIM_SLOTS_H
#define SGL_SIM_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct sgl_slots {
    uint32_t *next; /* slot + 1 of the one behind it; 0: none */
    uint32_t capacity;
    uint32_t free; /* slot + 1; 0: none */
    uint32_t used;
};

struct sgl_slot_list {
    uint32_t first; /* slot + 1; 0: empty */
    uint32_t last;
    uint32_t count;
};

bool sgl_slots_are_full(const struct sgl_slots *slots);

/* The capacity after the next growth: the owner brings its arrays there first. 0: no more. */
uint32_t sgl_slots_next_capacity(const struct sgl_slots *slots);
int sgl_slots_grow(struct sgl_slots *slots);

/* A free slot; there must be one. */
uint32_t sgl_slots_take(struct sgl_slots *slots);
void sgl_slots_give(struct sgl_slots *slots, uint32_t slot);
void sgl_slots_release(struct sgl_slots *slots);

void sgl_slot_list_push(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot);
void sgl_slot_list_push_first(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot);

/* The first slot, which stays; the list must not be empty. */
uint32_t sgl_slot_list_first(const struct sgl_slot_list *list);
uint32_t sgl_slot_list_pop(struct sgl_slot_list *list, const struct sgl_slots *slots);

/* Takes a slot out of the list wherever it is, by walking there. False: it is not in the list. */
bool sgl_slot_list_remove(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot);

#endif
