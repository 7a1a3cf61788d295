#include "core/router.h"

#include "support.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A router over round_robin with two workers, and a sink that keeps the last of everything. */
struct fixture {
    struct sgl_sink sink;
    struct sgl_policy_spec policy;
    struct sgl_router *router;
    struct sgl_failure failure;
    uint64_t inputs;
    uint64_t decisions;
    uint64_t outcomes;
    uint64_t last_sequence;
    struct sgl_decision decision;
    struct sgl_candidate candidates[8];
    uint32_t candidate_count;
    struct sgl_outcome_record record;
};

static void keep_input(struct sgl_sink *sink, uint64_t sequence, const struct sgl_input *input)
{
    struct fixture *fixture = (struct fixture *)sink;

    (void)input;
    fixture->inputs++;
    CU_ASSERT_EQUAL(sequence, fixture->last_sequence + 1);
    fixture->last_sequence = sequence;
}

static void count_input(struct sgl_sink *sink, uint64_t sequence, const struct sgl_input *input)
{
    struct fixture *fixture = (struct fixture *)sink;

    (void)sequence;
    CU_ASSERT_EQUAL(sink->ignores & SGL_INPUT_BIT(input->kind), 0);
    fixture->inputs++;
}

static void keep_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t count)
{
    struct fixture *fixture = (struct fixture *)sink;

    fixture->decisions++;
    fixture->decision = *decision;
    fixture->candidate_count = count;
    memcpy(fixture->candidates, candidates, count * sizeof *candidates);
}

static void keep_outcome(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    struct fixture *fixture = (struct fixture *)sink;

    fixture->outcomes++;
    fixture->record = *record;
}

static const struct sgl_sink_ops keep_ops = {
    .input = keep_input, .decision = keep_decision, .outcome = keep_outcome};

static int feed(struct fixture *fixture, struct sgl_input input)
{
    return sgl_router_feed(fixture->router, &input, NULL, &fixture->failure);
}

static int route_excluding(struct fixture *fixture, int64_t now_ns, int64_t number,
                           const uint32_t *excluded, uint32_t excluded_count)
{
    const struct sgl_request request = {.request = number, .arrival_ns = now_ns};

    return feed(fixture, (struct sgl_input){.kind = SGL_INPUT_ROUTE,
                                            .now_ns = now_ns,
                                            .request = number,
                                            .route = {&request, excluded, excluded_count}});
}

static int route(struct fixture *fixture, int64_t now_ns, int64_t number)
{
    return route_excluding(fixture, now_ns, number, NULL, 0);
}

static int finish(struct fixture *fixture, enum sgl_input_kind kind, int64_t now_ns, int64_t number)
{
    struct sgl_input input = {
        .kind = kind, .now_ns = now_ns, .request = number, .outcome = sgl_outcome_absent()};

    input.outcome.success = kind == SGL_INPUT_COMPLETE;
    return feed(fixture, input);
}

static int add(struct fixture *fixture, const char *url)
{
    return feed(fixture, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url}});
}

static int change(struct fixture *fixture, enum sgl_input_kind kind, int64_t now_ns,
                  uint32_t worker, bool is_on)
{
    return feed(fixture, (struct sgl_input){
                             .kind = kind, .now_ns = now_ns, .worker = worker, .is_on = is_on});
}

static void set_up(struct fixture *fixture, const char *policy)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->sink = (struct sgl_sink){.ops = &keep_ops, .wants_candidates = true};
    fixture->policy = sgl_world_policy(policy);
    fixture->router = sgl_world_router(&fixture->policy, 1, &fixture->sink);
    CU_ASSERT_EQUAL_FATAL(add(fixture, "http://a"), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(add(fixture, "http://b"), SGL_OK);
}

static void tear_down(struct fixture *fixture)
{
    sgl_router_destroy(fixture->router);
    sgl_policy_release(&fixture->policy);
}

