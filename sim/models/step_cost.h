/*
 * step_cost.h - how long engine steps take, in integer picoseconds, and how to leap over many.
 *
 * One step (DESIGN, section 6), with R sequences in it, P prefill tokens, chunks of `chunk` tokens
 * behind `prefix` tokens already prefilled, and contexts of the decoding sequences:
 *
 *     step = c_step + c_request R + c_prefill_token P
 *          + c_prefill_context * sum of chunk (prefix + chunk/2) + c_kv_token * sum of context
 *
 * and, for mixtures of experts, c_expert (1 - (1 - p_expert)^T) for the T tokens of the step: of E
 * experts of which each token needs K by chance, that share (p_expert = K/E) is needed by somebody,
 * and each has to be read from memory once. While a batch keeps its members T stays, and so the
 * term. Beside it, of the T tokens of the step and in a mixed step of D decoding sequences:
 *
 *     + c_token max(0, T - free_tokens)
 *     + c_mixed_request D + c_mixed_kv_token * sum of context          prefill and decode in one
 *
 * The first is the roofline of the dense kernels (Williams, Waterman, Patterson, Roofline, 2009):
 * they take the time to read the weights, w, or that to compute, c_token T, whichever is longer;
 * max(w, c_token T) = w + c_token max(0, T - free_tokens) with free_tokens = w / c_token; w is a
 * part of c_step. T stays while a batch keeps its members. The second is that attention kernels for
 * prompts of several lengths are slower on single tokens than those for decoding alone: measured in
 * the tables of ../shared/data/llmservingsim_profile_*, by a factor of 2 and more. No leap has such
 * a step. All three are 0 unless given.
 *
 * Coefficients are folded, scale included, into whole picoseconds when a worker is created; the sum
 * over chunks is kept in half pairs, chunk (2 prefix + chunk), with half the coefficient. So no
 * step is rounded and a million steps drift by nothing.
 *
 * Leap: while a decode batch keeps its R members each step lengthens every context by one, so
 *
 *     step j (from 0)  =  base + slope j         base  = c_step + c_request R + c_kv_token S
 *     k steps, T(k)    =  base k + slope k(k-1)/2        slope = c_kv_token R
 *
 *      |<-- base -->|<- base + slope ->|<- base + 2 slope ->|     T(k) in closed form: jump there
 *
 * All products fit in 64 bits because a leap never lasts longer than SGL_STEP_PS_MAX (2^60 ps,
 * about 13 days): longer ones are cut into several, which changes no result.
 */
#ifndef SGL_SIM_MODELS_STEP_COST_H
#define SGL_SIM_MODELS_STEP_COST_H

#include <stdbool.h>
#include <stdint.h>

#define SGL_STEP_PS_MAX (INT64_C(1) << 60)

struct sgl_step_cost {
    int64_t prefill_ps; /* constant of a step; of a mixed one the larger of the two */
    int64_t decode_ps;
    int64_t request_ps;
    int64_t prefill_token_ps;
    int64_t prefill_half_pair_ps;
    int64_t kv_token_ps;
    int64_t expert_ps;
    double expert_rate; /* -ln(1 - p_expert); may be infinite */
    int64_t token_ps;   /* of the tokens beyond free_tokens */
    int64_t free_tokens;
    int64_t mixed_request_ps; /* for those that decode beside a prefill */
    int64_t mixed_kv_token_ps;
    int64_t small_count; /* no step with counts below this is too long (sgl_step_cost_measure) */
};

/* What a step works on. */
struct sgl_step_load {
    bool has_prefill;
    bool has_decode;
    int64_t requests;
    int64_t prefill_tokens;
    int64_t prefill_half_pairs;
    int64_t tokens;  /* prefill tokens, and one for each decoding request */
    int64_t context; /* of the decoding requests, together */
};

struct sgl_leap {
    int64_t base_ps;
    int64_t slope_ps;
};

/* Sets small_count, when all else is set. Without it each step is looked at closely. */
void sgl_step_cost_measure(struct sgl_step_cost *cost);

/* Duration of one step; negative when it would pass SGL_STEP_PS_MAX. */
int64_t sgl_step_ps(const struct sgl_step_cost *cost, const struct sgl_step_load *load);

/* T(k), for a k from 0 that sgl_leap_limit allows, less than 2^32. */
int64_t sgl_leap_ps(struct sgl_leap leap, int64_t k);

/* The most steps, at least one and at most `k`, whose T is known to fit. base_ps >= slope_ps / 2.
 */
int64_t sgl_leap_limit(struct sgl_leap leap, int64_t k);

/* The least step count from 1 to `k` with T >= target_ps; T(k) >= target_ps must hold. */
int64_t sgl_leap_reach(struct sgl_leap leap, int64_t target_ps, int64_t k);

/* A moment in exact time. Times as reported are whole nanoseconds, rounded up: so nothing is
 * reported before it happened, and a step that ends between two instants belongs to the later. */
struct sgl_moment {
    int64_t ns;
    int64_t ps; /* 0 to 999 */
};

/* `duration_ps` is at least 0. */
struct sgl_moment sgl_moment_after(struct sgl_moment start, int64_t duration_ps);

static inline int64_t sgl_moment_ns(struct sgl_moment moment)
{
    return moment.ns + (moment.ps > 0);
}

#endif
