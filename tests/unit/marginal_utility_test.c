/*
 * A case worked out by hand.
 *
 * Worker 0, min_history=4, window_size=5. Sent and finished (s), output tokens:
 *     0.0 -> 1.0, 100     0.5 -> 2.0, 200     1.0 -> 4.0, 300     3.0 -> 7.0, 100
 * Halves: {1.0, 2.0} and {4.0, 7.0}
 *     throughput   t1 = (100 + 200) / (2 - 1) = 300      t2 = (300 + 100) / (7 - 4) = 400/3
 *     latency      l1 = (1.0 + 1.5) / 2 = 1.25           l2 = (3.0 + 4.0) / 2 = 3.5
 *     dt = 7 - 2 = 5
 *     throughput_gradient = (400/3 - 300) / 5 = -100/3   latency_gradient = 2.25 / 5 = 0.45
 *     score = 0.6 * -100/3 - 0.4 * 0.45 = -20 - 0.18 = -20.18
 * A fifth, 6.0 -> 9.0, 50: halves {1, 2} and {4, 7, 9}
 *     t2 = 450 / 5 = 90   l2 = (3 + 4 + 3) / 3 = 10/3   dt = 9 - 2 = 7
 *     score = 0.6 * (90 - 300)/7 - 0.4 * (10/3 - 1.25)/7 = -18 - 0.4 * (25/12)/7
 * A sixth pushes the oldest out: 8.0 -> 10.0, 60: halves {2, 4} and {7, 9, 10}
 *     t1 = 500 / 2 = 250   t2 = 210 / 3 = 70   l1 = (1.5 + 3)/2 = 2.25   l2 = (4 + 3 + 2)/3 = 3
 *     dt = 10 - 4 = 6      score = 0.6 * -180/6 - 0.4 * 0.75/6 = -18 - 0.05 = -18.05
 */
#include "core/router.h"

#include "support.h"
#include "world.h"

#include <math.h>
#include <string.h>

static const struct {
    double sent_s;
    double finish_s;
    int64_t output_tokens;
} samples[] = {{0, 1, 100}, {0.5, 2, 200}, {1, 4, 300}, {3, 7, 100}, {6, 9, 50}, {8, 10, 60}};

#define WORKERS 4

/* The policy alone, with observations fed to it directly. The last worker is no candidate, unless a
 * test says so. */
struct fixture {
    struct sgl_policy_spec spec;
    uint64_t state[4096];
    struct sgl_worker workers[WORKERS];
    uint32_t outstanding[WORKERS];
    uint32_t candidates[WORKERS];
    struct sgl_fleet fleet;
    struct sgl_view view;
};

static void set_up(struct fixture *fixture, const char *text)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->spec = sgl_world_policy(text);
    CU_ASSERT_TRUE_FATAL(sgl_policy_state_size(&fixture->spec, WORKERS) <= sizeof fixture->state);
    fixture->spec.ops->create(fixture->state,
                              &(struct sgl_policy_setup){&fixture->spec.parameters, WORKERS, NULL});
    for (uint32_t w = 0; w < WORKERS; w++)
        fixture->candidates[w] = w;
    fixture->fleet = (struct sgl_fleet){
        .worker_count = WORKERS, .workers = fixture->workers, .outstanding = fixture->outstanding};
    fixture->view = (struct sgl_view){.fleet = &fixture->fleet,
                                      .candidates = fixture->candidates,
                                      .candidate_count = WORKERS - 1};
}

static void observe(struct fixture *fixture, uint32_t worker, double sent_s, double finish_s,
                    int64_t output_tokens, bool success)
{
    struct sgl_outcome outcome = sgl_outcome_absent();

    outcome.success = success;
    outcome.output_tokens = output_tokens;
    fixture->spec.ops->observe(
        fixture->state,
        &(struct sgl_observation){.now_ns = (int64_t)(finish_s * 1e9),
                                  .latency_ns = (int64_t)((finish_s - sent_s) * 1e9),
                                  .worker = worker,
                                  .outcome = &outcome});
}

static void observe_samples(struct fixture *fixture, uint32_t worker, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++)
        observe(fixture, worker, samples[i].sent_s, samples[i].finish_s, samples[i].output_tokens,
                true);
}

static struct sgl_candidate row_of(const struct fixture *fixture, uint32_t worker)
{
    struct sgl_candidate rows[WORKERS] = {{.worker = worker}};

