#include "core/rng.h"
#include "sim/reports.h"
#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define SECOND SGL_NANOSECONDS_PER_SECOND
#define CENTURY (100 * INT64_C(31557600) * SECOND)
#define ROWS 400

#define FLAT_STEPS                                                                                 \
    "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"            \
    "c_kv_token_us=0"

static void random_rows(struct sgl_trace_row *rows, size_t count, uint64_t seed)
{
    struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    int64_t arrival_ns = 0;

    for (size_t i = 0; i < count; i++) {
        rows[i] = sgl_row((int64_t)i, arrival_ns, 1 + (int64_t)sgl_rng_below(&draws, 4000),
                          (int64_t)sgl_rng_below(&draws, 300), SGL_ABSENT);
        arrival_ns += (int64_t)sgl_rng_below(&draws, 200000000);
    }
}

/* The policy with its defaults; one that wraps another gets something to wrap. */
static const char *bare_policy(const struct sgl_policy_ops *policy, char *out, size_t size)
{
    struct sgl_policy_spec spec;

    snprintf(out, size, "%s", policy->name);
    if (sgl_policy_parse(&spec, out, NULL) == SGL_OK)
        sgl_policy_release(&spec);
    else
        snprintf(out, size, "%s:base=random", policy->name);
    return out;
}

/* Under every worker model and policy: one outcome for each request, times in order. */
static void conserves(void)
{
    static struct sgl_trace_row rows[ROWS];
    static const char *const models[] = {"batching", "batching:scheduler=vllm,kv_tokens=20000",
                                         "recorded:servers=3", "exponential:mean_s=0.3,servers=2",
                                         "deterministic:mean_s=0.3"};
    const struct sgl_policy_ops *policy;
    char text[64];

    random_rows(rows, ROWS, 5);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i].recorded.queue_end_ns = 100;
        rows[i].recorded.first_token_ns = 100 + (int64_t)i;
        rows[i].recorded.finish_ns = 100 + 3 * (int64_t)i;
    }
    for (uint32_t p = 0; (policy = sgl_policy_at(p)) != NULL; p++) {
        for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
            struct sgl_test_fleet fleet;
            struct sgl_witness witness;
            sgl_test_fleet_init(&fleet, bare_policy(policy, text, sizeof text), models[m], 3);
            fleet.options.load_interval_ns = SECOND / 10;
            fleet.options.load_delay_ns = SECOND / 100;
            fleet.options.response_delay_ns = 1234567;
            fleet.options.completions_report = true;
            sgl_witness_init(&witness, ROWS);
            const struct sgl_simulation_totals totals =
                sgl_test_fleet_run(&fleet, rows, ROWS, &witness);
            CU_ASSERT_EQUAL(totals.arrived, ROWS);
            CU_ASSERT_EQUAL(totals.succeeded, ROWS);
            CU_ASSERT_EQUAL(totals.failed, 0);
            CU_ASSERT_EQUAL(totals.without_max_tokens, ROWS);
            CU_ASSERT_FALSE(witness.time_went_back);
            for (size_t i = 0; i < ROWS; i++) {
                const struct sgl_seen *seen = &witness.seen[i];
                const struct sgl_outcome *outcome = &seen->outcome;
                CU_ASSERT_EQUAL(seen->outcome_count, 1);
                CU_ASSERT_EQUAL(seen->arrival_ns, rows[i].request.arrival_ns);
                CU_ASSERT_EQUAL(outcome->e2e_ns, seen->completed_ns - seen->arrival_ns);
                CU_ASSERT_TRUE(outcome->queue_time_ns >= 0);
                CU_ASSERT_TRUE(outcome->queue_time_ns <= outcome->e2e_ns - 1234567);
                CU_ASSERT_EQUAL(outcome->reported_ns, seen->completed_ns - 1234567);
                CU_ASSERT_EQUAL(outcome->output_tokens, rows[i].output_tokens);
                if (outcome->ttft_ns == SGL_ABSENT) {
                    CU_ASSERT_EQUAL(seen->first_token_ns, SGL_ABSENT);
                } else {
                    CU_ASSERT_EQUAL(outcome->ttft_ns, seen->first_token_ns - seen->arrival_ns);
                    CU_ASSERT_TRUE(outcome->ttft_ns >= outcome->queue_time_ns + 1234567);
                    CU_ASSERT_TRUE(outcome->ttft_ns <= outcome->e2e_ns);
                }
            }
            sgl_witness_release(&witness);
            sgl_test_fleet_release(&fleet);
        }
    }
}

