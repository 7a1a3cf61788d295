/*
 * The batching model against a reference that knows no leaps, no heaps and no running sums: it
 * walks all requests at every step. Worlds are small and made to force ties.
 */
#include "engine_reference.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS 3000
#define WORLDS_VARIABLE "SGLSIM_WORLDS" /* in the environment: that many instead, for long runs */

/* Worlds beyond those that told an engine with a fault from the reference: who was sorted how
 * often, and how long somebody waited for a token. */
static const int64_t telling[] = {7976, 10674, 71429};

#define TELLING_COUNT ((int64_t)(sizeof telling / sizeof telling[0]))

/* Its client has left: what the router knows then. */
static bool is_left(const struct sgl_reference *is, const struct sgl_outcome *outcome)
{
    const bool has_token = is->first_ns != SGL_ABSENT && is->first_ns <= is->left_ns;

    return strcmp(outcome->error, "client_abort") == 0 &&
           outcome->e2e_ns == is->left_ns - is->arrival_ns &&
           outcome->ttft_ns == (has_token ? is->first_ns - is->arrival_ns : SGL_ABSENT) &&
           outcome->output_tokens == SGL_ABSENT && outcome->queue_time_ns == SGL_ABSENT;
}

/* When its outcome came, among those of others. */
static int64_t order_of(const struct sgl_reference *is)
{
    return is->left_ns != SGL_ABSENT ? is->left_order : is->finish_order;
}

static void compare(const struct sgl_reference *all, const struct sgl_seen *seen, size_t count,
                    const char *text)
{
    bool same = true;

    for (size_t i = 0; i < count; i++) {
        const struct sgl_reference *is = &all[i];
        const struct sgl_outcome *outcome = &seen[i].outcome;
        same = same && seen[i].outcome_count == 1 &&
               outcome->success == (!is->is_rejected && is->left_ns == SGL_ABSENT);
        if (is->is_rejected) {
            same = same && strcmp(outcome->error, "over_capacity") == 0 && outcome->e2e_ns == 0 &&
                   outcome->queue_time_ns == SGL_ABSENT && outcome->ttft_ns == SGL_ABSENT;
            continue;
        }
        for (size_t j = 0; j < i; j++)
            same =
                same && (all[j].is_rejected || (order_of(&all[j]) < order_of(is)) ==
                                                   (seen[j].outcome_order < seen[i].outcome_order));
        if (same && is->left_ns != SGL_ABSENT) {
            same = is_left(is, outcome);
            continue;
        }
        same = same && outcome->queue_time_ns == is->started_ns - is->arrival_ns &&
               outcome->e2e_ns == is->finish_ns - is->arrival_ns &&
               outcome->ttft_ns == (is->output > 0 ? is->first_ns - is->arrival_ns : SGL_ABSENT) &&
               outcome->output_tokens == is->output && outcome->cached_tokens == is->cached;
        same =
            same && is->arrival_ns <= is->started_ns && is->started_ns < is->finish_ns &&
            (is->output == 0 || (is->started_ns < is->first_ns && is->first_ns <= is->finish_ns));
    }
    if (!same)
        printf("\n  differs: %s\n", text);
    CU_ASSERT_TRUE(same);
}

/* Every gap is in one class, and each class says of its own what they are. */
static void compare_gaps(const struct sgl_reference_gaps *gaps, const struct sgl_witness *witness,
                         const char *text)
{
    bool same = true;
    uint64_t counted = 0;

    for (size_t c = 0; c < witness->class_count; c++) {
        const struct sgl_gap_class *class = &witness->classes[c];
        int64_t sum_ps = 0;
        int64_t longest_ns = 0;
        uint64_t count = 0;
        for (size_t i = 0; i < gaps->count; i++) {
            const int64_t length_ns = gaps->length_ps[i] / 1000;
            if (length_ns < class->from_ns || length_ns >= class->to_ns)
                continue;
            count++;
            sum_ps += gaps->length_ps[i];
            longest_ns = length_ns > longest_ns ? length_ns : longest_ns;
        }
        same = same && class->from_ns < class->to_ns && count > 0 && class->count == count &&
               class->longest_ns == longest_ns &&
               fabs(class->sum_s * 1e12 - (double)sum_ps) <= 1e-15 * (double)sum_ps &&
               (class->to_ns - class->from_ns == 1 ||
                (class->to_ns - class->from_ns) * 128 <= class->from_ns) &&
               (c == 0 || witness->classes[c - 1].to_ns <= class->from_ns);
        counted += count;
    }
    if (!same || counted != gaps->count)
        printf("\n  gaps differ: %s\n", text);
    CU_ASSERT_TRUE(same && counted == gaps->count);
}

