/* Requests that take too long: what the router says of them, and what their workers still do. */
#include "sim_support.h"
#include "support.h"

#include "core/rng.h"

#include <stdio.h>
#include <string.h>

#define US INT64_C(1000)
#define ROWS_MAX 300
#define IDS_MAX 8
#define STEP_10US                                                                                  \
    "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"            \
    "c_kv_token_us=0"

static int64_t draw(struct sgl_rng *draws, int64_t from, int64_t to)
{
    return from + (int64_t)sgl_rng_below(draws, (uint32_t)(to - from + 1));
}

/* ---- by hand ---------------------------------------------------------------------------- */

/*
 * One place, steps of 10 us. 0 would run until 1,000; at 55 it is given up, in the step that ends
 * at 60, where 1 starts: a prompt, then four tokens more. 2 comes behind 1 and is given up at 62,
 * while it waits, so nobody is in the way of 3.
 */
static void worker_stops_after_its_step(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 5, 100, 100), sgl_row(1, 6 * US, 5, 5, 5),
                                         sgl_row(2, 7 * US, 5, 50, 50),
                                         sgl_row(3, 70 * US, 5, 1, 1)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin", STEP_10US ",max_running_requests=1", 1);
    fleet.options.request_timeout_ns = 55 * US;
    sgl_witness_init(&witness, 4);
    struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 4, &witness);
    CU_ASSERT_EQUAL(totals.timed_out, 3);
    CU_ASSERT_EQUAL(totals.failed, 3);
    CU_ASSERT_EQUAL(totals.abandoned, 0);
    SGL_ASSERT_TEXT(witness.seen[0].outcome.error, "timeout");
    CU_ASSERT_EQUAL(witness.seen[0].completed_ns, 55 * US);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 55 * US);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.ttft_ns, 10 * US);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.prompt_tokens, 5);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.output_tokens, SGL_ABSENT);
    /* 1 has its first token at 70, and would be done at 110: it is given up at 61. */
    CU_ASSERT_EQUAL(witness.seen[1].completed_ns, 61 * US);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.ttft_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[2].completed_ns, 62 * US);
    /* The prompt of 1 is computed to its end, at 70; then 3 is served. */
    CU_ASSERT_TRUE(witness.seen[3].outcome.success);
    CU_ASSERT_EQUAL(witness.seen[3].outcome.e2e_ns, 10 * US);
    sgl_witness_release(&witness);

    /* The same clients, who leave by themselves: nothing is learned of their workers. */
    fleet.options.client_timeout_ns = 54 * US;
    sgl_witness_init(&witness, 4);
    totals = sgl_test_fleet_run(&fleet, rows, 4, &witness);
    CU_ASSERT_EQUAL(totals.timed_out, 0);
    CU_ASSERT_EQUAL(totals.abandoned, 3);
    SGL_ASSERT_TEXT(witness.seen[0].outcome.error, "client_abort");
    CU_ASSERT_EQUAL(witness.seen[0].completed_ns, 54 * US);
    CU_ASSERT_TRUE(witness.seen[3].outcome.success);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* An answer in the instant of its deadline is in time; one on its way at it is not. */
static void last_instant_counts(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 5, 3, 3)};
    struct sgl_test_fleet fleet;

    sgl_test_fleet_init(&fleet, "round_robin", STEP_10US, 1);
    for (int late = 0; late < 2; late++) {
        for (int is_slow = 0; is_slow < 2; is_slow++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, 1);
            fleet.options.response_delay_ns = is_slow * 7 * US;
            fleet.options.request_timeout_ns = 30 * US + fleet.options.response_delay_ns - late;
            const struct sgl_simulation_totals totals =
                sgl_test_fleet_run(&fleet, rows, 1, &witness);
            CU_ASSERT_EQUAL(totals.timed_out, (uint64_t)late);
            CU_ASSERT_EQUAL(witness.seen[0].outcome_count, 1);
            CU_ASSERT_EQUAL(witness.seen[0].outcome.success, late == 0);
            CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, fleet.options.request_timeout_ns);
            CU_ASSERT_EQUAL(witness.seen[0].outcome.ttft_ns,
                            10 * US + fleet.options.response_delay_ns);
            sgl_witness_release(&witness);
        }
    }
    sgl_test_fleet_release(&fleet);
}

