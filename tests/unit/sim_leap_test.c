/* Leaps where numbers are far from everyday ones. */
#include "core/rng.h"
#include "sim/models/step_cost.h"

#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

/* Step times of a fraction of a nanosecond's precision add up without drift. */
static void fractions_do_not_drift(void)
{
    const struct sgl_trace_row row = sgl_row(0, 0, 1, 1000001, 1000001);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=0.001001,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0.000003",
                        1);
    sgl_witness_init(&witness, 1);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, &row, 1, &witness);
    /* prefill 1001 ps; then a million steps of 1001 + 3 (2 + j) ps, j from 0 */
    const int64_t ps = 1001 + 1000000 * INT64_C(1007) + 3 * (INT64_C(1000000) * 999999 / 2);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, (ps + 999) / 1000);
    CU_ASSERT_EQUAL(totals.steps, 1000001);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* A leap longer than 64 bits of products allow is cut into several; one step as long is refused. */
static void very_long_leaps(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 3001, 3001),
                                         sgl_row(1, INT64_C(1500000000000001), 1, 5, 5)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    uint64_t digest[2];

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=1e9,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0.7",
                        1);
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, 2);
        sgl_test_fleet_run(&fleet, rows, 2, &witness);
        digest[stepwise] = witness.digest;
        CU_ASSERT_TRUE(witness.seen[0].outcome.e2e_ns > INT64_C(3001000000000000));
        sgl_witness_release(&witness);
    }
    CU_ASSERT_EQUAL(digest[0], digest[1]);
    sgl_test_fleet_release(&fleet);

    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};
    const struct sgl_trace_row huge = sgl_row(0, 0, 1 << 30, 1, 1);
    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_prefill_token_us=1e9,chunked_prefill_size=0", 1);
    sgl_memory_source_init(&source, &huge, 1);
    const int status = sgl_simulate(&fleet.options, &source.source, &totals, &failure);
    CU_ASSERT_EQUAL(status, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "worker http://a: an engine step of more than 1152921 s");
    sgl_test_fleet_release(&fleet);
}

/* Of any size up to 2^60, the small ones as often as the large. */
static int64_t any_size(struct sgl_rng *draws)
{
    const int64_t bits =
        ((int64_t)sgl_rng_below(draws, 1 << 30) << 30) | sgl_rng_below(draws, 1 << 30);

    return bits >> sgl_rng_below(draws, 61);
}

/* What is known to be small is not looked at closely, and is as long as what is. */
static void small_counts_change_no_step(void)
{
    int too_long = 0;
    int small = 0;

    for (int64_t world = 0; world < 50000; world++) {
        struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 0, world, 0);
        int64_t coefficients[8];
        for (int i = 0; i < 8; i++)
            coefficients[i] = any_size(&draws) >> (world % 40);
        const struct sgl_step_cost close = {
            .prefill_ps = coefficients[0],
            .decode_ps = coefficients[1],
            .request_ps = coefficients[2],
            .prefill_token_ps = coefficients[3],
            .prefill_half_pair_ps = coefficients[4],
            .kv_token_ps = coefficients[5],
            .token_ps = coefficients[6],
            .mixed_kv_token_ps = coefficients[7],
        };
        struct sgl_step_cost measured = close;
        sgl_step_cost_measure(&measured);
        struct sgl_step_load load = {
            .has_prefill = sgl_rng_below(&draws, 2) == 1,
            .has_decode = sgl_rng_below(&draws, 2) == 1,
            .requests = any_size(&draws) >> 30,
            .prefill_tokens = any_size(&draws) >> 30,
            .prefill_half_pairs = any_size(&draws) >> 10,
            .context = any_size(&draws) >> 30,
        };
        load.tokens = load.requests + load.prefill_tokens;
        const int64_t expected = sgl_step_ps(&close, &load);
        CU_ASSERT_EQUAL(sgl_step_ps(&measured, &load), expected);
        too_long += expected < 0;
        small += load.requests < measured.small_count && load.tokens < measured.small_count &&
                 load.prefill_half_pairs < measured.small_count &&
                 load.context < measured.small_count;
    }
    CU_ASSERT(too_long > 1000);
    CU_ASSERT(small > 1000);
}

#define MANY_WORKERS 80 /* states out of the cache, and flights: simulation_fetch.c */
#define MANY_ROWS 6000

/* What is fetched ahead may be of a worker that died or of a request that was given up. */
static void what_is_foreseen_may_vanish(void)
{
    static struct sgl_simulation_worker workers[MANY_WORKERS];
    static char urls[MANY_WORKERS][16];
    struct sgl_trace_row *rows = calloc(MANY_ROWS, sizeof *rows);
    struct sgl_fault_plan plan = {0};
    struct sgl_rng draws = sgl_rng_stream(12, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_test_fleet fleet;
    uint64_t digest[2];

    CU_ASSERT_PTR_NOT_NULL_FATAL(rows);
    for (int64_t i = 0; i < MANY_ROWS; i++)
        rows[i] = sgl_row(i, i * 100000, 1 + sgl_rng_below(&draws, 200),
                          1 + sgl_rng_below(&draws, 200), 256);
    sgl_test_fleet_init(&fleet, "round_robin", "batching:max_running_requests=60", 1);
    for (uint32_t w = 0; w < MANY_WORKERS; w++) {
        snprintf(urls[w], sizeof urls[w], "http://w%u", w);
        workers[w] = fleet.workers[0];
        workers[w].url = urls[w];
        const struct sgl_fault fault = {.worker = w,
                                        .kind = SGL_FAULT_DOWN,
                                        .from_ns = 7000000 * (int64_t)w,
                                        .until_ns = 7000000 * (int64_t)w + 50000000};
        CU_ASSERT_EQUAL(w % 4 == 0 ? sgl_fault_plan_add(&plan, &fault, NULL) : SGL_OK, SGL_OK);
    }
    fleet.options.workers = workers;
    fleet.options.worker_count = MANY_WORKERS;
    fleet.options.faults = &plan;
    fleet.options.client_timeout_ns = INT64_C(900000000);
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        struct sgl_witness witness;
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, MANY_ROWS);
        const struct sgl_simulation_totals totals =
            sgl_test_fleet_run(&fleet, rows, MANY_ROWS, &witness);
        CU_ASSERT(totals.succeeded > 1000 && totals.failed > 1000);
        digest[stepwise] = witness.digest;
        sgl_witness_release(&witness);
    }
    CU_ASSERT_EQUAL(digest[0], digest[1]);
    sgl_fault_plan_release(&plan);
    sgl_test_fleet_release(&fleet);
    free(rows);
}

SGL_SUITE(sim_leap) = {
    {"a step of small counts is as long as one that is looked at closely",
     small_counts_change_no_step},
    {"a million steps of fractions of a nanosecond end where their sum does",
     fractions_do_not_drift},
    {"workers that die and clients that leave change nothing for leaps, of many workers either",
     what_is_foreseen_may_vanish},
    {"leaps of weeks are cut, not wrapped; a step of weeks is an error", very_long_leaps},
    CU_TEST_INFO_NULL,
};
