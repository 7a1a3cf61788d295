/* The simulator against queueing theory: mean waiting times in closed form. */
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 20
#define REQUESTS 10000
#define WARM_UP 2000 /* requests from an empty system on that are not counted */

/* Mean wait in M/M/c: Erlang's C over (c mu - lambda). Gross et al., Fundamentals of Queueing
 * Theory, 4th ed., section 2.3. For c = 1 it is rho / (mu - lambda). */
static double wait_mmc(double lambda, double mu, int servers)
{
    const double offered = lambda / mu;
    double term = 1;
    double sum = 0;

    for (int k = 0; k < servers; k++) {
        sum += term;
        term *= offered / (k + 1);
    }
    term *= servers / (servers - offered);
    return term / (sum + term) / (servers * mu - lambda);
}

/* Pollaczek-Khinchine with no variance of service: half of M/M/1. */
static double wait_md1(double lambda, double mu)
{
    return wait_mmc(lambda, mu, 1) / 2;
}

/* Service of two kinds, as short and long answers are: 0.02 s, and 0.5 s for one in eight. Mean
 * 0.08 s, second moment 0.0316 s^2: a squared coefficient of variation of 3.94. */
#define SHORT_NS INT64_C(20000000)
#define LONG_NS INT64_C(500000000)
#define ONE_IN 8

/* Pollaczek-Khinchine: lambda E[S^2] / (2 (1 - rho)). */
static double wait_mg1(double lambda)
{
    const double first = (7 * (double)SHORT_NS + (double)LONG_NS) / ONE_IN / 1e9;
    const double second =
        (7 * pow((double)SHORT_NS / 1e9, 2) + pow((double)LONG_NS / 1e9, 2)) / ONE_IN;

    return lambda * second / (2 * (1 - lambda * first));
}

/* What a recorder would have filed of a request that never waited. */
static void record_service(struct sgl_trace_row *row, struct sgl_rng *draws)
{
    const int64_t service_ns = sgl_rng_below(draws, ONE_IN) == 0 ? LONG_NS : SHORT_NS;

    row->recorded.queue_end_ns = row->request.arrival_ns;
    row->recorded.finish_ns = row->request.arrival_ns + service_ns;
}

static double mean_wait_s(const char *model, double lambda, uint64_t seed)
{
    static struct sgl_trace_row rows[REQUESTS];
    struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_rng lengths = sgl_rng_stream(seed, SGL_PURPOSE_LENGTH, 0, 0, 0);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    double time_s = 0;
    double sum_s = 0;

    for (int64_t i = 0; i < REQUESTS; i++) {
        rows[i] = sgl_row(i, llround(time_s * 1e9), 1, 1, 1);
        record_service(&rows[i], &lengths);
        time_s += sgl_rng_exponential(&draws, 1 / lambda);
    }
    sgl_test_fleet_init(&fleet, "round_robin", model, 1);
    fleet.options.seed = seed;
    sgl_witness_init(&witness, REQUESTS);
    sgl_test_fleet_run(&fleet, rows, REQUESTS, &witness);
    for (int i = WARM_UP; i < REQUESTS; i++)
        sum_s += (double)witness.seen[i].outcome.queue_time_ns / 1e9;
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
    return sum_s / (REQUESTS - WARM_UP);
}

/* The closed form must lie in the 99 % t-interval of the means of independent runs. */
static void agrees(const char *model, double lambda, double expected_s)
{
    double sum = 0;
    double squares = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const double mean = mean_wait_s(model, lambda, seed);
        sum += mean;
        squares += mean * mean;
    }
    const double mean = sum / SEEDS;
    const double deviation = sqrt((squares - SEEDS * mean * mean) / (SEEDS - 1));
    const double half = gsl_cdf_tdist_Pinv(0.995, SEEDS - 1) * deviation / sqrt(SEEDS);
    const bool inside = fabs(mean - expected_s) <= half;
    if (!inside || half > 0.15 * expected_s)
        printf("\n  %s: mean wait %.4f +- %.4f s, closed form %.4f s\n", model, mean, half,
               expected_s);
    CU_ASSERT_TRUE(inside);
    CU_ASSERT_TRUE(half <= 0.15 * expected_s); /* or the interval would hold anything */
}

static void mm1(void)
{
    agrees("exponential:mean_s=0.1", 6, wait_mmc(6, 10, 1));
}

static void md1(void)
{
    agrees("deterministic:mean_s=0.1", 7, wait_md1(7, 10));
}

