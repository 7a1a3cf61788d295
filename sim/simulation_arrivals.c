/* The next row of the source, and when it arrives. */
#include "sim/simulation_state.h"

#include <math.h>

static int64_t scale_time(int64_t time_ns, double rate_scale)
{
    if (rate_scale == 1)
        return time_ns;
    const double scaled = round((double)time_ns / rate_scale);
    return scaled < (double)SGL_SIMULATION_NS_MAX ? (int64_t)scaled : SGL_SIMULATION_NS_MAX;
}

/* In a closed loop: may one more request be sent? */
static bool has_room(const struct sgl_simulation *self)
{
    const struct sgl_simulation_totals *totals = self->totals;

    return self->options->concurrency > 0 &&
           totals->arrived - totals->succeeded - totals->failed < self->options->concurrency;
}

bool sgl_simulation_is_due(const struct sgl_simulation *self)
{
    if (self->is_paused)
        return self->flights.used == 0;
    return self->arrival_ns == self->now_ns || has_room(self);
}

/* When the row that was read arrives, or -1: before the source began. */
static int64_t arrival_of_row(const struct sgl_simulation *self)
{
    const int64_t arrival_ns = self->row.request.arrival_ns;

    return arrival_ns < 0 ? -1
                          : self->origin_ns + scale_time(arrival_ns, self->options->rate_scale);
}

void sgl_simulation_end_pause(struct sgl_simulation *self)
{
    if (!self->is_paused)
        return;
    self->is_paused = false;
    self->arrival_ns = self->now_ns;
    self->origin_ns = 0;
    self->origin_ns = self->now_ns - arrival_of_row(self);
}

int sgl_simulation_read_row_again(struct sgl_simulation *self)
{
    if (self->has_row)
        self->source->ops->give_back(self->source);
    self->is_row_stale = false;
    self->arrival_ns = self->now_ns;
    return sgl_simulation_read_row(self);
}

int sgl_simulation_read_row(struct sgl_simulation *self)
{
    const int status = self->source->ops->next(self->source, &self->row, self->failure);

    if (status < 0)
        return status;
    self->has_row = status == 1;
    if (!self->has_row)
        return SGL_OK;
    if (self->options->pause_before > 0 &&
        self->row.request.request == self->options->pause_before) {
        self->is_paused = true;
        self->arrival_ns = SGL_NEVER;
        return SGL_OK;
    }
    if (self->options->concurrency > 0) {
        self->arrival_ns = has_room(self) ? self->now_ns : SGL_NEVER;
        return SGL_OK;
    }
    const struct sgl_request *request = &self->row.request;
    const int64_t arrival_ns = arrival_of_row(self);
    if (arrival_ns < self->arrival_ns)
        return sgl_fail(self->failure, SGL_EINVAL,
                        "request %lld arrives before the one before it, expected rows in order",
                        (long long)request->request);
    if (arrival_ns >= SGL_SIMULATION_NS_MAX)
        return sgl_fail(
            self->failure, SGL_EINVAL,
            "request %lld arrives too long after the first, expected less than 146 years",
            (long long)request->request);
    self->arrival_ns = arrival_ns;
    return SGL_OK;
}
