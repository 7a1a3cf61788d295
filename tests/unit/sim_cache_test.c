/* The prefix cache of a worker: accounts that balance after every event, and a case by hand. */
#include "core/rng.h"
#include "sim/models/engine.h"
#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define REQUESTS 60
#define BLOCK_MAX 6

static void ignore(void *context, const struct sgl_worker_event *event)
{
    *(uint64_t *)context += event->kind != SGL_WORKER_FIRST_TOKEN;
}

/* Pages that are a job's own when it has `tokens` in memory. */
static int64_t own_pages(const struct sgl_engine *engine, uint32_t job, int64_t tokens)
{
    const uint32_t node =
        sgl_engine_at(engine, job)->has_ids ? engine->prompts[job].hold.node : SGL_KV_ROOT;

    if (engine->kv.pages_total == 0)
        tokens = sgl_engine_at(engine, job)->prompt_tokens; /* answers are not counted then */
    return sgl_engine_pages(engine, tokens) - sgl_kv_cache_end_pages(&engine->kv, node);
}

/* held = private + pinned, held + cached + free = total: counted anew from the tree and the jobs.
 * The first step of a leap has its memory from the start, the others when the leap ends. */
static bool balances(const struct sgl_engine *engine)
{
    const bool takes_whole_prompts = engine->scheduler == &sgl_engine_sglang;
    const bool has_token = engine->is_stepping && engine->is_decoding;
    bool is_chunked = false;
    int64_t pages = 0;

    for (uint32_t i = 0; i < engine->running.count; i++) {
        const uint32_t job = sgl_finish_order_at(&engine->running, i)->job;
        pages += own_pages(engine, job,
                           sgl_engine_at(engine, job)->prompt_tokens +
                               sgl_engine_given(engine, job) - 1 + has_token);
    }
    for (uint32_t i = 0; engine->is_stepping && i < engine->chunk_count; i++) {
        const struct sgl_engine_job *job = sgl_engine_at(engine, engine->chunks[i].job);
        is_chunked = is_chunked || engine->chunks[i].job == engine->partial;
        pages += own_pages(engine, engine->chunks[i].job,
                           takes_whole_prompts ? sgl_engine_to_prefill(job)
                                               : job->prefilled + engine->chunks[i].tokens);
    }
    if (engine->partial != SGL_ENGINE_NO_JOB && !is_chunked) {
        const struct sgl_engine_job *job = sgl_engine_at(engine, engine->partial);
        pages += own_pages(engine, engine->partial,
                           takes_whole_prompts ? sgl_engine_to_prefill(job) : job->prefilled);
    }
    return sgl_kv_cache_is_sound(&engine->kv, pages);
}

static void accounts_balance_after_every_event(void)
{
    static const char *const models[] = {
        "batching:scheduler=sglang,kv_tokens=90,page_size=4,chunked_prefill_size=16",
        "batching:scheduler=vllm,kv_tokens=70,page_size=1,max_batch_tokens=16",
        "batching:scheduler=vllm,kv_tokens=120,page_size=8",
        "batching:kv_tokens=80,schedule_policy=lpm",
        "batching:kv_tokens=96,page_size=3,chunked_prefill_size=9,mixed_chunk=on",
        "batching:kv_tokens=80,schedule_policy=priority,page_size=16,chunked_prefill_size=0",
        "batching"};

    for (int64_t world = 0; world < 200; world++) {
        struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_LENGTH, 0, world, 0);
        struct sgl_worker_model_spec spec;
        struct sgl_failure failure;
        struct sgl_engine engine = {0};
        uint64_t ended = 0;
        int64_t now_ns = 0;
        bool is_sound = true;
        CU_ASSERT_EQUAL_FATAL(
            sgl_worker_model_parse(
                &spec, models[(size_t)world % (sizeof models / sizeof models[0])], &failure),
            SGL_OK);
        const struct sgl_worker_model_setup setup = {
            .spec = &spec, .emit = ignore, .context = &ended};
        const struct sgl_worker_model_ops *ops = spec.ops;
        CU_ASSERT_EQUAL_FATAL(ops->create(&engine, &setup, &failure), SGL_OK);
        for (uint32_t arrived = 0;
             arrived < REQUESTS || ops->next_event_ns(&engine) != SGL_NEVER;) {
            if (ops->next_event_ns(&engine) != SGL_NEVER)
                now_ns = ops->next_event_ns(&engine);
            ops->advance(&engine, now_ns);
            is_sound = is_sound && balances(&engine);
            for (uint32_t n = sgl_rng_below(&draws, 4); n > 0 && arrived < REQUESTS; n--) {
                uint64_t ids[BLOCK_MAX];
                struct sgl_trace_row row =
                    sgl_row(arrived, now_ns, (int64_t)sgl_rng_below(&draws, 60), 0, 0);
                for (size_t i = 0; i < BLOCK_MAX; i++)
                    ids[i] = sgl_rng_below(&draws, 2);
                row.request.prefix_ids = ids;
                row.request.prefix_count = sgl_rng_below(&draws, BLOCK_MAX + 1);
                row.request.prefix_block = sgl_rng_below(&draws, 12);
                row.request.session = world % 2 == 0 ? "s" : NULL;
                const struct sgl_job job = {.handle = arrived++,
                                            .arrival_ns = now_ns,
                                            .max_tokens = sgl_rng_below(&draws, 30),
                                            .output_tokens = sgl_rng_below(&draws, 30),
                                            .request = &row.request,
                                            .recorded = &row.recorded};
                CU_ASSERT_EQUAL(ops->arrive(&engine, &job, &failure), SGL_OK);
                is_sound = is_sound && balances(&engine);
            }
            CU_ASSERT_EQUAL(ops->schedule(&engine, now_ns, &failure), SGL_OK);
            is_sound = is_sound && balances(&engine);
        }
        CU_ASSERT_TRUE(is_sound);
        CU_ASSERT_EQUAL(ended, REQUESTS);
        CU_ASSERT_EQUAL(engine.kv.pages_held, 0);
        CU_ASSERT_EQUAL(engine.kv.reserved, 0);
        ops->destroy(&engine);
        sgl_worker_model_release(&spec);
    }
}