static void repeats_itself(void)
{
    static struct sgl_trace_row rows[ROWS];
    uint64_t digest[3];

    random_rows(rows, ROWS, 6);
    for (int run = 0; run < 3; run++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        sgl_test_fleet_init(&fleet, "random", "exponential:mean_s=0.2", 4);
        fleet.options.seed = run < 2 ? 42 : 43;
        sgl_witness_init(&witness, ROWS);
        sgl_test_fleet_run(&fleet, rows, ROWS, &witness);
        digest[run] = witness.digest;
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    CU_ASSERT_EQUAL(digest[0], digest[1]);
    CU_ASSERT_NOT_EQUAL(digest[0], digest[2]);
}

/* Common random numbers: the service time of a request does not depend on who routed it where. */
static void luck_belongs_to_the_request(void)
{
    static struct sgl_trace_row rows[ROWS];
    static const char *const policies[] = {"round_robin", "random", "least_outstanding"};
    int64_t service_ns[3][ROWS];
    bool went_elsewhere = false;
    uint32_t workers[3][ROWS];

    random_rows(rows, ROWS, 8);
    for (int p = 0; p < 3; p++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        sgl_test_fleet_init(&fleet, policies[p], "exponential:mean_s=0.5", p == 2 ? 5 : 4);
        sgl_witness_init(&witness, ROWS);
        sgl_test_fleet_run(&fleet, rows, ROWS, &witness);
        for (size_t i = 0; i < ROWS; i++) {
            service_ns[p][i] =
                witness.seen[i].outcome.e2e_ns - witness.seen[i].outcome.queue_time_ns;
            workers[p][i] = witness.seen[i].worker;
        }
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
    for (size_t i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL(service_ns[0][i], service_ns[1][i]);
        CU_ASSERT_EQUAL(service_ns[0][i], service_ns[2][i]);
        went_elsewhere = went_elsewhere || workers[0][i] != workers[1][i];
    }
    CU_ASSERT_TRUE(went_elsewhere);
}

/* What finishes at T is known to the decision at T; with a delay it is not. */
static void completion_before_arrival(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 1, 1), sgl_row(1, 0, 1, 1, 1),
                                   sgl_row(2, 100, 1, 1, 1)};
    static const int64_t service_ns[] = {200, 100, 1};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    for (int i = 0; i < 3; i++) {
        rows[i].recorded.queue_end_ns = 0;
        rows[i].recorded.finish_ns = service_ns[i];
    }
    sgl_test_fleet_init(&fleet, "least_outstanding:ties=first", "recorded", 2);
    for (int64_t delay_ns = 0; delay_ns < 2; delay_ns++) {
        fleet.options.response_delay_ns = delay_ns;
        sgl_witness_init(&witness, 3);
        sgl_test_fleet_run(&fleet, rows, 3, &witness);
        CU_ASSERT_EQUAL(witness.seen[0].worker, 0);
        CU_ASSERT_EQUAL(witness.seen[1].worker, 1);
        /* Worker 1 is free at 100, if the router has heard of it; if not, the two are equal. */
        CU_ASSERT_EQUAL(witness.seen[2].worker, delay_ns == 0 ? 1 : 0);
        sgl_witness_release(&witness);
    }
    sgl_test_fleet_release(&fleet);
}

/* One server; a finish, a poll and an arrival meet at 100. */
static void order_within_an_instant(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 1, 1), sgl_row(1, 0, 1, 1, 1),
                                   sgl_row(2, 100, 1, 1, 1)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    for (int i = 0; i < 3; i++) {
        rows[i].recorded.queue_end_ns = 0;
        rows[i].recorded.finish_ns = 100;
    }
    sgl_test_fleet_init(&fleet, "round_robin", "recorded:servers=1", 1);
    fleet.options.load_interval_ns = 100;
    fleet.options.completions_report = true;
    sgl_witness_init(&witness, 3);
    sgl_test_fleet_run(&fleet, rows, 3, &witness);
    /* The first has left the server, the second has not got it yet, the third is not there. */
    CU_ASSERT_EQUAL(witness.seen[0].outcome.queue_length, 1);
    CU_ASSERT_EQUAL(witness.first_report.reported_ns, 100);
    CU_ASSERT_EQUAL(witness.first_report.running, 0);
    CU_ASSERT_EQUAL(witness.first_report.queue_length, 1);
    CU_ASSERT_TRUE(witness.seen[0].outcome_order < witness.first_report_order);
    CU_ASSERT_TRUE(witness.first_report_order < witness.seen[2].route_order);
    /* It gets it in that same instant, after all else. */
    CU_ASSERT_EQUAL(witness.seen[1].outcome.queue_time_ns, 100);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.queue_time_ns, 100);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* A century between two requests costs nothing, and the decision after it sees a fresh report. */
