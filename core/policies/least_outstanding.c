/* least_outstanding: the candidate with the fewest requests out at it, by the router's own count.
 */
#include "core/candidates.h"

enum parameter { TIES };

static const struct sgl_parameter parameters[] = {
    [TIES] = {"ties", SGL_PARAMETER_CHOICE, SGL_TIES_RANDOM, 0, 0, SGL_TIES_CHOICES, SGL_TIES_HELP},
    {0},
};

struct state {
    enum sgl_ties ties;
};

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;

    state->ties = (enum sgl_ties)setup->parameters->value[TIES];
    return SGL_OK;
}

static double score(const void *state, const struct sgl_view *view, uint32_t worker)
{
    (void)state;
    return sgl_fewer_is_better(view->fleet->outstanding[worker]);
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    bool is_tie;
    const uint32_t worker = sgl_choose_best(state, view, score, state->ties, &is_tie);

    return (struct sgl_choice){worker, is_tie ? SGL_REASON_TIE : SGL_REASON_SHORTEST};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;

    return sgl_chance_best(state, view, score, state->ties, worker);
}

static void explain(const void *state, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    (void)first;
    for (uint32_t i = 0; i < count; i++)
        rows[i].score = score(state, view, rows[i].worker);
}

const struct sgl_policy_ops sgl_policy_least_outstanding = {
    .name = "least_outstanding",
    .aliases = "least_load",
    .summary = "the candidate with the fewest outstanding requests",
    .rule =
        "score = -outstanding, by the router's own count of requests sent and not yet answered;\n"
        "the highest score wins.",
    .source = "SGLang router, the load-balancing branch of cache_aware",
    .parameters = parameters,
    .state_bytes = sizeof(struct state),
    .create = create,
    .decide = decide,
    .probability = probability,
    .explain = explain,
};
