# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "Qwen/Qwen3-8B, 1, h200_sxm" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = Qwen/Qwen3-8B
gpu = H200 SXM 141 GB
tp = 1
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 2.5 % MAPE, prefill 7.6 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 5317.89
c_step_decode_us = 4936.41
c_request_us = 11.3626
c_prefill_token_us = 18.5878
c_prefill_context_us = 0.00113714
c_kv_token_us = 0.0332949

# SGLang's default for a GPU under 160 GiB: 8192.
chunked_prefill_size = 8192
# kv_tokens is not known for this row: unlimited.
