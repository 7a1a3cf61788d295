#include "calibration_worlds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS 300

#define VLLM "scheduler=vllm,max_running_requests=128,max_batch_tokens=2048,chunked_prefill_size=0,"
/* The same behind a profile. */
#define STANDARD                                                                                   \
    ",scheduler=vllm,max_running_requests=128,max_batch_tokens=2048,chunked_prefill_size=0"
#define ON "async_scheduling=on,"
#define OFF "async_scheduling=off,"

/* A dense model of 32 billion parameters on two GPUs. */
#define DENSE                                                                                      \
    "c_step_prefill_us=26000,c_step_decode_us=24500,c_request_us=80,c_prefill_token_us=60,"        \
    "c_prefill_context_us=0.004,c_kv_token_us=0.09,c_token_us=55,free_tokens=350,"                 \
    "c_mixed_request_us=12,c_mixed_kv_token_us=0.05"

/* A mixture of experts, 8 of 128. */
#define EXPERTS                                                                                    \
    "c_step_prefill_us=4500,c_step_decode_us=4300,c_request_us=25,c_prefill_token_us=10,"          \
    "c_prefill_context_us=0.001,c_kv_token_us=0.03,c_expert_us=14000,p_expert=0.0625,"             \
    "c_token_us=8,free_tokens=300,c_mixed_request_us=5,c_mixed_kv_token_us=0.02"

/* 8 billion parameters on a small GPU, whose memory is full from the first seconds on. */
#define MEMORY "max_running_requests=256,kv_tokens=41408,page_size=16,"
#define SLOW                                                                                       \
    "c_step_prefill_us=20000,c_step_decode_us=18500,c_request_us=60,c_prefill_token_us=60,"        \
    "c_prefill_context_us=0.005,c_kv_token_us=0.13,c_token_us=40,free_tokens=200"

/* What step tables say of the dense model: they have no mixed steps. */
#define STEPS                                                                                      \
    "batching:" VLLM "c_step_prefill_us=26540.9,c_step_decode_us=23970.8,c_request_us=65.4,"       \
    "c_prefill_token_us=67.8,c_prefill_context_us=0.00277,c_kv_token_us=0.087,c_token_us=55.7,"    \
    "free_tokens=362"

/* What kernel tables say of the mixture: for half of it, without what the GPUs tell each other. */
#define KERNELS                                                                                    \
    "batching:" VLLM "c_step_prefill_us=3601,c_step_decode_us=3589,c_request_us=4.32,"             \
    "c_prefill_token_us=0,c_prefill_context_us=0.000967,c_kv_token_us=0.00962,c_expert_us=24733,"  \
    "p_expert=0.0625,c_token_us=13.9,free_tokens=13,c_mixed_request_us=4.87"

#define Q32 "batching:profile=qwen3-32b-tp2-rtxpro6000" STANDARD
#define L8 "batching:profile=llama31-8b-rtxpro6000" STANDARD
#define A3B "batching:profile=qwen3-30b-a3b-h100" STANDARD
#define L40S "batching:profile=llama31-8b-l40s" STANDARD
#define H100 "batching:profile=llama31-8b-h100"

/* SGLang: prompts first, no mixed steps. */
#define SGLANG "batching:max_running_requests=128,chunked_prefill_size=8192,"