/* The call is refused with that text, and nothing was numbered or told. */
#define ASSERT_REFUSED(fixture, call, expected)                                                    \
    do {                                                                                           \
        const uint64_t before_ = (fixture)->inputs;                                                \
        CU_ASSERT_EQUAL(call, SGL_EINVAL);                                                         \
        SGL_ASSERT_CONTAINS((fixture)->failure.text, expected);                                    \
        CU_ASSERT_EQUAL((fixture)->inputs, before_);                                               \
    } while (0)

static void impossible_inputs_are_refused(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;
    const uint32_t unsorted[] = {1, 0};
    const uint32_t unknown[] = {7};

    set_up(f, "round_robin");
    CU_ASSERT_EQUAL(route(f, 10, 0), SGL_OK);
    ASSERT_REFUSED(f, route(f, 10, 0), "route: request 0 attempt 0 (regular) is out already");
    ASSERT_REFUSED(f, route(f, 9, 1), "route: time goes back from 10 ns to 9 ns");
    ASSERT_REFUSED(f, route_excluding(f, 10, 1, unsorted, 2), "ascending");
    ASSERT_REFUSED(f, route_excluding(f, 10, 1, unknown, 1), "known");
    ASSERT_REFUSED(f, route(f, 10, -1), "number");
    ASSERT_REFUSED(f, finish(f, SGL_INPUT_COMPLETE, 10, 5), "complete: request 5 attempt 0");
    ASSERT_REFUSED(f, finish(f, SGL_INPUT_CANCEL, 10, 5), "cancel: request 5 attempt 0");
    ASSERT_REFUSED(f, finish(f, SGL_INPUT_REJECT, 10, 0), "reject: request 0 is outstanding");
    ASSERT_REFUSED(f, finish(f, SGL_INPUT_FIRST_TOKEN, 10, 5), "first_token: request 5");
    CU_ASSERT_EQUAL(finish(f, SGL_INPUT_FIRST_TOKEN, 11, 0), SGL_OK);
    ASSERT_REFUSED(f, finish(f, SGL_INPUT_FIRST_TOKEN, 11, 0), "has had its first token");
    ASSERT_REFUSED(f, change(f, SGL_INPUT_SET_HEALTH, 11, 2, true), "there is no worker 2");
    ASSERT_REFUSED(f, change(f, SGL_INPUT_REMOVE_WORKER, 11, 9, true), "there is no worker 9");
    ASSERT_REFUSED(f,
                   feed(f, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER,
                                              .now_ns = 11,
                                              .added = {.url = "http://a"}}),
                   "http://a is worker 0 already");
    ASSERT_REFUSED(f, feed(f, (struct sgl_input){.kind = SGL_INPUT_COUNT, .now_ns = 11}), "kind");
    struct sgl_input prefill = {.kind = SGL_INPUT_ROUTE, .now_ns = 11, .pool = SGL_POOL_PREFILL};
    ASSERT_REFUSED(f, feed(f, prefill), "the pool prefill has no policy");
    struct sgl_input report = {
        .kind = SGL_INPUT_REPORT_LOAD,
        .now_ns = 11,
        .report = {.queue_length = -1, .running = SGL_ABSENT, .token_usage = SGL_ABSENT_REAL}};
    ASSERT_REFUSED(f, feed(f, report), "report_load: worker 0, expected");
    report.report.queue_length = 0;
    report.report.reported_ns = 12;
    ASSERT_REFUSED(f, feed(f, report), "a time not in the future");
    struct sgl_input negative = {
        .kind = SGL_INPUT_COMPLETE, .now_ns = 11, .outcome = sgl_outcome_absent()};
    negative.outcome.output_tokens = -4;
    ASSERT_REFUSED(f, feed(f, negative), "impossible time or count");
    struct sgl_request impossible = {.request = 7, .prompt_tokens = INT64_MAX};
    struct sgl_input asked = {
        .kind = SGL_INPUT_ROUTE, .now_ns = 11, .request = 7, .route = {.request = &impossible}};
    ASSERT_REFUSED(f, feed(f, asked), "impossible token count");
    impossible = (struct sgl_request){.request = 7, .arrival_ns = 12};
    ASSERT_REFUSED(f, feed(f, asked), "time of arrival");
    negative.outcome = sgl_outcome_absent();
    negative.outcome.queue_time_ns = INT64_MAX;
    ASSERT_REFUSED(f, feed(f, negative), "impossible time or count");
    negative.outcome = sgl_outcome_absent();
    negative.outcome.queue_length = 1;
    negative.outcome.reported_ns = INT64_MIN + 1;
    ASSERT_REFUSED(f, feed(f, negative), "before the start");
    CU_ASSERT_EQUAL(sgl_router_outstanding(f->router), 1);
    tear_down(f);
}

