/*
 * step_samples.h - measured durations of engine steps, and the coefficients that fit them best.
 *
 *     step table     aic_sglang_step_times.csv:  phase,batch,new_tokens_per_req,context_or_prefix,
 *                                                decode_reqs,step_ms       a row is a step
 *     kernel tables  X_attention.csv:    prefill_chunk,kv_prefill,n_decode,kv_decode,time_us
 *                    X_dense.csv:        layer,tokens,time_us
 *                    X_per_sequence.csv: layer,sequences,time_us           a step is composed
 *                    X_moe.csv:          tokens,activated_experts,time_us  where there are experts
 *
 * A step of kernels, for a model of the Llama or Qwen kind with L layers, T = prefill_chunk +
 * n_decode tokens and R sequences (what vLLM runs; the tables are LLMServingSim's):
 *
 *     embedding(T) + L [2 layernorm + qkv_proj + qk_norm + rotary_emb + o_proj + F](T)
 *     + L attention + final_layernorm(T) + lm_head(R) + sampler(R) + 2 L all-reduce(T)
 *
 *     F = gate_up_proj + act_fn + down_proj, or what expert_table.h makes of X_moe.csv
 *
 * qk_norm where the table names it. Of TP GPUs that share a model the tables are one's part (a
 * folder tpN), without what they tell one another: two all-reduces a layer (Shoeybi et al.,
 * Megatron-LM, 2019), of 2 bytes x hidden_size a token, which take link_us + 2 (TP - 1) / TP bytes
 * / link_gb_per_s. Newer tables have prefill_key, the mean of prefix + chunk / 2, in place of
 * kv_prefill, and decode_q_len: rows of more than one query are left out.
 *
 * Time is read on straight lines between the tokens that were measured; kv_decode is the context
 * of each of the n_decode sequences, kv_prefill what stands before the chunk. Rows beyond what the
 * worker can hold (kv_tokens, max_batch_tokens, max_running_requests), or of contexts that no
 * request has (context_max), are left out and counted: attention is no straight line over four
 * decades, and what is measured there would bend the fit where the requests are.
 *
 * Fit: least squares on relative errors (weights 1/measured^2) of the step's formula
 * (sim/models/step_cost.h), all phases at once, for c_request is in each. A mixed step takes the
 * larger constant, so which one it is gets fitted in turns. Coefficients are at least 0: the most
 * negative is dropped until none is.
 *
 * Terms that not every machine has are taken when the steps show them. Mixed steps of more than one
 * kind, that can be told from the others, fit c_mixed_request and c_mixed_kv_token. c_token needs a
 * free_tokens: of the powers of the fourth root of two with steps on either side, that with the
 * least sum of squares, if that is less by SGL_STEP_GAIN than without the term, and the straight
 * line is off by more than SGL_STEP_EXACT (root of the mean square). c_expert needs a p_expert:
 * that of the table of experts, else of the powers of the fourth root of two from 0.71 to 1/512
 * that with the least sum of squares, if it is less by SGL_STEP_GAIN_EXPERT: dense models gain less
 * by a term that saturates, mixtures of experts more. Standard errors are for that free_tokens and
 * p_expert.
 */
#ifndef SGL_ANALYSIS_STEP_SAMPLES_H
#define SGL_ANALYSIS_STEP_SAMPLES_H

#include "analysis/calibrate.h"
#include "analysis/model_config.h"

#include <stddef.h>

#define SGL_STEP_GAIN 0.1
#define SGL_STEP_GAIN_EXPERT 0.5
#define SGL_STEP_EXACT 1e-3

enum sgl_step_phase { SGL_STEP_PREFILL, SGL_STEP_DECODE, SGL_STEP_MIXED, SGL_STEP_PHASE_COUNT };

struct sgl_step_sample {
    enum sgl_step_phase phase;
    double requests;
    double decoding; /* of them */
    double prefill_tokens;
    double pairs;   /* sum of chunk (prefix + chunk / 2) */
    double context; /* of the decoding requests, together */
    double step_us;
};

struct sgl_step_samples {
    struct sgl_step_sample *samples; /* owned */
    size_t count;
    size_t capacity;
    size_t skipped_count; /* rows of the file that are no such step, or beyond the worker */
    char model[64];       /* of a step table: what its rows say; else empty */
    char system[64];
    double expert_count;      /* of kernel tables with experts; else 0 */
    double experts_per_token; /* p_expert is this over that */
    char tp[16];              /* of kernel tables: what their path says */
};

/* `where` as of a trace: "column=value,...": the rows wanted; NULL: all, which must then be of one
 * model, tp and system. */
int sgl_step_samples_load_table(struct sgl_step_samples *samples, const char *path,
                                const char *where, struct sgl_failure *failure);

/* What a step of kernels is composed for. */
struct sgl_kernel_scope {
    const struct sgl_worker_model_spec *worker;
    struct sgl_model_shape shape; /* experts of 0: what the table of experts says */
    uint64_t context_max;         /* tokens before a chunk, or of a decoding request; 0: any */
    uint32_t tp;                  /* 0: what the path says, .../tp2/... or ..._tp2_... */
    double link_us;               /* of an all-reduce, however few tokens */
    double link_gb_per_s;         /* 0: the time of all-reduces is not known, and left out */
};

/* `path` is X_attention.csv or .csv.gz; the other two lie beside it, packed or not. */
int sgl_step_samples_load_kernels(struct sgl_step_samples *samples, const char *path,
                                  const struct sgl_kernel_scope *scope,
                                  struct sgl_failure *failure);

int sgl_step_samples_add(struct sgl_step_samples *samples, const struct sgl_step_sample *sample);
void sgl_step_samples_release(struct sgl_step_samples *samples);

struct sgl_step_fit {
    struct sgl_coefficient_fit coefficients[SGL_COEFFICIENT_COUNT];
    int64_t free_tokens; /* of c_token_us; 0 without */
    double p_expert;     /* of c_expert_us; 0 without */
    double condition;    /* of the design, columns of length 1 */
    size_t count[SGL_STEP_PHASE_COUNT];
    double mape[SGL_STEP_PHASE_COUNT];  /* NaN without such steps */
    double worst[SGL_STEP_PHASE_COUNT]; /* largest relative error, with its sign */
    bool is_not_identifiable;
};

int sgl_step_samples_fit(struct sgl_step_fit *fit, const struct sgl_step_samples *samples,
                         struct sgl_failure *failure);

#endif
