/*
 * validate.c - are the intervals of compare what they say? Policies compared with themselves.
 *
 *     queue    Poisson arrivals, exponential service, two workers, policy random; so each worker is
 *              M/M/1, at half, 0.8 and 0.9 of what it can
 *     engine   such arrivals, prompts of 50 to 1,000 tokens, geometric outputs of 60 on average,
 *              two workers that batch (coefficients near those of an 8B model), policy random. They
 *              answer 170 requests/s when more arrive than they can; the loads are shares of that
 *     trial    20 runs of 1,000 requests for A, 20 others for B: other arrivals, other luck.
 *              Nothing differs.
 *
 * A test at 5 % must find a difference in 5 % of the trials; a 95 % interval of a mean over runs
 * must hold the truth, the mean over 20,000 further runs, in 95 %. B slowed down to exactly the
 * margin must be called equal in at most 5 %. The same for single runs of 100, 600 and 5,000
 * requests: with other arrivals (separate), and with the same ones and other luck (paired). They
 * may go without an interval; what counts is how often those that are given are wrong. How small a
 * change is found: the trials again, with B slower by a share, until 80 % of them find it. The
 * lines are rows for analysis/validity.def.
 *
 * usage: validate [TRIALS [THREADS]]      (2,000 trials: about ten minutes of CPU time)
 * Exit 1 when mean or p50 of 20 runs are further than three standard errors, plus half a point,
 * from what is promised, or when single runs are told apart, or called equal, in more than 7 % and
 * two standard errors of that.
 */
#include "analysis/compare.h"
#include "analysis/compare_single.h"
#include "analysis/crew.h"
#include "analysis/detail.h"
#include "analysis/stats_equivalence.h"
#include "analysis/stats_mean.h"
#include "core/rng.h"
#include "sim/simulation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 20
#define RUN_REQUESTS 1000
#define TRUTH_RUNS 20000
#define MARGIN 0.05
#define LATENCIES (SGL_FIGURE_BEFORE_RATES + 1)

struct world {
    const char *name;
    const char *service;
    double rate_per_s;
    bool has_tokens; /* else one token each: all that there is is e2e */
    bool has_runs;   /* is compared by runs too */
};

#define QUEUE "exponential:mean_s=0.1,servers=1"
#define ENGINE "batching:c_step_us=6000,c_request_us=10,c_prefill_token_us=17,c_kv_token_us=0.04"

static const struct world worlds[] = {
    {"M/M/1, load 0.5", QUEUE, 10, false, true},    {"M/M/1, load 0.8", QUEUE, 16, false, false},
    {"M/M/1, load 0.9", QUEUE, 18, false, false},   {"engine, load 0.25", ENGINE, 40, true, true},
    {"engine, load 0.5", ENGINE, 85, true, false},  {"engine, load 0.8", ENGINE, 136, true, false},
    {"engine, load 0.9", ENGINE, 153, true, false},
};

struct arrivals {
    struct sgl_source source;
    struct sgl_rng draws;
    const struct world *world;
    double time_s;
    int64_t next;
    int64_t count;
};

static int next_arrival(struct sgl_source *source, struct sgl_trace_row *row_out,
                        struct sgl_failure *failure)
{
    struct arrivals *self = (struct arrivals *)source;
    int64_t prompt_tokens = 1;
    int64_t output_tokens = 1;

    (void)failure;
    if (self->next == self->count)
        return 0;
    if (self->world->has_tokens) {
        prompt_tokens = 50 + sgl_rng_below(&self->draws, 951);
        output_tokens = 1 + (int64_t)sgl_rng_exponential(&self->draws, 60);
    }
    *row_out = (struct sgl_trace_row){
        .request = {.request = self->next++,
                    .arrival_ns = llround(self->time_s * 1e9),
                    .prompt_tokens = prompt_tokens,
                    .max_tokens = output_tokens,
                    .priority = SGL_PRIORITY_NORMAL},
        .output_tokens = output_tokens,
        .recorded = SGL_RECORDED_ABSENT,
    };
    self->time_s += sgl_rng_exponential(&self->draws, 1 / self->world->rate_per_s);
    return 1;
}

static const struct sgl_source_ops arrival_ops = {.next = next_arrival};

/* One trial's estimate of a change that is 0: a log ratio. */
struct found {
    double estimate;
    double error;
    double freedom;
};