/* An answer tells the queue alone: an older poll still brings what only polls tell. */
static void each_signal_has_a_report_time_of_its_own(void)
{
    struct fixture fixture;
    struct sgl_input poll = {
        .kind = SGL_INPUT_REPORT_LOAD,
        .now_ns = 30,
        .report = {.queue_length = 9, .running = 4, .token_usage = 0.5, .reported_ns = 10}};
    struct sgl_input answer = {
        .kind = SGL_INPUT_COMPLETE, .now_ns = 20, .outcome = sgl_outcome_absent()};

    set_up(&fixture, "round_robin");
    CU_ASSERT_EQUAL(route(&fixture, 0, 0), SGL_OK);
    answer.outcome.queue_length = 2;
    answer.outcome.reported_ns = 20;
    CU_ASSERT_EQUAL(feed(&fixture, answer), SGL_OK);
    CU_ASSERT_EQUAL(feed(&fixture, poll), SGL_OK);
    const struct sgl_worker *worker = &sgl_router_fleet(fixture.router)->workers[0];
    CU_ASSERT_EQUAL(worker->queue_length, 2);
    CU_ASSERT_EQUAL(worker->running, 4);
    CU_ASSERT_EQUAL(worker->token_usage, 0.5);
    poll.report.token_usage = 0.9;
    poll.report.reported_ns = 9; /* older than the poll on file */
    CU_ASSERT_EQUAL(feed(&fixture, poll), SGL_OK);
    CU_ASSERT_EQUAL(worker->token_usage, 0.5);
    tear_down(&fixture);
}

static void every_input_is_told_once_and_in_order(void)
{
    struct fixture fixture;

    set_up(&fixture, "round_robin");
    CU_ASSERT_EQUAL(route(&fixture, 5, 0), SGL_OK);
    CU_ASSERT_EQUAL(fixture.decision.sequence, 3);
    CU_ASSERT_EQUAL(fixture.decision.worker, 0);
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_TURN);
    CU_ASSERT_EQUAL(fixture.decision.propensity, 1.0);
    CU_ASSERT_EQUAL(fixture.candidate_count, 2);
    CU_ASSERT_EQUAL(fixture.candidates[0].outstanding, 0);
    CU_ASSERT_EQUAL(finish(&fixture, SGL_INPUT_COMPLETE, 8, 0), SGL_OK);
    CU_ASSERT_EQUAL(fixture.record.sequence, 4);
    CU_ASSERT_EQUAL(fixture.record.decision_sequence, 3);
    CU_ASSERT_EQUAL(fixture.record.worker, 0);
    CU_ASSERT_EQUAL(fixture.record.after.outstanding, 0);
    CU_ASSERT_EQUAL(fixture.inputs, 4);
    CU_ASSERT_EQUAL(fixture.decisions, 1);
    CU_ASSERT_EQUAL(fixture.outcomes, 1);
    tear_down(&fixture);
}