static void mmc(void)
{
    agrees("exponential:mean_s=0.4,servers=4", 7, wait_mmc(7, 2.5, 4));
}

static void mg1(void)
{
    agrees("recorded:servers=1", 6, wait_mg1(6));
}

/*
 * Power of two choices: with many M/M/1 servers at load rho, the part of them with at least i
 * requests is rho^(2^i - 1), against rho^i when they are chosen at random (Mitzenmacher, "The Power
 * of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001: doubly exponential tails).
 * Arrivals are Poisson, so what they see is the average over time.
 */
#define MANY 200
#define MANY_REQUESTS 60000
#define MANY_WARM_UP 20000
#define TAIL 5
#define LOAD 0.8

struct tails {
    struct sgl_sink sink;
    uint64_t decisions;
    uint64_t seen;
    uint64_t at_least[TAIL + 1];
};

static void see(struct sgl_sink *sink, const struct sgl_decision *decision,
                const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct tails *tails = (struct tails *)sink;

    (void)decision;
    /* Every tenth: neighbours see almost the same. */
    if (++tails->decisions <= MANY_WARM_UP || tails->decisions % 10 != 0)
        return;
    tails->seen += candidate_count;
    for (uint32_t c = 0; c < candidate_count; c++)
        for (int64_t i = 1; i <= TAIL && i <= candidates[c].outstanding; i++)
            tails->at_least[i]++;
}

static void tails_of(const char *policy, struct tails *tails)
{
    static const struct sgl_sink_ops ops = {.decision = see};
    static struct sgl_simulation_worker workers[MANY];
    static struct sgl_trace_row rows[MANY_REQUESTS];
    static char urls[MANY][32];
    struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_test_fleet fleet;
    struct sgl_failure failure;
    double time_s = 0;

    for (int64_t i = 0; i < MANY_REQUESTS; i++) {
        rows[i] = sgl_row(i, llround(time_s * 1e9), 1, 1, 1);
        time_s += sgl_rng_exponential(&draws, 1 / (MANY * LOAD));
    }
    sgl_test_fleet_init(&fleet, policy, "exponential:mean_s=1", 1);
    for (int w = 0; w < MANY; w++) {
        snprintf(urls[w], sizeof urls[w], "http://worker-%d", w);
        workers[w] = fleet.workers[0];
        workers[w].url = urls[w];
    }
    *tails = (struct tails){.sink = {.ops = &ops, .wants_candidates = true}};
    fleet.options.workers = workers;
    fleet.options.worker_count = MANY;
    fleet.options.sink = &tails->sink;
    sgl_memory_source_init(&source, rows, MANY_REQUESTS);
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure), SGL_OK);
    sgl_test_fleet_release(&fleet);
}

static void tails_agree(const char *policy, bool is_doubly_exponential)
{
    struct tails tails;

    tails_of(policy, &tails);
    for (int i = 1; i <= TAIL; i++) {
        const double part = (double)tails.at_least[i] / (double)tails.seen;
        const double expected = pow(LOAD, is_doubly_exponential ? exp2(i) - 1 : i);
        if (fabs(part - expected) > 0.02)
            printf("\n  %s: %.4f of the workers have %d or more, closed form %.4f\n", policy, part,
                   i, expected);
        CU_ASSERT_DOUBLE_EQUAL(part, expected, 0.02);
    }
}

static void power_of_two(void)
{
    tails_agree("random", false);
    tails_agree("power_of_two", true);
}

/* c = 1 must give the textbook form of M/M/1, and an idle system no wait. */
static void closed_forms(void)
{
    CU_ASSERT_DOUBLE_EQUAL(wait_mmc(6, 10, 1), 0.6 / 4, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(wait_mg1(6), 6 * 0.0316 / (2 * (1 - 6 * 0.08)), 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(wait_mmc(3, 2, 2), 9.0 / 14, 1e-12); /* rho 3/4: C = 9/14, 1/(4-3) s */
}

SGL_SUITE(queueing) = {
    {"closed forms are those of the textbook", closed_forms},
    {"M/M/1 waits its closed form, within a 99 % interval over 20 seeds", mm1},
    {"M/D/1 waits half of M/M/1", md1},
    {"M/M/4 waits Erlang's C", mmc},
    {"M/G/1 waits Pollaczek and Khinchine's mean", mg1},
    {"queues are as long as two choices, or one, make them", power_of_two},
    CU_TEST_INFO_NULL,
};
