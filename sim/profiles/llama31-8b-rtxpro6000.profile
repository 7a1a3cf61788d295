# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "meta-llama/Meta-Llama-3.1-8B, 1, rtx_pro_6000_server" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = meta-llama/Meta-Llama-3.1-8B
gpu = RTX PRO 6000 Blackwell Server Edition 96 GB
tp = 1
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 1.4 % MAPE, prefill 7.4 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 10022.3
c_step_decode_us = 10871
c_request_us = 16.89
c_prefill_token_us = 34.0707
c_prefill_context_us = 0.00170095
c_kv_token_us = 0.0862366

# SGLang's default for a GPU under 160 GiB: 8192.
chunked_prefill_size = 8192
# kv_tokens is not known for this row: unlimited.
