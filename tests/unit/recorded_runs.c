#include "recorded_runs.h"

#include "core/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER_MAX 8

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

/* Normal, by Box and Muller (1958). */
static double normal(struct sgl_rng *draws)
{
    const double radius = sqrt(-2 * log(1 - sgl_rng_uniform(draws)));

    return radius * cos(6.283185307179586 * sgl_rng_uniform(draws));
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

/* What is measured: the model's times, each duration off by its own noise. */
static void measure(struct sgl_recording *recording, const struct sgl_made_run *run,
                    const struct sgl_worker_model_spec *truth)
{
    const struct sgl_worker_model_spec *specs[WORKER_MAX];
    struct sgl_worker_times *times = malloc(recording->count * sizeof *times);
    struct sgl_worker_plan plan;
    struct sgl_failure failure;
    struct sgl_rng draws = sgl_rng_stream(run->seed, SGL_PURPOSE_SERVICE, 0, 0, 7);

    if (times == NULL)
        abort();
    for (uint32_t w = 0; w < run->worker_count; w++)
        specs[w] = truth;
    check(sgl_worker_plan_make(&plan, recording, &failure), &failure);
    check(sgl_worker_plan_run(&plan, specs, 1, times, &failure), &failure);
    for (size_t i = 0; i < recording->count; i++) {
        struct sgl_recorded_request *request = &recording->requests[i];
        const double queue = (double)(times[i].started_ns - request->at_worker_ns);
        const double prefill = (double)(times[i].first_token_ns - times[i].started_ns);
        const double decode = (double)(times[i].finish_ns - times[i].first_token_ns);
        request->started_ns = request->at_worker_ns + llround(queue);
        request->first_token_ns =
            request->started_ns + llround(prefill * exp(run->noise * normal(&draws)));
        request->finish_ns =
            request->first_token_ns + llround(decode * exp(run->noise * normal(&draws)));
    }
    sgl_worker_plan_release(&plan);
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
        const int64_t output = between(&lengths, run->output_least, run->output_most);
        const struct sgl_recorded_request request = {
            .row = {.request = {.arrival_ns = arrival_ns,
                                .prompt_tokens =
                                    between(&lengths, run->prompt_least, run->prompt_most),
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
        time_s += sgl_rng_exponential(&arrivals, 1 / run->rate_per_s);
    }
    measure(recording, run, truth);
}