/* In a third of the worlds clients leave: in an instant in which something happens to one of them
 * when nobody does, or a nanosecond before or after it. */
static int64_t draw_patience(const struct sgl_reference_setting *it,
                             const struct sgl_trace_row *rows, size_t count, int64_t world)
{
    static struct sgl_reference_gaps gaps;
    struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 1, world, 0);
    struct sgl_reference all[SGL_REFERENCE_REQUEST_MAX];
    struct sgl_reference_events events = {0};

    if (sgl_rng_below(&draws, 3) > 0)
        return 0;
    sgl_reference_run(it, rows, count, all, &events, &gaps);
    const struct sgl_reference *one = &all[sgl_rng_below(&draws, (uint32_t)count)];
    const int64_t times[] = {one->started_ns, one->first_ns, one->finish_ns, one->finish_ns};
    const int64_t time_ns = times[sgl_rng_below(&draws, 4)];
    if (one->is_rejected || time_ns == SGL_ABSENT)
        return 0;
    const int64_t patience_ns = time_ns - one->arrival_ns + DRAW(&draws, -1, 0, 0, 1);
    return patience_ns > 0 ? patience_ns : 1;
}

/* Or the worlds prove nothing. */
static void all_has_happened(const struct sgl_reference_events *events, int64_t worlds)
{
    CU_ASSERT_TRUE(events->hits > worlds / 4);
    CU_ASSERT_TRUE(events->evictions > worlds / 2);
    CU_ASSERT_TRUE(events->withdrawals > worlds / 8);
    CU_ASSERT_TRUE(events->refusals > worlds);
    CU_ASSERT_TRUE(events->clipped > worlds / 10);
    CU_ASSERT_TRUE(events->overtaken > worlds / 10);
    CU_ASSERT_TRUE(events->followers > worlds / 60);
    CU_ASSERT_TRUE(events->departures > worlds / 2);
    CU_ASSERT_TRUE(events->places > worlds / 60);
    CU_ASSERT_TRUE(events->spared > worlds / 100);
    CU_ASSERT_TRUE(events->answers > worlds / 30);
    CU_ASSERT_TRUE(events->kept > 0);
    CU_ASSERT_TRUE(events->shared > worlds / 60);
    CU_ASSERT_TRUE(events->resumed > worlds / 60);
    CU_ASSERT_TRUE(events->unnamed > worlds / 300);
    CU_ASSERT_TRUE(events->chunks > worlds / 60);
    CU_ASSERT_TRUE(events->left_waiting > worlds / 4);
    CU_ASSERT_TRUE(events->left_in_prefill > worlds / 60);
    CU_ASSERT_TRUE(events->left_decoding > worlds / 8);
    CU_ASSERT_TRUE(events->once_more > worlds / 60);
    CU_ASSERT_TRUE(events->left_in_plan > worlds / 300);
    CU_ASSERT_TRUE(events->overruns > worlds / 2);
    CU_ASSERT_TRUE(events->lonely > worlds / 30);
    CU_ASSERT_TRUE(events->half_done > worlds / 300);
}

static void equals_reference(void)
{
    static struct sgl_reference_gaps gaps;
    uint64_t gap_count = 0;
    const char *wanted = getenv(WORLDS_VARIABLE);
    const int64_t worlds = wanted != NULL ? strtoll(wanted, NULL, 10) : WORLDS;
    struct sgl_reference_events events = {0};

    for (int64_t i = 0; i < worlds + TELLING_COUNT; i++) {
        const int64_t world = i < worlds ? i : telling[i - worlds];
        struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 0, world, 0);
        struct sgl_reference_setting it = sgl_reference_setting(&draws);
        struct sgl_trace_row rows[SGL_REFERENCE_REQUEST_MAX];
        uint64_t ids[SGL_REFERENCE_REQUEST_MAX][SGL_REFERENCE_BLOCK_MAX];
        const size_t count = sgl_reference_rows(&draws, &it, rows, ids);
        struct sgl_reference all[SGL_REFERENCE_REQUEST_MAX];
        struct sgl_test_fleet fleet;
        uint64_t digest[2];
        uint64_t steps[2];

        struct sgl_rng turns = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 2, world, 0);
        if (i < worlds && it.kv_tokens < 1000 && sgl_rng_below(&turns, 3) == 0)
            sgl_reference_sessions(&turns, rows, count, ids);
        const int64_t patience_ns = i < worlds ? draw_patience(&it, rows, count, world) : 0;
        for (size_t j = 0; j < count; j++)
            it.patience_ns[j] = patience_ns;
        sgl_reference_run(&it, rows, count, all, &events, &gaps);
        gap_count += gaps.count;
        sgl_test_fleet_init(&fleet, "round_robin", it.text, 1);
        fleet.options.completions_report = sgl_rng_below(&draws, 2) == 0;
        fleet.options.load_interval_ns = DRAW(&draws, 0, 1000, 30000);
        fleet.options.load_delay_ns = DRAW(&draws, 0, 500, 5000);
        fleet.options.response_delay_ns = DRAW(&draws, 0, 0, 1, 700);
        fleet.options.client_timeout_ns = patience_ns;
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, count);
            fleet.options.stepwise = stepwise == 1;
            const struct sgl_simulation_totals totals =
                sgl_test_fleet_run(&fleet, rows, count, &witness);
            CU_ASSERT_FALSE(witness.time_went_back);
            if (fleet.options.response_delay_ns == 0)
                compare(all, witness.seen, count, it.text);
            compare_gaps(&gaps, &witness, it.text);
            digest[stepwise] = witness.digest;
            steps[stepwise] = totals.steps;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        CU_ASSERT_EQUAL(steps[0], steps[1]);
        sgl_test_fleet_release(&fleet);
    }
    CU_ASSERT_TRUE(gap_count > 100 * (uint64_t)worlds);
    all_has_happened(&events, worlds);
}

