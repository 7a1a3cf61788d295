/* Who is let in to simulated workers, held to a plain list of those under way and those who wait.
 */
#include "sim_support.h"
#include "support.h"

#include "core/rng.h"

#include <stdio.h>

#define US INT64_C(1000)
#define ROWS_MAX 60
#define STEP_10US                                                                                  \
    "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"            \
    "c_kv_token_us=0"

/* ---- by hand ---------------------------------------------------------------------------- */

/*
 * One at a time, each 20 us: two wait, the third to wait is refused. The urgent one overtakes; the
 * other has waited 30 us at 33, and gives up.
 */
static void one_at_a_time(void)
{
    struct sgl_trace_row rows[] = {
        sgl_row(0, 0, 5, 2, 2),      sgl_row(1, 1 * US, 5, 2, 2),  sgl_row(2, 2 * US, 5, 2, 2),
        sgl_row(3, 3 * US, 5, 2, 2), sgl_row(4, 50 * US, 5, 2, 2),
    };
    struct sgl_admission_options admission = {.concurrency_max = 1, .queue_max = 2};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    rows[2].request.priority = SGL_PRIORITY_HIGH;
    admission.timeout_ns = 32 * US;
    sgl_test_fleet_init(&fleet, "round_robin", STEP_10US, 2);
    fleet.options.admission = &admission;
    sgl_witness_init(&witness, 5);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 5, &witness);
    CU_ASSERT_EQUAL(totals.succeeded, 3);
    CU_ASSERT_EQUAL(totals.failed, 2);
    CU_ASSERT_EQUAL(totals.rejected, 2);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 20 * US);
    /* Its wait to be let in is part of its times, not of the queue of its worker. */
    CU_ASSERT_EQUAL(witness.seen[2].outcome.queue_time_ns, 0);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.ttft_ns, 28 * US);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.e2e_ns, 38 * US);
    SGL_ASSERT_TEXT(witness.seen[1].outcome.error, "queue_timeout");
    CU_ASSERT_EQUAL(witness.seen[1].completed_ns, 33 * US);
    SGL_ASSERT_TEXT(witness.seen[3].outcome.error, "queue_full");
    CU_ASSERT_EQUAL(witness.seen[3].completed_ns, 3 * US);
    CU_ASSERT_EQUAL(witness.seen[3].outcome.e2e_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[3].outcome.prompt_tokens, 5);
    CU_ASSERT_EQUAL(witness.seen[4].outcome.e2e_ns, 20 * US);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* A place that a pair leaves is taken by the next; both legs count from the arrival. */
static void pairs_wait_too(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 5, 3, 3), sgl_row(1, 0, 5, 3, 3),
                                         sgl_row(2, 0, 5, 3, 3)};
    struct sgl_admission_options admission = {.concurrency_max = 1, .queue_max = 1};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    struct sgl_simulation_totals totals;

    admission.timeout_ns = SGL_NANOSECONDS_PER_SECOND;
    sgl_test_fleet_init(&fleet, "round_robin", STEP_10US, 2);
    fleet.workers[0].pool = SGL_POOL_PREFILL;
    fleet.workers[1].pool = SGL_POOL_DECODE;
    fleet.options.transfer =
        (struct sgl_transfer_options){.bandwidth_gbps = 1, .bytes_per_token = 1000};
    sgl_witness_init(&witness, 3);
    totals = sgl_test_fleet_run(&fleet, rows, 1, &witness);
    const int64_t alone_ns = witness.seen[0].outcome.e2e_ns;
    CU_ASSERT_EQUAL(totals.succeeded, 1);
    sgl_witness_release(&witness);
    fleet.options.admission = &admission;
    sgl_witness_init(&witness, 3);
    totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.succeeded, 2);
    CU_ASSERT_EQUAL(totals.rejected, 1);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, alone_ns);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.e2e_ns, 2 * alone_ns);
    SGL_ASSERT_TEXT(witness.seen[2].outcome.error, "queue_full");
    sgl_witness_release(&witness);
    /* One that waits when the run is cut was not answered. */
    fleet.options.until_ns = alone_ns;
    sgl_witness_init(&witness, 3);
    totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.cut_in_flight, 1);
    fleet.options.until_ns = alone_ns - 1;
    sgl_witness_release(&witness);
    sgl_witness_init(&witness, 3);
    totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.cut_in_flight, 2);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* ---- against lists ---------------------------------------------------------------------- */

enum fate { UNKNOWN, WAITS, RUNS, ENDED, FULL, LATE };