    fixture->spec.ops->explain(fixture->state, &fixture->view, worker, 1, rows);
    return rows[0];
}

static struct sgl_choice choose(const struct fixture *fixture)
{
    return fixture->spec.ops->decide(fixture->state, &fixture->view);
}

#define ASSERT_12_DIGITS(actual, expected)                                                         \
    CU_ASSERT_DOUBLE_EQUAL(actual, expected, 1e-12 * fabs(expected))

static void the_hand_computed_case(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4,window_size=5");
    observe_samples(&fixture, 0, 0, 4);
    struct sgl_candidate row = row_of(&fixture, 0);
    ASSERT_12_DIGITS(row.throughput_gradient, -100.0 / 3);
    ASSERT_12_DIGITS(row.latency_gradient, 0.45);
    ASSERT_12_DIGITS(row.score, -20.18);
    ASSERT_12_DIGITS(row.avg_throughput_tps, 700.0 / 6);
    ASSERT_12_DIGITS(row.avg_latency_s, 9.5 / 4);
    CU_ASSERT_EQUAL(row.window_size, 4);
    observe_samples(&fixture, 0, 4, 5);
    ASSERT_12_DIGITS(row_of(&fixture, 0).score, -18 - 0.4 * (25.0 / 12) / 7);
    observe_samples(&fixture, 0, 5, 6);
    row = row_of(&fixture, 0);
    ASSERT_12_DIGITS(row.throughput_gradient, -30.0);
    ASSERT_12_DIGITS(row.latency_gradient, 0.125);
    ASSERT_12_DIGITS(row.score, -18.05);
    CU_ASSERT_EQUAL(row.window_size, 5);
    sgl_policy_release(&fixture.spec);
}

static void without_history_there_is_no_gradient(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4");
    fixture.outstanding[0] = 2;
    fixture.outstanding[1] = 1;
    fixture.outstanding[2] = 3;
    observe_samples(&fixture, 0, 0, 3);
    observe(&fixture, 0, 3, 7, 100, false);       /* a failure teaches nothing */
    observe(&fixture, 0, 3, 7, SGL_ABSENT, true); /* nor does an answer without a count */
    const struct sgl_candidate row = row_of(&fixture, 0);
    CU_ASSERT_TRUE(isnan(row.throughput_gradient) && isnan(row.latency_gradient));
    CU_ASSERT_EQUAL(row.score, -2.0);
    CU_ASSERT_EQUAL(row.window_size, 3);
    CU_ASSERT_EQUAL(choose(&fixture).worker, 1);
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_LOAD_FALLBACK);
    sgl_policy_release(&fixture.spec);
}

static void the_reason_is_what_the_chosen_score_was(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4");
    observe_samples(&fixture, 0, 0, 4); /* -20.18 */
    fixture.outstanding[1] = 30;
    fixture.outstanding[2] = 25;
    CU_ASSERT_EQUAL(choose(&fixture).worker, 0);
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_GRADIENT);
    fixture.outstanding[2] = 20; /* -20 beats -20.18 */
    CU_ASSERT_EQUAL(choose(&fixture).worker, 2);
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_LOAD_FALLBACK);
    fixture.outstanding[1] = 20;
    CU_ASSERT_EQUAL(choose(&fixture).worker, 1);
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_TIE);
    sgl_policy_release(&fixture.spec);
}

static void equal_finish_times_do_not_divide_by_zero(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4");
    for (int i = 0; i < 4; i++)
        observe(&fixture, 0, i < 2 ? 4 : 3, 5, 100, true);
    const struct sgl_candidate row = row_of(&fixture, 0);
    CU_ASSERT_EQUAL(row.throughput_gradient, 0.0); /* spans are not positive: throughputs 0 */
    CU_ASSERT_EQUAL(row.latency_gradient, 1.0);    /* (2 - 1) / 1 s */
    CU_ASSERT_EQUAL(row.score, -0.4);
    sgl_policy_release(&fixture.spec);
}

static void throughput_can_be_read_per_request(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4,throughput=per_request");
    observe_samples(&fixture, 0, 0, 4);
    const double older = (100 / 1.0 + 200 / 1.5) / 2;
    const double newer = (300 / 3.0 + 100 / 4.0) / 2;
    ASSERT_12_DIGITS(row_of(&fixture, 0).throughput_gradient, (newer - older) / 5);
    ASSERT_12_DIGITS(row_of(&fixture, 0).avg_throughput_tps, (older + newer) / 2);
    sgl_policy_release(&fixture.spec);
}

