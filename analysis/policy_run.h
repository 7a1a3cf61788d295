/*
 * policy_run.h - recorded requests through a routing policy and simulated workers.
 *
 * As worker_run.h, but a policy says where each request goes. A request asks at the time it reached
 * its worker when it was recorded, so what passed before (tokenizing, the client's way) is as
 * recorded on both sides. The policy learns of an answer when it is there.
 */
#ifndef SGL_ANALYSIS_POLICY_RUN_H
#define SGL_ANALYSIS_POLICY_RUN_H

#include "analysis/worker_run.h"
#include "core/policy.h"

struct sgl_policy_run {
    const struct sgl_policy_spec *policy;
    const struct sgl_worker_model_spec *const *specs; /* of each worker */
    uint64_t seed;
};

/* `times` and `workers_out` have one element per request of the recording. */
int sgl_policy_run(const struct sgl_recording *recording, const struct sgl_policy_run *run,
                   struct sgl_worker_times *times, uint32_t *workers_out,
                   struct sgl_failure *failure);

#endif