/* Who waits to be let in is refused, and the place of one that is given up is free at once. */
static void places_are_free_again(void)
{
    const struct sgl_trace_row rows[] = {
        sgl_row(0, 0, 5, 100, 100), sgl_row(1, 5 * US, 5, 100, 100), sgl_row(2, 20 * US, 5, 1, 1)};
    struct sgl_admission_options admission = {.concurrency_max = 1, .queue_max = 9};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    admission.timeout_ns = SGL_NANOSECONDS_PER_SECOND;
    sgl_test_fleet_init(&fleet, "round_robin", STEP_10US, 2);
    fleet.options.admission = &admission;
    fleet.options.client_timeout_ns = 40 * US;
    sgl_witness_init(&witness, 3);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.abandoned, 2);
    CU_ASSERT_EQUAL(totals.rejected, 0);
    /* At 40 the first one leaves and the second is let in, with five of its 40 left. */
    CU_ASSERT_EQUAL(witness.seen[0].completed_ns, 40 * US);
    CU_ASSERT_EQUAL(witness.seen[1].completed_ns, 45 * US);
    /* Then the third: its worker ends the step that it began at 40, and answers at 60, in time. */
    CU_ASSERT_EQUAL(witness.seen[2].outcome.e2e_ns, 40 * US);
    CU_ASSERT_TRUE(witness.seen[2].outcome.success);
    sgl_witness_release(&witness);
    fleet.options.client_timeout_ns = 0;
    fleet.options.request_timeout_ns = 40 * US;
    admission.concurrency_max = 1;
    sgl_witness_init(&witness, 2);
    const struct sgl_trace_row late[] = {sgl_row(0, 0, 5, 5, 5), sgl_row(1, 0, 5, 5, 5)};
    const struct sgl_simulation_totals waited = sgl_test_fleet_run(&fleet, late, 2, &witness);
    CU_ASSERT_EQUAL(waited.timed_out, 2);
    CU_ASSERT_EQUAL(waited.rejected, 1);
    SGL_ASSERT_TEXT(witness.seen[0].outcome.error, "timeout");
    SGL_ASSERT_TEXT(witness.seen[1].outcome.error, "queue_timeout");
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* ---- random worlds ---------------------------------------------------------------------- */

struct world {
    struct sgl_trace_row rows[ROWS_MAX];
    uint64_t ids[ROWS_MAX][IDS_MAX];
    size_t count;
    struct sgl_admission_options admission;
    struct sgl_fault faults[2];
    struct sgl_fault_plan plan;
    struct sgl_test_fleet fleet;
};

/* Half of the worlds have prefix ids: some prompts begin alike. */
static void add_ids(struct world *world, struct sgl_rng *draws)
{
    static const uint32_t blocks[] = {0, 5, 16};
    const uint32_t block = blocks[sgl_rng_below(draws, 3)];

    for (size_t i = 0; i < world->count; i++) {
        for (size_t b = 0; b < IDS_MAX; b++)
            world->ids[i][b] = b + 1 + 100 * sgl_rng_below(draws, 2);
        world->rows[i].request.prefix_ids = world->ids[i];
        world->rows[i].request.prefix_count = sgl_rng_below(draws, IDS_MAX + 1);
        world->rows[i].request.prefix_block = block;
    }
}

static void make_model(struct sgl_rng *draws, char *text, size_t size)
{
    static const char *const policies[] = {"fcfs", "priority", "lpm"};
    const bool is_vllm = sgl_rng_below(draws, 3) == 0;
    const bool is_ahead = is_vllm && sgl_rng_below(draws, 2) == 0;

    snprintf(text, size,
             STEP_10US ",kv_tokens=300,scheduler=%s,max_running_requests=%d,async_scheduling=%s,"
                       "page_size=%d,schedule_policy=%s",
             is_vllm ? "vllm" : "sglang", (int)draw(draws, 1, 20), is_ahead ? "on" : "off",
             sgl_rng_below(draws, 2) == 0 ? 1 : 4, policies[sgl_rng_below(draws, is_vllm ? 2 : 3)]);
}

