/* sglsim calibrate: step times from what was measured. */
#include "calibrate.h"

#include "analysis/profile_file.h"
#include "analysis/residual_plot.h"
#include "cli.h"
#include "core/text.h"
#include "core/version.h"
#include "options.h"
#include "program.h"
#include "trace_rows.h"
#include "traces/new_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STARTS_STANDARD 0
#define TP_MAX 9999
#define LAYERS_MAX 100000
#define REMARKS_SIZE 8192 /* a line for each coefficient and phase, far less than that */

static const char description[] =
    "Fits the step times of the batching model, so that a simulation says what was measured, and\n"
    "writes them as a profile. From recorded requests (the default): the recorded routing is\n"
    "replayed through the worker model, and its coefficients are moved until the times agree\n"
    "(robust least squares on log ratios of queue time, first token, end to end and per-token\n"
    "time).\n"
    "\n"
    "--fit auto fits every coefficient, and those that the data cannot tell stay near the ratios\n"
    "of the start. It fits two thirds of the rows with more and with less freedom and takes what\n"
    "foretells the last third best. Its standard errors say how far off a coefficient may be,\n"
    "made-up runs how often that holds (it is printed below them). "
    "A coefficient that is asked for\n"
    "by name and cannot be told is refused (exit 4).\n"
    "With scheduler=vllm it also finds whether steps were planned ahead, by fitting both, unless\n"
    "--worker says async_scheduling=on or off.\n"
    "\n"
    "--from steps reads a table of engine steps (phase,batch,new_tokens_per_req,...,step_ms),\n"
    "--from kernels the tables X_attention.csv, X_dense.csv and X_per_sequence.csv of one layer,\n"
    "with experts also X_moe.csv, and how many layers from the model's config.json;\n"
    "both are fitted by least squares on relative errors. "
    "Such a profile knows neither the host nor\n"
    "the engine: let it be the --profile that a fit to recorded requests starts from.\n"
    "\n"
    "exit status: 0 done, 1 failed, 2 usage, 4 the data cannot identify what is asked\n";

static const char examples[] =
    "  sglsim calibrate recorded.csv --rows 50% -o fitted.profile --plot residuals.svg\n"
    "  sglsim calibrate recorded.csv --profile llama31-8b-a100 --fit scale\n"
    "  sglsim calibrate recorded.csv --where host=http://localhost:30001 -o fast.profile\n"
    "  sglsim calibrate requests.jsonl --rows :100 -w scheduler=vllm,max_running_requests=128\n"
    "  sglsim calibrate steps.csv --from steps --where model=M,tp=1,system=h100 -o m.profile\n"
    "  sglsim calibrate gpu_attention.csv --from kernels --layers 32 --gpu \"RTX 4090\" "
    "-o g.profile\n"
    "  sglsim calibrate tp2/attention.csv --from kernels --model-config config.json "
    "--all-reduce 15,50\n";

/* Does what was given go together? */
static int check_options(struct sgl_calibrate_command *command)
{
    if (command->starts > 1000) {
        sgl_complain("--starts %llu, expected at most 1000", (unsigned long long)command->starts);
        return SGL_EXIT_USAGE;
    }
    if (command->plot != NULL && !sgl_text_ends_in(command->plot, ".svg")) {
        sgl_complain("--plot %.200s, expected a path that ends in .svg", command->plot);
        return SGL_EXIT_USAGE;
    }
    if (command->plot != NULL && strcmp(command->from, "requests") != 0) {
        sgl_complain("--plot is of recorded requests, expected --from requests");
        return SGL_EXIT_USAGE;
    }
    return sgl_recorded_flags_check(&command->flags, command->path);
}

