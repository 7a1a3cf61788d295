#include "recorded_runs.h"

#include "core/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int status, const struct sgl_failure *failure)
{
    if (status == SGL_OK)
        return;
    fprintf(stderr, "%s\n", failure->text);
    abort();
}

static int64_t between(struct sgl_rng *draws, int64_t least, int64_t most)
{
    return least + (int64_t)sgl_rng_below(draws, (uint32_t)(most - least + 1));
}

/* Log-normal around the median when there is one, of a spread like ShareGPT's; else uniform. */
static int64_t draw_length(struct sgl_rng *draws, double median, int64_t least, int64_t most)
{
    if (median == 0)
        return between(draws, least, most);
    const int64_t length = llround(median * exp(0.9 * sgl_rng_normal(draws)));
    return length < least ? least : length > most ? most : length;
}

static void name_workers(struct sgl_recording *recording, uint32_t count)
{
    char *names;

    recording->urls = malloc(count * (sizeof *recording->urls + 16));
    if (recording->urls == NULL)
        abort();
    names = (char *)(recording->urls + count);
    for (uint32_t w = 0; w < count; w++) {
        recording->urls[w] = names + 16 * w;
        snprintf(recording->urls[w], 16, "w%u", w);
    }
    recording->worker_count = count;
    recording->format = "made";
}

#define NOISE_NS 10000000 /* a step or less */

/* One worker, noisy: as the plan runs it, and every NOISE_NS its pace is drawn anew. */
struct noisy_worker {
    const struct sgl_worker_model_ops *ops;
    void *state;
    struct sgl_rng draws;
    double noise;
};

static void take_event(void *context, const struct sgl_worker_event *event)
{
    struct sgl_worker_times *times = (struct sgl_worker_times *)context + event->handle;

    if (event->kind == SGL_WORKER_FIRST_TOKEN)
        times->first_token_ns = event->time_ns + event->delay_ns;
    if (event->kind == SGL_WORKER_FINISH) {
        times->started_ns = event->started_ns;
        times->finish_ns = event->time_ns + event->delay_ns;
    }
}

static void arrive(const struct noisy_worker *it, const struct sgl_recorded_request *request,
                   uint32_t number)
{
    struct sgl_failure failure;

    check(it->ops->arrive(it->state,
                          &(struct sgl_job){.handle = number,
                                            .arrival_ns = request->at_worker_ns,
                                            .max_tokens = request->row.request.max_tokens,
                                            .output_tokens = request->row.output_tokens,
                                            .request = &request->row.request,
                                            .recorded = &request->row.recorded},
                          &failure),
          &failure);
}

static void drive(struct noisy_worker *it, const struct sgl_recording *recording, uint32_t worker)
{
    struct sgl_failure failure;
    int64_t noise_ns = 0;
    size_t next = 0;

    for (;;) {
        while (next < recording->count && recording->requests[next].worker != worker)
            next++;
        const int64_t event_ns = it->ops->next_event_ns(it->state);
        const int64_t arrival_ns =
            next < recording->count ? recording->requests[next].at_worker_ns : SGL_NEVER;
        int64_t now_ns = event_ns < arrival_ns ? event_ns : arrival_ns;
        if (now_ns == SGL_NEVER)
            break;
        if (it->noise > 0 && noise_ns < now_ns)
            now_ns = noise_ns;
        if (event_ns == now_ns)
            it->ops->advance(it->state, now_ns);
        if (it->noise > 0 && noise_ns == now_ns) {
            it->ops->slow(it->state, now_ns, exp(it->noise * sgl_rng_normal(&it->draws)));
            noise_ns += NOISE_NS;
        }
        for (; next < recording->count && recording->requests[next].at_worker_ns <= now_ns; next++)
            if (recording->requests[next].worker == worker)
                arrive(it, &recording->requests[next], (uint32_t)next);
        check(it->ops->schedule(it->state, now_ns, &failure), &failure);
    }
}

static void run_worker(const struct sgl_recording *recording, const struct sgl_made_run *run,
                       const struct sgl_worker_model_spec *truth, uint32_t worker,
                       struct sgl_worker_times *times)
{
    struct noisy_worker it = {
        .ops = truth->ops,
        .state = calloc(1, truth->ops->state_size),
        .draws = sgl_rng_stream(run->seed, SGL_PURPOSE_SERVICE, worker, 0, 8),
        .noise = run->step_noise,
    };
    struct sgl_failure failure;

    if (it.state == NULL)
        abort();
    check(it.ops->create(it.state,
                         &(struct sgl_worker_model_setup){
                             .spec = truth, .seed = 1, .emit = take_event, .context = times},
                         &failure),
          &failure);
    drive(&it, recording, worker);
    it.ops->destroy(it.state);
    free(it.state);
}

/* What is measured: the model's times, each duration off by its own noise. */
static void measure(struct sgl_recording *recording, const struct sgl_made_run *run,
                    const struct sgl_worker_model_spec *truth)
{
    struct sgl_worker_times *times = calloc(recording->count, sizeof *times);
    struct sgl_rng draws = sgl_rng_stream(run->seed, SGL_PURPOSE_SERVICE, 0, 0, 7);

    if (times == NULL)
        abort();
    for (uint32_t w = 0; w < run->worker_count; w++)
        run_worker(recording, run, truth, w, times);
    for (size_t i = 0; i < recording->count; i++) {
        struct sgl_recorded_request *request = &recording->requests[i];
        const double queue = (double)(times[i].started_ns - request->at_worker_ns);
        const double prefill = (double)(times[i].first_token_ns - times[i].started_ns);
        const double decode = (double)(times[i].finish_ns - times[i].first_token_ns);
        request->started_ns = request->at_worker_ns + llround(queue);
        request->first_token_ns =
            request->started_ns + llround(prefill * exp(run->noise * sgl_rng_normal(&draws)));
        request->finish_ns =
            request->first_token_ns + llround(decode * exp(run->noise * sgl_rng_normal(&draws)));
    }
    free(times);
}

void sgl_make_recording(struct sgl_recording *recording, const struct sgl_made_run *run,
                        const struct sgl_worker_model_spec *truth)
{
    struct sgl_rng arrivals = sgl_rng_stream(run->seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_rng lengths = sgl_rng_stream(run->seed, SGL_PURPOSE_LENGTH, 0, 0, 0);
    double time_s = 0;

    *recording = (struct sgl_recording){0};
    name_workers(recording, run->worker_count);
    for (size_t i = 0; i < run->request_count; i++) {
        const int64_t arrival_ns = llround(time_s * 1e9);
        const int64_t output =
            draw_length(&lengths, run->output_median, run->output_least, run->output_most);
        const struct sgl_recorded_request request = {
            .row = {.request = {.arrival_ns = arrival_ns,
                                .prompt_tokens = draw_length(&lengths, run->prompt_median,
                                                             run->prompt_least, run->prompt_most),
                                .max_tokens = output,
                                .priority = SGL_PRIORITY_NORMAL},
                    .output_tokens = output},
            .worker = (uint32_t)(i % run->worker_count),
            .at_worker_ns = arrival_ns,
            .started_ns = SGL_ABSENT,
            .first_token_ns = SGL_ABSENT,
            .finish_ns = SGL_ABSENT,
        };
        if (sgl_recording_add(recording, &request) != SGL_OK)
            abort();
        if (run->burst <= 1)
            time_s += sgl_rng_exponential(&arrivals, 1 / run->rate_per_s);
        else if ((i + 1) % run->burst == 0)
            time_s += (double)run->burst / run->rate_per_s;
    }
    measure(recording, run, truth);
}
