/* Workers that go down, come back, and slow down: the plan, and what comes of it in a run. */
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define SECOND SGL_NANOSECONDS_PER_SECOND
#define US 1000
#define MS 1000000

#define FLAT_STEPS                                                                                 \
    "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"            \
    "c_kv_token_us=0"

static struct sgl_fault down(uint32_t worker, int64_t from_ns, int64_t until_ns)
{
    return (struct sgl_fault){
        .worker = worker, .kind = SGL_FAULT_DOWN, .from_ns = from_ns, .until_ns = until_ns};
}

static struct sgl_fault slow(uint32_t worker, int64_t from_ns, int64_t until_ns, double factor)
{
    return (struct sgl_fault){.worker = worker,
                              .kind = SGL_FAULT_SLOW,
                              .from_ns = from_ns,
                              .until_ns = until_ns,
                              .factor = factor};
}

static struct sgl_fault flap(uint32_t worker, int64_t from_ns, int64_t until_ns, int64_t period_ns,
                             int64_t down_ns)
{
    return (struct sgl_fault){.worker = worker,
                              .kind = SGL_FAULT_FLAP,
                              .from_ns = from_ns,
                              .until_ns = until_ns,
                              .period_ns = period_ns,
                              .down_ns = down_ns};
}

static void must_add(struct sgl_fault_plan *plan, struct sgl_fault fault)
{
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL_FATAL(sgl_fault_plan_add(plan, &fault, &failure), SGL_OK);
}

/* ---- the plan ---- */

/* The condition, by looking at every fault: the oracle of the plan's searches. */
static struct sgl_condition condition_of(const struct sgl_fault *faults, size_t count,
                                         uint32_t worker, int64_t now_ns)
{
    struct sgl_condition condition = {.factor = 1};

    for (size_t i = 0; i < count; i++) {
        const struct sgl_fault *fault = &faults[i];
        if (fault->worker != worker || now_ns < fault->from_ns || now_ns >= fault->until_ns)
            continue;
        if (fault->kind == SGL_FAULT_SLOW)
            condition.factor = fault->factor;
        else if (fault->kind == SGL_FAULT_DOWN)
            condition.is_down = true;
        else
            condition.is_down = (now_ns - fault->from_ns) % fault->period_ns < fault->down_ns;
    }
    return condition;
}

static bool is_same(struct sgl_condition left, struct sgl_condition right)
{
    return left.is_down == right.is_down && left.factor == right.factor;
}

#define FAULT_MAX 12

/* Draws faults on a grid until some fit; what does not fit must overlap. Returns how many. */
static size_t draw_faults(struct sgl_rng *draws, uint32_t worker_count, int64_t grid_ns,
                          struct sgl_fault_plan *plan, struct sgl_fault out[static FAULT_MAX])
{
    size_t count = 0;

    for (int tries = 0; tries < FAULT_MAX; tries++) {
        const uint32_t worker = sgl_rng_below(draws, worker_count);
        const int64_t from_ns = grid_ns * (int64_t)sgl_rng_below(draws, 200);
        const int64_t until_ns = sgl_rng_below(draws, 6) == 0
                                     ? INT64_MAX
                                     : from_ns + grid_ns * (1 + (int64_t)sgl_rng_below(draws, 60));
        const int64_t parts = 2 + (int64_t)sgl_rng_below(draws, 8);
        const uint32_t kind = sgl_rng_below(draws, 3);
        const struct sgl_fault fault =
            kind == 0   ? down(worker, from_ns, until_ns)
            : kind == 1 ? slow(worker, from_ns, until_ns, sgl_rng_below(draws, 2) == 0 ? 2.5 : 0.5)
                        : flap(worker, from_ns, until_ns, parts * MS,
                               (1 + (int64_t)sgl_rng_below(draws, (uint32_t)parts - 1)) * MS);
        struct sgl_failure failure = {""};
        if (sgl_fault_plan_add(plan, &fault, &failure) == SGL_OK)
            out[count++] = fault;
        else
            SGL_ASSERT_CONTAINS(failure.text, "overlaps another of that worker");
    }
    CU_ASSERT_EQUAL(plan->count, count);
    return count;
}

