/*
 * simulation.h - requests from a source, through the router, to simulated workers, in virtual time.
 *
 *     source --arrival--> route --> worker model --first token, finish--> first_token, complete
 *                         (core)    (worker_model.h)                      (core)
 *
 * Within one instant (one integer nanosecond) the order is: events of all workers (in worker
 * order), then faults, then deliveries to the router (answers in the order they were sent, then
 * load reports, then probes, then deadlines, then attempts that are due again, then those who wait
 * to be let in),
 * then arrivals (in the order of the source), then, after everything else, scheduling of new work.
 * So a completion at T is known to the decision for a request that arrives at T, when answers take
 * no time, and the result is a function of options, source and seed alone.
 *
 * Inputs fed to the router: add_worker for each worker at time 0; then route for each row of the
 * source, first_token where the model knows it, and complete; reject where no worker was to be had
 * (error "no_worker"); report_load; probe_result. What the client measures is measured at the
 * router, in its time:
 *
 *     queue_time = prefill start - arrival at the worker, which is the instant of the decision
 *     ttft       = arrival of the first token at the router - arrival of the request
 *     e2e        = arrival of the whole answer at the router - arrival of the request
 *
 * Faults (fault_plan.h). A worker that goes down loses what it has: each request it has not
 * answered fails with "worker_lost", in the order of the requests; one that is sent to it while it
 * is down fails with "connection_refused". It comes back empty, its prefix cache too, and does not
 * report its load meanwhile. The router knows only what it would see: those failed answers, and
 * probes, which a worker passes unless it is down. With options.retry a failed attempt is tried
 * again, as in live mode by core/retry.h and core/past_attempts.h, unless the router has had its
 * first token (answers stream), or the request is one of a pair; with options.limits a worker that
 * keeps failing is left alone by its breaker (core/breaker.h).
 *
 * Admission (core/admission.h, as in live mode). With options.admission a request is first let in,
 * waits, or is refused; its place is free again when it has ended, retries included. One that waits
 * is routed when it is let in, and its times begin when it arrived. One that is not let in is fed
 * as a reject that no route came before: queue_full or rate_limited when it arrives, queue_timeout
 * when it has waited too long.
 *
 * Deadlines. A request that is request_timeout_ns old and not answered is given up: it is completed
 * with the error timeout, or, when it waits to be let in, rejected with queue_timeout. At
 * client_timeout_ns its client leaves: it is cancelled (or rejected) with client_abort. Of both the
 * earlier counts. Its worker is told at once, and stops after the step under way, or at the end of
 * the prompt that it computes; services without tokens go on to the end, in vain.
 *
 * Pairs. A fleet is regular, or it has prefill and decode workers: then each request goes to one of
 * both, chosen when it arrives, by a policy of each pool. The prefill worker computes the prompt
 * and token 1; its memory travels (transfer.h) and is then let go there; the decode worker takes it
 * over and gives the rest. So a request has two outcomes:
 *
 *     prefill    queue_time as above; e2e to the arrival of its memory; ttft absent; one token
 *     decode     queue_time = start at the decode worker - arrival of the memory; ttft and e2e as
 *                the client sees them, from the arrival of the request; all output tokens
 *
 * When a leg fails the request has failed, and the other leg, if it is still out, is cancelled in
 * the instant the router hears of it, with "pair_lost". Kept prompts serve later ones in the
 * prefill pool; decode workers keep none.
 *
 * The true output length goes to the worker, never to the router. Memory is bounded by the requests
 * in flight and the workers, not by the length of the trace.
 *
 * Errors: SGL_EINVAL names the request or the option; the totals are then what was done so far.
 */
#ifndef SGL_SIM_SIMULATION_H
#define SGL_SIM_SIMULATION_H

#include "core/admission.h"
#include "core/limits.h"
#include "core/policy.h"
#include "core/retry.h"
#include "core/sink.h"
#include "sim/fault_plan.h"
#include "sim/transfer.h"
#include "sim/worker_model.h"
#include "traces/trace.h"

/* Virtual time ends here, 146 years after it began; a run that gets there fails. */
#define SGL_SIMULATION_NS_MAX (INT64_C(1) << 62)

struct sgl_simulation_worker {
    const char *url;
    enum sgl_pool pool;
    const char *model;                        /* NULL when not stated */
    const struct sgl_worker_model_spec *spec; /* which model, with its parameters */
};

