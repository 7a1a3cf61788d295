#include "id_guard.h"

#include "core/failure.h"
#include "digest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_COUNT 65536
#define CAPACITY_LEAST 256

/* Open addressing with linear probing, at most half full; keys are hashes already, so the low bits
 * choose the slot. Key 0 marks a free slot. */
struct table {
    struct entry {
        uint64_t key;
        uint64_t value;
    } * entries;
    size_t capacity; /* a power of two */
    size_t count;
};

struct sgl_id_guard {
    struct table in_use;
    struct table flying;
    bool tracks_flights;
    struct {
        uint64_t hash; /* 0: the request has no id */
        bool is_finished;
    } recent[RECENT_COUNT];
    int64_t next; /* request number */
};

/* 0 marks a free slot, so nothing hashes to it. */
static uint64_t id_hash(const char *id)
{
    struct sgl_digest digest = {0};

    sgl_digest_text(&digest, id, strlen(id));
    return digest.state != 0 ? digest.state : 1;
}

static uint64_t request_hash(int64_t request)
{
    struct sgl_digest digest = {0};

    sgl_digest_word(&digest, (uint64_t)request);
    return digest.state != 0 ? digest.state : 1;
}

/* The entry of the key, or the free one where it belongs. */
static struct entry *slot(const struct table *table, uint64_t key)
{
    size_t i = key & (table->capacity - 1);

    while (table->entries[i].key != 0 && table->entries[i].key != key)
        i = (i + 1) & (table->capacity - 1);
    return &table->entries[i];
}

static int reserve(struct table *table)
{
    if (table->count * 2 < table->capacity)
        return 0;
    struct table grown = {.capacity = table->capacity > 0 ? table->capacity * 2 : CAPACITY_LEAST,
                          .count = table->count};
    grown.entries = calloc(grown.capacity, sizeof *grown.entries);
    if (grown.entries == NULL)
        return SGL_ENOMEM;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].key != 0)
            *slot(&grown, table->entries[i].key) = table->entries[i];
    free(table->entries);
    *table = grown;
    return 0;
}

/* Empties the key's slot and moves later ones of the same run up, so that no search ends early: an
 * entry may fill the hole unless its own place lies, going round, after the hole. */
static void take_out(struct table *table, uint64_t key)
{
    const size_t mask = table->capacity - 1;
    size_t hole = (size_t)(slot(table, key) - table->entries);

    if (table->entries[hole].key == 0)
        return;
    for (size_t i = (hole + 1) & mask; table->entries[i].key != 0; i = (i + 1) & mask) {
        const size_t home = table->entries[i].key & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->entries[hole] = table->entries[i];
            hole = i;
        }
    }
    table->entries[hole].key = 0;
    table->count--;
}

struct sgl_id_guard *sgl_id_guard_create(bool tracks_flights)
{
    struct sgl_id_guard *self = calloc(1, sizeof *self);

    if (self != NULL)
        self->tracks_flights = tracks_flights;
    return self;
}

void sgl_id_guard_destroy(struct sgl_id_guard *guard)
{
    if (guard == NULL)
        return;
    free(guard->in_use.entries);
    free(guard->flying.entries);
    free(guard);
}

/* The oldest recent request leaves the window: its id is free, unless the request is in flight. */
static int retire(struct sgl_id_guard *self, int64_t request)
{
    const size_t i = (size_t)(request % RECENT_COUNT);
    const uint64_t hash = self->recent[i].hash;

    if (hash == 0)
        return 0;
    if (!self->tracks_flights || self->recent[i].is_finished) {
        take_out(&self->in_use, hash);
    } else {
        if (reserve(&self->flying) < 0)
            return SGL_ENOMEM;
        const uint64_t key = request_hash(request);
        *slot(&self->flying, key) = (struct entry){.key = key, .value = hash};
        self->flying.count++;
    }
    return 0;
}

int sgl_id_guard_add(struct sgl_id_guard *guard, int64_t request, const char *id, uint64_t position,
                     uint64_t *position_out)
{
    const uint64_t hash = id != NULL ? id_hash(id) : 0;

    assert(request == guard->next);
    if (hash != 0) {
        if (reserve(&guard->in_use) < 0)
            return SGL_ENOMEM;
        const struct entry *entry = slot(&guard->in_use, hash);
        if (entry->key != 0) {
            *position_out = entry->value;
            return 1;
        }
    }
    if (request >= RECENT_COUNT && retire(guard, request - RECENT_COUNT) < 0)
        return SGL_ENOMEM;
    if (hash != 0) {
        *slot(&guard->in_use, hash) = (struct entry){.key = hash, .value = position};
        guard->in_use.count++;
    }
    guard->recent[request % RECENT_COUNT].hash = hash;
    guard->recent[request % RECENT_COUNT].is_finished = false;
    guard->next++;
    return 0;
}

void sgl_id_guard_finished(struct sgl_id_guard *guard, int64_t request)
{
    assert(request >= 0 && request < guard->next);
    if (request >= guard->next - RECENT_COUNT) {
        guard->recent[request % RECENT_COUNT].is_finished = true;
        return;
    }
    if (guard->flying.count == 0)
        return; /* no id, or told twice */
    struct entry *entry = slot(&guard->flying, request_hash(request));
    if (entry->key == 0)
        return;
    const uint64_t hash = entry->value;
    take_out(&guard->flying, entry->key);
    take_out(&guard->in_use, hash);
}
