/*
 * shortest_queue: the candidate whose queue is shortest by its own report.
 *
 * A report counts requests waiting at the worker (running ones not) and ages: past stale_after_s it
 * is no report. With correct=on the router adds what it sent and takes off what came back since:
 *
 *     estimate = max(0, reported queue + outstanding now - outstanding when the report came in)
 *
 * "Since" counts from when the report came in: what was sent while it was under way is not in it.
 *
 *                      correct=on                        correct=off (the reference)
 *     has a report     estimate                          the reported length as it is
 *     has none         its outstanding requests          passed over
 *     nobody has one   `fallback`: turns, or fewest outstanding; the reason is `fallback`
 */
#include "core/candidates.h"

#include <math.h>

enum parameter { CORRECT, FALLBACK, STALE_AFTER, TIES };

enum fallback { FALLBACK_ROUND_ROBIN, FALLBACK_OUTSTANDING };

static const struct sgl_parameter parameters[] = {
    [CORRECT] = {"correct", SGL_PARAMETER_CHOICE, 1, 0, 0, "off|on",
                 "add what was sent and take off what came back since the report"},
    [FALLBACK] = {"fallback", SGL_PARAMETER_CHOICE, FALLBACK_ROUND_ROBIN, 0, 0,
                  "round_robin|outstanding", "what decides while no candidate has a report"},
    [STALE_AFTER] = {"stale_after_s", SGL_PARAMETER_REAL, 10, 0, 1e9, NULL,
                     "a report older than this is no report, in seconds"},
    [TIES] = {"ties", SGL_PARAMETER_CHOICE, SGL_TIES_RANDOM, 0, 0, SGL_TIES_CHOICES, SGL_TIES_HELP},
    {0},
};

struct state {
    bool is_corrected;
    enum fallback fallback;
    int64_t stale_after_ns;
    enum sgl_ties ties;
    uint32_t turn; /* of the round robin fallback */
};

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;
    const double *value = setup->parameters->value;

    state->is_corrected = value[CORRECT] != 0;
    state->fallback = (enum fallback)value[FALLBACK];
    state->stale_after_ns = (int64_t)(value[STALE_AFTER] * 1e9);
    state->ties = (enum sgl_ties)value[TIES];
    return SGL_OK;
}

static bool has_report(const struct state *state, const struct sgl_view *view, uint32_t worker)
{
    const int64_t age_ns = sgl_fleet_report_age_ns(view->fleet, worker, view->now_ns);

    return age_ns != SGL_ABSENT && age_ns <= state->stale_after_ns;
}

static bool anyone_reported(const struct state *state, const struct sgl_view *view)
{
    for (uint32_t i = 0; i < view->candidate_count; i++)
        if (has_report(state, view, view->candidates[i]))
            return true;
    return false;
}

static double score(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;
    const struct sgl_worker *seen = &view->fleet->workers[worker];
    const int64_t outstanding = view->fleet->outstanding[worker];

    if (!has_report(state, view, worker))
        return state->is_corrected ? sgl_fewer_is_better(outstanding) : -INFINITY;
    int64_t length = seen->queue_length;
    if (state->is_corrected)
        length += outstanding - seen->outstanding_reported;
    return sgl_fewer_is_better(length > 0 ? length : 0);
}

static double fallback_score(const void *state, const struct sgl_view *view, uint32_t worker)
{
    (void)state;
    return sgl_fewer_is_better(view->fleet->outstanding[worker]);
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    bool is_tie = false;
    uint32_t worker;

    if (anyone_reported(state, view)) {
        worker = sgl_choose_best(state, view, score, state->ties, &is_tie);
        return (struct sgl_choice){worker, is_tie ? SGL_REASON_TIE : SGL_REASON_SHORTEST};
    }
    if (state->fallback == FALLBACK_OUTSTANDING)
        worker = sgl_choose_best(state, view, fallback_score, state->ties, &is_tie);
    else
        worker = sgl_candidate_in_turn(view, state->turn);
    return (struct sgl_choice){worker, is_tie ? SGL_REASON_TIE : SGL_REASON_FALLBACK};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;

    if (anyone_reported(state, view))
        return sgl_chance_best(state, view, score, state->ties, worker);
    if (state->fallback == FALLBACK_OUTSTANDING)
        return sgl_chance_best(state, view, fallback_score, state->ties, worker);
    return worker == sgl_candidate_in_turn(view, state->turn) ? 1.0 : 0.0;
}

static int assign(void *opaque, const struct sgl_view *view, uint32_t worker)
{
    struct state *state = opaque;

    (void)view;
    state->turn = worker + 1;
    return SGL_OK;
}

/* A worker that is passed over has no score. */
static void explain(const void *opaque, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    const struct state *state = opaque;
    const bool is_reported = anyone_reported(state, view);

    (void)first;
    for (uint32_t i = 0; i < count; i++) {
        double value = SGL_ABSENT_REAL;
        if (is_reported)
            value = score(state, view, rows[i].worker);
        else if (state->fallback == FALLBACK_OUTSTANDING)
            value = fallback_score(state, view, rows[i].worker);
        rows[i].score = isfinite(value) ? value : SGL_ABSENT_REAL;
    }
}

const struct sgl_policy_ops sgl_policy_shortest_queue = {
    .name = "shortest_queue",
    .summary = "the shortest queue as the workers themselves report it",
    .rule =
        "score = -max(0, reported queue length + sent - answered since it came in); the highest\n"
        "wins. A candidate without a report counts its outstanding requests instead. With\n"
        "correct=off the reported length stands as it is and a candidate without one is passed "
        "over.\n"
        "While no candidate has a report, `fallback` decides.",
    .source = "the public fork of SGLang's router that reads meta_info.queue_length; correct=off "
              "is its rule",
    .parameters = parameters,
    .state_bytes = sizeof(struct state),
    .create = create,
    .decide = decide,
    .probability = probability,
    .assign = assign,
    .explain = explain,
};
