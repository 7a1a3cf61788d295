/* Requests of two legs: computed by a prefill worker, answered by a decode worker. */
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define US 1000
#define MS 1000000
#define REQUESTS 60
#define WORKERS 5 /* two that prefill, three that decode */

/* Both outcomes of each request, what the router heard, and how much was out at once. */
struct pair {
    int outcomes[SGL_POOL_COUNT];
    struct sgl_outcome leg[SGL_POOL_COUNT];
    int64_t ended_ns[SGL_POOL_COUNT];
    int64_t arrival_ns;
    int64_t first_token_ns;
    int first_tokens;
    bool is_rejected;
};

struct pair_witness {
    struct sgl_sink sink;
    struct sgl_witness witness; /* for its digest */
    struct pair pairs[REQUESTS];
};

static void hear_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct pair_witness *witness = (struct pair_witness *)self;
    struct pair *pair = &witness->pairs[input->request];

    witness->witness.sink.ops->input(&witness->witness.sink, sequence, input);
    if (input->kind == SGL_INPUT_ROUTE)
        pair->arrival_ns = input->now_ns;
    if (input->kind == SGL_INPUT_FIRST_TOKEN) {
        CU_ASSERT_EQUAL(input->pool, SGL_POOL_DECODE);
        pair->first_token_ns = input->now_ns;
        pair->first_tokens++;
    }
    if (input->kind == SGL_INPUT_REJECT)
        pair->is_rejected = true;
}

static void hear_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct pair_witness *witness = (struct pair_witness *)self;

    witness->witness.sink.ops->decision(&witness->witness.sink, decision, candidates,
                                        candidate_count);
}

static void hear_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    struct pair_witness *witness = (struct pair_witness *)self;
    struct pair *pair = &witness->pairs[record->request];

    pair->outcomes[record->pool]++;
    pair->leg[record->pool] = *record->outcome;
    pair->ended_ns[record->pool] = record->now_ns;
}

static void init(struct pair_witness *witness)
{
    static const struct sgl_sink_ops ops = {
        .input = hear_input, .decision = hear_decision, .outcome = hear_outcome};

    memset(witness, 0, sizeof *witness);
    sgl_witness_init(&witness->witness, REQUESTS);
    witness->sink = (struct sgl_sink){.ops = &ops, .wants_candidates = true};
}

/* The first `prefill_count` workers prefill, the rest decode. */
static void pair_up(struct sgl_test_fleet *fleet, uint32_t prefill_count)
{
    for (uint32_t w = 0; w < fleet->options.worker_count; w++)
        fleet->workers[w].pool = w < prefill_count ? SGL_POOL_PREFILL : SGL_POOL_DECODE;
    fleet->options.transfer = (struct sgl_transfer_options){
        .latency_us = 100, .bandwidth_gbps = 1, .bytes_per_token = 1000}; /* 1 us a token */
}

