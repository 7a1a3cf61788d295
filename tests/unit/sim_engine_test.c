/*
 * The batching model against a reference that knows no leaps, no heaps and no running sums: it
 * walks all requests at every step. Worlds are small and made to force ties.
 */
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS 3000
#define REQUEST_MAX 24

struct setting {
    bool is_vllm;
    int64_t prefill_ps, decode_ps, request_ps, token_ps, half_pair_ps, kv_ps;
    int64_t kv_tokens, page, chunk, prefill_max, batch_max, running_max;
    char text[512];
};

struct reference {
    int64_t arrival_ns, prompt, output, pages;
    int64_t done;    /* prompt tokens */
    int64_t emitted; /* output tokens */
    int64_t started_ns, first_ns, finish_ns;
    bool is_rejected, is_admitted, is_finished;
};

static int64_t draw(struct sgl_rng *draws, const int64_t *choices, uint32_t count)
{
    return choices[sgl_rng_below(draws, count)];
}

#define DRAW(draws, ...)                                                                           \
    draw(draws, (const int64_t[]){__VA_ARGS__},                                                    \
         (uint32_t)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)))

/* Coefficients are whole picoseconds (1e-6 us) so that folding them is exact. */
static struct setting random_setting(struct sgl_rng *draws)
{
    struct setting it = {.is_vllm = sgl_rng_below(draws, 2) == 1};

    it.prefill_ps = DRAW(draws, 1000, 1001, 1500, 5000000, 7777777);
    it.decode_ps = DRAW(draws, 1000, 1003, 1700, 3000000, 7777777);
    it.request_ps = DRAW(draws, 0, 0, 1, 333, 100000);
    it.token_ps = DRAW(draws, 0, 0, 1, 450, 1000000);
    it.half_pair_ps = DRAW(draws, 0, 0, 1, 17, 2000);
    it.kv_ps = DRAW(draws, 0, 0, 1, 7, 999, 50000);
    if (sgl_rng_below(draws, 3) == 0) {
        /* Whole nanoseconds, and few of them: step ends and arrivals meet in the same instant. */
        it.prefill_ps = DRAW(draws, 1000, 2000, 3000);
        it.decode_ps = DRAW(draws, 1000, 2000, 3000);
        it.request_ps = it.token_ps = it.half_pair_ps = 0;
        it.kv_ps = DRAW(draws, 0, 0, 1000);
    }
    it.page = DRAW(draws, 1, 1, 4, 16);
    it.kv_tokens = DRAW(draws, 0, 0, 40, 64, 100, 300);
    it.chunk = DRAW(draws, 0, 1, 3, 8) * it.page;
    it.prefill_max = DRAW(draws, 1, 10, 30, 16384);
    it.batch_max = DRAW(draws, 1, 2, 5, 16, 2048);
    it.running_max = DRAW(draws, 1, 2, 3, 8, 2048);
    snprintf(it.text, sizeof it.text,
             "batching:scheduler=%s,c_step_prefill_us=%.6f,c_step_decode_us=%.6f,c_request_us=%.6f,"
             "c_prefill_token_us=%.6f,c_prefill_context_us=%.6f,c_kv_token_us=%.6f,kv_tokens=%lld,"
             "page_size=%lld,chunked_prefill_size=%lld,max_prefill_tokens=%lld,"
             "max_batch_tokens=%lld,max_running_requests=%lld",
             it.is_vllm ? "vllm" : "sglang", (double)it.prefill_ps / 1e6,
             (double)it.decode_ps / 1e6, (double)it.request_ps / 1e6, (double)it.token_ps / 1e6,
             (double)it.half_pair_ps / 5e5, (double)it.kv_ps / 1e6, (long long)it.kv_tokens,
             (long long)it.page, (long long)it.chunk, (long long)it.prefill_max,
             (long long)it.batch_max, (long long)it.running_max);
    return it;
}

