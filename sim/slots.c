#include "sim/slots.h"

#include "core/failure.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_FIRST 8
#define CAPACITY_MAX (UINT32_C(1) << 30)

bool sgl_slots_are_full(const struct sgl_slots *slots)
{
    return slots->free == 0;
}

uint32_t sgl_slots_next_capacity(const struct sgl_slots *slots)
{
    if (slots->capacity == 0)
        return CAPACITY_FIRST;
    return slots->capacity < CAPACITY_MAX ? 2 * slots->capacity : 0;
}

int sgl_slots_grow(struct sgl_slots *slots)
{
    const uint32_t capacity = sgl_slots_next_capacity(slots);
    uint32_t *next = capacity > 0 ? realloc(slots->next, capacity * sizeof *next) : NULL;

    if (next == NULL)
        return SGL_ENOMEM;
    slots->next = next;
    for (uint32_t slot = capacity; slot > slots->capacity; slot--) {
        next[slot - 1] = slots->free;
        slots->free = slot;
    }
    slots->capacity = capacity;
    return SGL_OK;
}

uint32_t sgl_slots_take(struct sgl_slots *slots)
{
    assert(slots->free != 0);
    const uint32_t slot = slots->free - 1;

    slots->free = slots->next[slot];
    slots->next[slot] = 0;
    slots->used++;
    return slot;
}

void sgl_slots_give(struct sgl_slots *slots, uint32_t slot)
{
    assert(slots->used > 0);
    slots->next[slot] = slots->free;
    slots->free = slot + 1;
    slots->used--;
}

void sgl_slots_release(struct sgl_slots *slots)
{
    free(slots->next);
    *slots = (struct sgl_slots){0};
}

void sgl_slot_list_push(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot)
{
    slots->next[slot] = 0;
    if (list->last != 0)
        slots->next[list->last - 1] = slot + 1;
    else
        list->first = slot + 1;
    list->last = slot + 1;
    list->count++;
}

void sgl_slot_list_push_first(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot)
{
    slots->next[slot] = list->first;
    list->first = slot + 1;
    if (list->last == 0)
        list->last = slot + 1;
    list->count++;
}

uint32_t sgl_slot_list_first(const struct sgl_slot_list *list)
{
    assert(list->first != 0);
    return list->first - 1;
}

uint32_t sgl_slot_list_pop(struct sgl_slot_list *list, const struct sgl_slots *slots)
{
    const uint32_t slot = sgl_slot_list_first(list);

    list->first = slots->next[slot];
    if (list->first == 0)
        list->last = 0;
    list->count--;
    return slot;
}

bool sgl_slot_list_remove(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot)
{
    uint32_t before = 0; /* slot + 1, as all of these */

    for (uint32_t at = list->first; at != 0; before = at, at = slots->next[at - 1]) {
        if (at != slot + 1)
            continue;
        if (before == 0)
            list->first = slots->next[slot];
        else
            slots->next[before - 1] = slots->next[slot];
        if (list->last == at)
            list->last = before;
        list->count--;
        return true;
    }
    return false;
}
