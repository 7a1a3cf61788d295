/* From the start to the best point: what is believed beforehand, and how the fit gets there. */
#include "calibrate_state.h"

#include "core/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPREAD_FIRST 0.2 /* of a residual, before any fit: what a factor of 1.2 is off */
#define START_SPAN 0.7   /* of a logarithm: other starts are within a factor of 2 */
#define SCALE_LEAST (-6) /* powers of two tried first */
#define SCALE_MOST 6

#define POPULATION_EACH 8 /* points of a cloud, for each free logarithm */
#define POPULATION_MAX 32
#define GENERATIONS 100

/* What is believed of logarithms, apart from one scale for all: ratios of another GPU or model of
 * the same kind are within a factor of 1.65 (those of the built-in profiles are), and terms that a
 * start lacks are known to within one of 2.7. */
#define BELIEF 0.5
#define BELIEF_ADDED 1.0

/* What a token that decodes beside a prefill costs more, in parts of what it costs alone: in kernel
 * tables of two GPUs (../shared/data/llmservingsim_profile_*) 0.52 and 0.80 of c_kv_token, 0.60 and
 * 1.2 of c_request. Step tables have no such steps. */
#define MIXED_KV_SHARE 0.65
#define MIXED_REQUEST_SHARE 0.85
/* A straight line through a roofline, taken apart again: step tables of two models
 * (../shared/data/aic_sglang_step_times.csv), fitted with both and with the line alone, have 0.54
 * and 0.64 of its slope in c_prefill_token, 0.61 and 0.53 in c_token. */
#define PREFILL_TOKEN_SHARE 0.6
#define TOKEN_SHARE 0.57
/* Of a step's constant, in the reading of the experts' weights: in the built-in mixtures c_expert
 * is 3.4 to 4.6 times c_step_decode. p_expert is that of 8 experts of 128. */
#define EXPERT_SHARE 0.8
#define P_EXPERT_ADDED 0.0625

/* The fit gets colder: units shrink with what is left over, and what is believed counts more. */
static const struct turn {
    double weight; /* of what is believed */
    double size;   /* of the cloud */
} turns[] = {{0.001, 0.3}, {0.1, 0.2}, {1, 0.2}, {1, 0.05}};

#define TURNS ((uint32_t)(sizeof turns / sizeof turns[0]))

static void add_term(struct sgl_calibration_problem *problem, enum sgl_coefficient c, double us)
{
    problem->base_us[c] = us;
    problem->prior_spread[c] = BELIEF_ADDED;
}

/* From the least to the most. A loose fit has ratios within 17 % of the start's. */
static const struct freedom {
    double belief; /* INFINITY: one scale for all, and nothing added */
    bool adds_roofline;
    bool adds_experts;
} freedoms[SGL_FREEDOM_COUNT] = {
    [SGL_FREEDOM_SCALE] = {INFINITY, false, false}, [SGL_FREEDOM_LOOSE] = {10, false, false},
    [SGL_FREEDOM_PLAIN] = {1, false, false},        [SGL_FREEDOM_ROOFLINE] = {1, true, false},
    [SGL_FREEDOM_EXPERTS] = {1, true, true},
};

static void add_roofline(struct sgl_calibration_problem *problem)
{
    double *base_us = problem->base_us;

    problem->free_tokens = llround(base_us[SGL_C_STEP_PREFILL] / base_us[SGL_C_PREFILL_TOKEN]);
    add_term(problem, SGL_C_TOKEN, TOKEN_SHARE * base_us[SGL_C_PREFILL_TOKEN]);
    base_us[SGL_C_PREFILL_TOKEN] *= PREFILL_TOKEN_SHARE;
}

static void add_experts(struct sgl_calibration_problem *problem)
{
    double *base_us = problem->base_us;

    problem->p_expert = P_EXPERT_ADDED;
    add_term(problem, SGL_C_EXPERT, EXPERT_SHARE * base_us[SGL_C_STEP_DECODE]);
    base_us[SGL_C_STEP_DECODE] *= 1 - EXPERT_SHARE;
    base_us[SGL_C_STEP_PREFILL] *= 1 - EXPERT_SHARE;
}

static bool lacks_roofline(const struct sgl_calibration_problem *problem)
{
    return problem->start_us[SGL_C_TOKEN] <= 0 && problem->start_us[SGL_C_PREFILL_TOKEN] > 0;
}

