/* Comparisons: the same for any number of threads, right about what is known, fair to nothing. */
#include "analysis/experiment.h"
#include "analysis/gate.h"
#include "analysis/log_run.h"
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"
#include "traces/log_sink.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 600
#define CELLS ((size_t)2 * 3 * 6) /* loads, policies, seeds */
#define SECOND SGL_NANOSECONDS_PER_SECOND

static struct sgl_population *load(void)
{
    static struct sgl_trace_row rows[ROWS];
    struct sgl_rng draws = sgl_rng_stream(1, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_memory_source source;
    struct sgl_population *population;
    double time_s = 0;

    for (int i = 0; i < ROWS; i++) {
        rows[i] = sgl_row(i, llround(time_s * 1e9), 100 + sgl_rng_below(&draws, 900),
                          20 + sgl_rng_below(&draws, 80), 200);
        time_s += sgl_rng_exponential(&draws, 0.05);
    }
    sgl_memory_source_init(&source, rows, ROWS);
    CU_ASSERT_EQUAL(sgl_population_load(&population, &source.source, 2 * SECOND, NULL), SGL_OK);
    return population;
}

struct trial {
    struct sgl_population *population;
    struct sgl_test_fleet fleet; /* its workers serve */
    struct sgl_policy_spec policies[3];
    double loads[2];
    struct sgl_experiment experiment;
};

static void trial_init(struct trial *trial, const char *a, const char *b)
{
    const char *const texts[] = {a, b, a};

    *trial = (struct trial){.population = load(), .loads = {1, 2}};
    sgl_test_fleet_init(&trial->fleet, "random", "batching", 3);
    for (int p = 0; p < 3; p++)
        CU_ASSERT_EQUAL(sgl_policy_parse(&trial->policies[p], texts[p], NULL), SGL_OK);
    trial->experiment = (struct sgl_experiment){
        .population = trial->population,
        .policies = trial->policies,
        .policy_count = 3,
        .loads = trial->loads,
        .load_count = 2,
        .seed = 5,
        .seed_count = 6,
        .resamples = true,
        .simulations = &trial->fleet.options,
        .simulation_count = 1,
        .has_details = true,
        .thread_count = 1,
    };
    CU_ASSERT_EQUAL(sgl_objectives_parse(&trial->experiment.objectives, "e2e:2s", NULL), SGL_OK);
}

static void trial_release(struct trial *trial)
{
    for (int p = 0; p < 3; p++)
        sgl_policy_release(&trial->policies[p]);
    sgl_test_fleet_release(&trial->fleet);
    sgl_population_destroy(trial->population);
}

static bool is_same(const double *left, const double *right, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (left[i] != right[i] && !(isnan(left[i]) && isnan(right[i])))
            return false;
    return true;
}

static void threads(void)
{
    struct trial trial;
    struct sgl_experiment_result one;
    struct sgl_experiment_result many;

    trial_init(&trial, "random", "marginal_utility");
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial.experiment, &one, NULL), SGL_OK);
    trial.experiment.thread_count = 4;
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial.experiment, &many, NULL), SGL_OK);
    for (size_t cell = 0; cell < CELLS; cell++) {
        CU_ASSERT_TRUE(is_same(one.runs[cell].figures, many.runs[cell].figures, SGL_FIGURE_COUNT));
        for (int m = 0; m < SGL_METRIC_COUNT; m++)
            CU_ASSERT_TRUE(
                is_same(one.runs[cell].curves[m], many.runs[cell].curves[m], SGL_CURVE_POINTS));
        CU_ASSERT_EQUAL(one.runs[cell].seed, 5 + cell % 6);
        CU_ASSERT_TRUE(one.runs[cell].requests > ROWS / 2);
    }
    CU_ASSERT_EQUAL(one.details[1]->request_count, ROWS);
    CU_ASSERT_TRUE(one.details[1]->has_gradients && !one.details[0]->has_gradients);
    sgl_experiment_release(&one);
    sgl_experiment_release(&many);
    trial_release(&trial);
}

static void compare(const struct trial *trial, struct sgl_experiment_result *result,
                    struct sgl_comparison *comparison)
{
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial->experiment, result, NULL), SGL_OK);
    CU_ASSERT_EQUAL(sgl_comparison_init(comparison, 3, 2, NULL), SGL_OK);
    comparison->pairing = SGL_PAIRED_SEEDS;
    comparison->margin = 0.05;
    comparison->loads = trial->loads;
    for (uint32_t load = 0; load < 2; load++)
        for (uint32_t arm = 0; arm < 3; arm++)
            *sgl_comparison_arm(comparison, load, arm) = (struct sgl_arm){
                .label = "",
                .runs = &result->runs[sgl_experiment_cell(result, load, arm, 0)],
                .run_count = result->seed_count,
                .recorded = load == 0 ? &result->recorded[arm] : NULL,
                .detail = load == 0 ? result->details[arm] : NULL,
            };
    CU_ASSERT_EQUAL(sgl_comparison_compute(comparison, NULL), SGL_OK);
}