static void plan_says_what_its_faults_say(void)
{
    for (int64_t world = 0; world < 200; world++) {
        struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_LENGTH, 0, world, 0);
        struct sgl_fault faults[FAULT_MAX];
        struct sgl_fault_plan plan = {0};
        const size_t count = draw_faults(&draws, 3, MS / 2, &plan, faults);
        for (uint32_t worker = 0; worker < 3; worker++) {
            struct sgl_condition condition = sgl_fault_plan_at(&plan, worker, 0);
            int64_t next_ns = sgl_fault_plan_next_ns(&plan, worker, 0);
            bool is_right = is_same(condition, condition_of(faults, count, worker, 0));
            for (int64_t t = 1; t < 160; t++) {
                const int64_t now_ns = t * MS;
                /* between two changes nothing changes */
                while (next_ns <= now_ns) {
                    const int64_t at_ns = next_ns;
                    is_right = is_right &&
                               is_same(condition, condition_of(faults, count, worker, at_ns - 1));
                    condition = sgl_fault_plan_at(&plan, worker, at_ns);
                    next_ns = sgl_fault_plan_next_ns(&plan, worker, at_ns);
                    is_right = is_right && next_ns > at_ns;
                }
                is_right =
                    is_right && is_same(condition, condition_of(faults, count, worker, now_ns));
            }
            CU_ASSERT_TRUE(is_right);
        }
        sgl_fault_plan_release(&plan);
    }
}

static void impossible_faults_are_refused(void)
{
    struct sgl_fault_plan plan = {0};
    const struct {
        struct sgl_fault fault;
        const char *text;
    } bad[] = {
        {down(0, 5, 5), "ends before it begins"},
        {down(0, -1, 5), "ends before it begins"},
        {slow(0, 0, 5, 0), "factor 0, expected 0.001 to 1e+06"},
        {slow(0, 0, 5, -2), "factor -2"},
        {slow(0, 0, 5, SGL_ABSENT_REAL), "factor nan"},
        {flap(0, 0, 5, 999999, 5), "a period of 999999 ns, expected at least 1ms"},
        {flap(0, 0, 5, MS, 0), "down for 0 of 1000000 ns"},
        {flap(0, 0, 5, MS, MS), "down for 1000000 of 1000000 ns"},
        {down(1, 19, INT64_MAX), "overlaps another of that worker"},
        {down(1, 0, 11), "overlaps another of that worker"},
        {slow(1, 12, 13, 2), "overlaps another of that worker"},
    };

    must_add(&plan, down(1, 10, 20));
    must_add(&plan, slow(1, 20, 30, 2)); /* one may begin where another ends */
    must_add(&plan, down(2, 10, 20));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sgl_failure failure = {""};
        CU_ASSERT_EQUAL(sgl_fault_plan_add(&plan, &bad[i].fault, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, bad[i].text);
    }
    CU_ASSERT_EQUAL(plan.count, 3);
    sgl_fault_plan_release(&plan);
}

/* ---- one worker ---- */

static struct sgl_simulation_totals run(struct sgl_test_fleet *fleet,
                                        const struct sgl_fault_plan *plan,
                                        const struct sgl_trace_row *rows, size_t count,
                                        struct sgl_witness *witness)
{
    fleet->options.faults = plan;
    sgl_witness_init(witness, count);
    return sgl_test_fleet_run(fleet, rows, count, witness);
}

