/* Two single runs against each other: what has an interval, what has none, and how sure it is. */
#include "analysis/compare.h"
#include "core/rng.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 3200
#define SPACING_NS (100 * SGL_NANOSECONDS_PER_SECOND) /* apart: nobody waits for another */
#define ITL_MEAN (SGL_METRIC_ITL * SGL_STATISTIC_COUNT + SGL_STATISTIC_MEAN)
#define E2E(statistic) (SGL_METRIC_E2E * SGL_STATISTIC_COUNT + SGL_STATISTIC_##statistic)

/* A run that had these times; `gaps` NULL: answers of one piece. */
struct side {
    struct sgl_detail *detail;
    struct sgl_run run;
};

static void side_init(struct side *side, const double *e2e_ms, const double *tpot_ms,
                      const int64_t *gaps, uint32_t count)
{
    memset(side, 0, sizeof *side);
    CU_ASSERT_EQUAL_FATAL(sgl_detail_create(&side->detail, SGL_NANOSECONDS_PER_SECOND, NULL), 0);
    side->detail->requests = calloc(count + 1, sizeof *side->detail->requests);
    CU_ASSERT_PTR_NOT_NULL_FATAL(side->detail->requests);
    side->detail->request_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sgl_request_detail *request = &side->detail->requests[i];
        for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
            request->values[m] = (double)NAN;
        request->arrival_ns = i * SPACING_NS;
        request->values[SGL_METRIC_E2E] = e2e_ms[i];
        if (gaps != NULL && gaps[i] > 0) {
            request->values[SGL_METRIC_TPOT] = tpot_ms[i];
            request->gaps = gaps[i];
        }
        request->is_answered = true;
        request->success = true;
    }
    for (int f = 0; f < SGL_FIGURE_COUNT; f++)
        side->run.figures[f] = (double)NAN;
}

static void compare(struct sgl_comparison *comparison, struct side *a, struct side *b,
                    enum sgl_pairing pairing)
{
    struct side *const sides[] = {a, b};

    CU_ASSERT_EQUAL_FATAL(sgl_comparison_init(comparison, 2, 1, NULL), SGL_OK);
    comparison->pairing = pairing;
    comparison->margin = 0.05;
    for (uint32_t arm = 0; arm < 2; arm++)
        *sgl_comparison_arm(comparison, 0, arm) = (struct sgl_arm){
            .label = "",
            .runs = &sides[arm]->run,
            .run_count = 1,
            .recorded = &sides[arm]->run,
            .detail = sides[arm]->detail,
        };
    CU_ASSERT_EQUAL(sgl_comparison_compute(comparison, NULL), SGL_OK);
}

static void release(struct sgl_comparison *comparison, struct side *a, struct side *b)
{
    sgl_comparison_release(comparison);
    sgl_detail_destroy(a->detail);
    sgl_detail_destroy(b->detail);
}

static double gap_mean(const double *tpot_ms, const int64_t *gaps, uint32_t count)
{
    double ms = 0;
    double all = 0;

    for (uint32_t i = 0; i < count; i++) {
        ms += gaps[i] > 0 ? tpot_ms[i] * (double)gaps[i] : 0;
        all += (double)gaps[i];
    }
    return ms / all;
}

#define GAP_WORLDS 40

/* Independent requests of many or few gaps, long answers faster: the variance of the mean gap is
 * that of a ratio of sums, by the delta method sum of (w (t - mean))^2 / (sum of w)^2. That of 8
 * cosines is known to a third, that of 40 worlds to a twentieth. */