static void only_healthy_workers_that_stay_are_candidates(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;
    const uint32_t zero[] = {0};

    set_up(f, "round_robin");
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_HEALTH, 0, 0, false), SGL_OK);
    CU_ASSERT_EQUAL(route(f, 0, 0), SGL_OK);
    CU_ASSERT_EQUAL(f->decision.worker, 1);
    CU_ASSERT_EQUAL(f->decision.reason, SGL_REASON_ONLY_CANDIDATE);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_DRAINING, 0, 1, true), SGL_OK);
    CU_ASSERT_EQUAL(route(f, 0, 1), SGL_OK);
    CU_ASSERT_EQUAL(f->decision.worker, SGL_NO_WORKER);
    CU_ASSERT_EQUAL(f->decision.reason, SGL_REASON_NO_WORKER);
    CU_ASSERT_TRUE(isnan(f->decision.propensity));
    CU_ASSERT_EQUAL(f->candidate_count, 0);
    CU_ASSERT_EQUAL(finish(f, SGL_INPUT_REJECT, 0, 1), SGL_OK);
    CU_ASSERT_EQUAL(f->record.worker, SGL_NO_WORKER);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_HEALTH, 0, 0, true), SGL_OK);
    CU_ASSERT_EQUAL(route_excluding(f, 0, 2, zero, 1), SGL_OK);
    CU_ASSERT_EQUAL(f->decision.worker, SGL_NO_WORKER);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_REMOVE_WORKER, 0, 0, true), SGL_OK);
    CU_ASSERT_EQUAL(add(f, "http://a"), SGL_OK);
    CU_ASSERT_EQUAL(route(f, 0, 3), SGL_OK);
    CU_ASSERT_EQUAL(f->decision.worker, 2); /* a re-added worker gets a new index */
    tear_down(f);
}

static bool is_candidate(const struct fixture *fixture, uint32_t worker)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(fixture->router);

    for (uint32_t i = 0; i < fleet->candidate_count[SGL_POOL_REGULAR]; i++)
        if (fleet->candidates[SGL_POOL_REGULAR][i] == worker)
            return true;
    return false;
}

/* Feeds a probe of worker 0 for each letter, '+' passed and '-' failed, and asserts that it is a
 * candidate, or not, after the last. */
static void probe(struct fixture *fixture, const char *results, bool is_candidate_after)
{
    for (; *results != '\0'; results++)
        CU_ASSERT_EQUAL(change(fixture, SGL_INPUT_PROBE_RESULT, 0, 0, *results == '+'), SGL_OK);
    CU_ASSERT_EQUAL(is_candidate(fixture, 0), is_candidate_after);
    CU_ASSERT_TRUE(is_candidate(fixture, 1));
}

static void three_failed_probes_take_a_worker_out_and_two_bring_it_back(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;

    set_up(f, "round_robin");
    probe(f, "--", true);
    probe(f, "+--", true); /* in a row, that is */
    probe(f, "-", false);
    probe(f, "--------", false);
    probe(f, "+", false);
    probe(f, "-+", false);
    probe(f, "+", true);
    probe(f, "++++--", true); /* a long good record buys nothing */
    probe(f, "-", false);
    CU_ASSERT_EQUAL(route(f, 0, 0), SGL_OK);
    CU_ASSERT_EQUAL(f->decision.worker, 1);
    tear_down(f);
}

static void set_health_overrides_and_counts_start_anew(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;

    set_up(f, "round_robin");
    probe(f, "--", true);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_HEALTH, 0, 0, true), SGL_OK);
    probe(f, "--", true);
    probe(f, "-", false);
    probe(f, "+", false);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_HEALTH, 0, 0, true), SGL_OK);
    probe(f, "", true);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_HEALTH, 0, 0, false), SGL_OK);
    probe(f, "+", false);
    probe(f, "+", true); /* probes go on from where it was put */
    tear_down(f);
}

/* Probes of a draining or removed worker do not make it a candidate. */
static void health_is_not_the_only_condition(void)
{
    struct fixture fixture;
    struct fixture *f = &fixture;

    set_up(f, "round_robin");
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_DRAINING, 0, 0, true), SGL_OK);
    probe(f, "---++", false);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_SET_DRAINING, 0, 0, false), SGL_OK);
    probe(f, "", true);
    CU_ASSERT_EQUAL(change(f, SGL_INPUT_REMOVE_WORKER, 0, 0, true), SGL_OK);
    ASSERT_REFUSED(f, change(f, SGL_INPUT_PROBE_RESULT, 0, 0, true), "there is no worker 0");
    tear_down(f);
}

