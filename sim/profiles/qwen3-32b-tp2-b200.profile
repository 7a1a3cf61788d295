# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "Qwen/Qwen3-32B, 2, b200_sxm" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = Qwen/Qwen3-32B
gpu = B200 SXM 180 GB
tp = 2
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 2.3 % MAPE, prefill 6.1 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 8902.48
c_step_decode_us = 7779.92
c_request_us = 10.2932
c_prefill_token_us = 22.6288
c_prefill_context_us = 0.000895993
c_kv_token_us = 0.0184245

# SGLang's default for a GPU from 160 GiB: 16384.
chunked_prefill_size = 16384
# kv_tokens is not known for this row: unlimited.
