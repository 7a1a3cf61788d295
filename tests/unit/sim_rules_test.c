/* What the schedulers do, in cases small enough to be worked out by hand. A step takes 10 us. */
#include "sim_support.h"
#include "support.h"

#include <stdio.h>

#define US INT64_C(1000)
#define STEP_10US                                                                                  \
    "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,c_prefill_context_us=0,"            \
    "c_kv_token_us=0,"

#define ROWS_MAX 160

/* Runs the rows on one worker, by leaps and by steps, which must agree. */
static struct sgl_simulation_totals run(const char *model, const struct sgl_trace_row *rows,
                                        size_t count, struct sgl_seen *seen)
{
    struct sgl_simulation_totals totals;
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    uint64_t digest = 0;
    char text[512];

    snprintf(text, sizeof text, STEP_10US "%s", model);
    sgl_test_fleet_init(&fleet, "round_robin", text, 1);
    for (int stepwise = 1; stepwise >= 0; stepwise--) {
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, count);
        totals = sgl_test_fleet_run(&fleet, rows, count, &witness);
        CU_ASSERT_TRUE(stepwise == 1 || witness.digest == digest);
        digest = witness.digest;
        for (size_t i = 0; i < count; i++)
            seen[i] = witness.seen[i];
        sgl_witness_release(&witness);
    }
    sgl_test_fleet_release(&fleet);
    return totals;
}

/*
 * The second is let in at 610 us, when the first has given 61 of 100 tokens: 156 - 70 - 10 - 50 =
 * 26 tokens would be left, more than 39 x (0.7 - 60 x 0.602 / 600) = 24.95. At 1,000 us both hold
 * 156. The second has given fewer, and waits till the first has ended; then its 10 + 39 tokens are
 * computed again.
 */
static void retraction(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 100, 100),
                                         sgl_row(1, 605 * US, 10, 50, 50)};
    struct sgl_seen seen[2];

    struct sgl_simulation_totals totals = run("kv_tokens=156", rows, 2, seen);
    CU_ASSERT_EQUAL(totals.steps, 1 + 60 + 1 + 38 + 1 + 1 + 10);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 1010 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 5 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.ttft_ns, 15 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 515 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.output_tokens, 50);
    /* A token less, and it is refused at 610 us; the batch is then full until the first leaves. */
    run("kv_tokens=154", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 1000 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 395 * US);
}

/*
 * The same, and the second is urgent: the first waits again at 1,000 us, with 99 given. Its 109
 * tokens do not fit until the second has given the last 11 of its own; then it gives one more.
 */
static void urgent_are_kept(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 100, 100), sgl_row(1, 605 * US, 10, 50, 50)};
    struct sgl_seen seen[2];

    for (int is_urgent = 0; is_urgent < 2; is_urgent++) {
        rows[1].request.priority = is_urgent == 1 ? SGL_PRIORITY_HIGH : SGL_PRIORITY_NORMAL;
        run("kv_tokens=156,schedule_policy=priority,retraction_policy=priority", rows, 2, seen);
        CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, (is_urgent == 1 ? 1120 : 1010) * US);
        CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (is_urgent == 1 ? 505 : 515) * US);
        run("kv_tokens=156,schedule_policy=priority", rows, 2, seen);
        CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 515 * US);
    }
}

/*
 * Both hold 15 of 30 tokens at 60 us, with 6 given. The youngest makes room, and its 16 tokens do
 * not fit again beside the other.
 */
static void preemption(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 15, 15), sgl_row(1, 0, 10, 15, 15)};
    struct sgl_seen seen[2];

    run("scheduler=vllm,kv_tokens=30", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 150 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.ttft_ns, 10 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 240 * US);
}

/*
 * 52 us for both prompts. 8 decode steps later all memory is held; the second makes room, and the
 * first ends with the next step, at 142 us. Then 32 of the 41 tokens that the second needs are
 * still cached: 10 + 9 us, and 10 more tokens.
 */
static void preempted_finds_its_prompt(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 10, 10), sgl_row(1, 0, 32, 20, 20)};
    struct sgl_seen seen[2];

    run("scheduler=vllm,kv_tokens=58,c_prefill_token_us=1", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 142 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (142 + 19 + 100) * US);
    CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, SGL_ABSENT); /* of other requests */
    run("scheduler=vllm,kv_tokens=58,c_prefill_token_us=1,prefix_cache=off", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (142 + 51 + 100) * US);
}

