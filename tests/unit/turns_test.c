/* Conversations whose turns wait for the answer before them. */
#include "analysis/turns.h"

#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define SECOND SGL_NANOSECONDS_PER_SECOND
#define ROWS_MAX 200

static struct sgl_trace_row turn(int64_t number, double arrival_s, const char *session,
                                 double finish_s)
{
    struct sgl_trace_row row = sgl_row(number, (int64_t)(arrival_s * 1e9), 10, 10, 10);

    row.request.session = session;
    row.recorded.finish_ns = finish_s > 0 ? (int64_t)(finish_s * 1e9) : SGL_ABSENT;
    return row;
}

static void run(const struct sgl_trace_row *rows, size_t count, double rate_scale,
                const char *model, bool stepwise, struct sgl_witness *witness,
                struct sgl_turns *turns)
{
    struct sgl_population *population;
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_test_fleet fleet;
    struct sgl_failure failure = {""};

    sgl_memory_source_init(&source, rows, count);
    CU_ASSERT_EQUAL_FATAL(
        sgl_population_load(&population, &source.source, SGL_POPULATION_BLOCK_NS, &failure),
        SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_turns_init(turns, population, rate_scale, &failure), SGL_OK);
    sgl_test_fleet_init(&fleet, "least_outstanding", model, 2);
    sgl_witness_init(witness, count);
    fleet.options.sink = &witness->sink;
    fleet.options.stepwise = stepwise;
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &turns->source, &totals, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(totals.succeeded, count);
    sgl_test_fleet_release(&fleet);
    sgl_turns_release(turns);
    sgl_population_destroy(population);
}

/* Answers take 2 s here, and took 1 s, 4 s or nobody knows how long there. */
static void turns_wait_for_answers(void)
{
    const struct sgl_trace_row rows[] = {
        turn(0, 0, "a", 1), turn(1, 0.5, NULL, 0), turn(2, 3, "a", 7),    turn(3, 4, "b", 0),
        turn(4, 8, "a", 0), turn(5, 9, "b", 0),    turn(6, 9.5, NULL, 0),
    };
    /* a: 0, answered at 2, thinks 3 - 1 = 2: 4, answered at 6, thinks 8 - 7 = 1: 7.
     * b: 4, answered at 6, thinks 9 - 4 = 5: 11. */
    static const double expected_s[] = {0, 0.5, 4, 4, 7, 11, 9.5};
    struct sgl_witness witness;
    struct sgl_turns turns;

    run(rows, 7, 1, "deterministic:mean_s=2,servers=8", false, &witness, &turns);
    for (int i = 0; i < 7; i++)
        CU_ASSERT_EQUAL(witness.seen[i].arrival_ns, (int64_t)(expected_s[i] * 1e9));
    sgl_witness_release(&witness);
    /* Twice the rate: first turns come sooner, people think as long. */
    run(rows, 7, 2, "deterministic:mean_s=2,servers=8", false, &witness, &turns);
    CU_ASSERT_EQUAL(witness.seen[3].arrival_ns, 2 * SECOND);
    CU_ASSERT_EQUAL(witness.seen[5].arrival_ns, (2 + 2 + 5) * SECOND);
    CU_ASSERT_EQUAL(witness.seen[6].arrival_ns, 19 * SECOND / 4);
    sgl_witness_release(&witness);
}

static void random_conversations(void)
{
    static const char *const names[] = {"a", "b", "c", "d", NULL};
    static const char *const models[] = {"batching:c_step_us=5000,c_kv_token_us=1,kv_tokens=900",
                                         "exponential:mean_s=0.1,servers=2"};

    for (int64_t world = 0; world < 100; world++) {
        struct sgl_rng draws = sgl_rng_stream(31, SGL_PURPOSE_LENGTH, 0, world, 0);
        static struct sgl_trace_row rows[ROWS_MAX];
        struct sgl_witness witness[2];
        struct sgl_turns turns;
        double now_s = 0;
        bool is_right = true;
        for (int i = 0; i < ROWS_MAX; i++) {
            now_s += 0.001 * sgl_rng_below(&draws, 100);
            rows[i] = turn(i, now_s, names[sgl_rng_below(&draws, 5)],
                           sgl_rng_below(&draws, 2) == 0
                               ? now_s + 0.001 * (1 + sgl_rng_below(&draws, 500))
                               : 0);
            rows[i].output_tokens = 1 + (int64_t)sgl_rng_below(&draws, 40);
            rows[i].request.max_tokens = 64;
        }
        for (int stepwise = 0; stepwise < 2; stepwise++)
            run(rows, ROWS_MAX, 1, models[world % 2], stepwise == 1, &witness[stepwise], &turns);
        CU_ASSERT_EQUAL(witness[0].digest, witness[1].digest);
        CU_ASSERT_FALSE(witness[0].time_went_back);
        for (int i = 0; i < ROWS_MAX; i++) {
            int before = i - 1;
            while (before >= 0 &&
                   (rows[i].request.session == NULL || rows[before].request.session == NULL ||
                    strcmp(rows[i].request.session, rows[before].request.session) != 0))
                before--;
            const struct sgl_seen *seen = witness[0].seen;
            int64_t expected_ns = rows[i].request.arrival_ns;
            if (before >= 0) {
                const int64_t finish_ns = rows[before].recorded.finish_ns;
                const int64_t think_ns =
                    expected_ns -
                    (finish_ns != SGL_ABSENT ? finish_ns : rows[before].request.arrival_ns);
                expected_ns = seen[before].completed_ns + (think_ns > 0 ? think_ns : 0);
            }
            is_right = is_right && seen[i].arrival_ns == expected_ns && seen[i].outcome_count == 1;
        }
        CU_ASSERT_TRUE(is_right);
        sgl_witness_release(&witness[0]);
        sgl_witness_release(&witness[1]);
    }
}

SGL_SUITE(turns) = {
    {"a turn comes its think time after the answer before it", turns_wait_for_answers},
    {"in random conversations every turn does, leaping or stepping", random_conversations},
    CU_TEST_INFO_NULL,
};
