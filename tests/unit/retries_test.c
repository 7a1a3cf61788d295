/* Simulated requests that are tried again, and workers that are left alone: by the plan of faults,
 * the rules of core/retry.h and core/breaker.h, and nothing else. */
#include "core/error_word.h"
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <string.h>

#define SECOND SGL_NANOSECONDS_PER_SECOND
#define MS 1000000
#define WORKERS 4
#define REQUESTS 80
#define ATTEMPTS_MAX 16

/* ---- what happened to each attempt ------------------------------------------------------ */

struct attempt {
    int64_t sent_ns;
    int64_t ended_ns;
    uint32_t worker;
    bool has_token;
    bool is_avoided; /* its worker was excluded */
    uint32_t excluded_count;
    struct sgl_outcome outcome;
};

struct story {
    struct attempt attempts[ATTEMPTS_MAX];
    uint32_t count;
    bool is_retried; /* expected, by a budget kept here */
};

struct chronicle {
    struct sgl_sink sink;
    struct sgl_witness witness;
    const struct sgl_retry_options *retry;
    int64_t balance; /* of the budget, in hundredths of a retry */
    struct story stories[REQUESTS];
    bool is_right;
};

static void hear_route(struct chronicle *self, const struct sgl_input *input)
{
    struct story *story = &self->stories[input->request];

    self->is_right = self->is_right && input->attempt == story->count &&
                     (input->attempt == 0 || story->is_retried) && story->count < ATTEMPTS_MAX;
    if (input->attempt == 0) {
        self->balance += self->retry->budget_percent;
        if (self->balance > 100 * (int64_t)self->retry->budget_reserve)
            self->balance = 100 * (int64_t)self->retry->budget_reserve;
    }
    story->is_retried = false;
    if (story->count == ATTEMPTS_MAX)
        return;
    story->attempts[story->count++] = (struct attempt){
        .sent_ns = input->now_ns,
        .worker = SGL_NO_WORKER,
        .excluded_count = input->route.excluded_count,
    };
    for (uint32_t i = 1; i < input->route.excluded_count; i++)
        self->is_right = self->is_right && input->route.excluded[i - 1] < input->route.excluded[i];
}

/* Is another attempt due? */
static void hear_end(struct chronicle *self, const struct sgl_input *input)
{
    struct story *story = &self->stories[input->request];
    struct attempt *attempt = &story->attempts[story->count - 1];

    self->is_right = self->is_right && input->attempt + 1 == story->count;
    attempt->ended_ns = input->now_ns;
    attempt->outcome = input->outcome;
    if (input->outcome.success || !sgl_error_is_retryable(input->outcome.error) ||
        attempt->has_token || input->attempt >= self->retry->total_max || self->balance < 100)
        return;
    self->balance -= 100;
    story->is_retried = true;
}

static void hear_input(struct sgl_sink *sink, uint64_t sequence, const struct sgl_input *input)
{
    struct chronicle *self = (struct chronicle *)sink;

    self->witness.sink.ops->input(&self->witness.sink, sequence, input);
    if (input->kind == SGL_INPUT_ROUTE)
        hear_route(self, input);
    else if (input->kind == SGL_INPUT_FIRST_TOKEN)
        self->stories[input->request].attempts[input->attempt].has_token = true;
    else if (input->kind == SGL_INPUT_COMPLETE || input->kind == SGL_INPUT_REJECT)
        hear_end(self, input);
}

static void hear_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t count)
{
    struct chronicle *self = (struct chronicle *)sink;

    self->witness.sink.ops->decision(&self->witness.sink, decision, candidates, count);
    self->stories[decision->request].attempts[decision->attempt].worker = decision->worker;
}

static void hear_outcome(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    struct chronicle *self = (struct chronicle *)sink;

    self->witness.sink.ops->outcome(&self->witness.sink, record);
}

static void hear_gaps(struct sgl_sink *sink, const struct sgl_gaps *gaps)
{
    struct chronicle *self = (struct chronicle *)sink;

    self->witness.sink.ops->gaps(&self->witness.sink, gaps);
}

static const struct sgl_sink_ops chronicle_ops = {
    .input = hear_input, .decision = hear_decision, .outcome = hear_outcome, .gaps = hear_gaps};