static size_t random_rows(struct sgl_rng *draws, struct sgl_trace_row *rows)
{
    const size_t count = 1 + sgl_rng_below(draws, REQUEST_MAX);
    const int64_t gap_ns = DRAW(draws, 0, 1, 2, 5, 10, 30, 1000, 20000, 1000000);
    int64_t arrival_ns = 0;

    for (size_t i = 0; i < count; i++) {
        if (sgl_rng_below(draws, 3) > 0)
            arrival_ns += gap_ns * (int64_t)sgl_rng_below(draws, 3);
        rows[i] = sgl_row((int64_t)i, arrival_ns, DRAW(draws, 0, 1, 4, 4, 7, 16, 30, 60),
                          DRAW(draws, 0, 1, 2, 5, 5, 9, 40), DRAW(draws, 0, 1, 5, 9, 50, 50));
    }
    return count;
}

static int64_t pages_of(const struct setting *it, int64_t tokens)
{
    return tokens / it->page + (tokens % it->page > 0);
}

/* What request i would get in a step, in the words of DESIGN: one pass over the requests in order.
 * Fills tokens[i] with prefill tokens; returns whether the decoding ones take part. */
static bool plan(const struct setting *it, struct reference *all, size_t count, int64_t now_ns,
                 int64_t *tokens)
{
    int64_t decoding = 0;
    int64_t in_step = 0;
    int64_t pages = 0;
    bool is_cut = false;

    for (size_t i = 0; i < count; i++) {
        const bool is_running = all[i].is_admitted && !all[i].is_finished;
        tokens[i] = 0;
        pages += is_running ? all[i].pages : 0;
        decoding += is_running && all[i].done == all[i].prompt;
    }
    int64_t budget = it->is_vllm ? it->batch_max - decoding : it->chunk > 0 ? it->chunk : 1 << 30;
    int64_t input = it->is_vllm ? 1 << 30 : it->prefill_max;
    const int64_t unit = it->is_vllm ? 1 : it->page;
    const bool is_whole = !it->is_vllm && it->chunk == 0;
    for (size_t i = 0; i < count; i++) {
        struct reference *self = &all[i];
        if (self->is_finished || self->is_rejected || self->arrival_ns > now_ns ||
            (self->is_admitted && self->done == self->prompt))
            continue;
        const int64_t left = self->prompt - self->done;
        const int64_t charge = (left + unit - 1) / unit * unit;
        if (!self->is_admitted) {
            if (budget <= 0 || input <= 0 || is_cut || decoding + in_step >= it->running_max ||
                (it->kv_tokens > 0 && pages + self->pages > it->kv_tokens / it->page) ||
                (is_whole && in_step > 0 && charge >= input) || (budget < unit && charge > budget))
                break; /* first come, first served: nobody overtakes */
            self->is_admitted = true;
            self->started_ns = now_ns;
            pages += self->pages;
        }
        tokens[i] = charge > budget ? budget / unit * unit : left;
        if (tokens[i] > left)
            tokens[i] = left;
        is_cut = tokens[i] < left;
        budget -= (tokens[i] + unit - 1) / unit * unit;
        input -= (tokens[i] + unit - 1) / unit * unit;
        in_step++;
    }
    CU_ASSERT_TRUE(it->kv_tokens == 0 || pages <= it->kv_tokens / it->page);
    return decoding > 0 && (it->is_vllm || in_step == 0);
}

static void emit_token(struct reference *self, int64_t now_ns)
{
    if (self->output > 0 && ++self->emitted == 1)
        self->first_ns = now_ns;
    if (self->emitted == self->output) {
        self->is_finished = true;
        self->finish_ns = now_ns;
    }
}

