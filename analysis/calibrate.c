#include "calibrate.h"

#include "calibrate_state.h"
#include "core/text.h"

#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_states(struct sgl_calibration_problem *problem, enum sgl_coefficient_state state)
{
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        problem->state[c] = state;
}

const char *sgl_freedom_text(enum sgl_freedom freedom)
{
    static const char *const texts[] = {
#define TEXT(upper, text) text,
        SGL_FREEDOM_MAP(TEXT)
#undef TEXT
    };

    return texts[freedom];
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
static int read_fit(struct sgl_calibration_problem *problem, struct sgl_failure *failure)
{
    const char *text = problem->options->fit;

    set_states(problem, SGL_COEFFICIENT_TIED);
    problem->fits_scale = false;
    if (strcmp(text, "auto") == 0) {
        sgl_calibration_believe(problem, sgl_calibration_usual(problem));
        return SGL_OK;
    }
    while (*text != '\0') {
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

/* Lengths of the scored requests. */
struct lengths {
    int64_t prompt;
    int64_t output;
    bool is_prompt_constant;
    bool is_output_constant;
};

static struct lengths measure_lengths(const struct sgl_calibration_problem *problem)
{
    const struct sgl_row_range range = problem->range;
    const struct sgl_recorded_request *requests = problem->recording->requests;
    struct lengths lengths = {.prompt = requests[range.from].row.request.prompt_tokens,
                              .output = requests[range.from].row.output_tokens,
                              .is_prompt_constant = true,
                              .is_output_constant = true};

    for (size_t i = range.from; i < range.to; i++) {
        lengths.is_prompt_constant =
            lengths.is_prompt_constant && requests[i].row.request.prompt_tokens == lengths.prompt;
        lengths.is_output_constant =
            lengths.is_output_constant && requests[i].row.output_tokens == lengths.output;
    }
    return lengths;
}

/* What a token costs cannot be told from requests that are all as long: a fit would put there
 * whatever the constants of a step are off by. */
static int check_lengths(struct sgl_calibration *calibration,
                         const struct sgl_calibration_problem *problem, struct sgl_failure *failure)
{
    const struct lengths lengths = measure_lengths(problem);

    for (size_t i = 0; i < problem->free_count && lengths.is_prompt_constant; i++) {
        const int c = problem->free[i];
        const bool is_of_prompts =
            c == SGL_C_PREFILL_TOKEN || c == SGL_C_PREFILL_CONTEXT || c == SGL_C_TOKEN;
        const bool is_of_contexts = c == SGL_C_KV_TOKEN || c == SGL_C_MIXED_KV_TOKEN;
        if (!is_of_prompts && !(is_of_contexts && lengths.is_output_constant))
            continue;
        calibration->is_not_identifiable = true;
        return sgl_fail(failure, SGL_EINVAL,
                        "the requests cannot identify %s: prompt_tokens is %lld%s in all of them "
                        "(record %s of other lengths, or --fit scale)",
                        free_name(c), (long long)lengths.prompt,
                        is_of_contexts ? " and output_tokens the same" : "",
                        is_of_contexts ? "requests" : "prompts");
    }
    return SGL_OK;
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
                        problem->range.to - problem->range.from, free_name(problem->free[worst]),
                        text);
    return sgl_fail(failure, SGL_EINVAL,
                    "the requests cannot identify %s beside the other %zu: %s (--fit auto frees "
                    "what they can tell)",
                    free_name(problem->free[worst]), problem->free_count - 1, text);
}

/* `error` of the coefficients, or NULL: fit->error. */
static void report_coefficients(struct sgl_calibration *calibration,
                                const struct sgl_calibration_problem *problem,
                                const struct sgl_fit *fit, const double *error)
{
    double value_us[SGL_COEFFICIENT_COUNT];

    sgl_calibration_values(problem, fit->x, value_us);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        calibration->coefficients[c] = (struct sgl_coefficient_fit){
            .state = value_us[c] > 0 ? problem->state[c] : SGL_COEFFICIENT_NONE,
            .value_us = value_us[c],
            .relative_error = error != NULL     ? error[c]
                              : value_us[c] > 0 ? calibration->scale_error
                                                : (double)NAN,
        };
    for (size_t i = 0; i < problem->free_count; i++) {
        const int c = problem->free[i];
        if (c == SGL_COEFFICIENT_COUNT)
            continue;
        if (error == NULL)
            calibration->coefficients[c].relative_error = fit->error[i];
        /* Together with the belief the requests then tell less than twice what it tells alone. */
        if (problem->has_prior && !(error[c] <= problem->prior_spread[c] * sqrt(0.5)))
            calibration->coefficients[c].state = SGL_COEFFICIENT_HELD;
        else
            calibration->fitted_count++;
    }
}

static void report(struct sgl_calibration *calibration,
                   const struct sgl_calibration_problem *problem, const struct sgl_fit *fit,
                   const double *error)
{
    calibration->scale = 1;
    calibration->scale_error = (double)NAN;
    for (size_t i = 0; i < problem->free_count; i++)
        if (problem->free[i] == SGL_COEFFICIENT_COUNT) {
            calibration->scale = exp(fit->x[i]);
            calibration->scale_error = fit->error[i];
            calibration->fitted_count++;
        }
    report_coefficients(calibration, problem, fit, error);
    calibration->free_tokens = problem->free_tokens;
    calibration->p_expert = problem->p_expert;
    calibration->condition = fit->condition;
    calibration->loss = fit->loss / (double)problem->residual_count;
    calibration->residual_count = problem->residual_count;
}

/* The best of the start and other starts, for one way of planning steps. */
static int fit_plan(struct sgl_calibration_problem *problem, bool is_async, struct sgl_fitted *best,
                    struct sgl_failure *failure)
{
    struct sgl_fitted other = {0};
    int status;

    if (problem->options->finds_async)
        problem->spec.parameters.value[problem->async_row] = is_async;
    status = sgl_calibration_anneal(problem, 0, best, failure);
    for (uint32_t start = 1; status == SGL_OK && start <= problem->options->starts; start++) {
        status = sgl_calibration_anneal(problem, start, &other, failure);
        if (status == SGL_OK && sgl_fitted_compare(problem, &other, best, NULL) < 0) {
            const struct sgl_fitted spare = *best;
            *best = other;
            other = spare;
        }
    }
    sgl_fitted_release(&other);
    return status;
}

/* Both ways of planning steps, each fitted as well as can be: the one that explains the requests
 * better, and vLLM's own when they cannot tell. */
static int fit_plans(struct sgl_calibration *calibration, struct sgl_calibration_problem *problem,
                     struct sgl_fitted *best, struct sgl_failure *failure)
{
    struct sgl_fitted plans[2] = {0};
    double distance = 0;

    int status = fit_plan(problem, false, &plans[0], failure);
    if (status == SGL_OK)
        status = fit_plan(problem, true, &plans[1], failure);
    if (status == SGL_OK) {
        sgl_fitted_compare(problem, &plans[0], &plans[1], &distance);
        for (int async = 0; async < 2; async++)
            calibration->async_loss[async] = plans[async].common_loss;
        calibration->has_found_async = true;
        calibration->async_distance = distance;
        calibration->is_async = distance > -SGL_CALIBRATION_TELLING;
        problem->spec.parameters.value[problem->async_row] = calibration->is_async;
        *best = plans[calibration->is_async];
        plans[calibration->is_async] = (struct sgl_fitted){0};
    }
    sgl_fitted_release(&plans[0]);
    sgl_fitted_release(&plans[1]);
    return status;
}

/* All that `fit` asks for. */
static int fit_all(struct sgl_calibration *calibration, struct sgl_calibration_problem *problem,
                   struct sgl_fitted *best, struct sgl_failure *failure)
{
    const bool finds_async = problem->options->finds_async;
    int status = SGL_OK;

    calibration->has_chosen = problem->has_prior;
    if (finds_async)
        status = fit_plans(calibration, problem, best, failure);
    if (status == SGL_OK && calibration->has_chosen)
        status = sgl_calibration_choose(problem, &calibration->choice, failure);
    const bool is_done =
        finds_async &&
        (!calibration->has_chosen || calibration->choice.chosen == sgl_calibration_usual(problem));
    return status != SGL_OK || is_done ? status
                                       : fit_plan(problem, calibration->is_async, best, failure);
}

static int run(struct sgl_calibration *calibration, struct sgl_calibration_problem *problem,
               double *residuals, struct sgl_failure *failure)
{
    struct sgl_fitted best = {0};
    double value_us[SGL_COEFFICIENT_COUNT];
    double error[SGL_COEFFICIENT_COUNT];
    int status = read_fit(problem, failure);

    calibration->is_misused = status != SGL_OK;
    if (status == SGL_OK && !problem->has_prior)
        status = check_lengths(calibration, problem, failure);
    if (status == SGL_OK)
        status = fit_all(calibration, problem, &best, failure);
    if (status == SGL_OK && problem->residual_count == 0) {
        calibration->is_not_identifiable = true;
        status = sgl_fail(failure, SGL_EINVAL,
                          "no request of the rows has a measured time (queue_time_end, "
                          "server_first_token_time or finish_time)");
    }
    if (status == SGL_OK) {
        memcpy(problem->spreads, best.spreads, sizeof problem->spreads);
        status = sgl_calibration_certainty(problem, &best.fit, failure);
    }
    if (status == SGL_OK && !calibration->has_chosen)
        status = check_certain(calibration, problem, &best.fit, failure);
    if (status == SGL_OK && calibration->has_chosen) {
        sgl_calibration_values(problem, best.fit.x, value_us);
        status =
            sgl_calibration_errors(problem, calibration->choice.chosen, value_us, error, failure);
    }
    if (status == SGL_OK) /* once more at the very end: the times that are compared */
        status = sgl_calibration_residuals(problem, best.fit.x, residuals, failure);
    if (status == SGL_OK)
        report(calibration, problem, &best.fit, calibration->has_chosen ? error : NULL);
    if (status == SGL_OK)
        status = sgl_calibration_measure_spreads(problem, residuals, &calibration->robust_spread,
                                                 failure);
    sgl_fitted_release(&best);
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