static void an_answer_of_a_removed_worker_still_counts_back(void)
{
    struct fixture fixture;

    set_up(&fixture, "marginal_utility");
    CU_ASSERT_EQUAL(route(&fixture, 0, 0), SGL_OK);
    CU_ASSERT_EQUAL(change(&fixture, SGL_INPUT_REMOVE_WORKER, 1, fixture.decision.worker, true),
                    SGL_OK);
    CU_ASSERT_EQUAL(finish(&fixture, SGL_INPUT_COMPLETE, 2, 0), SGL_OK);
    CU_ASSERT_EQUAL(fixture.record.after.outstanding, 0);
    CU_ASSERT_EQUAL(sgl_router_outstanding(fixture.router), 0);
    tear_down(&fixture);
}

static void nothing_is_learned_from_a_cancelled_request(void)
{
    struct fixture fixture;

    struct sgl_input input = {
        .kind = SGL_INPUT_CANCEL, .now_ns = 2, .outcome = sgl_outcome_absent()};

    set_up(&fixture, "marginal_utility");
    CU_ASSERT_EQUAL(route(&fixture, 0, 0), SGL_OK);
    input.outcome.success = true; /* as far as it went */
    input.outcome.output_tokens = 9;
    CU_ASSERT_EQUAL(feed(&fixture, input), SGL_OK);
    CU_ASSERT_EQUAL(fixture.record.after.window_size, 0);
    CU_ASSERT_TRUE(isnan(fixture.record.after.avg_latency_s));
    CU_ASSERT_EQUAL(fixture.record.after.outstanding, 0); /* but it is no longer there */
    tear_down(&fixture);
}

static void the_worker_limit_holds_for_all_ever_added(void)
{
    struct fixture fixture;
    char url[32] = "http://x00";

    set_up(&fixture, "round_robin");
    for (int i = 2; i < 64; i++) {
        url[8] = (char)('0' + i / 10);
        url[9] = (char)('0' + i % 10);
        CU_ASSERT_EQUAL(add(&fixture, url), SGL_OK);
    }
    CU_ASSERT_EQUAL(change(&fixture, SGL_INPUT_REMOVE_WORKER, 0, 5, true), SGL_OK);
    ASSERT_REFUSED(&fixture, add(&fixture, "http://one-more"), "64 workers were added");
    tear_down(&fixture);
}

static void without_memory_it_fails_cleanly_at_every_call(void)
{
    struct sgl_policy_spec policy = sgl_world_policy("marginal_utility");
    uint64_t calls = 0;
    bool is_done = false;

    for (; !is_done && calls < 1000; calls++) {
        struct sgl_world_memory memory = {.calls_left = calls};
        const struct sgl_allocator allocator = sgl_world_allocator(&memory);
        const struct sgl_router_options options = {
            .policy = {&policy}, .limits.worker_max = 8, .allocator = &allocator};
        struct sgl_failure failure = {.text = ""};
        struct sgl_router *router;
        int status = sgl_router_create(&router, &options, &failure);
        if (status == SGL_OK)
            status = sgl_router_feed(
                router,
                &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {"http://a", "model"}},
                NULL, &failure);
        for (int64_t number = 0; status == SGL_OK && number < 200; number++) {
            const struct sgl_request request = {.request = number};
            status = sgl_router_feed(router,
                                     &(struct sgl_input){.kind = SGL_INPUT_ROUTE,
                                                         .request = number,
                                                         .route = {&request, NULL, 0}},
                                     NULL, &failure);
            CU_ASSERT_EQUAL(sgl_router_outstanding(router), (uint64_t)number + (status == SGL_OK));
        }
        CU_ASSERT_TRUE(status == SGL_OK || status == SGL_ENOMEM);
        CU_ASSERT_TRUE(status == SGL_OK || strstr(failure.text, "out of memory") != NULL);
        is_done = status == SGL_OK;
        sgl_router_destroy(router);
        CU_ASSERT_EQUAL(memory.blocks, 0);
    }
    CU_ASSERT_TRUE(calls > 10 && calls < 1000);
    sgl_policy_release(&policy);
}