struct list {
    const struct sgl_admission_options *options;
    const struct sgl_trace_row *rows;
    size_t count;
    int64_t service_ns;
    enum fate fates[ROWS_MAX];
    int64_t in_ns[ROWS_MAX];
    bool was_rate[ROWS_MAX];
    int64_t level_ns; /* of the bucket: a token is one interval of it */
    int64_t filled_ns;
};

static int64_t counted(const struct list *list, enum fate fate)
{
    int64_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        count += list->fates[i] == fate;
    return count;
}

static void fill(struct list *list, int64_t now_ns)
{
    const int64_t most_ns = list->options->rate.interval_ns + list->options->rate.slack_ns;

    list->level_ns += now_ns - list->filled_ns;
    list->level_ns = list->level_ns < most_ns ? list->level_ns : most_ns;
    list->filled_ns = now_ns;
}

static bool has_place(const struct list *list)
{
    return list->options->concurrency_max < 0 ||
           counted(list, RUNS) < list->options->concurrency_max;
}

static bool may_run(const struct list *list)
{
    return has_place(list) && list->level_ns >= list->options->rate.interval_ns;
}

static void let_run(struct list *list, size_t i, int64_t now_ns)
{
    list->level_ns -= list->options->rate.interval_ns;
    list->fates[i] = RUNS;
    list->in_ns[i] = now_ns;
}

/* The first of those who wait with the highest priority, or `count`. */
static size_t first_of_line(const struct list *list)
{
    size_t first = list->count;

    for (size_t i = 0; i < list->count; i++)
        if (list->fates[i] == WAITS &&
            (first == list->count ||
             list->rows[i].request.priority < list->rows[first].request.priority))
            first = i;
    return first;
}

static void arrive(struct list *list, size_t i, int64_t now_ns)
{
    const size_t first = first_of_line(list);
    const bool is_behind =
        first < list->count && list->rows[first].request.priority <= list->rows[i].request.priority;

    if (may_run(list) && !is_behind) {
        let_run(list, i, now_ns);
    } else if (counted(list, WAITS) < (int64_t)list->options->queue_max) {
        list->fates[i] = WAITS;
    } else {
        list->fates[i] = FULL;
        list->was_rate[i] = has_place(list);
        list->in_ns[i] = now_ns;
    }
}

/* Every nanosecond, one after the other: ends, those who waited too long, those who may run,
 * arrivals. */
static void live_through(struct list *list)
{
    fill(list, 0);
    list->level_ns = list->options->rate.interval_ns + list->options->rate.slack_ns;
    for (int64_t now_ns = 0;
         counted(list, ENDED) + counted(list, FULL) + counted(list, LATE) < (int64_t)list->count;
         now_ns++) {
        fill(list, now_ns);
        for (size_t i = 0; i < list->count; i++)
            if (list->fates[i] == RUNS && list->in_ns[i] + list->service_ns == now_ns)
                list->fates[i] = ENDED;
        for (size_t i = 0; i < list->count; i++)
            if (list->fates[i] == WAITS &&
                list->rows[i].request.arrival_ns + list->options->timeout_ns <= now_ns) {
                list->fates[i] = LATE;
                list->in_ns[i] = now_ns;
            }
        for (size_t i = first_of_line(list); i < list->count && may_run(list);
             i = first_of_line(list))
            let_run(list, i, now_ns);
        for (size_t i = 0; i < list->count; i++)
            if (list->fates[i] == UNKNOWN && list->rows[i].request.arrival_ns == now_ns)
                arrive(list, i, now_ns);
    }
}

static int64_t draw(struct sgl_rng *draws, int64_t from, int64_t to)
{
    return from + (int64_t)sgl_rng_below(draws, (uint32_t)(to - from + 1));
}

static void compare(const struct list *list, const struct sgl_witness *witness)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct sgl_seen *seen = &witness->seen[i];
        const int64_t arrival_ns = list->rows[i].request.arrival_ns;
        CU_ASSERT_EQUAL_FATAL(seen->outcome_count, 1);
        CU_ASSERT_EQUAL(seen->outcome.success, list->fates[i] == ENDED);
        if (list->fates[i] == ENDED) {
            CU_ASSERT_EQUAL(seen->outcome.e2e_ns, list->in_ns[i] + list->service_ns - arrival_ns);
            continue;
        }
        CU_ASSERT_EQUAL(seen->completed_ns, list->in_ns[i]);
        SGL_ASSERT_TEXT(seen->outcome.error, list->fates[i] == LATE ? "queue_timeout"
                                             : list->was_rate[i]    ? "rate_limited"
                                                                    : "queue_full");
    }
}

