/*
 * marginal_utility: follow the throughput and latency gradients of each worker.
 *
 *   state   | parameters | windows[worker_max] | samples[worker_max][window_size] | scratch |
 *                            |                        ring of the last completions
 *                            trend and plain score, worked out when a completion arrives
 *
 *   score of worker w
 *     plain      has gradients:  wt * throughput_gradient - wl * latency_gradient
 *                else:           -outstanding
 *     horizon_s  the gradients above are replaced by level + horizon * gradient
 *     normalize  both quantities as z-scores over the candidates that have them (population
 * standard deviation; 0 when they do not differ); a candidate without takes their medians; with
 *                nobody having any: -outstanding
 *
 * The plain rule reads fields only: a decision never walks a window. The mixture of -outstanding
 * and gradients on one scale is the rule as published, and what normalize is there to compare with.
 */
#include "core/candidates.h"
#include "core/gradient_window.h"

#include <gsl/gsl_statistics_double.h>

enum parameter {
    THROUGHPUT_WEIGHT,
    LATENCY_WEIGHT,
    WINDOW_SIZE,
    MIN_HISTORY,
    THROUGHPUT,
    NORMALIZE,
    HORIZON,
    TIES
};

#define WINDOW_SIZE_MAX 4096 /* at 1,024 workers 100 MB of samples */

static const struct sgl_parameter parameters[] = {
    [THROUGHPUT_WEIGHT] = {"throughput_weight", SGL_PARAMETER_REAL, 0.6, 0, 1e6, NULL,
                           "weight of the throughput gradient, per tokens/s per s"},
    [LATENCY_WEIGHT] = {"latency_weight", SGL_PARAMETER_REAL, 0.4, 0, 1e6, NULL,
                        "weight of the latency gradient, per s per s"},
    [WINDOW_SIZE] = {"window_size", SGL_PARAMETER_INTEGER, 20, 2, WINDOW_SIZE_MAX, NULL,
                     "completions remembered per worker"},
    [MIN_HISTORY] = {"min_history", SGL_PARAMETER_INTEGER, 10, 2, WINDOW_SIZE_MAX, NULL,
                     "completions before a worker has gradients; at most window_size"},
    [THROUGHPUT] =
        {"throughput", SGL_PARAMETER_CHOICE, SGL_THROUGHPUT_SPAN, 0, 0, "span|per_request",
         "of half a window: tokens over its time span, or mean tokens/s of its requests"},
    [NORMALIZE] = {"normalize", SGL_PARAMETER_CHOICE, 0, 0, 0, "off|on",
                   "compare z-scores over the candidates instead of unlike units"},
    [HORIZON] = {"horizon_s", SGL_PARAMETER_REAL, 0, 0, 1e6, NULL,
                 "above 0: score the level expected that many seconds ahead"},
    [TIES] = {"ties", SGL_PARAMETER_CHOICE, SGL_TIES_FIRST, 0, 0, SGL_TIES_CHOICES, SGL_TIES_HELP},
    {0},
};

struct worker_state {
    struct sgl_gradient_window window;
    double throughput; /* what the score weighs: gradient, or level + horizon * gradient */
    double latency;
    double score; /* of the plain rule */
};

struct state {
    double throughput_weight;
    double latency_weight;
    double horizon_s;
    uint32_t window_size;
    uint32_t history_min;
    enum sgl_throughput_kind throughput;
    enum sgl_ties ties;
    bool is_normalized;
    struct worker_state *workers;
    struct sgl_completion *samples;
    double *scratch; /* room for a median; holds nothing between calls */
};

static int resolve(struct sgl_parameters *values, struct sgl_failure *failure)
{
    if (values->value[MIN_HISTORY] > values->value[WINDOW_SIZE])
        return sgl_fail(failure, SGL_EINVAL,
                        "policy marginal_utility: min_history=%g, expected at most window_size=%g",
                        values->value[MIN_HISTORY], values->value[WINDOW_SIZE]);
    return SGL_OK;
}

static size_t state_size(const struct sgl_parameters *values, uint32_t worker_max)
{
    const size_t samples = (size_t)values->value[WINDOW_SIZE] * sizeof(struct sgl_completion);

    return sizeof(struct state) +
           worker_max * (sizeof(struct worker_state) + samples + sizeof(double));
}

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;
    const double *value = setup->parameters->value;

    state->throughput_weight = value[THROUGHPUT_WEIGHT];
    state->latency_weight = value[LATENCY_WEIGHT];
    state->horizon_s = value[HORIZON];
    state->window_size = (uint32_t)value[WINDOW_SIZE];
    state->history_min = (uint32_t)value[MIN_HISTORY];
    state->throughput = (enum sgl_throughput_kind)value[THROUGHPUT];
    state->ties = (enum sgl_ties)value[TIES];
    state->is_normalized = value[NORMALIZE] != 0;
    state->workers = (struct worker_state *)(state + 1);
    state->samples = (struct sgl_completion *)(state->workers + setup->worker_max);
    state->scratch = (double *)(state->samples + (size_t)setup->worker_max * state->window_size);
    for (uint32_t w = 0; w < setup->worker_max; w++)
        sgl_gradient_window_init(&state->workers[w].window);
    return SGL_OK;
}

/* What the candidates that have gradients have in common, for z-scores. */
struct norm {
    const struct state *state;
    uint32_t count; /* candidates with gradients */
    double throughput_mean;
    double throughput_deviation;
    double throughput_median; /* of the z-scores */
    double latency_mean;
    double latency_deviation;
    double latency_median;
};

static double z_score(double value, double mean, double deviation)
{
    return deviation > 0 ? (value - mean) / deviation : 0;
}

