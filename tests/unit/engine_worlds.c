/* Random workers and requests for the reference engine. */
#include "engine_reference.h"
#include "sim_support.h"

#include <stdio.h>

#define REQUEST_MAX SGL_REFERENCE_REQUEST_MAX
#define BLOCK_MAX SGL_REFERENCE_BLOCK_MAX
#define OUTPUT_MOST 60 /* of answers whose blocks have ids */

int64_t sgl_reference_draw(struct sgl_rng *draws, const int64_t *choices, uint32_t count)
{
    return choices[sgl_rng_below(draws, count)];
}

/* Who goes before whom, and who has to wait again. */
static void draw_policy(struct sgl_rng *draws, struct sgl_reference_setting *it)
{
    const int64_t policy = it->is_vllm ? 0 : DRAW(draws, 0, 0, 1, 2);
    /* A stream of its own, further on: the other draws stay what they were. */
    struct sgl_rng apart = *draws;
    for (int i = 0; i < 100; i++)
        sgl_rng_below(&apart, 2);
    it->is_lpm = policy == 1;
    it->is_priority =
        policy == 2 || (!it->is_lpm && sgl_rng_below(&apart, it->is_vllm ? 2 : 4) == 0);
    it->is_preempting = it->is_priority && !it->is_vllm && sgl_rng_below(&apart, 4) > 0;
    it->threshold = it->is_preempting ? DRAW(&apart, 0, 0, 0, 0, 1, 2) : 0;
    if (it->is_preempting) /* who has few places has to give them up */
        it->running_max = DRAW(&apart, 1, 2, 3, 5);
    it->keeps_urgent =
        it->is_priority && !it->is_vllm && sgl_rng_below(&apart, it->is_preempting ? 2 : 4) > 0;
    if (it->keeps_urgent && !it->is_preempting) { /* there are some to choose from */
        it->kv_tokens = DRAW(&apart, 64, 80, 100);
        it->running_max = DRAW(&apart, 8, 2048);
        it->chunk = DRAW(&apart, 8, 1000) * it->page;
    }
}

/* Coefficients are whole picoseconds (1e-6 us) so that folding them is exact. */
struct sgl_reference_setting sgl_reference_setting(struct sgl_rng *draws)
{
    struct sgl_reference_setting it = {.is_vllm = sgl_rng_below(draws, 3) == 0};

