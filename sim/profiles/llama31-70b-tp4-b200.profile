# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "meta-llama/Meta-Llama-3.1-70B, 4, b200_sxm" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = meta-llama/Meta-Llama-3.1-70B
gpu = B200 SXM 180 GB
tp = 4
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 1.6 % MAPE, prefill 4.7 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 8658.02
c_step_decode_us = 8727.19
c_request_us = 21.0883
c_prefill_token_us = 30.0316
c_prefill_context_us = 0.000556914
c_kv_token_us = 0.0114073

# SGLang's default for a GPU from 160 GiB: 16384.
chunked_prefill_size = 16384
# kv_tokens is not known for this row: unlimited.
