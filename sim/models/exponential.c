/* exponential: c servers whose service times are exponential; M/M/c under Poisson arrivals. */
#include "sim/models/server_queue.h"

#include "core/rng.h"

enum { MEAN_S, SERVERS };

/* clang-format off */
static const struct sgl_parameter table[] = {
    [MEAN_S] = {"mean_s", SGL_PARAMETER_REAL, 1, 0, 1e9, NULL, "mean service time"},
    [SERVERS] = SGL_SERVERS_ROW(1),
    {0},
};
/* clang-format on */

struct exponential {
    struct sgl_server_queue queue;
    double mean_s;
    uint64_t seed;
};

static int create(void *state, const struct sgl_worker_model_setup *setup,
                  struct sgl_failure *failure)
{
    struct exponential *self = state;
    const double *value = setup->spec->parameters.value;

    (void)failure;
    sgl_server_queue_init(&self->queue, setup, (int64_t)value[SERVERS]);
    self->mean_s = value[MEAN_S];
    self->seed = setup->seed;
    return SGL_OK;
}

/* The draw is named by the request alone: whatever the policy and the worker, the request has the
 * same luck. */
static int arrive(void *state, const struct sgl_job *job, struct sgl_failure *failure)
{
    struct exponential *self = state;
    struct sgl_rng draws =
        sgl_rng_stream(self->seed, SGL_PURPOSE_SERVICE, 0, job->request->request, 0);
    const int64_t service_ns = sgl_service_ns(sgl_rng_exponential(&draws, self->mean_s));

    return sgl_server_queue_arrive(&self->queue, job, service_ns, SGL_ABSENT, failure);
}

const struct sgl_worker_model_ops sgl_worker_model_exponential = {
    .name = "exponential",
    .summary = "c servers, first come first served, exponential service times",
    .parameters = table,
    .state_size = sizeof(struct exponential),
    .create = create,
    .arrive = arrive,
    SGL_SERVER_QUEUE_OPS,
};
