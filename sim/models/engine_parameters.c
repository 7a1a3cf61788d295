/* The parameters of the batching model: names, defaults, ranges, what fits together. */
#include "sim/models/engine.h"

#include <math.h>
#include <stdio.h>

#define COEFFICIENT_MAX 1e9 /* us: a thousand seconds */
#define TOKENS_MAX 1073741824.0

/* clang-format off */
const struct sgl_parameter sgl_engine_parameters[] = {
    [SGL_ENGINE_SCHEDULER] = {"scheduler", SGL_PARAMETER_CHOICE, 0, 0, 0, "sglang|vllm",
        "prefill batches before decode steps, or mixed steps under one token budget"},
    [SGL_ENGINE_SCHEDULE_POLICY] = {"schedule_policy",
        SGL_PARAMETER_CHOICE, 0, 0, 0, "fcfs|lpm|priority",
        "who is admitted first: in order, longest cached prefix (sglang), or high before low"},
    [SGL_ENGINE_PRIORITY_PREEMPTION] = {"priority_preemption",
        SGL_PARAMETER_CHOICE, 0, 0, 0, "off|on",
        "sglang: without a free place, the more urgent take those of the less urgent"},
    [SGL_ENGINE_PRIORITY_THRESHOLD] = {"priority_threshold",
        SGL_PARAMETER_INTEGER, 0, 0, SGL_PRIORITY_COUNT - 1, NULL,
        "of that: only of those less urgent by more than so much (high, normal, low: 2, 1, 0)"},
    [SGL_ENGINE_RETRACTION_POLICY] = {"retraction_policy",
        SGL_PARAMETER_CHOICE, 0, 0, 0, "length|priority",
        "sglang: who waits again when memory is out: the least given, or the least urgent"},
    [SGL_ENGINE_SCALE] = {"scale", SGL_PARAMETER_REAL, 1, 1e-6, 1e6, NULL,
        "factor on every step time: what calibration fits"},
    [SGL_ENGINE_C_STEP] = {"c_step_us", SGL_PARAMETER_REAL, NAN, 0.001, COEFFICIENT_MAX,
        NULL, "sets c_step_prefill_us and c_step_decode_us"},
    [SGL_ENGINE_C_STEP_PREFILL] = {"c_step_prefill_us",
        SGL_PARAMETER_REAL, NAN, 0.001, COEFFICIENT_MAX,
        NULL, "a step with prefill tokens takes at least this (profile)"},
    [SGL_ENGINE_C_STEP_DECODE] = {"c_step_decode_us",
        SGL_PARAMETER_REAL, NAN, 0.001, COEFFICIENT_MAX,
        NULL, "a step with decoding requests takes at least this (profile)"},
    [SGL_ENGINE_C_REQUEST] = {"c_request_us", SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each request in the step (profile)"},
    [SGL_ENGINE_C_PREFILL_TOKEN] = {"c_prefill_token_us",
        SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each prefill token (profile)"},
    [SGL_ENGINE_C_PREFILL_CONTEXT] = {"c_prefill_context_us",
        SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each pair of a prefill token and a token before it (profile)"},
    [SGL_ENGINE_C_KV_TOKEN] = {"c_kv_token_us", SGL_PARAMETER_REAL, NAN, 0, COEFFICIENT_MAX,
        NULL, "for each token of context of a decoding request (profile)"},
    [SGL_ENGINE_C_EXPERT] = {"c_expert_us", SGL_PARAMETER_REAL, 0, 0, COEFFICIENT_MAX, NULL,
        "MoE: a step of T tokens takes c_expert_us (1 - (1 - p_expert)^T) more"},
    [SGL_ENGINE_P_EXPERT] = {"p_expert", SGL_PARAMETER_REAL, 0.0625, 1e-6, 1, NULL,
        "MoE: chance that a token needs a given expert: experts per token / experts"},
    [SGL_ENGINE_C_TOKEN] = {"c_token_us", SGL_PARAMETER_REAL, 0, 0, COEFFICIENT_MAX, NULL,
        "for each token of a step, prefill or decode, beyond free_tokens: computing "
        "takes longer than reading the weights"},
    [SGL_ENGINE_FREE_TOKENS] = {"free_tokens", SGL_PARAMETER_INTEGER, 0, 0, TOKENS_MAX, NULL,
        "tokens of a step that c_token_us does not count"},
    [SGL_ENGINE_C_MIXED_REQUEST] = {"c_mixed_request_us",
        SGL_PARAMETER_REAL, 0, 0, COEFFICIENT_MAX, NULL,
        "more for each request that decodes in a step that prefills"},
    [SGL_ENGINE_C_MIXED_KV_TOKEN] = {"c_mixed_kv_token_us",
        SGL_PARAMETER_REAL, 0, 0, COEFFICIENT_MAX, NULL,
        "more for each token of its context then"},
    [SGL_ENGINE_HOST_OVERHEAD] = {"host_overhead_us",
        SGL_PARAMETER_REAL, 0, 0, COEFFICIENT_MAX, NULL,
        "tokens leave the worker that much later; the engine goes on meanwhile"},
    [SGL_ENGINE_KV_TOKENS] = {"kv_tokens", SGL_PARAMETER_INTEGER, 0, 0, TOKENS_MAX,
        NULL, "tokens the KV memory holds; 0: unlimited"},
    [SGL_ENGINE_PAGE_SIZE] = {"page_size", SGL_PARAMETER_INTEGER, 1, 1, 65536, NULL,
        "tokens of a page of KV memory (SGLang: 1)"},
    [SGL_ENGINE_PREFIX_CACHE] = {"prefix_cache", SGL_PARAMETER_CHOICE, 1, 0, 0, "off|on",
        "prompts stay in KV memory for later ones that begin alike (needs prefix ids)"},
    [SGL_ENGINE_ANSWER_CACHE] = {"answer_cache", SGL_PARAMETER_CHOICE, 1, 0, 0, "off|on",
        "answers stay, too, for the next prompt of their session that goes on from there"},
    [SGL_ENGINE_CHUNKED_PREFILL_SIZE] = {"chunked_prefill_size",
        SGL_PARAMETER_INTEGER, 8192, 0, TOKENS_MAX,
        NULL, "sglang: prefill tokens of a step; 0: prompts are not cut (SGLang: by GPU memory)"},
    [SGL_ENGINE_MIXED_CHUNK] = {"mixed_chunk", SGL_PARAMETER_CHOICE, 0, 0, 0, "off|on",
        "sglang: running requests decode in the steps that prefill, too"},
    [SGL_ENGINE_ASYNC_SCHEDULING] = {"async_scheduling", SGL_PARAMETER_CHOICE, 0, 0, 0, "off|on",
        "vllm: each step is planned when the one before it begins (default of vLLM from 0.14)"},
    [SGL_ENGINE_MAX_PREFILL_TOKENS] = {"max_prefill_tokens",
        SGL_PARAMETER_INTEGER, 16384, 1, TOKENS_MAX,
        NULL, "sglang: no request is added to a prefill batch beyond this (SGLang: 16384)"},
    [SGL_ENGINE_MAX_BATCH_TOKENS] = {"max_batch_tokens", SGL_PARAMETER_INTEGER, 2048, 1, TOKENS_MAX,
        NULL, "vllm: tokens of a step, prefill and decode (vLLM: 2048)"},
    [SGL_ENGINE_MAX_RUNNING_REQUESTS] = {"max_running_requests",
        SGL_PARAMETER_INTEGER, 2048, 1, 65536, NULL,
        "requests in prefill and decode (SGLang: 2048 to 4096, by KV memory and context)"},
    {0},
};
/* clang-format on */

void sgl_engine_spread(struct sgl_parameters *parameters)
{
    double *value = parameters->value;

    if (isnan(value[SGL_ENGINE_C_STEP]))
        return;
    value[SGL_ENGINE_C_STEP_PREFILL] = value[SGL_ENGINE_C_STEP];
    value[SGL_ENGINE_C_STEP_DECODE] = value[SGL_ENGINE_C_STEP];
    value[SGL_ENGINE_C_STEP] = SGL_ABSENT_REAL;
}

int sgl_engine_check(const struct sgl_parameters *parameters, struct sgl_failure *failure)
{
    const double *value = parameters->value;

    for (int i = SGL_ENGINE_C_STEP_PREFILL; i <= SGL_ENGINE_C_KV_TOKEN; i++) {
        if (isnan(value[i]))
            return sgl_fail(failure, SGL_EINVAL, "%s is missing, expected a number of at least %g",
                            sgl_engine_parameters[i].name, sgl_engine_parameters[i].least);
    }
    if (fmod(value[SGL_ENGINE_CHUNKED_PREFILL_SIZE], value[SGL_ENGINE_PAGE_SIZE]) != 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "chunked_prefill_size=%.0f, expected 0 or a multiple of page_size=%.0f",
                        value[SGL_ENGINE_CHUNKED_PREFILL_SIZE], value[SGL_ENGINE_PAGE_SIZE]);
    if (value[SGL_ENGINE_KV_TOKENS] > 0 &&
        value[SGL_ENGINE_KV_TOKENS] < value[SGL_ENGINE_PAGE_SIZE])
        return sgl_fail(failure, SGL_EINVAL,
                        "kv_tokens=%.0f, expected 0 or at least page_size=%.0f",
                        value[SGL_ENGINE_KV_TOKENS], value[SGL_ENGINE_PAGE_SIZE]);
    if (value[SGL_ENGINE_SCHEDULER] != 0 && value[SGL_ENGINE_SCHEDULE_POLICY] == SGL_SCHEDULE_LPM)
        return sgl_fail(failure, SGL_EINVAL,
                        "schedule_policy=lpm is scheduler=sglang's, expected fcfs or priority with "
                        "scheduler=vllm");
    if (value[SGL_ENGINE_PRIORITY_PREEMPTION] != 0 &&
        (value[SGL_ENGINE_SCHEDULER] != 0 ||
         value[SGL_ENGINE_SCHEDULE_POLICY] != SGL_SCHEDULE_PRIORITY))
        return sgl_fail(failure, SGL_EINVAL,
                        "priority_preemption=on, expected scheduler=sglang and "
                        "schedule_policy=priority (vllm's makes room for tokens alone)");
    if (value[SGL_ENGINE_PRIORITY_THRESHOLD] != 0 && value[SGL_ENGINE_PRIORITY_PREEMPTION] == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "priority_threshold=%.0f, expected priority_preemption=on beside it",
                        value[SGL_ENGINE_PRIORITY_THRESHOLD]);
    if (value[SGL_ENGINE_RETRACTION_POLICY] != 0 &&
        (value[SGL_ENGINE_SCHEDULER] != 0 ||
         value[SGL_ENGINE_SCHEDULE_POLICY] != SGL_SCHEDULE_PRIORITY))
        return sgl_fail(failure, SGL_EINVAL,
                        "retraction_policy=priority, expected scheduler=sglang and "
                        "schedule_policy=priority (vllm's takes back the least urgent by itself)");
    if (value[SGL_ENGINE_MIXED_CHUNK] != 0 &&
        (value[SGL_ENGINE_SCHEDULER] != 0 || value[SGL_ENGINE_CHUNKED_PREFILL_SIZE] == 0))
        return sgl_fail(failure, SGL_EINVAL,
                        "mixed_chunk=on, expected scheduler=sglang and a chunked_prefill_size "
                        "above 0");
    if (value[SGL_ENGINE_ASYNC_SCHEDULING] != 0 && value[SGL_ENGINE_SCHEDULER] == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "async_scheduling=on, expected scheduler=vllm (what SGLang's overlapped "
                        "scheduler adds is host_overhead_us)");
    return SGL_OK;
}

const char *sgl_engine_caveat(const struct sgl_worker_model_spec *spec, uint32_t index, char *out,
                              size_t size)
{
    const double *value = spec->parameters.value;
    const bool is_unlimited = value[SGL_ENGINE_KV_TOKENS] == 0;

    if (is_unlimited && index == 0) {
        snprintf(out, size, "kv_tokens is not known: KV memory is unlimited, nothing waits for it");
        return out;
    }
    if (index == (is_unlimited ? 1 : 0) && value[SGL_ENGINE_SCALE] == 1 &&
        spec->profile.calibrated[0] == '\0') {
        snprintf(out, size, "not calibrated (scale=1): profile %s%s%s", spec->profile.name,
                 spec->profile.fit_error[0] != '\0' ? ", fit error " : "", spec->profile.fit_error);
        return out;
    }
    return NULL;
}
