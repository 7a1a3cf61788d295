/*
 * flights.h - the requests that are out at a worker: (request, attempt, pool) -> flight.
 *
 *     slots   [ - | (7,0,R) | (2,0,R) | - | - | (9,1,R) | - | - ]     a power of two, at most half
 * full \ probe to the right until the key or an empty slot
 *
 * Open addressing, linear probing; a removal shifts the run behind it back, so there are no
 * tombstones and the table does not age. It is never iterated: no hash order can leak into a
 * result. Memory: the caller's allocator; grows by doubling, never shrinks.
 */
#ifndef SGL_CORE_FLIGHTS_H
#define SGL_CORE_FLIGHTS_H

#include "allocator.h"
#include "request.h"

#include <stdbool.h>

struct sgl_flight {
    int64_t request;
    uint32_t attempt;
    enum sgl_pool pool;
    uint32_t worker;
    bool has_first_token;
    bool is_trial; /* of a breaker that is half open */
    bool is_used;  /* the slot holds a flight */
    int64_t sent_ns;
    uint64_t decision_sequence;
};

struct sgl_flights {
    struct sgl_flight *slots;
    size_t slot_count;
    size_t flight_count;
    const struct sgl_allocator *allocator;
};

/* Makes sure that one more fits. SGL_OK or SGL_ENOMEM (nothing changed). */
int sgl_flights_reserve(struct sgl_flights *flights);

/* The flight with that key, or NULL. Valid until the next add or remove. */
struct sgl_flight *sgl_flights_find(const struct sgl_flights *flights, int64_t request,
                                    uint32_t attempt, enum sgl_pool pool);

/* Adds a flight whose key is not there; room must have been reserved. */
void sgl_flights_add(struct sgl_flights *flights, const struct sgl_flight *flight);

/* Removes the flight, which sgl_flights_find returned. */
void sgl_flights_remove(struct sgl_flights *flights, struct sgl_flight *flight);

void sgl_flights_release(struct sgl_flights *flights);

#endif
