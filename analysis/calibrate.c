#include "calibrate.h"

#include "calibrate_state.h"
#include "core/rng.h"
#include "core/text.h"

#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPREAD_FIRST 0.2 /* of a residual, before any fit: what a factor of 1.2 is off */
#define START_SPAN 0.7   /* of a logarithm: random starts are within a factor of 2 */
#define SCALE_LEAST (-6) /* powers of two tried first */
#define SCALE_MOST 6
#define TURNS 2

/* Loss that dropping a term must gain over tying it: a start from measured kernels is worth more
 * than a gain by chance, of which Huber's loss, half a chi-square in the middle, has about a half.
 */
#define PREFERENCE 4.0
#define PREFERENCE_SHARE 0.02 /* of the loss, for roughness grows with it */
#define NEED_SHARE 0.05       /* of the loss: what is uncertain stays free if it is worth more */

/* A fit whose logarithms are named by coefficient: they outlive a change of what is free. */
struct point {
    double x[SGL_FREE_MAX]; /* [SGL_COEFFICIENT_COUNT] is scale's */
};

static void pack(const struct sgl_calibration_problem *problem, const struct point *point,
                 struct sgl_fit *fit)
{
    *fit = (struct sgl_fit){0};
    for (size_t i = 0; i < problem->free_count; i++)
        fit->x[i] = point->x[problem->free[i]];
}

static void unpack(const struct sgl_calibration_problem *problem, const struct sgl_fit *fit,
                   struct point *point)
{
    for (size_t i = 0; i < problem->free_count; i++)
        point->x[problem->free[i]] = fit->x[i];
}

/* Downhill from the point, which moves there. */
static int descend(struct sgl_calibration_problem *problem, struct point *point, double *loss_out,
                   struct sgl_failure *failure)
{
    struct sgl_fit fit;

    pack(problem, point, &fit);
    const int status = sgl_calibration_descend(problem, &fit, failure);
    unpack(problem, &fit, point);
    *loss_out = fit.loss;
    return status;
}

static void set_states(struct sgl_calibration_problem *problem, enum sgl_coefficient_state state)
{
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        problem->state[c] = state;
}

/* The unit of the loss, from the residuals at the point. */
static int measure_spread(struct sgl_calibration_problem *problem, const struct point *point,
                          double *residuals, struct sgl_failure *failure)
{
    struct sgl_fit fit;

    pack(problem, point, &fit);
    const int status = sgl_calibration_residuals(problem, fit.x, residuals, failure);
    if (status != SGL_OK)
        return status;
    return sgl_calibration_measure_spreads(problem, residuals, NULL, failure);
}

static double sum_of_sizes(const double *residuals, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += fabs(residuals[i]);
    return sum;
}

/* The power of two that fits best, then the best scale near it: all coefficients start there. */
static int start_with_scale(struct sgl_calibration_problem *problem, struct point *point,
                            double *residuals, double *loss_out, struct sgl_failure *failure)
{
    double least = INFINITY;
    double best = 0;

    set_states(problem, SGL_COEFFICIENT_TIED);
    sgl_calibration_count_free(problem);
    for (int power = SCALE_LEAST; power <= SCALE_MOST; power++) {
        const double x[SGL_FREE_MAX] = {power * log(2)};
        const int status = sgl_calibration_residuals(problem, x, residuals, failure);
        if (status != SGL_OK)
            return status;
        const double sum = sum_of_sizes(residuals, problem->residual_count);
        if (sum < least) {
            least = sum;
            best = x[0];
        }
    }
    point->x[SGL_COEFFICIENT_COUNT] = best;
    const int status = descend(problem, point, loss_out, failure);
    problem->first_scale = point->x[SGL_COEFFICIENT_COUNT];
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        point->x[c] = problem->first_scale;
    return status;
}