/* One step from time_ps; its end, or -1 when there is nothing to do. */
static int64_t step(const struct setting *it, struct reference *all, size_t count, int64_t time_ps)
{
    int64_t tokens[REQUEST_MAX];
    const bool decodes = plan(it, all, count, (time_ps + 999) / 1000, tokens);
    bool was_decoding[REQUEST_MAX] = {false};
    int64_t variable_ps = 0;
    bool prefills = false;

    for (size_t i = 0; i < count; i++) {
        was_decoding[i] =
            decodes && all[i].is_admitted && !all[i].is_finished && all[i].done == all[i].prompt;
        if (tokens[i] > 0) {
            prefills = true;
            variable_ps += it->request_ps + it->token_ps * tokens[i] +
                           it->half_pair_ps * tokens[i] * (2 * all[i].done + tokens[i]);
        }
        if (was_decoding[i])
            variable_ps += it->request_ps + it->kv_ps * (all[i].prompt + all[i].emitted);
    }
    if (!decodes && !prefills)
        return -1;
    time_ps += variable_ps + (prefills && decodes ? (it->prefill_ps > it->decode_ps ? it->prefill_ps
                                                                                    : it->decode_ps)
                              : prefills          ? it->prefill_ps
                                                  : it->decode_ps);
    for (size_t i = 0; i < count; i++) {
        if (was_decoding[i])
            emit_token(&all[i], (time_ps + 999) / 1000);
        all[i].done += tokens[i];
        if (tokens[i] > 0 && all[i].done == all[i].prompt)
            emit_token(&all[i], (time_ps + 999) / 1000);
    }
    return time_ps;
}

static void refer(const struct setting *it, const struct sgl_trace_row *rows, size_t count,
                  struct reference *all)
{
    int64_t time_ps = 0;

    for (size_t i = 0; i < count; i++) {
        const int64_t max_tokens = rows[i].request.max_tokens;
        const int64_t prompt = rows[i].request.prompt_tokens;
        all[i] = (struct reference){
            .arrival_ns = rows[i].request.arrival_ns,
            .prompt = prompt > 0 ? prompt : 1,
            .output = rows[i].output_tokens < max_tokens ? rows[i].output_tokens : max_tokens,
        };
        all[i].pages = pages_of(it, all[i].prompt + max_tokens);
        all[i].is_rejected = it->kv_tokens > 0 && all[i].pages > it->kv_tokens / it->page;
    }
    for (;;) {
        const int64_t end_ps = step(it, all, count, time_ps);
        if (end_ps >= 0) {
            time_ps = end_ps;
            continue;
        }
        int64_t next_ns = -1; /* idle: the next arrival, if there is one */
        for (size_t i = 0; i < count && next_ns < 0; i++)
            if (!all[i].is_rejected && !all[i].is_finished)
                next_ns = all[i].arrival_ns;
        if (next_ns < 0)
            return;
        CU_ASSERT_TRUE_FATAL(next_ns * 1000 > time_ps); /* work conserving */
        time_ps = next_ns * 1000;
    }
}

static void compare(const struct reference *all, const struct sgl_seen *seen, size_t count,
                    const char *text)
{
    bool same = true;

    for (size_t i = 0; i < count; i++) {
        const struct reference *is = &all[i];
        const struct sgl_outcome *outcome = &seen[i].outcome;
        same = same && seen[i].outcome_count == 1 && outcome->success == !is->is_rejected;
        if (is->is_rejected) {
            same = same && strcmp(outcome->error, "over_capacity") == 0 && outcome->e2e_ns == 0 &&
                   outcome->queue_time_ns == SGL_ABSENT && outcome->ttft_ns == SGL_ABSENT;
            continue;
        }
        same = same && outcome->queue_time_ns == is->started_ns - is->arrival_ns &&
               outcome->e2e_ns == is->finish_ns - is->arrival_ns &&
               outcome->ttft_ns == (is->output > 0 ? is->first_ns - is->arrival_ns : SGL_ABSENT) &&
               outcome->output_tokens == is->output && outcome->cached_tokens == SGL_ABSENT;
        same =
            same && is->arrival_ns <= is->started_ns && is->started_ns < is->finish_ns &&
            (is->output == 0 || (is->started_ns < is->first_ns && is->first_ns <= is->finish_ns));
        /* finishes of one step leave in the order of admission, which is that of arrival */
        for (size_t j = 0; j < i; j++)
            same = same && (all[j].is_rejected || all[j].finish_ns != is->finish_ns ||
                            seen[j].outcome_order < seen[i].outcome_order);
    }
    if (!same)
        printf("\n  differs: %s\n", text);
    CU_ASSERT_TRUE(same);
}