    it.prefill_ps = DRAW(draws, 1000, 1001, 1500, 5000000, 7777777);
    it.decode_ps = DRAW(draws, 1000, 1003, 1700, 3000000, 7777777);
    it.request_ps = DRAW(draws, 0, 0, 1, 333, 100000);
    it.token_ps = DRAW(draws, 0, 0, 1, 450, 1000000);
    it.half_pair_ps = DRAW(draws, 0, 0, 1, 17, 2000);
    it.kv_ps = DRAW(draws, 0, 0, 1, 7, 999, 50000);
    it.expert_ps = DRAW(draws, 0, 0, 4096, 1 << 20);
    it.every_token_ps = DRAW(draws, 0, 1, 77, 500000);
    it.free_tokens = DRAW(draws, 0, 1, 3, 5, 20);
    it.mixed_request_ps = DRAW(draws, 0, 1, 400000);
    it.mixed_kv_ps = DRAW(draws, 0, 3, 20000);
    if (sgl_rng_below(draws, 3) == 0) {
        /* Whole nanoseconds, and few of them: step ends and arrivals meet in the same instant. */
        it.prefill_ps = DRAW(draws, 1000, 2000, 3000);
        it.decode_ps = DRAW(draws, 1000, 2000, 3000);
        it.request_ps = it.token_ps = it.half_pair_ps = it.expert_ps = 0;
        it.every_token_ps = it.mixed_request_ps = it.mixed_kv_ps = 0;
        it.kv_ps = DRAW(draws, 0, 0, 1000);
    }
    it.has_cache = sgl_rng_below(draws, 4) > 0;
    it.page = DRAW(draws, 1, 1, 1, 3, 4, 16);
    it.kv_tokens = DRAW(draws, 0, 48, 64, 64, 80, 100, 130, 200, 300, 1000, 6000);
    it.chunk = DRAW(draws, 0, 1, 3, 8, 1000) * it.page;
    it.prefill_max = DRAW(draws, 1, 10, 30, 16384);
    it.batch_max = DRAW(draws, 1, 2, 5, 16, 2048);
    it.running_max = DRAW(draws, 1, 2, 3, 8, 2048, 2048);
    it.is_ahead = it.is_vllm && sgl_rng_below(draws, 2) == 0;
    it.is_mixed = !it.is_vllm && it.chunk > 0 && sgl_rng_below(draws, 3) == 0;
    draw_policy(draws, &it);
    it.keeps_answers = it.has_cache;
    snprintf(it.text, sizeof it.text,
             "batching:scheduler=%s,c_step_prefill_us=%.6f,c_step_decode_us=%.6f,c_request_us=%.6f,"
             "c_prefill_token_us=%.6f,c_prefill_context_us=%.6f,c_kv_token_us=%.6f,kv_tokens=%lld,"
             "page_size=%lld,chunked_prefill_size=%lld,max_prefill_tokens=%lld,"
             "max_batch_tokens=%lld,max_running_requests=%lld,prefix_cache=%s,schedule_policy=%s,"
             "mixed_chunk=%s,c_expert_us=%.6f,p_expert=0.5,c_token_us=%.6f,free_tokens=%lld,"
             "c_mixed_request_us=%.6f,c_mixed_kv_token_us=%.6f,async_scheduling=%s,"
             "priority_preemption=%s,priority_threshold=%lld,retraction_policy=%s,answer_cache=%s",
             it.is_vllm ? "vllm" : "sglang", (double)it.prefill_ps / 1e6,
             (double)it.decode_ps / 1e6, (double)it.request_ps / 1e6, (double)it.token_ps / 1e6,
             (double)it.half_pair_ps / 5e5, (double)it.kv_ps / 1e6, (long long)it.kv_tokens,
             (long long)it.page, (long long)it.chunk, (long long)it.prefill_max,
             (long long)it.batch_max, (long long)it.running_max, it.has_cache ? "on" : "off",
             it.is_lpm        ? "lpm"
             : it.is_priority ? "priority"
                              : "fcfs",
             it.is_mixed ? "on" : "off", (double)it.expert_ps / 1e6,
             (double)it.every_token_ps / 1e6, (long long)it.free_tokens,
             (double)it.mixed_request_ps / 1e6, (double)it.mixed_kv_ps / 1e6,
             it.is_ahead ? "on" : "off", it.is_preempting ? "on" : "off", (long long)it.threshold,
             it.keeps_urgent ? "priority" : "length", it.keeps_answers ? "on" : "off");
    return it;
}

/* A prompt whose beginning others share: each id names all blocks up to there. */
static void add_ids(struct sgl_rng *draws, struct sgl_trace_row *row, uint64_t ids[BLOCK_MAX])
{
    const size_t count = sgl_rng_below(draws, BLOCK_MAX + 1);
    uint64_t id = 1;

    for (size_t i = 0; i < count; i++)
        ids[i] = id = 2 * id + (sgl_rng_below(draws, 4) == 0);
    row->request.prefix_ids = ids;
    row->request.prefix_count = count;
    row->request.prefix_block = (uint32_t)DRAW(draws, 0, 4, 4, 7, 16, 16);
}

size_t sgl_reference_rows(struct sgl_rng *draws, const struct sgl_reference_setting *it,
                          struct sgl_trace_row *rows, uint64_t ids[REQUEST_MAX][BLOCK_MAX])
{
    const bool has_ids = sgl_rng_below(draws, 3) > 0;
    const int64_t drawn = DRAW(draws, 0, 0, 0, 0, 0, 1, 2, 2);
    const int64_t kind = it->keeps_urgent && !it->is_preempting ? 2 : drawn;
    const size_t count = 1 + sgl_rng_below(draws, REQUEST_MAX);
    const int64_t gap_ns = DRAW(draws, 0, 1, 2, 5, 10, 30, 1000, 20000, 1000000);
    int64_t arrival_ns = 0;

