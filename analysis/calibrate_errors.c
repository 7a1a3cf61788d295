/*
 * How far off the coefficients of "auto" may be: where else the loss and the belief allow them.
 *
 *     loss |  .      .  .  .   .           The curvature at the best point is that of a stone
 *          | . .  . . .. .. . . .   .      (which step a request just missed), not of the
 *          |  . .. .  .     * .  .. . .    valley: a walk over all of it does not see stones.
 *          +---------------------------
 *              <- error -->                root mean square distance of the walk from the fit
 *
 * The walk is at a point as often as that is believed once the requests are known,
 * exp(-mean loss / LUCK - belief): a posterior made of a loss (Bissiri, Holmes and Walker, A
 * general framework for updating belief distributions, 2016), for there is no likelihood of steps
 * that were just missed. What the loss is divided by is chosen so that intervals hold the truth
 * (Syring and Martin, Calibrating general posterior credible regions, 2019). It is of the mean, not
 * of the sum, and large: the luck of the first seconds is handed on to whoever waits, so that
 * residuals say how neighbours differ and not how far all of them are off. In 63 made-up runs the
 * truth's own loss, over 400 residuals, is above the fit's by 88 in the median, by 1,660 in a tenth
 * of them and by 6,000 at most; if residuals were independent it would be 5.
 *
 * Free is also what the fit takes for granted and others stand in for when it is wrong:
 * free_tokens, p_expert, and a roofline where "auto" did without. Distances are from the fit, not
 * from the mean of the walk: where the two differ the fit is pulled to one side, and that is part
 * of its error. Where "auto" added experts there are two walks, with and without them, that count
 * alike (Buckland, Burnham and Augustin, Model selection: an integral part of inference, 1997): a
 * dense engine often fits better with them, too.
 *
 * Metropolis steps of the covariance of the walk so far (Haario, Saksman and Tamminen, An adaptive
 * Metropolis algorithm, 2001), the later ones counting more, times a size that has ACCEPTED of them
 * taken (Gelman, Roberts and Gilks, Efficient Metropolis jumping rules, 1996; Andrieu and Thoms, A
 * tutorial on adaptive MCMC, 2008, algorithm 4).
 */
#include "calibrate_state.h"

#include "core/rng.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Made-up runs of 100 requests, seeds 1 to 3 (tests/validity/calibrate_worlds.c), one walk each:
 * with 0.9, 1.25, 1.75 and 2.5 the intervals held 90, 94, 95 and 95 % of 528 truths, and 1.75 had
 * the best logarithmic score. It held 92 % of 370 with 30 requests and 95 % of 126 with 300, where
 * the sum over 700 held 98 and 92 %.
 */
#define LUCK 1.75

#define STEPS 4000      /* a quarter of what a fit costs */
#define STEPS_EACH 3000 /* of two walks */
#define STEPS_LOST 1000 /* of them, to forget where the walk began */
#define STEPS_APART 20  /* between two looks at the covariance */
#define ACCEPTED 0.234
#define SIZE_MOST 5.0
#define FIRST_SPREAD 0.05      /* of a logarithm: proposals before the walk has a covariance */
#define FIRST_SPREAD_HELD 0.3  /* of those that the fit holds */
#define BELIEF_FREE_TOKENS 1.0 /* standard deviation of the logarithm: a factor of 2.7 */
#define BELIEF_P_EXPERT 0.5

#define WALK_MAX (SGL_FREE_MAX + 2)

struct walk {
    size_t count; /* logarithms: those of the problem's free ones, then */
    size_t free_tokens;
    size_t p_expert; /* where they are; 0: not in it */
    int64_t free_tokens_middle;
    double p_expert_middle;
    double x[WALK_MAX];
    double plausibility; /* logarithm, but for a constant */
    double mean[WALK_MAX];
    double covariance[WALK_MAX * WALK_MAX];
    double root[WALK_MAX * WALK_MAX]; /* lower triangle: root root' is the covariance */
    double size;
    double *residuals;
};

