/*
 * eligible.h - which workers a request may be given: the candidates of a decision.
 *
 *      all of the pool    1. not removed, not draining, healthy     fleet->candidates
 *            |            2. not excluded by the route              (failed it before)
 *            |            3. breaker closed, or half open without a trial out
 *            v            none left, and panic is on: again with 2 only, whatever their health
 *      candidates         4. of those well again for less than slow_start_ns, each stays with the
 *                            chance (time since) / slow_start_ns; all stay when none else is left
 *
 * Draws of step 4 come from a stream of their own, so that the policy's luck is what it is without
 * them. Asking changes nothing. Almost always nothing of 2 to 4 applies, and the fleet's own list
 * is the answer.
 */
#ifndef SGL_CORE_ELIGIBLE_H
#define SGL_CORE_ELIGIBLE_H

#include "fleet.h"
#include "limits.h"

struct sgl_eligible_question {
    const struct sgl_fleet *fleet;
    const struct sgl_router_limits *limits; /* resolved */
    uint64_t seed;
    int64_t now_ns;
    enum sgl_pool pool;
    uint32_t attempt;
    const struct sgl_route *route;
};

/* Ascending workers, *count_out of them: those of the fleet's that 2 to 4 leave, in `scratch`,
 * which has room for every worker. */
const uint32_t *sgl_eligible_narrowed(const struct sgl_eligible_question *question,
                                      uint32_t *scratch, uint32_t *count_out);

/* Is nobody of the pool anything else than plainly well? */
static inline bool sgl_eligible_is_plain(const struct sgl_eligible_question *question)
{
    const struct sgl_fleet *fleet = question->fleet;

    return question->route->excluded_count == 0 && fleet->tripped_count[question->pool] == 0 &&
           question->now_ns >= fleet->slow_until_ns[question->pool] &&
           (fleet->candidate_count[question->pool] > 0 || question->limits->panic == 0);
}

/* The same, whatever applies: the fleet's own, or `scratch`. */
static inline const uint32_t *sgl_eligible(const struct sgl_eligible_question *question,
                                           uint32_t *scratch, uint32_t *count_out)
{
    if (!sgl_eligible_is_plain(question))
        return sgl_eligible_narrowed(question, scratch, count_out);
    *count_out = question->fleet->candidate_count[question->pool];
    return question->fleet->candidates[question->pool];
}

#endif
