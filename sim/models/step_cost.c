#include "sim/models/step_cost.h"

#include <assert.h>
#include <math.h>

#define PS_PER_NS 1000

static int64_t larger(int64_t left, int64_t right)
{
    return left > right ? left : right;
}

/* A step is a sum of a constant and six products. If none of the seven is more than an eighth of
 * the longest, it is not too long. */
void sgl_step_cost_measure(struct sgl_step_cost *cost)
{
    const int64_t eighth = SGL_STEP_PS_MAX / 8;
    const int64_t constant = larger(cost->prefill_ps, cost->decode_ps);
    int64_t most = larger(1, cost->request_ps);

    most = larger(most, larger(cost->prefill_token_ps, cost->prefill_half_pair_ps));
    most = larger(most, larger(cost->token_ps, cost->mixed_request_ps));
    most = larger(most, cost->kv_token_ps + cost->mixed_kv_token_ps);
    cost->small_count = constant + cost->expert_ps <= eighth ? eighth / most : 0;
}

int64_t sgl_step_ps(const struct sgl_step_cost *cost, const struct sgl_step_load *load)
{
    /* At least as large as each of them. */
    const int64_t counts = load->requests | load->prefill_tokens | load->prefill_half_pairs |
                           load->tokens | load->context;
    int64_t constant = load->has_prefill ? cost->prefill_ps : cost->decode_ps;

    if (load->has_decode && cost->decode_ps > constant)
        constant = cost->decode_ps;
    if (cost->expert_ps > 0)
        constant += (int64_t)round((double)cost->expert_ps *
                                   -expm1(-cost->expert_rate * (double)load->tokens));
    const int64_t beyond = load->tokens > cost->free_tokens ? load->tokens - cost->free_tokens : 0;
    const bool is_mixed = load->has_prefill && load->has_decode;
    const int64_t kv_token_ps = cost->kv_token_ps + (is_mixed ? cost->mixed_kv_token_ps : 0);
    const int64_t mixed_requests = is_mixed ? load->tokens - load->prefill_tokens : 0;
    if (counts >= cost->small_count) {
        const double rough = (double)constant + (double)cost->request_ps * (double)load->requests +
                             (double)cost->prefill_token_ps * (double)load->prefill_tokens +
                             (double)cost->prefill_half_pair_ps * (double)load->prefill_half_pairs +
                             (double)cost->token_ps * (double)beyond +
                             (double)cost->mixed_request_ps * (double)mixed_requests +
                             (double)kv_token_ps * (double)load->context;
        if (rough > (double)SGL_STEP_PS_MAX)
            return -1;
    }
    return constant + cost->request_ps * load->requests +
           cost->prefill_token_ps * load->prefill_tokens +
           cost->prefill_half_pair_ps * load->prefill_half_pairs + cost->token_ps * beyond +
           cost->mixed_request_ps * mixed_requests + kv_token_ps * load->context;
}

int64_t sgl_leap_ps(struct sgl_leap leap, int64_t k)
{
    const uint64_t pairs = (uint64_t)k * (uint64_t)(k - 1) / 2;

    return leap.base_ps * k + leap.slope_ps * (int64_t)pairs;
}

/* The real k with T(k) = target: the positive root of slope/2 k^2 + (base - slope/2) k = target, in
 * the form that neither cancels nor divides by a zero slope. */
static double root(struct sgl_leap leap, double target)
{
    const double linear = (double)leap.base_ps - (double)leap.slope_ps / 2;

    return 2 * target / (linear + sqrt(linear * linear + 2 * (double)leap.slope_ps * target));
}

int64_t sgl_leap_limit(struct sgl_leap leap, int64_t k)
{
    /* Both terms are below 2^58 then. */
    if (k < INT64_C(1) << 16 && leap.base_ps < INT64_C(1) << 42 && leap.slope_ps < INT64_C(1) << 27)
        return k;
    const double steps = (double)k;
    const double rough =
        (double)leap.base_ps * steps + (double)leap.slope_ps * steps * (steps - 1) / 2;

    if (rough <= (double)SGL_STEP_PS_MAX)
        return k;
    const double most = floor(root(leap, (double)SGL_STEP_PS_MAX));
    return most > 1 ? (int64_t)most : 1;
}

int64_t sgl_leap_reach(struct sgl_leap leap, int64_t target_ps, int64_t k)
{
    if (target_ps <= leap.base_ps)
        return 1;
    const double guess = floor(root(leap, (double)target_ps));
    int64_t reach = guess < 1 ? 1 : guess > (double)k ? k : (int64_t)guess;

    while (reach < k && sgl_leap_ps(leap, reach) < target_ps)
        reach++;
    while (reach > 1 && sgl_leap_ps(leap, reach - 1) >= target_ps)
        reach--;
    assert(sgl_leap_ps(leap, reach) >= target_ps);
    return reach;
}

struct sgl_moment sgl_moment_after(struct sgl_moment start, int64_t duration_ps)
{
    /* Dividing what has no sign is cheaper. */
    const int64_t ns = (int64_t)((uint64_t)duration_ps / PS_PER_NS);
    const int64_t ps = start.ps + duration_ps - ns * PS_PER_NS;
    const bool is_beyond = ps >= PS_PER_NS;

    return (struct sgl_moment){
        .ns = start.ns + ns + is_beyond,
        .ps = is_beyond ? ps - PS_PER_NS : ps,
    };
}