static void gaps_are_clusters(void)
{
    static double tpot[2][REQUESTS_MAX];
    static int64_t gaps[2][REQUESTS_MAX];
    struct sgl_rng draws = sgl_rng_stream(1, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    double ratio = 0;

    for (int world = 0; world < GAP_WORLDS; world++) {
        struct sgl_comparison comparison;
        struct side sides[2];
        double variance = 0;
        double means[2];
        for (int s = 0; s < 2; s++) {
            double squares = 0;
            double all = 0;
            for (int i = 0; i < 1000; i++) {
                gaps[s][i] = sgl_rng_below(&draws, 10) == 0 ? 0 : sgl_rng_below(&draws, 400);
                tpot[s][i] = 10 + 4 * sgl_rng_uniform(&draws) - (double)gaps[s][i] / 100;
            }
            means[s] = gap_mean(tpot[s], gaps[s], 1000);
            for (int i = 0; i < 1000; i++) {
                const double term = (double)gaps[s][i] * (tpot[s][i] - means[s]);
                squares += term * term;
                all += (double)gaps[s][i];
            }
            variance += squares / (all * means[s]) / (all * means[s]);
            side_init(&sides[s], tpot[s], tpot[s], gaps[s], 1000);
            sides[s].run.figures[ITL_MEAN] = means[s];
            sides[s].run.figures[ITL_MEAN + 1] = 10 + s;
        }
        compare(&comparison, &sides[0], &sides[1], SGL_UNPAIRED);
        const struct sgl_effect *effect = sgl_comparison_effect(&comparison, 0, 1, ITL_MEAN);
        CU_ASSERT_EQUAL(effect->method, SGL_METHOD_LONG_RUN_T);
        CU_ASSERT_DOUBLE_EQUAL(effect->change, means[1] / means[0] - 1, 1e-12);
        CU_ASSERT_TRUE(effect->freedom >= 4 && effect->freedom <= 16);
        CU_ASSERT_TRUE(effect->low < effect->change && effect->change < effect->high);
        ratio += effect->error * effect->error / variance / GAP_WORLDS;
        /* Nobody knows whose gaps the percentiles are of. */
        effect = sgl_comparison_effect(&comparison, 0, 1, ITL_MEAN + 1);
        CU_ASSERT_EQUAL(effect->method, SGL_METHOD_NONE);
        CU_ASSERT_DOUBLE_EQUAL(effect->change, 0.1, 1e-12);
        sgl_comparison_release(&comparison);

        /* When requests that failed gave gaps too, those of the others are not the run's. */
        sides[1].run.figures[ITL_MEAN] = 1.01 * means[1];
        compare(&comparison, &sides[0], &sides[1], SGL_UNPAIRED);
        effect = sgl_comparison_effect(&comparison, 0, 1, ITL_MEAN);
        CU_ASSERT_EQUAL(effect->method, SGL_METHOD_NONE);
        CU_ASSERT_DOUBLE_EQUAL(effect->change, 1.01 * means[1] / means[0] - 1, 1e-12);
        release(&comparison, &sides[0], &sides[1]);
    }
    CU_ASSERT_DOUBLE_EQUAL(ratio, 1, 0.2);
}

/* A mean of 199 requests, a p90 of 299, a p95 of 599 and a p99 of 2,999 have no interval, of one
 * more they do; the change itself is told. */
static void few_requests(void)
{
    static const uint32_t counts[] = {199, 200, 299, 300, 599, 600, 2999, 3000};
    static const int known[] = {0, 2, 2, 3, 3, 4, 4, 5}; /* of mean, p50, p90, p95, p99 */
    static double values[2][REQUESTS_MAX];
    struct sgl_rng draws = sgl_rng_stream(2, SGL_PURPOSE_ARRIVAL, 0, 0, 0);

    for (int i = 0; i < REQUESTS_MAX; i++) {
        values[0][i] = sgl_rng_exponential(&draws, 1);
        values[1][i] = sgl_rng_exponential(&draws, 1.5);
    }
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct sgl_comparison comparison;
        struct side sides[2];
        for (int s = 0; s < 2; s++) {
            side_init(&sides[s], values[s], NULL, NULL, counts[c]);
            for (int k = 0; k < SGL_STATISTIC_COUNT; k++)
                sides[s].run.figures[E2E(MEAN) + k] = 1 + 0.5 * s;
        }
        compare(&comparison, &sides[0], &sides[1], SGL_UNPAIRED);
        for (int k = 0; k < SGL_STATISTIC_COUNT; k++) {
            const struct sgl_effect *effect =
                sgl_comparison_effect(&comparison, 0, 1, E2E(MEAN) + k);
            CU_ASSERT_EQUAL(effect->method, k < known[c] ? SGL_METHOD_LONG_RUN_T : SGL_METHOD_NONE);
            CU_ASSERT_TRUE(effect->change > 0.2 && effect->change < 1);
            CU_ASSERT_EQUAL(isnan(effect->p_value), k >= known[c]);
            CU_ASSERT_FALSE(sgl_effect_lacks_stretches(effect, E2E(MEAN) + k));
        }
        release(&comparison, &sides[0], &sides[1]);
    }
}