bool sgl_calibration_has_freedom(const struct sgl_calibration_problem *problem,
                                 enum sgl_freedom freedom)
{
    if (freedoms[freedom].adds_experts)
        return problem->start_us[SGL_C_EXPERT] <= 0 && problem->start_us[SGL_C_STEP_DECODE] > 0;
    return !freedoms[freedom].adds_roofline || lacks_roofline(problem);
}

enum sgl_freedom sgl_calibration_usual(const struct sgl_calibration_problem *problem)
{
    return lacks_roofline(problem) ? SGL_FREEDOM_ROOFLINE : SGL_FREEDOM_PLAIN;
}

void sgl_calibration_believe(struct sgl_calibration_problem *problem, enum sgl_freedom freedom)
{
    const struct freedom *row = &freedoms[freedom];
    double *base_us = problem->base_us;

    memcpy(base_us, problem->start_us, sizeof problem->start_us);
    problem->free_tokens = problem->start_free_tokens;
    problem->p_expert = problem->start_p_expert;
    problem->has_prior = isfinite(row->belief);
    problem->fits_scale = !problem->has_prior;
    problem->belief = row->belief;
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        problem->prior_spread[c] = BELIEF;
    if (row->adds_roofline && lacks_roofline(problem))
        add_roofline(problem);
    if (row->adds_experts)
        add_experts(problem);
    if (problem->has_prior && problem->has_mixed_steps) {
        if (base_us[SGL_C_MIXED_KV_TOKEN] <= 0)
            add_term(problem, SGL_C_MIXED_KV_TOKEN, MIXED_KV_SHARE * base_us[SGL_C_KV_TOKEN]);
        if (base_us[SGL_C_MIXED_REQUEST] <= 0)
            add_term(problem, SGL_C_MIXED_REQUEST, MIXED_REQUEST_SHARE * base_us[SGL_C_REQUEST]);
    }
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        problem->state[c] = !problem->has_prior ? SGL_COEFFICIENT_TIED
                            : base_us[c] > 0    ? SGL_COEFFICIENT_FITTED
                                                : SGL_COEFFICIENT_ZERO;
    sgl_calibration_count_free(problem);
}

static double sum_of_sizes(const double *residuals, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += fabs(residuals[i]);
    return sum;
}

/* The power of two that fits best, of all coefficients: the fit starts there. */
static int start_with_scale(struct sgl_calibration_problem *problem, double *x, double *residuals,
                            struct sgl_failure *failure)
{
    double least = INFINITY;
    double best = 0;

    for (int power = SCALE_LEAST; power <= SCALE_MOST; power++) {
        double tried[SGL_FREE_MAX];
        for (size_t i = 0; i < SGL_FREE_MAX; i++)
            tried[i] = power * log(2);
        const int status = sgl_calibration_residuals(problem, tried, residuals, failure);
        if (status != SGL_OK)
            return status;
        const double sum = sum_of_sizes(residuals, problem->residual_count);
        if (sum < least) {
            least = sum;
            best = power * log(2);
        }
    }
    for (size_t i = 0; i < SGL_FREE_MAX; i++)
        x[i] = best;
    return SGL_OK;
}

/* The unit of the loss, from the residuals at the point: it gets no larger, or what is believed
 * would win by being wrong. */
static int shrink_spreads(struct sgl_calibration_problem *problem, const double *x,
                          double *residuals, struct sgl_failure *failure)
{
    double before[SGL_METRIC_COUNT];
    int status = sgl_calibration_residuals(problem, x, residuals, failure);

    memcpy(before, problem->spreads, sizeof before);
    if (status == SGL_OK)
        status = sgl_calibration_measure_spreads(problem, residuals, NULL, failure);
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        problem->spreads[m] = fmin(problem->spreads[m], before[m]);
    return status;
}

static const struct sgl_cooling whole = {0, GENERATIONS};

