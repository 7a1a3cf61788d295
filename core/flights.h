/*
 * flights.h - the requests that are out at a worker: (request, attempt, pool) -> flight.
 *
 *     records   [ packed: key, worker, times, the next one of its bucket ]        records.h
 *     buckets   [ - | 3 | - | 8 || 5 | - | - | - || ... ]      a power of two; number + 1, or 0
 *                     |       |    '-> (4) -> (9)              16 to a line: requests 16 i to
 *                     |       '-> (7)                          16 i + 15 have those of one line
 *                     '-> (2)
 *
 * A flight is a record of 32 bytes, which stays where it is, so it has a number. Who remembers that
 * number need not search: the record says whether it is still that of the key. And no flight is of
 * a request beyond all that were ever added, as that of a driver who counts them up is when it
 * comes. A driver of which both holds, as of the simulator, never searches; so the buckets are made
 * when a key is first searched for, and kept from then on. Without memory for them every record is
 * looked at instead.
 *
 * Requests that follow each other are neighbours in the buckets: who routes or completes them in
 * about that order stays within a few lines of the processor's cache. The table is never iterated
 * for what it has: no order of chains can leak into a result.
 *
 * Memory: the caller's allocator; 32 bytes a flight, 64 for each 256 of them, and 2 to 8 of the
 * buckets, which double in place. It grows to the most flights that were ever out together and
 * never shrinks. Only reserve allocates, and the first search. What is looked at for every input is
 * inline: three times a request.
 */
#ifndef SGL_CORE_FLIGHTS_H
#define SGL_CORE_FLIGHTS_H

#include "allocator.h"
#include "records.h"
#include "request.h"

#include <stdbool.h>

#define SGL_NO_FLIGHT UINT32_MAX
#define SGL_ATTEMPT_MAX 255 /* what a record has room for; retries stop long before (retry.h) */
#define SGL_FLIGHT_WORKER_MAX 0xfffff /* likewise: routers have at most 2^20 workers (limits.h) */

struct sgl_flight {
    uint32_t next; /* the table's: number + 1 of the next one of its bucket; must come first */
    unsigned int worker : 20;
    unsigned int pool : 2; /* an enum sgl_pool; of a record that is free none */
    unsigned int has_first_token : 1;
    unsigned int is_trial : 1; /* of a breaker that is half open */
    unsigned int attempt : 8;
    int64_t request;
    int64_t sent_ns;
    uint64_t decision_sequence;
};

struct sgl_flights {
    struct sgl_records records;
    uint64_t end;        /* requests from here on were never added */
    uint32_t *buckets;   /* NULL until something is searched for */
    uint32_t line_count; /* of 16 buckets; a power of two, or 0 */
    uint32_t line_bits;
    const struct sgl_allocator *allocator;
};

/* Makes sure that one more fits. SGL_OK or SGL_ENOMEM (nothing changed). */
int sgl_flights_reserve(struct sgl_flights *flights);

/* The number of the flight with that key, or SGL_NO_FLIGHT. */
uint32_t sgl_flights_search(struct sgl_flights *flights, int64_t request, uint32_t attempt,
                            enum sgl_pool pool);

/* The same. Requests are at least 0, so others are beyond all. */
static inline uint32_t sgl_flights_find(struct sgl_flights *flights, int64_t request,
                                        uint32_t attempt, enum sgl_pool pool)
{
    return (uint64_t)request < flights->end ? sgl_flights_search(flights, request, attempt, pool)
                                            : SGL_NO_FLIGHT;
}

/* A flight that is out, by its number: borrowed until it is removed. */
static inline struct sgl_flight *sgl_flights_at(const struct sgl_flights *flights, uint32_t number)
{
    return sgl_records_at(&flights->records, sizeof(struct sgl_flight), number);
}

static inline bool sgl_flight_is(const struct sgl_flight *flight, int64_t request, uint32_t attempt,
                                 enum sgl_pool pool)
{
    return flight->request == request && flight->attempt == attempt &&
           flight->pool == (unsigned)pool;
}

/* As sgl_flights_find, for a driver that may know it: `hint` is looked at first. Any number will
 * do: one that is not that of the flight costs a search. */
static inline uint32_t sgl_flights_find_at(struct sgl_flights *flights, uint32_t hint,
                                           int64_t request, uint32_t attempt, enum sgl_pool pool)
{
    if (hint < flights->records.fresh &&
        sgl_flight_is(sgl_flights_at(flights, hint), request, attempt, pool))
        return hint;
    return sgl_flights_find(flights, request, attempt, pool);
}

/* Adds a copy of a flight whose key is not there, and says its number; room must have been
 * reserved. */
uint32_t sgl_flights_add(struct sgl_flights *flights, const struct sgl_flight *flight);

/* The flight is out no more; its number may be given to another. */
void sgl_flights_remove(struct sgl_flights *flights, uint32_t number);

void sgl_flights_release(struct sgl_flights *flights);

#endif
