/* sglsim calibrate: step times from what was measured. */
#include "analysis/calibrate.h"

#include "analysis/accuracy_text.h"
#include "traces/json.h"
#include "analysis/profile_file.h"
#include "analysis/residual_plot.h"
#include "analysis/step_samples.h"
#include "cli.h"
#include "core/version.h"
#include "options.h"
#include "progress.h"
#include "recorded.h"
#include "trace_rows.h"
#include "traces/new_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA_VERSION 1
#define STARTS_STANDARD 4
#define REMARKS_SIZE 8192   /* a line for each coefficient and phase, far less than that */
#define SPREAD_SUSPECT 0.15 /* of residuals: models that fit stay below a third of that */

static const char description[] =
    "Fits the step times of the batching model, so that a simulation says what was measured, and\n"
    "writes them as a profile. From recorded requests (the default): the recorded routing is\n"
    "replayed through the worker model, and its coefficients are moved until the times agree\n"
    "(robust least squares on log ratios of queue time, first token, end to end and per-token\n"
    "time).\n"
    "\n"
    "--fit auto frees every coefficient that the data can tell and ties the others to one scale;\n"
    "a coefficient that is asked for by name and cannot be told is refused (exit 4). With\n"
    "scheduler=vllm it also finds whether steps were planned ahead, unless --worker says\n"
    "async_scheduling=on or off.\n"
    "\n"
    "--from steps reads a table of engine steps (phase,batch,new_tokens_per_req,...,step_ms),\n"
    "--from kernels the tables X_attention.csv, X_dense.csv and X_per_sequence.csv of one layer;\n"
    "both are fitted by least squares on relative errors. Such a profile knows neither the host "
    "nor\n"
    "the engine: let it be the --profile that a fit to recorded requests starts from.\n"
    "\n"
    "exit status: 0 done, 1 failed, 2 usage, 4 the data cannot identify what is asked\n";

static const char examples[] =
    "  sglsim calibrate recorded.csv --rows 50% -o fitted.profile --plot residuals.svg\n"
    "  sglsim calibrate recorded.csv --profile llama31-8b-a100 --fit scale\n"
    "  sglsim calibrate recorded.csv --where host=http://localhost:30001 -o fast.profile\n"
    "  sglsim calibrate requests.jsonl --rows :100 -w scheduler=vllm,max_running_requests=128\n"
    "  sglsim calibrate steps.csv --from steps --where model=M,tp=1,system=h100 -o m.profile\n"
    "  sglsim calibrate gpu_attention.csv --from kernels --layers 32 --gpu \"RTX 4090\" -o "
    "g.profile\n";

struct command {
    struct sgl_recorded_flags flags;
    const char *path;
    const char *profile;
    const char *worker;
    const char *fit;
    const char *output;
    const char *plot;
    const char *model;
    const char *gpu;
    const char *tp;
    uint64_t seed;
    uint64_t starts;
    const char *from; /* requests | steps | kernels */
    uint64_t layers;
    uint64_t context_max;
    bool json;
    bool quiet;

    struct sgl_progress progress;
    struct sgl_recording recording;
    struct sgl_row_range range;
    struct sgl_worker_model_spec spec;
    struct sgl_calibration calibration;
    struct sgl_step_samples steps;
    struct sgl_step_fit step_fit;
    bool finds_async;
    bool is_misused;
};