/* The same requests under two names: identical in everything, rates too, however few; no test is
 * made. One request that differs ends that, for its metric alone. */
static void identical_runs(void)
{
    static const uint32_t counts[] = {1, 2, 30, 2100};
    static double values[REQUESTS_MAX];
    struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 0, 0, 0);

    for (int i = 0; i < REQUESTS_MAX; i++)
        values[i] = i % 7 == 3 ? (double)NAN : sgl_rng_exponential(&draws, 1);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (int pairing = SGL_PAIRED_REQUESTS; pairing <= SGL_UNPAIRED; pairing++) {
            struct sgl_comparison comparison;
            struct side sides[2];
            for (int s = 0; s < 2; s++) {
                side_init(&sides[s], values, NULL, NULL, counts[c]);
                for (int f = 0; f < SGL_FIGURE_COUNT; f++)
                    sides[s].run.figures[f] = f == SGL_FIGURE_FAILED_SHARE ? 0 : 3.5;
            }
            compare(&comparison, &sides[0], &sides[1], (enum sgl_pairing)pairing);
            for (int f = 0; f < SGL_FIGURE_COUNT; f++) {
                const struct sgl_effect *effect = sgl_comparison_effect(&comparison, 0, 1, f);
                CU_ASSERT_EQUAL(effect->method, SGL_METHOD_EXACT);
                CU_ASSERT_EQUAL(effect->verdict, SGL_VERDICT_EQUAL);
                CU_ASSERT_TRUE(effect->change == 0 && effect->low == 0 && effect->high == 0);
                CU_ASSERT_TRUE(isnan(effect->p_holm));
            }
            CU_ASSERT_EQUAL(comparison.tests, 0);
            sgl_comparison_release(&comparison);
            sides[1].detail->requests[0].values[SGL_METRIC_E2E] += 1;
            sides[1].run.figures[E2E(MEAN)] = 3.6;
            compare(&comparison, &sides[0], &sides[1], (enum sgl_pairing)pairing);
            CU_ASSERT_NOT_EQUAL(sgl_comparison_effect(&comparison, 0, 1, E2E(MEAN))->method,
                                SGL_METHOD_EXACT);
            CU_ASSERT_EQUAL(sgl_comparison_effect(&comparison, 0, 1, SGL_FIGURE_REQUESTS)->verdict,
                            SGL_VERDICT_UNKNOWN);
            CU_ASSERT_EQUAL(sgl_comparison_effect(&comparison, 0, 1, 0)->verdict,
                            SGL_VERDICT_EQUAL);
            release(&comparison, &sides[0], &sides[1]);
        }
}

/* Ties everywhere: each request takes 100 ms in the one and 120 or 103 in the other. Nothing
 * varies, so the estimate is as sure as it can be. */
static void ties(void)
{
    static const double others[] = {120, 103};
    double values[2][700];

    for (int o = 0; o < 2; o++) {
        struct sgl_comparison comparison;
        struct side sides[2];
        for (int i = 0; i < 700; i++) {
            values[0][i] = 100;
            values[1][i] = others[o];
        }
        for (int s = 0; s < 2; s++) {
            side_init(&sides[s], values[s], NULL, NULL, 700);
            for (int k = 0; k < SGL_STATISTIC_COUNT; k++)
                sides[s].run.figures[E2E(MEAN) + k] = values[s][0];
        }
        compare(&comparison, &sides[0], &sides[1], SGL_PAIRED_REQUESTS);
        for (int k = 0; k < SGL_STATISTIC_P99; k++) {
            const struct sgl_effect *effect =
                sgl_comparison_effect(&comparison, 0, 1, E2E(MEAN) + k);
            CU_ASSERT_DOUBLE_EQUAL(effect->change, others[o] / 100 - 1, 1e-12);
            CU_ASSERT_TRUE(effect->p_holm == 0);
            CU_ASSERT_EQUAL(effect->verdict, o == 0 ? SGL_VERDICT_WORSE : SGL_VERDICT_EQUAL);
        }
        release(&comparison, &sides[0], &sides[1]);
    }
}