static void equals_reference(void)
{
    for (int64_t world = 0; world < WORLDS; world++) {
        struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 0, world, 0);
        const struct setting it = random_setting(&draws);
        struct sgl_trace_row rows[REQUEST_MAX];
        const size_t count = random_rows(&draws, rows);
        struct reference all[REQUEST_MAX];
        struct sgl_test_fleet fleet;
        uint64_t digest[2];
        uint64_t steps[2];

        refer(&it, rows, count, all);
        sgl_test_fleet_init(&fleet, "round_robin", it.text, 1);
        fleet.options.completions_report = sgl_rng_below(&draws, 2) == 0;
        fleet.options.load_interval_ns = DRAW(&draws, 0, 1000, 30000);
        fleet.options.load_delay_ns = DRAW(&draws, 0, 500, 5000);
        fleet.options.response_delay_ns = DRAW(&draws, 0, 0, 1, 700);
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, count);
            fleet.options.stepwise = stepwise == 1;
            const struct sgl_simulation_totals totals =
                sgl_test_fleet_run(&fleet, rows, count, &witness);
            CU_ASSERT_FALSE(witness.time_went_back);
            if (fleet.options.response_delay_ns == 0)
                compare(all, witness.seen, count, it.text);
            digest[stepwise] = witness.digest;
            steps[stepwise] = totals.steps;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        CU_ASSERT_EQUAL(steps[0], steps[1]);
        sgl_test_fleet_release(&fleet);
    }
}

/* Several workers under a policy that looks at reports: a difference of a nanosecond or of the
 * order within an instant would send a request elsewhere. */
static void fleets_leap_exactly(void)
{
    static struct sgl_trace_row rows[600];
    static const char *const policies[] = {"shortest_queue", "least_outstanding", "power_of_two"};

    for (int64_t world = 0; world < 60; world++) {
        struct sgl_rng draws = sgl_rng_stream(12, SGL_PURPOSE_LENGTH, 0, world, 0);
        const struct setting it = random_setting(&draws);
        const size_t count = 100 + sgl_rng_below(&draws, 500);
        int64_t arrival_ns = 0;
        struct sgl_test_fleet fleet;
        uint64_t digest[2];

        for (size_t i = 0; i < count; i++) {
            arrival_ns += (int64_t)sgl_rng_below(&draws, 3) * DRAW(&draws, 0, 500, 40000);
            rows[i] = sgl_row((int64_t)i, arrival_ns, (int64_t)sgl_rng_below(&draws, 60),
                              (int64_t)sgl_rng_below(&draws, 30), 50);
        }
        sgl_test_fleet_init(&fleet, policies[world % 3], it.text, 1 + (uint32_t)(world % 5));
        fleet.options.completions_report = world % 2 == 0;
        fleet.options.load_interval_ns = 2000 + world;
        fleet.options.load_delay_ns = DRAW(&draws, 0, 100);
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            struct sgl_witness witness;
            sgl_witness_init(&witness, count);
            fleet.options.stepwise = stepwise == 1;
            sgl_test_fleet_run(&fleet, rows, count, &witness);
            digest[stepwise] = witness.digest;
            sgl_witness_release(&witness);
        }
        CU_ASSERT_EQUAL(digest[0], digest[1]);
        sgl_test_fleet_release(&fleet);
    }
}

/* Two requests fill the memory to its last token; the third waits for a finish, then starts at
 * once. */