/*
 * 52 us for both prompts, and 17 decode steps until all 76 tokens are held, at 222 us. The second
 * makes room with 49 in memory, three blocks of which stay; the first takes the odd token and ends
 * with the next step. Then 2 of the 50 tokens that the second needs are computed: 12 us, and its
 * last token.
 */
static void preempted_finds_its_answer(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 19, 19), sgl_row(1, 0, 32, 20, 20)};
    struct sgl_seen seen[2];

    run("scheduler=vllm,kv_tokens=76,c_prefill_token_us=1", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 232 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (232 + 12 + 10) * US);
}

/*
 * The same, and the trace names blocks of the second prompt: all of it, with or without a session,
 * whose later turns go on from its answer or not, or a half of it.
 */
static void preempted_with_ids_finds_its_answer(void)
{
    static const uint64_t ids[] = {1, 2};
    static const struct {
        const char *model;
        const char *session;
        size_t count;
    } cases[] = {{"", NULL, 2}, {"", "s", 2}, {",answer_cache=off", "s", 2}, {"", NULL, 1}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 19, 19), sgl_row(1, 0, 32, 20, 20)};
        struct sgl_seen seen[2];
        char model[100];
        rows[1].request.session = cases[i].session;
        rows[1].request.prefix_ids = ids;
        rows[1].request.prefix_count = cases[i].count;
        rows[1].request.prefix_block = 16;
        snprintf(model, sizeof model, "scheduler=vllm,kv_tokens=76,c_prefill_token_us=1%s",
                 cases[i].model);
        run(model, rows, 2, seen);
        CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 232 * US);
        CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (232 + 12 + 10) * US);
        CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, 0); /* of other requests */
    }
}

/*
 * 10 us and one for each prefill token. The second prompt finds two blocks that the first one is
 * about to compute, and always computes a token: 40 + 8. With steps of 40 tokens the first is cut
 * at its 40th, and the second finds three blocks of it in the next step: 24 + 16.
 */
static void prompts_of_one_step_share(void)
{
    static const uint64_t ids[] = {1, 2, 3, 4};
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 40, 1, 1), sgl_row(1, 0, 40, 1, 1)};
    struct sgl_seen seen[2];

    for (int i = 0; i < 2; i++) {
        rows[i].request.prefix_ids = ids;
        rows[i].request.prefix_count = 3;
        rows[i].request.prefix_block = 16;
    }
    run("scheduler=vllm,c_prefill_token_us=1", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 58 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 58 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, 32);
    run("scheduler=sglang,c_prefill_token_us=1", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 90 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, 0);
    for (int i = 0; i < 2; i++) {
        rows[i].request.prompt_tokens = 64;
        rows[i].request.prefix_count = 4;
    }
    run("scheduler=vllm,c_prefill_token_us=1,max_batch_tokens=40", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 100 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 100 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, 48);
}

/*
 * Steps of 17 tokens. The second prompt has 7 + 16 + 16 of its 48 computed at 79 us, and the first
 * 12 in memory: 9 + 1 more are too many for 55. Two of its blocks are full and stay. At 109 the
 * first has given its six tokens, and 16 are left to compute.
 */
static void cut_prompt_keeps_full_blocks(void)
{
    static const uint64_t ids[] = {1, 2, 3};
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 6, 6), sgl_row(1, 0, 48, 1, 1)};
    struct sgl_seen seen[2];

    rows[1].request.prefix_ids = ids;
    rows[1].request.prefix_count = 3;
    rows[1].request.prefix_block = 16;
    run("scheduler=vllm,c_prefill_token_us=1,max_batch_tokens=17,kv_tokens=55", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 109 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (109 + 26) * US);
    CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, 0); /* of other requests */
}

