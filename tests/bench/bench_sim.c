/*
 * bench_sim - requests per CPU second of a whole simulation: reading the trace, routing, the worker
 * model. Usage: bench_sim TRACE [POLICY [MODEL [WORKERS [RUNS]]]]
 *
 * Prints one line a run: requests, engine steps, CPU seconds of this process (user and system),
 * requests per CPU second. Nothing is asserted: compare runs of the same machine.
 */
#include "sim/simulation.h"
#include "traces/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define WORKER_MAX 1024

static double cpu_seconds(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static int run(const char *path, const struct sgl_simulation_options *options,
               struct sgl_failure *failure)
{
    const struct sgl_trace_options trace_options = {.path = path};
    struct sgl_simulation_totals totals;
    struct sgl_trace *trace = NULL;
    const double before_s = cpu_seconds();

    int status = sgl_trace_open(&trace, &trace_options, failure);
    if (status == SGL_OK)
        status = sgl_simulate(options, sgl_trace_source(trace), &totals, failure);
    sgl_trace_close(trace);
    if (status != SGL_OK)
        return status;
    const double seconds = cpu_seconds() - before_s;
    printf("%llu requests, %llu steps, %.4f CPU s, %.0f requests per CPU s\n",
           (unsigned long long)totals.arrived, (unsigned long long)totals.steps, seconds,
           (double)totals.arrived / seconds);
    return SGL_OK;
}

int main(int argument_count, char **arguments)
{
    static struct sgl_simulation_worker workers[WORKER_MAX];
    static char urls[WORKER_MAX][32];
    const char *given[] = {NULL, NULL, "round_robin", "batching", "4", "5"};
    struct sgl_worker_model_spec model = {0};
    struct sgl_policy_spec policy = {0};
    struct sgl_failure failure = {"usage: bench_sim TRACE [POLICY [MODEL [WORKERS [RUNS]]]]"};
    int status = SGL_EINVAL;

    for (int i = 1; i < argument_count && i < 6; i++)
        given[i] = arguments[i];
    const unsigned long worker_count = strtoul(given[4], NULL, 10);
    if (given[1] == NULL || worker_count > WORKER_MAX)
        goto out;
    if ((status = sgl_policy_parse(&policy, given[2], &failure)) != SGL_OK ||
        (status = sgl_worker_model_parse(&model, given[3], &failure)) != SGL_OK)
        goto out;
    for (unsigned long i = 0; i < worker_count; i++) {
        snprintf(urls[i], sizeof urls[i], "http://worker-%lu", i);
        workers[i] = (struct sgl_simulation_worker){.url = urls[i], .spec = &model};
    }
    const struct sgl_simulation_options options = {
        .seed = 1,
        .policy = &policy,
        .workers = workers,
        .worker_count = (uint32_t)worker_count,
        .max_new_tokens = 2048,
        .rate_scale = 1,
    };
    for (unsigned long i = strtoul(given[5], NULL, 10); i > 0 && status == SGL_OK; i--)
        status = run(given[1], &options, &failure);
out:
    if (status != SGL_OK)
        puts(failure.text);
    sgl_worker_model_release(&model);
    sgl_policy_release(&policy);
    return status == SGL_OK ? 0 : 1;
}
