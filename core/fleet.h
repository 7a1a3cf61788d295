/*
 * fleet.h - the workers as the router sees them.
 *
 *        index:        0      1      2      3     (dense, never reused)
 *   workers[]       [ url, role, health, report | ... ]
 *   outstanding[]   [  3  |  0  |  7  |  1  ]      sent and not yet answered, by the router's count
 *   assigned[]      [ 90  | 88  | 91  | 12  ]      ever sent
 *   candidates[REGULAR]  -> 0, 1, 3                healthy, not draining, not removed; ascending
 *
 * Breakers and slow starts narrow the candidates of a request down further (eligible.h): they hang
 * on the time, which passes without anybody changing the fleet.
 *
 * The two counters are arrays of their own because policies scan them for every decision.
 * The router owns and changes the fleet; policies read it. Capacity is fixed at creation.
 */
#ifndef SGL_CORE_FLEET_H
#define SGL_CORE_FLEET_H

#include "allocator.h"
#include "breaker.h"
#include "failure.h"
#include "input.h"

struct sgl_worker {
    char *url;   /* owned */
    char *model; /* owned, or NULL */
    enum sgl_pool pool;
    bool is_healthy;
    bool is_draining;
    bool is_removed;
    uint32_t probes_failed;    /* in a row, up to what makes it unhealthy */
    uint32_t probes_succeeded; /* in a row, up to what makes it healthy */

    struct sgl_breaker breaker;
    int64_t well_since_ns; /* when it was last well again; SGL_ABSENT: it always was */

    /* What the worker said last of its queue; reported_ns is SGL_ABSENT until it did. */
    int64_t reported_ns;
    int64_t queue_length;
    uint32_t outstanding_reported; /* outstanding[] when the report came in */

    /* What it said last of the rest, which polls tell and answers do not: a time of its own. */
    int64_t usage_reported_ns;
    int64_t running;    /* SGL_ABSENT when no report had it */
    double token_usage; /* NaN when no report had it */
};

struct sgl_fleet {
    uint32_t worker_count;
    uint32_t worker_max;
    struct sgl_worker *workers;
    uint32_t *outstanding;
    uint64_t *assigned;
    uint32_t *candidates[SGL_POOL_COUNT];
    uint32_t candidate_count[SGL_POOL_COUNT];
    uint32_t tripped_count[SGL_POOL_COUNT]; /* workers whose breaker is not closed */
    int64_t slow_until_ns[SGL_POOL_COUNT];  /* the last slow start is over then */
};

int sgl_fleet_create(struct sgl_fleet *fleet, uint32_t worker_max,
                     const struct sgl_allocator *allocator);
void sgl_fleet_release(struct sgl_fleet *fleet, const struct sgl_allocator *allocator);

/* Adds a healthy worker and gives it the next index. SGL_EINVAL: full, or that url is there
 * already. SGL_ENOMEM: nothing changed. */
int sgl_fleet_add(struct sgl_fleet *fleet, const struct sgl_allocator *allocator,
                  enum sgl_pool pool, const struct sgl_worker_identity *identity,
                  struct sgl_failure *failure);

/* To be called after is_healthy, is_draining or is_removed of a worker of that pool changed. */
void sgl_fleet_refresh(struct sgl_fleet *fleet, enum sgl_pool pool);

/* Files what a worker said of itself. Of each signal, one that is older than what is on file is
 * ignored. */
void sgl_fleet_report(struct sgl_fleet *fleet, uint32_t worker,
                      const struct sgl_load_report *report);

/* Age of the worker's queue report, or SGL_ABSENT when it has none. */
int64_t sgl_fleet_report_age_ns(const struct sgl_fleet *fleet, uint32_t worker, int64_t now_ns);

#endif
