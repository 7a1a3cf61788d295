#include "sim/reports.h"

#include "core/failure.h"
#include "core/rng.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_FIRST 64

bool sgl_reports_is_lost(const struct sgl_reports *reports, uint32_t worker, int64_t taken_ns)
{
    if (reports->loss <= 0)
        return false;
    struct sgl_rng draws =
        sgl_rng_stream(reports->seed, SGL_PURPOSE_LOSS, 1, taken_ns / reports->interval_ns, worker);
    return sgl_rng_uniform(&draws) < reports->loss;
}

/* The latest multiple from `first_ns` to `last_ns` since which a report of every worker arrives;
 * first_ns when there is none. Looks at a worker's reports from the last one back to the first that
 * arrives: 1 / (1 - loss) of them on average. */
static int64_t last_poll_heard(const struct sgl_reports *reports, int64_t first_ns, int64_t last_ns)
{
    int64_t poll_ns = last_ns;

    if (reports->loss >= 1)
        return last_ns;
    for (uint32_t worker = 0; worker < reports->worker_count; worker++) {
        int64_t heard_ns = last_ns;
        while (heard_ns > first_ns && sgl_reports_is_lost(reports, worker, heard_ns))
            heard_ns -= reports->interval_ns;
        poll_ns = heard_ns < poll_ns ? heard_ns : poll_ns;
    }
    return poll_ns;
}

int64_t sgl_reports_next_poll_ns(const struct sgl_reports *reports, int64_t now_ns, bool is_idle,
                                 int64_t next_arrival_ns)
{
    const int64_t interval = reports->interval_ns;

    if (interval == 0 || (is_idle && next_arrival_ns == SGL_ABSENT))
        return SGL_ABSENT;
    const int64_t next = (now_ns / interval + 1) * interval;
    if (!is_idle || next_arrival_ns - reports->delay_ns < next)
        return next;
    return last_poll_heard(reports, next,
                           (next_arrival_ns - reports->delay_ns) / interval * interval);
}

static int grow(struct sgl_reports *reports)
{
    const uint32_t capacity = reports->capacity > 0 ? 2 * reports->capacity : CAPACITY_FIRST;
    struct sgl_pending_report *ring =
        capacity > reports->capacity ? malloc(capacity * sizeof *ring) : NULL;

    if (ring == NULL)
        return SGL_ENOMEM;
    for (uint32_t i = 0; i < reports->count; i++)
        ring[i] = reports->ring[(reports->first + i) & (reports->capacity - 1)];
    free(reports->ring);
    reports->ring = ring;
    reports->capacity = capacity;
    reports->first = 0;
    return SGL_OK;
}

int sgl_reports_push(struct sgl_reports *reports, uint32_t worker,
                     const struct sgl_load_report *report)
{
    if (reports->count == reports->capacity && grow(reports) != SGL_OK)
        return SGL_ENOMEM;
    reports->ring[(reports->first + reports->count++) & (reports->capacity - 1)] =
        (struct sgl_pending_report){
            .due_ns = report->reported_ns + reports->delay_ns,
            .worker = worker,
            .report = *report,
        };
    return SGL_OK;
}

const struct sgl_pending_report *sgl_reports_top(const struct sgl_reports *reports)
{
    return reports->count > 0 ? &reports->ring[reports->first] : NULL;
}

void sgl_reports_pop(struct sgl_reports *reports)
{
    assert(reports->count > 0);
    reports->first = (reports->first + 1) & (reports->capacity - 1);
    reports->count--;
}

void sgl_reports_release(struct sgl_reports *reports)
{
    free(reports->ring);
    *reports = (struct sgl_reports){0};
}