static void run(struct sgl_test_fleet *fleet, const struct sgl_trace_row *rows, size_t row_count,
                struct pair_witness *witness)
{
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};

    init(witness);
    sgl_memory_source_init(&source, rows, row_count);
    fleet->options.sink = &witness->sink;
    CU_ASSERT_EQUAL(sgl_simulate(&fleet->options, &source.source, &totals, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(totals.arrived, row_count);
}

#define FLAT_STEPS                                                                                 \
    "batching:c_step_us=1000,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"          \
    "c_kv_token_us=0"

/* One step for the prompt, 100 us + 1 us a token for its memory, a step for each further token. */
static void legs_follow_each_other(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 400, 5, 10), sgl_row(1, 0, 300, 1, 10),
                                         sgl_row(2, 10 * MS, 200, 0, 10)};
    struct pair_witness witness;
    struct sgl_test_fleet fleet;

    sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS, 2);
    pair_up(&fleet, 1);
    run(&fleet, rows, 3, &witness);
    const struct pair *first = &witness.pairs[0];
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_PREFILL].e2e_ns, 1000 * US + 500 * US);
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_PREFILL].output_tokens, 1);
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_PREFILL].ttft_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(first->first_token_ns, 1500 * US);
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_DECODE].ttft_ns, 1500 * US);
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_DECODE].e2e_ns, 1500 * US + 4 * 1000 * US);
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_DECODE].output_tokens, 5);
    CU_ASSERT_EQUAL(first->leg[SGL_POOL_DECODE].queue_time_ns, 0);
    /* Prefilled in the same step; its memory waits for the wire; it joins when a step ends. */
    const struct pair *second = &witness.pairs[1];
    CU_ASSERT_EQUAL(second->leg[SGL_POOL_PREFILL].e2e_ns, (1500 + 400) * US);
    CU_ASSERT_EQUAL(second->leg[SGL_POOL_DECODE].queue_time_ns, 600 * US);
    CU_ASSERT_EQUAL(second->leg[SGL_POOL_DECODE].ttft_ns, 2500 * US);
    CU_ASSERT_EQUAL(second->leg[SGL_POOL_DECODE].e2e_ns, 2500 * US);
    /* Nothing to say: no first token. */
    const struct pair *third = &witness.pairs[2];
    CU_ASSERT_EQUAL(third->first_tokens, 0);
    CU_ASSERT_EQUAL(third->leg[SGL_POOL_DECODE].e2e_ns, 1000 * US + 300 * US);
    CU_ASSERT_EQUAL(third->leg[SGL_POOL_DECODE].output_tokens, 0);
    sgl_witness_release(&witness.witness);
    sgl_test_fleet_release(&fleet);
}

/* 600 tokens of memory: the second prompt of 400 can only begin when the first has left. */
static void memory_is_held_until_it_has_arrived(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 400, 3, 10), sgl_row(1, 0, 400, 3, 10)};
    struct pair_witness witness;
    struct sgl_test_fleet fleet;

    sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS ",kv_tokens=600", 3);
    pair_up(&fleet, 1);
    run(&fleet, rows, 2, &witness);
    CU_ASSERT_EQUAL(witness.pairs[0].leg[SGL_POOL_PREFILL].e2e_ns, 1500 * US);
    CU_ASSERT_EQUAL(witness.pairs[1].leg[SGL_POOL_PREFILL].queue_time_ns, 1500 * US);
    CU_ASSERT_EQUAL(witness.pairs[1].leg[SGL_POOL_PREFILL].e2e_ns, 3000 * US);
    sgl_witness_release(&witness.witness);
    sgl_test_fleet_release(&fleet);
}

static void must_add(struct sgl_fault_plan *plan, uint32_t worker, int64_t from_ns,
                     int64_t until_ns)
{
    struct sgl_failure failure = {""};
    const struct sgl_fault fault = {
        .worker = worker, .kind = SGL_FAULT_DOWN, .from_ns = from_ns, .until_ns = until_ns};

    CU_ASSERT_EQUAL_FATAL(sgl_fault_plan_add(plan, &fault, &failure), SGL_OK);
}