/* Several workers under a policy that looks at reports: a difference of a nanosecond or of the
 * order within an instant would send a request elsewhere. */
static void fleets_leap_exactly(void)
{
    static struct sgl_trace_row rows[600];
    static const char *const policies[] = {"shortest_queue", "least_outstanding", "power_of_two"};

    for (int64_t world = 0; world < 60; world++) {
        struct sgl_rng draws = sgl_rng_stream(12, SGL_PURPOSE_LENGTH, 0, world, 0);
        const struct sgl_reference_setting it = sgl_reference_setting(&draws);
        const size_t count = 100 + sgl_rng_below(&draws, 500);
        int64_t arrival_ns = 0;
        struct sgl_test_fleet fleet;
        uint64_t digest[2];

        for (size_t i = 0; i < count; i++) {
            arrival_ns += (int64_t)sgl_rng_below(&draws, 3) * DRAW(&draws, 0, 500, 40000);
            rows[i] = sgl_row((int64_t)i, arrival_ns, (int64_t)sgl_rng_below(&draws, 60),
                              (int64_t)sgl_rng_below(&draws, 30), 50);
        }
        sgl_test_fleet_init(&fleet, policies[world % 3], it.text, 1 + (uint32_t)(world % 5));
        fleet.options.completions_report = world % 2 == 0;
        fleet.options.load_interval_ns = 2000 + world;
        fleet.options.load_delay_ns = DRAW(&draws, 0, 100);
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, count);
            fleet.options.stepwise = stepwise == 1;
            sgl_test_fleet_run(&fleet, rows, count, &witness);
            digest[stepwise] = witness.digest;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        sgl_test_fleet_release(&fleet);
    }
}

/* Two requests and what they may give leave one token, which the third would fill: it waits for a
 * finish, then starts at once. */
static void memory_full_to_the_token(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 60, 4, 40), sgl_row(1, 0, 90, 2, 10),
                                         sgl_row(2, 0, 1, 1, 0)};
    const struct sgl_trace_row over[] = {sgl_row(0, 0, 201, 1, 42), sgl_row(1, 0, 160, 41, 9000)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0,kv_tokens=201,page_size=1",
                        1);
    sgl_witness_init(&witness, 3);
    sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.queue_time_ns, 0);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.queue_time_ns, 0);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.e2e_ns, 20000);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.queue_time_ns, 20000);
    /* max_tokens 0: nothing to emit, the end of its prefill is its end */
    CU_ASSERT_EQUAL(witness.seen[2].outcome.e2e_ns, 30000);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.ttft_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[2].first_token_ns, SGL_ABSENT);
    /* its prefill held the other up for a step */
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 50000);
    sgl_witness_release(&witness);

    sgl_witness_init(&witness, 2);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, over, 2, &witness);
    CU_ASSERT_EQUAL(totals.failed, 1);
    SGL_ASSERT_TEXT(witness.seen[0].outcome.error, "over_capacity");
    /* more max_tokens than there is memory are cut to it */
    CU_ASSERT_TRUE(witness.seen[1].outcome.success);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.output_tokens, 41);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

SGL_SUITE(sim_engine) = {
    {"3,000 worlds equal a reference that steps through all requests, by leaps and by steps",
     equals_reference},
    {"fleets under policies that look at reports log the same by leaps and by steps",
     fleets_leap_exactly},
    {"who could fill the last token of memory waits; who needs more than all of it is refused",
     memory_full_to_the_token},
    CU_TEST_INFO_NULL,
};
