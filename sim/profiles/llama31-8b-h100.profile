# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "meta-llama/Meta-Llama-3.1-8B, 1, h100_sxm" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = meta-llama/Meta-Llama-3.1-8B
gpu = H100 SXM 80 GB
tp = 1
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 1.0 % MAPE, prefill 11.0 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 5607.55
c_step_decode_us = 6460.82
c_request_us = 8.31794
c_prefill_token_us = 16.9367
c_prefill_context_us = 0.00105725
c_kv_token_us = 0.0419112

# SGLang's default for a GPU under 160 GiB: 8192.
chunked_prefill_size = 8192
# kv_tokens is not known for this row: unlimited.
