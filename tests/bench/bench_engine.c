/*
 * bench_engine - what a simulation costs: a table of CPU time, segments and memory, each row in a
 * process of its own. Usage: bench_engine [TRACE]; the rows of a trace need one.
 *
 * CPU seconds are user and system time of the whole row, reading or making the requests included;
 * memory is the most that was resident. A segment is an engine step, or a leap over many. Synthetic
 * requests arrive as a Poisson stream of a given rate, with prompts of 1 to 1,023 and answers of 1
 * to 255 tokens (uniform). Nothing is asserted: compare runs of the same machine.
 */
#include "core/rng.h"
#include "sim/simulation.h"
#include "traces/open.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER_MAX 1024

struct row {
    const char *label;
    const char *policy;
    const char *model;
    int64_t synthetic; /* requests; 0: those of the trace */
    double rate;       /* of synthetic ones, per second */
    int64_t output_scale;
    uint32_t workers;
    bool stepwise;
    bool counts_gaps; /* between tokens, for a sink that wants them */
};

#define ENGINE "batching"
/* So little memory that requests wait for it. */
#define TIGHT "batching:kv_tokens=8000"

/* clang-format off */
static const struct row rows[] = {
    {"trace", "round_robin", ENGINE, 0, 0, 1, 1, false, false},
    {"trace", "round_robin", ENGINE, 0, 0, 1, 4, false, false},
    {"trace", "round_robin", ENGINE, 0, 0, 1, 16, false, false},
    {"trace", "least_outstanding", ENGINE, 0, 0, 1, 1, false, false},
    {"trace", "least_outstanding", ENGINE, 0, 0, 1, 4, false, false},
    {"trace", "least_outstanding", ENGINE, 0, 0, 1, 16, false, false},
    {"trace", "cache_aware", ENGINE, 0, 0, 1, 16, false, false},
    {"trace", "marginal_utility", ENGINE, 0, 0, 1, 16, false, false},
    {"trace, itl", "round_robin", ENGINE, 0, 0, 1, 16, false, true},
    {"trace, outputs x 100", "round_robin", ENGINE, 0, 0, 100, 16, false, false},
    {"trace, stepwise", "round_robin", ENGINE, 0, 0, 1, 16, true, false},
    {"synthetic, 10/s", "round_robin", ENGINE, 1000000, 10, 1, 1, false, false},
    {"synthetic, 160/s", "round_robin", ENGINE, 1000000, 160, 1, 16, false, false},
    {"synthetic, 160/s, itl", "round_robin", ENGINE, 1000000, 160, 1, 16, false, true},
    {"synthetic, 160/s", "least_outstanding", ENGINE, 1000000, 160, 1, 16, false, false},
    {"synthetic, 160/s", "round_robin", ENGINE, 10000000, 160, 1, 16, false, false},
    {"synthetic, KV 8,000", "round_robin", TIGHT, 1000000, 160, 1, 16, false, false},
    {"synthetic, 10,000/s", "power_of_two", ENGINE, 1000000, 10000, 1, 1024, false, false},
    {"synthetic, 10,000/s", "marginal_utility", ENGINE, 1000000, 10000, 1, 1024, false, false},
    {"saturated, all at once", "round_robin", ENGINE, 1000000, 1e9, 1, 1, false, false},
    {"saturated, all at once", "round_robin", ENGINE, 1000000, 1e9, 1, 16, false, false},
};
/* clang-format on */

/* ---- requests --------------------------------------------------------------------------- */

struct synthetic {
    struct sgl_source source;
    const struct row *row;
    struct sgl_rng draws;
    int64_t next;
    double arrival_s;
};

static int next_synthetic(struct sgl_source *self, struct sgl_trace_row *row_out,
                          struct sgl_failure *failure)
{
    struct synthetic *source = (struct synthetic *)self;

    (void)failure;
    if (source->next == source->row->synthetic)
        return 0;
    source->arrival_s -= log1p(-sgl_rng_uniform(&source->draws)) / source->row->rate;
    *row_out = (struct sgl_trace_row){
        .request =
            {
                .request = source->next++,
                .arrival_ns = (int64_t)(source->arrival_s * 1e9),
                .prompt_tokens = 1 + sgl_rng_below(&source->draws, 1023),
                .max_tokens = 256,
                .priority = SGL_PRIORITY_NORMAL,
            },
        .output_tokens = 1 + sgl_rng_below(&source->draws, 255),
    };
    return 1;
}

static const struct sgl_source_ops synthetic_ops = {.next = next_synthetic};

/* A trace whose answers are so many times as long. */
struct stretched {
    struct sgl_source source;
    struct sgl_source *inner;
    int64_t scale;
};

static int next_stretched(struct sgl_source *self, struct sgl_trace_row *row_out,
                          struct sgl_failure *failure)
{
    struct stretched *source = (struct stretched *)self;

    const int status = source->inner->ops->next(source->inner, row_out, failure);
    if (status == 1)
        row_out->output_tokens *= source->scale;
    return status;
}