static void a_horizon_scores_the_level_ahead(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4,horizon_s=2");
    observe_samples(&fixture, 0, 0, 4);
    const double throughput = 400.0 / 3 + 2 * (-100.0 / 3);
    const double latency = 3.5 + 2 * 0.45;
    ASSERT_12_DIGITS(row_of(&fixture, 0).score, 0.6 * throughput - 0.4 * latency);
    ASSERT_12_DIGITS(row_of(&fixture, 0).latency_gradient, 0.45); /* the gradient stays itself */
    sgl_policy_release(&fixture.spec);
}

static void normalizing_compares_z_scores(void)
{
    struct fixture fixture;

    /* Worker 0: gradients -100/3 and 0.45. Worker 1: the same times, twice the tokens: -200/3,
     * 0.45. Throughput z-scores +1 and -1, latency does not differ: 0. Worker 2 has none: median 0.
     */
    set_up(&fixture, "marginal_utility:min_history=4,normalize=on");
    fixture.outstanding[0] = 5;
    CU_ASSERT_EQUAL(choose(&fixture).worker, 1); /* nobody has gradients: -outstanding */
    CU_ASSERT_EQUAL(row_of(&fixture, 0).score, -5.0);
    observe_samples(&fixture, 0, 0, 4);
    for (size_t i = 0; i < 4; i++)
        observe(&fixture, 1, samples[i].sent_s, samples[i].finish_s, 2 * samples[i].output_tokens,
                true);
    ASSERT_12_DIGITS(row_of(&fixture, 0).score, 0.6);
    ASSERT_12_DIGITS(row_of(&fixture, 1).score, -0.6);
    CU_ASSERT_DOUBLE_EQUAL(row_of(&fixture, 2).score, 0, 1e-12);
    CU_ASSERT_TRUE(isnan(row_of(&fixture, 2).throughput_gradient));
    CU_ASSERT_EQUAL(choose(&fixture).worker, 0);
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_GRADIENT);

    /* Without worker 0 the other's median is its own z-score, 0: a tie, first wins. */
    fixture.view.candidates++;
    fixture.view.candidate_count = 2;
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_TIE);
    sgl_policy_release(&fixture.spec);
}

/* Throughput gradients g, g and 4 g with g = -100/3: mean 2 g, deviation sqrt(2) |g|, z-scores
 * 1/sqrt(2), 1/sqrt(2) and -sqrt(2). The fourth worker takes the middle one, not the mean. */
static void a_worker_without_gradients_takes_the_median(void)
{
    static const int64_t times[] = {1, 1, 4};
    struct fixture fixture;

    set_up(&fixture, "marginal_utility:min_history=4,normalize=on");
    fixture.view.candidate_count = WORKERS;
    fixture.outstanding[3] = 9;
    for (uint32_t w = 0; w < 3; w++)
        for (size_t i = 0; i < 4; i++)
            observe(&fixture, w, samples[i].sent_s, samples[i].finish_s,
                    times[w] * samples[i].output_tokens, true);
    ASSERT_12_DIGITS(row_of(&fixture, 0).score, 0.6 / sqrt(2));
    ASSERT_12_DIGITS(row_of(&fixture, 2).score, -0.6 * sqrt(2));
    ASSERT_12_DIGITS(row_of(&fixture, 3).score, 0.6 / sqrt(2));
    fixture.view.candidates += 2;
    fixture.view.candidate_count = 2;
    CU_ASSERT_EQUAL(choose(&fixture).reason, SGL_REASON_TIE); /* of one alone it is itself */
    sgl_policy_release(&fixture.spec);
}

SGL_SUITE(marginal_utility) = {
    {"a case worked out by hand comes out to 12 digits", the_hand_computed_case},
    {"without history there is no gradient, not a gradient of 0",
     without_history_there_is_no_gradient},
    {"the reason is what the chosen worker's score was", the_reason_is_what_the_chosen_score_was},
    {"equal finish times do not divide by zero", equal_finish_times_do_not_divide_by_zero},
    {"throughput can be read per request", throughput_can_be_read_per_request},
    {"a horizon scores the level ahead", a_horizon_scores_the_level_ahead},
    {"normalizing compares z-scores", normalizing_compares_z_scores},
    {"a worker without gradients takes the median of the others",
     a_worker_without_gradients_takes_the_median},
    CU_TEST_INFO_NULL,
};
