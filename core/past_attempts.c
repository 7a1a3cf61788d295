#include "past_attempts.h"

#include <assert.h>

static void insert(uint32_t *list, uint32_t *count, uint32_t worker)
{
    uint32_t at = *count;

    for (uint32_t i = 0; i < *count; i++)
        if (list[i] == worker)
            return;
    for (; at > 0 && list[at - 1] > worker; at--)
        list[at] = list[at - 1];
    list[at] = worker;
    (*count)++;
}

uint32_t sgl_past_attempts_add(struct sgl_past_attempts *past, uint32_t worker)
{
    uint32_t tries = 0;

    assert(past->count < SGL_PAST_ATTEMPTS_MAX);
    past->tried[past->count++] = worker;
    for (uint32_t i = 0; i < past->count; i++)
        tries += past->tried[i] == worker;
    insert(past->avoided, &past->avoided_count, worker);
    return tries;
}

void sgl_past_attempts_exclude(struct sgl_past_attempts *past, uint32_t worker)
{
    insert(past->excluded, &past->excluded_count, worker);
}

/* Is there a candidate that is not avoided, and whose breaker lets a request through? */
static bool has_another(const struct sgl_past_attempts *past, const struct sgl_fleet *fleet,
                        enum sgl_pool pool, int64_t now_ns)
{
    const uint32_t *candidates = fleet->candidates[pool];
    uint32_t a = 0;

    for (uint32_t i = 0; i < fleet->candidate_count[pool]; i++) {
        while (a < past->avoided_count && past->avoided[a] < candidates[i])
            a++;
        if ((a == past->avoided_count || past->avoided[a] != candidates[i]) &&
            sgl_breaker_admits(&fleet->workers[candidates[i]].breaker, now_ns))
            return true;
    }
    return false;
}

void sgl_past_attempts_route(const struct sgl_past_attempts *past, const struct sgl_fleet *fleet,
                             enum sgl_pool pool, int64_t now_ns, struct sgl_route *route)
{
    const bool avoids = past->avoided_count > 0 && has_another(past, fleet, pool, now_ns);

    route->excluded = avoids ? past->avoided : past->excluded;
    route->excluded_count = avoids ? past->avoided_count : past->excluded_count;
}