/* The second step is planned at 0, the third at 10: who comes at 5 us is in that one. */
static void planned_ahead(void)
{
    const struct sgl_trace_row late[] = {sgl_row(0, 0, 1, 6, 6), sgl_row(1, 5 * US, 1, 2, 2)};
    const struct sgl_trace_row places[] = {sgl_row(0, 0, 1, 2, 2), sgl_row(1, 0, 1, 6, 6),
                                           sgl_row(2, 0, 1, 1, 1)};
    const struct sgl_trace_row pause[] = {sgl_row(0, 0, 1, 2, 2), sgl_row(1, 0, 1, 1, 1)};
    struct sgl_seen seen[3];

    run("scheduler=vllm", late, 2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 5 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.ttft_ns, 15 * US);
    run("scheduler=vllm,async_scheduling=on", late, 2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 5 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.ttft_ns, 25 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 35 * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 60 * US);
    /* The first ends at 20; its place is known to be free when the fourth step is planned, then. */
    run("scheduler=vllm,async_scheduling=on,max_running_requests=2", places, 3, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 20 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.queue_time_ns, 20 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.ttft_ns, 40 * US);
    /* Nothing could be planned ahead: at 20 the step begins as it is planned. */
    run("scheduler=vllm,async_scheduling=on,max_running_requests=1", pause, 2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 20 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.ttft_ns, 30 * US);
}

/* One at a time, and a step each. The known prompt overtakes, but only when at most 128 wait. */
static void longest_prefix_first(void)
{
    static const uint64_t known[] = {1, 2};
    static uint64_t own[ROWS_MAX][2];
    static struct sgl_trace_row rows[ROWS_MAX];
    static struct sgl_seen seen[ROWS_MAX];
    const size_t counts[] = {10, 132};
    const int64_t turns[] = {1, 4}; /* steps it waits: with 131, 130 and 129 in the queue, too */

    for (int i = 0; i < 2; i++) {
        const size_t count = counts[i];
        for (size_t j = 0; j < count; j++) {
            rows[j] = sgl_row((int64_t)j, j == 0 ? 0 : 10 * US, 20, 1, 1);
            own[j][0] = own[j][1] = 3 + j;
            rows[j].request.prefix_ids = j == 0 || j == count - 1 ? known : own[j];
            rows[j].request.prefix_count = 2;
            rows[j].request.prefix_block = 10;
        }
        run("schedule_policy=lpm,max_running_requests=1", rows, count, seen);
        CU_ASSERT_EQUAL(seen[count - 1].outcome.queue_time_ns, (turns[i] - 1) * 10 * US);
        CU_ASSERT_EQUAL(seen[count - 1].outcome.cached_tokens, 10);
        run("max_running_requests=1", rows, count, seen);
        CU_ASSERT_EQUAL(seen[count - 1].outcome.queue_time_ns, (int64_t)(count - 2) * 10 * US);
    }
}

/*
 * The second leaves no place until 920 us. When the fourth comes its prompt is known from the
 * first; by 920 us the answer of the second (5 + 89 tokens of 100) has driven that out. Then
 * nothing is known of either, and they go as they came: who sorted the queue while there was no
 * place would have put the fourth before the third.
 */
static void order_is_that_of_the_place(void)
{
    static const uint64_t ids[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 41, 1, 1), sgl_row(1, 20 * US, 5, 90, 90),
                                   sgl_row(2, 55 * US, 41, 1, 1), sgl_row(3, 56 * US, 41, 1, 1)};
    struct sgl_seen seen[4];

    for (int i = 0; i < 4; i++) {
        rows[i].request.prefix_ids = i == 1 ? NULL : ids[i == 2];
        rows[i].request.prefix_count = i == 1 ? 0 : 4;
        rows[i].request.prefix_block = 10;
    }
    run("schedule_policy=lpm,max_running_requests=1,kv_tokens=100", rows, 4, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 900 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.queue_time_ns, (920 - 55) * US);
    CU_ASSERT_EQUAL(seen[3].outcome.queue_time_ns, (930 - 56) * US);
    CU_ASSERT_EQUAL(seen[3].outcome.cached_tokens, 0);
    /* With room for it all the prompt stays known, and the fourth goes first. */
    run("schedule_policy=lpm,max_running_requests=1,kv_tokens=200", rows, 4, seen);
    CU_ASSERT_EQUAL(seen[3].outcome.queue_time_ns, (920 - 56) * US);
    CU_ASSERT_EQUAL(seen[3].outcome.cached_tokens, 40);
}

