/* Coefficients that are known are found again, and what the data cannot tell is refused. */
#include "analysis/calibrate.h"

#include "recorded_runs.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRUTH                                                                                      \
    "batching:c_step_prefill_us=6000,c_step_decode_us=7000,c_request_us=60,"                       \
    "c_prefill_token_us=18,c_prefill_context_us=0.001,c_kv_token_us=0.05"

/* The same, each off by a factor of its own. */
#define ASTRAY                                                                                     \
    "batching:c_step_prefill_us=4000,c_step_decode_us=11000,c_request_us=30,"                      \
    "c_prefill_token_us=30,c_prefill_context_us=0.001,c_kv_token_us=0.08"

static const double truth_us[SGL_COEFFICIENT_COUNT] = {6000, 7000, 60, 18, 0.001, 0.05};

static const struct sgl_made_run busy = {
    .request_count = 300,
    .worker_count = 2,
    .rate_per_s = 40,
    .prompt_least = 50,
    .prompt_most = 3000,
    .output_least = 2,
    .output_most = 200,
    .noise = 0.03,
    .seed = 1,
};

static int calibrate(struct sgl_calibration *calibration, const struct sgl_made_run *run,
                     const char *truth, const char *start, const char *fit,
                     struct sgl_failure *failure)
{
    struct sgl_worker_model_spec true_spec;
    struct sgl_worker_model_spec start_spec;
    struct sgl_recording recording;

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&true_spec, truth, failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&start_spec, start, failure), SGL_OK);
    sgl_make_recording(&recording, run, &true_spec);
    const struct sgl_calibration_options options = {
        .start = &start_spec,
        .range = {0, run->request_count},
        .first_token_is = 1,
        .fit = fit,
        .seed = 1,
        .starts = strcmp(fit, "auto") == 0 ? 1 : 0,
    };
    const int status = sgl_calibrate(calibration, &recording, &options, failure);
    sgl_recording_release(&recording);
    sgl_worker_model_release(&true_spec);
    sgl_worker_model_release(&start_spec);
    return status;
}

/* Standard errors between the fit and the truth. */
static double misses(const struct sgl_calibration *calibration, enum sgl_coefficient c)
{
    const struct sgl_coefficient_fit *fit = &calibration->coefficients[c];

    return fabs(log(fit->value_us / truth_us[c])) / fit->relative_error;
}

static void finds_coefficients(void)
{
    static const enum sgl_coefficient asked[] = {SGL_C_STEP_DECODE, SGL_C_PREFILL_TOKEN,
                                                 SGL_C_REQUEST};
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    const int status = calibrate(&calibration, &busy, TRUTH, TRUTH,
                                 "c_step_decode_us,c_prefill_token_us,c_request_us", &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    CU_ASSERT_EQUAL(calibration.fitted_count, 3);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const struct sgl_coefficient_fit *fit = &calibration.coefficients[asked[i]];
        CU_ASSERT_EQUAL(fit->state, SGL_COEFFICIENT_FITTED);
        CU_ASSERT(fit->relative_error < 0.25);
        CU_ASSERT(misses(&calibration, asked[i]) < 4);
    }
    /* What was not asked for stays. */
    CU_ASSERT_EQUAL(calibration.coefficients[SGL_C_KV_TOKEN].value_us, 0.05);
    sgl_calibration_release(&calibration);
}

/* From a start that is wrong in every ratio, the figures of the run come out. */
static void finds_run_from_afar(void)
{
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(calibrate(&calibration, &busy, TRUTH, ASTRAY, "auto", &failure), SGL_OK);
    const struct sgl_accuracy_metric *metrics = calibration.fit_accuracy.metrics;
    for (int m = SGL_METRIC_TTFT; m < SGL_REQUEST_METRIC_COUNT; m++)
        CU_ASSERT(fabs(metrics[m].simulated_figures.mean / metrics[m].recorded_figures.mean - 1) <
                  (m == SGL_METRIC_TTFT ? 0.04 : 0.03));
    CU_ASSERT(metrics[SGL_METRIC_E2E].wape < 0.05);
    CU_ASSERT(misses(&calibration, SGL_C_STEP_DECODE) < 5);
    sgl_calibration_release(&calibration);
}

/* Without noise nothing is left to be wrong. */
static void finds_scale_exactly(void)
{
    struct sgl_made_run quiet = busy;
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    quiet.noise = 0;
    CU_ASSERT_EQUAL_FATAL(
        calibrate(&calibration, &quiet, TRUTH ",scale=1.37", TRUTH, "scale", &failure), SGL_OK);
    CU_ASSERT_DOUBLE_EQUAL(calibration.scale, 1.37, 0.0005);
    CU_ASSERT_EQUAL(calibration.coefficients[SGL_C_STEP_DECODE].state, SGL_COEFFICIENT_TIED);
    CU_ASSERT_DOUBLE_EQUAL(calibration.coefficients[SGL_C_STEP_DECODE].value_us, 7000 * 1.37, 5);
    sgl_calibration_release(&calibration);
}

/* 95 % intervals hold the truth in about 95 % of runs: of 24, at least 19 (fewer have a chance of
 * 0.1 % if they do). */