static int parse_options(struct command *command, int argument_count, char **arguments)
{
    const struct sgl_option table[] = {
        {"from", 0, SGL_OPTION_CHOICE, "requests|steps|kernels", &command->from,
         "what MEASURED is (default requests)", 0},
        {"layers", 0, SGL_OPTION_NATURAL, "N", &command->layers,
         "kernels: layers of the model (32 for Llama-3.1-8B)", 1},
        {"context-max", 0, SGL_OPTION_NATURAL, "N", &command->context_max,
         "kernels: leave out what was measured at longer contexts than\nrequests have (default: "
         "none)",
         1},
        {"profile", 0, SGL_OPTION_TEXT, "NAME|FILE", &command->profile,
         "where the fit starts, and what cannot be told (default\n" SGL_PROFILE_STANDARD ")", 0},
        {"worker", 'w', SGL_OPTION_TEXT, "k=v,...", &command->worker,
         "what is known of the workers: scheduler=vllm,kv_tokens=N,...", 0},
        {"fit", 0, SGL_OPTION_TEXT, "WHAT", &command->fit,
         "auto (default), scale, or coefficients: scale,c_step_decode_us", 0},
        {"output", 'o', SGL_OPTION_TEXT, "FILE", &command->output,
         "write the profile there (FILE.profile)", 0},
        {"plot", 0, SGL_OPTION_TEXT, "FILE", &command->plot,
         "draw there what the fit to requests leaves over (FILE.svg)", 0},
        {"model", 0, SGL_OPTION_TEXT, "TEXT", &command->model,
         "the model served, for the profile (default: the start's)", 0},
        {"gpu", 0, SGL_OPTION_TEXT, "TEXT", &command->gpu, "its GPU (default: the start's)", 0},
        {"tp", 0, SGL_OPTION_TEXT, "N", &command->tp,
         "its tensor parallelism (default: the start's)", 0},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &command->seed,
         "where the random starts are (default 1)", 0},
        {"starts", 0, SGL_OPTION_NATURAL, "N", &command->starts,
         "random starts beside the profile's own (default 4)", 0},
        SGL_RECORDED_ROWS(command->flags),
        SGL_TRACE_ROWS("MEASURED", command->flags.trace, command->flags.prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &command->json, "print the fit as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &command->quiet, "no progress", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim calibrate MEASURED [-o FILE.profile] [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operand_count;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    command->path = arguments[1];
    if (command->starts > 1000) {
        sgl_complain("--starts %llu, expected at most 1000", (unsigned long long)command->starts);
        return SGL_EXIT_USAGE;
    }
    const size_t length = command->plot != NULL ? strlen(command->plot) : 0;
    if (command->plot != NULL && (length < 5 || strcmp(command->plot + length - 4, ".svg") != 0)) {
        sgl_complain("--plot %.200s, expected a path that ends in .svg", command->plot);
        return SGL_EXIT_USAGE;
    }
    if (command->plot != NULL && strcmp(command->from, "requests") != 0) {
        sgl_complain("--plot is of recorded requests, expected --from requests");
        return SGL_EXIT_USAGE;
    }
    return sgl_recorded_flags_check(&command->flags, arguments[1]);
}

static int name_identity(char out[SGL_PROFILE_TEXT_MAX], const char *what, const char *text,
                         struct sgl_failure *failure)
{
    if (text == NULL)
        return SGL_OK;
    if (text[0] == '\0' || strlen(text) >= SGL_PROFILE_TEXT_MAX || strpbrk(text, "#\n\r") != NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "--%s, expected a text of 1 to %d bytes, without '#', on one line", what,
                        SGL_PROFILE_TEXT_MAX - 1);
    snprintf(out, SGL_PROFILE_TEXT_MAX, "%s", text);
    return SGL_OK;
}

static int make_start(struct command *command, struct sgl_failure *failure)
{
    struct sgl_profile_identity *identity = &command->spec.profile;
    int status = sgl_worker_model_resolve(&command->spec, "batching", command->profile,
                                          command->worker, failure);

    if (status == SGL_OK)
        status = name_identity(identity->model, "model", command->model, failure);
    if (status == SGL_OK)
        status = name_identity(identity->gpu, "gpu", command->gpu, failure);
    if (status == SGL_OK)
        status = name_identity(identity->tp, "tp", command->tp, failure);
    command->is_misused = status != SGL_OK && status != SGL_ENOMEM;
    return status;
}

static void state_identity(struct command *command)
{
    struct sgl_profile_identity *identity = &command->spec.profile;
    const struct sgl_accuracy_metric *metrics = command->calibration.fit_accuracy.metrics;
    const char *slash = strrchr(command->path, '/');
    char start[SGL_PROFILE_TEXT_MAX];

    snprintf(start, sizeof start, "%s", identity->name);
    snprintf(identity->source, sizeof identity->source,
             "sglsim calibrate, fit %s, from profile %.60s", command->fit, start);
    snprintf(identity->calibrated, sizeof identity->calibrated, "%.80s, requests %zu to %zu of %zu",
             slash != NULL ? slash + 1 : command->path, command->range.from, command->range.to - 1,
             command->recording.count);
    snprintf(identity->fit_error, sizeof identity->fit_error,
             "e2e %.1f %% MAPE (n %llu), ttft %.1f %% (n %llu), in the fit",
             100 * metrics[SGL_METRIC_E2E].mape, (unsigned long long)metrics[SGL_METRIC_E2E].count,
             100 * metrics[SGL_METRIC_TTFT].mape,
             (unsigned long long)metrics[SGL_METRIC_TTFT].count);
}

static const char *const state_names[] = {
    [SGL_COEFFICIENT_FITTED] = "fitted",
    [SGL_COEFFICIENT_TIED] = "tied to scale",
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

static bool has_steps(const struct command *command)
{
    return strcmp(command->from, "requests") != 0;
}

static void print_step_errors(FILE *out, const struct command *command)
{
    const struct sgl_step_fit *fit = &command->step_fit;

    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (fit->count[p] > 0)
            fprintf(out, "%-8s %zu steps, MAPE %.2f %%, worst %+.1f %%\n", phase_names[p],
                    fit->count[p], 100 * fit->mape[p], 100 * fit->worst[p]);
    fprintf(out, "condition %.3g, %zu rows left out (%s)\n", fit->condition,
            command->steps.skipped_count,
            strcmp(command->from, "steps") == 0
                ? "mixes whose parts they do not tell"
                : "beyond what the worker can hold, or --context-max");
}

static void print_fit(FILE *out, const struct command *command)
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
        fputc('\n', out);
    }
    if (has_steps(command)) {
        print_step_errors(out, command);
        return;
    }
    if (isfinite(calibration->scale_error))
        fprintf(out, "scale of what is tied: %.6g, standard error %.2f %%\n", calibration->scale,
                100 * calibration->scale_error);
    fprintf(out,
            "%u free, condition %.3g, %llu residuals, robust spread %.2f %%, mean Huber loss %.4g, "
            "%llu runs\n",
            calibration->fitted_count, calibration->condition,
            (unsigned long long)calibration->residual_count, 100 * calibration->robust_spread,
            calibration->loss, (unsigned long long)calibration->evaluations);
}

