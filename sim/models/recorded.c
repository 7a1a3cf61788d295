/*
 * recorded: each request is served as long as it was when the trace was taken.
 *
 *     service = finish_time - queue_time_end        first token = server_first_token_time
 *                                                                 - queue_time_end, where recorded
 *
 * Servers are unlimited unless given, for the recorded time already holds what a busy worker cost.
 */
#include "sim/models/server_queue.h"

enum { SERVERS };

/* clang-format off */
static const struct sgl_parameter table[] = {
    [SERVERS] = SGL_SERVERS_ROW(0),
    {0},
};
/* clang-format on */

static int create(void *state, const struct sgl_worker_model_setup *setup,
                  struct sgl_failure *failure)
{
    struct sgl_server_queue *self = state;

    (void)failure;
    sgl_server_queue_init(self, setup, (int64_t)setup->spec->parameters.value[SERVERS]);
    return SGL_OK;
}

static int arrive(void *state, const struct sgl_job *job, struct sgl_failure *failure)
{
    const struct sgl_recorded *recorded = job->recorded;
    int64_t first_token_ns = SGL_ABSENT;

    if (recorded == NULL || recorded->queue_end_ns == SGL_ABSENT ||
        recorded->finish_ns == SGL_ABSENT)
        return sgl_fail(failure, SGL_EINVAL,
                        "the trace has no queue_time_end and finish_time for it, which the model "
                        "recorded needs");
    const uint64_t service_ns = (uint64_t)recorded->finish_ns - (uint64_t)recorded->queue_end_ns;
    if (recorded->finish_ns < recorded->queue_end_ns || service_ns > SGL_SERVICE_NS_MAX)
        return sgl_fail(failure, SGL_EINVAL,
                        "its recorded finish_time is before its queue_time_end or over 36 years "
                        "after it");
    if (recorded->first_token_ns != SGL_ABSENT) {
        if (recorded->first_token_ns < recorded->queue_end_ns ||
            recorded->first_token_ns > recorded->finish_ns)
            return sgl_fail(failure, SGL_EINVAL,
                            "its recorded server_first_token_time is not between its "
                            "queue_time_end and finish_time");
        first_token_ns = recorded->first_token_ns - recorded->queue_end_ns;
    }
    return sgl_server_queue_arrive(state, job, (int64_t)service_ns, first_token_ns, failure);
}

const struct sgl_worker_model_ops sgl_worker_model_recorded = {
    .name = "recorded",
    .summary = "service times of the trace: finish_time - queue_time_end",
    .parameters = table,
    .state_size = sizeof(struct sgl_server_queue),
    .create = create,
    .arrive = arrive,
    SGL_SERVER_QUEUE_OPS,
};