/* -INFINITY beyond where a fit may go. */
static int judge(const struct walk *walk, struct sgl_calibration_problem *problem, const double *x,
                 double *plausibility_out, struct sgl_failure *failure)
{
    const struct sgl_parameter *table = problem->spec.parameters.table;
    double belief = 0;
    double loss;

    *plausibility_out = -INFINITY;
    for (size_t i = 0; i < walk->count; i++)
        if (!(fabs(x[i]) <= SGL_LOG_SPAN))
            return SGL_OK;
    if (walk->free_tokens > 0) {
        const double off = x[walk->free_tokens];
        problem->free_tokens = llround(sgl_parameter_clamp(
            &table[problem->free_tokens_row], (double)walk->free_tokens_middle * exp(off)));
        belief += off * off / (2 * BELIEF_FREE_TOKENS * BELIEF_FREE_TOKENS);
    }
    if (walk->p_expert > 0) {
        const double off = x[walk->p_expert];
        problem->p_expert =
            sgl_parameter_clamp(&table[problem->p_expert_row], walk->p_expert_middle * exp(off));
        belief += off * off / (2 * BELIEF_P_EXPERT * BELIEF_P_EXPERT);
    }
    const int status = sgl_calibration_loss(problem, x, walk->residuals, &loss, failure);
    const double prior = sgl_calibration_prior_loss(problem, x);
    belief += prior / SGL_CALIBRATION_SHARING;
    *plausibility_out = -(loss - prior) / (LUCK * (double)problem->residual_count) - belief;
    return status;
}

/* The mean distance of the fit's logarithms from the start's: what is believed of terms that it has
 * not. */
static double common_scale(const struct sgl_calibration_problem *problem,
                           const double value_us[SGL_COEFFICIENT_COUNT])
{
    double sum = 0;
    size_t count = 0;

    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        if (value_us[c] > 0 && problem->start_us[c] > 0) {
            sum += log(value_us[c] / problem->start_us[c]);
            count++;
        }
    return count > 0 ? sum / (double)count : 0;
}

/* At the fit, or beside it where the walk has terms that the fit has not. */
static void set_out(struct walk *walk, const struct sgl_calibration_problem *problem,
                    const double value_us[SGL_COEFFICIENT_COUNT])
{
    const bool is_split = value_us[SGL_C_TOKEN] <= 0 && problem->base_us[SGL_C_TOKEN] > 0;
    const bool is_joined = value_us[SGL_C_EXPERT] > 0 && problem->base_us[SGL_C_EXPERT] <= 0;
    const double scale = common_scale(problem, value_us);

    walk->count = problem->free_count;
    for (size_t i = 0; i < problem->free_count; i++) {
        const int c = problem->free[i];
        /* The roofline takes a part of it. */
        const double base_us =
            is_split && c == SGL_C_PREFILL_TOKEN ? problem->start_us[c] : problem->base_us[c];
        const bool is_step = c == SGL_C_STEP_PREFILL || c == SGL_C_STEP_DECODE;
        const double joined_us = value_us[c] + (is_joined && is_step ? value_us[SGL_C_EXPERT] : 0);
        const double x = value_us[c] > 0 ? log(joined_us / base_us) : scale;
        walk->x[i] = fmin(fmax(x, -SGL_LOG_SPAN), SGL_LOG_SPAN);
        walk->covariance[i * WALK_MAX + i] = FIRST_SPREAD * FIRST_SPREAD;
    }
    if (problem->base_us[SGL_C_TOKEN] > 0 && problem->free_tokens > 0)
        walk->free_tokens = walk->count++;
    if (problem->base_us[SGL_C_EXPERT] > 0 && problem->p_expert > 0)
        walk->p_expert = walk->count++;
    for (size_t i = problem->free_count; i < walk->count; i++)
        walk->covariance[i * WALK_MAX + i] = FIRST_SPREAD_HELD * FIRST_SPREAD_HELD;
    walk->free_tokens_middle = problem->free_tokens;
    walk->p_expert_middle = problem->p_expert;
    walk->size = 0.1;
    memcpy(walk->mean, walk->x, sizeof walk->mean);
}

/* Where rounding leaves the covariance without one, the last one stays. */
static void take_root(struct walk *walk)
{
    double cells[WALK_MAX * WALK_MAX];
    gsl_matrix_view root =
        gsl_matrix_view_array_with_tda(cells, walk->count, walk->count, WALK_MAX);

    memcpy(cells, walk->covariance, sizeof cells);
    for (size_t i = 0; i < walk->count; i++)
        cells[i * WALK_MAX + i] += 1e-8;
    if (gsl_linalg_cholesky_decomp1(&root.matrix) == GSL_SUCCESS)
        memcpy(walk->root, cells, sizeof cells);
}

