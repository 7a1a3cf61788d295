#include "core/flights.h"

#include "core/failure.h"
#include "core/rng.h"
#include "support.h"

#include <string.h>

#define KEYS 200

/* Keys are dense small numbers and multiples of a large power of two, which collide in bad hashes.
 */
static int64_t key_of(uint32_t i)
{
    return i % 2 == 0 ? (int64_t)i : (int64_t)i << 32;
}

static void agrees_with_a_list(void)
{
    struct sgl_flights flights = {0};
    bool is_in[KEYS] = {0};
    size_t count = 0;
    struct sgl_rng rng = sgl_rng_stream(1, SGL_PURPOSE_ARRIVAL, 0, 0, 0);

    for (int step = 0; step < 100000; step++) {
        const uint32_t i = sgl_rng_below(&rng, KEYS);
        const uint32_t attempt = i % 3;
        const enum sgl_pool pool = (enum sgl_pool)(i % SGL_POOL_COUNT);
        struct sgl_flight *flight = sgl_flights_find(&flights, key_of(i), attempt, pool);
        CU_ASSERT_EQUAL_FATAL(flight != NULL, is_in[i]);
        if (flight != NULL) {
            CU_ASSERT_EQUAL(flight->worker, i);
            sgl_flights_remove(&flights, flight);
        } else {
            CU_ASSERT_EQUAL_FATAL(sgl_flights_reserve(&flights), SGL_OK);
            sgl_flights_add(
                &flights, &(struct sgl_flight){
                              .request = key_of(i), .attempt = attempt, .pool = pool, .worker = i});
        }
        is_in[i] = !is_in[i];
        count = is_in[i] ? count + 1 : count - 1;
        CU_ASSERT_EQUAL_FATAL(flights.flight_count, count);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        CU_ASSERT_EQUAL(sgl_flights_find(&flights, key_of(i), i % 3,
                                         (enum sgl_pool)(i % SGL_POOL_COUNT)) != NULL,
                        is_in[i]);
    sgl_flights_release(&flights);
}

static void *refuse(void *context, void *memory, size_t size)
{
    (void)context;
    (void)memory;
    (void)size;
    return NULL;
}

static void without_memory_nothing_changes(void)
{
    struct sgl_flights flights = {0};
    const struct sgl_allocator nothing = {.resize = refuse};

    for (uint32_t i = 0; i < 32; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_flights_reserve(&flights), SGL_OK);
        sgl_flights_add(&flights, &(struct sgl_flight){.request = i});
    }
    flights.allocator = &nothing;
    CU_ASSERT_EQUAL(sgl_flights_reserve(&flights), SGL_ENOMEM);
    flights.allocator = NULL;
    for (uint32_t i = 0; i < 32; i++)
        CU_ASSERT_PTR_NOT_NULL(sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR));
    sgl_flights_release(&flights);
}

SGL_SUITE(flights) = {
    {"the table agrees with a list over random scripts", agrees_with_a_list},
    {"without memory nothing changes", without_memory_nothing_changes},
    CU_TEST_INFO_NULL,
};
