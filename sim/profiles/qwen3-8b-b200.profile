# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "Qwen/Qwen3-8B, 1, b200_sxm" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = Qwen/Qwen3-8B
gpu = B200 SXM 180 GB
tp = 1
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 1.4 % MAPE, prefill 4.2 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 4422.8
c_step_decode_us = 3536.27
c_request_us = 5.46248
c_prefill_token_us = 9.14931
c_prefill_context_us = 0.000473724
c_kv_token_us = 0.0204595

# SGLang's default for a GPU from 160 GiB: 16384.
chunked_prefill_size = 16384
# kv_tokens is not known for this row: unlimited.