static void a_century_of_nothing(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 5, 5),
                                         sgl_row(1, CENTURY + 7, 10, 5, 5)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "shortest_queue", "batching", 2);
    fleet.options.load_interval_ns = SECOND / 100;
    fleet.options.load_delay_ns = SECOND / 1000;
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, 2);
        const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 2, &witness);
        CU_ASSERT_EQUAL(totals.succeeded, 2);
        CU_ASSERT_TRUE(witness.report_count < 100);
        CU_ASSERT_EQUAL(witness.seen[1].outcome.e2e_ns, witness.seen[0].outcome.e2e_ns);
        CU_ASSERT_TRUE(totals.last_ns < CENTURY + SECOND);
        sgl_witness_release(&witness);
    }
    sgl_test_fleet_release(&fleet);
}

/* Against an oracle that polls at every multiple: of what the router could look at when it decides,
 * nothing is missing. */
static void skipped_polls_are_not_missed(void)
{
    for (int64_t world = 0; world < 500; world++) {
        struct sgl_rng draws = sgl_rng_stream(9, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        const struct sgl_reports reports = {
            .interval_ns = 1 + (int64_t)sgl_rng_below(&draws, 20),
            .delay_ns = (int64_t)sgl_rng_below(&draws, 60),
        };
        const int64_t idle_from_ns = (int64_t)sgl_rng_below(&draws, 50);
        const int64_t arrival_ns = idle_from_ns + (int64_t)sgl_rng_below(&draws, 500);
        int64_t poll_ns = sgl_reports_next_poll_ns(&reports, idle_from_ns, true, arrival_ns);
        int64_t newest_ns = idle_from_ns / reports.interval_ns * reports.interval_ns;
        int64_t expected_ns = newest_ns;

        for (int64_t t = expected_ns; t + reports.delay_ns <= arrival_ns; t += reports.interval_ns)
            expected_ns = t;
        for (; poll_ns < arrival_ns;
             poll_ns = sgl_reports_next_poll_ns(&reports, poll_ns, true, arrival_ns)) {
            CU_ASSERT_EQUAL(poll_ns % reports.interval_ns, 0);
            if (poll_ns + reports.delay_ns <= arrival_ns && poll_ns > newest_ns)
                newest_ns = poll_ns;
        }
        if (poll_ns == arrival_ns && reports.delay_ns == 0)
            newest_ns = poll_ns;
        CU_ASSERT_EQUAL(newest_ns, expected_ns);
        /* the poll after the arrival is the next multiple, as if none had been skipped */
        CU_ASSERT_EQUAL(sgl_reports_next_poll_ns(&reports, arrival_ns, false, SGL_ABSENT),
                        (arrival_ns / reports.interval_ns + 1) * reports.interval_ns);
    }
    const struct sgl_reports none = {0};
    CU_ASSERT_EQUAL(sgl_reports_next_poll_ns(&none, 5, false, 9), SGL_ABSENT);
}

static void nobody_there(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 5, 5), sgl_row(1, 7, 0, 0, 0)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "random", "batching", 0);
    fleet.options.load_interval_ns = 1;
    sgl_witness_init(&witness, 2);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 2, &witness);
    CU_ASSERT_EQUAL(totals.failed, 2);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(witness.seen[i].outcome_count, 1);
        CU_ASSERT_EQUAL(witness.seen[i].worker, SGL_NO_WORKER);
        SGL_ASSERT_TEXT(witness.seen[i].outcome.error, "no_worker");
        CU_ASSERT_EQUAL(witness.seen[i].outcome.e2e_ns, SGL_ABSENT);
    }
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

