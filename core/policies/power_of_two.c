/*
 * power_of_two: two distinct candidates at random, the less loaded of the two.
 *
 * The load of a pair is `base`: when either of the two lacks that signal, both are judged by
 * outstanding requests. So a pair is always compared by one and the same measure.
 *
 * Chance of worker w among n candidates: each of the n(n-1)/2 pairs is equally likely, so
 *
 *     P(w) = (pairs w wins + 1/2 pairs w ties [first: ties with a higher index]) / (n(n-1)/2)
 *
 * which one pass over the other candidates counts exactly.
 */
#include "core/candidates.h"

#include <math.h>

enum parameter { BASE, TIES };

enum base { BASE_OUTSTANDING, BASE_TOKEN_USAGE, BASE_QUEUE, BASE_RANDOM };

static const struct sgl_parameter parameters[] = {
    [BASE] = {"base", SGL_PARAMETER_CHOICE, BASE_OUTSTANDING, 0, 0,
              "outstanding|token_usage|queue|random",
              "what the pair is compared by; outstanding when either of the two lacks the signal"},
    [TIES] = {"ties", SGL_PARAMETER_CHOICE, SGL_TIES_RANDOM, 0, 0, SGL_TIES_CHOICES, SGL_TIES_HELP},
    {0},
};

struct state {
    enum base base;
    enum sgl_ties ties;
};

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;

    state->base = (enum base)setup->parameters->value[BASE];
    state->ties = (enum sgl_ties)setup->parameters->value[TIES];
    return SGL_OK;
}

/* The worker's load by `base`, or NaN without the signal. */
static double signal_of(enum base base, const struct sgl_fleet *fleet, uint32_t worker)
{
    if (base == BASE_TOKEN_USAGE)
        return fleet->workers[worker].token_usage;
    if (base == BASE_QUEUE && fleet->workers[worker].queue_length != SGL_ABSENT)
        return (double)fleet->workers[worker].queue_length;
    return SGL_ABSENT_REAL;
}

/* Negative when `left` has the lower load, positive when `right` has, 0 when equal. */
static int compare(const struct state *state, const struct sgl_fleet *fleet, uint32_t left,
                   uint32_t right)
{
    if (state->base != BASE_OUTSTANDING) {
        const double a = signal_of(state->base, fleet, left);
        const double b = signal_of(state->base, fleet, right);
        if (!isnan(a) && !isnan(b))
            return (a > b) - (a < b);
    }
    const uint32_t a = fleet->outstanding[left];
    const uint32_t b = fleet->outstanding[right];
    return (a > b) - (a < b);
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    struct sgl_rng draws = view->draws;

    if (view->candidate_count == 1)
        return (struct sgl_choice){view->candidates[0], SGL_REASON_SAMPLED_PAIR};
    const uint32_t i = sgl_rng_below(&draws, view->candidate_count);
    uint32_t j = sgl_rng_below(&draws, view->candidate_count - 1);
    j += j >= i;
    const uint32_t low = view->candidates[i < j ? i : j];
    const uint32_t high = view->candidates[i < j ? j : i];
    if (state->base == BASE_RANDOM)
        return (struct sgl_choice){sgl_rng_below(&draws, 2) == 0 ? low : high,
                                   SGL_REASON_SAMPLED_PAIR};
    const int order = compare(state, view->fleet, low, high);
    if (order != 0)
        return (struct sgl_choice){order < 0 ? low : high, SGL_REASON_SAMPLED_PAIR};
    const bool takes_low = state->ties == SGL_TIES_FIRST || sgl_rng_below(&draws, 2) == 0;
    return (struct sgl_choice){takes_low ? low : high, SGL_REASON_TIE};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;
    const double n = view->candidate_count;
    uint32_t wins = 0;
    uint32_t ties = 0;

    if (view->candidate_count == 1 || state->base == BASE_RANDOM)
        return 1 / n;
    for (uint32_t i = 0; i < view->candidate_count; i++) {
        const uint32_t other = view->candidates[i];
        if (other == worker)
            continue;
        const int order = compare(state, view->fleet, worker, other);
        if (order == 0 && state->ties == SGL_TIES_RANDOM)
            ties++;
        else if (order < 0 || (order == 0 && worker < other))
            wins++;
    }
    return (2.0 * wins + ties) / (n * (n - 1));
}

const struct sgl_policy_ops sgl_policy_power_of_two = {
    .name = "power_of_two",
    .aliases = "pow_two",
    .summary = "two candidates drawn at random, the less loaded of the two",
    .rule = "Two distinct candidates are drawn uniformly; the one with less of `base` gets the "
            "request.\n"
            "base=queue and base=token_usage are what workers reported last.",
    .source = "Mitzenmacher, \"The Power of Two Choices in Randomized Load Balancing\", 2001; "
              "SGLang router",
    .parameters = parameters,
    .state_bytes = sizeof(struct state),
    .create = create,
    .decide = decide,
    .probability = probability,
};