static void make_world(struct world *world, int64_t number)
{
    struct sgl_rng draws = sgl_rng_stream(33, SGL_PURPOSE_LENGTH, 0, number, 0);
    const bool has_pairs = sgl_rng_below(&draws, 3) == 0;
    int64_t arrival_ns = 0;
    char model[320];

    world->count = (size_t)draw(&draws, 1, ROWS_MAX);
    for (size_t i = 0; i < world->count; i++) {
        arrival_ns += draw(&draws, 0, 2) * draw(&draws, 0, 40) * US;
        world->rows[i] =
            sgl_row((int64_t)i, arrival_ns, draw(&draws, 0, 60), draw(&draws, 0, 30), 50);
        world->rows[i].request.priority = (enum sgl_priority)draw(&draws, 0, 2);
    }
    if (sgl_rng_below(&draws, 2) == 0)
        add_ids(world, &draws);
    make_model(&draws, model, sizeof model);
    sgl_test_fleet_init(&world->fleet, "least_outstanding", model, 3);
    struct sgl_simulation_options *options = &world->fleet.options;
    if (has_pairs) {
        world->fleet.workers[0].pool = SGL_POOL_PREFILL;
        world->fleet.workers[1].pool = world->fleet.workers[2].pool = SGL_POOL_DECODE;
        options->transfer =
            (struct sgl_transfer_options){.bandwidth_gbps = 1, .bytes_per_token = 1000};
    }
    options->response_delay_ns = draw(&draws, 0, 1) * 1500;
    options->request_timeout_ns = draw(&draws, 0, 2) == 0 ? 0 : draw(&draws, 1, 900) * US;
    options->client_timeout_ns = draw(&draws, 0, 1) * draw(&draws, 1, 900) * US;
    world->admission = (struct sgl_admission_options){.concurrency_max = draw(&draws, 1, 40),
                                                      .queue_max = (uint32_t)draw(&draws, 0, 40),
                                                      .timeout_ns = draw(&draws, 1, 900) * US};
    if (sgl_rng_below(&draws, 2) == 0)
        options->admission = &world->admission;
    world->faults[0] = (struct sgl_fault){.worker = 1,
                                          .kind = SGL_FAULT_DOWN,
                                          .from_ns = draw(&draws, 0, 2000) * US,
                                          .until_ns = 2500 * US};
    world->plan = (struct sgl_fault_plan){.faults = world->faults, .count = 1};
    if (sgl_rng_below(&draws, 2) == 0)
        options->faults = &world->plan;
}

/* Nobody is answered after its deadline, or given up at another time. The simulation itself checks
 * that each request ends once and that no worker has anything left. */
static void check_times(const struct world *world, const struct sgl_witness *witness)
{
    const struct sgl_simulation_options *options = &world->fleet.options;
    const int64_t request_ns = options->request_timeout_ns;
    const int64_t client_ns = options->client_timeout_ns;

    for (size_t i = 0; i < world->count; i++) {
        const struct sgl_seen *seen = &witness->seen[i];
        const int64_t age_ns = seen->completed_ns - world->rows[i].request.arrival_ns;
        const char *error = seen->outcome.error;
        CU_ASSERT_TRUE(request_ns == 0 || age_ns <= request_ns);
        CU_ASSERT_TRUE(client_ns == 0 || age_ns <= client_ns);
        if (error != NULL && strcmp(error, "timeout") == 0)
            CU_ASSERT_EQUAL(age_ns, request_ns);
        if (error != NULL && strcmp(error, "client_abort") == 0)
            CU_ASSERT_EQUAL(age_ns, client_ns);
    }
}

static void worlds_keep_their_deadlines(void)
{
    static struct world world;
    uint64_t timed_out = 0;
    uint64_t abandoned = 0;
    uint64_t succeeded = 0;

    for (int64_t number = 0; number < 150; number++) {
        uint64_t digest[2];
        make_world(&world, number);
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, world.count);
            world.fleet.options.stepwise = stepwise == 1;
            const struct sgl_simulation_totals totals =
                sgl_test_fleet_run(&world.fleet, world.rows, world.count, &witness);
            check_times(&world, &witness);
            CU_ASSERT_FALSE(witness.time_went_back);
            timed_out += totals.timed_out;
            abandoned += totals.abandoned;
            succeeded += totals.succeeded;
            digest[stepwise] = witness.digest;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        sgl_test_fleet_release(&world.fleet);
        memset(&world, 0, sizeof world);
    }
    /* or the worlds prove nothing */
    CU_ASSERT_TRUE(timed_out > 1000 && abandoned > 1000 && succeeded > 5000);
}

/* A deadline that nobody reaches changes nothing. */
static void unreached_changes_nothing(void)
{
    static struct world world;

    for (int64_t number = 0; number < 30; number++) {
        uint64_t digest[2];
        make_world(&world, number);
        for (int has_deadline = 0; has_deadline < 2; has_deadline++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, world.count);
            world.fleet.options.client_timeout_ns = 0;
            world.fleet.options.request_timeout_ns =
                has_deadline * 1000 * SGL_NANOSECONDS_PER_SECOND;
            sgl_test_fleet_run(&world.fleet, world.rows, world.count, &witness);
            digest[has_deadline] = witness.digest;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        sgl_test_fleet_release(&world.fleet);
        memset(&world, 0, sizeof world);
    }
}

