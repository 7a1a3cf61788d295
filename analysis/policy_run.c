#include "policy_run.h"

#include "sim/simulation.h"

#include <stdlib.h>

/* Requests in the order they reached their workers; the router numbers them by that. */
struct ordered_source {
    struct sgl_source source;
    const struct sgl_recording *recording;
    const uint32_t *order;
    size_t next;
};

struct listener {
    struct sgl_sink sink;
    const struct sgl_recording *recording;
    const uint32_t *order;
    struct sgl_worker_times *times;
    uint32_t *workers;
};

static int64_t start_ns(const struct sgl_recording *recording, const uint32_t *order)
{
    return recording->requests[order[0]].at_worker_ns;
}

static int next_row(struct sgl_source *self, struct sgl_trace_row *row_out,
                    struct sgl_failure *failure)
{
    struct ordered_source *source = (struct ordered_source *)self;

    (void)failure;
    if (source->next == source->recording->count)
        return 0;
    const struct sgl_recorded_request *request =
        &source->recording->requests[source->order[source->next]];
    *row_out = request->row;
    row_out->request.request = (int64_t)source->next++;
    row_out->request.arrival_ns =
        request->at_worker_ns - start_ns(source->recording, source->order);
    return 1;
}

static void hear_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    struct listener *listener = (struct listener *)self;
    const uint32_t number = listener->order[record->request];
    const int64_t asked_ns = listener->recording->requests[number].at_worker_ns;
    const struct sgl_outcome *outcome = record->outcome;
    struct sgl_worker_times *times = &listener->times[number];

    if (record->worker != SGL_NO_WORKER)
        listener->workers[number] = record->worker;
    if (!outcome->success)
        return;
    if (outcome->queue_time_ns != SGL_ABSENT)
        times->started_ns = asked_ns + outcome->queue_time_ns;
    if (outcome->ttft_ns != SGL_ABSENT)
        times->first_token_ns = asked_ns + outcome->ttft_ns;
    times->finish_ns = asked_ns + outcome->e2e_ns;
}

static int simulate(struct listener *listener, const struct sgl_policy_run *run,
                    struct sgl_failure *failure)
{
    static const struct sgl_source_ops source_ops = {.next = next_row};
    const struct sgl_recording *recording = listener->recording;
    struct ordered_source source = {
        .source = {.ops = &source_ops}, .recording = recording, .order = listener->order};
    struct sgl_simulation_worker *workers = calloc(recording->worker_count, sizeof *workers);
    struct sgl_simulation_totals totals;

    if (workers == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (uint32_t w = 0; w < recording->worker_count; w++)
        workers[w] =
            (struct sgl_simulation_worker){.url = recording->urls[w], .spec = run->specs[w]};
    const int status = sgl_simulate(
        &(struct sgl_simulation_options){
            .seed = run->seed,
            .policy = run->policy,
            .workers = workers,
            .worker_count = recording->worker_count,
            .max_new_tokens = SGL_JOB_TOKENS_MAX, /* every request states its own */
            .rate_scale = 1,
            .completions_report = true,
            .cuts_oversize = true, /* a row of which nothing was simulated */
            .sink = &listener->sink,
        },
        &source.source, &totals, failure);
    free(workers);
    return status;
}

int sgl_policy_run(const struct sgl_recording *recording, const struct sgl_policy_run *run,
                   struct sgl_worker_times *times, uint32_t *workers_out,
                   struct sgl_failure *failure)
{
    static const struct sgl_sink_ops sink_ops = {.outcome = hear_outcome};
    uint32_t *order = sgl_recording_order(recording);

    if (order == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (size_t i = 0; i < recording->count; i++) {
        times[i] = (struct sgl_worker_times){SGL_ABSENT, SGL_ABSENT, SGL_ABSENT};
        workers_out[i] = recording->requests[i].worker;
    }
    struct listener listener = {
        .sink = {.ops = &sink_ops},
        .recording = recording,
        .order = order,
        .times = times,
        .workers = workers_out,
    };
    const int status = simulate(&listener, run, failure);
    free(order);
    return status;
}
