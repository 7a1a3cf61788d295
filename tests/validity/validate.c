/*
 * validate.c - are the intervals of compare what they say? Policies compared with themselves.
 *
 *     world    1,000 requests: Poisson arrivals, exponential service, two workers, policy random;
 *              so each worker is M/M/1 with 50 % load
 *     trial    20 worlds for A, 20 others for B: other arrivals, other luck. Nothing differs.
 *
 * A test at 5 % must find a difference in 5 % of the trials; a 95 % interval of a mean over worlds
 * must hold the truth, the mean over 20,000 further worlds, in 95 %. B slowed down to exactly the
 * margin must be called equal in at most 5 %. The same for single runs of 5,000 requests and the
 * block bootstrap. The last lines are rows for analysis/validity.def.
 *
 * usage: validate [TRIALS [THREADS]]      (2,000 trials, 2 threads: a few minutes)
 * Exit 1 when rejections of mean or p50 leave 5 +- 1.5 %, or coverage 93 to 97 %.
 */
#include "analysis/compare.h"
#include "analysis/compare_bootstrap.h"
#include "analysis/crew.h"
#include "analysis/detail.h"
#include "analysis/stats_equivalence.h"
#include "analysis/stats_mean.h"
#include "core/rng.h"
#include "sim/simulation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RUNS 20
#define WORLD_REQUESTS 1000
#define LONG_REQUESTS 5000
#define TRUTH_WORLDS 20000
#define RATE_PER_S 10.0
#define MARGIN 0.05
#define STATISTICS SGL_STATISTIC_COUNT

struct arrivals {
    struct sgl_source source;
    struct sgl_rng draws;
    double time_s;
    int64_t next;
    int64_t count;
};

static int next_arrival(struct sgl_source *source, struct sgl_trace_row *row_out,
                        struct sgl_failure *failure)
{
    struct arrivals *self = (struct arrivals *)source;

    (void)failure;
    if (self->next == self->count)
        return 0;
    *row_out = (struct sgl_trace_row){
        .request = {.request = self->next++,
                    .arrival_ns = llround(self->time_s * 1e9),
                    .prompt_tokens = 1,
                    .max_tokens = 1,
                    .priority = SGL_PRIORITY_NORMAL},
        .output_tokens = 1,
        .recorded = SGL_RECORDED_ABSENT,
    };
    self->time_s += sgl_rng_exponential(&self->draws, 1 / RATE_PER_S);
    return 1;
}

static const struct sgl_source_ops arrival_ops = {.next = next_arrival};

struct study {
    struct sgl_policy_spec policy;
    struct sgl_worker_model_spec service;
    struct sgl_simulation_worker workers[2];
    uint32_t trials;
    double (*figures)[STATISTICS];            /* by world: e2e in ms */
    struct sgl_effect (*effects)[STATISTICS]; /* by trial of single runs */
};

static int simulate(const struct study *study, uint64_t seed, int64_t count, struct sgl_sink *sink,
                    struct sgl_failure *failure)
{
    struct arrivals arrivals = {.source = {&arrival_ops},
                                .draws = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0),
                                .count = count};
    struct sgl_simulation_totals totals;

    return sgl_simulate(&(struct sgl_simulation_options){.seed = seed,
                                                         .policy = &study->policy,
                                                         .workers = study->workers,
                                                         .worker_count = 2,
                                                         .max_new_tokens = 1,
                                                         .rate_scale = 1,
                                                         .sink = sink},
                        &arrivals.source, &totals, failure);
}

static int run_world(void *context, uint32_t world, struct sgl_failure *failure)
{
    const struct study *study = context;
    const struct sgl_objectives none = {{(double)NAN, (double)NAN, (double)NAN, (double)NAN}};
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    double figures[SGL_FIGURE_COUNT];
    int status = sgl_summary_create(&summary, &none, failure);

    if (status == SGL_OK)
        status = simulate(study, 1 + world, WORLD_REQUESTS, sgl_summary_sink(summary), failure);
    if (status == SGL_OK)
        status = sgl_summary_finish(summary, &result, failure);
    if (status == SGL_OK) {
        sgl_figures_fill(figures, &result);
        for (int s = 0; s < STATISTICS; s++)
            study->figures[world][s] =
                figures[sgl_figure_of(SGL_METRIC_E2E, (enum sgl_statistic)s)];
    }
    sgl_summary_destroy(summary);
    return status;
}

static int run_single(void *context, uint32_t trial, struct sgl_failure *failure)
{
    const struct study *study = context;
    struct sgl_detail *details[2] = {NULL, NULL};
    struct sgl_effect effects[SGL_FIGURE_BEFORE_RATES + 1] = {{0}};
    int status = SGL_OK;

    for (uint64_t side = 0; side < 2 && status == SGL_OK; side++) {
        status = sgl_detail_create(&details[side], SGL_NANOSECONDS_PER_SECOND, failure);
        if (status == SGL_OK)
            status = simulate(study, 1000000000 + 2 * trial + side, LONG_REQUESTS,
                              &details[side]->sink, failure);
        if (status == SGL_OK)
            status = sgl_detail_finish(details[side], failure);
    }
    if (status == SGL_OK)
        status = sgl_bootstrap_effects(
            details[0], details[1], &(struct sgl_bootstrap_plan){.margin = MARGIN, .seed = trial},
            effects, failure);
    for (int s = 0; s < STATISTICS && status == SGL_OK; s++)
        study->effects[trial][s] = effects[sgl_figure_of(SGL_METRIC_E2E, (enum sgl_statistic)s)];
    sgl_detail_destroy(details[0]);
    sgl_detail_destroy(details[1]);
    return status;
}