static void print_requests(const struct command *command)
{
    printf("sglsim " SGL_VERSION " calibrate: %zu requests recorded (%s), rows %zu to %zu scored, "
           "seed %llu\n",
           command->recording.count, command->recording.format, command->range.from,
           command->range.to - 1, (unsigned long long)command->seed);
    if (command->recording.time_note != NULL)
        printf("note: %s\n", command->recording.time_note);
    if (command->calibration.has_found_async)
        printf(
            "note: async_scheduling=%s fits better (by one scale, mean Huber loss %.3g off, %.3g "
            "on)\n",
            command->calibration.is_async ? "on" : "off", command->calibration.async_loss[0],
            command->calibration.async_loss[1]);
    if (command->calibration.robust_spread > SPREAD_SUSPECT)
        printf("note: half of the residuals are off by more than %.0f %%: this is not the worker "
               "that was measured\n      (are scheduler, kv_tokens, max_running_requests and "
               "--first-token-is right?)\n",
               100 * command->calibration.robust_spread / 1.4826);
    putchar('\n');
    print_fit(stdout, command);
    printf("\nin the fit itself (judge by rows left out of it: sglsim validate):\n\n");
    sgl_accuracy_print(stdout, &command->calibration.fit_accuracy, &command->recording);
}

static void print_text(const struct command *command)
{
    if (has_steps(command)) {
        printf("sglsim " SGL_VERSION " calibrate: %zu steps, %s on %s, TP %s\n\n",
               command->steps.count, command->spec.profile.model, command->spec.profile.gpu,
               command->spec.profile.tp);
        print_fit(stdout, command);
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

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *coefficients_json(const struct sgl_calibration *calibration)
{
    json_t *object = json_object();

    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        const struct sgl_coefficient_fit *fit = &calibration->coefficients[c];
        if (!sgl_json_set(object, sgl_coefficient_name((enum sgl_coefficient)c),
                          json_pack("{s:f, s:o, s:s}", "us", fit->value_us, "relative_error",
                                    real_or_null(fit->relative_error), "how",
                                    state_name(calibration, c))))
            return NULL;
    }
    return object;
}

static json_t *steps_json(const struct command *command)
{
    const struct sgl_step_fit *fit = &command->step_fit;
    json_t *phases = json_object();

    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (!sgl_json_set(phases, phase_names[p],
                          json_pack("{s:I, s:o, s:o}", "steps", (json_int_t)fit->count[p], "mape",
                                    real_or_null(fit->mape[p]), "worst",
                                    real_or_null(fit->worst[p]))))
            return NULL;
    return json_pack("{s:I, s:I, s:o, s:o}", "steps", (json_int_t)command->steps.count, "left_out",
                     (json_int_t)command->steps.skipped_count, "condition",
                     real_or_null(fit->condition), "phases", phases);
}

/* What was found of it; null: nobody looked. */
static json_t *async_json(const struct sgl_calibration *calibration)
{
    return calibration->has_found_async
               ? json_pack("{s:b, s:f, s:f}", "on", calibration->is_async, "loss_off",
                           calibration->async_loss[0], "loss_on", calibration->async_loss[1])
               : json_null();
}

static json_t *requests_json(const struct command *command)
{
    const struct sgl_calibration *calibration = &command->calibration;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:f, s:o, s:o, s:f, s:I, s:I, s:o}", "requests",
        (json_int_t)command->recording.count, "rows_from", (json_int_t)command->range.from,
        "rows_to", (json_int_t)command->range.to, "seed", (json_int_t)command->seed,
        "async_scheduling", async_json(calibration), "scale", calibration->scale, "scale_error",
        real_or_null(calibration->scale_error), "condition", real_or_null(calibration->condition),
        "robust_spread", calibration->robust_spread, "residuals",
        (json_int_t)calibration->residual_count, "runs", (json_int_t)calibration->evaluations,
        "accuracy_in_fit", sgl_accuracy_json(&calibration->fit_accuracy, &command->recording));
}