#define PER_TOKEN                                                                                  \
    "batching:c_step_us=1,c_request_us=0,c_prefill_token_us=1,c_prefill_context_us=0,"             \
    "c_kv_token_us=0"

/* Four blocks of 10 tokens; the second request repeats the prompt, the third its half. */
static void only_what_is_new_is_prefilled(void)
{
    static const uint64_t ids[] = {1, 2, 3, 4};
    static const uint64_t half[] = {1, 2, 9};
    static const int64_t second = SGL_NANOSECONDS_PER_SECOND;
    struct sgl_trace_row rows[] = {sgl_row(0, 0, 40, 1, 1), sgl_row(1, second, 40, 1, 1),
                                   sgl_row(2, 2 * second, 25, 1, 1),
                                   sgl_row(3, 3 * second, 40, 1, 1)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    for (int i = 0; i < 3; i++) {
        rows[i].request.prefix_ids = i == 2 ? half : ids;
        rows[i].request.prefix_count = i == 2 ? 3 : 4;
        rows[i].request.prefix_block = 10;
    }
    for (int is_on = 0; is_on < 2; is_on++) {
        sgl_test_fleet_init(&fleet, "round_robin",
                            is_on == 1 ? PER_TOKEN : PER_TOKEN ",prefix_cache=off", 1);
        sgl_witness_init(&witness, 4);
        sgl_test_fleet_run(&fleet, rows, 4, &witness);
        const struct sgl_seen *seen = witness.seen;
        CU_ASSERT_EQUAL(seen[0].outcome.cached_tokens, is_on == 1 ? 0 : SGL_ABSENT);
        /* whole blocks, and a token is always computed: 30 of 40 */
        CU_ASSERT_EQUAL(seen[1].outcome.cached_tokens, is_on == 1 ? 30 : SGL_ABSENT);
        CU_ASSERT_EQUAL(seen[2].outcome.cached_tokens, is_on == 1 ? 20 : SGL_ABSENT);
        CU_ASSERT_EQUAL(seen[3].outcome.cached_tokens, SGL_ABSENT); /* no ids */
        CU_ASSERT_EQUAL(seen[0].outcome.e2e_ns, 41000);
        CU_ASSERT_EQUAL(seen[1].outcome.e2e_ns, is_on == 1 ? 11000 : 41000);
        CU_ASSERT_EQUAL(seen[2].outcome.e2e_ns, is_on == 1 ? 6000 : 26000);
        CU_ASSERT_EQUAL(seen[3].outcome.e2e_ns, 41000);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
}

/*
 * Blocks of 16 tokens. The first turn, 32 tokens and an answer of 33, leaves 64 of them: the last
 * one was never fed back. The second repeats them and adds 5; then its ids are known to all. A
 * prompt of 60 tokens does not hold the answer, one of another session need not.
 */
static void next_turn_finds_the_answer(void)
{
    static const uint64_t ids[] = {1, 2, 7, 8};
    static const struct {
        const char *model;
        const char *session; /* of the second turn */
        int64_t output, prompt, cached;
    } cases[] = {{"", "s", 33, 70, 64},
                 {",kv_tokens=200", "s", 33, 70, 64},
                 {",scheduler=vllm,kv_tokens=200", "s", 33, 70, 64},
                 {",scheduler=vllm,async_scheduling=on", "s", 33, 70, 64},
                 {"", "s", 32, 69, 48},
                 {"", "s", 33, 60, 32},
                 {"", "t", 33, 70, 32},
                 {"", NULL, 33, 70, 32},
                 {",answer_cache=off", "s", 33, 70, 32},
                 {",page_size=16,chunked_prefill_size=64", "s", 33, 70, 64}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int64_t prompt = cases[i].prompt;
        struct sgl_trace_row rows[] = {
            sgl_row(0, 0, 32, cases[i].output, 40),
            sgl_row(1, SGL_NANOSECONDS_PER_SECOND, prompt, 1, 1),
            sgl_row(2, 2 * SGL_NANOSECONDS_PER_SECOND, prompt, 1, 1),
        };
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        char model[200];
        for (int turn = 0; turn < 3; turn++) {
            rows[turn].request.session = turn == 0 ? "s" : turn == 1 ? cases[i].session : "u";
            rows[turn].request.prefix_ids = ids;
            rows[turn].request.prefix_count = (size_t)rows[turn].request.prompt_tokens / 16;
            rows[turn].request.prefix_block = 16;
        }
        snprintf(model, sizeof model, "%s%s", PER_TOKEN, cases[i].model);
        sgl_test_fleet_init(&fleet, "round_robin", model, 1);
        sgl_witness_init(&witness, 3);
        sgl_test_fleet_run(&fleet, rows, 3, &witness);
        CU_ASSERT_EQUAL(witness.seen[0].outcome.cached_tokens, 0);
        CU_ASSERT_EQUAL(witness.seen[1].outcome.cached_tokens, cases[i].cached);
        CU_ASSERT_EQUAL(witness.seen[1].outcome.e2e_ns, (1 + prompt - cases[i].cached) * 1000);
        /* whole blocks that the second has, less one where they are all there is */
        CU_ASSERT_EQUAL(witness.seen[2].outcome.cached_tokens, prompt / 16 * 16);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
}

/*
 * 60 tokens in blocks of 10, asked for three times at once; a step takes 1 us, and 1 us a token.
 * Chunks of 40: the first request has 40, then 20; the second, beside these, knows 40 and computes
 * 20; the third knows 50 in the step after it. Chunks of 35: the first has 35, three blocks of them
 * whole, then 25; the second, beside these, has 10, then 20; beside these the third, which knows
 * 50, has 10. With pages of 8 tokens chunks are charged, and prompts found, in whole pages. With
 * lpm the third, the same prompt, goes before the second, another one.
 */
static void chunks_are_found_one_by_one(void)
{
    static const uint64_t ids[] = {1, 2, 3, 4, 5, 6};
    static const uint64_t other[] = {7};
    static const struct {
        int chunk;
        const char *more;
        bool has_other;
        int64_t cached[3], queue_us[3], e2e_us[3];
    } cases[] = {
        {40, "", false, {0, 40, 50}, {0, 41, 82}, {82, 82, 93}},
        {35, "", false, {0, 30, 50}, {0, 36, 72}, {72, 103, 103}},
        {35, ",kv_tokens=200", false, {0, 30, 50}, {0, 36, 72}, {72, 103, 103}},
        {40, ",page_size=8", false, {0, 40, 56}, {0, 41, 78}, {78, 87, 87}},
        {40, "", true, {0, 0, 40}, {0, 41, 41}, {82, 82, 93}},
        {40, ",schedule_policy=lpm", true, {0, 0, 40}, {0, 82, 41}, {82, 93, 82}},
        {0, "", false, {0, 0, 0}, {0, 0, 0}, {181, 181, 181}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_trace_row rows[3];
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        char model[200];
        for (int64_t r = 0; r < 3; r++) {
            const bool is_other = r == 1 && cases[i].has_other;
            rows[r] = sgl_row(r, 0, is_other ? 10 : 60, 1, 1);
            rows[r].request.prefix_ids = is_other ? other : ids;
            rows[r].request.prefix_count = is_other ? 1 : 6;
            rows[r].request.prefix_block = 10;
        }
        snprintf(model, sizeof model, PER_TOKEN ",chunked_prefill_size=%d%s", cases[i].chunk,
                 cases[i].more);
        sgl_test_fleet_init(&fleet, "round_robin", model, 1);
        sgl_witness_init(&witness, 3);
        sgl_test_fleet_run(&fleet, rows, 3, &witness);
        for (int r = 0; r < 3; r++) {
            const struct sgl_outcome *outcome = &witness.seen[r].outcome;
            CU_ASSERT_EQUAL(outcome->cached_tokens, cases[i].cached[r]);
            CU_ASSERT_EQUAL(outcome->queue_time_ns, cases[i].queue_us[r] * 1000);
            CU_ASSERT_EQUAL(outcome->e2e_ns, cases[i].e2e_us[r] * 1000);
        }
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
}

SGL_SUITE(sim_cache) = {
    {"held, cached and free pages make up the memory after every event",
     accounts_balance_after_every_event},
    {"a prompt known in part is prefilled from there, in whole blocks, at least one token",
     only_what_is_new_is_prefilled},
    {"the next turn of a session finds the answer, when it goes on from there",
     next_turn_finds_the_answer},
    {"of a prompt that is cut into chunks each is found by those admitted in later steps",
     chunks_are_found_one_by_one},
    CU_TEST_INFO_NULL,
};
