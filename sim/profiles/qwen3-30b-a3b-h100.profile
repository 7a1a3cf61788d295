# Step times are fitted to an engine-step table: no queueing and no host overhead is in them.
# sglsim calibrate ../shared/data/aic_sglang_step_times.csv --from steps
#     --where model=Qwen/Qwen3-30B-A3B,tp=1,system=h100_sxm
model = Qwen/Qwen3-30B-A3B
gpu = H100 SXM 80 GB
tp = 1
source = fit of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 4.6 % MAPE, prefill 2.8 % MAPE

c_step_prefill_us = 5201.36
c_step_decode_us = 3895.67
c_request_us = 12.2786
c_prefill_token_us = 9.71381
c_prefill_context_us = 0.00133137
c_kv_token_us = 0.0319339
# A mixture of experts: p_expert is what fits the steps best, of 8 of 128 experts.
c_expert_us = 17916.9
p_expert = 0.0441942

# SGLang's default for a GPU under 160 GiB: 8192.
chunked_prefill_size = 8192
# kv_tokens is not known: unlimited.