/* Proposes a point and takes it or stays. *chance_out: how likely it was to be taken. */
static int step(struct walk *walk, struct sgl_calibration_problem *problem, struct sgl_rng *draws,
                double *chance_out, struct sgl_failure *failure)
{
    const double length = 2.38 * sqrt(walk->size / (double)walk->count); /* Gelman and others */
    double normals[WALK_MAX];
    double x[WALK_MAX] = {0};
    double plausibility;

    for (size_t i = 0; i < walk->count; i++)
        normals[i] = sgl_rng_normal(draws);
    for (size_t i = 0; i < walk->count; i++) {
        double along = 0;
        for (size_t j = 0; j <= i; j++)
            along += walk->root[i * WALK_MAX + j] * normals[j];
        x[i] = walk->x[i] + length * along;
    }
    const int status = judge(walk, problem, x, &plausibility, failure);
    *chance_out = fmin(exp(plausibility - walk->plausibility), 1);
    if (status == SGL_OK && sgl_rng_uniform(draws) < *chance_out) {
        memcpy(walk->x, x, sizeof x);
        walk->plausibility = plausibility;
    }
    return status;
}

static void adapt(struct walk *walk, int number, double chance)
{
    const double part = 2 / (number + 60.0); /* what is older counts less: the walk had to begin */

    walk->size *= exp(pow(1 + number / 10.0, -0.6) * (chance - ACCEPTED));
    walk->size = fmin(walk->size, SIZE_MOST);
    for (size_t i = 0; i < walk->count; i++)
        for (size_t j = 0; j < walk->count; j++) {
            double *cell = &walk->covariance[i * WALK_MAX + j];
            *cell += part * ((walk->x[i] - walk->mean[i]) * (walk->x[j] - walk->mean[j]) - *cell);
        }
    for (size_t i = 0; i < walk->count; i++)
        walk->mean[i] += part * (walk->x[i] - walk->mean[i]);
}

/* Sums of the squared distances from the fit, and of how many places. */
struct distances {
    double squares[SGL_COEFFICIENT_COUNT];
    double count[SGL_COEFFICIENT_COUNT];
};

static void add_place(struct distances *distances, const struct walk *walk,
                      const struct sgl_calibration_problem *problem,
                      const double value_us[SGL_COEFFICIENT_COUNT])
{
    for (size_t i = 0; i < problem->free_count; i++) {
        const int c = problem->free[i];
        if (value_us[c] <= 0)
            continue;
        const double off = log(problem->base_us[c] / value_us[c]) + walk->x[i];
        distances->squares[c] += off * off;
        distances->count[c]++;
    }
}

/* A whole walk in one form of the step time. */
static int go(struct sgl_calibration_problem *problem, enum sgl_freedom form, int steps,
              double *residuals, const double value_us[SGL_COEFFICIENT_COUNT],
              struct distances *distances, struct sgl_failure *failure)
{
    struct sgl_rng draws = sgl_rng_stream(problem->options->seed, SGL_PURPOSE_RESAMPLE, 0, 0, 3);
    struct walk walk = {.residuals = residuals};

    sgl_calibration_believe(problem, form);
    problem->prior_weight = 1;
    set_out(&walk, problem, value_us);
    int status = judge(&walk, problem, walk.x, &walk.plausibility, failure);
    for (int number = 0; number < steps && status == SGL_OK; number++) {
        double chance = 0;
        if (number % STEPS_APART == 0)
            take_root(&walk);
        status = step(&walk, problem, &draws, &chance, failure);
        adapt(&walk, number, chance);
        if (number >= STEPS_LOST)
            add_place(distances, &walk, problem, value_us);
    }
    return status;
}

int sgl_calibration_errors(struct sgl_calibration_problem *problem, enum sgl_freedom chosen,
                           const double value_us[SGL_COEFFICIENT_COUNT],
                           double error[SGL_COEFFICIENT_COUNT], struct sgl_failure *failure)
{
    const enum sgl_freedom usual = sgl_calibration_usual(problem);
    const bool is_doubtful = chosen == SGL_FREEDOM_EXPERTS;
    const int steps = is_doubtful ? STEPS_EACH : STEPS;
    double *residuals = malloc((problem->residual_max + 1) * sizeof *residuals);
    struct distances distances = {.squares = {0}};

    if (residuals == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    int status = go(problem, usual, steps, residuals, value_us, &distances, failure);
    if (status == SGL_OK && is_doubtful)
        status = go(problem, chosen, steps, residuals, value_us, &distances, failure);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        error[c] =
            distances.count[c] > 0 ? sqrt(distances.squares[c] / distances.count[c]) : (double)NAN;
    sgl_calibration_believe(problem, chosen);
    free(residuals);
    return status;
}
