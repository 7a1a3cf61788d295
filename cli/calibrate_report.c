/* How a fit is told: as text, as JSON, and as the remarks of its profile. */
#include "calibrate.h"

#include "analysis/accuracy_text.h"
#include "analysis/report_format.h"
#include "core/text.h"
#include "core/version.h"
#include "traces/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA_VERSION 1
#define NOTE_MAX 256
#define SPREAD_SUSPECT 0.15 /* of residuals: models that fit stay below a third of that */

/* Measured by tests/validity/calibrate_worlds.c, seeds 1 to 12. */
static const char coverage[] =
    "+-1.96 std errors held the truth of 95 % of the coefficients of made-up runs (n 2121),\n"
    "of 92 % of those called fitted (n 724); of 76 % where the engine had experts and the\n"
    "fit had not, for which others then stand in (n 123)\n";

static const char too_small[] =
    "std errors are too small: luck that neighbouring requests share is not in them\n"
    "(--fit auto counts it)\n";

static const char *const state_names[] = {
    [SGL_COEFFICIENT_FITTED] = "fitted",
    [SGL_COEFFICIENT_TIED] = "tied to scale",
    [SGL_COEFFICIENT_HELD] = "held near the start's ratio",
    [SGL_COEFFICIENT_ZERO] = "dropped: fits better without",
    [SGL_COEFFICIENT_NONE] = "not looked for",
};

static const char *state_name(const struct sgl_calibration *calibration, int c)
{
    const struct sgl_coefficient_fit *fit = &calibration->coefficients[c];

    return fit->state == SGL_COEFFICIENT_TIED && !isfinite(calibration->scale_error)
               ? "not fitted: the start's"
               : state_names[fit->state];
}

static const char *const phase_names[SGL_STEP_PHASE_COUNT] = {
    [SGL_STEP_PREFILL] = "prefill",
    [SGL_STEP_DECODE] = "decode",
    [SGL_STEP_MIXED] = "mixed",
};

const char *sgl_calibrate_phase_name(enum sgl_step_phase phase)
{
    return phase_names[phase];
}

bool sgl_calibrate_has_steps(const struct sgl_calibrate_command *command)
{
    return strcmp(command->from, "requests") != 0;
}

static void print_step_errors(FILE *out, const struct sgl_calibrate_command *command)
{
    const struct sgl_step_fit *fit = &command->step_fit;

    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (fit->count[p] > 0)
            fprintf(out, "%-8s %zu steps, MAPE %.2f %%, worst %+.1f %%\n",
                    sgl_calibrate_phase_name((enum sgl_step_phase)p), fit->count[p],
                    100 * fit->mape[p], 100 * fit->worst[p]);
    fprintf(out, "condition %.3g, %zu row%s left out (%s)\n", fit->condition,
            command->steps.skipped_count, sgl_plural(command->steps.skipped_count),
            strcmp(command->from, "steps") == 0
                ? "mixes whose parts they do not tell"
                : "beyond what the worker can hold, or --context-max");
    if (command->steps.expert_count > 0)
        fprintf(out, "experts: %.0f of %.0f a token, each as likely as any other\n",
                command->steps.experts_per_token, command->steps.expert_count);
    if (strcmp(command->from, "kernels") == 0 && strtoul(command->spec.profile.tp, NULL, 10) > 1)
        fprintf(out,
                command->all_reduce != NULL
                    ? "all-reduces: latency and bandwidth %s (us, GB/s)\n"
                    : "note: TP %s, and the time of all-reduces is not in it (--all-reduce)\n",
                command->all_reduce != NULL ? command->all_reduce : command->spec.profile.tp);
}