/* Everything is borrowed for the call. */
struct sgl_simulation_options {
    uint64_t seed;
    const struct sgl_policy_spec *policy;
    const struct sgl_policy_spec *prefill_policy; /* of pairs; NULL: policy. So the next */
    const struct sgl_policy_spec *decode_policy;
    struct sgl_transfer_options transfer; /* of pairs */
    const struct sgl_simulation_worker *workers;
    uint32_t worker_count;
    int64_t max_new_tokens; /* for requests that state no max_tokens, as if they stated it; DESIGN:
                               2048 */
    double rate_scale; /* arrival times are divided by it, as doubles, and rounded to the nearest
                          nanosecond (halves away from zero); 1: exactly as the source has them */

    /* Staleness: how late the router learns what a worker knows. */
    int64_t response_delay_ns; /* worker's answer -> router: first_token and complete */
    int64_t load_interval_ns;  /* each worker reports its load that often; 0: never. reports.h says
                                  what happens while nothing is in the system */
    int64_t load_delay_ns;     /* and the report takes that long */
    double load_loss;          /* probability that such a report never arrives */
    bool completions_report;   /* answers carry the worker's queue length, as meta_info does */

    double completions_loss; /* probability that an answer comes without its queue length */

    const struct sgl_fault_plan *faults;   /* NULL: none */
    const struct sgl_retry_options *retry; /* NULL: none; looked at where there are faults, for
                                              nothing else fails that may be tried again */
    const struct sgl_admission_options *admission; /* NULL: everybody is let in at once */
    int64_t request_timeout_ns;      /* the router gives up a request that old; 0: never */
    int64_t client_timeout_ns;       /* its client has left by then; 0: never */
    struct sgl_router_limits limits; /* the router's; zeroed: standards, no breakers */
    int64_t health_interval_ns; /* each worker is probed that often, at its multiples; 0: never.
                                   Results take no time. Without faults every probe would pass, so
                                   none is simulated; nor is one that would change nothing */

    uint32_t concurrency; /* closed loop: so many requests are kept in flight, each sent in the
                             instant in which it may be, whatever its arrival_ns; 0: open */
    int64_t until_ns; /* the run is cut after this instant; 0: it goes on to the last answer. What
                         was cut is counted, and the rest of the source is read */

    int64_t pause_before; /* 0: none. The request of this number, and those behind it, are of a new
                             beginning: it arrives in the instant in which nothing is in flight any
                             more, they so long after it as the source says */

    bool cuts_oversize; /* the answer of a request that no worker can hold whole ends where memory
                           does, and one whose prompt is too large fails with over_capacity; else
                           the run is refused */

    /* The warm-up, for the sink's gaps alone: it ends in the instant in which the first request
     * arrives whose number is not less than the one and whose arrival is not before the other. */
    int64_t warm_up_requests;
    int64_t warm_up_ns;

    bool stepwise; /* one engine step at a time, for proof: the same results, slower */

    struct sgl_sink *sink; /* NULL: nobody listens */
    /* ? Called now and then with the requests finished and the virtual time. */
    void (*progress)(void *context, uint64_t finished, int64_t now_ns);
    void *progress_context;
};

/* Conservation: arrived = succeeded + failed + cut_in_flight, or the simulation itself is wrong and
 * says so. */
struct sgl_simulation_totals {
    uint64_t arrived;
    uint64_t succeeded;
    uint64_t failed;    /* no_worker, over_capacity, worker_lost, connection_refused, and */
    uint64_t rejected;  /* of these: not let in */
    uint64_t timed_out; /* of these: given up by the router, let in or not */
    uint64_t abandoned; /* of these: left by their clients, let in or not */
    uint64_t without_max_tokens; /* requests that got max_new_tokens */
    uint64_t cut_to_max_tokens;  /* answers shorter than the true output, which ended there */
    uint64_t cut_to_memory;      /* the same, ended by all the memory that their worker has */
    uint64_t cut_in_flight;      /* by until_ns: arrived, and not answered by then */
    uint64_t retries;            /* attempts after the first of their request */
    uint64_t cut_arrivals;       /* by until_ns: would have arrived later */
    uint64_t steps;              /* engine steps simulated, leapt over ones counted */
    uint64_t segments;           /* worker events it took: of an engine, its steps and its leaps */
    int64_t last_ns;             /* time of the last event; until_ns when it cut the run */
};

int sgl_simulate(const struct sgl_simulation_options *options, struct sgl_source *source,
                 struct sgl_simulation_totals *totals, struct sgl_failure *failure);

#endif