static void memory_full_to_the_token(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 60, 4, 40), sgl_row(1, 0, 90, 2, 10),
                                         sgl_row(2, 0, 1, 1, 0)};
    const struct sgl_trace_row over[] = {sgl_row(0, 0, 160, 1, 41), sgl_row(1, 0, 160, 1, 40)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0,kv_tokens=200,page_size=1",
                        1);
    sgl_witness_init(&witness, 3);
    sgl_test_fleet_run(&fleet, rows, 3, &witness);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.queue_time_ns, 0);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.queue_time_ns, 0);
    CU_ASSERT_EQUAL(witness.seen[1].outcome.e2e_ns, 20000);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.queue_time_ns, 20000);
    /* max_tokens 0: nothing to emit, the end of its prefill is its end */
    CU_ASSERT_EQUAL(witness.seen[2].outcome.e2e_ns, 30000);
    CU_ASSERT_EQUAL(witness.seen[2].outcome.ttft_ns, SGL_ABSENT);
    CU_ASSERT_EQUAL(witness.seen[2].first_token_ns, SGL_ABSENT);
    /* its prefill held the other up for a step */
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, 50000);
    sgl_witness_release(&witness);

    sgl_witness_init(&witness, 2);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, over, 2, &witness);
    CU_ASSERT_EQUAL(totals.failed, 1);
    SGL_ASSERT_TEXT(witness.seen[0].outcome.error, "over_capacity");
    CU_ASSERT_TRUE(witness.seen[1].outcome.success);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* Step times of a fraction of a nanosecond's precision add up without drift. */
static void fractions_do_not_drift(void)
{
    const struct sgl_trace_row row = sgl_row(0, 0, 1, 1000001, 1000001);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=0.001001,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0.000003",
                        1);
    sgl_witness_init(&witness, 1);
    const struct sgl_simulation_totals totals = sgl_test_fleet_run(&fleet, &row, 1, &witness);
    /* prefill 1001 ps; then a million steps of 1001 + 3 (2 + j) ps, j from 0 */
    const int64_t ps = 1001 + 1000000 * INT64_C(1007) + 3 * (INT64_C(1000000) * 999999 / 2);
    CU_ASSERT_EQUAL(witness.seen[0].outcome.e2e_ns, (ps + 999) / 1000);
    CU_ASSERT_EQUAL(totals.steps, 1000001);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* A leap longer than 64 bits of products allow is cut into several; one step as long is refused. */
static void very_long_leaps(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 3001, 3001),
                                         sgl_row(1, INT64_C(1500000000000001), 1, 5, 5)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    uint64_t digest[2];

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=1e9,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0.7",
                        1);
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, 2);
        sgl_test_fleet_run(&fleet, rows, 2, &witness);
        digest[stepwise] = witness.digest;
        CU_ASSERT_TRUE(witness.seen[0].outcome.e2e_ns > INT64_C(3001000000000000));
        sgl_witness_release(&witness);
    }
    CU_ASSERT_EQUAL(digest[0], digest[1]);
    sgl_test_fleet_release(&fleet);

    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};
    const struct sgl_trace_row huge = sgl_row(0, 0, 1 << 30, 1, 1);
    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_prefill_token_us=1e9,chunked_prefill_size=0", 1);
    sgl_memory_source_init(&source, &huge, 1);
    const int status = sgl_simulate(&fleet.options, &source.source, &totals, &failure);
    CU_ASSERT_EQUAL(status, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "worker http://a: an engine step of more than 1152921 s");
    sgl_test_fleet_release(&fleet);
}

SGL_SUITE(sim_engine) = {
    {"3,000 worlds equal a reference that steps through all requests, by leaps and by steps",
     equals_reference},
    {"fleets under policies that look at reports log the same by leaps and by steps",
     fleets_leap_exactly},
    {"memory can be filled to the last token; more than all of it is refused as over_capacity",
     memory_full_to_the_token},
    {"a million steps of fractions of a nanosecond end where their sum does",
     fractions_do_not_drift},
    {"leaps of weeks are cut, not wrapped; a step of weeks is an error", very_long_leaps},
    CU_TEST_INFO_NULL,
};