/* Steps of 10 us; slow from 25 to 55: prefill 0-10, tokens at 20, 30 (begun before), 60, 70. */
static void steps_that_begin_slow_take_longer(void)
{
    const struct sgl_trace_row row = sgl_row(0, 0, 5, 5, 5);
    struct sgl_fault_plan plan = {0};

    must_add(&plan, slow(0, 25 * US, 55 * US, 3));
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS, 1);
        fleet.options.stepwise = stepwise == 1;
        const struct sgl_simulation_totals totals = run(&fleet, &plan, &row, 1, &witness);
        CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 70 * US);
        CU_ASSERT_EQUAL(totals.steps, 5);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    sgl_fault_plan_release(&plan);
}

/* One server of 1 s: the service that starts slow takes 4 s, the next, started well, 1 s again. */
static void services_that_start_slow_take_longer(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 1, 1), sgl_row(1, 1, 1, 1, 1),
                                         sgl_row(2, 2, 1, 1, 1)};
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    must_add(&plan, slow(0, SECOND / 2, 2 * SECOND, 4));
    sgl_test_fleet_init(&fleet, "round_robin", "deterministic:mean_s=1,servers=1", 1);
    run(&fleet, &plan, rows, 3, &witness);
    CU_ASSERT_EQUAL(witness.seen[0].completed_ns, SECOND);
    CU_ASSERT_EQUAL(witness.seen[1].completed_ns, 5 * SECOND);
    CU_ASSERT_EQUAL(witness.seen[2].completed_ns, 6 * SECOND);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

/* Finished before, lost in request order at the instant, refused while down, served when back. */
static void a_worker_that_goes_down_loses_its_requests(void)
{
    const struct sgl_trace_row rows[] = {
        sgl_row(0, 0, 5, 1, 5),       sgl_row(1, 0, 5, 50, 50),      sgl_row(2, 0, 5, 60, 60),
        sgl_row(3, 80 * US, 5, 9, 9), sgl_row(4, 100 * US, 5, 9, 9), sgl_row(5, 150 * US, 5, 9, 9),
        sgl_row(6, 200 * US, 5, 9, 9)};
    struct sgl_fault_plan plan = {0};

    must_add(&plan, down(0, 100 * US, 200 * US));
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS, 1);
        fleet.options.stepwise = stepwise == 1;
        fleet.options.response_delay_ns = 7;
        const struct sgl_simulation_totals totals = run(&fleet, &plan, rows, 7, &witness);
        const struct sgl_seen *seen = witness.seen;
        CU_ASSERT_EQUAL(totals.arrived, 7);
        CU_ASSERT_EQUAL(totals.succeeded, 2);
        CU_ASSERT_EQUAL(totals.failed, 5);
        CU_ASSERT_TRUE(seen[0].outcome.success);
        for (int i = 1; i <= 3; i++) {
            SGL_ASSERT_TEXT(seen[i].outcome.error, "worker_lost");
            CU_ASSERT_EQUAL(seen[i].completed_ns, 100 * US + 7);
            CU_ASSERT_EQUAL(seen[i].outcome.output_tokens, SGL_ABSENT);
            CU_ASSERT_TRUE(i == 1 || seen[i].outcome_order == seen[i - 1].outcome_order + 1);
        }
        CU_ASSERT_EQUAL(seen[1].first_token_ns, 10 * US + 7); /* the client saw it */
        /* who arrives in the instant of the fault meets a dead worker */
        SGL_ASSERT_TEXT(seen[4].outcome.error, "connection_refused");
        CU_ASSERT_EQUAL(seen[4].completed_ns, 100 * US + 7);
        SGL_ASSERT_TEXT(seen[5].outcome.error, "connection_refused");
        CU_ASSERT_TRUE(seen[6].outcome.success);
        CU_ASSERT_EQUAL(seen[6].completed_ns, 290 * US + 7);
        /* ten steps before the fault and nine after it */
        CU_ASSERT_EQUAL(totals.steps, 19);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    sgl_fault_plan_release(&plan);
}