/* Mean, population standard deviation and median z-score of the values in scratch. */
static void describe(double *values, size_t count, double *mean, double *deviation, double *median)
{
    *mean = gsl_stats_mean(values, 1, count);
    *deviation = gsl_stats_sd_with_fixed_mean(values, 1, count, *mean);
    *median = z_score(gsl_stats_median(values, 1, count), *mean, *deviation);
}

static struct norm norm_of(const struct state *state, const struct sgl_view *view)
{
    struct norm norm = {.state = state};

    if (!state->is_normalized)
        return norm;
    for (uint32_t i = 0; i < view->candidate_count; i++)
        if (state->workers[view->candidates[i]].window.trend.has_gradient)
            state->scratch[norm.count++] = state->workers[view->candidates[i]].throughput;
    if (norm.count == 0)
        return norm;
    describe(state->scratch, norm.count, &norm.throughput_mean, &norm.throughput_deviation,
             &norm.throughput_median);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < view->candidate_count; i++)
        if (state->workers[view->candidates[i]].window.trend.has_gradient)
            state->scratch[kept++] = state->workers[view->candidates[i]].latency;
    describe(state->scratch, kept, &norm.latency_mean, &norm.latency_deviation,
             &norm.latency_median);
    return norm;
}

static inline double score(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct norm *norm = opaque;
    const struct state *state = norm->state;
    const struct worker_state *own = &state->workers[worker];
    const bool has_gradient = own->window.trend.has_gradient;

    if (norm->count > 0) {
        const double throughput = has_gradient ? z_score(own->throughput, norm->throughput_mean,
                                                         norm->throughput_deviation)
                                               : norm->throughput_median;
        const double latency =
            has_gradient ? z_score(own->latency, norm->latency_mean, norm->latency_deviation)
                         : norm->latency_median;
        return state->throughput_weight * throughput - state->latency_weight * latency + 0.0;
    }
    return has_gradient ? own->score : sgl_fewer_is_better(view->fleet->outstanding[worker]);
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    const struct norm norm = norm_of(state, view);
    bool is_tie;
    const uint32_t worker = sgl_choose_best(&norm, view, score, state->ties, &is_tie);
    enum sgl_reason reason = SGL_REASON_LOAD_FALLBACK;

    if (is_tie)
        reason = SGL_REASON_TIE;
    else if (state->workers[worker].window.trend.has_gradient)
        reason = SGL_REASON_GRADIENT;
    else if (norm.count > 0)
        reason = SGL_REASON_FALLBACK; /* the others' median stood in: no gradient of its own */
    return (struct sgl_choice){worker, reason};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;
    const struct norm norm = norm_of(state, view);

    return sgl_chance_best(&norm, view, score, state->ties, worker);
}

static void observe(void *opaque, const struct sgl_observation *observation)
{
    struct state *state = opaque;
    const struct sgl_outcome *outcome = observation->outcome;
    struct worker_state *own = &state->workers[observation->worker];

    if (!outcome->success || outcome->output_tokens == SGL_ABSENT)
        return;
    sgl_gradient_window_add(&own->window,
                            state->samples + (size_t)observation->worker * state->window_size,
                            state->window_size, state->history_min, state->throughput,
                            &(struct sgl_completion){.finish_ns = observation->now_ns,
                                                     .latency_ns = observation->latency_ns,
                                                     .output_tokens = outcome->output_tokens});
    const struct sgl_trend *trend = &own->window.trend;
    if (!trend->has_gradient)
        return;
    own->throughput = trend->throughput_gradient;
    own->latency = trend->latency_gradient;
    if (state->horizon_s > 0) {
        own->throughput = trend->throughput_level + state->horizon_s * own->throughput;
        own->latency = trend->latency_level + state->horizon_s * own->latency;
    }
    own->score =
        state->throughput_weight * own->throughput - state->latency_weight * own->latency + 0.0;
}

static void explain(const void *opaque, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    const struct state *state = opaque;
    const struct norm norm = norm_of(state, view);

    (void)first;
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_gradient_window *window = &state->workers[rows[i].worker].window;
        rows[i].score = score(&norm, view, rows[i].worker);
        rows[i].throughput_gradient = window->trend.throughput_gradient;
        rows[i].latency_gradient = window->trend.latency_gradient;
        rows[i].avg_throughput_tps = window->trend.throughput_average;
        rows[i].avg_latency_s = window->trend.latency_average;
        rows[i].window_size = window->count;
    }
}

const struct sgl_policy_ops sgl_policy_marginal_utility = {
    .name = "marginal_utility",
    .summary = "follow each worker's throughput and latency gradients",
    .rule =
        "Per worker, the last window_size successful completions are split into an older and a "
        "newer\n"
        "half. With at least min_history of them:\n"
        "  throughput = sum(output tokens) / (finish of last - finish of first), tokens/s, of a "
        "half\n"
        "  latency    = mean(response received - request sent), s, of a half\n"
        "  dt         = finish of last (newer) - finish of last (older), s; 1 s if not positive\n"
        "  throughput_gradient = (newer - older throughput) / dt\n"
        "  latency_gradient    = (newer - older latency) / dt\n"
        "  score = throughput_weight * throughput_gradient - latency_weight * latency_gradient\n"
        "With less history score = -outstanding, and the gradients are absent.\n"
        "The highest score wins. Reason: tie, else gradient or load_fallback by what the chosen\n"
        "worker's score was (fallback: with normalize, the median of the others stood in).",
    .source = "the public fork of SGLang's router that introduced the policy "
              "(Luoxiaogan/sglang_CUSTOM);\n"
              "normalize and horizon_s are answers of this project to weaknesses of that rule",
    .parameters = parameters,
    .resolve = resolve,
    .state_size = state_size,
    .create = create,
    .decide = decide,
    .probability = probability,
    .observe = observe,
    .explain = explain,
};