/* A policy against itself on common random numbers is itself; skewing the load onto one worker is
 * worse; a gate on that fails, one on the other passes. */
static void itself_and_worse(void)
{
    struct trial trial;
    struct sgl_experiment_result result;
    struct sgl_comparison comparison;
    struct sgl_gate gate;

    trial_init(&trial, "least_outstanding", "fixed_probability:p=0.9/0.05/0.05");
    compare(&trial, &result, &comparison);
    for (int f = 0; f < SGL_FIGURE_COUNT; f++) {
        const struct sgl_effect *same = sgl_comparison_effect(&comparison, 0, 2, f);
        if (isnan(same->change))
            continue;
        CU_ASSERT_TRUE(same->change == 0);
        CU_ASSERT_EQUAL(same->verdict, SGL_VERDICT_EQUAL);
        CU_ASSERT_EQUAL(same->method, SGL_METHOD_EXACT);
    }
    const struct sgl_effect *worse =
        sgl_comparison_effect(&comparison, 1, 1, sgl_figure_of(SGL_METRIC_E2E, SGL_STATISTIC_MEAN));
    CU_ASSERT_EQUAL(worse->verdict, SGL_VERDICT_WORSE);
    CU_ASSERT_TRUE(worse->is_ratio && worse->low > 0 && worse->low < worse->change);
    CU_ASSERT_TRUE(worse->p_holm >= worse->p_value);
    /* The change is the geometric mean of the ratios. */
    double product = 1;
    for (uint32_t s = 0; s < 6; s++)
        product *= result.runs[sgl_experiment_cell(&result, 1, 1, s)].figures[15] /
                   result.runs[sgl_experiment_cell(&result, 1, 0, s)].figures[15];
    CU_ASSERT_EQUAL(sgl_figure_of(SGL_METRIC_E2E, SGL_STATISTIC_MEAN), 15);
    CU_ASSERT_DOUBLE_EQUAL(worse->change, pow(product, 1.0 / 6) - 1, 1e-12);

    CU_ASSERT_EQUAL(sgl_gate_parse(&gate, "e2e_mean>+5%", NULL), SGL_OK);
    sgl_gate_judge(&gate, &comparison);
    CU_ASSERT_EQUAL(gate.outcome, SGL_GATE_FAILED);
    CU_ASSERT_EQUAL(gate.arm, 1);
    CU_ASSERT_TRUE(gate.bound < gate.value && gate.bound > 0.05);
    CU_ASSERT_EQUAL(sgl_gate_parse(&gate, "e2e_mean>3000s", NULL), SGL_OK);
    sgl_gate_judge(&gate, &comparison);
    CU_ASSERT_EQUAL(gate.outcome, SGL_GATE_PASSED);
    CU_ASSERT_EQUAL(sgl_gate_parse(&gate, "goodput<-99.9%", NULL), SGL_OK);
    sgl_gate_judge(&gate, &comparison);
    CU_ASSERT_EQUAL(gate.outcome, SGL_GATE_PASSED);
    sgl_comparison_release(&comparison);
    sgl_experiment_release(&result);
    trial_release(&trial);
}

/* Two per mille more in every pair, more or less: there for sure, and equal within five percent. */
static void a_small_difference_is_equality(void)
{
    enum { RUNS = 8 };
    static struct sgl_run runs[2][RUNS];
    const int figure = sgl_figure_of(SGL_METRIC_E2E, SGL_STATISTIC_MEAN);
    struct sgl_comparison comparison;

    CU_ASSERT_EQUAL_FATAL(sgl_comparison_init(&comparison, 2, 1, NULL), SGL_OK);
    comparison.pairing = SGL_PAIRED_SEEDS;
    comparison.margin = 0.05;
    for (int arm = 0; arm < 2; arm++) {
        for (int r = 0; r < RUNS; r++) {
            for (int f = 0; f < SGL_FIGURE_COUNT; f++)
                runs[arm][r].figures[f] = NAN;
            runs[arm][r].figures[figure] = 100 + 10 * r + arm * (0.2 + 0.01 * (r % 3));
        }
        *sgl_comparison_arm(&comparison, 0, (uint32_t)arm) =
            (struct sgl_arm){.label = "", .runs = runs[arm], .run_count = RUNS};
    }
    CU_ASSERT_EQUAL(sgl_comparison_compute(&comparison, NULL), SGL_OK);
    const struct sgl_effect *effect = sgl_comparison_effect(&comparison, 0, 1, figure);
    CU_ASSERT_EQUAL(effect->method, SGL_METHOD_PAIRED_T);
    CU_ASSERT_TRUE(effect->low > 0 && effect->p_holm < SGL_COMPARE_LEVEL);
    CU_ASSERT_EQUAL(effect->verdict, SGL_VERDICT_EQUAL);
    sgl_comparison_release(&comparison);
}