static void a_worker_comes_back_with_an_empty_cache(void)
{
    uint64_t ids[] = {11, 12, 13};
    struct sgl_trace_row rows[3];
    struct sgl_fault_plan plan = {0};

    for (int i = 0; i < 3; i++) {
        rows[i] = sgl_row(i, i * SECOND, 48, 2, 2);
        rows[i].request.prefix_ids = ids;
        rows[i].request.prefix_count = 3;
        rows[i].request.prefix_block = 16;
    }
    must_add(&plan, down(0, 3 * SECOND / 2, 8 * SECOND / 5));
    for (int faulty = 0; faulty < 2; faulty++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS, 1);
        run(&fleet, faulty == 1 ? &plan : NULL, rows, 3, &witness);
        CU_ASSERT_EQUAL(witness.seen[0].outcome.cached_tokens, 0);
        CU_ASSERT_EQUAL(witness.seen[1].outcome.cached_tokens, 32);
        CU_ASSERT_EQUAL(witness.seen[2].outcome.cached_tokens, faulty == 1 ? 0 : 32);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    sgl_fault_plan_release(&plan);
}

/* ---- what the router hears ---- */

/* Probes each second: worker 0 is down from 10 s to 20 s, out after the probe at 12 s, and back
 * after the one at 21 s. Five probes tell something in a run of 30 s; no other is simulated. */
static void probes_take_it_out_and_back_in(void)
{
    static struct sgl_trace_row rows[60];
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    bool is_right = true;

    for (int i = 0; i < 60; i++)
        rows[i] = sgl_row(i, i * SECOND / 2 + 1, 5, 2, 2);
    must_add(&plan, down(0, 10 * SECOND, 20 * SECOND));
    sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS, 2);
    fleet.options.health_interval_ns = SECOND;
    const struct sgl_simulation_totals totals = run(&fleet, &plan, rows, 60, &witness);
    for (int i = 0; i < 60; i++) {
        const struct sgl_seen *seen = &witness.seen[i];
        const bool is_known_down = seen->arrival_ns > 12 * SECOND && seen->arrival_ns < 21 * SECOND;
        is_right = is_right && (!is_known_down || seen->worker == 1);
        is_right = is_right &&
                   (seen->outcome.success || (seen->worker == 0 && seen->arrival_ns > 10 * SECOND));
    }
    CU_ASSERT_TRUE(is_right);
    /* in turn, two of the four that arrive between 10 s and 12 s met the dead worker */
    CU_ASSERT_EQUAL(totals.failed, 2);
    CU_ASSERT_EQUAL(witness.probe_count, 5);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

static void all_workers_down_leaves_none_to_choose(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, SECOND, 5, 2, 2),
                                         sgl_row(1, 100 * SECOND, 5, 2, 2)};
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    must_add(&plan, down(0, 0, INT64_MAX));
    sgl_test_fleet_init(&fleet, "least_outstanding", FLAT_STEPS, 1);
    fleet.options.health_interval_ns = 10 * SECOND;
    run(&fleet, &plan, rows, 2, &witness);
    SGL_ASSERT_TEXT(witness.seen[0].outcome.error, "connection_refused");
    SGL_ASSERT_TEXT(witness.seen[1].outcome.error, "no_worker");
    CU_ASSERT_EQUAL(witness.probe_count, 3);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

/* Keeps the age of worker 0's report at the last decision. */
struct age_sink {
    struct sgl_sink sink;
    int64_t age_ns;
};

static void keep_age(struct sgl_sink *self, const struct sgl_decision *decision,
                     const struct sgl_candidate *candidates, uint32_t count)
{
    (void)decision;
    for (uint32_t i = 0; i < count; i++)
        if (candidates[i].worker == 0)
            ((struct age_sink *)self)->age_ns = candidates[i].queue_age_ns;
}

