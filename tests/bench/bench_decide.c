/*
 * bench_decide - what a decision costs: ns of CPU per route + complete pair, and of decide() alone,
 * per policy and fleet size, without a sink. Every worker has history and a few outstanding
 * requests. Prints, asserts nothing. CPU time of the process (user + system), the best of three
 * rounds.
 */
#include "core/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ROUNDS 3
#define OUTSTANDING_PER_WORKER 4

static double cpu_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void must(int status, const struct sgl_failure *failure)
{
    if (status == SGL_OK)
        return;
    fprintf(stderr, "bench_decide: %s\n", failure->text);
    abort();
}

struct bench {
    struct sgl_router *router;
    int64_t now_ns;
    int64_t request_next;
    int64_t request_oldest;
};

static void route(struct bench *bench)
{
    struct sgl_failure failure;
    const struct sgl_request request = {.request = bench->request_next,
                                        .arrival_ns = bench->now_ns};
    const struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                                    .now_ns = bench->now_ns,
                                    .request = bench->request_next,
                                    .route = {.request = &request}};

    must(sgl_router_feed(bench->router, &input, NULL, &failure), &failure);
    bench->request_next++;
    bench->now_ns += 100000;
}

static void complete_oldest(struct bench *bench)
{
    struct sgl_failure failure;
    struct sgl_input input = {.kind = SGL_INPUT_COMPLETE,
                              .now_ns = bench->now_ns,
                              .request = bench->request_oldest,
                              .outcome = sgl_outcome_absent()};

    input.outcome.success = true;
    input.outcome.output_tokens = 100 + bench->request_oldest % 57;
    input.outcome.queue_length = bench->request_oldest % 5;
    must(sgl_router_feed(bench->router, &input, NULL, &failure), &failure);
    bench->request_oldest++;
}

static struct bench set_up(const struct sgl_policy_spec *policy, uint32_t workers)
{
    struct bench bench = {0};
    struct sgl_failure failure;

    must(sgl_router_create(&bench.router, &(struct sgl_router_options){.policy = {policy}},
                           &failure),
         &failure);
    for (uint32_t w = 0; w < workers; w++) {
        char url[32];
        snprintf(url, sizeof url, "http://worker-%u", w);
        const struct sgl_input add = {.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url}};
        must(sgl_router_feed(bench.router, &add, NULL, &failure), &failure);
    }
    for (uint32_t i = 0; i < OUTSTANDING_PER_WORKER * workers; i++)
        route(&bench);
    for (uint32_t i = 0; i < 40 * workers; i++) {
        complete_oldest(&bench);
        route(&bench);
    }
    return bench;
}

/* ns per route + complete. */
static double time_pairs(struct bench *bench, uint32_t pairs)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        const double start = cpu_s();
        for (uint32_t i = 0; i < pairs; i++) {
            complete_oldest(bench);
            route(bench);
        }
        const double spent = (cpu_s() - start) * 1e9 / pairs;
        best = spent < best ? spent : best;
    }
    return best;
}

/* ns per decide() over the fleet as it stands; the state is a copy fed the same observations. */
static double time_decide(const struct bench *bench, const struct sgl_policy_spec *policy,
                          uint32_t calls)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(bench->router);
    const struct sgl_policy_ops *ops = policy->ops;
    const size_t size = sgl_policy_state_size(policy, fleet->worker_max);
    void *state = calloc(1, size > 0 ? size : 1);
    struct sgl_outcome outcome = sgl_outcome_absent();
    double best = 1e9;
    uint64_t chosen = 0;

    if (state == NULL)
        abort();
    if (ops->create != NULL)
        ops->create(state,
                    &(struct sgl_policy_setup){&policy->parameters, fleet->worker_max, NULL});
    outcome.success = true;
    for (uint32_t i = 0; i < 20 * fleet->worker_count && ops->observe != NULL; i++) {
        outcome.output_tokens = 100 + i % 57;
        ops->observe(state, &(struct sgl_observation){.now_ns = (int64_t)i * 1000000,
                                                      .latency_ns = 1000000 + i % 1009,
                                                      .worker = i % fleet->worker_count,
                                                      .outcome = &outcome});
    }
    const struct sgl_request request = {
        .prompt_tokens = 300, .max_tokens = 256, .priority = SGL_PRIORITY_NORMAL};
    for (int round = 0; round < ROUNDS; round++) {
        const double start = cpu_s();
        for (uint32_t i = 0; i < calls; i++) {
            const struct sgl_view view = {
                .now_ns = bench->now_ns,
                .request = &request,
                .fleet = fleet,
                .candidates = fleet->candidates[SGL_POOL_REGULAR],
                .candidate_count = fleet->candidate_count[SGL_POOL_REGULAR],
                .draws = sgl_rng_stream(1, SGL_PURPOSE_DECIDE, 0, i, 0),
            };
            chosen += ops->decide(state, &view).worker;
        }
        const double spent = (cpu_s() - start) * 1e9 / calls;
        best = spent < best ? spent : best;
    }
    free(state);
    return chosen == UINT64_MAX ? -1 : best; /* the choices are used: they cannot be left out */
}

int main(void)
{
    static const uint32_t sizes[] = {4, 64, 1024};
    const size_t size_count = sizeof sizes / sizeof sizes[0];

    printf("%-18s", "ns, best of 3");
    for (size_t s = 0; s < size_count; s++)
        printf("  decide@%-5u pair@%-5u", sizes[s], sizes[s]);
    printf("\n");
    for (uint32_t p = 0; sgl_policy_at(p) != NULL; p++) {
        struct sgl_policy_spec policy;
        struct sgl_failure failure;
        /* A policy that wraps another is measured around the cheapest. */
        char text[64];
        snprintf(text, sizeof text, "%s:base=random", sgl_policy_at(p)->name);
        if (sgl_policy_parse(&policy, sgl_policy_at(p)->name, NULL) != SGL_OK)
            must(sgl_policy_parse(&policy, text, &failure), &failure);
        printf("%-18s", policy.ops->name);
        for (size_t s = 0; s < size_count; s++) {
            struct bench bench = set_up(&policy, sizes[s]);
            const double decide = time_decide(&bench, &policy, 100000);
            printf("  %12.1f %10.1f", decide, time_pairs(&bench, 100000));
            fflush(stdout);
            sgl_router_destroy(bench.router);
        }
        printf("\n");
        sgl_policy_release(&policy);
    }
    return 0;
}