/* ---- servers without tokens ------------------------------------------------------------- */

/* First come, first served, by a recursion: one begins when the first server is free, unless its
 * deadline has come by then; at its deadline it leaves its server. */
static void check_servers(const struct sgl_witness *witness, const struct sgl_trace_row *rows,
                          size_t count, int64_t *free_ns, size_t server_count, int64_t patience_ns)
{
    for (size_t i = 0; i < count; i++) {
        const struct sgl_seen *seen = &witness->seen[i];
        const struct sgl_recorded *recorded = &rows[i].recorded;
        const int64_t arrival_ns = rows[i].request.arrival_ns;
        const int64_t service_ns = recorded->finish_ns - recorded->queue_end_ns;
        size_t first = 0;
        for (size_t server = 1; server < server_count; server++)
            first = free_ns[server] < free_ns[first] ? server : first;
        const int64_t start_ns = free_ns[first] > arrival_ns ? free_ns[first] : arrival_ns;
        const int64_t deadline_ns = arrival_ns + patience_ns;
        const bool is_served = start_ns < deadline_ns && start_ns + service_ns <= deadline_ns;
        CU_ASSERT_EQUAL(seen->outcome_count, 1);
        CU_ASSERT_EQUAL(seen->outcome.success, is_served);
        CU_ASSERT_EQUAL(seen->outcome.e2e_ns,
                        is_served ? start_ns + service_ns - arrival_ns : patience_ns);
        CU_ASSERT_EQUAL(seen->outcome.queue_time_ns,
                        is_served ? start_ns - arrival_ns : SGL_ABSENT);
        if (start_ns < deadline_ns)
            free_ns[first] = is_served ? start_ns + service_ns : deadline_ns;
    }
}

static void servers_take_the_next(void)
{
    static struct sgl_trace_row rows[ROWS_MAX];
    uint64_t abandoned = 0;
    uint64_t succeeded = 0;

    for (int64_t number = 0; number < 100; number++) {
        struct sgl_rng draws = sgl_rng_stream(34, SGL_PURPOSE_LENGTH, 0, number, 0);
        const int server_count = (int)draw(&draws, 1, 4);
        const size_t count = (size_t)draw(&draws, 1, ROWS_MAX);
        int64_t free_ns[4] = {0};
        int64_t arrival_ns = 0;
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        char model[40];
        for (size_t i = 0; i < count; i++) {
            arrival_ns += draw(&draws, 0, 12);
            rows[i] = sgl_row((int64_t)i, arrival_ns, 5, 5, 5);
            rows[i].recorded.queue_end_ns = arrival_ns;
            rows[i].recorded.finish_ns = arrival_ns + draw(&draws, 0, 20);
            if (draw(&draws, 0, 1) == 0)
                rows[i].recorded.first_token_ns = rows[i].recorded.finish_ns;
        }
        snprintf(model, sizeof model, "recorded:servers=%d", server_count);
        sgl_test_fleet_init(&fleet, "round_robin", model, 1);
        fleet.options.client_timeout_ns = draw(&draws, 1, 60);
        sgl_witness_init(&witness, count);
        const struct sgl_simulation_totals totals =
            sgl_test_fleet_run(&fleet, rows, count, &witness);
        check_servers(&witness, rows, count, free_ns, (size_t)server_count,
                      fleet.options.client_timeout_ns);
        abandoned += totals.abandoned;
        succeeded += totals.succeeded;
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    CU_ASSERT_TRUE(abandoned > 500 && succeeded > 5000); /* or the worlds prove nothing */
}

SGL_SUITE(sim_deadlines) = {
    {"a request is given up at its deadline, and its worker stops after the step under way",
     worker_stops_after_its_step},
    {"an answer in the instant of its deadline counts, one on its way does not",
     last_instant_counts},
    {"who is given up leaves its place, who waits for one is refused", places_are_free_again},
    {"150 worlds with faults, pairs and admission keep their deadlines, by leaps and by steps",
     worlds_keep_their_deadlines},
    {"a server without tokens drops who left and takes the next, as a recursion over 100 worlds "
     "does",
     servers_take_the_next},
    {"a deadline that nobody reaches changes nothing", unreached_changes_nothing},
    CU_TEST_INFO_NULL,
};
