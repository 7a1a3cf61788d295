# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "meta-llama/Meta-Llama-3.1-70B, 4, h200_sxm" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = meta-llama/Meta-Llama-3.1-70B
gpu = H200 SXM 141 GB
tp = 4
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 1.4 % MAPE, prefill 7.6 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 10459.4
c_step_decode_us = 11443.5
c_request_us = 35.9881
c_prefill_token_us = 55.7237
c_prefill_context_us = 0.00143978
c_kv_token_us = 0.0187776

# SGLang's default for a GPU under 160 GiB: 8192.
chunked_prefill_size = 8192
# kv_tokens is not known for this row: unlimited.
