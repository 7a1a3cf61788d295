#include "flights.h"

#include "failure.h"

#include <assert.h>
#include <string.h>

#define LINE 16         /* buckets: 64 bytes */
#define LINES_FIRST 4   /* a power of two */
#define LINES_MANY 4096 /* from here on chains may be twice as long: memory counts for more */
#define POOL_NONE 3     /* of a record that is free */

static_assert(SGL_POOL_COUNT <= POOL_NONE, "a pool fits in two bits, and one number is left");
static_assert(sizeof(struct sgl_flight) == 32, "a line of the processor's cache holds two");

/* Where chains of that request begin. Fibonacci hashing spreads the lines of requests that follow
 * each other as evenly as can be; the high bits are the mixed ones. Attempts of a request, of which
 * one is out at a time, share a bucket. */
static uint32_t *bucket_of(const struct sgl_flights *flights, int64_t request, unsigned int pool)
{
    const uint64_t line =
        ((uint64_t)request / LINE * SGL_POOL_COUNT + pool) * UINT64_C(0x9e3779b97f4a7c15);

    return &flights->buckets[(line >> (64 - flights->line_bits)) * LINE + (uint64_t)request % LINE];
}

static void link_in(struct sgl_flights *flights, uint32_t number)
{
    struct sgl_flight *flight = sgl_flights_at(flights, number);
    uint32_t *bucket = bucket_of(flights, flight->request, flight->pool);

    flight->next = *bucket;
    *bucket = number + 1;
}

static void unlink_from(struct sgl_flights *flights, uint32_t number)
{
    const struct sgl_flight *flight = sgl_flights_at(flights, number);
    uint32_t *at = bucket_of(flights, flight->request, flight->pool);

    while (*at != number + 1)
        at = &sgl_flights_at(flights, *at - 1)->next;
    *at = flight->next;
}

/* So many lines of buckets, of which the first are those that were there. SGL_ENOMEM: nothing has
 * changed. */
static int resize(struct sgl_flights *flights, uint32_t line_count)
{
    const size_t size = (size_t)line_count * LINE * sizeof *flights->buckets;
    uint32_t *buckets = sgl_resize(flights->allocator, flights->buckets, size);

    if (buckets == NULL)
        return SGL_ENOMEM;
    flights->buckets = buckets;
    flights->line_count = line_count;
    for (flights->line_bits = 0; line_count >> flights->line_bits > 1;)
        flights->line_bits++;
    return SGL_OK;
}

/* Twice the lines, in place. A line of buckets is split in two, and the last one first, for its
 * halves lie at or behind it. */
static int grow(struct sgl_flights *flights)
{
    const uint32_t before = flights->line_count;

    if (resize(flights, 2 * before) != SGL_OK)
        return SGL_ENOMEM;
    for (uint32_t line = before; line-- > 0;) {
        uint32_t *buckets = &flights->buckets[2 * line * LINE];
        uint32_t heads[LINE];
        memcpy(heads, &flights->buckets[line * LINE], sizeof heads);
        memset(buckets, 0, 2 * sizeof heads);
        for (uint32_t i = 0; i < LINE; i++) {
            for (uint32_t at = heads[i], next; at != 0; at = next) {
                next = sgl_flights_at(flights, at - 1)->next;
                link_in(flights, at - 1);
            }
        }
    }
    return SGL_OK;
}

/* Are there too few lines of buckets for one flight more? */
static bool is_full(const struct sgl_flights *flights, uint32_t line_count)
{
    const uint64_t per_line = line_count < LINES_MANY ? LINE : 2 * LINE;

    return flights->records.used >= per_line * line_count;
}

/* Buckets for the flights that are there. */
static int make_buckets(struct sgl_flights *flights)
{
    uint32_t line_count = LINES_FIRST;

    while (is_full(flights, line_count))
        line_count *= 2;
    if (resize(flights, line_count) != SGL_OK)
        return SGL_ENOMEM;
    memset(flights->buckets, 0, (size_t)line_count * LINE * sizeof *flights->buckets);
    for (uint32_t number = 0; number < flights->records.fresh; number++)
        if (sgl_flights_at(flights, number)->pool != POOL_NONE)
            link_in(flights, number);
    return SGL_OK;
}

static uint32_t look_at_all(const struct sgl_flights *flights, int64_t request, uint32_t attempt,
                            enum sgl_pool pool)
{
    for (uint32_t number = 0; number < flights->records.fresh; number++)
        if (sgl_flight_is(sgl_flights_at(flights, number), request, attempt, pool))
            return number;
    return SGL_NO_FLIGHT;
}

uint32_t sgl_flights_search(struct sgl_flights *flights, int64_t request, uint32_t attempt,
                            enum sgl_pool pool)
{
    if (flights->buckets == NULL && make_buckets(flights) != SGL_OK)
        return look_at_all(flights, request, attempt, pool);
    for (uint32_t at = *bucket_of(flights, request, (unsigned)pool); at != 0;) {
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

    assert(flight->request >= 0);
    *sgl_flights_at(flights, number) = *flight;
    if ((uint64_t)flight->request >= flights->end)
        flights->end = (uint64_t)flight->request + 1;
    if (flights->buckets != NULL)
        link_in(flights, number);
    return number;
}

int sgl_flights_reserve(struct sgl_flights *flights)
{
    if (flights->buckets != NULL && is_full(flights, flights->line_count) &&
        grow(flights) != SGL_OK)
        return SGL_ENOMEM;
    return sgl_records_reserve(&flights->records, sizeof(struct sgl_flight), flights->allocator);
}

void sgl_flights_remove(struct sgl_flights *flights, uint32_t number)
{
    struct sgl_flight *flight = sgl_flights_at(flights, number);

    if (flights->buckets != NULL)
        unlink_from(flights, number);
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
