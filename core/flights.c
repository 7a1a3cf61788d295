#include "flights.h"

#include "failure.h"

#include <assert.h>

#define LINE SGL_FLIGHTS_LINE
#define LINES_FIRST 4   /* a power of two */
#define LINES_MANY 4096 /* from here on chains may be twice as long: memory counts for more */
#define POOL_NONE 3     /* of a record that is free */

static_assert(SGL_POOL_COUNT <= POOL_NONE, "a pool fits in two bits, and one number is left");
static_assert(sizeof(struct sgl_flight) == 32, "a line of the processor's cache holds two");

uint32_t sgl_flights_find(const struct sgl_flights *flights, int64_t request, uint32_t attempt,
                          enum sgl_pool pool)
{
    if (flights->line_count == 0)
        return SGL_NO_FLIGHT;
    for (uint32_t at = *sgl_flights_bucket(flights, request, pool); at != 0;) {
        const struct sgl_flight *flight = sgl_flights_at(flights, at - 1);
        if (sgl_flight_is(flight, request, attempt, pool))
            return at - 1;
        at = flight->next;
    }
    return SGL_NO_FLIGHT;
}

uint32_t sgl_flights_add(struct sgl_flights *flights, const struct sgl_flight *flight)
{
    const uint32_t number = sgl_records_take(&flights->records, sizeof *flight);
    uint32_t *bucket = sgl_flights_bucket(flights, flight->request, (enum sgl_pool)flight->pool);
    struct sgl_flight *record = sgl_flights_at(flights, number);

    *record = *flight;
    record->next = *bucket;
    *bucket = number + 1;
    return number;
}

/* Twice the lines, in place. A line of buckets is split in two, and the last one first, for its
 * halves lie at or behind it. */
static int grow(struct sgl_flights *flights)
{
    const uint32_t before = flights->line_count;
    const uint32_t line_count = before > 0 ? 2 * before : LINES_FIRST;
    const size_t size = (size_t)line_count * LINE * sizeof *flights->buckets;
    uint32_t *buckets = sgl_resize(flights->allocator, flights->buckets, size);

    if (buckets == NULL)
        return SGL_ENOMEM;
    flights->buckets = buckets;
    flights->line_count = line_count;
    for (flights->line_bits = 0; line_count >> flights->line_bits > 1;)
        flights->line_bits++;
    for (uint32_t i = 0; before == 0 && i < line_count * LINE; i++)
        buckets[i] = 0;
    for (uint32_t line = before; line-- > 0;) {
        uint32_t heads[LINE];
        for (uint32_t i = 0; i < LINE; i++)
            heads[i] = buckets[line * LINE + i];
        for (uint32_t i = 0; i < 2 * LINE; i++)
            buckets[2 * line * LINE + i] = 0;
        for (uint32_t i = 0; i < LINE; i++) {
            for (uint32_t at = heads[i], next; at != 0; at = next) {
                struct sgl_flight *flight = sgl_flights_at(flights, at - 1);
                uint32_t *bucket =
                    sgl_flights_bucket(flights, flight->request, (enum sgl_pool)flight->pool);
                next = flight->next;
                flight->next = *bucket;
                *bucket = at;
            }
        }
    }
    return SGL_OK;
}

int sgl_flights_reserve(struct sgl_flights *flights)
{
    const uint64_t per_line = flights->line_count < LINES_MANY ? LINE : 2 * LINE;

    if (flights->records.used >= per_line * flights->line_count && grow(flights) != SGL_OK)
        return SGL_ENOMEM;
    return sgl_records_reserve(&flights->records, sizeof(struct sgl_flight), flights->allocator);
}

void sgl_flights_remove(struct sgl_flights *flights, uint32_t number)
{
    struct sgl_flight *flight = sgl_flights_at(flights, number);
    uint32_t *at = sgl_flights_bucket(flights, flight->request, (enum sgl_pool)flight->pool);

    while (*at != number + 1)
        at = &sgl_flights_at(flights, *at - 1)->next;
    *at = flight->next;
    flight->pool = POOL_NONE;
    sgl_records_give(&flights->records, sizeof *flight, number);
}

void sgl_flights_release(struct sgl_flights *flights)
{
    sgl_records_release(&flights->records, flights->allocator);
    if (flights->buckets != NULL)
        sgl_resize(flights->allocator, flights->buckets, 0);
    flights->buckets = NULL;
    flights->line_count = 0;
}