static int print_json(const struct command *command)
{
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "schema_version", JSON_SCHEMA_VERSION,
                  "version", SGL_VERSION, "command", "calibrate", "from", command->from,
                  "coefficients", coefficients_json(&command->calibration), "fit",
                  has_steps(command) ? steps_json(command) : requests_json(command), "profile",
                  command->output != NULL ? sgl_json_text(command->output) : json_null(), "plot",
                  command->plot != NULL ? sgl_json_text(command->plot) : json_null());

    return sgl_json_print(stdout, root) ? SGL_OK : SGL_ENOMEM;
}

/* The fit as remarks of the profile. */
/* The times of the profile as it was written, which are those of the fit. */
static int write_plot(struct command *command, struct sgl_failure *failure)
{
    const struct sgl_recording *recording = &command->recording;
    const struct sgl_worker_model_spec **specs = calloc(recording->worker_count, sizeof(void *));
    struct sgl_worker_times *times = calloc(recording->count, sizeof *times);
    struct sgl_worker_plan plan = {0};
    char title[256];
    int status =
        specs != NULL && times != NULL ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory");

    for (uint32_t w = 0; status == SGL_OK && w < recording->worker_count; w++)
        specs[w] = &command->spec;
    if (status == SGL_OK)
        status = sgl_worker_plan_make(&plan, recording, failure);
    if (status == SGL_OK)
        status = sgl_worker_plan_run(&plan, specs, command->seed, times, failure);
    snprintf(title, sizeof title, "%.100s, fit to %.100s", command->spec.profile.name,
             command->spec.profile.calibrated);
    const struct sgl_residual_plot plot = {
        .recording = recording,
        .times = times,
        .range = command->range,
        .first_token_is = (int64_t)command->flags.first_token_is,
        .title = title,
    };
    if (status == SGL_OK)
        status = sgl_new_file_write(command->plot, sgl_residual_plot_write, &plot, failure);
    sgl_worker_plan_release(&plan);
    free(specs);
    free(times);
    return status;
}

