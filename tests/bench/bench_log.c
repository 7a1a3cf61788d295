/*
 * bench_log [PATH [REQUESTS]] - what writing a decision log costs. Feeds a router of 4 workers with
 * requests that each bring 3 inputs, 1 decision, 4 candidates and 1 outcome; prints CPU time per
 * request of the router alone, of writing beside it, and of finishing the log, and the bytes.
 */
#include "core/router.h"
#include "traces/log_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define WORKER_COUNT 4
#define IN_FLIGHT 24 /* requests between route and complete */

static double cpu_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void check(int status, const struct sgl_failure *failure)
{
    if (status == SGL_OK)
        return;
    fprintf(stderr, "%s\n", failure->text);
    abort();
}

static void feed(struct sgl_router *router, const struct sgl_input *input)
{
    struct sgl_failure failure;

    check(sgl_router_feed(router, input, NULL, &failure), &failure);
}

static void route(struct sgl_router *router, int64_t number, int64_t now_ns)
{
    char id[40];

    snprintf(id, sizeof id, "req_%lld_1753977957884", (long long)number);
    const struct sgl_request request = {.request = number,
                                        .arrival_ns = now_ns,
                                        .prompt_tokens = 500 + number % 3000,
                                        .max_tokens = 2048,
                                        .priority = SGL_PRIORITY_NORMAL,
                                        .request_id = id};
    feed(router, &(struct sgl_input){.kind = SGL_INPUT_ROUTE,
                                     .now_ns = now_ns,
                                     .request = number,
                                     .route = {.request = &request}});
}

static void complete(struct sgl_router *router, int64_t number, int64_t now_ns)
{
    struct sgl_input input = {.kind = SGL_INPUT_COMPLETE, .now_ns = now_ns, .request = number};

    input.outcome = sgl_outcome_absent();
    input.outcome.success = true;
    input.outcome.queue_time_ns = 1234567 + number % 100000;
    input.outcome.ttft_ns = 98765432;
    input.outcome.e2e_ns = 1876543210;
    input.outcome.prompt_tokens = 500 + number % 3000;
    input.outcome.output_tokens = 100 + number % 400;
    input.outcome.cached_tokens = 0;
    input.outcome.queue_length = number % 7;
    input.outcome.reported_ns = now_ns;
    feed(router, &input);
}

static void play(const struct sgl_policy_spec *spec, struct sgl_sink *sink, int64_t request_count)
{
    struct sgl_router *router;
    struct sgl_failure failure;
    int64_t now_ns = 0;

    check(sgl_router_create(&router,
                            &(struct sgl_router_options){.seed = 1, .policy = {spec}, .sink = sink},
                            &failure),
          &failure);
    for (int w = 0; w < WORKER_COUNT; w++) {
        char url[40];
        snprintf(url, sizeof url, "http://localhost:%d", 30000 + w);
        feed(router, &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url}});
    }
    for (int64_t i = 0; i < request_count + IN_FLIGHT; i++) {
        now_ns += 9876543 + i * 7919 % 1000000;
        if (i < request_count)
            route(router, i, now_ns);
        if (i >= IN_FLIGHT / 2 && i - IN_FLIGHT / 2 < request_count)
            feed(router, &(struct sgl_input){.kind = SGL_INPUT_FIRST_TOKEN,
                                             .now_ns = now_ns,
                                             .request = i - IN_FLIGHT / 2});
        if (i >= IN_FLIGHT)
            complete(router, i - IN_FLIGHT, now_ns + 1);
        now_ns++;
    }
    sgl_router_destroy(router);
}

/* Listens, so that the router builds what it would build for a log. */
static void ignore_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                            const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    (void)self;
    (void)decision;
    (void)candidates;
    (void)candidate_count;
}

static void bench(const char *path, int64_t request_count, const struct sgl_policy_spec *spec,
                  bool is_durable)
{
    static const struct sgl_sink_ops ignore_ops = {.decision = ignore_decision};
    struct sgl_sink ignore = {.ops = &ignore_ops, .wants_candidates = true};
    struct sgl_failure failure;
    struct sgl_log *log;
    struct stat info = {0};
    const double unit = 1e6 / (double)request_count;

    const double start = cpu_s();
    play(spec, &ignore, request_count);
    const double routed = cpu_s();
    check(sgl_log_open(&log, path,
                       &(struct sgl_log_options){
                           .seed = 1, .policy = {spec}, .epoch_ns = 0, .is_durable = is_durable},
                       &failure),
          &failure);
    play(spec, sgl_log_sink(log), request_count);
    const double written = cpu_s();
    check(sgl_log_close(log, &failure), &failure);
    const double finished = cpu_s();
    stat(path, &info);
    printf("%-8s  router %.2f  write %.2f  finish %.2f  log in all %.2f us CPU per request,"
           "  %.0f bytes per request\n",
           is_durable ? "durable" : "plain", (routed - start) * unit,
           (written - routed - (routed - start)) * unit, (finished - written) * unit,
           (finished - routed - (routed - start)) * unit,
           (double)info.st_size / (double)request_count);
}

int main(int argument_count, char **arguments)
{
    const char *path = argument_count > 1 ? arguments[1] : "bench_log.db";
    const int64_t request_count = argument_count > 2 ? strtoll(arguments[2], NULL, 10) : 200000;
    struct sgl_policy_spec spec;
    struct sgl_failure failure;

    check(sgl_policy_parse(&spec, "marginal_utility", &failure), &failure);
    for (int round = 0; round < 3; round++)
        bench(path, request_count, &spec, false);
    bench(path, request_count, &spec, true);
    if (remove(path) != 0)
        perror(path);
    sgl_policy_release(&spec);
    return 0;
}
