# Step times are fitted to an engine-step table: no queueing and no host overhead is in them.
# sglsim calibrate ../shared/data/aic_sglang_step_times.csv --from steps
#     --where model=Qwen/Qwen3-30B-A3B,tp=1,system=b200_sxm
model = Qwen/Qwen3-30B-A3B
gpu = B200 SXM 180 GB
tp = 1
source = fit of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 5.5 % MAPE, prefill 4.2 % MAPE

c_step_prefill_us = 4071.45
c_step_decode_us = 2606.84
c_request_us = 5.16457
c_prefill_token_us = 4.85599
c_prefill_context_us = 0.000618401
c_kv_token_us = 0.0138614
# A mixture of experts: p_expert is what fits the steps best, of 8 of 128 experts.
c_expert_us = 8486.9
p_expert = 0.0371627

# SGLang's default from 160 GiB on: 16384.
chunked_prefill_size = 16384
# kv_tokens is not known: unlimited.