static void zero_tokens(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 0, 0, 5), sgl_row(1, 0, 0, 2, 5),
                                         sgl_row(2, 0, 3, 0, SGL_ABSENT)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "random", FLAT_STEPS, 1);
    sgl_witness_init(&witness, 3);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.succeeded, 3);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 10000);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.ttft_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.prompt_tokens, 0); /* as counted, not as prefilled */
    CU_ASSERT_EQUAL(witness.seen[1].outcome.ttft_ns, 10000);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.e2e_ns, 20000);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.output_tokens, 0);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

static void cut_to_max_tokens(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 100, 7), sgl_row(1, 0, 1, 7, 7),
                                         sgl_row(2, 0, 1, 100, SGL_ABSENT)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "random", FLAT_STEPS, 1);
    fleet.options.max_new_tokens = 9;
    sgl_witness_init(&witness, 3);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.cut_to_max_tokens, 2);
    CU_ASSERT_EQUAL(totals.without_max_tokens, 1);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.output_tokens, 7);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.output_tokens, 9);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.e2e_ns, 90000);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

static void unequal_workers(void)
{
    static struct sgl_trace_row rows[ROWS];
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    struct sgl_worker_model_spec slow;
    struct sgl_failure failure;
    int64_t sum_ns[2] = {0, 0};

    for (int64_t i = 0; i < ROWS; i++)
        rows[i] = sgl_row(i, i * SECOND / 2, 500, 20, 20);
    sgl_test_fleet_init(&fleet, "round_robin", "batching", 2);
    const int status = sgl_worker_model_parse(&slow, "batching:profile=llama31-8b-l40s", &failure);
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    fleet.workers[1].spec = &slow;
    sgl_witness_init(&witness, ROWS);
    sgl_test_fleet_run(&fleet, rows, ROWS, &witness);
    for (size_t i = 0; i < ROWS; i++)
        sum_ns[witness.seen[i].worker] += witness.seen[i].outcome.e2e_ns;
    CU_ASSERT_TRUE(sum_ns[1] > 2 * sum_ns[0]); /* an L40S against an H100 */
    sgl_witness_release(&witness);
    sgl_worker_model_release(&slow);
    sgl_test_fleet_release(&fleet);
}

static void recorded_times(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 5, SGL_ABSENT), sgl_row(1, 10, 10, 5, 5),
                                   sgl_row(2, 20, 10, 5000, SGL_ABSENT)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    struct sgl_failure failure;

    for (int i = 0; i < 3; i++) {
        rows[i].recorded.queue_end_ns = 100 + i;
        rows[i].recorded.finish_ns = 100 + i + 50 * i; /* the first takes no time at all */
    }
    rows[2].recorded.first_token_ns = 112;
    sgl_test_fleet_init(&fleet, "random", "recorded", 1);
    sgl_witness_init(&witness, 3);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(totals.steps, 0);
    CU_ASSERT_EQUAL(totals.cut_to_max_tokens, 0); /* what was served was served */
    for (int64_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(witness.seen[i].outcome.e2e_ns, 50 * i);
        CU_ASSERT_EQUAL(witness.seen[i].outcome.queue_time_ns, 0);
    }
    CU_ASSERT_EQUAL(witness.seen[1].outcome.ttft_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.ttft_ns, 10);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.output_tokens, 5000);
    sgl_witness_release(&witness);

    rows[1].recorded.queue_end_ns = SGL_ABSENT;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, rows, 3, &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text, "request 1 at worker http://a: the trace has no queue_time_end "
                                  "and finish_time for it, which the model recorded needs");
    rows[1].request.request_id = "seven";
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, rows, 3, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "request 1 (seven) at worker http://a: the trace has no");
    rows[1].request.request_id = NULL;
    rows[1].recorded.queue_end_ns = INT64_MAX;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, rows, 3, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "request 1 at worker http://a: its recorded finish_time is");
    rows[1].recorded.queue_end_ns = -INT64_MAX;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, rows, 3, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "or over 36 years after it");
    sgl_test_fleet_release(&fleet);
}

static void rate_scale(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 1, 1), sgl_row(1, 5, 1, 1, 1),
                                         sgl_row(2, 1000001, 1, 1, 1)};
    static const int64_t expected_ns[3][3] = {{0, 5, 1000001}, {0, 3, 500001}, {0, 15, 3000003}};
    static const double scales[] = {1, 2, 1.0 / 3}; /* 2.5 rounds to 3, 500000.5 to 500001 */
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    for (int s = 0; s < 3; s++) {
        sgl_test_fleet_init(&fleet, "random", "deterministic", 1);
        fleet.options.rate_scale = scales[s];
        sgl_witness_init(&witness, 3);
        sgl_test_fleet_run(&fleet, rows, 3, &witness);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(witness.seen[i].arrival_ns, expected_ns[s][i]);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
}

