/*
 * past_attempts.h - where a request was tried before, and so which workers its next attempt leaves
 * out.
 *
 *      tried      [ 2 ][ 0 ][ 2 ]      the worker of each attempt that ended, in order
 *      avoided    { 0, 2 }             all of them: another is taken while there is one
 *      excluded   { 2 }                those it may not go to again at all (retry.h says when)
 *
 * Memory: a plain value, no allocation. The lists ascend, as a route wants them.
 */
#ifndef SGL_CORE_PAST_ATTEMPTS_H
#define SGL_CORE_PAST_ATTEMPTS_H

#include "fleet.h"
#include "input.h"

#define SGL_PAST_ATTEMPTS_MAX 64

/* All zero: none. */
struct sgl_past_attempts {
    uint32_t count;
    uint32_t avoided_count;
    uint32_t excluded_count;
    uint32_t tried[SGL_PAST_ATTEMPTS_MAX];
    uint32_t avoided[SGL_PAST_ATTEMPTS_MAX];
    uint32_t excluded[SGL_PAST_ATTEMPTS_MAX];
};

/* One more attempt ended at that worker; there is room. Returns how many ended there. */
uint32_t sgl_past_attempts_add(struct sgl_past_attempts *past, uint32_t worker);

/* It may not go to that worker again. */
void sgl_past_attempts_exclude(struct sgl_past_attempts *past, uint32_t worker);

/* Sets whom the route excludes: all avoided ones, when a candidate of the pool is left whose
 * breaker lets a request through, else those excluded for good. Borrowed from `past`. */
void sgl_past_attempts_route(const struct sgl_past_attempts *past, const struct sgl_fleet *fleet,
                             enum sgl_pool pool, int64_t now_ns, struct sgl_route *route);

#endif
