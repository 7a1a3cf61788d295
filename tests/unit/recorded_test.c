/*
 * Re-deciding recorded runs of the router that introduced the policy.
 *
 * The client files of the marginal utility runs say when each request was sent (a decision), when
 * it finished (a completion), with how many tokens, and which worker had it. Fed in recorded order
 * (completions at finish_time, decisions at router_send_time, workers by port), the policy must
 * choose the worker that was recorded. Where it does not, the request is given to the recorded
 * worker all the same, so that what is learned stays what was learned then.
 */
#include "core/router.h"

#include "support.h"
#include "traces/open.h"
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_MAX 1000
#define WORKERS 3

struct recorded_request {
    int64_t sent_ns;
    int64_t finish_ns;
    int64_t output_tokens;
    uint32_t worker;
};

/* A decision (is_finish false) or a completion; completions come first within an instant. */
struct moment {
    int64_t time_ns;
    bool is_finish;
    size_t row;
};

struct tally {
    struct sgl_sink sink;
    uint32_t worker;
    bool has_gradient;
    unsigned decided;
    unsigned agreed;
    unsigned with_gradient;
    unsigned agreed_with_gradient;
};

static void hear_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t count)
{
    struct tally *tally = (struct tally *)sink;

    tally->worker = decision->worker;
    tally->has_gradient = false;
    for (uint32_t i = 0; i < count; i++)
        tally->has_gradient |= !isnan(candidates[i].throughput_gradient);
}

static const struct sgl_sink_ops tally_ops = {.decision = hear_decision};

static size_t read_rows(const char *name, struct recorded_request *rows)
{
    const struct sgl_trace_options options = {.path = sgl_data_file(name)};
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace_row row;
    struct sgl_trace *trace;
    size_t count = 0;
    int status;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), SGL_OK);
    while ((status = sgl_trace_next(trace, &row, &failure)) == 1) {
        CU_ASSERT_TRUE_FATAL(count < ROW_MAX);
        const char *url = row.recorded.worker_url;
        rows[count++] = (struct recorded_request){
            .sent_ns = row.recorded.router_send_ns,
            .finish_ns = row.recorded.finish_ns,
            .output_tokens = row.output_tokens,
            .worker = (uint32_t)(url[strlen(url) - 1] - '1'), /* ports 30001, 30002, 30003 */
        };
    }
    if (status != 0)
        printf("%s\n", failure.text);
    CU_ASSERT_EQUAL(status, 0);
    sgl_trace_close(trace);
    return count;
}

static int compare_moments(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->is_finish != b->is_finish)
        return a->is_finish ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static void feed(struct sgl_router *router, struct sgl_input input)
{
    struct sgl_failure failure = {.text = ""};

    if (sgl_router_feed(router, &input, NULL, &failure) != SGL_OK)
        printf("%s\n", failure.text);
    SGL_ASSERT_TEXT(failure.text, "");
}

static void decide(struct tally *tally, struct sgl_router *router, int64_t number,
                   const struct recorded_request *row)
{
    static const uint32_t others[WORKERS][WORKERS - 1] = {{1, 2}, {0, 2}, {0, 1}};
    const struct sgl_request request = {.request = number, .arrival_ns = row->sent_ns};
    struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                              .now_ns = row->sent_ns,
                              .request = number,
                              .route = {.request = &request}};

    feed(router, input);
    tally->decided++;
    tally->agreed += tally->worker == row->worker;
    tally->with_gradient += tally->has_gradient;
    tally->agreed_with_gradient += tally->has_gradient && tally->worker == row->worker;
    if (tally->worker == row->worker)
        return;
    feed(router, (struct sgl_input){.kind = SGL_INPUT_CANCEL,
                                    .now_ns = row->sent_ns,
                                    .request = number,
                                    .outcome = sgl_outcome_absent()});
    input.route.excluded = others[row->worker];
    input.route.excluded_count = WORKERS - 1;
    feed(router, input);
}