static void high_before_low(void)
{
    static const enum sgl_priority priorities[] = {SGL_PRIORITY_LOW, SGL_PRIORITY_NORMAL,
                                                   SGL_PRIORITY_HIGH, SGL_PRIORITY_NORMAL,
                                                   SGL_PRIORITY_HIGH};
    static const int64_t turns[] = {4, 2, 0, 3, 1};
    struct sgl_trace_row rows[5];
    struct sgl_seen seen[5];

    for (int i = 0; i < 5; i++) {
        rows[i] = sgl_row(i, 0, 20, 1, 1);
        rows[i].request.priority = priorities[i];
    }
    run("schedule_policy=priority,max_running_requests=1", rows, 5, seen);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(seen[i].outcome.queue_time_ns, turns[i] * 10 * US);
}

/*
 * One place. At 30 us the first has given 3 of 10 tokens, and the urgent one takes its place for 3
 * steps; then 13 tokens are computed again, which gives the 4th.
 */
static void urgent_take_places(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 10, 20), sgl_row(1, 25 * US, 10, 3, 10),
                                   sgl_row(2, 26 * US, 10, 1, 10)};
    struct sgl_seen seen[3];

    rows[0].request.priority = SGL_PRIORITY_LOW;
    rows[1].request.priority = SGL_PRIORITY_HIGH;
    rows[2].request.priority = SGL_PRIORITY_LOW;
    run("schedule_policy=priority,max_running_requests=1,priority_preemption=on", rows, 3, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 5 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 35 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.e2e_ns, (60 + 10 - 26) * US); /* it waited already */
    CU_ASSERT_EQUAL(seen[0].outcome.ttft_ns, 10 * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, (70 + 10 + 6 * 10) * US);
    /* Two classes apart are not more than two. */
    run("schedule_policy=priority,max_running_requests=1,priority_preemption=on,"
        "priority_threshold=2",
        rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 100 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (130 - 25) * US);
    /* At 30 us 28 of 40 tokens are free, and 17 x 0.69 are kept for the first. 10 and 10 for the
     * second are short of 3.8, which is less than those; 20 and 10 are short of more. */
    run("schedule_policy=priority,max_running_requests=1,priority_preemption=on,kv_tokens=40", rows,
        2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 35 * US);
    rows[1].request.prompt_tokens = 20;
    run("schedule_policy=priority,max_running_requests=1,priority_preemption=on,kv_tokens=40", rows,
        2, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (130 - 25) * US);
}

/*
 * Two places. At 30 us each of two has given 3 of 20 tokens and holds 12 of 64: 40 are free, and
 * 34 x 0.698 = 23.7 are kept for them. The first of the urgent, 10 and 20 tokens, is short of 13.7,
 * and one of the others gives 11.9: so both make room. A place is left then, but it is not for the
 * second of the urgent, who finds nobody to take one from; it comes a step later.
 */
static void urgent_take_one_place_each(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 10, 20), sgl_row(1, 0, 10, 10, 20),
                                   sgl_row(2, 25 * US, 10, 1, 20), sgl_row(3, 26 * US, 10, 1, 20)};
    struct sgl_seen seen[4];

    rows[0].request.priority = rows[1].request.priority = SGL_PRIORITY_LOW;
    rows[2].request.priority = rows[3].request.priority = SGL_PRIORITY_HIGH;
    run("schedule_policy=priority,max_running_requests=2,priority_preemption=on,kv_tokens=64", rows,
        4, seen);
    CU_ASSERT_EQUAL(seen[2].outcome.queue_time_ns, 5 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.e2e_ns, 15 * US);
    CU_ASSERT_EQUAL(seen[3].outcome.queue_time_ns, 14 * US);
    CU_ASSERT_EQUAL(seen[3].outcome.e2e_ns, 24 * US);
}

/*
 * As in preemption above, but the first is less urgent: it makes room, and waits behind the third,
 * which came later and fits: 16 tokens do not.
 */
