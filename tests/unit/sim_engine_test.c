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
#define BLOCK_MAX 12

struct setting {
    bool is_vllm;
    int64_t prefill_ps, decode_ps, request_ps, token_ps, half_pair_ps, kv_ps;
    bool has_cache;
    int64_t kv_tokens, page, chunk, prefill_max, batch_max, running_max;
    char text[512];
};

struct reference {
    int64_t arrival_ns, prompt, output, pages;
    int64_t done;    /* prompt tokens */
    int64_t emitted; /* output tokens */
    int64_t started_ns, first_ns, finish_ns;
    bool is_rejected, is_admitted, is_finished;

    const uint64_t *ids;
    int64_t id_count, block;
    int64_t path;   /* blocks of it in the cache that it uses */
    int64_t own;    /* pages beside those */
    int64_t cached; /* tokens; SGL_ABSENT without ids */
};

/* What the cache holds, as a plain list: one entry for each beginning of a prompt. */
struct entry {
    const uint64_t *ids;
    int64_t length; /* ids */
    int64_t end;    /* whole pages up to here */
    int64_t stamp;  /* when it was let go */
};

struct cache {
    struct entry entries[REQUEST_MAX * BLOCK_MAX];
    size_t count;
    int64_t clock;
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
    it.has_cache = sgl_rng_below(draws, 4) > 0;
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
             "max_batch_tokens=%lld,max_running_requests=%lld,prefix_cache=%s",
             it.is_vllm ? "vllm" : "sglang", (double)it.prefill_ps / 1e6,
             (double)it.decode_ps / 1e6, (double)it.request_ps / 1e6, (double)it.token_ps / 1e6,
             (double)it.half_pair_ps / 5e5, (double)it.kv_ps / 1e6, (long long)it.kv_tokens,
             (long long)it.page, (long long)it.chunk, (long long)it.prefill_max,
             (long long)it.batch_max, (long long)it.running_max, it.has_cache ? "on" : "off");
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
    row->request.prefix_block = (uint32_t)DRAW(draws, 0, 4, 4, 4, 7);
}

static size_t random_rows(struct sgl_rng *draws, struct sgl_trace_row *rows,
                          uint64_t ids[REQUEST_MAX][BLOCK_MAX])
{
    const bool has_ids = sgl_rng_below(draws, 3) > 0;
    const size_t count = 1 + sgl_rng_below(draws, REQUEST_MAX);
    const int64_t gap_ns = DRAW(draws, 0, 1, 2, 5, 10, 30, 1000, 20000, 1000000);
    int64_t arrival_ns = 0;

    for (size_t i = 0; i < count; i++) {
        if (sgl_rng_below(draws, 3) > 0)
            arrival_ns += gap_ns * (int64_t)sgl_rng_below(draws, 3);
        rows[i] = sgl_row((int64_t)i, arrival_ns, DRAW(draws, 0, 1, 4, 4, 7, 16, 30, 60),
                          DRAW(draws, 0, 1, 2, 5, 5, 9, 40), DRAW(draws, 0, 1, 5, 9, 50, 50));
        if (has_ids)
            add_ids(draws, &rows[i], ids[i]);
    }
    return count;
}

static int64_t pages_of(const struct setting *it, int64_t tokens)
{
    return tokens / it->page + (tokens % it->page > 0);
}

/* ---- the cache, by searching lists ------------------------------------------------------ */

static const struct entry *entry_of(const struct cache *cache, const uint64_t *ids, int64_t length)
{
    for (size_t i = 0; i < cache->count; i++)
        if (cache->entries[i].length == length &&
            memcmp(cache->entries[i].ids, ids, (size_t)length * sizeof *ids) == 0)
            return &cache->entries[i];
    return NULL;
}

static int64_t end_of(const struct cache *cache, const uint64_t *ids, int64_t length)
{
    return length > 0 ? entry_of(cache, ids, length)->end : 0;
}

static bool is_pinned(const struct entry *entry, const struct reference *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].is_admitted && !all[i].is_finished && all[i].path >= entry->length &&
            memcmp(all[i].ids, entry->ids, (size_t)entry->length * sizeof *entry->ids) == 0)
            return true;
    return false;
}