static void errors_cover(void)
{
    struct sgl_failure failure = {.text = ""};
    int covered = 0;

    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct sgl_made_run run = busy;
        struct sgl_calibration calibration;
        run.seed = seed;
        run.request_count = 120;
        run.noise = 0.1;
        CU_ASSERT_EQUAL_FATAL(
            calibrate(&calibration, &run, TRUTH, TRUTH, "c_step_decode_us", &failure), SGL_OK);
        covered += misses(&calibration, SGL_C_STEP_DECODE) <= 1.96;
        sgl_calibration_release(&calibration);
    }
    if (covered < 19)
        printf("\n  %d of 24 covered\n", covered);
    CU_ASSERT(covered >= 19);
}

static void refuses(const struct sgl_made_run *run, const char *fit, const char *part)
{
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL(calibrate(&calibration, run, TRUTH, TRUTH, fit, &failure), SGL_EINVAL);
    CU_ASSERT_TRUE(calibration.is_not_identifiable);
    SGL_ASSERT_CONTAINS(failure.text, part);
    sgl_calibration_release(&calibration);
}

/* One request at a time, all alike: constant, request and context cannot be told apart. */
static void refuses_alike(void)
{
    const struct sgl_made_run alone = {
        .request_count = 40,
        .worker_count = 1,
        .rate_per_s = 0.01,
        .prompt_least = 500,
        .prompt_most = 500,
        .output_least = 100,
        .output_most = 100,
        .noise = 0.02,
        .seed = 3,
    };

    refuses(&alone, "c_step_decode_us,c_request_us", "cannot identify c_request_us beside");
    refuses(&alone, "c_step_prefill_us,c_prefill_token_us", "cannot identify c_");
    /* Prompts too short for their pairs to matter. */
    refuses(&alone, "scale,c_prefill_context_us", "cannot identify c_prefill_context_us");
}

/* The same recording, left to itself: what cannot be told is tied, and the rest fits. */
static void ties_alike(void)
{
    const struct sgl_made_run alone = {
        .request_count = 40,
        .worker_count = 1,
        .rate_per_s = 0.01,
        .prompt_least = 500,
        .prompt_most = 500,
        .output_least = 100,
        .output_most = 100,
        .noise = 0.02,
        .seed = 3,
    };
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(calibrate(&calibration, &alone, TRUTH, ASTRAY, "auto", &failure), SGL_OK);
    CU_ASSERT(calibration.fitted_count <= 2); /* a prefill time and a decode time are there */
    CU_ASSERT(calibration.fit_accuracy.metrics[SGL_METRIC_E2E].mape < 0.03);
    sgl_calibration_release(&calibration);
}

/* Many at once, so that steps differ; but all are as long. */
static void refuses_constant_lengths(void)
{
    struct sgl_made_run same = busy;

    same.request_count = 60;
    same.prompt_least = same.prompt_most;
    refuses(&same, "c_prefill_token_us", "cannot identify c_prefill_token_us: prompt_tokens is");
    refuses(&same, "scale,c_prefill_context_us", "record prompts of other lengths");
    same.output_least = same.output_most;
    refuses(&same, "c_kv_token_us", "cannot identify c_kv_token_us: prompt_tokens is 3000 and");
}

static void refuses_without_times(void)
{
    struct sgl_worker_model_spec spec;
    struct sgl_recording recording;
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&spec, TRUTH, &failure), SGL_OK);
    sgl_make_recording(&recording, &busy, &spec);
    for (size_t i = 0; i < recording.count; i++) {
        recording.requests[i].started_ns = SGL_ABSENT;
        recording.requests[i].first_token_ns = SGL_ABSENT;
        recording.requests[i].finish_ns = SGL_ABSENT;
    }
    const struct sgl_calibration_options options = {
        .start = &spec, .range = {0, 300}, .first_token_is = 1, .fit = "auto", .seed = 1};
    CU_ASSERT_EQUAL(sgl_calibrate(&calibration, &recording, &options, &failure), SGL_EINVAL);
    CU_ASSERT_TRUE(calibration.is_not_identifiable);
    SGL_ASSERT_CONTAINS(failure.text, "no request of the rows has a measured time");
    sgl_calibration_release(&calibration);
    sgl_recording_release(&recording);
    sgl_worker_model_release(&spec);
}

