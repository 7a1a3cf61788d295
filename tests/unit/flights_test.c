#include "core/flights.h"

#include "core/failure.h"
#include "core/rng.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define KEYS 240
#define MANY 1000000

/* Requests are dense small numbers and multiples of a large power of two, which collide in bad
 * hashes; each is out in two attempts and in every pool. */
static int64_t key_of(uint32_t i)
{
    const uint32_t request = i / (2 * SGL_POOL_COUNT);

    return request % 2 == 0 ? (int64_t)request : (int64_t)request << 32;
}

static uint32_t attempt_of(uint32_t i)
{
    return i % 2 == 0 ? 0 : SGL_ATTEMPT_MAX;
}

static enum sgl_pool pool_of(uint32_t i)
{
    return (enum sgl_pool)(i / 2 % SGL_POOL_COUNT);
}

/* Every field as large as it may be, or nearly. */
static struct sgl_flight flight_of(uint32_t i, uint32_t step)
{
    return (struct sgl_flight){
        .request = key_of(i),
        .attempt = attempt_of(i) & SGL_ATTEMPT_MAX,
        .pool = pool_of(i) & 3,
        .worker = (SGL_FLIGHT_WORKER_MAX - i) & SGL_FLIGHT_WORKER_MAX,
        .is_trial = i % 2 == 1,
        .sent_ns = INT64_MAX - step,
        .decision_sequence = UINT64_MAX - step,
    };
}

static void check_flight(const struct sgl_flights *flights, uint32_t number, uint32_t i,
                         uint32_t step)
{
    const struct sgl_flight *is = sgl_flights_at(flights, number);
    const struct sgl_flight expected = flight_of(i, step);

    CU_ASSERT_EQUAL(is->request, expected.request);
    CU_ASSERT_EQUAL(is->attempt, expected.attempt);
    CU_ASSERT_EQUAL(is->pool, expected.pool);
    CU_ASSERT_EQUAL(is->worker, expected.worker);
    CU_ASSERT_EQUAL(is->is_trial, expected.is_trial);
    CU_ASSERT_EQUAL(is->has_first_token, step % 3 == 0);
    CU_ASSERT_EQUAL(is->sent_ns, expected.sent_ns);
    CU_ASSERT_EQUAL(is->decision_sequence, expected.decision_sequence);
}

static void agrees_with_a_list(void)
{
    struct sgl_flights flights = {0};
    bool is_in[KEYS] = {0};
    uint32_t numbers[KEYS] = {0};
    uint32_t added[KEYS] = {0}; /* in which step */
    uint32_t count = 0;
    struct sgl_rng rng = sgl_rng_stream(1, SGL_PURPOSE_ARRIVAL, 0, 0, 0);

    for (uint32_t step = 0; step < 100000; step++) {
        const uint32_t i = sgl_rng_below(&rng, KEYS);
        const uint32_t number = sgl_flights_find(&flights, key_of(i), attempt_of(i), pool_of(i));
        CU_ASSERT_EQUAL_FATAL(number != SGL_NO_FLIGHT, is_in[i]);
        /* Its number, that of a flight that has left, of another, or of none. */
        const uint32_t hints[] = {numbers[i], numbers[sgl_rng_below(&rng, KEYS)],
                                  sgl_rng_below(&rng, 2 * KEYS), UINT32_MAX};
        for (size_t h = 0; h < sizeof hints / sizeof hints[0]; h++)
            CU_ASSERT_EQUAL_FATAL(
                sgl_flights_find_at(&flights, hints[h], key_of(i), attempt_of(i), pool_of(i)),
                number);
        if (is_in[i]) {
            CU_ASSERT_EQUAL_FATAL(number, numbers[i]);
            check_flight(&flights, number, i, added[i]);
            sgl_flights_remove(&flights, number);
        } else {
            const struct sgl_flight flight = flight_of(i, step);
            CU_ASSERT_EQUAL_FATAL(sgl_flights_reserve(&flights), SGL_OK);
            numbers[i] = sgl_flights_add(&flights, &flight);
            added[i] = step;
            if (step % 3 == 0)
                sgl_flights_at(&flights, numbers[i])->has_first_token = true;
        }
        is_in[i] = !is_in[i];
        count = is_in[i] ? count + 1 : count - 1;
        CU_ASSERT_EQUAL_FATAL(flights.records.used, count);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        CU_ASSERT_EQUAL(sgl_flights_find(&flights, key_of(i), attempt_of(i), pool_of(i)) !=
                            SGL_NO_FLIGHT,
                        is_in[i]);
    sgl_flights_release(&flights);
}

/* ---- memory ----------------------------------------------------------------------------- */

/* Counts the bytes that are out, each block's size in front of it; stops giving after `left`. */
struct meter {
    size_t bytes;
    size_t most;
    size_t left; /* calls that get memory */
};

static void *meter_resize(void *context, void *memory, size_t size)
{
    struct meter *meter = context;
    size_t *block = memory != NULL ? (size_t *)memory - 2 : NULL;
    const size_t before = block != NULL ? block[0] : 0;

    if (size == 0) {
        meter->bytes -= before;
        free(block);
        return NULL;
    }
    if (meter->left == 0)
        return NULL;
    meter->left--;
    size_t *const grown = realloc(block, size + 2 * sizeof *block);
    if (grown == NULL)
        return NULL;
    block = grown;
    block[0] = size;
    meter->bytes += size - before;
    meter->most = meter->bytes > meter->most ? meter->bytes : meter->most;
    return block + 2;
}

static void grows_by_little_more_than_forty_bytes(void)
{
    struct meter meter = {.left = SIZE_MAX};
    const struct sgl_allocator allocator = {.resize = meter_resize, .context = &meter};
    struct sgl_flights flights = {.allocator = &allocator};
    uint32_t missing = 0;

    for (uint32_t i = 0; i < MANY; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_flights_reserve(&flights), SGL_OK);
        sgl_flights_add(&flights, &(struct sgl_flight){.request = i});
        /* From the first search on there are buckets. */
        CU_ASSERT_FATAL(i > 9 || sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR) == i);
        /* A chunk, its share of the directory, and the first buckets come before their flights. */
        CU_ASSERT_FATAL(meter.bytes <= (i + UINT64_C(1)) * 40 + (i / 256 + 1) * 64 + 256 * 40);
    }
    CU_ASSERT(meter.most <= (size_t)MANY * 35);
    for (uint32_t i = 0; i < MANY; i++)
        missing += sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR) != i;
    CU_ASSERT_EQUAL(missing, 0);
    sgl_flights_release(&flights);
    CU_ASSERT_EQUAL(meter.bytes, 0);
}

