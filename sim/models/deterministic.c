/* deterministic: c servers whose service times are all the same; M/D/c under Poisson arrivals. */
#include "sim/models/server_queue.h"

enum { MEAN_S, SERVERS };

/* clang-format off */
static const struct sgl_parameter table[] = {
    [MEAN_S] = {"mean_s", SGL_PARAMETER_REAL, 1, 0, 1e9, NULL, "service time"},
    [SERVERS] = SGL_SERVERS_ROW(1),
    {0},
};
/* clang-format on */

struct deterministic {
    struct sgl_server_queue queue;
    int64_t service_ns;
};

static int create(void *state, const struct sgl_worker_model_setup *setup,
                  struct sgl_failure *failure)
{
    struct deterministic *self = state;
    const double *value = setup->spec->parameters.value;

    (void)failure;
    sgl_server_queue_init(&self->queue, setup, (int64_t)value[SERVERS]);
    self->service_ns = sgl_service_ns(value[MEAN_S]);
    return SGL_OK;
}

static int arrive(void *state, const struct sgl_job *job, struct sgl_failure *failure)
{
    struct deterministic *self = state;

    return sgl_server_queue_arrive(&self->queue, job, self->service_ns, SGL_ABSENT, failure);
}

const struct sgl_worker_model_ops sgl_worker_model_deterministic = {
    .name = "deterministic",
    .summary = "c servers, first come first served, equal service times",
    .parameters = table,
    .state_size = sizeof(struct deterministic),
    .create = create,
    .arrive = arrive,
    SGL_SERVER_QUEUE_OPS,
};
