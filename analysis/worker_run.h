/*
 * worker_run.h - recorded requests through a worker model, along the recorded routing.
 *
 *     recording: request -> worker, time at the worker      model: started, first token, finish
 *
 *         at_worker_ns  --->  [ worker 0 ]  --->  struct sgl_worker_times, one per request
 *                       --->  [ worker 1 ]  --->
 *
 * No router, no policy: each request goes where it went, when it got there. So workers do not
 * touch one another and a run is a pure function of (recording, models): what calibration varies.
 */
#ifndef SGL_ANALYSIS_WORKER_RUN_H
#define SGL_ANALYSIS_WORKER_RUN_H

#include "analysis/recording.h"
#include "sim/worker_model.h"

/* ns since the first arrival; SGL_ABSENT what the model does not say, all of it when it refused. */
struct sgl_worker_times {
    int64_t started_ns;
    int64_t first_token_ns;
    int64_t finish_ns;
};

/* The recording's requests by worker, in order of arrival there; made once, used many times. */
struct sgl_worker_plan {
    const struct sgl_recording *recording; /* borrowed */
    uint32_t *order;                       /* request numbers, worker after worker */
    size_t *starts;                        /* where each worker's begin, and one past the last */
    void *state;                           /* memory for a model */
    size_t state_size;
};

int sgl_worker_plan_make(struct sgl_worker_plan *plan, const struct sgl_recording *recording,
                         struct sgl_failure *failure);
void sgl_worker_plan_release(struct sgl_worker_plan *plan);

/* Every worker w as specs[w]; `times` has one element per request. */
int sgl_worker_plan_run(struct sgl_worker_plan *plan,
                        const struct sgl_worker_model_spec *const *specs, uint64_t seed,
                        struct sgl_worker_times *times, struct sgl_failure *failure);

#endif