void sgl_calibrate_print_fit(FILE *out, const struct sgl_calibrate_command *command)
{
    const struct sgl_calibration *calibration = &command->calibration;

    fprintf(out, "%-22s %14s %12s   %s\n", "coefficient", "us", "std error %", "how");
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        const struct sgl_coefficient_fit *fit = &calibration->coefficients[c];
        if (fit->state == SGL_COEFFICIENT_NONE)
            continue;
        fprintf(out, "%-22s %14.7g", sgl_coefficient_name((enum sgl_coefficient)c), fit->value_us);
        if (isfinite(fit->relative_error))
            fprintf(out, " %12.2f", 100 * fit->relative_error);
        else
            fprintf(out, " %12s", "-");
        fprintf(out, "   %s", state_name(calibration, c));
        if (c == SGL_C_TOKEN)
            fprintf(out, ", free_tokens %lld", (long long)calibration->free_tokens);
        if (c == SGL_C_EXPERT)
            fprintf(out, ", p_expert %.4g", calibration->p_expert);
        fputc('\n', out);
    }
    if (sgl_calibrate_has_steps(command)) {
        print_step_errors(out, command);
        return;
    }
    if (isfinite(calibration->scale_error))
        fprintf(out, "scale of what is tied: %.6g, standard error %.2f %%\n", calibration->scale,
                100 * calibration->scale_error);
    fprintf(out,
            "%u free, condition %.3g, %llu residuals, robust spread %.2f %%, "
            "mean Huber loss %.4g, %llu runs\n",
            calibration->fitted_count, calibration->condition,
            (unsigned long long)calibration->residual_count, 100 * calibration->robust_spread,
            calibration->loss, (unsigned long long)calibration->evaluations);
    if (calibration->has_chosen)
        fputs(coverage, out);
    else if (calibration->fitted_count > 0)
        fputs(too_small, out);
}

static void print_plan(const struct sgl_calibration *calibration)
{
    const double distance = fabs(calibration->async_distance);
    char text[NOTE_MAX];

    snprintf(text, sizeof text,
             "async_scheduling=%s%s (mean loss of the best fit %.3g off, %.3g on; "
             "they differ by %.1f standard errors)",
             calibration->is_async ? "on" : "off",
             distance > SGL_CALIBRATION_TELLING ? " fits better"
                                                : ", vLLM's default: the requests cannot tell",
             calibration->async_loss[0], calibration->async_loss[1], distance);
    sgl_text_print_wrapped(stdout, "note", text);
}

/* How much was freed, and why. */
static void print_choice(const struct sgl_calibration_choice *choice)
{
    if (!choice->has_judged) {
        printf("freed: %s (too few rows to judge by)\n", sgl_freedom_text(choice->chosen));
        return;
    }
    printf("freed: what foretells rows %zu to %zu best, fitted to those before; "
           "loss over the usual one's:\n",
           choice->judged.from, choice->judged.to - 1);
    for (int f = 0; f < SGL_FREEDOM_COUNT; f++)
        if (isfinite(choice->loss_ratio[f]))
            printf("  %c %7.2f  %s\n", f == (int)choice->chosen ? '*' : ' ', choice->loss_ratio[f],
                   sgl_freedom_text((enum sgl_freedom)f));
}

static void print_requests(const struct sgl_calibrate_command *command)
{
    char text[NOTE_MAX];

    printf("sglsim " SGL_VERSION " calibrate: %zu request%s recorded (%s), "
           "rows %zu to %zu scored, seed %llu\n",
           command->recording.count, sgl_plural(command->recording.count),
           command->recording.format, command->range.from, command->range.to - 1,
           (unsigned long long)command->seed);
    if (command->recording.cut != NULL)
        sgl_text_print_wrapped(stdout, "note", command->recording.cut);
    if (command->recording.time_note != NULL)
        sgl_text_print_wrapped(stdout, "note", command->recording.time_note);
    if (command->calibration.has_found_async)
        print_plan(&command->calibration);
    if (command->calibration.has_chosen)
        print_choice(&command->calibration.choice);
    if (command->calibration.robust_spread > SPREAD_SUSPECT) {
        snprintf(text, sizeof text,
                 "half of the residuals are off by more than %.0f %%: this is not the worker that "
                 "was measured (are scheduler, kv_tokens, max_running_requests and "
                 "--first-token-is right?)",
                 100 * command->calibration.robust_spread / 1.4826);
        sgl_text_print_wrapped(stdout, "note", text);
    }
    putchar('\n');
    sgl_calibrate_print_fit(stdout, command);
    printf("\nin the fit itself (judge by rows left out of it: sglsim validate):\n\n");
    sgl_accuracy_print(stdout, &command->calibration.fit_accuracy, &command->recording);
}

void sgl_calibrate_print_text(const struct sgl_calibrate_command *command)
{
    if (sgl_calibrate_has_steps(command)) {
        printf("sglsim " SGL_VERSION " calibrate: %zu steps, %s on %s, TP %s\n\n",
               command->steps.count, command->spec.profile.model, command->spec.profile.gpu,
               command->spec.profile.tp);
        sgl_calibrate_print_fit(stdout, command);
    } else {
        print_requests(command);
    }
    if (command->output != NULL)
        printf("\nprofile     %s\n", command->output);
    else
        printf("\nno profile written (-o FILE.profile)\n");
    if (command->plot != NULL)
        printf("residuals   %s\n", command->plot);
}