/* Worker 0 prefills, worker 1 decodes. When one dies, only it is blamed, and the other is free. */
static void a_lost_leg_cancels_the_other(void)
{
    static const struct {
        uint32_t worker;
        int64_t at_ns;
        enum sgl_pool lost;
        const char *error;
        bool is_other_cancelled;
    } cases[] = {
        {0, 500 * US, SGL_POOL_PREFILL, "worker_lost", true},
        {0, 1200 * US, SGL_POOL_PREFILL, "worker_lost", true}, /* on the wire */
        {1, 500 * US, SGL_POOL_DECODE, "worker_lost", true},
        {1, 1200 * US, SGL_POOL_DECODE, "worker_lost", true},
        {1, 2200 * US, SGL_POOL_DECODE, "worker_lost", false}, /* the other has done its part */
        {0, 0, SGL_POOL_PREFILL, "connection_refused", true},
        {1, 0, SGL_POOL_DECODE, "connection_refused", true},
    };
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 400, 5, 10), sgl_row(1, 20 * MS, 10, 2, 10)};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const enum sgl_pool other =
            cases[i].lost == SGL_POOL_PREFILL ? SGL_POOL_DECODE : SGL_POOL_PREFILL;
        struct sgl_fault_plan plan = {0};
        struct pair_witness witness;
        struct sgl_test_fleet fleet;
        sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS ",kv_tokens=1000", 2);
        pair_up(&fleet, 1);
        must_add(&plan, cases[i].worker, cases[i].at_ns, 10 * MS);
        fleet.options.faults = &plan;
        run(&fleet, rows, 2, &witness);
        const struct pair *pair = &witness.pairs[0];
        CU_ASSERT_EQUAL(pair->outcomes[SGL_POOL_PREFILL], 1);
        CU_ASSERT_EQUAL(pair->outcomes[SGL_POOL_DECODE], 1);
        SGL_ASSERT_TEXT(pair->leg[cases[i].lost].error, cases[i].error);
        CU_ASSERT_EQUAL(pair->leg[other].success, !cases[i].is_other_cancelled);
        if (cases[i].is_other_cancelled)
            SGL_ASSERT_TEXT(pair->leg[other].error, "pair_lost");
        CU_ASSERT_TRUE(witness.pairs[1].leg[SGL_POOL_DECODE].success);
        CU_ASSERT_EQUAL(witness.pairs[1].leg[SGL_POOL_DECODE].e2e_ns, 1000 * US + 110 * US + MS);
        sgl_witness_release(&witness.witness);
        sgl_test_fleet_release(&fleet);
        sgl_fault_plan_release(&plan);
    }
}

/* The run is cut while the prefill worker still computes for a client who has had the failure of
 * the other leg: a worker that is busy, and no request that is missing. */
static void a_cut_finds_a_cancelled_leg_under_way(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 400, 5, 10)};
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;

    sgl_test_fleet_init(&fleet, "round_robin", FLAT_STEPS ",kv_tokens=1000", 2);
    pair_up(&fleet, 1);
    must_add(&plan, 1, 500 * US, 10 * MS);
    fleet.options.faults = &plan;
    fleet.options.until_ns = 700 * US;
    sgl_memory_source_init(&source, rows, 1);
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(totals.failed, 1);
    CU_ASSERT_EQUAL(totals.cut_in_flight, 0);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

static const char *const models[] = {
    "batching:c_step_us=500,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"
    "c_kv_token_us=0,kv_tokens=600",
    "batching:scheduler=vllm,c_step_us=500,c_request_us=3,c_prefill_token_us=1,"
    "c_prefill_context_us=0.1,c_kv_token_us=0.7,max_batch_tokens=64,kv_tokens=640,page_size=16",
    "batching:chunked_prefill_size=50,c_step_us=250,c_kv_token_us=0.3,max_running_requests=4",
    "batching:chunked_prefill_size=48,c_step_us=250,c_kv_token_us=0.3,kv_tokens=208,page_size=16",
};

static bool is_sane(const struct pair *pair)
{
    const struct sgl_outcome *prefill = &pair->leg[SGL_POOL_PREFILL];
    const struct sgl_outcome *decode = &pair->leg[SGL_POOL_DECODE];

    if (pair->is_rejected)
        return pair->outcomes[SGL_POOL_PREFILL] + pair->outcomes[SGL_POOL_DECODE] <= 2;
    if (pair->outcomes[SGL_POOL_PREFILL] != 1 || pair->outcomes[SGL_POOL_DECODE] != 1)
        return false;
    if (decode->success)
        return prefill->success && pair->first_tokens == (decode->output_tokens > 0) &&
               prefill->queue_time_ns >= 0 && decode->queue_time_ns >= 0 &&
               prefill->e2e_ns <= decode->e2e_ns &&
               (decode->output_tokens == 0 ||
                (decode->ttft_ns >= prefill->e2e_ns && decode->ttft_ns <= decode->e2e_ns));
    return prefill->success || strcmp(prefill->error, "pair_lost") != 0 ||
           strcmp(decode->error, "pair_lost") != 0;
}

