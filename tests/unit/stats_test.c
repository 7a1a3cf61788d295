/* Statistics against textbook values, closed forms and slow oracles. */
#include "analysis/samples.h"
#include "analysis/stats_equivalence.h"
#include "analysis/stats_holm.h"
#include "analysis/stats_long_run.h"
#include "analysis/stats_mean.h"
#include "analysis/stats_mser.h"
#include "core/failure.h"
#include "core/rng.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sleep gained by ten patients under one drug over another: Student, "The probable error of a
 * mean", Biometrika 6, 1908. t = 4.0621 on 9 degrees of freedom. */
static const double sleep_hours[] = {1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4};

static void student(void)
{
    const struct sgl_mean_test test = sgl_mean_test(sleep_hours, 10);

    CU_ASSERT_EQUAL(test.count, 10);
    CU_ASSERT_DOUBLE_EQUAL(test.mean, 1.58, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(test.low, 0.7001142, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(test.high, 2.4598858, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(test.p_value, 0.00283289, 1e-8);
    CU_ASSERT_DOUBLE_EQUAL(test.mean / (test.deviation / sqrt(10)), 4.0621277, 1e-7);
}

static void few_values(void)
{
    const double same[] = {0.1, 0.1, 0.1};
    struct sgl_mean_test test = sgl_mean_test(same, 3);

    CU_ASSERT_TRUE(test.mean == 0.1 && test.low == 0.1 && test.high == 0.1);
    CU_ASSERT_TRUE(isnan(test.p_value));
    test = sgl_mean_test(same, 1);
    CU_ASSERT_TRUE(test.mean == 0.1 && isnan(test.low) && isnan(test.p_value));
    test = sgl_mean_test(same, 0);
    CU_ASSERT_TRUE(isnan(test.mean) && test.count == 0);
}

/* 10 pairs for an effect of one deviation, 34 for a half: R's power.t.test(power = .8, type =
 * "paired") gives 9.94 and 33.4. */
static void power(void)
{
    CU_ASSERT_EQUAL(sgl_mean_count_needed(1, 1, 0.025, 0.8), 10);
    CU_ASSERT_EQUAL(sgl_mean_count_needed(2, 1, 0.025, 0.8), 34);
    CU_ASSERT_EQUAL(sgl_mean_count_needed(1e6, 1, 0.025, 0.8), 0);
    CU_ASSERT_EQUAL(sgl_mean_count_needed((double)NAN, 1, 0.025, 0.8), 0);
}

/* The test and the 90 % interval must say the same, whatever the numbers. */
static void equivalence_is_inclusion(void)
{
    struct sgl_rng draws = sgl_rng_stream(1, SGL_PURPOSE_RESAMPLE, 0, 0, 0);
    int shown = 0;

    for (int i = 0; i < 2000; i++) {
        const double estimate = 0.1 * (sgl_rng_uniform(&draws) - 0.5);
        const double error = 0.04 * sgl_rng_uniform(&draws) + 1e-6;
        const double freedom = i % 10 == 0 ? (double)INFINITY : 1 + i % 40;
        const struct sgl_equivalence test = sgl_equivalence_test(estimate, error, freedom, 0.05);
        const bool inside = test.low > -log(1.05) && test.high < log(1.05);
        const struct sgl_equivalence mirror = sgl_equivalence_test(-estimate, error, freedom, 0.05);
        CU_ASSERT_EQUAL(test.is_shown, inside);
        CU_ASSERT_DOUBLE_EQUAL(test.p_value, mirror.p_value, 1e-12);
        shown += test.is_shown;
    }
    CU_ASSERT_TRUE(shown > 200 && shown < 1800);
    /* t(0.95; 9) = 1.833113: the error at which 0 is just equal within 5 %. */
    CU_ASSERT_TRUE(sgl_equivalence_test(0, log(1.05) / 1.833114, 9, 0.05).is_shown);
    CU_ASSERT_FALSE(sgl_equivalence_test(0, log(1.05) / 1.833112, 9, 0.05).is_shown);
}

static void holm(void)
{
    const double expected[] = {0.05, 0.08, 0.09, 0.09, 0.09}; /* R's p.adjust */
    double p[] = {0.04, (double)NAN, 0.01, 0.05, 0.02, 0.03};
    double tiny[] = {1e-300, 0, 1};

    CU_ASSERT_EQUAL(sgl_holm_adjust(p, p, 6), 5);
    CU_ASSERT_TRUE(isnan(p[1]));
    CU_ASSERT_DOUBLE_EQUAL(p[2], expected[0], 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(p[4], expected[1], 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(p[5], expected[2], 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(p[0], expected[3], 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(p[3], expected[4], 1e-15);
    sgl_holm_adjust(tiny, tiny, 3);
    CU_ASSERT_TRUE(tiny[0] == 2e-300 && tiny[1] == 0 && !signbit(tiny[1]) && tiny[2] == 1);
}

/* The definition, quadratic. */
static size_t slow_cut(const double *values, size_t count)
{
    const size_t batches = count / 5;
    double best = (double)INFINITY;
    size_t cut = 0;

    for (size_t d = 0; d + 5 <= batches; d++) {
        double mean = 0;
        double squares = 0;
        for (size_t pass = 0; pass < 2; pass++)
            for (size_t j = d; j < batches; j++) {
                double z = 0;
                for (size_t i = 0; i < 5; i++)
                    z += values[5 * j + i] / 5;
                if (pass == 0)
                    mean += z / (double)(batches - d);
                else
                    squares += (z - mean) * (z - mean);
            }
        const double statistic = squares / (double)((batches - d) * (batches - d));
        if (statistic < best) {
            best = statistic;
            cut = d;
        }
    }
    return 5 * cut;
}

static void mser(void)
{
    double values[400];
    int found = 0;

    for (int64_t world = 0; world < 50; world++) {
        struct sgl_rng draws = sgl_rng_stream(2, SGL_PURPOSE_RESAMPLE, 0, world, 0);
        for (int i = 0; i < 400; i++)
            values[i] = sgl_rng_uniform(&draws) + (i < 100 ? 3 - 0.03 * i : 0);
        const struct sgl_mser cut = sgl_mser_cut(values, 400);
        const size_t slow = slow_cut(values, 400);
        CU_ASSERT_EQUAL(cut.is_stationary, slow <= 200);
        CU_ASSERT_EQUAL(cut.cut, slow <= 200 ? slow : 0);
        found += cut.cut >= 60 && cut.cut <= 120;
    }
    CU_ASSERT_TRUE(found >= 40); /* the ramp ends at 100; a quiet tail fools it now and then */
    for (int i = 0; i < 400; i++)
        values[i] = i < 300 ? 100 - i % 7 : 1;
    CU_ASSERT_FALSE(sgl_mser_cut(values, 400).is_stationary);
    CU_ASSERT_FALSE(sgl_mser_cut(values, 19).is_stationary);
}

#define SERIES 4000
#define PHI 0.7

/* A first-order autoregression with mean 10. */
static void fill_autoregression(double *values, double phi, uint64_t seed)
{
    struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_RESAMPLE, 0, 0, 0);
    double x = 0;

    for (int i = 0; i < SERIES; i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++)
            sum += sgl_rng_uniform(&draws);
        x = phi * x + (sum - 6); /* near enough normal, variance 1 */
        values[i] = 10 + x;
    }
}

/* Standard error of the mean of such a series. */
static double error_of_mean(const double *values, const double *table, double stretches)
{
    static double centred[SERIES];
    double projections[SGL_LONG_RUN_COSINES];
    double mean = 0;

    for (int i = 0; i < SERIES; i++)
        mean += values[i] / SERIES;
    for (int i = 0; i < SERIES; i++)
        centred[i] = values[i] - mean;
    sgl_long_run_project(table, centred, SERIES, projections);
    return sqrt(
        sgl_long_run_variance(projections, sgl_long_run_cosines(stretches), stretches, SERIES));
}

static double stretches_of(const double *values)
{
    double batches[SGL_LONG_RUN_BATCHES];

    sgl_long_run_batches(values, SERIES, batches);
    return sgl_long_run_stretches(batches);
}

#define WORLDS 60

/* The mean of an autoregression has the standard error 1 / ((1 - phi) sqrt(n)), and is worth n over
 * twice its memory -1 / log(phi). */
static void long_run_keeps_dependence(void)
{
    static const double memories[] = {0.7, 0.98};
    static double values[SERIES];
    double *table = malloc(sizeof *table * SERIES * SGL_LONG_RUN_COSINES);

    CU_ASSERT_PTR_NOT_NULL_FATAL(table);
    sgl_long_run_table(table, SERIES);
    for (size_t m = 0; m < sizeof memories / sizeof memories[0]; m++) {
        const double truth = 1 / ((1 - memories[m]) * sqrt(SERIES));
        const double worth = -SERIES * log(memories[m]) / 2;
        double variance = 0;
        double logs = 0;
        for (uint64_t seed = 1; seed <= WORLDS; seed++) {
            fill_autoregression(values, memories[m], seed);
            const double stretches = stretches_of(values);
            const double error = error_of_mean(values, table, stretches);
            variance += error * error / (truth * truth) / WORLDS;
            logs += log(stretches) / WORLDS;
        }
        /* 4 to 8 degrees of freedom each: known to a tenth. Starting at the mean, not in the steady
         * state, takes a little off. */
        CU_ASSERT_DOUBLE_EQUAL(variance, 1, 0.25);
        CU_ASSERT_DOUBLE_EQUAL(exp(logs) / worth, 1, 0.4);
    }
    free(table);
}

static void stretches_of_extremes(void)
{
    static double values[SERIES];

    fill_autoregression(values, 0, 1);
    CU_ASSERT_TRUE(stretches_of(values) > 150);
    for (int i = 0; i < SERIES; i++)
        values[i] = 7;
    CU_ASSERT_EQUAL(stretches_of(values), SGL_LONG_RUN_STRETCHES_MOST);
    for (int i = 0; i < SERIES; i++)
        values[i] = i / 40 % 2; /* batches that alternate */
    CU_ASSERT_DOUBLE_EQUAL(stretches_of(values), SGL_LONG_RUN_STRETCHES_MOST, 1e-6);
    for (int i = 0; i < SERIES; i++)
        values[i] = i;
    CU_ASSERT_TRUE(stretches_of(values) < 2);
    CU_ASSERT_EQUAL(sgl_long_run_cosines(20), 4);
    CU_ASSERT_EQUAL(sgl_long_run_cosines(59.9), 5);
    CU_ASSERT_EQUAL(sgl_long_run_cosines(1500), 8);
}

/* The cosines are of length 1 and at right angles, to each other and to a constant. */
static void cosines_are_orthonormal(void)
{
    enum { COUNT = 97 };
    static double table[COUNT * SGL_LONG_RUN_COSINES];
    double values[COUNT];
    double projections[SGL_LONG_RUN_COSINES];

    sgl_long_run_table(table, COUNT);
    for (int wave = -1; wave < SGL_LONG_RUN_COSINES; wave++) {
        for (int i = 0; i < COUNT; i++)
            values[i] = wave < 0 ? 3 : table[i * SGL_LONG_RUN_COSINES + wave];
        sgl_long_run_project(table, values, COUNT, projections);
        for (int k = 0; k < SGL_LONG_RUN_COSINES; k++)
            CU_ASSERT_DOUBLE_EQUAL(projections[k], k == wave, 1e-12);
    }
    /* Projections of 2 in four waves are a variance of 4 / n; short of stretches a little more. */
    for (int k = 0; k < SGL_LONG_RUN_COSINES; k++)
        projections[k] = k < 4 ? 2 : 1000;
    CU_ASSERT_DOUBLE_EQUAL(sgl_long_run_variance(projections, 4, 1e9, COUNT), 4.0 / COUNT, 1e-9);
    const double x = 2 * acos(-1) / 20;
    CU_ASSERT_DOUBLE_EQUAL(sgl_long_run_variance(projections, 4, 20, COUNT),
                           4.0 / COUNT * x / atan(x), 1e-9);
}

SGL_SUITE(stats) = {
    {"Student's own example has its interval and its p", student},
    {"equal values, one value and none have no test", few_values},
    {"the number of pairs for a power is the textbook's", power},
    {"equal is shown exactly when the 90 % interval lies inside the margin",
     equivalence_is_inclusion},
    {"Holm's adjustment is that of R, absent tests aside", holm},
    {"MSER-5 is its definition, and refuses a run that ends in its warm-up", mser},
    {"the long-run variance is that of an autoregression, and its stretches are its memory's",
     long_run_keeps_dependence},
    {"what is independent is worth many stretches, a trend one", stretches_of_extremes},
    {"the cosines of the long run are orthonormal", cosines_are_orthonormal},
    CU_TEST_INFO_NULL,
};