static int parse_options(struct sgl_calibrate_command *command, int argument_count,
                         char **arguments)
{
    const struct sgl_option table[] = {
        {"from", 0, SGL_OPTION_CHOICE, "requests|steps|kernels", &command->from,
         "what MEASURED is (default requests)", 0},
        {"layers", 0, SGL_OPTION_NATURAL, "N", &command->layers,
         "kernels: layers of the model (32 for Llama-3.1-8B)", 1},
        {"model-config", 0, SGL_OPTION_TEXT, "FILE", &command->model_config,
         "kernels: the model's config.json, for layers, experts, width", 0},
        {"all-reduce", 0, SGL_OPTION_TEXT, "US,GB/S", &command->all_reduce,
         "kernels, TP above 1: time of an all-reduce, latency and\n"
         "bandwidth of a link (default: left out)",
         0},
        {"context-max", 0, SGL_OPTION_NATURAL, "N", &command->context_max,
         "kernels: leave out what was measured at longer contexts than\n"
         "requests have (default: none)",
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
         "random starts beside the profile's own (default 0)", 0},
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
    return check_options(command);
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

static int make_start(struct sgl_calibrate_command *command, struct sgl_failure *failure)
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
    command->is_misused = status == SGL_EINVAL;
    return status;
}

static void state_identity(struct sgl_calibrate_command *command)
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

/* The times of the profile as it was written, which are those of the fit. */
static int write_plot(struct sgl_calibrate_command *command, struct sgl_failure *failure)
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

/* With the fit as remarks. */
static int write_profile(struct sgl_calibrate_command *command, struct sgl_failure *failure)
{
    char remarks[REMARKS_SIZE] = "";
    FILE *out = fmemopen(remarks, sizeof remarks, "w");

    if (out == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    fprintf(out, "Written by sglsim " SGL_VERSION " calibrate");
    if (!sgl_calibrate_has_steps(command))
        fprintf(out, ", seed %llu", (unsigned long long)command->seed);
    fputs(".\n", out);
    sgl_calibrate_print_fit(out, command);
    if (fclose(out) != 0)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return sgl_profile_file_write(command->output, &command->spec, remarks, failure);
}

/* Steps and kernels: the identity is the table's, as far as it says, then the user's. */
static void name_table(struct sgl_calibrate_command *command)
{
    struct sgl_profile_identity *identity = &command->spec.profile;
    const struct sgl_step_samples *steps = &command->steps;
    const struct sgl_step_fit *fit = &command->step_fit;
    const char *slash = strrchr(command->path, '/');
    size_t length = 0;

    if (command->model == NULL)
        snprintf(identity->model, sizeof identity->model, "%s",
                 steps->model[0] != '\0' ? steps->model : "not stated");
    if (command->gpu == NULL)
        snprintf(identity->gpu, sizeof identity->gpu, "%s",
                 steps->system[0] != '\0' ? steps->system : "not stated");
    if (command->tp == NULL)
        snprintf(identity->tp, sizeof identity->tp, "%s", steps->tp[0] != '\0' ? steps->tp : "1");
    snprintf(identity->source, sizeof identity->source,
             "sglsim calibrate --from %s, %zu steps of %.80s", command->from, steps->count,
             slash != NULL ? slash + 1 : command->path);
    identity->calibrated[0] = '\0';
    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (fit->count[p] > 0)
            length += (size_t)snprintf(
                identity->fit_error + length, sizeof identity->fit_error - length,
                "%s%s %.1f %% MAPE", length > 0 ? ", " : "",
                sgl_calibrate_phase_name((enum sgl_step_phase)p), 100 * fit->mape[p]);
}

/* "US,GB/S" */
static int read_link(const char *text, struct sgl_kernel_scope *scope, struct sgl_failure *failure)
{
    char *end;

    scope->link_us = strtod(text, &end);
    const bool has_latency = end != text && *end == ',';
    const char *bandwidth = has_latency ? end + 1 : text;
    scope->link_gb_per_s = strtod(bandwidth, &end);
    if (has_latency && end != bandwidth && *end == '\0' && isfinite(scope->link_us) &&
        scope->link_us >= 0 && isfinite(scope->link_gb_per_s) && scope->link_gb_per_s > 0)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "--all-reduce %.60s, expected latency in us and bandwidth in GB/s: 15,50",
                    text);
}

/* What the kernels belong to. */
static int read_scope(const struct sgl_calibrate_command *command, struct sgl_kernel_scope *scope,
                      struct sgl_failure *failure)
{
    int status = SGL_OK;

    if (command->model_config != NULL)
        status = sgl_model_shape_load(&scope->shape, command->model_config, failure);
    if (status == SGL_OK && command->layers > LAYERS_MAX)
        status = sgl_fail(failure, SGL_EINVAL, "--layers %llu, expected at most %d",
                          (unsigned long long)command->layers, LAYERS_MAX);
    if (status == SGL_OK && command->layers > 0)
        scope->shape.layer_count = (uint32_t)command->layers;
    if (status == SGL_OK && command->all_reduce != NULL)
        status = read_link(command->all_reduce, scope, failure);
    if (status != SGL_OK)
        return status;
    if (scope->shape.layer_count == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "--from kernels needs --model-config config.json, or --layers N "
                        "(32 for Llama-3.1-8B)");
    if (command->all_reduce != NULL && scope->shape.hidden_size == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "--all-reduce needs hidden_size, expected --model-config config.json");
    if (command->tp != NULL) {
        char *end;
        const unsigned long tp = strtoul(command->tp, &end, 10);
        if (*end != '\0' || tp < 1 || tp > TP_MAX)
            return sgl_fail(failure, SGL_EINVAL, "--tp %.60s, expected a whole number from 1 to %d",
                            command->tp, TP_MAX);
        scope->tp = (uint32_t)tp;
    }
    return SGL_OK;
}

static int fit_steps(struct sgl_calibrate_command *command, struct sgl_failure *failure)
{
    const bool has_kernels = strcmp(command->from, "kernels") == 0;
    struct sgl_kernel_scope scope = {.worker = &command->spec, .context_max = command->context_max};
    int status;

    if (has_kernels) {
        status = read_scope(command, &scope, failure);
        command->is_misused = status != SGL_OK && status != SGL_ENOMEM;
        if (status != SGL_OK)
            return status;
        status = sgl_step_samples_load_kernels(&command->steps, command->path, &scope, failure);
    } else
        status = sgl_step_samples_load_table(&command->steps, command->path,
                                             command->flags.trace.where, failure);
    if (status == SGL_OK)
        status = sgl_step_samples_fit(&command->step_fit, &command->steps, failure);
    if (status != SGL_OK)
        return status;
    memcpy(command->calibration.coefficients, command->step_fit.coefficients,
           sizeof command->calibration.coefficients);
    command->calibration.free_tokens = command->step_fit.free_tokens;
    command->calibration.p_expert = command->step_fit.p_expert;
    command->calibration.scale = 1;
    command->calibration.scale_error = (double)NAN;
    sgl_calibration_apply(&command->calibration, &command->spec);
    name_table(command);
    return command->output != NULL ? write_profile(command, failure) : SGL_OK;
}

/* Is it to be found whether steps were planned ahead? Whoever says it knows. */
static bool is_plan_open(const struct sgl_calibrate_command *command)
{
    const struct sgl_parameters *parameters = &command->spec.parameters;
    size_t row = 0;

    while (strcmp(parameters->table[row].name, "scheduler") != 0)
        row++;
    return parameters->value[row] != 0 &&
           (command->worker == NULL || strstr(command->worker, "async_scheduling=") == NULL);
}

static int run(struct sgl_calibrate_command *command, struct sgl_failure *failure)
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
    struct sgl_calibrate_command command = {
        .from = "requests", .fit = "auto", .seed = 1, .starts = STARTS_STANDARD};
    struct sgl_failure failure = {.text = ""};

    sgl_recorded_flags_init(&command.flags);
    int exit_code = parse_options(&command, argument_count, arguments);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    sgl_say_kept(command.quiet);
    exit_code = SGL_EXIT_DONE;
    if (run(&command, &failure) != SGL_OK) {
        sgl_complain_of_either(command.path, command.profile, failure.text);
        exit_code = command.calibration.is_not_identifiable || command.step_fit.is_not_identifiable
                        ? SGL_EXIT_NOT_IDENTIFIABLE
                    : command.is_misused || command.calibration.is_misused ? SGL_EXIT_USAGE
                                                                           : SGL_EXIT_FAILED;
    } else if (!command.json) {
        sgl_calibrate_print_text(&command);
    } else if (sgl_calibrate_print_json(&command) != SGL_OK) {
        sgl_complain("out of memory");
        exit_code = SGL_EXIT_FAILED;
    }
    sgl_step_samples_release(&command.steps);
    sgl_calibration_release(&command.calibration);
    sgl_worker_model_release(&command.spec);
    sgl_recording_release(&command.recording);
    return exit_code;
}