/* The same for both ways of planning steps, if that is asked: the better one stays. */
static int start_with_plans(struct sgl_calibration *calibration,
                            struct sgl_calibration_problem *problem, struct point *point,
                            double *residuals, struct sgl_failure *failure)
{
    double *is_async = &problem->spec.parameters.value[problem->async_row];
    struct point points[2] = {*point, *point};
    double scales[2];

    if (!problem->options->finds_async)
        return start_with_scale(problem, point, residuals, &scales[0], failure);
    for (int async = 0; async < 2; async++) {
        *is_async = async;
        const int status = start_with_scale(problem, &points[async], residuals,
                                            &calibration->async_loss[async], failure);
        if (status != SGL_OK)
            return status;
        if (problem->residual_count > 0)
            calibration->async_loss[async] /= (double)problem->residual_count;
        scales[async] = problem->first_scale;
    }
    calibration->has_found_async = true;
    calibration->is_async = calibration->async_loss[1] < calibration->async_loss[0];
    *is_async = calibration->is_async;
    *point = points[calibration->is_async];
    problem->first_scale = scales[calibration->is_async];
    return SGL_OK;
}

/* Random starts around the point; the lowest end wins. */
static int try_starts(struct sgl_calibration_problem *problem, struct point *point, double *loss,
                      uint32_t turn, struct sgl_failure *failure)
{
    const struct point origin = *point;

    for (uint32_t start = 0; start < problem->options->starts; start++) {
        struct sgl_rng draws =
            sgl_rng_stream(problem->options->seed, SGL_PURPOSE_RESAMPLE, turn, (int64_t)start, 0);
        struct point tried = origin;
        double tried_loss;
        for (size_t i = 0; i < SGL_FREE_MAX; i++)
            tried.x[i] += START_SPAN * (2 * sgl_rng_uniform(&draws) - 1);
        const int status = descend(problem, &tried, &tried_loss, failure);
        if (status != SGL_OK)
            return status;
        if (tried_loss < *loss) {
            *loss = tried_loss;
            *point = tried;
        }
    }
    return SGL_OK;
}

/* From the start of all to the best point for the present states. */
static int fit_states(struct sgl_calibration_problem *problem, struct point *point,
                      double *residuals, struct sgl_failure *failure)
{
    double loss;
    int status;

    sgl_calibration_count_free(problem);
    sgl_calibration_set_spreads(problem, SPREAD_FIRST);
    status = descend(problem, point, &loss, failure);
    if (status == SGL_OK)
        status = measure_spread(problem, point, residuals, failure);
    if (status == SGL_OK)
        status = descend(problem, point, &loss, failure);
    if (status == SGL_OK)
        status = try_starts(problem, point, &loss, 0, failure);
    return status;
}

static const char *free_name(int free)
{
    return free == SGL_COEFFICIENT_COUNT ? "scale"
                                         : sgl_coefficient_name((enum sgl_coefficient)free);
}

static size_t least_certain(const struct sgl_calibration_problem *problem,
                            const struct sgl_fit *fit)
{
    size_t worst = 0;

    for (size_t i = 1; i < problem->free_count; i++)
        if (fit->error[i] > fit->error[worst])
            worst = i;
    return worst;
}

/* The least certain of those that may go: too uncertain to tell, or uncertain and not yet found to
 * be needed. free_count: none. */
static size_t next_to_go(const struct sgl_calibration_problem *problem, const struct sgl_fit *fit,
                         const bool *is_needed)
{
    size_t worst = problem->free_count;

    for (size_t i = 0; i < problem->free_count; i++)
        if (fit->error[i] >
                (is_needed[problem->free[i]] ? SGL_CALIBRATION_SE_MAX : SGL_CALIBRATION_SE_FREE) &&
            (worst == problem->free_count || fit->error[i] > fit->error[worst]))
            worst = i;
    return worst;
}

/* Takes a coefficient out of the fit: tied to the others, or without its term. */
static int take_out(struct sgl_calibration_problem *problem, int coefficient, struct point *point,
                    double *loss_out, struct sgl_failure *failure)
{
    struct point tied = *point;
    struct point zero = *point;
    double tied_loss;
    double zero_loss = INFINITY;

    problem->state[coefficient] = SGL_COEFFICIENT_TIED;
    sgl_calibration_count_free(problem);
    int status = descend(problem, &tied, &tied_loss, failure);
    const bool has_zero = coefficient != SGL_C_STEP_PREFILL && coefficient != SGL_C_STEP_DECODE;
    if (status == SGL_OK && has_zero) {
        problem->state[coefficient] = SGL_COEFFICIENT_ZERO;
        sgl_calibration_count_free(problem);
        if (problem->free_count > 0)
            status = descend(problem, &zero, &zero_loss, failure);
    }
    const bool is_zero = zero_loss < tied_loss - fmax(PREFERENCE, PREFERENCE_SHARE * tied_loss);
    problem->state[coefficient] = is_zero ? SGL_COEFFICIENT_ZERO : SGL_COEFFICIENT_TIED;
    *point = is_zero ? zero : tied;
    *loss_out = is_zero ? zero_loss : tied_loss;
    sgl_calibration_count_free(problem);
    return status;
}

