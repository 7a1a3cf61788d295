#include "eligible.h"

#include "rng.h"

#include <string.h>

/* Leaves out who is among the excluded; both lists ascend. */
static uint32_t without_excluded(const struct sgl_route *route, const uint32_t *workers,
                                 uint32_t count, uint32_t *out)
{
    uint32_t kept = 0;
    uint32_t e = 0;

    for (uint32_t i = 0; i < count; i++) {
        while (e < route->excluded_count && route->excluded[e] < workers[i])
            e++;
        if (e == route->excluded_count || route->excluded[e] != workers[i])
            out[kept++] = workers[i];
    }
    return kept;
}

static uint32_t without_tripped(const struct sgl_eligible_question *question, uint32_t *workers,
                                uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++)
        if (sgl_breaker_admits(&question->fleet->workers[workers[i]].breaker, question->now_ns))
            workers[kept++] = workers[i];
    return kept;
}

static uint32_t in_panic(const struct sgl_eligible_question *question, uint32_t *out)
{
    const struct sgl_fleet *fleet = question->fleet;
    uint32_t count = 0;

    for (uint32_t w = 0; w < fleet->worker_count; w++) {
        const struct sgl_worker *worker = &fleet->workers[w];
        if (worker->pool == question->pool && !worker->is_draining && !worker->is_removed)
            out[count++] = w;
    }
    return without_excluded(question->route, out, count, out);
}

static bool has_its_turn(const struct sgl_eligible_question *question, uint32_t worker)
{
    const int64_t slow_start_ns = (int64_t)question->limits->slow_start_ns;
    const int64_t well_ns = question->fleet->workers[worker].well_since_ns;

    if (well_ns == SGL_ABSENT || question->now_ns - well_ns >= slow_start_ns)
        return true;
    const struct sgl_rng stream =
        sgl_rng_stream(question->seed, SGL_PURPOSE_SLOW_START, question->pool,
                       question->route->request->request, question->attempt);
    struct sgl_rng draws = sgl_rng_fork(&stream, worker);
    return sgl_rng_uniform(&draws) < (double)(question->now_ns - well_ns) / (double)slow_start_ns;
}

static uint32_t without_slow(const struct sgl_eligible_question *question, uint32_t *workers,
                             uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++)
        kept += has_its_turn(question, workers[i]);
    if (kept == 0 || kept == count)
        return count;
    kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (has_its_turn(question, workers[i]))
            workers[kept++] = workers[i];
    return kept;
}

const uint32_t *sgl_eligible_narrowed(const struct sgl_eligible_question *question,
                                      uint32_t *scratch, uint32_t *count_out)
{
    const struct sgl_fleet *fleet = question->fleet;
    const uint32_t *well = fleet->candidates[question->pool];
    const uint32_t well_count = fleet->candidate_count[question->pool];

    uint32_t count = without_excluded(question->route, well, well_count, scratch);
    count = without_tripped(question, scratch, count);
    if (count == 0 && question->limits->panic != 0)
        count = in_panic(question, scratch);
    else if (question->now_ns < fleet->slow_until_ns[question->pool])
        count = without_slow(question, scratch, count);
    *count_out = count;
    return scratch;
}