/* What a driver need not keep: the router knows it under the number that the dispatch said. */
static void a_flight_is_known_by_its_number(void)
{
    struct fixture fixture;
    struct sgl_result result;
    uint32_t numbers[3];

    set_up(&fixture, "round_robin");
    for (int64_t i = 0; i < 3; i++) {
        const struct sgl_request request = {.request = 70 + i, .arrival_ns = i};
        const struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                                        .now_ns = 5 + i,
                                        .request = 70 + i,
                                        .attempt = SGL_ATTEMPT_MAX,
                                        .route = {.request = &request}};
        CU_ASSERT_EQUAL_FATAL(sgl_router_feed(fixture.router, &input, &result, NULL), SGL_OK);
        CU_ASSERT_EQUAL_FATAL(result.action_count, 1);
        numbers[i] = result.actions[0].flight;
        CU_ASSERT_EQUAL(numbers[i], (uint32_t)i);
    }
    for (int64_t i = 0; i < 3; i++) {
        const struct sgl_flight *flight = sgl_router_flight(fixture.router, numbers[i]);
        CU_ASSERT_EQUAL(flight->request, 70 + i);
        CU_ASSERT_EQUAL(flight->attempt, SGL_ATTEMPT_MAX);
        CU_ASSERT_EQUAL(flight->worker, i % 2);
        CU_ASSERT_EQUAL(flight->sent_ns, 5 + i);
        CU_ASSERT_EQUAL(flight->decision_sequence, 3 + (uint64_t)i);
    }
    const struct sgl_request request = {.request = 90};
    CU_ASSERT_EQUAL(feed(&fixture, (struct sgl_input){.kind = SGL_INPUT_ROUTE,
                                                      .now_ns = 9,
                                                      .request = 90,
                                                      .attempt = SGL_ATTEMPT_MAX + 1,
                                                      .route = {.request = &request}}),
                    SGL_EINVAL);
    SGL_ASSERT_TEXT(fixture.failure.text, "route: attempt 256 of request 90, expected 0 to 255");
    tear_down(&fixture);
}

/* A sink hears of no input of a kind that it ignores, and of all others; several in a row are told
 * what any of them wants. Decisions and outcomes are told whatever it ignores. */
static void a_sink_is_not_told_what_it_ignores(void)
{
    const uint32_t ignored[] = {SGL_INPUT_BIT(SGL_INPUT_FIRST_TOKEN),
                                SGL_INPUT_BIT(SGL_INPUT_FIRST_TOKEN) |
                                    SGL_INPUT_BIT(SGL_INPUT_COMPLETE)};
    struct fixture heard[2] = {{.policy = sgl_world_policy("round_robin")}};
    struct sgl_sink *sinks[] = {&heard[0].sink, &heard[1].sink};
    struct sgl_tee tee;
    const enum sgl_input_kind kinds[] = {SGL_INPUT_ADD_WORKER, SGL_INPUT_ROUTE,
                                         SGL_INPUT_FIRST_TOKEN, SGL_INPUT_COMPLETE};
    const struct sgl_sink_ops ops = {
        .input = count_input, .decision = keep_decision, .outcome = keep_outcome};

    for (int i = 0; i < 2; i++)
        heard[i].sink = (struct sgl_sink){.ops = &ops, .ignores = ignored[i]};
    sgl_tee_init(&tee, sinks, 2);
    CU_ASSERT_EQUAL(tee.sink.ignores, ignored[0] & ignored[1]);
    heard[0].router = sgl_world_router(&heard[0].policy, 1, &tee.sink);
    const struct sgl_request request = {.request = 0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct sgl_input input = {.kind = kinds[i]};
        if (kinds[i] == SGL_INPUT_ADD_WORKER)
            input.added.url = "http://a";
        else if (kinds[i] == SGL_INPUT_ROUTE)
            input.route.request = &request;
        else if (kinds[i] == SGL_INPUT_COMPLETE)
            input.outcome = sgl_outcome_absent();
        CU_ASSERT_EQUAL_FATAL(feed(&heard[0], input), SGL_OK);
    }
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(heard[i].inputs, 3 - (uint64_t)i);
        CU_ASSERT_EQUAL(heard[i].decisions, 1);
        CU_ASSERT_EQUAL(heard[i].outcomes, 1);
        /* Nobody wants candidates: of the worker afterwards nothing is known, rather than 0. */
        CU_ASSERT_EQUAL(heard[i].record.after.outstanding, SGL_ABSENT);
        CU_ASSERT_TRUE(isnan(heard[i].record.after.score));
    }
    tear_down(&heard[0]);
}