static void finished_stretched(struct sgl_source *self, int64_t request)
{
    struct stretched *source = (struct stretched *)self;

    if (source->inner->ops->finished != NULL)
        source->inner->ops->finished(source->inner, request);
}

static const struct sgl_source_ops stretched_ops = {.next = next_stretched,
                                                    .finished = finished_stretched};

/* ---- gaps ------------------------------------------------------------------------------- */

struct listener {
    struct sgl_sink sink;
    uint64_t count;
};

static void hear_gaps(struct sgl_sink *sink, const struct sgl_gaps *gaps)
{
    struct listener *self = (struct listener *)sink;

    for (uint32_t i = 0; i < gaps->class_count; i++)
        self->count += gaps->classes[i].count;
}

static const struct sgl_sink_ops listener_ops = {.gaps = hear_gaps};

/* ---- rows ------------------------------------------------------------------------------- */

static int simulate(const struct row *row, const char *path,
                    const struct sgl_simulation_options *options, struct sgl_failure *failure)
{
    const struct sgl_trace_options trace_options = {.path = path};
    struct sgl_trace *trace = NULL;
    struct synthetic synthetic = {.source = {.ops = &synthetic_ops},
                                  .row = row,
                                  .draws = sgl_rng_stream(1, SGL_PURPOSE_LENGTH, 0, 0, 0)};
    struct stretched stretched = {.source = {.ops = &stretched_ops}, .scale = row->output_scale};
    struct sgl_source *source = &synthetic.source;
    struct sgl_simulation_totals totals;
    struct rusage usage;

    if (row->synthetic == 0) {
        const int status = sgl_trace_open(&trace, &trace_options, failure);
        if (status != SGL_OK)
            return status;
        stretched.inner = sgl_trace_source(trace);
        source = row->output_scale == 1 ? stretched.inner : &stretched.source;
    }
    const int status = sgl_simulate(options, source, &totals, failure);
    sgl_trace_close(trace);
    if (status != SGL_OK || getrusage(RUSAGE_SELF, &usage) != 0)
        return status;
    const double seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
                           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    const double requests = (double)totals.arrived;
    printf("%-23s %-17s %4u %8.0f %8.4f %7.3f %8.2f %6.2f %7.1f %6.0f\n", row->label, row->policy,
           row->workers, requests, seconds, seconds * 1e6 / requests,
           (double)totals.steps / requests, (double)totals.segments / requests,
           (double)usage.ru_maxrss / 1024, (double)usage.ru_maxrss * 1024 / requests);
    return SGL_OK;
}

static int run(const struct row *row, const char *path)
{
    static struct sgl_simulation_worker workers[WORKER_MAX];
    static char urls[WORKER_MAX][32];
    struct sgl_worker_model_spec model = {0};
    struct sgl_policy_spec policy = {0};
    struct sgl_failure failure;
    int status;

    if ((status = sgl_policy_parse(&policy, row->policy, &failure)) != SGL_OK ||
        (status = sgl_worker_model_parse(&model, row->model, &failure)) != SGL_OK)
        goto out;
    for (uint32_t i = 0; i < row->workers; i++) {
        snprintf(urls[i], sizeof urls[i], "http://worker-%u", i);
        workers[i] = (struct sgl_simulation_worker){.url = urls[i], .spec = &model};
    }
    struct listener listener = {.sink = {.ops = &listener_ops, .wants_gaps = true}};
    const struct sgl_simulation_options options = {
        .seed = 1,
        .policy = &policy,
        .workers = workers,
        .worker_count = row->workers,
        .max_new_tokens = row->output_scale == 1 ? 4096 : 1 << 20,
        .rate_scale = 1,
        .stepwise = row->stepwise,
        .sink = row->counts_gaps ? &listener.sink : NULL,
    };
    status = simulate(row, path, &options, &failure);
out:
    if (status != SGL_OK)
        puts(failure.text);
    sgl_worker_model_release(&model);
    sgl_policy_release(&policy);
    return status == SGL_OK ? 0 : 1;
}

int main(int argument_count, char **arguments)
{
    const char *path = argument_count > 1 ? arguments[1] : NULL;
    const char *only = argument_count > 2 ? arguments[2] : NULL; /* the number of a row */
    int failures = 0;

    printf("%-23s %-17s %4s %8s %8s %7s %8s %6s %7s %6s\n", "", "", "", "", "", "us per",
           "steps per", "segm.", "", "B per");
    printf("%-23s %-17s %4s %8s %8s %7s %8s %6s %7s %6s\n", "requests", "policy", "w", "number",
           "CPU s", "request", "request", "each", "MiB", "request");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = 0;
        if ((rows[i].synthetic == 0 && path == NULL) ||
            (only != NULL && strtoul(only, NULL, 10) != i))
            continue;
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            status = run(&rows[i], path);
            fflush(stdout);
            _exit(status);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            failures++;
    }
    return failures == 0 ? 0 : 1;
}