/* An idle fleet is not polled, but what a worker said last before it fell silent is known. */
static void the_last_report_before_a_fault_is_what_is_known(void)
{
    static const struct sgl_sink_ops ops = {.decision = keep_age};
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 5, 2, 2), sgl_row(1, 100 * SECOND, 5, 2, 2)};
    const struct {
        int64_t down_ns;
        int64_t until_ns;
        int64_t age_ns;
    } cases[] = {
        {111 * SECOND / 2, INT64_MAX, 45 * SECOND}, /* last report at 55 s */
        {55 * SECOND, INT64_MAX, 46 * SECOND},      /* down in the instant of the poll at 55 s */
        {111 * SECOND / 2, 70 * SECOND, 0},         /* back, and polled at 100 s */
        {200 * SECOND, INT64_MAX, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct age_sink sink = {.sink = {.ops = &ops, .wants_candidates = true}};
        struct sgl_fault_plan plan = {0};
        struct sgl_test_fleet fleet;
        struct sgl_memory_source source;
        struct sgl_simulation_totals totals;
        struct sgl_failure failure;
        must_add(&plan, down(0, cases[i].down_ns, cases[i].until_ns));
        must_add(&plan, down(1, 100 * SECOND, INT64_MAX)); /* takes no poll from worker 0 */
        sgl_test_fleet_init(&fleet, "shortest_queue", FLAT_STEPS, 2);
        fleet.options.faults = &plan;
        fleet.options.load_interval_ns = SECOND;
        fleet.options.sink = &sink.sink;
        sgl_memory_source_init(&source, rows, 2);
        CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure), SGL_OK);
        CU_ASSERT_EQUAL(sink.age_ns, cases[i].age_ns);
        sgl_test_fleet_release(&fleet);
        sgl_fault_plan_release(&plan);
    }
}

/* ---- random worlds ---- */

#define REQUESTS 60
#define WORKERS 3

static const char *const models[] = {
    "batching:c_step_us=500,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"
    "c_kv_token_us=0,kv_tokens=600",
    "batching:scheduler=vllm,c_step_us=500,c_request_us=3,c_prefill_token_us=1,"
    "c_prefill_context_us=0.1,c_kv_token_us=0.7,max_batch_tokens=64",
    "batching:chunked_prefill_size=50,c_step_us=250,c_kv_token_us=0.3,max_running_requests=4",
    "exponential:mean_s=0.02,servers=2",
};

/* Does the worker go down between the two instants, the later one included? */
static bool goes_down(const struct sgl_fault_plan *plan, uint32_t worker, int64_t after_ns,
                      int64_t until_ns)
{
    int64_t at_ns = after_ns;

    while ((at_ns = sgl_fault_plan_next_ns(plan, worker, at_ns)) <= until_ns)
        if (sgl_fault_plan_at(plan, worker, at_ns).is_down &&
            !sgl_fault_plan_at(plan, worker, at_ns - 1).is_down)
            return true;
    return false;
}

/* Each outcome must be one that the plan explains. */
static bool is_explained(const struct sgl_fault_plan *plan, const struct sgl_seen *seen,
                         int64_t delay_ns)
{
    const struct sgl_outcome *outcome = &seen->outcome;
    const int64_t ended_ns = seen->completed_ns - delay_ns;

    if (seen->outcome_count != 1)
        return false;
    if (outcome->success)
        return !sgl_fault_plan_at(plan, seen->worker, seen->arrival_ns).is_down &&
               !goes_down(plan, seen->worker, seen->arrival_ns, ended_ns - 1);
    if (strcmp(outcome->error, "worker_lost") == 0)
        return !sgl_fault_plan_at(plan, seen->worker, seen->arrival_ns).is_down &&
               goes_down(plan, seen->worker, ended_ns - 1, ended_ns) &&
               !goes_down(plan, seen->worker, seen->arrival_ns, ended_ns - 1);
    if (strcmp(outcome->error, "connection_refused") == 0)
        return sgl_fault_plan_at(plan, seen->worker, seen->arrival_ns).is_down &&
               ended_ns == seen->arrival_ns;
    return strcmp(outcome->error, "no_worker") == 0 || strcmp(outcome->error, "over_capacity") == 0;
}