/* Without resampling, policies without luck give every seed the same: the requests are the sample.
 */
static void no_luck(void)
{
    struct trial trial;
    struct sgl_experiment_result result;
    struct sgl_comparison comparison;

    trial_init(&trial, "round_robin", "least_outstanding:ties=first");
    trial.experiment.resamples = false;
    compare(&trial, &result, &comparison);
    const struct sgl_effect *effect =
        sgl_comparison_effect(&comparison, 0, 1, sgl_figure_of(SGL_METRIC_E2E, SGL_STATISTIC_MEAN));
    CU_ASSERT_EQUAL(effect->method, SGL_METHOD_LONG_RUN_T);
    CU_ASSERT_TRUE(effect->low < effect->change && effect->change < effect->high);
    const double ratio = result.recorded[1].figures[15] / result.recorded[0].figures[15];
    CU_ASSERT_DOUBLE_EQUAL(effect->change, ratio - 1, 1e-12);
    sgl_comparison_release(&comparison);
    sgl_experiment_release(&result);
    trial_release(&trial);
}

/* The load of a worker over time adds up to the time its requests spent there. */
static void loads_add_up(void)
{
    struct trial trial;
    struct sgl_experiment_result result;

    trial_init(&trial, "round_robin", "random");
    trial.experiment.load_count = 1;
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial.experiment, &result, NULL), SGL_OK);
    for (int p = 0; p < 2; p++) {
        const struct sgl_detail *detail = result.details[p];
        double spent_s = 0;
        double load_s = 0;
        for (uint32_t i = 0; i < detail->request_count; i++) {
            const struct sgl_request_detail *request = &detail->requests[i];
            const double left_s =
                (double)(detail->bin_ns * SGL_DETAIL_BINS - request->arrival_ns) / 1e9;
            spent_s += fmin(request->values[SGL_METRIC_E2E] / 1e3, left_s);
        }
        for (uint32_t w = 0; w < detail->worker_count; w++)
            for (int b = 0; b < SGL_DETAIL_BINS; b++)
                load_s +=
                    sgl_detail_moment(detail, w, b)->outstanding * ((double)detail->bin_ns / 1e9);
        CU_ASSERT_DOUBLE_EQUAL(load_s, spent_s, 1e-6 * spent_s);
    }
    sgl_experiment_release(&result);
    trial_release(&trial);
}

static void warm_up(void)
{
    struct trial trial;
    struct sgl_experiment_result all;
    struct sgl_experiment_result cut;

    trial_init(&trial, "round_robin", "random");
    trial.experiment.resamples = false;
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial.experiment, &all, NULL), SGL_OK);
    trial.experiment.cuts_warm_up = true;
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial.experiment, &cut, NULL), SGL_OK);
    CU_ASSERT_TRUE(cut.is_stationary ? cut.warm_up <= ROWS / 2 : cut.warm_up == 0);
    for (size_t cell = 0; cell < CELLS; cell++)
        CU_ASSERT_EQUAL(cut.runs[cell].requests, all.runs[cell].requests - cut.warm_up);
    sgl_experiment_release(&all);
    sgl_experiment_release(&cut);
    trial_release(&trial);
}