struct study {
    const struct world *world;
    struct sgl_policy_spec policy;
    struct sgl_worker_model_spec service;
    struct sgl_simulation_worker workers[2];
    uint32_t trials;
    double (*figures)[LATENCIES]; /* by run, in ms */
    int64_t single_requests;
    bool is_paired;
    struct sgl_effect (*effects)[LATENCIES]; /* by trial of single runs */
    struct found *found;                     /* scratch: by trial */
};

static int simulate(const struct study *study, uint64_t arrival_seed, uint64_t seed, int64_t count,
                    struct sgl_sink *sink, struct sgl_failure *failure)
{
    struct arrivals arrivals = {
        .source = {&arrival_ops},
        .draws = sgl_rng_stream(arrival_seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0),
        .world = study->world,
        .count = count,
    };
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

static int run_one(void *context, uint32_t run, struct sgl_failure *failure)
{
    const struct study *study = context;
    const struct sgl_objectives none = {
        {(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN}};
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    double figures[SGL_FIGURE_COUNT];
    int status = sgl_summary_create(&summary, &none, failure);

    if (status == SGL_OK)
        status =
            simulate(study, 1 + run, 1 + run, RUN_REQUESTS, sgl_summary_sink(summary), failure);
    if (status == SGL_OK)
        status = sgl_summary_finish(summary, &result, failure);
    if (status == SGL_OK) {
        sgl_figures_fill(figures, &result);
        memcpy(study->figures[run], figures, sizeof study->figures[run]);
    }
    sgl_summary_destroy(summary);
    return status;
}

static int run_single(void *context, uint32_t trial, struct sgl_failure *failure)
{
    const struct study *study = context;
    struct sgl_detail *details[2] = {NULL, NULL};
    int status = SGL_OK;

    for (uint64_t side = 0; side < 2 && status == SGL_OK; side++) {
        const uint64_t seed = 1000000000 + 2 * (uint64_t)trial;
        status = sgl_detail_create(&details[side], SGL_NANOSECONDS_PER_SECOND, failure);
        if (status == SGL_OK)
            status = simulate(study, study->is_paired ? seed : seed + side, seed + side,
                              study->single_requests, &details[side]->sink, failure);
        if (status == SGL_OK)
            status = sgl_detail_finish(details[side], failure);
    }
    memset(study->effects[trial], 0, sizeof study->effects[trial]);
    if (status == SGL_OK)
        status = sgl_single_effects(details[0], details[1], study->is_paired, MARGIN,
                                    study->effects[trial], failure);
    sgl_detail_destroy(details[0]);
    sgl_detail_destroy(details[1]);
    return status;
}

struct tally {
    uint32_t asked;
    uint32_t given; /* with an interval */
    uint32_t rejected;
    uint32_t covered;
    uint32_t equal;
    double found_percent; /* the least change that is found in 80 % of those given */
};

#define SINGLE_WRONG_MOST 7.0
#define POWER 0.8
#define HALVINGS 40
#define CHANGE_MOST 16.0 /* as a log ratio: beyond all that is asked */

/* Within three standard errors of a binomial share, and half a point. */
static bool is_near(double percent, double promised, uint32_t trials)
{
    return fabs(percent - promised) <= 300 * sqrt(0.05 * 0.95 / trials) + 0.5;
}

static double percent_of(uint32_t count, const struct tally *tally)
{
    return tally->given > 0 ? 100.0 * count / tally->given : 0;
}

static bool is_as_promised(const struct tally *tally)
{
    const double equal = percent_of(tally->equal, tally);

    return is_near(percent_of(tally->rejected, tally), 5, tally->given) &&
           is_near(percent_of(tally->covered, tally), 95, tally->given) &&
           (equal <= 5 || is_near(equal, 5, tally->given));
}

/* At most 7 % are wrong, and two standard errors of that share. */
static bool is_tolerable(const struct tally *tally)
{
    const double share = SINGLE_WRONG_MOST / 100;
    const double most = SINGLE_WRONG_MOST + 200 * sqrt(share * (1 - share) / fmax(tally->given, 1));

    return percent_of(tally->rejected, tally) <= most && percent_of(tally->equal, tally) <= most;
}

/* The least change, in %, that these find in 80 % of the trials. */
static double least_found(const struct found *found, uint32_t count)
{
    double low = 0;
    double high = CHANGE_MOST;

    for (int i = 0; i < HALVINGS; i++) {
        const double change = (low + high) / 2;
        uint32_t times = 0;
        for (uint32_t t = 0; t < count; t++)
            times += sgl_mean_test_of(found[t].estimate + change, found[t].error, found[t].freedom)
                         .p_value < 0.05;
        if (times < POWER * count)
            low = change;
        else
            high = change;
    }
    return 100 * expm1(high);
}

static void print_row(const struct study *study, const char *method, const char *figure,
                      const struct tally *tally, bool is_good)
{
    printf("SGL_VALIDITY(\"%s\", \"%s\", \"%s\", %u, %u, %.1f, %.1f, %.1f, %.3g)%s\n",
           study->world->name, method, figure, tally->asked, tally->given,
           percent_of(tally->rejected, tally), percent_of(tally->covered, tally),
           percent_of(tally->equal, tally), tally->found_percent,
           is_good ? "" : " /* out of bounds */");
    fflush(stdout);
}

/* What a world has: without tokens, answers are one piece. */
static bool is_of_interest(const struct world *world, int figure)
{
    const int metric = figure / SGL_STATISTIC_COUNT;

    return world->has_tokens ? metric != SGL_METRIC_QUEUE_TIME : metric == SGL_METRIC_E2E;
}

static bool judge_figure(const struct study *study, int figure)
{
    const uint32_t trials = study->trials;
    char name[SGL_FIGURE_NAME_MAX];
    double truth = 0;
    struct tally tally = {.asked = trials, .given = trials};

    for (uint32_t w = 0; w < TRUTH_RUNS; w++)
        truth += study->figures[trials * 2 * RUNS + w][figure] / TRUTH_RUNS;
    for (uint32_t t = 0; t < trials; t++) {
        double ratios[RUNS];
        double levels[RUNS];
        for (uint32_t r = 0; r < RUNS; r++) {
            levels[r] = study->figures[(2 * t) * RUNS + r][figure];
            ratios[r] = log(study->figures[(2 * t + 1) * RUNS + r][figure] / levels[r]);
        }
        const struct sgl_mean_test change = sgl_mean_test(ratios, RUNS);
        const struct sgl_mean_test level = sgl_mean_test(levels, RUNS);
        study->found[t] = (struct found){change.mean, change.deviation / sqrt(RUNS), RUNS - 1};
        tally.rejected += change.p_value < 0.05;
        tally.covered += level.low <= truth && truth <= level.high;
        tally.equal += sgl_equivalence_test(change.mean + log1p(MARGIN),
                                            change.deviation / sqrt(RUNS), RUNS - 1, MARGIN)
                           .is_shown;
    }
    tally.found_percent = least_found(study->found, trials);
    const bool is_good = figure % SGL_STATISTIC_COUNT > SGL_STATISTIC_P50 || is_as_promised(&tally);
    print_row(study, "20 runs", sgl_figure_name(figure, name), &tally, is_good);
    return is_good;
}

static struct tally judge_single_figure(const struct study *study, int figure)
{
    struct tally tally = {.asked = study->trials};

    for (uint32_t t = 0; t < study->trials; t++) {
        const struct sgl_effect *effect = &study->effects[t][figure];
        if (effect->method != SGL_METHOD_LONG_RUN_T)
            continue;
        const struct found found = {log1p(effect->change), effect->error, effect->freedom};
        study->found[tally.given++] = found;
        tally.rejected += effect->p_value < 0.05;
        tally.covered += effect->low <= 0 && 0 <= effect->high;
        tally.equal +=
            sgl_equivalence_test(found.estimate + log1p(MARGIN), found.error, found.freedom, MARGIN)
                .is_shown;
    }
    if (tally.given > 0)
        tally.found_percent = least_found(study->found, tally.given);
    return tally;
}

/* Whose gaps percentiles of itl are of is not known: a single run has no interval of them. */
static bool is_of_single_runs(const struct world *world, int figure)
{
    return is_of_interest(world, figure) && (figure / SGL_STATISTIC_COUNT != SGL_METRIC_ITL ||
                                             figure % SGL_STATISTIC_COUNT == SGL_STATISTIC_MEAN);
}

/* Where no figure ever has an interval, one row says so. */
static bool judge_singles(const struct study *study, const char *method)
{
    struct tally tallies[LATENCIES];
    char name[SGL_FIGURE_NAME_MAX];
    uint32_t given = 0;
    bool is_good = true;

    for (int f = 0; f < LATENCIES; f++) {
        if (!is_of_single_runs(study->world, f))
            continue;
        tallies[f] = judge_single_figure(study, f);
        given += tallies[f].given;
    }
    if (given == 0) {
        print_row(study, method, "all", &(struct tally){.asked = study->trials}, true);
        return true;
    }
    for (int f = 0; f < LATENCIES; f++) {
        if (!is_of_single_runs(study->world, f))
            continue;
        print_row(study, method, sgl_figure_name(f, name), &tallies[f], is_tolerable(&tallies[f]));
        is_good = is_good && is_tolerable(&tallies[f]);
    }
    return is_good;
}

/* Runs and judges the single runs of one kind. */
static int study_singles(struct study *study, int64_t requests, bool is_paired, uint32_t threads,
                         bool *is_good, struct sgl_failure *failure)
{
    char method[64];

    study->single_requests = requests;
    study->is_paired = is_paired;
    snprintf(method, sizeof method, "%s, %lld", is_paired ? "paired" : "separate",
             (long long)requests);
    const int status = sgl_crew_run(
        &(struct sgl_crew_plan){study->trials, threads, run_single, NULL, study}, failure);
    if (status == SGL_OK)
        *is_good = judge_singles(study, method) && *is_good;
    return status;
}

static int study_world(struct study *study, uint32_t threads, bool *is_good,
                       struct sgl_failure *failure)
{
    static const int64_t requests[] = {100, 600, 5000};
    const uint32_t runs = study->trials * 2 * RUNS + TRUTH_RUNS;
    int status = sgl_worker_model_parse(&study->service, study->world->service, failure);

    if (status != SGL_OK)
        return status;
    for (int w = 0; w < 2; w++)
        study->workers[w] = (struct sgl_simulation_worker){.url = w == 0 ? "worker-0" : "worker-1",
                                                           .spec = &study->service};
    if (study->world->has_runs)
        status =
            sgl_crew_run(&(struct sgl_crew_plan){runs, threads, run_one, NULL, study}, failure);
    for (int f = 0; f < LATENCIES && status == SGL_OK; f++)
        if (study->world->has_runs && is_of_interest(study->world, f))
            *is_good = judge_figure(study, f) && *is_good;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0] && status == SGL_OK; i++)
        for (int paired = 0; paired < 2 && status == SGL_OK; paired++)
            status = study_singles(study, requests[i], paired == 1, threads, is_good, failure);
    sgl_worker_model_release(&study->service);
    return status;
}

