/*
 * What calibration is worth on real runs: fitted on a part, judged on the rest. Bounds are about
 * twice what was measured (analysis/README.md), so that a change for the worse is seen.
 */
#include "analysis/calibrate.h"
#include "analysis/policy_run.h"
#include "analysis/step_samples.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_TOKEN 50 /* sglang_custom: nobody streamed */

static const char *const rr = "sglang_custom/uniform/RR_router_test_20250731_090735.csv";

static void load(struct sgl_recording *recording, const char *file, const char *where)
{
    struct sgl_failure failure = {.text = ""};
    const struct sgl_trace_options options = {.path = sgl_data_file(file), .where = where};

    const int status = sgl_recording_load(recording, &options, 2048, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
}

/* Fits `rows` of the file from *spec, and leaves the result there. */
static void refit(struct sgl_worker_model_spec *spec, const char *file, const char *where,
                  const char *what, const char *rows, int64_t first_token_is)
{
    struct sgl_recording recording;
    struct sgl_calibration calibration;
    struct sgl_failure failure = {.text = ""};

    load(&recording, file, where);
    struct sgl_calibration_options options = {
        .start = spec,
        .first_token_is = first_token_is,
        .fit = what,
        .seed = 1,
        .finds_async = first_token_is == 1, /* the runs of vLLM */
    };
    CU_ASSERT_EQUAL_FATAL(sgl_row_range_parse(&options.range, rows, recording.count, &failure),
                          SGL_OK);
    const int status = sgl_calibrate(&calibration, &recording, &options, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    CU_ASSERT_EQUAL(calibration.is_async, options.finds_async); /* vLLM 0.19 plans ahead */
    sgl_calibration_apply(&calibration, spec);
    sgl_calibration_release(&calibration);
    sgl_recording_release(&recording);
}

static void fit(struct sgl_worker_model_spec *spec, const char *file, const char *where,
                const char *start, const char *rows, int64_t first_token_is)
{
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(spec, start, &failure), SGL_OK);
    refit(spec, file, where, "auto", rows, first_token_is);
}

/* The worker with the step time of its kernels, 32 layers. */
static void compose(struct sgl_worker_model_spec *spec, const char *attention, const char *worker)
{
    struct sgl_step_samples samples;
    struct sgl_step_fit steps;
    struct sgl_calibration calibration = {.scale = 1};
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(spec, worker, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(
        sgl_step_samples_load_kernels(&samples, sgl_data_file(attention),
                                      &(struct sgl_kernel_scope){.worker = spec,
                                                                 .shape = {.layer_count = 32},
                                                                 .context_max = 4096},
                                      &failure),
        SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&steps, &samples, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT(steps.mape[SGL_STEP_PREFILL] < 0.07);
    CU_ASSERT(steps.mape[SGL_STEP_DECODE] < 0.03);
    CU_ASSERT(steps.mape[SGL_STEP_MIXED] < 0.05);
    memcpy(calibration.coefficients, steps.coefficients, sizeof calibration.coefficients);
    calibration.free_tokens = steps.free_tokens;
    sgl_calibration_apply(&calibration, spec);
    sgl_step_samples_release(&samples);
}

/* Held against `rows` of the file; worker w is specs[w]. */
static struct sgl_accuracy judge(const struct sgl_worker_model_spec *const *specs, const char *file,
                                 const char *rows, int64_t first_token_is)
{
    struct sgl_recording recording;
    struct sgl_worker_plan plan;
    struct sgl_accuracy accuracy = {0};
    struct sgl_row_range range;
    struct sgl_failure failure = {.text = ""};

    load(&recording, file, NULL);
    struct sgl_worker_times *times = malloc(recording.count * sizeof *times);
    CU_ASSERT_PTR_NOT_NULL_FATAL(times);
    CU_ASSERT_EQUAL(sgl_row_range_parse(&range, rows, recording.count, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_worker_plan_make(&plan, &recording, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_worker_plan_run(&plan, specs, 1, times, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_accuracy_compute(&accuracy, &recording, times,
                                         &(struct sgl_accuracy_scope){
                                             .range = range, .first_token_is = first_token_is},
                                         &failure),
                    SGL_OK);
    sgl_worker_plan_release(&plan);
    sgl_recording_release(&recording);
    free(times);
    return accuracy;
}

/* Errors of mean and p99 within these, in parts of one. */
static void within(const struct sgl_accuracy *accuracy, enum sgl_metric m, double mean, double p99)
{
    const struct sgl_distribution *recorded = &accuracy->metrics[m].recorded_figures;
    const struct sgl_distribution *simulated = &accuracy->metrics[m].simulated_figures;
    const double mean_error = simulated->mean / recorded->mean - 1;
    const double p99_error = simulated->p99 / recorded->p99 - 1;

    if (!(fabs(mean_error) <= mean) || !(fabs(p99_error) <= p99))
        printf("\n  %s: mean %+.2f %%, p99 %+.2f %%\n", sgl_metric_name(m), 100 * mean_error,
               100 * p99_error);
    CU_ASSERT(fabs(mean_error) <= mean);
    CU_ASSERT(fabs(p99_error) <= p99);
}

static void equal_workers(void)
{
    static const char *const others[] = {
        "sglang_custom/uniform/RD_router_test_20250731_090823.csv",
        "sglang_custom/uniform/MU_router_test_20250731_090859.csv"};
    struct sgl_worker_model_spec spec;

    fit(&spec, rr, NULL, "batching", "50%", SEEN_TOKEN);
    const struct sgl_worker_model_spec *const specs[] = {&spec, &spec, &spec};
    struct sgl_accuracy accuracy = judge(specs, rr, "100:", SEEN_TOKEN);
    within(&accuracy, SGL_METRIC_E2E, 0.02, 0.03);
    within(&accuracy, SGL_METRIC_TTFT, 0.04, 0.08);
    CU_ASSERT_EQUAL(accuracy.scored, 100);
    sgl_accuracy_release(&accuracy);
    for (size_t i = 0; i < 2; i++) {
        accuracy = judge(specs, others[i], NULL, SEEN_TOKEN);
        within(&accuracy, SGL_METRIC_E2E, 0.03, 0.03);
        within(&accuracy, SGL_METRIC_TTFT, 0.10, 0.25);
        CU_ASSERT(accuracy.metrics[SGL_METRIC_E2E].wape < 0.04);
        sgl_accuracy_release(&accuracy);
    }
    sgl_worker_model_release(&spec);
}

static void unequal_workers(void)
{
    static const char file[] = "sglang_custom/hetero/RR_router_test_20250731_091332.csv";
    static const char other[] = "sglang_custom/hetero/MU_router_test_20250731_091412.csv";
    static const char *const hosts[] = {"host=http://localhost:30001",
                                        "host=http://localhost:30002",
                                        "host=http://localhost:30003"};
    struct sgl_worker_model_spec fitted[3];
    const struct sgl_worker_model_spec *specs[3];

    for (int w = 0; w < 3; w++) {
        fit(&fitted[w], file, hosts[w], "batching", "50%", SEEN_TOKEN);
        specs[w] = &fitted[w];
    }
    struct sgl_accuracy accuracy = judge(specs, file, "100:", SEEN_TOKEN);
    within(&accuracy, SGL_METRIC_E2E, 0.02, 0.03);
    sgl_accuracy_release(&accuracy);
    accuracy = judge(specs, other, NULL, SEEN_TOKEN);
    within(&accuracy, SGL_METRIC_E2E, 0.05, 0.06);
    CU_ASSERT_EQUAL(accuracy.workers[1].recorded_count, 106);
    sgl_accuracy_release(&accuracy);
    for (int w = 0; w < 3; w++)
        sgl_worker_model_release(&fitted[w]);
}

/* Each policy on its own trace, routing anew: the order of the recorded means comes out. */
static void order_of_policies(void)
{
    static const struct {
        const char *file;
        const char *policy;
    } runs[] = {{"sglang_custom/uniform/RR_router_test_20250731_090735.csv", "round_robin"},
                {"sglang_custom/uniform/RD_router_test_20250731_090823.csv", "random"},
                {"sglang_custom/uniform/MU_router_test_20250731_090859.csv", "marginal_utility"}};
    struct sgl_worker_model_spec spec;
    struct sgl_failure failure = {.text = ""};
    double simulated[3];
    double recorded[3];

    fit(&spec, rr, NULL, "batching", "50%", SEEN_TOKEN);
    const struct sgl_worker_model_spec *const specs[] = {&spec, &spec, &spec};
    for (int i = 0; i < 3; i++) {
        struct sgl_recording recording;
        struct sgl_policy_spec policy;
        struct sgl_accuracy accuracy = {0};
        load(&recording, runs[i].file, NULL);
        CU_ASSERT_EQUAL_FATAL(sgl_policy_parse(&policy, runs[i].policy, &failure), SGL_OK);
        struct sgl_worker_times *times = malloc(recording.count * sizeof *times);
        uint32_t *workers = malloc(recording.count * sizeof *workers);
        CU_ASSERT_TRUE_FATAL(times != NULL && workers != NULL);
        CU_ASSERT_EQUAL(
            sgl_policy_run(&recording,
                           &(struct sgl_policy_run){.policy = &policy, .specs = specs, .seed = 1},
                           times, workers, &failure),
            SGL_OK);
        const struct sgl_accuracy_scope all = {
            .range = {0, recording.count}, .first_token_is = SEEN_TOKEN, .workers = workers};
        CU_ASSERT_EQUAL(sgl_accuracy_compute(&accuracy, &recording, times, &all, &failure), SGL_OK);
        simulated[i] = accuracy.metrics[SGL_METRIC_E2E].simulated_figures.mean;
        recorded[i] = accuracy.metrics[SGL_METRIC_E2E].recorded_figures.mean;
        /* Round robin is a function of the order of requests: it comes out as it was. */
        for (size_t r = 0; i == 0 && r < recording.count; r++)
            CU_ASSERT_EQUAL(workers[r], recording.requests[r].worker);
        sgl_accuracy_release(&accuracy);
        sgl_policy_release(&policy);
        sgl_recording_release(&recording);
        free(times);
        free(workers);
    }
    CU_ASSERT(recorded[0] < recorded[1] && recorded[1] < recorded[2]);
    CU_ASSERT(simulated[0] < simulated[1] && simulated[1] < simulated[2]);
    sgl_worker_model_release(&spec);
}

static void vllm_on_rtx_pro_6000(void)
{
    static const char file[] = "llmservingsim_vllm_rtxpro6000_llama31_8b_requests.jsonl";
    struct sgl_worker_model_spec spec;

    fit(&spec, file, NULL,
        "batching:profile=llama31-8b-rtxpro6000,scheduler=vllm,max_running_requests=128", ":100",
        1);
    const struct sgl_worker_model_spec *const specs[] = {&spec};
    struct sgl_accuracy accuracy = judge(specs, file, "100:", 1);
    CU_ASSERT_EQUAL(accuracy.scored, 200);
    within(&accuracy, SGL_METRIC_E2E, 0.01, 0.01);
    within(&accuracy, SGL_METRIC_TTFT, 0.01, 0.01);
    within(&accuracy, SGL_METRIC_TPOT, 0.015, 0.015);
    CU_ASSERT(accuracy.metrics[SGL_METRIC_E2E].wape < 0.01); /* the peer's: 0.0196 */
    sgl_accuracy_release(&accuracy);
    sgl_worker_model_release(&spec);
}

/* From kernels, `what` freed by the first hundred requests. */
static void vllm_from_kernels(const char *attention, const char *file, const char *worker,
                              const char *what, double wape)
{
    struct sgl_worker_model_spec spec;

    compose(&spec, attention, worker);
    refit(&spec, file, NULL, what, ":100", 1);
    const struct sgl_worker_model_spec *const specs[] = {&spec};
    struct sgl_accuracy accuracy = judge(specs, file, "100:", 1);
    CU_ASSERT_EQUAL(accuracy.scored, 200);
    within(&accuracy, SGL_METRIC_E2E, wape, wape);
    within(&accuracy, SGL_METRIC_TTFT, 0.03, 0.04);
    within(&accuracy, SGL_METRIC_TPOT, 0.02, 0.03);
    CU_ASSERT(accuracy.metrics[SGL_METRIC_E2E].wape < wape);
    sgl_accuracy_release(&accuracy);
    sgl_worker_model_release(&spec);
}

static void kernels_of_rtx_pro_6000(void)
{
    vllm_from_kernels("llmservingsim_profile_rtxpro6000_llama31_8b_tp1_attention.csv.gz",
                      "llmservingsim_vllm_rtxpro6000_llama31_8b_requests.jsonl",
                      "batching:scheduler=vllm,max_running_requests=128,max_batch_tokens=2048,"
                      "chunked_prefill_size=0",
                      "auto", 0.01); /* the peer's: 0.0196 */
}

/* Memory is full, and who is preempted a matter of luck: of all requests the scale is a percent
 * less. */
static void kernels_of_rtx_4090(void)
{
    vllm_from_kernels("llmservingsim_profile_rtx4090_llama31_8b_tp1_attention.csv",
                      "llmservingsim_vllm_rtx4090_llama31_8b_requests.jsonl",
                      "batching:scheduler=vllm,max_running_requests=256,max_batch_tokens=2048,"
                      "chunked_prefill_size=0,kv_tokens=41408,page_size=16",
                      "scale", 0.025); /* the peer's: 0.006 */
}

/* Engine steps of Qwen3-30B-A3B: without the experts' term 20 to 28 % off, and no dense model takes
 * it. */
static void steps_of_experts(void)
{
    static const struct {
        const char *where;
        bool has_experts;
    } engines[] = {{"model=Qwen/Qwen3-30B-A3B,tp=1,system=h100_sxm", true},
                   {"model=Qwen/Qwen3-30B-A3B,tp=1,system=h200_sxm", true},
                   {"model=Qwen/Qwen3-30B-A3B,tp=1,system=b200_sxm", true},
                   {"model=meta-llama/Meta-Llama-3.1-8B,tp=1,system=a100_sxm", false},
                   {"model=Qwen/Qwen3-32B,tp=2,system=rtx_pro_6000_server", false}};

    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        struct sgl_step_samples samples;
        struct sgl_step_fit steps;
        struct sgl_failure failure = {.text = ""};
        CU_ASSERT_EQUAL_FATAL(
            sgl_step_samples_load_table(&samples, sgl_data_file("aic_sglang_step_times.csv"),
                                        engines[i].where, &failure),
            SGL_OK);
        CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&steps, &samples, &failure), SGL_OK);
        CU_ASSERT_EQUAL(steps.p_expert > 0, engines[i].has_experts);
        CU_ASSERT(steps.mape[SGL_STEP_PREFILL] < 0.06);
        CU_ASSERT(steps.mape[SGL_STEP_DECODE] < 0.07);
        sgl_step_samples_release(&samples);
    }
}

SGL_SUITE(calibrate_recorded) = {
    {"step tables of a mixture of experts are fitted like those of dense models", steps_of_experts},
    {"half a run of three equal SGLang workers foretells the rest, and other policies' runs",
     equal_workers},
    {"a profile for each of three unequal workers foretells their runs", unequal_workers},
    {"the recorded order of policies by mean latency comes out", order_of_policies},
    {"a hundred requests of vLLM foretell the other two hundred", vllm_on_rtx_pro_6000},
    {"kernels and a hundred requests foretell vLLM on an RTX PRO 6000", kernels_of_rtx_pro_6000},
    {"kernels and a scalar foretell vLLM on an RTX 4090, whose memory is full",
     kernels_of_rtx_4090},
    CU_TEST_INFO_NULL,
};
