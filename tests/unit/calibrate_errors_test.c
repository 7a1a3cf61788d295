/*
 * Are the standard errors of "auto" what they say? Engines drawn around a start, as far from it as
 * is believed of engines, are measured over a few requests and fitted:
 *
 *     start --drawn ratios--> truth --29 requests, noise--> recording --auto--> value, error
 *        |______________________________________________________^
 *
 * and |log(value / truth)| is held against 1.96 errors.
 */
#include "analysis/calibrate.h"

#include "core/rng.h"
#include "recorded_runs.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START                                                                                      \
    "batching:c_step_prefill_us=12000,c_step_decode_us=11000,c_request_us=60,"                     \
    "c_prefill_token_us=40,c_prefill_context_us=0.002,c_kv_token_us=0.1,c_token_us=20,"            \
    "free_tokens=300"

/* Fewer than auto judges by: it takes the usual freedom. */
#define REQUESTS 29

static const double start_us[SGL_COEFFICIENT_COUNT] = {
    [SGL_C_STEP_PREFILL] = 12000,    [SGL_C_STEP_DECODE] = 11000, [SGL_C_REQUEST] = 60,
    [SGL_C_PREFILL_TOKEN] = 40,      [SGL_C_TOKEN] = 20,          [SGL_C_KV_TOKEN] = 0.1,
    [SGL_C_PREFILL_CONTEXT] = 0.002,
};

static const struct sgl_made_run few = {
    .request_count = REQUESTS,
    .worker_count = 1,
    .rate_per_s = 10,
    .prompt_median = 700,
    .prompt_least = 100,
    .prompt_most = 4000,
    .output_least = 20,
    .output_most = 120,
    .noise = 0.002,
    .step_noise = 0.02,
};

/* Times the start, by a factor of 1.65 either way and one for all. */
static void draw_truth(uint64_t seed, double truth_us[SGL_COEFFICIENT_COUNT], char *text,
                       size_t size)
{
    struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_LENGTH, 1, 0, 0);
    const double scale = 0.3 * sgl_rng_normal(&draws);
    size_t length = (size_t)snprintf(text, size, "batching:free_tokens=300");

    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        truth_us[c] = start_us[c] * exp(scale + 0.5 * sgl_rng_normal(&draws));
        if (truth_us[c] > 0)
            length += (size_t)snprintf(text + length, size - length, ",%s=%.17g",
                                       sgl_coefficient_name((enum sgl_coefficient)c), truth_us[c]);
    }
}

static void calibrate(struct sgl_calibration *calibration, const struct sgl_made_run *run,
                      const char *truth)
{
    struct sgl_worker_model_spec true_spec;
    struct sgl_worker_model_spec start_spec;
    struct sgl_recording recording;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&true_spec, truth, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&start_spec, START, &failure), SGL_OK);
    sgl_make_recording(&recording, run, &true_spec);
    const struct sgl_calibration_options options = {
        .start = &start_spec,
        .range = {0, run->request_count},
        .first_token_is = 1,
        .fit = "auto",
        .seed = 1,
    };
    const int status = sgl_calibrate(calibration, &recording, &options, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    sgl_recording_release(&recording);
    sgl_worker_model_release(&true_spec);
    sgl_worker_model_release(&start_spec);
}

#define RUNS 12
#define PER_RUN 7
/* Of RUNS x PER_RUN intervals, each to hold the truth in 95 of 100 cases, as many hold it in 98 of
 * 100 such tests (binomial law: 0.3 and 1.4 % on either side). Of the loss's curvature, with which
 * this began, 62 of 98 did (14 runs). */
#define WITHIN_LEAST 74
#define WITHIN_MOST 83

static void hold_the_truth(void)
{
    size_t within = 0;
    size_t count = 0;
    double sum = 0;

    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct sgl_made_run run = few;
        struct sgl_calibration calibration;
        double truth_us[SGL_COEFFICIENT_COUNT];
        char truth[1024];
        run.seed = seed;
        draw_truth(seed, truth_us, truth, sizeof truth);
        calibrate(&calibration, &run, truth);
        for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
            const struct sgl_coefficient_fit *fit = &calibration.coefficients[c];
            CU_ASSERT_EQUAL(isnan(fit->relative_error), fit->value_us <= 0);
            if (fit->value_us <= 0)
                continue;
            within += fabs(log(fit->value_us / truth_us[c])) <= 1.96 * fit->relative_error;
            sum += log(fit->relative_error);
            count++;
        }
        sgl_calibration_release(&calibration);
    }
    CU_ASSERT_EQUAL_FATAL(count, RUNS * PER_RUN);
    if (within < WITHIN_LEAST || within > WITHIN_MOST)
        printf("\n  %zu of %zu hold it\n", within, count);
    CU_ASSERT(within >= WITHIN_LEAST && within <= WITHIN_MOST);
    /* Less than what is believed before anything is measured, apart from one scale for all. */
    CU_ASSERT(exp(sum / (double)count) < 0.5);
}

/* Of answers of one token nothing decodes: what that takes is as uncertain as it was. */
static void are_of_belief_where_nothing_shows(void)
{
    struct sgl_made_run run = few;
    struct sgl_calibration calibration;

    run.seed = 1;
    run.output_least = 1;
    run.output_most = 1;
    calibrate(&calibration, &run, START);
    const struct sgl_coefficient_fit *decode = &calibration.coefficients[SGL_C_KV_TOKEN];
    const struct sgl_coefficient_fit *prefill = &calibration.coefficients[SGL_C_PREFILL_TOKEN];
    CU_ASSERT_EQUAL(decode->state, SGL_COEFFICIENT_HELD);
    CU_ASSERT(decode->relative_error > 0.4 && decode->relative_error < 0.8);
    CU_ASSERT(prefill->relative_error < decode->relative_error);
    sgl_calibration_release(&calibration);
}

SGL_SUITE(calibrate_errors) = {
    {"+-1.96 of them hold the truth about as often as they say", hold_the_truth},
    {"what no request shows is as uncertain as it was", are_of_belief_where_nothing_shows},
    CU_TEST_INFO_NULL,
};
