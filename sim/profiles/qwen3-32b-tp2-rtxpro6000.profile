# Step times are affine fits of engine-step tables: no queueing and no host overhead is in them.
# Row "Qwen/Qwen3-32B, 2, rtx_pro_6000_server" of
# ../shared/data/aic_sglang_affine_fits.csv, ms made us.
model = Qwen/Qwen3-32B
gpu = RTX PRO 6000 Blackwell Server Edition 96 GB
tp = 2
source = affine fits of aiconfigurator 0.12.0 step tables, kernels measured on SGLang 0.5.x
fit_error = decode 1.2 % MAPE, prefill 8.2 % MAPE

# The fit has no term per request in a prefill step, so c_request_us is the decode step's in both.
c_step_prefill_us = 23710.8
c_step_decode_us = 23969.7
c_request_us = 65.4755
c_prefill_token_us = 105.183
c_prefill_context_us = 0.00369689
c_kv_token_us = 0.0869436

# SGLang's default for a GPU under 160 GiB: 8192.
chunked_prefill_size = 8192
# kv_tokens is not known for this row: unlimited.