static struct sgl_simulation_totals run(struct sgl_test_fleet *fleet,
                                        const struct sgl_trace_row *rows, size_t count,
                                        struct chronicle *self)
{
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};

    memset(self, 0, sizeof *self);
    self->sink =
        (struct sgl_sink){.ops = &chronicle_ops, .wants_candidates = true, .wants_gaps = true};
    self->retry = fleet->options.retry;
    self->balance = 100 * (int64_t)self->retry->budget_reserve;
    self->is_right = true;
    sgl_witness_init(&self->witness, count);
    sgl_memory_source_init(&source, rows, count);
    fleet->options.sink = &self->sink;
    CU_ASSERT_EQUAL(sgl_simulate(&fleet->options, &source.source, &totals, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    return totals;
}

/* ---- random worlds ---------------------------------------------------------------------- */

static const char *const models[] = {
    "batching:c_step_us=500,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"
    "c_kv_token_us=0,kv_tokens=600",
    "batching:scheduler=vllm,c_step_us=500,c_request_us=3,c_prefill_token_us=1,"
    "c_prefill_context_us=0.1,c_kv_token_us=0.7,max_batch_tokens=64",
    "batching:chunked_prefill_size=50,c_step_us=250,c_kv_token_us=0.3,max_running_requests=4",
    "exponential:mean_s=0.02,servers=2",
};

static const char *const policies[] = {"least_outstanding", "shortest_queue", "random",
                                       "cache_aware"};

static void add(struct sgl_fault_plan *plan, uint32_t worker, int64_t from_ns, int64_t until_ns)
{
    const struct sgl_fault fault = {
        .worker = worker, .kind = SGL_FAULT_DOWN, .from_ns = from_ns, .until_ns = until_ns};
    struct sgl_failure failure;

    sgl_fault_plan_add(plan, &fault, &failure); /* one that overlaps another is left out */
}

static bool goes_down(const struct sgl_fault_plan *plan, uint32_t worker, int64_t after_ns,
                      int64_t until_ns)
{
    int64_t at_ns = after_ns;

    while ((at_ns = sgl_fault_plan_next_ns(plan, worker, at_ns)) <= until_ns)
        if (sgl_fault_plan_at(plan, worker, at_ns).is_down)
            return true;
    return false;
}

/* Each attempt ends as the plan says of its worker. */
static bool is_explained(const struct sgl_fault_plan *plan, const struct attempt *attempt,
                         int64_t delay_ns)
{
    const struct sgl_outcome *outcome = &attempt->outcome;
    const int64_t ended_ns = attempt->ended_ns - delay_ns;
    const bool is_down = attempt->worker != SGL_NO_WORKER &&
                         sgl_fault_plan_at(plan, attempt->worker, attempt->sent_ns).is_down;

    if (outcome->success)
        return !is_down && !goes_down(plan, attempt->worker, attempt->sent_ns, ended_ns - 1);
    if (strcmp(outcome->error, "worker_lost") == 0)
        return !is_down && goes_down(plan, attempt->worker, ended_ns - 1, ended_ns);
    if (strcmp(outcome->error, "connection_refused") == 0)
        return is_down && ended_ns == attempt->sent_ns;
    return strcmp(outcome->error, "no_worker") == 0 || strcmp(outcome->error, "over_capacity") == 0;
}

static bool is_told(const struct sgl_fault_plan *plan, const struct story *story,
                    const struct sgl_retry_options *retry, int64_t delay_ns)
{
    double wait_ns = (double)retry->first_delay_ns;
    bool is_right = story->count > 0 && !story->is_retried;

    for (uint32_t a = 0; a < story->count; a++) {
        const struct attempt *attempt = &story->attempts[a];
        is_right = is_right && is_explained(plan, attempt, delay_ns);
        if (a + 1 == story->count)
            break;
        const int64_t waited_ns = story->attempts[a + 1].sent_ns - attempt->ended_ns;
        is_right = is_right && (double)waited_ns >= wait_ns * (1 - retry->jitter) - 1 &&
                   (double)waited_ns <= wait_ns * (1 + retry->jitter) &&
                   story->attempts[a + 1].excluded_count <= a + 1;
        /* What it says of itself is of its last attempt, but for when it came. */
        is_right = is_right && (!story->attempts[a + 1].outcome.success ||
                                story->attempts[a + 1].outcome.e2e_ns ==
                                    story->attempts[a + 1].ended_ns - story->attempts[0].sent_ns);
        wait_ns *= retry->growth;
    }
    return is_right;
}

static void draw_world(struct sgl_rng *draws, struct sgl_trace_row *rows, uint64_t *ids,
                       struct sgl_fault_plan *plan)
{
    for (int i = 0; i < 10; i++) {
        const int64_t from_ns = (int64_t)sgl_rng_below(draws, 300) * MS;
        add(plan, sgl_rng_below(draws, WORKERS), from_ns,
            sgl_rng_below(draws, 8) == 0 ? INT64_MAX
                                         : from_ns + (1 + (int64_t)sgl_rng_below(draws, 150)) * MS);
    }
    sgl_test_draw_rows(draws, rows, REQUESTS, ids, 11);
    for (size_t i = 0; i < REQUESTS; i += 3)
        rows[i].request.session = "a session";
}

static void every_attempt_is_explained(void)
{
    static struct sgl_trace_row rows[REQUESTS];
    static struct chronicle chronicle;
    uint64_t ids[] = {1, 2, 3, 4, 5};
    uint64_t retries = 0;
    uint64_t saved = 0;
    uint64_t exhausted = 0;

    for (int64_t world = 0; world < 400; world++) {
        struct sgl_rng draws = sgl_rng_stream(23, SGL_PURPOSE_LENGTH, 0, world, 0);
        const struct sgl_retry_options retry = {
            .total_max = 1 + sgl_rng_below(&draws, 6),
            .worker_max = 1 + sgl_rng_below(&draws, 2),
            .first_delay_ns = (1 + (int64_t)sgl_rng_below(&draws, 20)) * MS,
            .most_delay_ns = SECOND,
            .growth = 1.5,
            .jitter = sgl_rng_below(&draws, 2) == 0 ? 0 : 0.2,
            .budget_percent = 50 * sgl_rng_below(&draws, 3),
            .budget_reserve = 2 + sgl_rng_below(&draws, 20),
        };
        struct sgl_fault_plan plan = {0};
        struct sgl_test_fleet fleet;
        struct sgl_simulation_totals totals[2];
        uint64_t digest[2];
        draw_world(&draws, rows, ids, &plan);
        sgl_test_fleet_init(&fleet, policies[world / 4 % 4], models[world % 4], WORKERS);
        fleet.options.faults = &plan;
        fleet.options.retry = &retry;
        fleet.options.limits.breaker_failures = sgl_rng_below(&draws, 2) == 0 ? 0 : 3;
        fleet.options.limits.breaker_open_ns = 20 * MS;
        fleet.options.cuts_oversize = true;
        fleet.options.completions_report = true;
        fleet.options.response_delay_ns = (int64_t)sgl_rng_below(&draws, 3) * MS / 2;
        fleet.options.health_interval_ns = (int64_t)sgl_rng_below(&draws, 3) * 20 * MS;
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            bool is_right = true;
            uint64_t attempts = 0;
            fleet.options.stepwise = stepwise == 1;
            totals[stepwise] = run(&fleet, rows, REQUESTS, &chronicle);
            digest[stepwise] = chronicle.witness.digest;
            for (size_t i = 0; i < REQUESTS; i++) {
                const struct story *story = &chronicle.stories[i];
                is_right =
                    is_right && is_told(&plan, story, &retry, fleet.options.response_delay_ns);
                attempts += story->count;
                saved += story->count > 1 && story->attempts[story->count - 1].outcome.success;
                exhausted += story->count == retry.total_max + 1;
            }
            CU_ASSERT_TRUE(is_right && chronicle.is_right);
            CU_ASSERT_FALSE(chronicle.witness.time_went_back);
            CU_ASSERT_EQUAL(totals[stepwise].retries, attempts - REQUESTS);
            sgl_witness_release(&chronicle.witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        CU_ASSERT_EQUAL(totals[0].succeeded, totals[1].succeeded);
        CU_ASSERT_EQUAL(totals[0].succeeded + totals[0].failed, REQUESTS);
        retries += totals[0].retries;
        sgl_test_fleet_release(&fleet);
        sgl_fault_plan_release(&plan);
    }
    CU_ASSERT_TRUE(retries > 4000 && saved > 2000 && exhausted > 100); /* or they prove nothing */
}

/* ---- by hand ---------------------------------------------------------------------------- */

/* Worker 0 is dead: refused at 0, tried again 50 ms later at the other, which answers in 1 s. */
static void one_is_tried_elsewhere(void)
{
    const struct sgl_trace_row row = sgl_row(0, 0, 1, 1, 1);
    static struct chronicle chronicle;
    struct sgl_retry_options retry = sgl_retry_standard();
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;

    retry.jitter = 0;
    add(&plan, 0, 0, INT64_MAX);
    sgl_test_fleet_init(&fleet, "least_outstanding:ties=first", "deterministic:mean_s=1,servers=1",
                        2);
    fleet.options.faults = &plan;
    fleet.options.retry = &retry;
    const struct sgl_simulation_totals totals = run(&fleet, &row, 1, &chronicle);
    const struct story *story = &chronicle.stories[0];
    CU_ASSERT_EQUAL(totals.succeeded, 1);
    CU_ASSERT_EQUAL(totals.failed, 0);
    CU_ASSERT_EQUAL_FATAL(story->count, 2);
    SGL_ASSERT_TEXT(story->attempts[0].outcome.error, "connection_refused");
    CU_ASSERT_EQUAL(story->attempts[1].worker, 1);
    CU_ASSERT_EQUAL(story->attempts[1].excluded_count, 1);
    CU_ASSERT_EQUAL(story->attempts[1].outcome.e2e_ns, SECOND + 50 * MS);
    CU_ASSERT_EQUAL(story->attempts[1].outcome.queue_time_ns, 0);
    sgl_witness_release(&chronicle.witness);

    /* Cut while it waits: it is in flight, and no worker has it. */
    fleet.options.until_ns = 10 * MS;
    const struct sgl_simulation_totals cut = run(&fleet, &row, 1, &chronicle);
    CU_ASSERT_EQUAL(cut.cut_in_flight, 1);
    sgl_witness_release(&chronicle.witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

/* Who has had a token is not tried again; who had none is, also one that died in the prefill. */
static void tokens_are_not_sent_twice(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 9, 9), sgl_row(1, 35 * MS, 10, 9, 9)};
    static struct chronicle chronicle;
    const struct sgl_retry_options retry = sgl_retry_standard();
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;

    add(&plan, 0, 45 * MS, INT64_MAX);
    sgl_test_fleet_init(&fleet, "fixed_probability:p=1/0",
                        "batching:c_step_us=10000,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0",
                        2);
    fleet.options.faults = &plan;
    fleet.options.retry = &retry;
    const struct sgl_simulation_totals totals = run(&fleet, rows, 2, &chronicle);
    CU_ASSERT_EQUAL(chronicle.stories[0].count, 1);
    SGL_ASSERT_TEXT(chronicle.stories[0].attempts[0].outcome.error, "worker_lost");
    CU_ASSERT_EQUAL(chronicle.stories[1].count, 2);
    CU_ASSERT_TRUE(chronicle.stories[1].attempts[1].outcome.success);
    CU_ASSERT_EQUAL(totals.succeeded, 1);
    CU_ASSERT_EQUAL(totals.retries, 1);
    sgl_witness_release(&chronicle.witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

/* ---- the herd --------------------------------------------------------------------------- */

struct herd {
    uint64_t failed;
    uint64_t to_dead; /* attempts */
};

/* 4 workers, of which one dies at 10 s; 20 requests a second for a minute, each of half a second.
 * Probes each minute notice only after three. sim/README.md has the figures. */
static struct herd herd_of(bool has_breaker, bool has_retries)
{
    enum { COUNT = 1200 };
    static struct sgl_trace_row rows[COUNT];
    struct sgl_retry_options retry = sgl_retry_standard();
    struct sgl_fault_plan plan = {0};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    struct herd herd = {0};

    for (int64_t i = 0; i < COUNT; i++)
        rows[i] = sgl_row(i, i * SECOND / 20, 1, 1, 1);
    add(&plan, 0, 10 * SECOND, INT64_MAX);
    sgl_test_fleet_init(&fleet, "least_outstanding", "deterministic:mean_s=0.5,servers=8", 4);
    fleet.options.faults = &plan;
    fleet.options.retry = has_retries ? &retry : NULL;
    fleet.options.limits.breaker_failures = has_breaker ? 10 : 0;
    fleet.options.health_interval_ns = 60 * SECOND;
    sgl_witness_init(&witness, COUNT);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, rows, COUNT, &witness);
    herd.failed = totals.failed;
    for (size_t i = 0; i < COUNT; i++)
        herd.to_dead += witness.seen[i].refused_count;
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
    return herd;
}

static void a_breaker_keeps_the_herd_away(void)
{
    const struct herd neither = herd_of(false, false);
    const struct herd breaker = herd_of(true, false);
    const struct herd retries = herd_of(false, true);
    const struct herd both = herd_of(true, true);

    CU_ASSERT_TRUE(neither.failed > 700);
    CU_ASSERT_TRUE(breaker.failed < 20);
    CU_ASSERT_TRUE(retries.failed > 500);
    CU_ASSERT_EQUAL(both.failed, 0);
    CU_ASSERT_TRUE(both.to_dead < 20);
}

SGL_SUITE(retries) = {
    {"in 400 random worlds every attempt is explained, and leaps change nothing",
     every_attempt_is_explained},
    {"a request that is refused is tried elsewhere, and its times say so", one_is_tried_elsewhere},
    {"an answer that has begun is not begun again", tokens_are_not_sent_twice},
    {"a breaker keeps the herd from a dead worker, retries save the rest",
     a_breaker_keeps_the_herd_away},
    CU_TEST_INFO_NULL,
};
