#include "core/eligible.h"

#include "core/router.h"
#include "support.h"
#include "world.h"

#include <string.h>

#define SECOND INT64_C(1000000000)
#define WORKERS 3

struct fixture {
    struct sgl_policy_spec policy;
    struct sgl_router *router;
    int64_t now_ns;
    int64_t requests;
    uint32_t worker; /* of the last decision */
};

static void feed(struct fixture *f, struct sgl_input input, struct sgl_result *result)
{
    struct sgl_failure failure = {""};

    input.now_ns = f->now_ns;
    CU_ASSERT_EQUAL_FATAL(sgl_router_feed(f->router, &input, result, &failure), SGL_OK);
}

static void set_up(struct fixture *f, struct sgl_router_limits limits)
{
    static const char *const urls[WORKERS] = {"http://a", "http://b", "http://c"};
    struct sgl_failure failure = {""};

    *f = (struct fixture){.policy = sgl_world_policy("round_robin")};
    CU_ASSERT_EQUAL_FATAL(
        sgl_router_create(
            &f->router,
            &(struct sgl_router_options){.seed = 5, .limits = limits, .policy = {&f->policy}},
            &failure),
        SGL_OK);
    for (int w = 0; w < WORKERS; w++)
        feed(f, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = urls[w]}}, NULL);
}

static void tear_down(struct fixture *f)
{
    sgl_router_destroy(f->router);
    sgl_policy_release(&f->policy);
}

/* Routes the next request, leaving out the workers of `excluded` ("02" is the first and third). */
static int64_t route(struct fixture *f, const char *excluded)
{
    const struct sgl_request request = {.request = f->requests, .arrival_ns = f->now_ns};
    uint32_t workers[WORKERS];
    struct sgl_input input = {.kind = SGL_INPUT_ROUTE, .request = f->requests};
    struct sgl_result result;

    for (size_t i = 0; i < strlen(excluded); i++)
        workers[i] = (uint32_t)(excluded[i] - '0');
    input.route = (struct sgl_route){&request, workers, (uint32_t)strlen(excluded)};
    feed(f, input, &result);
    f->worker = result.actions[0].decision.worker;
    return f->requests++;
}

/* The request ends: NULL is success. */
static void answer(struct fixture *f, int64_t request, const char *error)
{
    struct sgl_input input = {
        .kind = SGL_INPUT_COMPLETE, .request = request, .outcome = sgl_outcome_absent()};

    input.outcome.success = error == NULL;
    input.outcome.error = error;
    feed(f, input, NULL);
}

/* Sends one to that worker alone and answers it. */
static void try_worker(struct fixture *f, uint32_t worker, const char *error)
{
    static const char *const others[WORKERS] = {"12", "02", "01"};
    const int64_t request = route(f, others[worker]);

    CU_ASSERT_EQUAL_FATAL(f->worker, worker);
    answer(f, request, error);
}

/* Which workers get any of 30 requests. */
static uint32_t who_is_used(struct fixture *f)
{
    uint32_t used = 0;

    for (int i = 0; i < 30; i++) {
        const int64_t request = route(f, "");
        if (f->worker == SGL_NO_WORKER)
            continue;
        used |= UINT32_C(1) << f->worker;
        feed(f,
             (struct sgl_input){
                 .kind = SGL_INPUT_CANCEL, .request = request, .outcome = sgl_outcome_absent()},
             NULL);
    }
    return used;
}

static const struct sgl_router_limits guards = {.breaker_failures = 2,
                                                .breaker_window_ns = 10000000000,
                                                .breaker_open_ns = 5000000000,
                                                .breaker_successes = 2};

static void a_failing_worker_is_left_alone_then_tried(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;

    set_up(f, guards);
    try_worker(f, 1, "http_500");
    try_worker(f, 1, "http_429"); /* busy is not broken */
    try_worker(f, 1, "http_400");
    CU_ASSERT_EQUAL(who_is_used(f), 7);
    try_worker(f, 1, "stream_cut");
    CU_ASSERT_EQUAL(who_is_used(f), 5);
    f->now_ns = 5 * SECOND - 1;
    CU_ASSERT_EQUAL(who_is_used(f), 5);
    f->now_ns = 5 * SECOND;
    const int64_t trial = route(f, "02");
    CU_ASSERT_EQUAL(f->worker, 1);
    CU_ASSERT_EQUAL(who_is_used(f), 5); /* one trial at a time */
    answer(f, trial, NULL);
    try_worker(f, 1, NULL);
    CU_ASSERT_EQUAL(who_is_used(f), 7);
    tear_down(f);
}

