/* random: a candidate drawn uniformly. No state, no parameters. */
#include "core/policy.h"

static struct sgl_choice decide(const void *state, const struct sgl_view *view)
{
    struct sgl_rng draws = view->draws;

    (void)state;
    return (struct sgl_choice){view->candidates[sgl_rng_below(&draws, view->candidate_count)],
                               SGL_REASON_UNIFORM};
}

static double probability(const void *state, const struct sgl_view *view, uint32_t worker)
{
    (void)state;
    (void)worker;
    return 1.0 / view->candidate_count;
}

const struct sgl_policy_ops sgl_policy_random = {
    .name = "random",
    .summary = "a candidate drawn uniformly",
    .rule = "Each of the n candidates has chance 1/n.",
    .source = "SGLang router, policy random",
    .decide = decide,
    .probability = probability,
};
