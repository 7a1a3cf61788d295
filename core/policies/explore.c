/*
 * explore: with probability epsilon a uniform candidate, else what the base policy says. It gives
 * any policy propensities above 0 for every candidate, which is what off-policy estimates live on.
 *
 *   state   | own | state of the base policy |
 *
 * P(w) = epsilon / n + (1 - epsilon) * P_base(w). The coin and the uniform draw come from a fork of
 * the request's stream, so the base draws what it would draw alone.
 */
#include "core/candidates.h"

enum parameter { EPSILON, BASE };

#define OWN_DRAWS 1 /* the part of the stream that is explore's */

static const struct sgl_parameter parameters[] = {
    [EPSILON] = {"epsilon", SGL_PARAMETER_REAL, 0.05, 0, 1, NULL,
                 "chance of a uniform candidate instead of the base policy's choice"},
    [BASE] = {"base", SGL_PARAMETER_POLICY, 0, 0, 0, NULL,
              "the policy it wraps, with its parameters; comes last and takes the rest"},
    {0},
};

struct state {
    double epsilon;
    const struct sgl_policy_ops *base;
    void *base_state;
};

static int resolve(struct sgl_parameters *values, struct sgl_failure *failure)
{
    if (values->policy != NULL)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "policy explore: base is missing, expected base=POLICY as the last parameter");
}

static size_t state_size(const struct sgl_parameters *values, uint32_t worker_max)
{
    return sizeof(struct state) + sgl_policy_state_size(values->policy, worker_max);
}

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;
    struct sgl_policy_setup inner = *setup;

    inner.parameters = &setup->parameters->policy->parameters;
    state->epsilon = setup->parameters->value[EPSILON];
    state->base = setup->parameters->policy->ops;
    state->base_state = state + 1;
    return state->base->create != NULL ? state->base->create(state->base_state, &inner) : SGL_OK;
}

static void release(void *opaque)
{
    struct state *state = opaque;

    if (state->base != NULL && state->base->release != NULL)
        state->base->release(state->base_state);
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    struct sgl_rng own = sgl_rng_fork(&view->draws, OWN_DRAWS);

    if (sgl_rng_uniform(&own) < state->epsilon)
        return (struct sgl_choice){view->candidates[sgl_rng_below(&own, view->candidate_count)],
                                   SGL_REASON_EXPLORE};
    return state->base->decide(state->base_state, view);
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;

    return state->epsilon / view->candidate_count +
           (1 - state->epsilon) * state->base->probability(state->base_state, view, worker);
}

static int assign(void *opaque, const struct sgl_view *view, uint32_t worker)
{
    struct state *state = opaque;

    return state->base->assign != NULL ? state->base->assign(state->base_state, view, worker)
                                       : SGL_OK;
}

static void observe(void *opaque, const struct sgl_observation *observation)
{
    struct state *state = opaque;

    if (state->base->observe != NULL)
        state->base->observe(state->base_state, observation);
}

static void event(void *opaque, const struct sgl_fleet *fleet, const struct sgl_input *input)
{
    struct state *state = opaque;

    if (state->base->event != NULL)
        state->base->event(state->base_state, fleet, input);
}

static void explain(const void *opaque, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    const struct state *state = opaque;

    if (state->base->explain != NULL)
        state->base->explain(state->base_state, view, first, count, rows);
}

static void memory(const void *opaque, uint32_t worker, struct sgl_policy_memory *out)
{
    const struct state *state = opaque;

    if (state->base->memory != NULL)
        state->base->memory(state->base_state, worker, out);
}

const struct sgl_policy_ops sgl_policy_explore = {
    .name = "explore",
    .summary = "any policy, with a uniform choice now and then",
    .rule = "With chance epsilon a candidate drawn uniformly (reason explore), else what `base` "
            "chooses,\n"
            "for its reason. P(w) = epsilon / n + (1 - epsilon) * P_base(w).\n"
            "  explore:epsilon=0.05,base=marginal_utility:window_size=40",
    .source = "epsilon-greedy exploration; what makes a log fit for off-policy estimates",
    .parameters = parameters,
    .resolve = resolve,
    .state_size = state_size,
    .create = create,
    .release = release,
    .decide = decide,
    .probability = probability,
    .assign = assign,
    .observe = observe,
    .event = event,
    .explain = explain,
    .memory = memory,
};
