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

static double mean_wait_s(const char *model, double lambda, uint64_t seed)
{
    static struct sgl_trace_row rows[REQUESTS];
    struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    double time_s = 0;
    double sum_s = 0;

    for (int64_t i = 0; i < REQUESTS; i++) {
        rows[i] = sgl_row(i, llround(time_s * 1e9), 1, 1, 1);
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

/* c = 1 must give the textbook form of M/M/1, and an idle system no wait. */
static void closed_forms(void)
{
    CU_ASSERT_DOUBLE_EQUAL(wait_mmc(6, 10, 1), 0.6 / 4, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(wait_mmc(3, 2, 2), 9.0 / 14, 1e-12); /* rho 3/4: C = 9/14, 1/(4-3) s */
}

SGL_SUITE(queueing) = {
    {"closed forms are those of the textbook", closed_forms},
    {"M/M/1 waits its closed form, within a 99 % interval over 20 seeds", mm1},
    {"M/D/1 waits half of M/M/1", md1},
    {"M/M/4 waits Erlang's C", mmc},
    CU_TEST_INFO_NULL,
};
