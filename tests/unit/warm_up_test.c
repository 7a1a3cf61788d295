/* Requests of the warm-up are routed and served, and not counted. */
#include "analysis/after_warm_up.h"
#include "analysis/summary.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>

#define MS 1000000
#define ROWS 60

/* Two requests an instant, the instants 10 ms apart; request i takes (i + 1) ms, alone. */
static struct sgl_summary_result run(int64_t first, int64_t from_ns, int64_t *first_out)
{
    static struct sgl_trace_row rows[ROWS];
    const struct sgl_objectives none = {{NAN, NAN, NAN, NAN}};
    struct sgl_summary_result result;
    struct sgl_simulation_totals totals;
    struct sgl_memory_source source;
    struct sgl_test_fleet fleet;
    struct sgl_after_warm_up after;
    struct sgl_summary *summary;
    struct sgl_failure failure = {""};

    for (int i = 0; i < ROWS; i++) {
        rows[i] = sgl_row(i, i / 2 * 10 * MS, 10, 10, 10);
        rows[i].recorded.queue_end_ns = 0;
        rows[i].recorded.finish_ns = (i + 1) * (int64_t)MS;
    }
    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &none, &failure), SGL_OK);
    sgl_after_warm_up_init(&after, sgl_summary_sink(summary), first);
    after.from_ns = from_ns;
    sgl_test_fleet_init(&fleet, "round_robin", "recorded", 2);
    fleet.options.sink = &after.sink;
    sgl_memory_source_init(&source, rows, ROWS);
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure), SGL_OK);
    CU_ASSERT_EQUAL(totals.succeeded, ROWS);
    CU_ASSERT_EQUAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    uint64_t assigned = 0;
    for (uint32_t w = 0; w < result.worker_count; w++)
        assigned += result.workers[w].requests;
    CU_ASSERT_EQUAL(assigned, result.requests);
    CU_ASSERT_EQUAL(result.decisions, result.requests);
    CU_ASSERT_EQUAL(result.unfinished, 0);
    result.workers = NULL; /* the summary's */
    *first_out = after.first;
    sgl_test_fleet_release(&fleet);
    sgl_summary_destroy(summary);
    return result;
}

static void the_first_requests_are_left_out(void)
{
    static const struct {
        int64_t first;
        int64_t from_ns;
        int64_t left_out;
    } cases[] = {
        {0, 0, 0},
        {7, 0, 7},
        {0, 1, 2},            /* those of instant 0 */
        {0, 50 * MS, 10},     /* one that arrives at the time is counted */
        {0, 50 * MS + 1, 12}, /* a whole instant goes, or stays */
        {15, 50 * MS, 15},
        {5, 50 * MS, 10},
        {59, 0, 59},
        {0, 10000 * (int64_t)MS, ROWS},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t first;
        const struct sgl_summary_result result = run(cases[i].first, cases[i].from_ns, &first);
        const struct sgl_distribution *e2e = &result.metrics[SGL_METRIC_E2E];
        const double kept = (double)(ROWS - cases[i].left_out);
        CU_ASSERT_EQUAL(first, cases[i].left_out);
        CU_ASSERT_EQUAL(result.requests, (uint64_t)kept);
        CU_ASSERT_EQUAL(result.succeeded, (uint64_t)kept);
        CU_ASSERT_EQUAL(e2e->count, (uint64_t)kept);
        /* the mean of left_out + 1 ... ROWS ms */
        if (kept > 0)
            CU_ASSERT_DOUBLE_EQUAL(e2e->mean, (double)(cases[i].left_out + 1 + ROWS) / 2 * MS,
                                   1e-3);
    }
}

SGL_SUITE(warm_up) = {
    {"the first requests are left out of every figure, and served",
     the_first_requests_are_left_out},
    CU_TEST_INFO_NULL,
};
