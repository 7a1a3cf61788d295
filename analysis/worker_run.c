#include "worker_run.h"

#include <stdlib.h>
#include <string.h>

int sgl_worker_plan_make(struct sgl_worker_plan *plan, const struct sgl_recording *recording,
                         struct sgl_failure *failure)
{
    uint32_t *by_time = sgl_recording_order(recording);

    *plan = (struct sgl_worker_plan){.recording = recording};
    plan->order = malloc((recording->count > 0 ? recording->count : 1) * sizeof *plan->order);
    plan->starts = calloc((size_t)recording->worker_count + 2, sizeof *plan->starts);
    if (by_time == NULL || plan->order == NULL || plan->starts == NULL) {
        free(by_time);
        sgl_worker_plan_release(plan);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    /* A counting sort by worker, stable: starts[w + 1] goes from where w begins to its end. */
    for (size_t i = 0; i < recording->count; i++)
        plan->starts[recording->requests[i].worker + 2]++;
    for (uint32_t w = 0; w < recording->worker_count; w++)
        plan->starts[w + 2] += plan->starts[w + 1];
    for (size_t i = 0; i < recording->count; i++)
        plan->order[plan->starts[recording->requests[by_time[i]].worker + 1]++] = by_time[i];
    free(by_time);
    return SGL_OK;
}

void sgl_worker_plan_release(struct sgl_worker_plan *plan)
{
    free(plan->order);
    free(plan->starts);
    free(plan->state);
    *plan = (struct sgl_worker_plan){0};
}

/* Files what a worker says; handles are request numbers. */
static void take_event(void *context, const struct sgl_worker_event *event)
{
    struct sgl_worker_times *times = (struct sgl_worker_times *)context + event->handle;

    switch (event->kind) {
    case SGL_WORKER_FIRST_TOKEN:
        times->first_token_ns = event->time_ns + event->delay_ns;
        break;
    case SGL_WORKER_FINISH:
        times->started_ns = event->started_ns;
        times->finish_ns = event->time_ns + event->delay_ns;
        break;
    case SGL_WORKER_REJECT:
    case SGL_WORKER_FORGET:
        break;
    }
}

static int hand_over(const struct sgl_worker_model_ops *ops, void *state,
                     const struct sgl_recorded_request *request, uint32_t number,
                     struct sgl_failure *failure)
{
    const struct sgl_job job = {
        .handle = number,
        .arrival_ns = request->at_worker_ns,
        .max_tokens = request->row.request.max_tokens,
        .output_tokens = request->row.output_tokens,
        .is_stopped = request->row.is_stopped,
        .request = &request->row.request,
        .recorded = &request->row.recorded,
    };

    return ops->arrive(state, &job, failure);
}

/* One worker from its first request to its last answer (the order of an instant is
 * worker_model.h's). */
static int drive(const struct sgl_worker_model_ops *ops, void *state,
                 const struct sgl_worker_plan *plan, uint32_t worker, struct sgl_failure *failure)
{
    const struct sgl_recorded_request *requests = plan->recording->requests;
    const uint32_t *next = plan->order + plan->starts[worker];
    const uint32_t *last = plan->order + plan->starts[worker + 1];
    int status = SGL_OK;

    while (status == SGL_OK) {
        const int64_t arrival_ns = next < last ? requests[*next].at_worker_ns : SGL_NEVER;
        const int64_t event_ns = ops->next_event_ns(state);
        const int64_t now_ns = event_ns < arrival_ns ? event_ns : arrival_ns;
        if (now_ns == SGL_NEVER)
            break;
        if (event_ns == now_ns)
            ops->advance(state, now_ns);
        for (; status == SGL_OK && next < last && requests[*next].at_worker_ns == now_ns; next++)
            status = hand_over(ops, state, &requests[*next], *next, failure);
        if (status == SGL_OK)
            status = ops->schedule(state, now_ns, failure);
    }
    return status;
}

static int run_worker(struct sgl_worker_plan *plan, const struct sgl_worker_model_spec *spec,
                      uint32_t worker, uint64_t seed, struct sgl_worker_times *times,
                      struct sgl_failure *failure)
{
    const struct sgl_worker_model_ops *ops = spec->ops;

    if (plan->state_size < ops->state_size) {
        void *state = realloc(plan->state, ops->state_size);
        if (state == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory");
        plan->state = state;
        plan->state_size = ops->state_size;
    }
    memset(plan->state, 0, ops->state_size);
    int status = ops->create(plan->state,
                             &(struct sgl_worker_model_setup){
                                 .spec = spec, .seed = seed, .emit = take_event, .context = times},
                             failure);
    if (status == SGL_OK)
        status = drive(ops, plan->state, plan, worker, failure);
    ops->destroy(plan->state);
    return status;
}

int sgl_worker_plan_run(struct sgl_worker_plan *plan,
                        const struct sgl_worker_model_spec *const *specs, uint64_t seed,
                        struct sgl_worker_times *times, struct sgl_failure *failure)
{
    int status = SGL_OK;

    for (size_t i = 0; i < plan->recording->count; i++)
        times[i] = (struct sgl_worker_times){SGL_ABSENT, SGL_ABSENT, SGL_ABSENT};
    for (uint32_t w = 0; w < plan->recording->worker_count && status == SGL_OK; w++)
        status = run_worker(plan, specs[w], w, seed, times, failure);
    return status;
}