static void random_worlds(void)
{
    uint64_t failed = 0;
    uint64_t succeeded = 0;
    uint64_t probes = 0;
    uint64_t ids[] = {1, 2, 3, 4, 5};

    for (int64_t world = 0; world < 400; world++) {
        struct sgl_rng draws = sgl_rng_stream(17, SGL_PURPOSE_LENGTH, 0, world, 0);
        static struct sgl_trace_row rows[REQUESTS];
        struct sgl_fault faults[FAULT_MAX];
        struct sgl_fault_plan plan = {0};
        struct sgl_test_fleet fleet;
        struct sgl_simulation_totals totals[2];
        uint64_t digest[2];
        draw_faults(&draws, WORKERS, MS / 2, &plan, faults);
        sgl_test_draw_rows(&draws, rows, REQUESTS, ids, 7);
        sgl_test_fleet_init(&fleet, world % 2 == 0 ? "least_outstanding" : "shortest_queue",
                            models[world % 4], WORKERS);
        fleet.options.completions_report = true;
        fleet.options.load_interval_ns = sgl_rng_below(&draws, 2) == 0 ? 0 : 3 * MS;
        fleet.options.load_delay_ns = (int64_t)sgl_rng_below(&draws, 3) * MS;
        fleet.options.response_delay_ns = (int64_t)sgl_rng_below(&draws, 3) * MS / 2;
        fleet.options.health_interval_ns = (int64_t)sgl_rng_below(&draws, 3) * 2 * MS;
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            bool is_right = true;
            fleet.options.stepwise = stepwise == 1;
            totals[stepwise] = run(&fleet, &plan, rows, REQUESTS, &witness);
            digest[stepwise] = witness.digest;
            for (size_t i = 0; i < REQUESTS; i++)
                is_right = is_right &&
                           is_explained(&plan, &witness.seen[i], fleet.options.response_delay_ns);
            CU_ASSERT_TRUE(is_right);
            CU_ASSERT_FALSE(witness.time_went_back);
            probes += witness.probe_count;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        totals[0].segments = totals[1].segments; /* leaps are fewer than steps */
        CU_ASSERT_EQUAL(memcmp(&totals[0], &totals[1], sizeof totals[0]), 0);
        CU_ASSERT_EQUAL(totals[0].arrived, REQUESTS);
        CU_ASSERT_EQUAL(totals[0].succeeded + totals[0].failed, REQUESTS);
        failed += totals[0].failed;
        succeeded += totals[0].succeeded;
        sgl_test_fleet_release(&fleet);
        sgl_fault_plan_release(&plan);
    }
    CU_ASSERT_TRUE(failed > 1000 && succeeded > 1000 && probes > 1000); /* of 24,000 requests */
}

SGL_SUITE(faults) = {
    {"a plan says what its faults say, at every instant", plan_says_what_its_faults_say},
    {"impossible and overlapping faults are refused", impossible_faults_are_refused},
    {"steps that begin while slow take longer", steps_that_begin_slow_take_longer},
    {"services that start while slow take longer", services_that_start_slow_take_longer},
    {"a worker that goes down loses its requests, once each and in order",
     a_worker_that_goes_down_loses_its_requests},
    {"a worker comes back with an empty prefix cache", a_worker_comes_back_with_an_empty_cache},
    {"probes take a worker out and back in; idle ones are not simulated",
     probes_take_it_out_and_back_in},
    {"with all workers known to be down there is none to choose",
     all_workers_down_leaves_none_to_choose},
    {"the last report before a fault is what is known",
     the_last_report_before_a_fault_is_what_is_known},
    {"in random worlds every outcome is explained, and leaps change nothing", random_worlds},
    CU_TEST_INFO_NULL,
};