static void less_urgent_make_room(void)
{
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 15, 15), sgl_row(1, 0, 10, 15, 15),
                                   sgl_row(2, 65 * US, 10, 1, 1)};
    struct sgl_seen seen[3];

    rows[0].request.priority = SGL_PRIORITY_LOW;
    run("scheduler=vllm,kv_tokens=30,schedule_policy=priority", rows, 3, seen);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 150 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.e2e_ns, 15 * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 240 * US);
    run("scheduler=vllm,kv_tokens=30", rows, 3, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 150 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 240 * US);
    CU_ASSERT_EQUAL(seen[2].outcome.e2e_ns, (160 - 65) * US);
}

/* 30 tokens in chunks of 8 are 4 steps in which the other waits; of 8 less the other's token, 5 in
 * which it goes on. */
static void mixed_chunks(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 10, 10), sgl_row(1, 15 * US, 30, 1, 1)};
    struct sgl_seen seen[2];

    run("chunked_prefill_size=8", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 140 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 45 * US);
    run("chunked_prefill_size=8,mixed_chunk=on", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 100 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 55 * US);
}

static void overhead_of_the_host(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 3, 3), sgl_row(1, 0, 1, 1, 1)};
    struct sgl_seen seen[2];

    run("host_overhead_us=500,max_running_requests=1", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.ttft_ns, 510 * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 530 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.queue_time_ns, 30 * US); /* the engine did not wait */
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, 540 * US);
}

/* The first token is in the host from 10 to 510 us, and the worker goes down at 100. */
static void token_lost_in_the_host(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 300, 300)};
    const struct sgl_fault down = {
        .kind = SGL_FAULT_DOWN, .from_ns = 100 * US, .until_ns = INT64_MAX};
    struct sgl_fault_plan plan = {0};
    struct sgl_failure failure = {""};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    CU_ASSERT_EQUAL_FATAL(sgl_fault_plan_add(&plan, &down, &failure), SGL_OK);
    sgl_test_fleet_init(&fleet, "round_robin", STEP_10US "host_overhead_us=500", 1);
    fleet.options.faults = &plan;
    sgl_witness_init(&witness, 1);
    sgl_test_fleet_run(&fleet, rows, 1, &witness);
    CU_ASSERT_FALSE(witness.seen[0].outcome.success);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 100 * US);
    CU_ASSERT_EQUAL(witness.seen[0].first_token_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.ttft_ns, SGL_ABSENT);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
    sgl_fault_plan_release(&plan);
}

/* 8 us for all experts: a half of them for one token, three quarters for two. */
static void experts(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 2, 3, 3)};
    struct sgl_seen seen[1];

    run("c_expert_us=8,p_expert=0.5", rows, 1, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.ttft_ns, 16 * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 44 * US);
}

/* Of a prompt of 5 tokens two are free; a decode step of one token is. */
static void tokens_beyond_the_free(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 5, 3, 3)};
    struct sgl_seen seen[1];

    run("c_token_us=4,free_tokens=2", rows, 1, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.ttft_ns, (10 + 3 * 4) * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, (10 + 3 * 4 + 2 * 10) * US);
    /* nothing is free: max(0, 4 T) beside the constant */
    run("c_token_us=4", rows, 1, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, (10 + 5 * 4 + 2 * (10 + 4)) * US);
}

/* The second prompt is computed while the first, of 3 tokens by then, decodes. */
static void decoding_beside_a_prefill(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 2, 4, 4), sgl_row(1, 5 * US, 2, 1, 1)};
    struct sgl_seen seen[2];

    run("scheduler=vllm,c_mixed_request_us=7,c_mixed_kv_token_us=2", rows, 2, seen);
    CU_ASSERT_EQUAL(seen[0].outcome.ttft_ns, 10 * US);
    CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, (5 + 10 + 7 + 2 * 3) * US);
    CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, (4 * 10 + 7 + 2 * 3) * US);
}

