#include "sim/slots.h"

#include "core/failure.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MAX (UINT32_C(1) << 30)

uint32_t sgl_slots_next(const struct sgl_slots *slots, uint32_t slot)
{
    uint32_t next;

    memcpy(&next, sgl_slots_at(slots, slots->size, slot), sizeof next);
    return next;
}

static void set_next(struct sgl_slots *slots, uint32_t slot, uint32_t next)
{
    memcpy(sgl_slots_at(slots, slots->size, slot), &next, sizeof next);
}

bool sgl_slots_are_full(const struct sgl_slots *slots)
{
    return slots->free == 0 && slots->fresh == slots->capacity;
}

/* The directory of chunks is full when their number is a power of two, or none. */
static int grow_directory(struct sgl_slots *slots)
{
    const uint32_t count = slots->capacity / SGL_SLOTS_CHUNK;

    if ((count & (count - 1)) != 0)
        return SGL_OK;
    void **chunks = realloc(slots->chunks, (count > 0 ? 2 * count : 1) * sizeof *chunks);
    if (chunks == NULL)
        return SGL_ENOMEM;
    slots->chunks = chunks;
    return SGL_OK;
}

int sgl_slots_grow(struct sgl_slots *slots)
{
    const size_t bytes = sgl_whole_lines((size_t)SGL_SLOTS_CHUNK * slots->size);

    assert(slots->size >= sizeof(uint32_t));
    if (slots->capacity == CAPACITY_MAX || grow_directory(slots) != SGL_OK)
        return SGL_ENOMEM;
    void *chunk = aligned_alloc(SGL_CACHE_LINE, bytes);
    if (chunk == NULL)
        return SGL_ENOMEM;
    slots->chunks[slots->capacity / SGL_SLOTS_CHUNK] = chunk;
    slots->capacity += SGL_SLOTS_CHUNK;
    return SGL_OK;
}

uint32_t sgl_slots_take(struct sgl_slots *slots)
{
    assert(!sgl_slots_are_full(slots));
    const uint32_t slot = slots->free != 0 ? slots->free - 1 : slots->fresh++;

    if (slots->free != 0)
        slots->free = sgl_slots_next(slots, slot);
    set_next(slots, slot, 0);
    slots->used++;
    return slot;
}

void sgl_slots_give(struct sgl_slots *slots, uint32_t slot)
{
    assert(slots->used > 0);
    set_next(slots, slot, slots->free);
    slots->free = slot + 1;
    slots->used--;
}

void sgl_slots_release(struct sgl_slots *slots)
{
    for (uint32_t i = 0; i < slots->capacity / SGL_SLOTS_CHUNK; i++)
        free(slots->chunks[i]);
    free(slots->chunks);
    *slots = (struct sgl_slots){.size = slots->size};
}

void sgl_slot_list_push(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot)
{
    set_next(slots, slot, 0);
    if (list->last != 0)
        set_next(slots, list->last - 1, slot + 1);
    else
        list->first = slot + 1;
    list->last = slot + 1;
    list->count++;
}

void sgl_slot_list_push_first(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot)
{
    set_next(slots, slot, list->first);
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

    list->first = sgl_slots_next(slots, slot);
    if (list->first == 0)
        list->last = 0;
    list->count--;
    return slot;
}

bool sgl_slot_list_remove(struct sgl_slot_list *list, struct sgl_slots *slots, uint32_t slot)
{
    uint32_t before = 0; /* slot + 1, as all of these */

    for (uint32_t at = list->first; at != 0; before = at, at = sgl_slots_next(slots, at - 1)) {
        if (at != slot + 1)
            continue;
        const uint32_t behind = sgl_slots_next(slots, slot);
        if (before == 0)
            list->first = behind;
        else
            set_next(slots, before - 1, behind);
        if (list->last == at)
            list->last = before;
        list->count--;
        return true;
    }
    return false;
}