    for (size_t i = 0; i < count; i++) {
        if (sgl_rng_below(draws, 3) > 0)
            arrival_ns += gap_ns * (int64_t)sgl_rng_below(draws, 3);
        if (kind == 0)
            rows[i] = sgl_row((int64_t)i, arrival_ns, DRAW(draws, 0, 1, 4, 7, 16, 30, 40, 60),
                              DRAW(draws, 0, 1, 2, 5, 9, 40, 40, 40),
                              DRAW(draws, 0, 1, 5, 9, 40, 40, 40, 50));
        else if (kind == 1) /* few and long: the ratio falls, estimates are cut */
            rows[i] = sgl_row((int64_t)i, arrival_ns, DRAW(draws, 7, 30, 60),
                              DRAW(draws, 5, 90, 700), DRAW(draws, 100, 700, 4000, 5000));
        else /* many and short: taking one back does not make room enough */
            rows[i] = sgl_row((int64_t)i, arrival_ns, DRAW(draws, 1, 4, 7), DRAW(draws, 30, 40),
                              DRAW(draws, 40, 40, 45));
        rows[i].request.priority = (enum sgl_priority)sgl_rng_below(draws, SGL_PRIORITY_COUNT);
        if (has_ids)
            add_ids(draws, &rows[i], ids[i]);
        if (has_ids && it->is_vllm && rows[i].output_tokens > OUTPUT_MOST)
            rows[i].output_tokens = OUTPUT_MOST;
    }
    return count;
}

/* The prompt of a turn: what came before and new tokens, unless that is too long or forgotten. */
static void add_turn(struct sgl_rng *draws, struct sgl_trace_row *row,
                     const struct sgl_trace_row *before, int64_t block, uint64_t ids[BLOCK_MAX])
{
    static const int64_t longest = 100;
    int64_t prompt = DRAW(draws, 3, 9, 17, 30);
    int64_t known = 0;

    if (before != NULL && sgl_rng_below(draws, 5) > 0) {
        const int64_t given = before->output_tokens < before->request.max_tokens
                                  ? before->output_tokens
                                  : before->request.max_tokens;
        const int64_t went_on =
            before->request.prompt_tokens + DRAW(draws, given, given, 3) + DRAW(draws, 0, 1, 5);
        if (went_on <= longest && went_on / block <= BLOCK_MAX) {
            prompt = went_on;
            known = (int64_t)before->request.prefix_count;
        }
    }
    for (int64_t b = 0; b < prompt / block && b < BLOCK_MAX; b++)
        ids[b] = b < known ? before->request.prefix_ids[b] : 10 + sgl_rng_below(draws, 1000000);
    row->request.prompt_tokens = prompt;
    row->request.prefix_ids = ids;
    row->request.prefix_count = (size_t)(prompt / block < BLOCK_MAX ? prompt / block : BLOCK_MAX);
    row->request.prefix_block = (uint32_t)block;
}

void sgl_reference_sessions(struct sgl_rng *draws, struct sgl_trace_row *rows, size_t count,
                            uint64_t ids[REQUEST_MAX][BLOCK_MAX])
{
    static const char *const names[] = {"a", "b"};
    const int64_t block = DRAW(draws, 4, 4, 7, 16);
    const struct sgl_trace_row *before[2] = {NULL, NULL};

    for (size_t i = 0; i < count; i++) {
        const uint32_t session = sgl_rng_below(draws, 2);
        if (rows[i].output_tokens > OUTPUT_MOST)
            rows[i].output_tokens = OUTPUT_MOST;
        add_turn(draws, &rows[i], before[session], block, ids[i]);
        rows[i].request.session = names[session];
        before[session] = &rows[i];
    }
}
