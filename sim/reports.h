/*
 * reports.h - load reports of workers: when they are taken, and which are on their way.
 *
 *     time    0        I        2I       3I                     nI   arrival
 *             |--------*--------*--------*- - - - idle - - - - -*----|---
 *                      taken: every worker's load               taken again
 *                       `--delay--> router
 *
 * Reports are taken of every worker at each multiple of the interval, from the first on. While
 * nothing is in the system every report would say the same, and only the last one before the next
 * arrival could be looked at. So an idle fleet is not polled until the last multiple whose report
 * still reaches the router by the next arrival: every decision sees the queue lengths and the ages
 * it would have seen, and a gap of a hundred years costs nothing.
 *
 * A report may be lost. Then the last one before the arrival is not enough: the fleet is polled
 * from the last multiple on since which a report of every worker gets through. Which are lost is a
 * draw keyed by the multiple and the worker, so it does not depend on which are taken.
 *
 * Times in integer nanoseconds.
 */
#ifndef SGL_SIM_REPORTS_H
#define SGL_SIM_REPORTS_H

#include "core/input.h"

struct sgl_pending_report {
    int64_t due_ns;
    uint32_t worker;
    struct sgl_load_report report;
};

/* A queue in order of due_ns, for the delay is the same for all. A zeroed struct with the
 * parameters set is ready. */
struct sgl_reports {
    int64_t interval_ns; /* 0: no reports */
    int64_t delay_ns;
    double loss; /* probability that a report does not arrive */
    uint64_t seed;
    uint32_t worker_count;
    struct sgl_pending_report *ring; /* capacity is a power of two */
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
};

/* When to poll next after `now_ns`; SGL_ABSENT for never. `next_arrival_ns` is SGL_ABSENT when no
 * request will come any more. */
int64_t sgl_reports_next_poll_ns(const struct sgl_reports *reports, int64_t now_ns, bool is_idle,
                                 int64_t next_arrival_ns);

/* Does the report that the worker sends at that multiple of the interval get lost? */
bool sgl_reports_is_lost(const struct sgl_reports *reports, uint32_t worker, int64_t taken_ns);

int sgl_reports_push(struct sgl_reports *reports, uint32_t worker,
                     const struct sgl_load_report *report);

/* The next to arrive, or NULL. Borrowed until the next change. */
const struct sgl_pending_report *sgl_reports_top(const struct sgl_reports *reports);
void sgl_reports_pop(struct sgl_reports *reports);

void sgl_reports_release(struct sgl_reports *reports);

#endif