static void without_breakers_nothing_is_counted(void)
{
    struct fixture fixture;

    set_up(&fixture, (struct sgl_router_limits){0});
    for (int i = 0; i < 50; i++)
        try_worker(&fixture, 1, "http_500");
    CU_ASSERT_EQUAL(who_is_used(&fixture), 7);
    tear_down(&fixture);
}

static void in_panic_the_ill_are_better_than_nobody(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;
    struct sgl_router_limits limits = guards;

    for (uint64_t panic = 0; panic < 2; panic++) {
        limits.panic = panic;
        set_up(f, limits);
        for (uint32_t w = 0; w < 2; w++) {
            try_worker(f, w, "connection_refused");
            try_worker(f, w, "connection_refused");
        }
        CU_ASSERT_EQUAL(who_is_used(f), 4); /* one is well: no panic yet */
        feed(f, (struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = 2}, NULL);
        CU_ASSERT_EQUAL(who_is_used(f), panic == 1 ? 7 : 0);
        feed(f, (struct sgl_input){.kind = SGL_INPUT_SET_DRAINING, .worker = 0, .is_on = true},
             NULL);
        CU_ASSERT_EQUAL(who_is_used(f), panic == 1 ? 6 : 0);
        tear_down(f);
    }
}

/* Its part of the turns grows from none to a third over the ten seconds. */
static void a_worker_well_again_starts_slowly(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;

    set_up(f, (struct sgl_router_limits){.slow_start_ns = 10000000000});
    feed(f, (struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = 0}, NULL);
    f->now_ns = 20 * SECOND;
    feed(f, (struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = 0, .is_on = true}, NULL);
    for (int64_t tenth = 0; tenth <= 10; tenth++) {
        enum { ROUTES = 3000 };
        int used = 0;
        f->now_ns = (20 + tenth) * SECOND;
        for (int i = 0; i < ROUTES; i++) {
            answer(f, route(f, ""), NULL);
            used += f->worker == 0;
        }
        /* It is a candidate with chance p; in turn among three then, so a p/3 to p/(2 + p). */
        const double p = (double)tenth / 10;
        const double part = (double)used / ROUTES;
        CU_ASSERT_TRUE(part >= p / 3 - 0.03 && part <= p / (2 + p) + 0.03);
    }
    CU_ASSERT_EQUAL(who_is_used(f), 7);
    /* Alone it gets all, from the first moment. */
    feed(f, (struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = 0}, NULL);
    feed(f, (struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = 0, .is_on = true}, NULL);
    for (uint32_t w = 1; w < WORKERS; w++)
        feed(f, (struct sgl_input){.kind = SGL_INPUT_REMOVE_WORKER, .worker = w}, NULL);
    CU_ASSERT_EQUAL(who_is_used(f), 1);
    tear_down(f);
}

static void limits_have_standards(void)
{
    const struct sgl_router_limits given = {.probes_up = 7};
    const struct sgl_router_limits limits = sgl_router_limits_resolved(&given);
    const struct sgl_limit *limit;

    CU_ASSERT_EQUAL(limits.worker_max, 1024);
    CU_ASSERT_EQUAL(limits.probes_down, 3);
    CU_ASSERT_EQUAL(limits.probes_up, 7);
    CU_ASSERT_EQUAL(limits.breaker_failures, 0);
    for (uint32_t i = 0; (limit = sgl_limit_at(i)) != NULL; i++)
        CU_ASSERT_TRUE(limit->standard <= limit->most);
}

SGL_SUITE(eligible) = {
    {"a failing worker is left alone, then tried one request at a time",
     a_failing_worker_is_left_alone_then_tried},
    {"without breakers nothing is counted", without_breakers_nothing_is_counted},
    {"in panic the ill are better than nobody", in_panic_the_ill_are_better_than_nobody},
    {"a worker that is well again starts slowly", a_worker_well_again_starts_slowly},
    {"limits have standards", limits_have_standards},
    CU_TEST_INFO_NULL,
};
