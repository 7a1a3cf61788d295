/*
 * simulation.h - requests from a source, through the router, to simulated workers, in virtual time.
 *
 *     source --arrival--> route --> worker model --first token, finish--> first_token, complete
 *                         (core)    (worker_model.h)                      (core)
 *
 * Within one instant (one integer nanosecond) the order is: events of all workers (in worker order),
 * then deliveries to the router, then arrivals, then scheduling of new work. So the result is a
 * function of options, source and seed alone.
 */
#ifndef SGL_SIM_SIMULATION_H
#define SGL_SIM_SIMULATION_H

#include "core/policy.h"
#include "core/sink.h"
#include "sim/worker_model.h"
#include "traces/trace.h"

struct sgl_simulation_worker {
    const char *url;
    const char *model;                         /* NULL when not stated */
    const struct sgl_worker_model_spec *spec;  /* which model, with its parameters */
};

struct sgl_simulation_options {
    uint64_t seed;
    const struct sgl_policy_spec *policy;
    const struct sgl_simulation_worker *workers;
    uint32_t worker_count;
    int64_t max_new_tokens; /* for requests that state no max_tokens; DESIGN: 2048 */
    double rate_scale;      /* arrival times are divided by it; 1: as the trace has them */

    /* Staleness: how late the router learns what a worker knows. */
    int64_t response_delay_ns; /* worker's answer -> router */
    int64_t load_interval_ns;  /* each worker reports its load that often; 0: never */
    int64_t load_delay_ns;     /* and the report takes that long */
    bool completions_report;   /* answers carry the worker's queue length, as meta_info does */

    bool stepwise; /* one engine step at a time, for proof: the same results, slower */

    struct sgl_sink *sink; /* borrowed; NULL: nobody listens */
    /* ? Called now and then with the requests finished and the virtual time. */
    void (*progress)(void *context, uint64_t finished, int64_t now_ns);
    void *progress_context;
};

/* Conservation: arrived = succeeded + failed, or the simulation itself is wrong and says so. */
struct sgl_simulation_totals {
    uint64_t arrived;
    uint64_t succeeded;
    uint64_t failed;
    uint64_t without_max_tokens; /* requests that got max_new_tokens */
    uint64_t cut_to_max_tokens;  /* true output longer than max_tokens: ended there */
    uint64_t steps;              /* engine steps simulated, leapt over ones counted */
    int64_t last_ns;             /* time of the last event */
};

int sgl_simulate(const struct sgl_simulation_options *options, struct sgl_source *source,
                 struct sgl_simulation_totals *totals, struct sgl_failure *failure);

#endif