static void equals_lists(void)
{
    int64_t fates[LATE + 1] = {0};
    int64_t rate_limited = 0;

    for (int64_t world = 0; world < 300; world++) {
        struct sgl_rng draws = sgl_rng_stream(31, SGL_PURPOSE_LENGTH, 0, world, 0);
        struct sgl_trace_row rows[ROWS_MAX];
        const bool has_rate = sgl_rng_below(&draws, 2) == 0;
        const struct sgl_admission_options admission = {
            .concurrency_max = sgl_rng_below(&draws, 4) == 0 ? -1 : draw(&draws, 1, 4),
            .queue_max = (uint32_t)draw(&draws, 0, 6),
            .timeout_ns = draw(&draws, 1, 60),
            .rate = {.interval_ns = has_rate ? draw(&draws, 1, 12) : 0,
                     .slack_ns = has_rate ? draw(&draws, 0, 30) : 0},
        };
        struct list list = {.options = &admission,
                            .rows = rows,
                            .count = (size_t)draw(&draws, 1, ROWS_MAX),
                            .service_ns = draw(&draws, 1, 20)};
        int64_t arrival_ns = 0;
        char model[80];

        for (size_t i = 0; i < list.count; i++) {
            arrival_ns += draw(&draws, 0, 2) * draw(&draws, 0, 6);
            rows[i] = sgl_row((int64_t)i, arrival_ns, 5, 2, 2);
            rows[i].request.priority = (enum sgl_priority)sgl_rng_below(&draws, SGL_PRIORITY_COUNT);
        }
        live_through(&list);
        snprintf(model, sizeof model, "deterministic:mean_s=%.9f,servers=1000",
                 (double)list.service_ns / 1e9);
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        sgl_test_fleet_init(&fleet, "round_robin", model, 2);
        fleet.options.admission = &admission;
        sgl_witness_init(&witness, list.count);
        const struct sgl_simulation_totals totals =
            sgl_test_fleet_run(&fleet, rows, list.count, &witness);
        CU_ASSERT_FALSE(witness.time_went_back);
        compare(&list, &witness);
        CU_ASSERT_EQUAL(totals.rejected, (uint64_t)(counted(&list, FULL) + counted(&list, LATE)));
        for (size_t i = 0; i < list.count; i++) {
            fates[list.fates[i]]++;
            rate_limited += list.was_rate[i];
        }
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    /* or the worlds prove nothing */
    CU_ASSERT_TRUE(fates[ENDED] > 2000 && fates[FULL] > 1000 && fates[LATE] > 100);
    CU_ASSERT_TRUE(rate_limited > 100);
}

/* Engines, with everything else that can wait: leaps and steps log the same. */
static void leaps_let_in_exactly(void)
{
    static struct sgl_trace_row rows[400];
    uint64_t rejected = 0;

    for (int64_t world = 0; world < 40; world++) {
        struct sgl_rng draws = sgl_rng_stream(32, SGL_PURPOSE_LENGTH, 0, world, 0);
        const struct sgl_admission_options admission = {
            .concurrency_max = draw(&draws, 1, 12),
            .queue_max = (uint32_t)draw(&draws, 0, 30),
            .timeout_ns = draw(&draws, 1, 3000) * US,
        };
        struct sgl_test_fleet fleet;
        uint64_t digest[2];
        int64_t arrival_ns = 0;

        for (size_t i = 0; i < 400; i++) {
            arrival_ns += draw(&draws, 0, 2) * draw(&draws, 0, 40) * US;
            rows[i] = sgl_row((int64_t)i, arrival_ns, draw(&draws, 0, 60), draw(&draws, 0, 30), 50);
        }
        sgl_test_fleet_init(&fleet, "least_outstanding", STEP_10US ",kv_tokens=300", 3);
        fleet.options.admission = &admission;
        fleet.options.response_delay_ns = draw(&draws, 0, 1) * 1500;
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, 400);
            fleet.options.stepwise = stepwise == 1;
            rejected += sgl_test_fleet_run(&fleet, rows, 400, &witness).rejected;
            digest[stepwise] = witness.digest;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        sgl_test_fleet_release(&fleet);
    }
    CU_ASSERT_TRUE(rejected > 100);
}

SGL_SUITE(sim_admission) = {
    {"a place at a time: the urgent overtake, who waited too long and who finds no room is refused",
     one_at_a_time},
    {"pairs are let in as one request, and count from their arrival", pairs_wait_too},
    {"300 worlds equal plain lists of who is under way, who waits, and what the bucket holds",
     equals_lists},
    {"admission logs the same by leaps and by steps", leaps_let_in_exactly},
    CU_TEST_INFO_NULL,
};