/* clang-format off */
const struct sgl_calibration_world sgl_calibration_worlds[] = {
    {"dense", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, from another model", "batching:" VLLM ON DENSE, L8, "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, from steps", "batching:" VLLM ON DENSE, STEPS, "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, from itself", "batching:" VLLM ON DENSE, "batching:" VLLM DENSE, "auto",
     SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, from itself, scale", "batching:" VLLM ON DENSE ",scale=1.3", "batching:" VLLM DENSE,
     "scale", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, light", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_LIGHT, 0.02, 0},
    {"dense, bursts", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_BURST, 0.02, 0},
    {"dense, long prompts", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_PROMPT, 0.02, 0},
    {"dense, short", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_SHORT, 0.02, 0},
    {"dense, noise 1 %", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_CHAT, 0.01, 0},
    {"dense, noise 3 %", "batching:" VLLM ON DENSE, Q32, "auto", SGL_TRAFFIC_CHAT, 0.03, 0},
    {"dense, not ahead", "batching:" VLLM OFF DENSE, Q32, "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, 512 tokens a step", "batching:" VLLM ON "max_batch_tokens=512," DENSE,
     Q32 ",max_batch_tokens=512", "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"dense, 8192 tokens a step", "batching:" VLLM ON "max_batch_tokens=8192," DENSE,
     Q32 ",max_batch_tokens=8192", "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"experts", "batching:" VLLM ON EXPERTS, A3B, "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"experts, from a dense model", "batching:" VLLM ON EXPERTS, L8, "auto", SGL_TRAFFIC_CHAT, 0.02,
     0},
    {"experts, from kernels", "batching:" VLLM ON EXPERTS, KERNELS, "auto", SGL_TRAFFIC_CHAT, 0.02,
     0},
    {"experts, light", "batching:" VLLM ON EXPERTS, A3B, "auto", SGL_TRAFFIC_LIGHT, 0.02, 0},
    {"experts, not ahead", "batching:" VLLM OFF EXPERTS, A3B, "auto", SGL_TRAFFIC_CHAT, 0.02, 0},
    {"memory", "batching:" VLLM ON MEMORY SLOW,
     L40S ",max_running_requests=256,kv_tokens=41408,page_size=16", "auto", SGL_TRAFFIC_CHAT, 0.02,
     0},
    {"memory, not ahead", "batching:" VLLM OFF MEMORY SLOW,
     L40S ",max_running_requests=256,kv_tokens=41408,page_size=16", "auto", SGL_TRAFFIC_CHAT, 0.02,
     0},
    {"sglang", SGLANG DENSE, "batching:profile=qwen3-32b-tp2-h100,max_running_requests=128", "auto",
     SGL_TRAFFIC_CHAT, 0.02, 0},
    {"sglang, short", SGLANG EXPERTS, H100 ",max_running_requests=128", "auto", SGL_TRAFFIC_SHORT,
     0.02, 0},
};
/* clang-format on */

const size_t sgl_calibration_world_count =
    sizeof sgl_calibration_worlds / sizeof sgl_calibration_worlds[0];

static const struct sgl_made_run traffic[] = {
    [SGL_TRAFFIC_CHAT] = {.rate_per_s = 10,
                          .prompt_median = 700,
                          .prompt_least = 260,
                          .prompt_most = 4000,
                          .output_least = 512,
                          .output_most = 850},
    [SGL_TRAFFIC_LIGHT] = {.rate_per_s = 1,
                           .prompt_median = 700,
                           .prompt_least = 260,
                           .prompt_most = 4000,
                           .output_least = 512,
                           .output_most = 850},
    [SGL_TRAFFIC_PROMPT] = {.rate_per_s = 1.5,
                            .prompt_median = 4000,
                            .prompt_least = 2000,
                            .prompt_most = 8000,
                            .output_least = 20,
                            .output_most = 300},
    [SGL_TRAFFIC_BURST] = {.rate_per_s = 5,
                           .burst = 20,
                           .prompt_median = 700,
                           .prompt_least = 260,
                           .prompt_most = 4000,
                           .output_least = 200,
                           .output_most = 600},
    [SGL_TRAFFIC_SHORT] = {.rate_per_s = 20,
                           .prompt_median = 150,
                           .prompt_least = 20,
                           .prompt_most = 1000,
                           .output_median = 120,
                           .output_least = 20,
                           .output_most = 400},
};

static void check(int status, const struct sgl_failure *failure)
{
    if (status == SGL_OK)
        return;
    fprintf(stderr, "%s\n", failure->text);
    abort();
}

static double parameter(const struct sgl_worker_model_spec *spec, const char *name)
{
    size_t row = 0;

    while (strcmp(spec->parameters.table[row].name, name) != 0)
        row++;
    return spec->parameters.value[row];
}

static void judge(struct sgl_world_result *result, const struct sgl_recording *recording,
                  const struct sgl_worker_model_spec *fitted)
{
    const struct sgl_worker_model_spec *const specs[] = {fitted};
    struct sgl_worker_times *times = calloc(recording->count, sizeof *times);
    struct sgl_worker_plan plan;
    struct sgl_accuracy accuracy = {0};
    struct sgl_failure failure;

    if (times == NULL)
        abort();
    check(sgl_worker_plan_make(&plan, recording, &failure), &failure);
    check(sgl_worker_plan_run(&plan, specs, 1, times, &failure), &failure);
    check(sgl_accuracy_compute(
              &accuracy, recording, times,
              &(struct sgl_accuracy_scope){.range = {recording->count / 3, recording->count},
                                           .first_token_is = 1},
              &failure),
          &failure);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        const struct sgl_accuracy_metric *metric = &accuracy.metrics[m];
        result->mean[m] = metric->simulated_figures.mean / metric->recorded_figures.mean - 1;
        result->p99[m] = metric->simulated_figures.p99 / metric->recorded_figures.p99 - 1;
    }
    result->wape = accuracy.metrics[SGL_METRIC_E2E].wape;
    result->is_missed = !(fabs(result->mean[SGL_METRIC_E2E]) <= SGL_WORLD_E2E_MAX) ||
                        !(fabs(result->p99[SGL_METRIC_E2E]) <= SGL_WORLD_E2E_MAX) ||
                        !(fabs(result->mean[SGL_METRIC_TPOT]) <= SGL_WORLD_E2E_MAX) ||
                        !(fabs(result->p99[SGL_METRIC_TPOT]) <= SGL_WORLD_E2E_MAX) ||
                        !(fabs(result->mean[SGL_METRIC_TTFT]) <= SGL_WORLD_TTFT_MAX);
    sgl_accuracy_release(&accuracy);
    sgl_worker_plan_release(&plan);
    free(times);
}