/* What is tied hardly matters: it gets the scale that fitted best when all were. */
static int take_out_scale(struct sgl_calibration_problem *problem, struct point *point,
                          double *loss_out, struct sgl_failure *failure)
{
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        if (problem->state[c] == SGL_COEFFICIENT_TIED)
            problem->base_us[c] *= exp(problem->first_scale);
    problem->fits_scale = false;
    sgl_calibration_count_free(problem);
    return descend(problem, point, loss_out, failure);
}

/* What a fit is made of, to go back to it. */
struct states {
    enum sgl_coefficient_state state[SGL_COEFFICIENT_COUNT];
    double base_us[SGL_COEFFICIENT_COUNT];
    bool fits_scale;
    struct point point;
};

static void keep_states(const struct sgl_calibration_problem *problem, const struct point *point,
                        struct states *states)
{
    memcpy(states->state, problem->state, sizeof states->state);
    memcpy(states->base_us, problem->base_us, sizeof states->base_us);
    states->fits_scale = problem->fits_scale;
    states->point = *point;
}

static void restore_states(struct sgl_calibration_problem *problem, struct point *point,
                           const struct states *states)
{
    memcpy(problem->state, states->state, sizeof states->state);
    memcpy(problem->base_us, states->base_us, sizeof states->base_us);
    problem->fits_scale = states->fits_scale;
    *point = states->point;
    sgl_calibration_count_free(problem);
}

/* Until all that is free is certain enough, or needed. */
static int keep_certain(struct sgl_calibration_problem *problem, struct point *point,
                        struct sgl_failure *failure)
{
    bool is_needed[SGL_FREE_MAX] = {false};

    for (;;) {
        struct sgl_fit fit;
        struct states before;
        double loss;
        double loss_without;
        int status = descend(problem, point, &loss, failure);
        pack(problem, point, &fit);
        if (status == SGL_OK)
            status = sgl_calibration_certainty(problem, &fit, failure);
        if (status != SGL_OK)
            return status;
        const size_t worst = next_to_go(problem, &fit, is_needed);
        if (worst == problem->free_count || problem->free_count == 1)
            return SGL_OK;
        const int which = problem->free[worst];
        const bool is_unknown = fit.error[worst] > SGL_CALIBRATION_SE_MAX;
        keep_states(problem, point, &before);
        status = which == SGL_COEFFICIENT_COUNT
                     ? take_out_scale(problem, point, &loss_without, failure)
                     : take_out(problem, which, point, &loss_without, failure);
        if (status != SGL_OK)
            return status;
        if (!is_unknown && loss_without > loss + fmax(PREFERENCE, NEED_SHARE * loss)) {
            restore_states(problem, point, &before);
            is_needed[which] = true;
        }
    }
}

static int name_coefficient(struct sgl_calibration_problem *problem, const char *name,
                            size_t length, struct sgl_failure *failure)
{
    char wanted[64];
    char hint[128];
    struct sgl_nearest nearest = {.wanted = wanted};

    snprintf(wanted, sizeof wanted, "%.*s", length < sizeof wanted ? (int)length : 63, name);
    if (strcmp(wanted, "scale") == 0) {
        problem->fits_scale = true;
        return SGL_OK;
    }
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        const char *known = sgl_coefficient_name((enum sgl_coefficient)c);
        if (strcmp(wanted, known) == 0 && problem->base_us[c] > 0) {
            problem->state[c] = SGL_COEFFICIENT_FITTED;
            return SGL_OK;
        }
        if (strcmp(wanted, known) == 0)
            return sgl_fail(failure, SGL_EINVAL,
                            "%s starts at 0, from where no fit leads away (give it a start: "
                            "--worker %s=X)",
                            known, known);
        sgl_nearest_offer(&nearest, known);
    }
    return sgl_fail(failure, SGL_EINVAL,
                    "unknown coefficient '%s'%s (auto, scale, or names of a profile's "
                    "coefficients)",
                    wanted, sgl_nearest_hint(&nearest, hint, sizeof hint));
}