/* Of a run and the same run cut: what had an answer by then is the same, the rest is counted. */
static void a_cut_run_says_what_was_cut(void)
{
    static struct sgl_trace_row rows[ROWS];
    static const char *const models[] = {"batching", "batching:scheduler=vllm,kv_tokens=20000",
                                         "exponential:mean_s=0.3,servers=2"};

    random_rows(rows, ROWS, 8);
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness whole;
        sgl_test_fleet_init(&fleet, "least_outstanding", models[m], 3);
        fleet.options.response_delay_ns = 1234;
        sgl_witness_init(&whole, ROWS);
        sgl_test_fleet_run(&fleet, rows, ROWS, &whole);
        for (int cut = 0; cut < 6; cut++) {
            struct sgl_witness witness[2];
            struct sgl_simulation_totals totals[2];
            uint64_t answered = 0;
            uint64_t arrived = 0;
            /* the last three: in the very instant of an arrival, of an answer, and after all */
            fleet.options.until_ns = cut == 3   ? rows[100].request.arrival_ns
                                     : cut == 4 ? whole.seen[200].completed_ns
                                     : cut == 5 ? 1000 * SECOND
                                                : (cut + 1) * 5 * SECOND;
            for (int stepwise = 0; stepwise < 2; stepwise++) {
                fleet.options.stepwise = stepwise == 1;
                sgl_witness_init(&witness[stepwise], ROWS);
                totals[stepwise] = sgl_test_fleet_run(&fleet, rows, ROWS, &witness[stepwise]);
            }
            bool is_same = true;
            for (size_t i = 0; i < ROWS; i++) {
                const bool is_answered = whole.seen[i].completed_ns <= fleet.options.until_ns;
                answered += is_answered;
                arrived += rows[i].request.arrival_ns <= fleet.options.until_ns;
                is_same =
                    is_same && witness[0].seen[i].outcome_count == (is_answered ? 1U : 0U) &&
                    (!is_answered || witness[0].seen[i].completed_ns == whole.seen[i].completed_ns);
            }
            CU_ASSERT_TRUE(is_same);
            CU_ASSERT_EQUAL(totals[0].succeeded, answered);
            CU_ASSERT_EQUAL(totals[0].arrived, arrived);
            CU_ASSERT_EQUAL(totals[0].cut_in_flight, arrived - answered);
            CU_ASSERT_EQUAL(totals[0].cut_arrivals, ROWS - arrived);
            CU_ASSERT_EQUAL(witness[0].digest, witness[1].digest);
            totals[0].segments = totals[1].segments; /* leaps are fewer than steps */
            CU_ASSERT_EQUAL(memcmp(&totals[0], &totals[1], sizeof totals[0]), 0);
            sgl_witness_release(&witness[0]);
            sgl_witness_release(&witness[1]);
        }
        sgl_witness_release(&whole);
        sgl_test_fleet_release(&fleet);
    }
}