int sgl_calibration_world_run(struct sgl_world_result *result,
                              const struct sgl_calibration_world *world, uint64_t seed,
                              uint32_t starts, struct sgl_failure *failure)
{
    struct sgl_made_run run = traffic[world->traffic];
    struct sgl_worker_model_spec truth;
    struct sgl_worker_model_spec start;
    struct sgl_recording recording;

    *result = (struct sgl_world_result){0};
    run.request_count = world->requests > 0 ? world->requests : REQUESTS;
    run.worker_count = 1;
    run.noise = 0.002;
    run.step_noise = world->noise;
    run.seed = seed;
    check(sgl_worker_model_parse(&truth, world->truth, failure), failure);
    check(sgl_worker_model_parse(&start, world->start, failure), failure);
    sgl_make_recording(&recording, &run, &truth);
    result->is_async = parameter(&truth, "async_scheduling") != 0;
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        result->truth_us[c] = parameter(&truth, "scale") *
                              parameter(&truth, sgl_coefficient_name((enum sgl_coefficient)c));
    const struct sgl_calibration_options options = {
        .start = &start,
        .range = {0, recording.count / 3},
        .first_token_is = 1,
        .fit = world->fit,
        .seed = 1,
        .starts = starts,
        .finds_async = parameter(&start, "scheduler") != 0,
    };
    const int status = sgl_calibrate(&result->calibration, &recording, &options, failure);
    if (status == SGL_OK) {
        sgl_calibration_apply(&result->calibration, &start);
        judge(result, &recording, &start);
    }
    sgl_recording_release(&recording);
    sgl_worker_model_release(&truth);
    sgl_worker_model_release(&start);
    return status;
}
