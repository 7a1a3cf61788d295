/* Simulations of real traces. */
#include "sim_support.h"
#include "support.h"
#include "traces/open.h"

#define ROWS 19366

static struct sgl_simulation_totals simulate(const char *name, struct sgl_test_fleet *fleet,
                                             struct sgl_witness *witness)
{
    const struct sgl_trace_options options = {.path = sgl_data_file(name)};
    struct sgl_trace *trace;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};

    int status = sgl_trace_open(&trace, &options, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    fleet->options.sink = &witness->sink;
    status = sgl_simulate(&fleet->options, sgl_trace_source(trace), &totals, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    sgl_trace_close(trace);
    return totals;
}

/* 19,366 requests on four workers, by leaps and by steps. */
static void conserves(const char *model)
{
    struct sgl_test_fleet fleet;
    uint64_t digest[2];
    uint64_t steps[2];

    sgl_test_fleet_init(&fleet, "least_outstanding", model, 4);
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        struct sgl_witness witness;
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, ROWS);
        const struct sgl_simulation_totals totals =
            simulate("azure2023_conv.csv", &fleet, &witness);
        CU_ASSERT_EQUAL(totals.arrived, ROWS);
        CU_ASSERT_EQUAL(totals.succeeded, ROWS);
        CU_ASSERT_EQUAL(totals.failed, 0);
        CU_ASSERT_EQUAL(totals.cut_to_max_tokens, 0);
        digest[stepwise] = witness.digest;
        steps[stepwise] = totals.steps;
        sgl_witness_release(&witness);
    }
    CU_ASSERT_EQUAL(digest[0], digest[1]);
    CU_ASSERT_EQUAL(steps[0], steps[1]);
    CU_ASSERT_TRUE(steps[0] > 100000);
    sgl_test_fleet_release(&fleet);
}

static void azure_sglang(void)
{
    conserves("batching:kv_tokens=30000,page_size=16");
}

static void azure_vllm(void)
{
    conserves("batching:scheduler=vllm,max_running_requests=64");
}

/* A recorded run served again as recorded: what a request took is what it took then. */
static void recorded_run(void)
{
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin", "recorded", 3);
    sgl_witness_init(&witness, 1000);
    const struct sgl_simulation_totals totals =
        simulate("sglang_custom/new_test/RR_router_test_20250801_174252.csv", &fleet, &witness);
    CU_ASSERT_EQUAL(totals.succeeded, 1000);
    /* the first row of the file: 0.49013257026672363 - 0.0029709339141845703 s, and its first token
     */
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns / 1000, 487161);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.ttft_ns / 1000, 472099);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

SGL_SUITE(sim_trace) = {
    {"azure2023_conv on four SGLang workers short of memory conserves requests, leaping or not",
     azure_sglang},
    {"azure2023_conv on four vLLM workers conserves requests, leaping or not", azure_vllm},
    {"a recorded run is served as recorded", recorded_run},
    CU_TEST_INFO_NULL,
};