/* Which coefficients the user wants: their states. */
static int read_fit(struct sgl_calibration_problem *problem, bool *is_auto,
                    struct sgl_failure *failure)
{
    const char *text = problem->options->fit;

    *is_auto = strcmp(text, "auto") == 0;
    set_states(problem, SGL_COEFFICIENT_TIED);
    for (int c = 0; *is_auto && c < SGL_COEFFICIENT_COUNT; c++)
        problem->state[c] = problem->base_us[c] > 0 ? SGL_COEFFICIENT_FITTED : SGL_COEFFICIENT_ZERO;
    problem->fits_scale = *is_auto;
    while (!*is_auto && *text != '\0') {
        const size_t length = strcspn(text, ",");
        const int status = name_coefficient(problem, text, length, failure);
        if (status != SGL_OK)
            return status;
        text += length + (text[length] == ',');
    }
    sgl_calibration_count_free(problem);
    if (problem->free_count > 0)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL, "nothing to fit (auto, scale, or coefficients)");
}

/* "its standard error is 75 %", or that there is no telling. */
static const char *error_text(double error, char *out, size_t size)
{
    if (error < 100)
        snprintf(out, size, "its standard error is %.3g %%", 100 * error);
    else
        snprintf(out, size, "it does not show in any of them");
    return out;
}

/* Refuses what the data cannot tell. */
static int check_certain(struct sgl_calibration *calibration,
                         const struct sgl_calibration_problem *problem, const struct sgl_fit *fit,
                         struct sgl_failure *failure)
{
    const size_t worst = least_certain(problem, fit);
    char text[64];

    if (fit->error[worst] <= SGL_CALIBRATION_SE_MAX)
        return SGL_OK;
    error_text(fit->error[worst], text, sizeof text);
    calibration->is_not_identifiable = true;
    if (problem->free_count == 1)
        return sgl_fail(failure, SGL_EINVAL,
                        "the %zu requests cannot identify %s: %s (record more load, or other "
                        "lengths)",
                        problem->options->range.to - problem->options->range.from,
                        free_name(problem->free[worst]), text);
    return sgl_fail(failure, SGL_EINVAL,
                    "the requests cannot identify %s beside the other %zu: %s (--fit auto frees "
                    "what they can tell)",
                    free_name(problem->free[worst]), problem->free_count - 1, text);
}

static void report(struct sgl_calibration *calibration,
                   const struct sgl_calibration_problem *problem, const struct sgl_fit *fit)
{
    double value_us[SGL_COEFFICIENT_COUNT];

    calibration->scale = 1;
    calibration->scale_error = (double)NAN;
    for (size_t i = 0; i < problem->free_count; i++)
        if (problem->free[i] == SGL_COEFFICIENT_COUNT) {
            calibration->scale = exp(fit->x[i]);
            calibration->scale_error = fit->error[i];
        }
    sgl_calibration_values(problem, fit->x, value_us);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        calibration->coefficients[c] = (struct sgl_coefficient_fit){
            .state = value_us[c] > 0           ? problem->state[c]
                     : problem->base_us[c] > 0 ? SGL_COEFFICIENT_ZERO
                                               : SGL_COEFFICIENT_NONE,
            .value_us = value_us[c],
            .relative_error = value_us[c] > 0 ? calibration->scale_error : (double)NAN,
        };
    for (size_t i = 0; i < problem->free_count; i++)
        if (problem->free[i] < SGL_COEFFICIENT_COUNT)
            calibration->coefficients[problem->free[i]].relative_error = fit->error[i];
    calibration->free_tokens = problem->free_tokens;
    calibration->p_expert = problem->p_expert;
    calibration->condition = fit->condition;
    calibration->loss = fit->loss / (double)problem->residual_count;
    calibration->residual_count = problem->residual_count;
    calibration->fitted_count = (uint32_t)problem->free_count;
}

/* With what is free by now: other starts, and the units that belong to where they end. */
static int settle(struct sgl_calibration_problem *problem, struct point *point, double *loss,
                  double *residuals, struct sgl_failure *failure)
{
    int status = SGL_OK;

    for (uint32_t turn = 0; status == SGL_OK && turn < TURNS; turn++) {
        status = measure_spread(problem, point, residuals, failure);
        if (status == SGL_OK)
            status = descend(problem, point, loss, failure);
        if (status == SGL_OK)
            status = try_starts(problem, point, loss, turn + 1, failure);
    }
    return status;
}

