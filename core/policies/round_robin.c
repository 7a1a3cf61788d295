/*
 * round_robin: candidates take turns.
 *
 *     turn = 3:   workers 0  1  2  3x 4     x = no candidate now
 *                                     ^ the first candidate at or after the turn; wraps to 0
 *
 * The turn moves on only when a request is assigned, to the worker after the one really used.
 */
#include "core/candidates.h"

struct state {
    uint32_t turn;
};

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;

    return (struct sgl_choice){sgl_candidate_in_turn(view, state->turn), SGL_REASON_TURN};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;

    return worker == sgl_candidate_in_turn(view, state->turn) ? 1.0 : 0.0;
}

static int assign(void *opaque, const struct sgl_view *view, uint32_t worker)
{
    struct state *state = opaque;

    (void)view;
    state->turn = worker + 1;
    return SGL_OK;
}

const struct sgl_policy_ops sgl_policy_round_robin = {
    .name = "round_robin",
    .summary = "candidates take turns in worker order",
    .rule = "The first candidate after the worker used last; after the last one the first again.",
    .source = "SGLang router, policy round_robin",
    .state_bytes = sizeof(struct state),
    .decide = decide,
    .probability = probability,
    .assign = assign,
};