/* Who is drawn for an attempt of a request in a pool of sixteen. */
static uint32_t drawn_for(struct sgl_router *router, int64_t number, uint32_t attempt,
                          enum sgl_pool pool)
{
    const struct sgl_request request = {.request = number};
    const struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                                    .pool = pool,
                                    .request = number,
                                    .attempt = attempt,
                                    .route = {.request = &request}};
    struct sgl_result result;

    CU_ASSERT_EQUAL_FATAL(sgl_router_feed(router, &input, &result, NULL), SGL_OK);
    return result.actions[0].decision.worker % 16;
}

static void attempts_and_pools_have_luck_of_their_own(void)
{
    struct sgl_policy_spec policy = sgl_world_policy("random");
    const struct sgl_router_options options = {.policy = {NULL, &policy, &policy}};
    struct sgl_router *router;
    char url[32];
    uint32_t same_attempts = 0;
    uint32_t same_pools = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_router_create(&router, &options, NULL), SGL_OK);
    for (int w = 0; w < 32; w++) {
        snprintf(url, sizeof url, "http://%d", w);
        const struct sgl_input input = {.kind = SGL_INPUT_ADD_WORKER,
                                        .pool = w < 16 ? SGL_POOL_PREFILL : SGL_POOL_DECODE,
                                        .added = {.url = url}};
        CU_ASSERT_EQUAL_FATAL(sgl_router_feed(router, &input, NULL, NULL), SGL_OK);
    }
    for (int64_t number = 0; number < 400; number++) {
        const uint32_t first = drawn_for(router, number, 0, SGL_POOL_PREFILL);
        same_attempts += first == drawn_for(router, number, 1, SGL_POOL_PREFILL);
        same_pools += first == drawn_for(router, number, 0, SGL_POOL_DECODE);
    }
    /* One in sixteen by chance: 25, with a deviation of 4.8. */
    CU_ASSERT_TRUE(same_attempts > 5 && same_attempts < 50);
    CU_ASSERT_TRUE(same_pools > 5 && same_pools < 50);
    sgl_router_destroy(router);
    sgl_policy_release(&policy);
}

SGL_SUITE(router) = {
    {"a flight is known by its number", a_flight_is_known_by_its_number},
    {"impossible inputs are refused and change nothing", impossible_inputs_are_refused},
    {"each signal has a report time of its own", each_signal_has_a_report_time_of_its_own},
    {"every input is told once and in order", every_input_is_told_once_and_in_order},
    {"only healthy workers that stay are candidates",
     only_healthy_workers_that_stay_are_candidates},
    {"three failed probes take a worker out, two bring it back",
     three_failed_probes_take_a_worker_out_and_two_bring_it_back},
    {"set_health overrides probes, whose counts start anew",
     set_health_overrides_and_counts_start_anew},
    {"health is not the only condition of a candidate", health_is_not_the_only_condition},
    {"an answer of a removed worker still counts back",
     an_answer_of_a_removed_worker_still_counts_back},
    {"nothing is learned from a cancelled request", nothing_is_learned_from_a_cancelled_request},
    {"a sink is not told what it ignores", a_sink_is_not_told_what_it_ignores},
    {"attempts and pools have luck of their own", attempts_and_pools_have_luck_of_their_own},
    {"the worker limit holds for all ever added", the_worker_limit_holds_for_all_ever_added},
    {"without memory it fails cleanly at every call",
     without_memory_it_fails_cleanly_at_every_call},
    CU_TEST_INFO_NULL,
};
