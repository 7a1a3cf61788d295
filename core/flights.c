#include "flights.h"

#include "failure.h"

#include <assert.h>

#define SLOTS_FIRST 64

static size_t home_of(const struct sgl_flights *flights, int64_t request, uint32_t attempt,
                      enum sgl_pool pool)
{
    uint64_t hash = (uint64_t)request * 4 + (uint64_t)pool + ((uint64_t)attempt << 40);

    hash *= UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing: the high bits are the mixed ones */
    return (size_t)(hash >> 32) & (flights->slot_count - 1);
}

struct sgl_flight *sgl_flights_find(const struct sgl_flights *flights, int64_t request,
                                    uint32_t attempt, enum sgl_pool pool)
{
    if (flights->slot_count == 0)
        return NULL;
    size_t at = home_of(flights, request, attempt, pool);
    for (; flights->slots[at].is_used; at = (at + 1) & (flights->slot_count - 1)) {
        struct sgl_flight *flight = &flights->slots[at];
        if (flight->request == request && flight->attempt == attempt && flight->pool == pool)
            return flight;
    }
    return NULL;
}

void sgl_flights_add(struct sgl_flights *flights, const struct sgl_flight *flight)
{
    assert(2 * (flights->flight_count + 1) <= flights->slot_count);
    size_t at = home_of(flights, flight->request, flight->attempt, flight->pool);
    while (flights->slots[at].is_used)
        at = (at + 1) & (flights->slot_count - 1);
    flights->slots[at] = *flight;
    flights->slots[at].is_used = true;
    flights->flight_count++;
}

int sgl_flights_reserve(struct sgl_flights *flights)
{
    if (2 * (flights->flight_count + 1) <= flights->slot_count)
        return SGL_OK;
    struct sgl_flights grown = *flights;
    grown.slot_count = flights->slot_count > 0 ? 2 * flights->slot_count : SLOTS_FIRST;
    grown.flight_count = 0;
    grown.slots = sgl_allocate(flights->allocator, grown.slot_count, sizeof *grown.slots);
    if (grown.slots == NULL)
        return SGL_ENOMEM;
    for (size_t i = 0; i < flights->slot_count; i++)
        if (flights->slots[i].is_used)
            sgl_flights_add(&grown, &flights->slots[i]);
    sgl_flights_release(flights);
    *flights = grown;
    return SGL_OK;
}

void sgl_flights_remove(struct sgl_flights *flights, struct sgl_flight *flight)
{
    const size_t mask = flights->slot_count - 1;
    size_t hole = (size_t)(flight - flights->slots);

    /* Move back whatever could not be found any more past the hole: a flight whose home does not
     * lie cyclically in (hole, its slot]. */
    for (size_t at = (hole + 1) & mask; flights->slots[at].is_used; at = (at + 1) & mask) {
        const struct sgl_flight *moved = &flights->slots[at];
        const size_t home = home_of(flights, moved->request, moved->attempt, moved->pool);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            flights->slots[hole] = *moved;
            hole = at;
        }
    }
    flights->slots[hole].is_used = false;
    flights->flight_count--;
}

void sgl_flights_release(struct sgl_flights *flights)
{
    if (flights->slots != NULL)
        sgl_resize(flights->allocator, flights->slots, 0);
    flights->slots = NULL;
    flights->slot_count = 0;
    flights->flight_count = 0;
}