/* The steps of growth (buckets, directory, chunk) refused one after the other. */
static void without_memory_nothing_changes(void)
{
    struct meter meter = {0};
    const struct sgl_allocator allocator = {.resize = meter_resize, .context = &meter};
    struct sgl_flights flights = {.allocator = &allocator};
    uint32_t refused = 0;

    for (uint32_t i = 0; i < 5000; i++) {
        size_t given = 0;
        for (meter.left = 0; sgl_flights_reserve(&flights) != SGL_OK; refused++) {
            CU_ASSERT_EQUAL_FATAL(flights.records.used, i);
            CU_ASSERT_EQUAL(sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR), SGL_NO_FLIGHT);
            CU_ASSERT_EQUAL(sgl_flights_find(&flights, i / 2, 0, SGL_POOL_REGULAR),
                            i > 0 ? i / 2 : SGL_NO_FLIGHT);
            meter.left = ++given;
        }
        sgl_flights_add(&flights, &(struct sgl_flight){.request = i});
    }
    CU_ASSERT(refused > 5000 / SGL_RECORDS_CHUNK);
    for (uint32_t i = 0; i < 5000; i++)
        CU_ASSERT_EQUAL(sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR), i);
    sgl_flights_release(&flights);
    CU_ASSERT_EQUAL(meter.bytes, 0);
}

/* Some have landed when the first key is searched for; of their places some are free. */
static void who_knows_numbers_pays_for_no_search(void)
{
    struct meter meter = {.left = SIZE_MAX};
    const struct sgl_allocator allocator = {.resize = meter_resize, .context = &meter};
    struct sgl_flights flights = {.allocator = &allocator};
    uint32_t number[5000];
    bool is_out[5000];

    for (uint32_t i = 0; i < 5000; i++) {
        CU_ASSERT_EQUAL(sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR), SGL_NO_FLIGHT);
        CU_ASSERT_EQUAL_FATAL(sgl_flights_reserve(&flights), SGL_OK);
        number[i] = sgl_flights_add(&flights, &(struct sgl_flight){.request = i});
        is_out[i] = true;
        CU_ASSERT_EQUAL(sgl_flights_find_at(&flights, number[i], i, 0, SGL_POOL_REGULAR),
                        number[i]);
        const uint32_t lands = i % 1000 < 300 ? i : i / 3;
        if (is_out[lands])
            sgl_flights_remove(&flights, number[lands]);
        is_out[lands] = false;
    }
    for (uint32_t i = 1; i < 5000; i += 3) {
        if (is_out[i])
            sgl_flights_remove(&flights, number[i]);
        is_out[i] = false;
    }
    CU_ASSERT_PTR_NULL(flights.buckets);
    meter.left = 0;
    CU_ASSERT_EQUAL(sgl_flights_find(&flights, 4998, 0, SGL_POOL_REGULAR), number[4998]);
    CU_ASSERT_PTR_NULL(flights.buckets);
    meter.left = SIZE_MAX;
    for (uint32_t i = 0; i < 5000; i++) {
        CU_ASSERT_EQUAL(sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR),
                        is_out[i] ? number[i] : SGL_NO_FLIGHT);
        CU_ASSERT_EQUAL(sgl_flights_find(&flights, i, 0, SGL_POOL_DECODE), SGL_NO_FLIGHT);
    }
    CU_ASSERT_PTR_NOT_NULL(flights.buckets);
    /* Places that were free still are, and no others. */
    const uint32_t room = flights.records.fresh;
    CU_ASSERT(flights.records.used < room - 500);
    for (uint32_t i = flights.records.used; i < room; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_flights_reserve(&flights), SGL_OK);
        CU_ASSERT(sgl_flights_add(&flights, &(struct sgl_flight){.request = 5000 + i}) < room);
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < 5000 + room; i++)
        found += sgl_flights_find(&flights, i, 0, SGL_POOL_REGULAR) != SGL_NO_FLIGHT;
    CU_ASSERT_EQUAL(found, room);
    sgl_flights_release(&flights);
    CU_ASSERT_EQUAL(meter.bytes, 0);
}

SGL_SUITE(flights) = {
    {"the table agrees with a list over random scripts", agrees_with_a_list},
    {"a million flights take 40.25 bytes each at the most, at any time",
     grows_by_little_more_than_forty_bytes},
    {"without memory nothing changes", without_memory_nothing_changes},
    {"who knows numbers pays for no search", who_knows_numbers_pays_for_no_search},
    CU_TEST_INFO_NULL,
};