/* Pages in use: by running requests, or (everything) with what could be evicted. */
static int64_t pages_in_use(const struct cache *cache, const struct reference *all, size_t count,
                            bool everything)
{
    int64_t pages = 0;

    for (size_t i = 0; i < count; i++)
        pages += all[i].is_admitted && !all[i].is_finished ? all[i].own : 0;
    for (size_t i = 0; i < cache->count; i++) {
        const struct entry *entry = &cache->entries[i];
        if (everything || is_pinned(entry, all, count))
            pages += entry->end - end_of(cache, entry->ids, entry->length - 1);
    }
    return pages;
}

static void evict(struct cache *cache, const struct reference *all, size_t count)
{
    size_t oldest = cache->count;

    for (size_t i = 0; i < cache->count; i++)
        if (!is_pinned(&cache->entries[i], all, count) &&
            (oldest == cache->count || cache->entries[i].stamp < cache->entries[oldest].stamp))
            oldest = i;
    CU_ASSERT_TRUE_FATAL(oldest < cache->count);
    cache->entries[oldest] = cache->entries[--cache->count];
}

/* Admits the request if there is memory for it. */
static bool take_memory(const struct setting *it, struct cache *cache, struct reference *all,
                        size_t count, struct reference *self)
{
    const int64_t total = it->kv_tokens / it->page;

    self->is_admitted = true;
    self->path = 0;
    while (self->path < self->id_count) {
        const struct entry *next = entry_of(cache, self->ids, self->path + 1);
        if (next == NULL || next->end * it->page >= self->prompt)
            break;
        self->path++;
    }
    const int64_t matched = end_of(cache, self->ids, self->path);
    self->own = self->pages - matched;
    if (it->kv_tokens > 0 && pages_in_use(cache, all, count, false) > total) {
        self->is_admitted = false;
        return false;
    }
    while (it->kv_tokens > 0 && pages_in_use(cache, all, count, true) > total)
        evict(cache, all, count);
    self->done = matched * it->page;
    self->cached = self->id_count > 0 ? self->done : SGL_ABSENT;
    return true;
}

/* The prompt is computed: whole pages of its blocks can be shared. */
static void share(const struct setting *it, struct cache *cache, struct reference *self)
{
    const int64_t whole = self->prompt / it->page;
    int64_t last = 0;

    for (int64_t b = 1; b <= self->id_count; b++) {
        const int64_t reach = b * self->block < self->prompt ? b * self->block : self->prompt;
        const int64_t before = (b - 1) * self->block;
        last = reach / it->page > before / it->page ? b : last;
    }
    for (int64_t b = self->path + 1; b <= last; b++) {
        const struct entry *known = entry_of(cache, self->ids, b);
        const int64_t before = end_of(cache, self->ids, b - 1);
        const int64_t reach = b * self->block < self->prompt ? b * self->block : self->prompt;
        const int64_t end = reach / it->page > before ? reach / it->page : before;
        if (known != NULL && known->end > whole)
            break;
        if (known == NULL)
            cache->entries[cache->count++] = (struct entry){self->ids, b, end, 0};
        self->own -= end_of(cache, self->ids, b) - before;
        self->path = b;
    }
}

static void let_go(struct cache *cache, const struct reference *self)
{
    for (int64_t b = self->path; b > 0; b--)
        for (size_t i = 0; i < cache->count; i++)
            if (&cache->entries[i] == entry_of(cache, self->ids, b))
                cache->entries[i].stamp = ++cache->clock;
}

/* ---- steps ------------------------------------------------------------------------------ */

/* What request i would get in a step, in the words of DESIGN: one pass over the requests in order.
 * Fills tokens[i] with prefill tokens; returns whether the decoding ones take part. */
static bool plan(const struct setting *it, struct cache *cache, struct reference *all, size_t count,
                 int64_t now_ns, int64_t *tokens)
{
    int64_t decoding = 0;
    int64_t in_step = 0;
    bool is_cut = false;

    for (size_t i = 0; i < count; i++) {
        const bool is_running = all[i].is_admitted && !all[i].is_finished;
        tokens[i] = 0;
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
        if (!self->is_admitted) {
            struct cache before = *cache;
            if (budget <= 0 || input <= 0 || is_cut || decoding + in_step >= it->running_max ||
                !take_memory(it, cache, all, count, self))
                break; /* first come, first served: nobody overtakes */
            self->started_ns = now_ns;
            const int64_t need = (self->prompt - self->done + unit - 1) / unit * unit;
            if ((is_whole && in_step > 0 && need >= input) || (budget < unit && need > budget)) {
                *cache = before;
                self->is_admitted = false;
                self->done = 0;
                break;
            }
        }
        const int64_t left = self->prompt - self->done;
        const int64_t charge = (left + unit - 1) / unit * unit;
        tokens[i] = charge > budget ? budget / unit * unit : left;
        if (tokens[i] > left)
            tokens[i] = left;
        is_cut = tokens[i] < left;
        budget -= (tokens[i] + unit - 1) / unit * unit;
        input -= (tokens[i] + unit - 1) / unit * unit;
        in_step++;
    }
    CU_ASSERT_TRUE(it->kv_tokens == 0 ||
                   pages_in_use(cache, all, count, true) <= it->kv_tokens / it->page);
    return decoding > 0 && (it->is_vllm || in_step == 0);
}

