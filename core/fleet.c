#include "fleet.h"

#include <assert.h>
#include <string.h>

int sgl_fleet_create(struct sgl_fleet *fleet, uint32_t worker_max,
                     const struct sgl_allocator *allocator)
{
    *fleet = (struct sgl_fleet){.worker_max = worker_max};
    fleet->workers = sgl_allocate(allocator, worker_max, sizeof *fleet->workers);
    fleet->outstanding = sgl_allocate(allocator, worker_max, sizeof *fleet->outstanding);
    fleet->assigned = sgl_allocate(allocator, worker_max, sizeof *fleet->assigned);
    bool is_complete =
        fleet->workers != NULL && fleet->outstanding != NULL && fleet->assigned != NULL;
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        fleet->candidates[pool] = sgl_allocate(allocator, worker_max, sizeof(uint32_t));
        is_complete &= fleet->candidates[pool] != NULL;
    }
    if (is_complete)
        return SGL_OK;
    sgl_fleet_release(fleet, allocator);
    return SGL_ENOMEM;
}

void sgl_fleet_release(struct sgl_fleet *fleet, const struct sgl_allocator *allocator)
{
    for (uint32_t w = 0; w < fleet->worker_count; w++) {
        assert(fleet->workers != NULL);
        sgl_resize(allocator, fleet->workers[w].url, 0);
        sgl_resize(allocator, fleet->workers[w].model, 0);
    }
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        sgl_resize(allocator, fleet->candidates[pool], 0);
    sgl_resize(allocator, fleet->workers, 0);
    sgl_resize(allocator, fleet->outstanding, 0);
    sgl_resize(allocator, fleet->assigned, 0);
    memset(fleet, 0, sizeof *fleet);
}

static char *copy_text(const struct sgl_allocator *allocator, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = sgl_resize(allocator, NULL, size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

int sgl_fleet_add(struct sgl_fleet *fleet, const struct sgl_allocator *allocator,
                  enum sgl_pool pool, const struct sgl_worker_identity *identity,
                  struct sgl_failure *failure)
{
    if (fleet->worker_count == fleet->worker_max)
        return sgl_fail(failure, SGL_EINVAL,
                        "add_worker: %u workers were added, the limit of this router (worker_max)",
                        fleet->worker_max);
    for (uint32_t w = 0; w < fleet->worker_count; w++)
        if (!fleet->workers[w].is_removed && strcmp(fleet->workers[w].url, identity->url) == 0)
            return sgl_fail(failure, SGL_EINVAL, "add_worker: %.200s is worker %u already",
                            identity->url, w);

    struct sgl_worker *worker = &fleet->workers[fleet->worker_count];
    *worker = (struct sgl_worker){
        .url = copy_text(allocator, identity->url),
        .model = identity->model != NULL ? copy_text(allocator, identity->model) : NULL,
        .pool = pool,
        .is_healthy = true,
        .well_since_ns = SGL_ABSENT,
        .reported_ns = SGL_ABSENT,
        .usage_reported_ns = SGL_ABSENT,
        .queue_length = SGL_ABSENT,
        .running = SGL_ABSENT,
        .token_usage = SGL_ABSENT_REAL,
    };
    if (worker->url == NULL || (identity->model != NULL && worker->model == NULL)) {
        sgl_resize(allocator, worker->url, 0);
        sgl_resize(allocator, worker->model, 0);
        return sgl_fail(failure, SGL_ENOMEM, "add_worker: out of memory");
    }
    fleet->worker_count++;
    sgl_fleet_refresh(fleet, pool);
    return SGL_OK;
}

void sgl_fleet_refresh(struct sgl_fleet *fleet, enum sgl_pool pool)
{
    uint32_t count = 0;

    for (uint32_t w = 0; w < fleet->worker_count; w++) {
        const struct sgl_worker *worker = &fleet->workers[w];
        if (worker->pool == pool && worker->is_healthy && !worker->is_draining &&
            !worker->is_removed)
            fleet->candidates[pool][count++] = w;
    }
    fleet->candidate_count[pool] = count;
}

void sgl_fleet_report(struct sgl_fleet *fleet, uint32_t worker,
                      const struct sgl_load_report *report)
{
    struct sgl_worker *self = &fleet->workers[worker];

    if (self->reported_ns == SGL_ABSENT || report->reported_ns >= self->reported_ns) {
        self->reported_ns = report->reported_ns;
        self->queue_length = report->queue_length;
        self->outstanding_reported = fleet->outstanding[worker];
    }
    const bool has_usage = report->running != SGL_ABSENT || !isnan(report->token_usage);
    if (has_usage &&
        (self->usage_reported_ns == SGL_ABSENT || report->reported_ns >= self->usage_reported_ns)) {
        self->usage_reported_ns = report->reported_ns;
        self->running = report->running;
        self->token_usage = report->token_usage;
    }
}

int64_t sgl_fleet_report_age_ns(const struct sgl_fleet *fleet, uint32_t worker, int64_t now_ns)
{
    const int64_t reported_ns = fleet->workers[worker].reported_ns;

    return reported_ns != SGL_ABSENT ? now_ns - reported_ns : SGL_ABSENT;
}