static struct tally redecide(const char *name)
{
    static struct recorded_request rows[ROW_MAX];
    static struct moment moments[2 * ROW_MAX];
    struct tally tally = {.sink = {.ops = &tally_ops, .wants_candidates = true}};
    struct sgl_policy_spec policy = sgl_world_policy("marginal_utility");
    struct sgl_router *router = sgl_world_router(&policy, 1, &tally.sink);
    const size_t count = read_rows(name, rows);

    for (size_t i = 0; i < count; i++) {
        moments[2 * i] = (struct moment){rows[i].sent_ns, false, i};
        moments[2 * i + 1] = (struct moment){rows[i].finish_ns, true, i};
    }
    qsort(moments, 2 * count, sizeof *moments, compare_moments);
    feed(router, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "30001"}});
    feed(router, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "30002"}});
    feed(router, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "30003"}});
    for (size_t i = 0; i < 2 * count; i++) {
        const struct recorded_request *row = &rows[moments[i].row];
        struct sgl_input input = {.kind = SGL_INPUT_COMPLETE,
                                  .now_ns = row->finish_ns,
                                  .request = (int64_t)moments[i].row,
                                  .outcome = sgl_outcome_absent()};
        input.outcome.success = true;
        input.outcome.output_tokens = row->output_tokens;
        if (moments[i].is_finish)
            feed(router, input);
        else
            decide(&tally, router, (int64_t)moments[i].row, row);
    }
    sgl_router_destroy(router);
    sgl_policy_release(&policy);
    printf("\n    %s: %u of %u decisions agree, %u of %u where a candidate had a gradient\n", name,
           tally.agreed, tally.decided, tally.agreed_with_gradient, tally.with_gradient);
    return tally;
}

static void the_uniform_run_is_decided_as_recorded(void)
{
    const struct tally tally = redecide("sglang_custom/uniform/MU_router_test_20250731_090859.csv");

    CU_ASSERT_EQUAL(tally.decided, 200);
    CU_ASSERT_EQUAL(tally.agreed, 200);
    CU_ASSERT_EQUAL(tally.with_gradient, 132);
}

static void the_hetero_run_is_decided_as_recorded(void)
{
    const struct tally tally = redecide("sglang_custom/hetero/MU_router_test_20250731_091412.csv");

    CU_ASSERT_EQUAL(tally.decided, 200);
    CU_ASSERT_EQUAL(tally.agreed, 200);
    CU_ASSERT_EQUAL(tally.with_gradient, 157);
}

/* In these the order of concurrent completions was not kept by the file: decisions that hang on it
 * cannot be had again. The counts are what an independent script found. */
static void runs_that_lost_their_order_agree_as_far_as_they_can(void)
{
    struct tally tally = redecide("sglang_custom/new_test/MU_router_test_20250801_174407.csv");
    CU_ASSERT_EQUAL(tally.agreed_with_gradient, 849);
    CU_ASSERT_EQUAL(tally.with_gradient, 910);
    tally = redecide("sglang_custom/uniform/MUR_router_test_20250731_090557.csv");
    CU_ASSERT_EQUAL(tally.agreed_with_gradient, 119);
    CU_ASSERT_EQUAL(tally.with_gradient, 133);
    tally = redecide("sglang_custom/hetero/MUR_router_test_20250731_091452.csv");
    CU_ASSERT_EQUAL(tally.agreed_with_gradient, 151);
    CU_ASSERT_EQUAL(tally.with_gradient, 153);
}

SGL_SUITE(recorded) = {
    {"the uniform run is decided as recorded", the_uniform_run_is_decided_as_recorded},
    {"the hetero run is decided as recorded", the_hetero_run_is_decided_as_recorded},
    {"runs that lost their order agree as far as they can",
     runs_that_lost_their_order_agree_as_far_as_they_can},
    CU_TEST_INFO_NULL,
};