static void random_worlds(void)
{
    static const uint64_t ids[] = {1, 2, 3, 4, 5};
    int succeeded = 0;
    int cancelled = 0;

    for (int64_t world = 0; world < 400; world++) {
        struct sgl_rng draws = sgl_rng_stream(23, SGL_PURPOSE_LENGTH, 0, world, 0);
        static struct sgl_trace_row rows[REQUESTS];
        static struct pair_witness witness;
        struct sgl_fault_plan plan = {0};
        struct sgl_test_fleet fleet;
        uint64_t digest[2];
        sgl_test_draw_rows(&draws, rows, REQUESTS, ids, 7);
        sgl_test_fleet_init(&fleet, world % 2 == 0 ? "least_outstanding" : "cache_aware",
                            models[world % 4], WORKERS);
        pair_up(&fleet, 2);
        fleet.options.response_delay_ns = (int64_t)sgl_rng_below(&draws, 3) * MS / 2;
        for (uint32_t w = 0; w < WORKERS; w++) {
            const int64_t from_ns = (int64_t)sgl_rng_below(&draws, 100) * MS;
            if (sgl_rng_below(&draws, 3) == 0)
                must_add(&plan, w, from_ns, from_ns + 1 + (int64_t)sgl_rng_below(&draws, 20) * MS);
        }
        fleet.options.faults = &plan;
        fleet.options.health_interval_ns = (int64_t)sgl_rng_below(&draws, 3) * 2 * MS;
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            bool are_sane = true;
            fleet.options.stepwise = stepwise == 1;
            run(&fleet, rows, REQUESTS, &witness);
            digest[stepwise] = witness.witness.digest;
            for (size_t i = 0; i < REQUESTS; i++) {
                are_sane = are_sane && is_sane(&witness.pairs[i]);
                succeeded += witness.pairs[i].leg[SGL_POOL_DECODE].success;
                cancelled += witness.pairs[i].leg[SGL_POOL_DECODE].error != NULL &&
                             strcmp(witness.pairs[i].leg[SGL_POOL_DECODE].error, "pair_lost") == 0;
            }
            CU_ASSERT_TRUE(are_sane);
            CU_ASSERT_FALSE(witness.witness.time_went_back);
            sgl_witness_release(&witness.witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        sgl_test_fleet_release(&fleet);
        sgl_fault_plan_release(&plan);
    }
    CU_ASSERT_TRUE(succeeded > 30000 && cancelled > 300);
}

static void refused(const char *model, uint32_t prefill_count, bool has_regular, const char *part)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 1, 1)};
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};
    struct sgl_test_fleet fleet;

    sgl_test_fleet_init(&fleet, "round_robin", model, 3);
    pair_up(&fleet, prefill_count);
    if (has_regular)
        fleet.workers[2].pool = SGL_POOL_REGULAR;
    sgl_memory_source_init(&source, rows, 1);
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, part);
    sgl_test_fleet_release(&fleet);
}

static void impossible_fleets_are_refused(void)
{
    refused(FLAT_STEPS, 3, false, "0 regular, 3 prefill and 0 decode workers");
    refused(FLAT_STEPS, 0, false, "0 regular, 0 prefill and 3 decode workers");
    refused(FLAT_STEPS, 1, true, "1 regular, 1 prefill and 1 decode workers");
    refused("exponential:mean_s=1", 1, false, "cannot be one of a pair");
}

SGL_SUITE(pairs) = {
    {"the legs of a request follow each other, with its memory between them",
     legs_follow_each_other},
    {"a prefill worker holds memory until it has arrived", memory_is_held_until_it_has_arrived},
    {"a lost leg cancels the other and is blamed alone", a_lost_leg_cancels_the_other},
    {"a cut run may leave a cancelled leg under way", a_cut_finds_a_cancelled_leg_under_way},
    {"in random worlds with faults every request ends once, and leaps change nothing",
     random_worlds},
    {"impossible fleets are refused", impossible_fleets_are_refused},
    CU_TEST_INFO_NULL,
};