static int write_profile(struct command *command, struct sgl_failure *failure)
{
    char remarks[REMARKS_SIZE] = "";
    FILE *out = fmemopen(remarks, sizeof remarks, "w");

    if (out == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    fprintf(out, "Written by sglsim " SGL_VERSION " calibrate");
    if (!has_steps(command))
        fprintf(out, ", seed %llu", (unsigned long long)command->seed);
    fputs(".\n", out);
    print_fit(out, command);
    if (fclose(out) != 0)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return sgl_profile_file_write(command->output, &command->spec, remarks, failure);
}

/* Steps and kernels: the identity is the table's, as far as it says, then the user's. */
static void name_table(struct command *command)
{
    struct sgl_profile_identity *identity = &command->spec.profile;
    const struct sgl_step_samples *steps = &command->steps;
    const struct sgl_step_fit *fit = &command->step_fit;
    const char *slash = strrchr(command->path, '/');
    size_t length = 0;

    if (command->model == NULL && steps->model[0] != '\0')
        snprintf(identity->model, sizeof identity->model, "%s", steps->model);
    if (command->gpu == NULL && steps->system[0] != '\0')
        snprintf(identity->gpu, sizeof identity->gpu, "%s", steps->system);
    if (command->tp == NULL && steps->tp[0] != '\0')
        snprintf(identity->tp, sizeof identity->tp, "%s", steps->tp);
    snprintf(identity->source, sizeof identity->source,
             "sglsim calibrate --from %s, %zu steps of %.80s", command->from, steps->count,
             slash != NULL ? slash + 1 : command->path);
    identity->calibrated[0] = '\0';
    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (fit->count[p] > 0)
            length += (size_t)snprintf(identity->fit_error + length,
                                       sizeof identity->fit_error - length, "%s%s %.1f %% MAPE",
                                       length > 0 ? ", " : "", phase_names[p], 100 * fit->mape[p]);
}

static int fit_steps(struct command *command, struct sgl_failure *failure)
{
    const bool has_kernels = strcmp(command->from, "kernels") == 0;
    int status;

    command->is_misused = has_kernels && command->layers == 0;
    if (command->is_misused)
        return sgl_fail(failure, SGL_EINVAL,
                        "--from kernels needs --layers N (32 for Llama-3.1-8B)");
    if (has_kernels)
        status = sgl_step_samples_load_kernels(
            &command->steps, command->path,
            &(struct sgl_kernel_scope){.worker = &command->spec,
                                       .layer_count = (uint32_t)command->layers,
                                       .context_max = command->context_max},
            failure);
    else
        status = sgl_step_samples_load_table(&command->steps, command->path,
                                             command->flags.trace.where, failure);
    if (status == SGL_OK)
        status = sgl_step_samples_fit(&command->step_fit, &command->steps, failure);
    if (status != SGL_OK)
        return status;
    memcpy(command->calibration.coefficients, command->step_fit.coefficients,
           sizeof command->calibration.coefficients);
    command->calibration.free_tokens = command->step_fit.free_tokens;
    command->calibration.scale = 1;
    command->calibration.scale_error = (double)NAN;
    sgl_calibration_apply(&command->calibration, &command->spec);
    name_table(command);
    return command->output != NULL ? write_profile(command, failure) : SGL_OK;
}

/* Is it to be found whether steps were planned ahead? Whoever says it knows. */
static bool is_plan_open(const struct command *command)
{
    const struct sgl_parameters *parameters = &command->spec.parameters;
    size_t row = 0;

    while (strcmp(parameters->table[row].name, "scheduler") != 0)
        row++;
    return parameters->value[row] != 0 &&
           (command->worker == NULL || strstr(command->worker, "async_scheduling=") == NULL);
}

static int run(struct command *command, struct sgl_failure *failure)
{
    int status = make_start(command, failure);

    if (status == SGL_OK && strcmp(command->from, "requests") != 0)
        return fit_steps(command, failure);
    if (status == SGL_OK)
        status = sgl_recorded_load(&command->recording, &command->range, &command->flags,
                                   &command->is_misused, failure);
    if (status != SGL_OK)
        return status;
    command->finds_async = is_plan_open(command);
    sgl_progress_start(&command->progress, command->quiet);
    status = sgl_calibrate(&command->calibration, &command->recording,
                           &(struct sgl_calibration_options){
                               .start = &command->spec,
                               .range = command->range,
                               .first_token_is = (int64_t)command->flags.first_token_is,
                               .fit = command->fit,
                               .seed = command->seed,
                               .starts = (uint32_t)command->starts,
                               .finds_async = command->finds_async,
                               .progress = sgl_progress_runs,
                               .progress_context = &command->progress,
                           },
                           failure);
    sgl_progress_end(&command->progress);
    if (status != SGL_OK)
        return status;
    sgl_calibration_apply(&command->calibration, &command->spec);
    state_identity(command);
    if (command->output != NULL)
        status = write_profile(command, failure);
    return status == SGL_OK && command->plot != NULL ? write_plot(command, failure) : status;
}

int sgl_command_calibrate(int argument_count, char **arguments)
{
    struct command command = {
        .from = "requests", .fit = "auto", .seed = 1, .starts = STARTS_STANDARD};
    struct sgl_failure failure = {.text = ""};

    sgl_recorded_flags_init(&command.flags);
    int exit_code = parse_options(&command, argument_count, arguments);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    exit_code = SGL_EXIT_DONE;
    if (run(&command, &failure) != SGL_OK) {
        sgl_complain_of(command.path, failure.text);
        exit_code = command.calibration.is_not_identifiable || command.step_fit.is_not_identifiable
                        ? SGL_EXIT_NOT_IDENTIFIABLE
                    : command.is_misused || command.calibration.is_misused ? SGL_EXIT_USAGE
                                                                           : SGL_EXIT_FAILED;
    } else if (!command.json) {
        print_text(&command);
    } else if (print_json(&command) != SGL_OK) {
        sgl_complain("out of memory");
        exit_code = SGL_EXIT_FAILED;
    }
    sgl_step_samples_release(&command.steps);
    sgl_calibration_release(&command.calibration);
    sgl_worker_model_release(&command.spec);
    sgl_recording_release(&command.recording);
    return exit_code;
}