static void contradictions_are_refused(void)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"batching:scheduler=vllm,schedule_policy=lpm", "expected fcfs or priority"},
        {"batching:priority_preemption=on",
         "expected scheduler=sglang and schedule_policy=priority"},
        {"batching:scheduler=vllm,schedule_policy=priority,priority_preemption=on",
         "expected scheduler=sglang and schedule_policy=priority"},
        {"batching:schedule_policy=priority,priority_threshold=1",
         "expected priority_preemption=on"},
        {"batching:retraction_policy=priority", "expected scheduler=sglang and schedule_policy"},
        {"batching:scheduler=vllm,schedule_policy=priority,retraction_policy=priority",
         "expected scheduler=sglang"},
        {"batching:scheduler=vllm,mixed_chunk=on", "expected scheduler=sglang"},
        {"batching:mixed_chunk=on,chunked_prefill_size=0", "chunked_prefill_size above 0"},
        {"batching:async_scheduling=on", "expected scheduler=vllm"},
    };
    struct sgl_worker_model_spec spec;
    struct sgl_failure failure;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(sgl_worker_model_parse(&spec, cases[i].text, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, cases[i].says);
    }
}

/* One worker of 100 tokens and one of 1,000: what the larger can hold is no fault of the fleet. */
static void impossible_fleets(void)
{
    const struct sgl_trace_row fits[] = {sgl_row(0, 0, 900, 100, 4000),
                                         sgl_row(1, 0, 900, 100, 4000)};
    const struct sgl_trace_row too_large[] = {sgl_row(0, 0, 10, 10, 10),
                                              sgl_row(1, 0, 900, 101, 4000)};
    const char *const text = "request 1 has 900 prompt and 101 output tokens, and no worker has KV "
                             "memory for more than 1000";
    struct sgl_test_fleet fleet;
    struct sgl_failure failure;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin", "batching:kv_tokens=100", 2);
    CU_ASSERT_EQUAL_FATAL(
        sgl_worker_model_set(&fleet.specs[1], "kv_tokens", 9, "1000", 4, "test", &failure), SGL_OK);
    fleet.options.cuts_oversize = false;
    sgl_witness_init(&witness, 2);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, fits, 2, &witness);
    CU_ASSERT_EQUAL(totals.succeeded, 1);
    CU_ASSERT_EQUAL(totals.failed, 1);
    sgl_witness_release(&witness);
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, too_large, 2, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, text);
    fleet.options.cuts_oversize = true;
    CU_ASSERT_EQUAL(sgl_test_fleet_try(&fleet, too_large, 2, &failure), SGL_OK);
    sgl_test_fleet_release(&fleet);
}

SGL_SUITE(sim_rules) = {
    {"sglang takes back who gave least when memory is out, and computes it again", retraction},
    {"sglang takes back the less urgent when it is told to", urgent_are_kept},
    {"vllm takes back the youngest, who waits in front", preemption},
    {"vllm computes again only what the cache lost of a preempted prompt",
     preempted_finds_its_prompt},
    {"vllm computes again only what the cache lost of its answer", preempted_finds_its_answer},
    {"vllm does so, too, of one whose prompt the trace names", preempted_with_ids_finds_its_answer},
    {"vllm: prompts of one step share what they begin with", prompts_of_one_step_share},
    {"vllm: of a prompt that makes room, full blocks stay", cut_prompt_keeps_full_blocks},
    {"a step that is planned ahead misses who came and who left since", planned_ahead},
    {"lpm lets the longest known prompt overtake, unless more than 128 wait", longest_prefix_first},
    {"lpm sorts when there is a place, by what is known then", order_is_that_of_the_place},
    {"priority: high, normal, low, each in order", high_before_low},
    {"sglang: without a free place the more urgent take those of the less urgent, within bounds",
     urgent_take_places},
    {"who takes the places of two leaves one of them to the next step", urgent_take_one_place_each},
    {"vllm: the less urgent make room, and wait behind those more urgent", less_urgent_make_room},
    {"mixed chunks let running requests decode, and are shorter by a token each", mixed_chunks},
    {"host overhead delays the answer, not the engine", overhead_of_the_host},
    {"a token that waits in the host of a worker that goes down is lost", token_lost_in_the_host},
    {"experts cost more the more tokens a step has, up to all of them", experts},
    {"tokens of a step cost more beyond those that are free", tokens_beyond_the_free},
    {"decoding beside a prefill costs more, by request and by context", decoding_beside_a_prefill},
    {"parameters that contradict each other are refused", contradictions_are_refused},
    {"a request that no worker can hold refuses the run, or is cut when that is asked for",
     impossible_fleets},
    CU_TEST_INFO_NULL,
};