static void emit_token(struct cache *cache, struct reference *self, int64_t now_ns)
{
    if (self->output > 0 && ++self->emitted == 1)
        self->first_ns = now_ns;
    if (self->emitted == self->output) {
        self->is_finished = true;
        self->finish_ns = now_ns;
        let_go(cache, self);
    }
}

/* One step from time_ps; its end, or -1 when there is nothing to do. */
static int64_t step(const struct setting *it, struct cache *cache, struct reference *all,
                    size_t count, int64_t time_ps)
{
    int64_t tokens[REQUEST_MAX];
    const bool decodes = plan(it, cache, all, count, (time_ps + 999) / 1000, tokens);
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
            emit_token(cache, &all[i], (time_ps + 999) / 1000);
        all[i].done += tokens[i];
        if (tokens[i] > 0 && all[i].done == all[i].prompt) {
            share(it, cache, &all[i]);
            emit_token(cache, &all[i], (time_ps + 999) / 1000);
        }
    }
    return time_ps;
}

/* Blocks that begin within the prompt; their length, when nobody states it, is an even share. */
static void know_ids(const struct setting *it, const struct sgl_request *request,
                     struct reference *self)
{
    const int64_t count = it->has_cache ? (int64_t)request->prefix_count : 0;

    self->cached = SGL_ABSENT;
    self->ids = request->prefix_ids;
    if (count == 0)
        return;
    self->block =
        request->prefix_block > 0 ? request->prefix_block : (self->prompt + count - 1) / count;
    while (self->id_count < count && self->id_count * self->block < self->prompt)
        self->id_count++;
}

static void refer(const struct setting *it, const struct sgl_trace_row *rows, size_t count,
                  struct reference *all)
{
    static struct cache cache;
    int64_t time_ps = 0;

    cache.count = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t max_tokens = rows[i].request.max_tokens;
        const int64_t prompt = rows[i].request.prompt_tokens;
        all[i] = (struct reference){
            .arrival_ns = rows[i].request.arrival_ns,
            .prompt = prompt > 0 ? prompt : 1,
            .output = rows[i].output_tokens < max_tokens ? rows[i].output_tokens : max_tokens,
        };
        know_ids(it, &rows[i].request, &all[i]);
        all[i].pages = pages_of(it, all[i].prompt + max_tokens);
        all[i].is_rejected = it->kv_tokens > 0 && all[i].pages > it->kv_tokens / it->page;
    }
    for (;;) {
        const int64_t end_ps = step(it, &cache, all, count, time_ps);
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
               outcome->output_tokens == is->output && outcome->cached_tokens == is->cached;
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
    size_t hits = 0;

    for (int64_t world = 0; world < WORLDS; world++) {
        struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 0, world, 0);
        const struct setting it = random_setting(&draws);
        struct sgl_trace_row rows[REQUEST_MAX];
        uint64_t ids[REQUEST_MAX][BLOCK_MAX];
        const size_t count = random_rows(&draws, rows, ids);
        struct reference all[REQUEST_MAX];
        struct sgl_test_fleet fleet;
        uint64_t digest[2];
        uint64_t steps[2];

        refer(&it, rows, count, all);
        for (size_t i = 0; i < count; i++)
            hits += all[i].cached > 0;
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
    CU_ASSERT_TRUE(hits > 1000); /* or the worlds prove nothing of the cache */
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

SGL_SUITE(sim_engine) = {
    {"3,000 worlds equal a reference that steps through all requests, by leaps and by steps",
     equals_reference},
    {"fleets under policies that look at reports log the same by leaps and by steps",
     fleets_leap_exactly},
    {"memory can be filled to the last token; more than all of it is refused as over_capacity",
     memory_full_to_the_token},
    CU_TEST_INFO_NULL,
};