int main(int argument_count, char **arguments)
{
    struct study study = {.trials = 2000};
    struct sgl_failure failure = {.text = ""};
    uint32_t threads = 2;
    bool is_good = true;

    if (argument_count > 1)
        study.trials = (uint32_t)strtoul(arguments[1], NULL, 10);
    if (argument_count > 2)
        threads = (uint32_t)strtoul(arguments[2], NULL, 10);
    if (study.trials < 20 || study.trials > 100000 || threads < 1 ||
        threads > SGL_CREW_THREADS_MAX) {
        fprintf(stderr, "usage: validate [TRIALS [THREADS]]: 20 to 100000, 1 to 256\n");
        return 2;
    }
    study.figures = calloc(study.trials * 2 * RUNS + TRUTH_RUNS, sizeof *study.figures);
    study.effects = calloc(study.trials, sizeof *study.effects);
    study.found = calloc(study.trials, sizeof *study.found);
    int status = study.figures != NULL && study.effects != NULL && study.found != NULL
                     ? sgl_policy_parse(&study.policy, "random", &failure)
                     : sgl_fail(&failure, SGL_ENOMEM, "out of memory");
    printf("/* world, method, figure, trials, with an interval, rejected %%, covered %%, called "
           "equal at "
           "the margin %%, change found in 80 %% */\n");
    for (size_t w = 0; w < sizeof worlds / sizeof worlds[0] && status == SGL_OK; w++) {
        study.world = &worlds[w];
        status = study_world(&study, threads, &is_good, &failure);
    }
    if (status != SGL_OK)
        fprintf(stderr, "validate: %s\n", failure.text);
    free(study.figures);
    free(study.effects);
    free(study.found);
    sgl_policy_release(&study.policy);
    return status == SGL_OK && is_good ? 0 : 1;
}
