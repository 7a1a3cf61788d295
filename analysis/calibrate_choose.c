/*
 * How much "auto" frees: what foretells requests that the fit has not seen.
 *
 *     rows   |<-------- two thirds --------->|<--- one third --->|
 *                each freedom is fitted           and judged
 *
 * A freedom that only follows the luck of the first rows, or stands in for what no coefficient of
 * the model says, does worse on the others; so does one that leaves something to be learnt.
 */
#include "calibrate_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MIN 30      /* fewer judge nothing: the usual freedom */
#define BLOCKS 10        /* of neighbours in the rows that judge */
#define DISTANCE_MIN 2.5 /* standard errors between two losses, over blocks */
#define GAIN_MIN 0.25    /* of the loss, for a term that the start has not */

/* Ranking needs less than the last percent: the last two turns, a quarter of the clouds. */
static const struct sgl_cooling hurried = {1, 25};

struct choice {
    struct sgl_fitted fitted[SGL_FREEDOM_COUNT];
    bool is_tried[SGL_FREEDOM_COUNT];
    double value_us[SGL_COEFFICIENT_COUNT]; /* where the one before ended */
    double scale;                           /* of the first: a logarithm */
};

/* From where the freedom before ended, if it had that coefficient with the same start, else from
 * the start's times its scale. */
static void set_out(const struct sgl_calibration_problem *problem, const struct choice *choice,
                    double x[SGL_FREE_MAX])
{
    for (size_t i = 0; i < problem->free_count; i++) {
        const int c = problem->free[i];
        const bool is_known = c < SGL_COEFFICIENT_COUNT && choice->value_us[c] > 0 &&
                              problem->base_us[c] >= problem->start_us[c];
        x[i] = is_known ? log(choice->value_us[c] / problem->base_us[c]) : choice->scale;
        x[i] = fmin(fmax(x[i], -SGL_LOG_SPAN), SGL_LOG_SPAN);
    }
}

/* Fits the rows of `learnt`; what is left over in those of `judged` is kept. */
static int try_freedom(struct sgl_calibration_problem *problem, enum sgl_freedom freedom,
                       struct sgl_row_range learnt, struct sgl_row_range judged,
                       struct choice *choice, struct sgl_failure *failure)
{
    struct sgl_fitted *fitted = &choice->fitted[freedom];
    int status;

    sgl_calibration_believe(problem, freedom);
    problem->range = learnt;
    if (freedom == SGL_FREEDOM_SCALE) {
        status = sgl_calibration_anneal(problem, 0, fitted, failure);
    } else {
        fitted->residuals = malloc((problem->residual_max + 1) * sizeof *fitted->residuals);
        if (fitted->residuals == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory");
        set_out(problem, choice, fitted->fit.x);
        status = sgl_calibration_cool_down(problem, 0, &hurried, &fitted->fit, fitted->residuals,
                                           failure);
        memcpy(fitted->spreads, problem->spreads, sizeof fitted->spreads);
    }
    if (status != SGL_OK)
        return status;
    choice->is_tried[freedom] = true;
    sgl_calibration_values(problem, fitted->fit.x, choice->value_us);
    if (freedom == SGL_FREEDOM_SCALE)
        choice->scale = fitted->fit.x[0];
    problem->range = judged;
    sgl_calibration_set_spreads(problem, 1);
    return sgl_calibration_residuals(problem, fitted->fit.x, fitted->residuals, failure);
}

/* Does it foretell more than the other? Less freedom is taken when the other is plainly misled,
 * more when it pays: a term that bends the step time makes up for much, by a few percent. */
static bool is_better(struct sgl_calibration_problem *problem, struct choice *choice, int freedom,
                      int other)
{
    double distance = 0;
    const double gain_min = freedom > other ? GAIN_MIN : 0;

    if (!choice->is_tried[freedom])
        return false;
    sgl_fitted_compare(problem, &choice->fitted[freedom], &choice->fitted[other], &distance);
    return distance < -DISTANCE_MIN &&
           choice->fitted[freedom].common_loss < (1 - gain_min) * choice->fitted[other].common_loss;
}

/* From the usual one to more; then, if that is misled, to the best of those with less. */
static void judge(struct sgl_calibration_problem *problem, struct choice *choice,
                  struct sgl_calibration_choice *out)
{
    const int usual = (int)sgl_calibration_usual(problem);
    const struct sgl_fitted *fitted = &choice->fitted[usual];
    int chosen = usual;

    problem->has_prior = false; /* what is believed foretells nothing */
    problem->block_count = BLOCKS;
    for (int f = usual + 1; f < SGL_FREEDOM_COUNT; f++)
        if (is_better(problem, choice, f, chosen))
            chosen = f;
    const int most = chosen;
    double least = 1;
    for (int f = usual - 1; f >= 0; f--) {
        if (!is_better(problem, choice, f, most))
            continue;
        const double ratio = choice->fitted[f].common_loss / choice->fitted[most].common_loss;
        if (ratio < least) {
            least = ratio;
            chosen = f;
        }
    }
    out->chosen = (enum sgl_freedom)chosen;
    for (int f = 0; f < SGL_FREEDOM_COUNT; f++) {
        if (!choice->is_tried[f])
            continue;
        sgl_fitted_compare(problem, &choice->fitted[f], &choice->fitted[usual], NULL);
        out->loss_ratio[f] =
            fitted->common_loss > 0 ? choice->fitted[f].common_loss / fitted->common_loss : 1;
    }
}

int sgl_calibration_choose(struct sgl_calibration_problem *problem,
                           struct sgl_calibration_choice *choice_out, struct sgl_failure *failure)
{
    const struct sgl_row_range whole = problem->range;
    const size_t rows = whole.to - whole.from;
    const struct sgl_row_range learnt = {whole.from, whole.from + rows * 2 / 3};
    const struct sgl_row_range judged = {learnt.to, whole.to};
    const size_t block_count = problem->block_count;
    struct choice choice = {.scale = 0};
    int status = SGL_OK;

    *choice_out = (struct sgl_calibration_choice){.judged = judged};
    for (int f = 0; f < SGL_FREEDOM_COUNT; f++)
        choice_out->loss_ratio[f] = (double)NAN;
    choice_out->has_judged = rows >= ROWS_MIN;
    choice_out->chosen = sgl_calibration_usual(problem);
    for (int f = 0; f < SGL_FREEDOM_COUNT && status == SGL_OK && choice_out->has_judged; f++)
        if (sgl_calibration_has_freedom(problem, (enum sgl_freedom)f))
            status = try_freedom(problem, (enum sgl_freedom)f, learnt, judged, &choice, failure);
    if (status == SGL_OK && choice_out->has_judged)
        judge(problem, &choice, choice_out);
    for (int f = 0; f < SGL_FREEDOM_COUNT; f++)
        sgl_fitted_release(&choice.fitted[f]);
    problem->range = whole;
    problem->block_count = block_count;
    sgl_calibration_believe(problem, choice_out->chosen);
    return status;
}