static json_t *coefficients_json(const struct sgl_calibration *calibration)
{
    json_t *object = json_object();

    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        const struct sgl_coefficient_fit *fit = &calibration->coefficients[c];
        if (!sgl_json_set(object, sgl_coefficient_name((enum sgl_coefficient)c),
                          json_pack("{s:f, s:o, s:s}", "us", fit->value_us, "relative_error",
                                    sgl_json_real(fit->relative_error), "how",
                                    state_name(calibration, c))))
            return NULL;
    }
    return object;
}

static json_t *steps_json(const struct sgl_calibrate_command *command)
{
    const struct sgl_step_fit *fit = &command->step_fit;
    json_t *phases = json_object();

    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (!sgl_json_set(phases, sgl_calibrate_phase_name((enum sgl_step_phase)p),
                          json_pack("{s:I, s:o, s:o}", "steps", (json_int_t)fit->count[p], "mape",
                                    sgl_json_real(fit->mape[p]), "worst",
                                    sgl_json_real(fit->worst[p]))))
            return NULL;
    return json_pack("{s:I, s:I, s:o, s:o}", "steps", (json_int_t)command->steps.count, "left_out",
                     (json_int_t)command->steps.skipped_count, "condition",
                     sgl_json_real(fit->condition), "phases", phases);
}

/* What was found of it; null: nobody looked. */
static json_t *async_json(const struct sgl_calibration *calibration)
{
    return calibration->has_found_async
               ? json_pack("{s:b, s:b, s:f, s:f, s:f}", "on", calibration->is_async, "told",
                           fabs(calibration->async_distance) > SGL_CALIBRATION_TELLING, "loss_off",
                           calibration->async_loss[0], "loss_on", calibration->async_loss[1],
                           "standard_errors", calibration->async_distance)
               : json_null();
}

/* What "auto" freed; null: the user said. */
static json_t *choice_json(const struct sgl_calibration *calibration)
{
    const struct sgl_calibration_choice *choice = &calibration->choice;

    if (!calibration->has_chosen)
        return json_null();
    json_t *losses = json_object();
    for (int f = 0; f < SGL_FREEDOM_COUNT; f++)
        if (!sgl_json_set(losses, sgl_freedom_text((enum sgl_freedom)f),
                          sgl_json_real(choice->loss_ratio[f])))
            return NULL;
    return json_pack("{s:s, s:b, s:I, s:I, s:o}", "chosen", sgl_freedom_text(choice->chosen),
                     "judged", choice->has_judged, "judged_from", (json_int_t)choice->judged.from,
                     "judged_to", (json_int_t)choice->judged.to, "loss_ratio", losses);
}

static json_t *requests_json(const struct sgl_calibrate_command *command)
{
    const struct sgl_calibration *calibration = &command->calibration;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:f, s:o, s:o, s:f, s:I, s:I, s:o}", "requests",
        (json_int_t)command->recording.count, "rows_from", (json_int_t)command->range.from,
        "rows_to", (json_int_t)command->range.to, "seed", (json_int_t)command->seed, "cut",
        command->recording.cut != NULL ? sgl_json_text(command->recording.cut) : json_null(),
        "async_scheduling", async_json(calibration), "freed", choice_json(calibration), "scale",
        calibration->scale, "scale_error", sgl_json_real(calibration->scale_error), "condition",
        sgl_json_real(calibration->condition), "robust_spread", calibration->robust_spread,
        "residuals", (json_int_t)calibration->residual_count, "runs",
        (json_int_t)calibration->evaluations, "accuracy_in_fit",
        sgl_accuracy_json(&calibration->fit_accuracy, &command->recording));
}

int sgl_calibrate_print_json(const struct sgl_calibrate_command *command)
{
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "schema_version", JSON_SCHEMA_VERSION,
                  "version", SGL_VERSION, "command", "calibrate", "from", command->from,
                  "coefficients", coefficients_json(&command->calibration), "fit",
                  sgl_calibrate_has_steps(command) ? steps_json(command) : requests_json(command),
                  "profile", command->output != NULL ? sgl_json_text(command->output) : json_null(),
                  "plot", command->plot != NULL ? sgl_json_text(command->plot) : json_null());

    return sgl_json_print(stdout, root) ? SGL_OK : SGL_ENOMEM;
}