static void names_wrong_words(void)
{
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL(calibrate(&calibration, &busy, TRUTH, TRUTH, "c_step_decod_us", &failure),
                    SGL_EINVAL);
    CU_ASSERT_FALSE(calibration.is_not_identifiable);
    SGL_ASSERT_CONTAINS(failure.text, "did you mean 'c_step_decode_us'?");
    sgl_calibration_release(&calibration);
    CU_ASSERT_EQUAL(
        calibrate(&calibration, &busy, TRUTH, TRUTH ",c_kv_token_us=0", "c_kv_token_us", &failure),
        SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "c_kv_token_us starts at 0");
    sgl_calibration_release(&calibration);
    CU_ASSERT_EQUAL(calibrate(&calibration, &busy, TRUTH, TRUTH, "", &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "nothing to fit");
    sgl_calibration_release(&calibration);
}

/* Without noise the recording is the simulation: what leaves the host later is recorded later. */
static void overhead_of_the_host_is_recorded(void)
{
    static const struct sgl_made_run one = {.request_count = 1,
                                            .worker_count = 1,
                                            .rate_per_s = 1,
                                            .prompt_least = 100,
                                            .prompt_most = 100,
                                            .output_least = 3,
                                            .output_most = 3,
                                            .seed = 1};
    static const char *const specs[] = {TRUTH, TRUTH ",host_overhead_us=500"};
    int64_t first_ns[2];
    int64_t finish_ns[2];

    for (int i = 0; i < 2; i++) {
        struct sgl_worker_model_spec spec;
        struct sgl_recording recording;
        CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&spec, specs[i], NULL), SGL_OK);
        sgl_make_recording(&recording, &one, &spec);
        first_ns[i] = recording.requests[0].first_token_ns;
        finish_ns[i] = recording.requests[0].finish_ns;
        sgl_recording_release(&recording);
        sgl_worker_model_release(&spec);
    }
    CU_ASSERT_EQUAL(first_ns[1], first_ns[0] + 500000);
    CU_ASSERT_EQUAL(finish_ns[1], finish_ns[0] + 500000);
}

/* Steps planned ahead, or not: the recording tells, whatever the start says. */
static void finds_whether_steps_are_planned_ahead(void)
{
    static const char *const words[] = {"off", "on"};

    for (int truth = 0; truth < 2; truth++) {
        struct sgl_worker_model_spec true_spec;
        struct sgl_worker_model_spec start_spec;
        struct sgl_recording recording;
        struct sgl_calibration calibration;
        struct sgl_failure failure = {.text = ""};
        char text[512];
        snprintf(text, sizeof text, "%s,scheduler=vllm,async_scheduling=%s", TRUTH, words[truth]);
        CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&true_spec, text, &failure), SGL_OK);
        snprintf(text, sizeof text, "%s,scheduler=vllm,async_scheduling=%s", ASTRAY,
                 words[1 - truth]);
        CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&start_spec, text, &failure), SGL_OK);
        sgl_make_recording(&recording, &busy, &true_spec);
        const struct sgl_calibration_options options = {
            .start = &start_spec,
            .range = {0, busy.request_count},
            .first_token_is = 1,
            .fit = "scale",
            .seed = 1,
            .finds_async = true,
        };
        CU_ASSERT_EQUAL_FATAL(sgl_calibrate(&calibration, &recording, &options, &failure), SGL_OK);
        CU_ASSERT_TRUE(calibration.has_found_async);
        CU_ASSERT_EQUAL(calibration.is_async, truth == 1);
        CU_ASSERT(calibration.async_loss[truth] < 0.8 * calibration.async_loss[1 - truth]);
        sgl_calibration_apply(&calibration, &start_spec);
        const struct sgl_parameters *parameters = &start_spec.parameters;
        for (size_t row = 0; parameters->table[row].name != NULL; row++)
            if (strcmp(parameters->table[row].name, "async_scheduling") == 0)
                CU_ASSERT_EQUAL(parameters->value[row], truth);
        sgl_calibration_release(&calibration);
        sgl_recording_release(&recording);
        sgl_worker_model_release(&true_spec);
        sgl_worker_model_release(&start_spec);
    }
}

static void repeats(void)
{
    struct sgl_calibration first;
    struct sgl_calibration second;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(calibrate(&first, &busy, TRUTH, ASTRAY, "auto", &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(calibrate(&second, &busy, TRUTH, ASTRAY, "auto", &failure), SGL_OK);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        CU_ASSERT(
            sgl_same_bits(&first.coefficients[c].value_us, &second.coefficients[c].value_us, 1));
    CU_ASSERT_EQUAL(first.evaluations, second.evaluations);
    sgl_calibration_release(&first);
    sgl_calibration_release(&second);
}

static void says_memory_is_short(void)
{
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL(
        calibrate(&calibration, &busy, TRUTH, TRUTH ",kv_tokens=1000", "scale", &failure),
        SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "kv_tokens is too small");
    sgl_calibration_release(&calibration);
}

SGL_SUITE(calibrate) = {
    {"known coefficients are found within their standard errors", finds_coefficients},
    {"a start that is wrong in every ratio ends at the run's figures", finds_run_from_afar},
    {"without noise the scale is exact", finds_scale_exactly},
    {"95 % intervals cover the truth", errors_cover},
    {"coefficients that the requests cannot tell apart are refused", refuses_alike},
    {"what a token costs is not told by requests that are all as long", refuses_constant_lengths},
    {"auto ties what cannot be told", ties_alike},
    {"a recording without times is refused", refuses_without_times},
    {"wrong words in --fit are explained", names_wrong_words},
    {"the overhead of the host delays what is told of a request", overhead_of_the_host_is_recorded},
    {"whether steps are planned ahead is found", finds_whether_steps_are_planned_ahead},
    {"the same call gives the same bytes", repeats},
    {"a memory that is too small for what was served is named", says_memory_is_short},
    CU_TEST_INFO_NULL,
};