struct tally {
    uint32_t trials;
    uint32_t rejected;
    uint32_t covered;
    uint32_t equal;
};

static bool print_row(const char *method, int statistic, const struct tally *tally, bool is_judged)
{
    const double share = 100.0 / tally->trials;
    const bool is_good =
        !is_judged || (fabs(share * tally->rejected - 5) <= 1.5 &&
                       fabs(share * tally->covered - 95) <= 2 && share * tally->equal <= 6.5);

    printf("SGL_VALIDITY(\"%s\", \"%s\", %u, %.1f, %.1f, %.1f)%s\n", method,
           sgl_statistic_name((enum sgl_statistic)statistic), tally->trials,
           share * tally->rejected, share * tally->covered, share * tally->equal,
           is_good ? "" : " /* out of bounds */");
    return is_good;
}

static bool judge_worlds(const struct study *study)
{
    const uint32_t trials = study->trials;
    bool is_good = true;

    for (int s = 0; s < STATISTICS; s++) {
        double truth = 0;
        struct tally tally = {.trials = trials};
        for (uint32_t w = 0; w < TRUTH_WORLDS; w++)
            truth += study->figures[trials * 2 * RUNS + w][s] / TRUTH_WORLDS;
        for (uint32_t t = 0; t < trials; t++) {
            double ratios[RUNS];
            double levels[RUNS];
            for (uint32_t r = 0; r < RUNS; r++) {
                levels[r] = study->figures[(2 * t) * RUNS + r][s];
                ratios[r] = log(study->figures[(2 * t + 1) * RUNS + r][s] / levels[r]);
            }
            const struct sgl_mean_test change = sgl_mean_test(ratios, RUNS);
            const struct sgl_mean_test level = sgl_mean_test(levels, RUNS);
            tally.rejected += change.p_value < 0.05;
            tally.covered += level.low <= truth && truth <= level.high;
            tally.equal += sgl_equivalence_test(change.mean + log1p(MARGIN),
                                                change.deviation / sqrt(RUNS), RUNS - 1, MARGIN)
                               .is_shown;
        }
        is_good &= print_row("paired t over 20 runs", s, &tally, s <= SGL_STATISTIC_P50);
    }
    return is_good;
}

static void judge_singles(const struct study *study, uint32_t trials)
{
    for (int s = 0; s < STATISTICS; s++) {
        struct tally tally = {.trials = trials};
        for (uint32_t t = 0; t < trials; t++) {
            const struct sgl_effect *effect = &study->effects[t][s];
            tally.rejected += effect->p_value < 0.05;
            tally.covered += effect->low <= 0 && 0 <= effect->high;
            tally.equal += sgl_equivalence_test(log1p(effect->change) + log1p(MARGIN),
                                                effect->error, (double)INFINITY, MARGIN)
                               .is_shown;
        }
        print_row("block bootstrap of one run", s, &tally, false);
    }
}

int main(int argument_count, char **arguments)
{
    struct study study = {.trials = 2000};
    struct sgl_failure failure = {.text = ""};
    uint32_t threads = 2;
    int status;

    if (argument_count > 1)
        study.trials = (uint32_t)strtoul(arguments[1], NULL, 10);
    if (argument_count > 2)
        threads = (uint32_t)strtoul(arguments[2], NULL, 10);
    if (study.trials < 20 || study.trials > 100000 || threads < 1 ||
        threads > SGL_CREW_THREADS_MAX) {
        fprintf(stderr, "usage: validate [TRIALS [THREADS]]: 20 to 100000, 1 to 256\n");
        return 2;
    }
    const uint32_t worlds = study.trials * 2 * RUNS + TRUTH_WORLDS;
    const uint32_t singles = study.trials / 4;
    study.figures = calloc(worlds, sizeof *study.figures);
    study.effects = calloc(singles, sizeof *study.effects);
    status = study.figures != NULL && study.effects != NULL
                 ? sgl_policy_parse(&study.policy, "random", &failure)
                 : sgl_fail(&failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK)
        status =
            sgl_worker_model_parse(&study.service, "exponential:mean_s=0.1,servers=1", &failure);
    if (status == SGL_OK) {
        for (int w = 0; w < 2; w++)
            study.workers[w] = (struct sgl_simulation_worker){
                .url = w == 0 ? "worker-0" : "worker-1", .spec = &study.service};
        status = sgl_crew_run(&(struct sgl_crew_plan){worlds, threads, run_world, NULL, &study},
                              &failure);
    }
    if (status == SGL_OK)
        status = sgl_crew_run(&(struct sgl_crew_plan){singles, threads, run_single, NULL, &study},
                              &failure);
    bool is_good = false;
    if (status == SGL_OK) {
        printf("/* method, figure of e2e, trials, rejected %%, covered %%, called equal at the "
               "margin %% */\n");
        is_good = judge_worlds(&study);
        judge_singles(&study, singles);
    } else {
        fprintf(stderr, "validate: %s\n", failure.text);
    }
    free(study.figures);
    free(study.effects);
    sgl_policy_release(&study.policy);
    sgl_worker_model_release(&study.service);
    return is_good ? 0 : 1;
}
