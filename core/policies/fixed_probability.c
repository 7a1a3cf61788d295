/*
 * fixed_probability: worker i with probability p[i], renormalised over the candidates.
 *
 *     p = 0.5 / 0.3 / 0.2      worker 1 is down      chances 0.5/0.7, 0, 0.2/0.7
 *
 * One uniform draw walks the cumulated weights. When every candidate has weight 0 (all that have
 * some are down), the draw is uniform and the reason is `fallback`.
 */
#include "core/policy.h"

#include <math.h>

enum parameter { P };

#define SUM_TOLERANCE 1e-6 /* 1/3 written as 0.3333333 is meant as a third */

static const struct sgl_parameter parameters[] = {
    [P] = {"p", SGL_PARAMETER_REALS, 0, 0, 1, NULL,
           "probability of each worker in order, such as 0.5/0.3/0.2; their sum is 1; none: equal"},
    {0},
};

struct state {
    const double *weights; /* of worker 0 .. count - 1; a later worker has none */
    uint32_t count;        /* 0: equal */
};

static int resolve(struct sgl_parameters *values, struct sgl_failure *failure)
{
    double sum = 0;

    for (uint32_t i = 0; i < values->list_count; i++)
        sum += values->list[i];
    if (values->list_count > 0 && fabs(sum - 1) > SUM_TOLERANCE)
        return sgl_fail(failure, SGL_EINVAL,
                        "policy fixed_probability: p has the sum %.9g, expected 1", sum);
    return SGL_OK;
}

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;

    state->weights = setup->parameters->list;
    state->count = setup->parameters->list_count;
    return SGL_OK;
}

static double weight(const struct state *state, uint32_t worker)
{
    if (state->count == 0)
        return 1;
    return worker < state->count ? state->weights[worker] : 0;
}

static double weight_sum(const struct state *state, const struct sgl_view *view)
{
    double sum = 0;

    for (uint32_t i = 0; i < view->candidate_count; i++)
        sum += weight(state, view->candidates[i]);
    return sum;
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    const double sum = weight_sum(state, view);
    struct sgl_rng draws = view->draws;

    if (!(sum > 0))
        return (struct sgl_choice){view->candidates[sgl_rng_below(&draws, view->candidate_count)],
                                   SGL_REASON_FALLBACK};
    const double drawn = sgl_rng_uniform(&draws) * sum;
    double below = 0;
    uint32_t chosen = SGL_NO_WORKER;
    for (uint32_t i = 0; i < view->candidate_count; i++) {
        const double own = weight(state, view->candidates[i]);
        if (own > 0)
            chosen =
                view->candidates[i]; /* the last one with weight, should rounding pass the end */
        below += own;
        if (drawn < below)
            break;
    }
    return (struct sgl_choice){chosen, SGL_REASON_PROBABILITY};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;
    const double sum = weight_sum(state, view);

    return sum > 0 ? weight(state, worker) / sum : 1.0 / view->candidate_count;
}

static void explain(const void *opaque, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    (void)view;
    (void)first;
    for (uint32_t i = 0; i < count; i++)
        rows[i].score = weight(opaque, rows[i].worker);
}

const struct sgl_policy_ops sgl_policy_fixed_probability = {
    .name = "fixed_probability",
    .summary = "each worker with a probability of its own",
    .rule = "Worker i has chance p[i] / (sum of p over the candidates). With all of those 0: 1/n.",
    .source = "weighted random balancing; the logging policy of off-policy studies",
    .parameters = parameters,
    .resolve = resolve,
    .state_bytes = sizeof(struct state),
    .create = create,
    .decide = decide,
    .probability = probability,
    .explain = explain,
};