static int run(struct sgl_calibration *calibration, struct sgl_calibration_problem *problem,
               double *residuals, struct sgl_failure *failure)
{
    struct point point = {{0}};
    struct sgl_fit fit;
    double loss = 0;
    bool is_auto = false;

    sgl_calibration_set_spreads(problem, SPREAD_FIRST);
    int status = start_with_plans(calibration, problem, &point, residuals, failure);
    if (status == SGL_OK && problem->residual_count == 0) {
        calibration->is_not_identifiable = true;
        status = sgl_fail(failure, SGL_EINVAL,
                          "no request of the rows has a measured time (queue_time_end, "
                          "server_first_token_time or finish_time)");
    }
    if (status == SGL_OK) {
        status = read_fit(problem, &is_auto, failure);
        calibration->is_misused = status != SGL_OK;
    }
    if (status == SGL_OK)
        status = fit_states(problem, &point, residuals, failure);
    /* The unit of the loss changes with the fit, and what is certain with the unit: twice. */
    for (int pass = 0; status == SGL_OK && pass < 2; pass++) {
        status = measure_spread(problem, &point, residuals, failure);
        if (status == SGL_OK)
            status = descend(problem, &point, &loss, failure);
        if (status == SGL_OK && is_auto)
            status = keep_certain(problem, &point, failure);
        if (status == SGL_OK)
            status = settle(problem, &point, &loss, residuals, failure);
    }
    if (status == SGL_OK && is_auto) /* what other starts found is held to the same */
        status = keep_certain(problem, &point, failure);
    pack(problem, &point, &fit);
    fit.loss = loss;
    if (status == SGL_OK)
        status = sgl_calibration_certainty(problem, &fit, failure);
    if (status == SGL_OK)
        status = check_certain(calibration, problem, &fit, failure);
    if (status == SGL_OK) /* once more at the very end: the times that are compared */
        status = sgl_calibration_residuals(problem, fit.x, residuals, failure);
    if (status == SGL_OK)
        report(calibration, problem, &fit);
    if (status == SGL_OK)
        status = sgl_calibration_measure_spreads(problem, residuals, &calibration->robust_spread,
                                                 failure);
    return status;
}

int sgl_calibrate(struct sgl_calibration *calibration, const struct sgl_recording *recording,
                  const struct sgl_calibration_options *options, struct sgl_failure *failure)
{
    struct sgl_calibration_problem problem;
    gsl_error_handler_t *handler = gsl_set_error_handler_off();

    *calibration = (struct sgl_calibration){0};
    int status = sgl_calibration_problem_make(&problem, recording, options, failure);
    double *residuals = malloc((problem.residual_max + 1) * sizeof *residuals);
    if (status == SGL_OK && residuals == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK)
        status = run(calibration, &problem, residuals, failure);
    if (status == SGL_OK)
        status = sgl_accuracy_compute(
            &calibration->fit_accuracy, recording, problem.times,
            &(struct sgl_accuracy_scope){.range = options->range,
                                         .first_token_is = options->first_token_is},
            failure);
    calibration->evaluations = problem.evaluations;
    free(residuals);
    sgl_calibration_problem_release(&problem);
    gsl_set_error_handler(handler);
    return status;
}

void sgl_calibration_release(struct sgl_calibration *calibration)
{
    sgl_accuracy_release(&calibration->fit_accuracy);
}

void sgl_calibration_apply(const struct sgl_calibration *calibration,
                           struct sgl_worker_model_spec *spec)
{
    const struct sgl_parameter *table = spec->parameters.table;

    for (size_t i = 0; table[i].name != NULL; i++) {
        if (strcmp(table[i].name, "scale") == 0)
            spec->parameters.value[i] = 1;
        if (strcmp(table[i].name, "free_tokens") == 0)
            spec->parameters.value[i] = (double)calibration->free_tokens;
        if (calibration->p_expert > 0 && strcmp(table[i].name, "p_expert") == 0)
            spec->parameters.value[i] = calibration->p_expert;
        if (calibration->has_found_async && strcmp(table[i].name, "async_scheduling") == 0)
            spec->parameters.value[i] = calibration->is_async;
        for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
            if (strcmp(table[i].name, sgl_coefficient_name((enum sgl_coefficient)c)) == 0)
                spec->parameters.value[i] = calibration->coefficients[c].value_us;
    }
}
