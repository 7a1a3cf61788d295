/* Signals that get lost on their way to the router. */
#include "core/rng.h"
#include "sim/reports.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>

#define SECOND SGL_NANOSECONDS_PER_SECOND
#define ROWS 2000
#define WORKERS 3

/* The newest multiple after `from_ns` whose report of that worker is there by the arrival, asking
 * every one; -1 when there is none. */
static int64_t newest(const struct sgl_reports *reports, uint32_t worker, int64_t from_ns,
                      int64_t arrival_ns)
{
    int64_t newest_ns = -1;

    for (int64_t t = (from_ns / reports->interval_ns + 1) * reports->interval_ns;
         t + reports->delay_ns <= arrival_ns; t += reports->interval_ns)
        if (!sgl_reports_is_lost(reports, worker, t))
            newest_ns = t;
    return newest_ns;
}

static void skipped_polls_are_not_missed_when_some_are_lost(void)
{
    static const double losses[] = {0, 0.3, 0.9, 1};
    int64_t taken = 0;
    int64_t skipped = 0;

    for (int64_t world = 0; world < 800; world++) {
        struct sgl_rng draws = sgl_rng_stream(21, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        const struct sgl_reports reports = {
            .interval_ns = 1 + (int64_t)sgl_rng_below(&draws, 20),
            .delay_ns = (int64_t)sgl_rng_below(&draws, 60),
            .loss = losses[world % 4],
            .seed = (uint64_t)world,
            .worker_count = WORKERS,
        };
        const int64_t from_ns = (int64_t)sgl_rng_below(&draws, 50);
        const int64_t arrival_ns = from_ns + (int64_t)sgl_rng_below(&draws, 800);
        int64_t heard_ns[WORKERS] = {-1, -1, -1};
        int64_t poll_ns = sgl_reports_next_poll_ns(&reports, from_ns, true, arrival_ns);
        for (; poll_ns <= arrival_ns;
             poll_ns = sgl_reports_next_poll_ns(&reports, poll_ns, true, arrival_ns)) {
            taken++;
            for (uint32_t w = 0; w < WORKERS; w++)
                if (poll_ns + reports.delay_ns <= arrival_ns &&
                    !sgl_reports_is_lost(&reports, w, poll_ns))
                    heard_ns[w] = poll_ns;
        }
        skipped += (arrival_ns - from_ns) / reports.interval_ns;
        for (uint32_t w = 0; w < WORKERS; w++)
            CU_ASSERT_EQUAL(heard_ns[w], newest(&reports, w, from_ns, arrival_ns));
    }
    CU_ASSERT_TRUE(taken * 2 < skipped);
}

struct run {
    struct sgl_simulation_totals totals;
    struct sgl_witness witness;
};

static struct run run(const char *policy, double completions_loss, double load_loss, uint64_t seed)
{
    static struct sgl_trace_row rows[ROWS];
    struct sgl_test_fleet fleet;
    struct run run;

    for (int i = 0; i < ROWS; i++)
        rows[i] = sgl_row(i, i * SECOND / 100, 10, 10, 10);
    sgl_test_fleet_init(&fleet, policy, "deterministic:mean_s=0.05,servers=4", WORKERS);
    fleet.options.seed = seed;
    fleet.options.completions_report = true;
    fleet.options.completions_loss = completions_loss;
    fleet.options.load_interval_ns = SECOND / 100;
    fleet.options.load_loss = load_loss;
    sgl_witness_init(&run.witness, ROWS);
    run.totals = sgl_test_fleet_run(&fleet, rows, ROWS, &run.witness);
    CU_ASSERT_EQUAL(run.totals.succeeded, ROWS);
    sgl_test_fleet_release(&fleet);
    return run;
}

/* Within five deviations of its mean. */
static bool is_binomial(double count, double n, double p)
{
    return fabs(count - n * p) <= 5 * sqrt(n * p * (1 - p));
}

/* Every answer arrives; only what it tells of the queue may be missing, by the request's own luck,
 * whatever the policy. */
static void answers_lose_their_queue_length(void)
{
    struct run runs[] = {run("random", 0.3, 0, 5), run("round_robin", 0.3, 0, 5),
                         run("random", 0.3, 0, 6), run("random", 0, 0, 5), run("random", 1, 0, 5)};
    int lost[5] = {0};
    int differs[5] = {0};

    for (int r = 0; r < 5; r++)
        for (int i = 0; i < ROWS; i++) {
            const struct sgl_outcome *outcome = &runs[r].witness.seen[i].outcome;
            const bool is_lost = outcome->queue_length == SGL_ABSENT;
            CU_ASSERT_EQUAL(is_lost, outcome->reported_ns == SGL_ABSENT);
            lost[r] += is_lost;
            differs[r] += is_lost != (runs[0].witness.seen[i].outcome.queue_length == SGL_ABSENT);
        }
    CU_ASSERT_TRUE(is_binomial(lost[0], ROWS, 0.3));
    CU_ASSERT_EQUAL(differs[1], 0);
    CU_ASSERT_TRUE(differs[2] > ROWS / 10);
    CU_ASSERT_EQUAL(lost[3], 0);
    CU_ASSERT_EQUAL(lost[4], ROWS);
    for (int r = 0; r < 5; r++)
        sgl_witness_release(&runs[r].witness);
}

static void load_reports_get_lost(void)
{
    struct run all = run("random", 0, 0, 5);
    struct run some = run("random", 0, 0.6, 5);
    struct run none = run("random", 0, 1, 5);

    CU_ASSERT_TRUE(all.witness.report_count > ROWS);
    CU_ASSERT_TRUE(
        is_binomial((double)some.witness.report_count, (double)all.witness.report_count, 0.4));
    CU_ASSERT_EQUAL(none.witness.report_count, 0);
    sgl_witness_release(&all.witness);
    sgl_witness_release(&some.witness);
    sgl_witness_release(&none.witness);
}

static void impossible_losses_are_refused(void)
{
    static const double bad[][2] = {{-0.1, 0}, {1.1, 0}, {0, -1}, {0, 2}, {0, NAN}, {NAN, 0}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sgl_test_fleet fleet;
        struct sgl_memory_source source;
        struct sgl_simulation_totals totals;
        struct sgl_failure failure = {""};
        sgl_test_fleet_init(&fleet, "random", "deterministic", 1);
        fleet.options.load_loss = bad[i][0];
        fleet.options.completions_loss = bad[i][1];
        sgl_memory_source_init(&source, NULL, 0);
        CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure),
                        SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, "expected 0 to 1");
        sgl_test_fleet_release(&fleet);
    }
}

SGL_SUITE(signals) = {
    {"polls skipped while idle are not missed when some are lost",
     skipped_polls_are_not_missed_when_some_are_lost},
    {"answers lose their queue length, each by its own luck", answers_lose_their_queue_length},
    {"load reports get lost", load_reports_get_lost},
    {"impossible losses are refused", impossible_losses_are_refused},
    CU_TEST_INFO_NULL,
};
