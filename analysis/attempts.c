#include "attempts.h"

#include <stdlib.h>

#define SLOTS_FIRST 64

/* The request's slot, or the empty one where it belongs. */
static struct sgl_attempts_entry *slot_of(const struct sgl_attempts *attempts, int64_t request)
{
    const size_t mask = attempts->slot_count - 1;
    /* Fibonacci hashing: the high bits are the mixed ones */
    const uint64_t hash = (uint64_t)request * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & mask;

    while (attempts->slots[at].is_used && attempts->slots[at].request != request)
        at = (at + 1) & mask;
    return &attempts->slots[at];
}

struct sgl_attempts_entry *sgl_attempts_find(const struct sgl_attempts *attempts, int64_t request)
{
    if (attempts->slot_count == 0)
        return NULL;
    struct sgl_attempts_entry *entry = slot_of(attempts, request);
    return entry->is_used ? entry : NULL;
}

static bool grow(struct sgl_attempts *attempts)
{
    struct sgl_attempts grown = {.count = attempts->count};

    grown.slot_count = attempts->slot_count > 0 ? 2 * attempts->slot_count : SLOTS_FIRST;
    grown.slots = calloc(grown.slot_count, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < attempts->slot_count; i++)
        if (attempts->slots[i].is_used)
            *slot_of(&grown, attempts->slots[i].request) = attempts->slots[i];
    free(attempts->slots);
    *attempts = grown;
    return true;
}

struct sgl_attempts_entry *sgl_attempts_add(struct sgl_attempts *attempts, int64_t request)
{
    if (2 * (attempts->count + 1) > attempts->slot_count && !grow(attempts))
        return NULL;
    struct sgl_attempts_entry *entry = slot_of(attempts, request);
    *entry =
        (struct sgl_attempts_entry){.request = request, .error = SGL_NO_ERROR, .is_used = true};
    attempts->count++;
    return entry;
}

void sgl_attempts_release(struct sgl_attempts *attempts)
{
    free(attempts->slots);
    *attempts = (struct sgl_attempts){0};
}