int sgl_calibration_cool_down(struct sgl_calibration_problem *problem, uint32_t start,
                              const struct sgl_cooling *cooling, struct sgl_fit *fit,
                              double *residuals, struct sgl_failure *failure)
{
    const size_t each = POPULATION_EACH * problem->free_count;
    const size_t population = each < POPULATION_MAX ? each : POPULATION_MAX;
    int status = SGL_OK;

    sgl_calibration_set_spreads(problem, SPREAD_FIRST);
    for (size_t turn = cooling->turn_first; turn < TURNS && status == SGL_OK; turn++) {
        problem->prior_weight = turns[turn].weight;
        status = sgl_calibration_descend(problem, fit, failure);
        const struct sgl_search search = {.size = turns[turn].size,
                                          .population = population,
                                          .evaluations = cooling->generations * population,
                                          .turn = TURNS * start + (uint32_t)turn};
        if (status == SGL_OK)
            status = sgl_calibration_search(problem, fit, &search, failure);
        if (status == SGL_OK && turn + 1 < TURNS)
            status = shrink_spreads(problem, fit->x, residuals, failure);
    }
    return status;
}

int sgl_calibration_anneal(struct sgl_calibration_problem *problem, uint32_t start,
                           struct sgl_fitted *fitted, struct sgl_failure *failure)
{
    struct sgl_rng draws =
        sgl_rng_stream(problem->options->seed, SGL_PURPOSE_RESAMPLE, 0, (int64_t)start, 0);
    double *residuals = fitted->residuals;
    int status;

    if (residuals == NULL)
        residuals = malloc((problem->residual_max + 1) * sizeof *residuals);
    if (residuals == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    *fitted = (struct sgl_fitted){.residuals = residuals};
    sgl_calibration_set_spreads(problem, SPREAD_FIRST);
    status = start_with_scale(problem, fitted->fit.x, residuals, failure);
    for (size_t i = 0; start > 0 && i < problem->free_count; i++)
        fitted->fit.x[i] += START_SPAN * (2 * sgl_rng_uniform(&draws) - 1);
    if (status == SGL_OK)
        status =
            sgl_calibration_cool_down(problem, start, &whole, &fitted->fit, residuals, failure);
    memcpy(fitted->spreads, problem->spreads, sizeof fitted->spreads);
    sgl_calibration_set_spreads(problem, 1); /* plain logarithms, to be compared */
    if (status == SGL_OK)
        status = sgl_calibration_residuals(problem, fitted->fit.x, residuals, failure);
    return status;
}

void sgl_fitted_release(struct sgl_fitted *fitted)
{
    free(fitted->residuals);
    *fitted = (struct sgl_fitted){0};
}

/* Of each block of consecutive requests, in the given units; what is believed, in equal parts. */
static void add_blocks(const struct sgl_calibration_problem *problem,
                       const struct sgl_fitted *fitted, const double *units, double sign,
                       double *blocks)
{
    const struct sgl_row_range range = problem->range;
    const double believed =
        sgl_calibration_prior_loss(problem, fitted->fit.x) / (double)problem->block_count;

    for (size_t r = 0; r < problem->residual_count; r++) {
        const double residual = fitted->residuals[r] / units[problem->residual_metric[r]];
        const size_t block = (problem->residual_request[r] - range.from) * problem->block_count /
                             (range.to - range.from);
        blocks[block] += sign * sgl_huber_loss(residual);
    }
    for (size_t b = 0; b < problem->block_count; b++)
        blocks[b] += sign * believed;
}

static double sum_of(const struct sgl_calibration_problem *problem, const double *blocks)
{
    double sum = 0;

    for (size_t b = 0; b < problem->block_count; b++)
        sum += blocks[b];
    return sum;
}

double sgl_fitted_compare(const struct sgl_calibration_problem *problem, struct sgl_fitted *left,
                          struct sgl_fitted *right, double *distance_out)
{
    struct sgl_fitted *const both[] = {left, right};
    double units[SGL_METRIC_COUNT];
    double differences[SGL_BLOCKS] = {0};
    const double count = (double)problem->block_count;
    double squares = 0;

    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        units[m] = fmin(left->spreads[m], right->spreads[m]);
    for (int i = 0; i < 2; i++) {
        double blocks[SGL_BLOCKS] = {0};
        add_blocks(problem, both[i], units, 1, blocks);
        both[i]->common_loss = problem->residual_count > 0
                                   ? sum_of(problem, blocks) / (double)problem->residual_count
                                   : 0;
    }
    add_blocks(problem, left, units, 1, differences);
    add_blocks(problem, right, units, -1, differences);
    const double sum = sum_of(problem, differences);
    for (size_t b = 0; b < problem->block_count; b++) {
        const double off = differences[b] - sum / count;
        squares += off * off;
    }
    if (distance_out != NULL)
        *distance_out = squares > 0 ? sum / sqrt(squares * count / (count - 1)) : 0;
    return sum;
}
