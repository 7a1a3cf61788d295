/*
 * candidates.h - choosing among candidates: the scan that every "best of" policy shares.
 *
 * A policy gives a score, higher is better and never NaN. The functions are inline so that a score
 * function passed by name is inlined into the scan: a decision over 1,024 workers is one tight
 * loop.
 *
 *     ties = first    the lowest worker index wins, and the choice is certain
 *     ties = random   each of the k best wins with chance 1/k, from the request's own stream
 *     ties = load     the fewest outstanding wins, then the fewest ever assigned, then the lowest
 *                     index; certain
 */
#ifndef SGL_CORE_CANDIDATES_H
#define SGL_CORE_CANDIDATES_H

#include "policy.h"

#include <math.h>

enum sgl_ties { SGL_TIES_FIRST, SGL_TIES_RANDOM, SGL_TIES_LOAD };

#define SGL_TIES_CHOICES "first|random"
#define SGL_TIES_HELP "who wins among equally good candidates: the first, or one drawn at random"

/* -count as a score. The negation is an integer's: gcc 12 folds 0.0 - (double)count into
 * -(double)count, which is -0.0 for none, and no log may hold a -0.0. */
static inline double sgl_fewer_is_better(int64_t count)
{
    return (double)-count;
}

/* Up to so many candidates are compared without branches (measured: who is routed to the least of
 * 16 takes 16 % less time so), and so many at a time are asked for the one behind others. */
#define SGL_CANDIDATES_FEW 64
#define SGL_CANDIDATES_AT_ONCE 16

typedef double sgl_score_function(const void *state, const struct sgl_view *view, uint32_t worker);

/* The best score, the first worker that has it, and how many do. Of a few workers alike in load
 * nobody can guess who is better, so nothing is made to depend on it but masks; of many hardly any
 * is. */
struct sgl_best {
    double score;
    uint32_t worker;
    uint32_t count;
};

static inline struct sgl_best sgl_best_of(const void *state, const struct sgl_view *view,
                                          sgl_score_function *score)
{
    const bool are_many = view->candidate_count > SGL_CANDIDATES_FEW;
    struct sgl_best best = {.score = -INFINITY, .worker = SGL_NO_WORKER};

    for (uint32_t i = 0; i < view->candidate_count; i++) {
        const uint32_t worker = view->candidates[i];
        const double value = score(state, view, worker);
        if (are_many && value < best.score)
            continue;
        const uint32_t is_better = (value > best.score) | (best.count == 0);
        best.worker ^= (best.worker ^ worker) & -is_better;
        best.count = (best.count & (is_better - 1)) + (value >= best.score);
        best.score = value > best.score ? value : best.score;
    }
    return best;
}

/* Of those that have the best score the one behind `skip` others; there must be more than that. */
static inline uint32_t sgl_one_of_best(const void *state, const struct sgl_view *view,
                                       sgl_score_function *score, struct sgl_best best,
                                       uint32_t skip)
{
    uint32_t chosen = best.worker;
    uint32_t passed = 0;

    for (uint32_t i = 0; i < view->candidate_count && passed <= skip;) {
        /* So many are looked at before it is asked whether it was among them. */
        const uint32_t left = view->candidate_count - i;
        const uint32_t next = left < SGL_CANDIDATES_AT_ONCE ? left : SGL_CANDIDATES_AT_ONCE;
        for (const uint32_t end = i + next; i < end; i++) {
            const uint32_t worker = view->candidates[i];
            const uint32_t is_best = score(state, view, worker) == best.score;
            const uint32_t is_it = -(is_best & (uint32_t)(passed == skip));
            chosen ^= (chosen ^ worker) & is_it;
            passed += is_best;
        }
    }
    return chosen;
}

/* Does `worker` win over `other` under ties = load? */
static inline bool sgl_is_less_loaded(const struct sgl_fleet *fleet, uint32_t worker,
                                      uint32_t other)
{
    if (fleet->outstanding[worker] != fleet->outstanding[other])
        return fleet->outstanding[worker] < fleet->outstanding[other];
    if (fleet->assigned[worker] != fleet->assigned[other])
        return fleet->assigned[worker] < fleet->assigned[other];
    return worker < other;
}

/* Among the candidates with the best score, the one that ties = load prefers. */
static inline uint32_t sgl_least_loaded_of_best(const void *state, const struct sgl_view *view,
                                                sgl_score_function *score, struct sgl_best best)
{
    uint32_t chosen = best.worker;

    for (uint32_t i = 0; i < view->candidate_count; i++)
        if (score(state, view, view->candidates[i]) == best.score &&
            sgl_is_less_loaded(view->fleet, view->candidates[i], chosen))
            chosen = view->candidates[i];
    return chosen;
}

/* The chosen worker; *is_tie_out says whether it had equals. */
static inline uint32_t sgl_choose_best(const void *state, const struct sgl_view *view,
                                       sgl_score_function *score, enum sgl_ties ties,
                                       bool *is_tie_out)
{
    const struct sgl_best best = sgl_best_of(state, view, score);

    *is_tie_out = best.count > 1;
    if (best.count <= 1 || ties == SGL_TIES_FIRST)
        return best.worker;
    if (ties == SGL_TIES_LOAD)
        return sgl_least_loaded_of_best(state, view, score, best);
    struct sgl_rng draws = view->draws;
    return sgl_one_of_best(state, view, score, best, sgl_rng_below(&draws, best.count));
}

/* The exact chance that sgl_choose_best chooses `worker`. */
static inline double sgl_chance_best(const void *state, const struct sgl_view *view,
                                     sgl_score_function *score, enum sgl_ties ties, uint32_t worker)
{
    const struct sgl_best best = sgl_best_of(state, view, score);

    if (ties == SGL_TIES_FIRST)
        return worker == best.worker ? 1.0 : 0.0;
    if (ties == SGL_TIES_LOAD)
        return worker == sgl_least_loaded_of_best(state, view, score, best) ? 1.0 : 0.0;
    return score(state, view, worker) == best.score ? 1.0 / best.count : 0.0;
}

/* Where the first candidate with an index of at least `worker` stands in an ascending list; `count`
 * when there is none. */
uint32_t sgl_candidate_position(const uint32_t *candidates, uint32_t count, uint32_t worker);

/* The first candidate with an index of at least `turn`, else the first of all. */
uint32_t sgl_candidate_in_turn(const struct sgl_view *view, uint32_t turn);

#endif
