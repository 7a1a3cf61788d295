/* The same requests twice: the second pass begins when the first is over, and finds its caches. */
#include "analysis/two_passes.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>

#define ROWS 60
#define PROMPT_IDS 8
#define MS INT64_C(1000000)

/* Six at a time, 30 ms apart, the first after 5 ms; prompts of 8 ids of 16 tokens, none alike. */
static void make(struct sgl_trace_row *rows)
{
    static uint64_t ids[ROWS][PROMPT_IDS];

    for (int i = 0; i < ROWS; i++) {
        rows[i] = sgl_row(i, 5 * MS + i / 6 * 30 * MS, 16 * PROMPT_IDS, 20 + i % 7, 100);
        for (int k = 0; k < PROMPT_IDS; k++)
            ids[i][k] = (uint64_t)i * PROMPT_IDS + (uint64_t)k + 1;
        rows[i].request.prefix_ids = ids[i];
        rows[i].request.prefix_count = PROMPT_IDS;
        rows[i].request.prefix_block = 16;
        rows[i].recorded.queue_end_ns = 0;
        rows[i].recorded.finish_ns = (i % 11 + 1) * 10 * MS;
    }
}

static void run(const char *policy, const char *model, double rate_scale, uint32_t concurrency,
                struct sgl_witness *witness)
{
    static struct sgl_trace_row rows[ROWS];
    struct sgl_memory_source first;
    struct sgl_memory_source second;
    struct sgl_simulation_totals totals;
    struct sgl_two_passes passes;
    struct sgl_test_fleet fleet;
    struct sgl_failure failure = {.text = ""};

    make(rows);
    sgl_memory_source_init(&first, rows, ROWS);
    sgl_memory_source_init(&second, rows, ROWS);
    sgl_two_passes_init(&passes, &first.source, &second.source);
    sgl_test_fleet_init(&fleet, policy, model, 3);
    sgl_witness_init(witness, 2 * ROWS);
    fleet.options.sink = &witness->sink;
    fleet.options.rate_scale = rate_scale;
    fleet.options.concurrency = concurrency;
    fleet.options.load_interval_ns = 7 * MS;
    fleet.options.pause_before = ROWS;
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &passes.source, &totals, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(totals.arrived, 2 * ROWS);
    CU_ASSERT_EQUAL(totals.succeeded, 2 * ROWS);
    CU_ASSERT_FALSE(witness->time_went_back);
    sgl_test_fleet_release(&fleet);
}

/* The pause ends in the instant in which the last answer of the first pass is there. */
static int64_t last_of_first(const struct sgl_witness *witness)
{
    int64_t last_ns = 0;

    for (int i = 0; i < ROWS; i++)
        last_ns = witness->seen[i].completed_ns > last_ns ? witness->seen[i].completed_ns : last_ns;
    return last_ns;
}

/* Round robin is back at its first worker, and recorded services remember nothing. */
static void the_same_again(void)
{
    static const double scales[] = {1, 2, 0.3};

    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        struct sgl_witness witness;
        run("round_robin", "recorded", scales[s], 0, &witness);
        const int64_t shift_ns = witness.seen[ROWS].arrival_ns - witness.seen[0].arrival_ns;
        CU_ASSERT_EQUAL(witness.seen[ROWS].arrival_ns, last_of_first(&witness));
        for (int i = 0; i < ROWS; i++) {
            const struct sgl_seen *once = &witness.seen[i];
            const struct sgl_seen *again = &witness.seen[ROWS + i];
            CU_ASSERT_EQUAL(again->arrival_ns - once->arrival_ns, shift_ns);
            CU_ASSERT_EQUAL(again->completed_ns - once->completed_ns, shift_ns);
            CU_ASSERT_EQUAL(again->worker, once->worker);
        }
        /* Workers go on reporting: about one report of each in 7 ms, in both passes. */
        CU_ASSERT_TRUE((int64_t)witness.report_count * 7 * MS > 2 * shift_ns);
        sgl_witness_release(&witness);
    }
}

static void caches_are_full(void)
{
    struct sgl_witness witness;

    run("cache_aware", "batching:kv_tokens=100000", 1, 0, &witness);
    for (int i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL(witness.seen[i].outcome.cached_tokens, 0);
        /* The last token is always computed, and with it its page. */
        CU_ASSERT_TRUE(witness.seen[ROWS + i].outcome.cached_tokens >= 16 * (PROMPT_IDS - 1));
        CU_ASSERT_EQUAL(witness.seen[ROWS + i].worker, witness.seen[i].worker);
    }
    sgl_witness_release(&witness);
}

static void closed_loops_pause_too(void)
{
    struct sgl_witness witness;

    run("least_outstanding", "recorded", 1, 4, &witness);
    CU_ASSERT_EQUAL(witness.seen[ROWS].arrival_ns, last_of_first(&witness));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(witness.seen[ROWS + i].arrival_ns, witness.seen[ROWS].arrival_ns);
    CU_ASSERT_TRUE(witness.seen[ROWS + 4].arrival_ns > witness.seen[ROWS].arrival_ns);
    sgl_witness_release(&witness);
}

SGL_SUITE(two_passes) = {
    {"a second pass begins when the first is over, and is the first again", the_same_again},
    {"the second pass finds every prompt where the first has left it", caches_are_full},
    {"a closed loop pauses, and fills up again", closed_loops_pause_too},
    CU_TEST_INFO_NULL,
};