#define TRIALS 200
#define QUEUE 600

/* A run of an M/M/1 queue from its steady state (Lindley's recursion), service 1 s on average. */
static void queue_init(struct side *side, double load, uint64_t seed)
{
    struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    double wait = sgl_rng_uniform(&draws) < load ? sgl_rng_exponential(&draws, 1 / (1 - load)) : 0;
    double values[QUEUE];
    double arrivals[QUEUE];
    double now = 0;

    for (int i = 0; i < QUEUE; i++) {
        const double service = sgl_rng_exponential(&draws, 1);
        const double gap = sgl_rng_exponential(&draws, 1 / load);
        values[i] = 1e3 * (wait + service);
        arrivals[i] = now;
        wait = fmax(0, wait + service - gap);
        now += gap;
    }
    side_init(side, values, NULL, NULL, QUEUE);
    for (int i = 0; i < QUEUE; i++)
        side->detail->requests[i].arrival_ns = llround(1e9 * arrivals[i]);
    side->run.figures[E2E(MEAN)] = 1;
    side->run.figures[E2E(P95)] = 1;
}

struct tally {
    int given;
    int rejected;
    int refused; /* for they hang together */
};

static struct tally compare_queues(double load, int figure)
{
    struct tally tally = {0};

    for (uint64_t t = 0; t < TRIALS; t++) {
        struct sgl_comparison comparison;
        struct side sides[2];
        for (uint64_t s = 0; s < 2; s++)
            queue_init(&sides[s], load, 1 + 2 * t + s);
        compare(&comparison, &sides[0], &sides[1], SGL_UNPAIRED);
        const struct sgl_effect *effect = sgl_comparison_effect(&comparison, 0, 1, figure);
        tally.given += effect->method == SGL_METHOD_LONG_RUN_T;
        tally.rejected += effect->p_value < 0.05;
        tally.refused += sgl_effect_lacks_stretches(effect, figure);
        CU_ASSERT_TRUE(!isnan(effect->change) && effect->stretches > 0);
        release(&comparison, &sides[0], &sides[1]);
    }
    CU_ASSERT_EQUAL(tally.given + tally.refused, TRIALS);
    return tally;
}

/* Binomial: 12 of 200 would be 6 %, and 20 is beyond three standard errors of that. */
static void short_runs(void)
{
    static const int figures[] = {E2E(MEAN), E2E(P95)};

    for (int i = 0; i < 2; i++) {
        const struct tally tally = compare_queues(0.4, figures[i]);
        CU_ASSERT_TRUE(tally.given > TRIALS * 8 / 10);
        CU_ASSERT_TRUE(tally.rejected >= 1 && tally.rejected <= 20);
    }
}

/* A queue that is hardly ever empty is one long wait: its requests are not so many values. */
static void busy_runs(void)
{
    const struct tally tally = compare_queues(0.95, E2E(MEAN));

    CU_ASSERT_TRUE(tally.refused > TRIALS * 97 / 100);
    CU_ASSERT_TRUE(tally.rejected <= 2);
}

SGL_SUITE(compare_single) = {
    {"the mean gap between tokens is a ratio of sums over requests, and as sure as one",
     gaps_are_clusters},
    {"of few requests a change has no interval, and is told", few_requests},
    {"runs that do not differ in any request are identical, few or many", identical_runs},
    {"a difference that all requests have is shown, or equal within the margin", ties},
    {"runs of 600 requests of the same queue are told apart in about one of twenty", short_runs},
    {"runs of a queue that is hardly ever empty have no interval", busy_runs},
    CU_TEST_INFO_NULL,
};