/* N in flight while there are rows, never more; each sent when another has ended. */
static void a_closed_loop_keeps_its_number_in_flight(void)
{
    static struct sgl_trace_row rows[ROWS];
    static const char *const models[] = {"batching", "batching:scheduler=vllm,kv_tokens=20000",
                                         "exponential:mean_s=0.3,servers=2"};

    random_rows(rows, ROWS, 9);
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        for (uint32_t concurrency = 1; concurrency < 1000; concurrency = 7 * concurrency) {
            struct sgl_test_fleet fleet;
            struct sgl_witness witness[2];
            bool is_right = true;
            sgl_test_fleet_init(&fleet, "least_outstanding", models[m], 3);
            fleet.options.concurrency = concurrency;
            fleet.options.response_delay_ns = 1234;
            fleet.options.load_interval_ns = SECOND / 10;
            for (int stepwise = 0; stepwise < 2; stepwise++) {
                fleet.options.stepwise = stepwise == 1;
                sgl_witness_init(&witness[stepwise], ROWS);
                const struct sgl_simulation_totals totals =
                    sgl_test_fleet_run(&fleet, rows, ROWS, &witness[stepwise]);
                CU_ASSERT_EQUAL(totals.succeeded, ROWS);
            }
            const struct sgl_seen *seen = witness[0].seen;
            for (size_t i = 0; i < ROWS; i++) {
                const int64_t now_ns = seen[i].arrival_ns;
                bool has_ended = now_ns == 0; /* another request, in this instant */
                bool is_last = true;
                uint32_t before = 0; /* in flight when it was sent */
                uint32_t after = 0;  /* at the end of the instant */
                for (size_t j = 0; j < ROWS; j++) {
                    before += j < i && seen[j].outcome_order > seen[i].route_order;
                    after += seen[j].arrival_ns <= now_ns && seen[j].completed_ns > now_ns;
                    has_ended = has_ended || seen[j].completed_ns == now_ns;
                    is_last = is_last && seen[j].arrival_ns <= now_ns;
                }
                is_right = is_right && has_ended && before < concurrency &&
                           (after == concurrency || (is_last && after < concurrency));
            }
            CU_ASSERT_TRUE(is_right);
            CU_ASSERT_EQUAL(witness[0].digest, witness[1].digest);
            sgl_witness_release(&witness[0]);
            sgl_witness_release(&witness[1]);
            sgl_test_fleet_release(&fleet);
        }
    }
}

static void refuses_the_impossible(void)
{
    const struct sgl_trace_row disorder[] = {sgl_row(0, 9, 1, 1, 1), sgl_row(1, 8, 1, 1, 1)};
    const struct sgl_trace_row unknown[] = {sgl_row(0, 0, SGL_ABSENT, 1, 1)};
    const struct sgl_trace_row endless[] = {sgl_row(0, 0, 1, INT64_C(1) << 40, 1)};
    const struct sgl_trace_row far_away[] = {sgl_row(0, SGL_SIMULATION_NS_MAX, 1, 1, 1)};
    const struct sgl_trace_row fine[] = {sgl_row(0, 0, 1, 1, 1)};
    struct sgl_test_fleet fleet;
    struct sgl_failure failure;

    sgl_test_fleet_init(&fleet, "random", "batching", 1);
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, disorder, 2, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "request 1 arrives before the one before it");
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, unknown, 1, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "request 0 at worker http://a: no usable prompt_tokens");
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, endless, 1, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "no usable output_tokens");
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, far_away, 1, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "expected less than 146 years");
    fleet.options.rate_scale = 0;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, fine, 1, &failure), SGL_EINVAL);
    fleet.options.rate_scale = 1;
    fleet.options.response_delay_ns = -1;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, fine, 1, &failure), SGL_EINVAL);
    fleet.options.response_delay_ns = 0;
    fleet.options.max_new_tokens = 0;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, fine, 1, &failure), SGL_EINVAL);
    fleet.options.max_new_tokens = 1;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, fine, 1, &failure), SGL_OK);
    sgl_test_fleet_release(&fleet);
}

SGL_SUITE(simulation) = {
    {"every model conserves requests under every policy, with times in order", conserves},
    {"the same seed gives the same log, another seed another", repeats_itself},
    {"a request's service time is the same whatever the policy and the fleet",
     luck_belongs_to_the_request},
    {"an answer of an instant comes before an arrival of it", completion_before_arrival},
    {"within an instant: finishes, answers, reports, arrivals, and then new work",
     order_within_an_instant},
    {"a century without requests costs nothing", a_century_of_nothing},
    {"polls skipped while idle are those nobody could have seen", skipped_polls_are_not_missed},
    {"without a worker every request is refused, once", nobody_there},
    {"zero tokens: a prompt is prefilled as one, an answer ends with its prefill", zero_tokens},
    {"an answer ends at max_tokens, and is counted", cut_to_max_tokens},
    {"workers may be unequal", unequal_workers},
    {"recorded replays the service times of the trace, and names a row without", recorded_times},
    {"rate scale divides arrival times and rounds halves up", rate_scale},
    {"a cut run says what was cut, and is the same before", a_cut_run_says_what_was_cut},
    {"a closed loop keeps its number in flight", a_closed_loop_keeps_its_number_in_flight},
    {"options and rows that cannot be are refused, naming them", refuses_the_impossible},
    CU_TEST_INFO_NULL,
};
