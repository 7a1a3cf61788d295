/*
 * What the next events will read is fetched into the processor's cache, while it is worked on
 * something else.
 *
 *     turn      of c, third      of b, second        of a, now
 *     fetched   its state        the job that ends   the flight of that job, and what the router
 *                                                    knows of it
 *
 * The states of few workers stay in the cache by themselves, and so does all of few requests. These
 * are hints, which may be wrong, and change no result.
 */
#include "sim/simulation_state.h"

#include "core/prefetch.h"

#define FETCHED_FROM 64      /* workers: the states of fewer stay in the cache */
#define FETCHED_FLIGHTS 4096 /* so with the flights of fewer requests */

void sgl_simulation_fetch_worker(const struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_simulated_worker *worker = &self->workers[index];
    const unsigned char *state = worker->state;

    if (self->options->worker_count < FETCHED_FROM)
        return;
    for (size_t at = 0; at < worker->ops->busy_size; at += SGL_CACHE_LINE)
        sgl_prefetch(state + at);
}

/* The flight that the worker will tell of, if it is known; NULL: it is not. */
static const struct sgl_simulated_flight *next_flight(const struct sgl_simulation *self,
                                                      uint32_t index)
{
    const struct sgl_simulated_worker *worker = &self->workers[index];

    if (self->flights.fresh < FETCHED_FLIGHTS || worker->ops->tells_next == NULL)
        return NULL;
    const uint32_t slot = worker->ops->tells_next(worker->state);
    return slot < self->flights.fresh ? sgl_simulation_flight(self, slot) : NULL;
}

/* What is known of it. */
static void fetch_flight(const struct sgl_simulation *self,
                         const struct sgl_simulated_flight *flight)
{
    if (flight == NULL || !flight->is_used || flight->number >= SGL_GHOST_FLIGHT)
        return;
    sgl_prefetch(sgl_router_flight(self->router, flight->number));
    if (flight->has_progress)
        sgl_prefetch(sgl_simulation_progress_of(self, flight));
}

/* The worker's turn is next. Of few workers states and jobs are there. */
static void fetch_jobs(const struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_simulated_worker *worker = &self->workers[index];

    if (self->options->worker_count < FETCHED_FROM) {
        sgl_prefetch(next_flight(self, index));
        return;
    }
    sgl_simulation_fetch_worker(self, index);
    if (worker->ops->fetch != NULL)
        worker->ops->fetch(worker->state);
}

void sgl_simulation_fetch_next(const struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_contender *next = sgl_tournament_first(&self->turns);

    if (self->options->worker_count < FETCHED_FROM && self->flights.fresh < FETCHED_FLIGHTS)
        return;
    fetch_flight(self, next_flight(self, index));
    if (next->time != SGL_NEVER)
        fetch_jobs(self, next->player);
    if (self->options->worker_count < FETCHED_FROM)
        return;
    const struct sgl_contender other = sgl_tournament_other(&self->turns);
    if (other.time != SGL_NEVER)
        sgl_simulation_fetch_worker(self, other.player);
}