/* Playing a log back gives the run that wrote it. */
static void logs_are_runs(void)
{
    struct trial trial;
    struct sgl_experiment_result result;
    struct sgl_source *source;
    struct sgl_simulation_totals totals;
    struct sgl_log_run run;
    struct sgl_log *log;
    const char *path = sgl_scratch("compare.db");

    trial_init(&trial, "marginal_utility", "random");
    CU_ASSERT_EQUAL(sgl_experiment_run(&trial.experiment, &result, NULL), SGL_OK);
    struct sgl_simulation_options options = trial.fleet.options;
    options.seed = 5;
    options.policy = &trial.policies[0];
    CU_ASSERT_EQUAL(sgl_log_open(&log, path,
                                 &(struct sgl_log_options){.seed = 5,
                                                           .policy = {&trial.policies[0]},
                                                           .epoch_ns = SGL_ABSENT},
                                 NULL),
                    SGL_OK);
    options.sink = sgl_log_sink(log);
    CU_ASSERT_EQUAL(sgl_population_replay(trial.population, &source, NULL), SGL_OK);
    CU_ASSERT_EQUAL(sgl_simulate(&options, source, &totals, NULL), SGL_OK);
    sgl_population_close(source);
    CU_ASSERT_EQUAL(sgl_log_close(log, NULL), SGL_OK);

    CU_ASSERT_EQUAL(sgl_log_run_read(&run, path, &trial.experiment.objectives, NULL), SGL_OK);
    const struct sgl_run *direct = &result.recorded[0];
    CU_ASSERT_TRUE(direct->counts[SGL_METRIC_ITL] > direct->counts[SGL_METRIC_E2E]);
    CU_ASSERT_TRUE(is_same(run.run.figures, direct->figures, SGL_FIGURE_COUNT));
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        CU_ASSERT_TRUE(is_same(run.run.curves[m], direct->curves[m], SGL_CURVE_POINTS));
    CU_ASSERT_EQUAL(memcmp(run.run.reasons, direct->reasons, sizeof direct->reasons), 0);
    CU_ASSERT_EQUAL(run.run.seed, 5);
    CU_ASSERT_TRUE(run.is_complete && run.gaps == 0 && run.epoch_ns == SGL_ABSENT);
    CU_ASSERT_EQUAL(run.detail->request_count, result.details[0]->request_count);
    CU_ASSERT_TRUE(run.detail->has_gradients);
    for (uint32_t i = 0; i < run.detail->request_count; i++) {
        CU_ASSERT_EQUAL(run.detail->requests[i].worker, result.details[0]->requests[i].worker);
        CU_ASSERT_TRUE(run.detail->requests[i].values[SGL_METRIC_E2E] ==
                       result.details[0]->requests[i].values[SGL_METRIC_E2E]);
    }
    sgl_log_run_release(&run);
    CU_ASSERT_EQUAL(
        sgl_log_run_read(&run, sgl_scratch("nowhere.db"), &trial.experiment.objectives, NULL),
        SGL_EIO);
    sgl_experiment_release(&result);
    trial_release(&trial);
}

static void figure_names(void)
{
    char name[SGL_FIGURE_NAME_MAX];
    char hint[128];

    for (int f = 0; f < SGL_FIGURE_COUNT; f++) {
        sgl_figure_name(f, name);
        CU_ASSERT_EQUAL(sgl_figure_named(name, strlen(name), hint, sizeof hint), f);
    }
    CU_ASSERT_EQUAL(sgl_figure_named("ttft_p98", 8, hint, sizeof hint), SGL_FIGURE_COUNT);
    SGL_ASSERT_CONTAINS(hint, "ttft_p9");
    for (int i = 1; i < SGL_CURVE_POINTS; i++)
        CU_ASSERT_TRUE(sgl_curve_probability(i) > sgl_curve_probability(i - 1));
    CU_ASSERT_TRUE(sgl_curve_probability(SGL_CURVE_POINTS - 1) == 1);
}

static void refused_gates(void)
{
    static const char *const texts[] = {"ttft_p99",   "ttft_p98>5%",  "ttft_p99>",
                                        "ttft_p99>5", "ttft_p99>5%%", "goodput<1ms",
                                        ">5%",        "e2e_p50>x%",   "e2e_p50>-200%"};
    struct sgl_gate gate;
    struct sgl_failure failure;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CU_ASSERT_EQUAL(sgl_gate_parse(&gate, texts[i], &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, texts[i]);
    }
    CU_ASSERT_EQUAL(sgl_gate_parse(&gate, "ttft_p99>500ms", &failure), SGL_OK);
    CU_ASSERT_TRUE(gate.limit == 500 && !gate.is_relative && gate.is_above);
}

SGL_SUITE(compare) = {
    {"the result is the same whatever the number of threads", threads},
    {"a policy is equal to itself, a lopsided one is worse, and gates say so", itself_and_worse},
    {"a difference that is sure and within the margin is equality", a_small_difference_is_equality},
    {"where seeds change nothing, the requests are the sample", no_luck},
    {"the load over time is the time spent", loads_add_up},
    {"the same warm-up is cut from every run", warm_up},
    {"a log played back is the run that wrote it", logs_are_runs},
    {"figures have names, and near misses a hint", figure_names},
    {"gates that say nothing are refused", refused_gates},
    CU_TEST_INFO_NULL,
};
