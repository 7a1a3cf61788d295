/* Gaps between tokens: counting leaps as wholes, and what a simulation tells of them. */
#include "analysis/summary.h"
#include "core/rng.h"
#include "sim/gap_steps.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_MAX (SGL_GAP_OCTAVES * SGL_GAP_CLASSES)

/* Equal to the last bit. */
static bool same_classes(const struct sgl_gap_counter *one, const struct sgl_gap_counter *other)
{
    static struct sgl_gap_class left[CLASS_MAX];
    static struct sgl_gap_class right[CLASS_MAX];
    const uint32_t count = sgl_gap_counter_classes(one, left);
    bool same = sgl_gap_counter_classes(other, right) == count;

    for (uint32_t i = 0; i < count && same; i++)
        same = left[i].from_ns == right[i].from_ns && left[i].to_ns == right[i].to_ns &&
               left[i].count == right[i].count && left[i].sum_s == right[i].sum_s &&
               left[i].longest_ns == right[i].longest_ns;
    return same;
}

/* Leaps from a nanosecond to days, flat and steep, in pieces and whole, against steps one by one.
 */
static void leaps_count_as_steps(void)
{
    struct sgl_rng draws = sgl_rng_stream(5, SGL_PURPOSE_LENGTH, 0, 0, 0);

    for (int world = 0; world < 2000; world++) {
        const int64_t magnitude = INT64_C(1) << sgl_rng_below(&draws, 50);
        const struct sgl_leap leap = {
            .base_ps = 1000 +
                       (int64_t)sgl_rng_below(&draws, (uint32_t)(magnitude % UINT32_MAX) + 1) +
                       magnitude / 2,
            .slope_ps = sgl_rng_below(&draws, 4) == 0
                            ? 0
                            : magnitude / (1 + (int64_t)sgl_rng_below(&draws, 4000)),
        };
        const int64_t steps = 1 + (int64_t)sgl_rng_below(&draws, 300);
        const int64_t cut = (int64_t)sgl_rng_below(&draws, (uint32_t)steps);
        const uint64_t jobs = 1 + sgl_rng_below(&draws, world % 7 == 0 ? UINT32_MAX - 1 : 40);
        struct sgl_gap_counter whole = {0};
        struct sgl_gap_counter pieces = {0};
        struct sgl_gap_counter single = {0};

        sgl_gap_counter_add_steps(&whole, leap, 0, steps, jobs);
        sgl_gap_counter_add_steps(&pieces, leap, 0, cut, jobs);
        sgl_gap_counter_add_steps(&pieces, leap, cut, steps, jobs);
        for (int64_t j = 0; j < steps; j++)
            sgl_gap_counter_add(&single, leap.base_ps + leap.slope_ps * j, jobs);
        CU_ASSERT_TRUE(same_classes(&whole, &single));
        CU_ASSERT_TRUE(same_classes(&pieces, &single));
        sgl_gap_counter_release(&whole);
        sgl_gap_counter_release(&pieces);
        sgl_gap_counter_release(&single);
    }
}

/* One length at a time: it lies in its class, which is narrow enough, and the last has no end. */
static void classes_hold_their_lengths(void)
{
    static struct sgl_gap_class classes[CLASS_MAX];
    const int64_t longest = (INT64_C(1) << 53) - 1;
    struct sgl_rng draws = sgl_rng_stream(6, SGL_PURPOSE_LENGTH, 0, 0, 0);

    for (int i = 0; i < 20000; i++) {
        const int64_t power = INT64_C(1) << sgl_rng_below(&draws, 53);
        const int64_t any = power + (int64_t)(sgl_rng_uniform(&draws) * (double)power);
        const int64_t near = power + (int64_t)sgl_rng_below(&draws, 3) - 1;
        const int64_t length = i % 3 > 0 ? any : near > 0 ? near : 1;
        struct sgl_gap_counter counter = {0};
        sgl_gap_counter_add(&counter, length * 1000 + 999, 3);
        CU_ASSERT_EQUAL_FATAL(sgl_gap_counter_classes(&counter, classes), 1);
        const int64_t width = classes[0].to_ns - classes[0].from_ns;
        CU_ASSERT_TRUE(classes[0].from_ns <= length && length < classes[0].to_ns);
        CU_ASSERT_TRUE(width == 1 || width * 128 <= classes[0].from_ns);
        CU_ASSERT_EQUAL(classes[0].count, 3);
        CU_ASSERT_EQUAL(classes[0].longest_ns, length);
        sgl_gap_counter_release(&counter);
    }
    struct sgl_gap_counter counter = {0};
    sgl_gap_counter_add(&counter, (longest + 1) * 1000, 1);
    sgl_gap_counter_add_steps(&counter, (struct sgl_leap){INT64_C(1) << 60, 0}, 0, 1, 1);
    CU_ASSERT_EQUAL(sgl_gap_counter_classes(&counter, classes), 2);
    CU_ASSERT_EQUAL(classes[1].longest_ns, longest);
    CU_ASSERT_EQUAL(classes[1].to_ns, longest + 1);
    sgl_gap_counter_release(&counter);
}

/* Two requests decode in steps of 10 us; the prompt of a third stands between for 10 us. */
static void a_prefill_is_a_long_gap(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 5, 5), sgl_row(1, 0, 10, 5, 5),
                                         sgl_row(2, 25000, 10, 2, 2)};
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0",
                        1);
    sgl_witness_init(&witness, 3);
    sgl_test_fleet_run(&fleet, rows, 3, &witness);
    /* both: 10, 10, 20, 10 us; the third: 10 */
    CU_ASSERT_EQUAL_FATAL(witness.class_count, 2);
    CU_ASSERT_EQUAL(witness.classes[0].count, 7);
    CU_ASSERT_EQUAL(witness.classes[0].longest_ns, 10000);
    CU_ASSERT_DOUBLE_EQUAL(witness.classes[0].sum_s, 70e-6, 1e-18);
    CU_ASSERT_EQUAL(witness.classes[1].count, 2);
    CU_ASSERT_EQUAL(witness.classes[1].longest_ns, 20000);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* Of requests that were served whole, the gaps are the time from first to last token. */
static void gaps_add_up(void)
{
    static struct sgl_trace_row rows[400];
    static const char *const models[] = {
        "batching:kv_tokens=3000,prefix_cache=off",
        "batching:scheduler=vllm,kv_tokens=3000",
        "batching:mixed_chunk=on,chunked_prefill_size=128",
    };
    struct sgl_rng draws = sgl_rng_stream(7, SGL_PURPOSE_LENGTH, 0, 0, 0);

    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        struct sgl_test_fleet fleet;
        struct sgl_witness witness;
        int64_t arrival_ns = 0;
        int64_t whole_ns = 0;
        int64_t requests = 0;
        uint64_t tokens = 0;
        uint64_t count = 0;
        double sum_s = 0;

        for (size_t i = 0; i < 400; i++) {
            arrival_ns += sgl_rng_below(&draws, 40000000);
            rows[i] = sgl_row((int64_t)i, arrival_ns, 1 + sgl_rng_below(&draws, 900),
                              sgl_rng_below(&draws, 400), 400);
        }
        sgl_test_fleet_init(&fleet, "least_outstanding", models[m], 3);
        sgl_witness_init(&witness, 400);
        sgl_test_fleet_run(&fleet, rows, 400, &witness);
        for (size_t i = 0; i < 400; i++) {
            const struct sgl_outcome *outcome = &witness.seen[i].outcome;
            if (outcome->output_tokens < 2)
                continue;
            requests++;
            tokens += (uint64_t)outcome->output_tokens - 1;
            whole_ns += outcome->e2e_ns - outcome->ttft_ns;
        }
        for (size_t c = 0; c < witness.class_count; c++) {
            count += witness.classes[c].count;
            sum_s += witness.classes[c].sum_s;
        }
        CU_ASSERT_EQUAL(count, tokens);
        /* Both ends of a request are told in whole nanoseconds. */
        CU_ASSERT_DOUBLE_EQUAL(sum_s * 1e9, (double)whole_ns, (double)requests + 1);
        sgl_witness_release(&witness);
        sgl_test_fleet_release(&fleet);
    }
}

/* A sink that hears of gaps alone. */
struct listener {
    struct sgl_sink sink;
    uint64_t count[2]; /* [is_warm_up] */
    double sum_s[2];
};

static void hear_gaps(struct sgl_sink *sink, const struct sgl_gaps *gaps)
{
    struct listener *self = (struct listener *)sink;

    for (uint32_t i = 0; i < gaps->class_count; i++) {
        self->count[gaps->is_warm_up] += gaps->classes[i].count;
        self->sum_s[gaps->is_warm_up] += gaps->classes[i].sum_s;
    }
}

static const struct sgl_sink_ops listener_ops = {.gaps = hear_gaps};

/* An answer of 1,000 steps of 1 ms in one leap, which the warm-up and the end of the run cut. */
static void parts_of_a_leap_are_told_apart(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 1, 1001, 1001),
                                         sgl_row(1, 400500000, 1, 1, 1)};
    struct sgl_test_fleet fleet;

    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=1000,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0",
                        2);
    for (int stepwise = 0; stepwise < 2; stepwise++)
        for (int by_time = 0; by_time < 2; by_time++) {
            struct listener listener = {.sink = {.ops = &listener_ops, .wants_gaps = true}};
            struct sgl_memory_source source;
            struct sgl_simulation_totals totals;
            struct sgl_failure failure;
            fleet.options.sink = &listener.sink;
            fleet.options.stepwise = stepwise == 1;
            fleet.options.warm_up_requests = by_time == 1 ? 0 : 1;
            fleet.options.warm_up_ns = by_time == 1 ? 1000000 : 0;
            fleet.options.until_ns = 700900000;
            sgl_memory_source_init(&source, rows, 2);
            CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure),
                            SGL_OK);
            /* Token 1 at 1 ms; at 400.5 ms the gap that ends at 400 ms is the last. */
            CU_ASSERT_EQUAL(listener.count[1], 399);
            CU_ASSERT_EQUAL(listener.count[0], 300);
            CU_ASSERT_DOUBLE_EQUAL(listener.sum_s[0], 0.3, 1e-12);
        }
    sgl_test_fleet_release(&fleet);
}

static int compare_lengths(const void *left, const void *right)
{
    const int64_t l = *(const int64_t *)left;
    const int64_t r = *(const int64_t *)right;

    return (l > r) - (l < r);
}

/* Lengths over six orders of magnitude, told in several parts and out of order. */
static void percentiles_are_close(void)
{
    enum { COUNT = 5000 };
    static struct sgl_gap_class classes[CLASS_MAX];
    static int64_t lengths_ns[COUNT];
    struct sgl_rng draws = sgl_rng_stream(8, SGL_PURPOSE_LENGTH, 0, 0, 0);

    for (int world = 0; world < 40; world++) {
        struct sgl_gap_distribution distribution = {0};
        double sum = 0;
        for (int part = 4; part >= 0; part--) {
            struct sgl_gap_counter counter = {0};
            for (int i = part; i < COUNT; i += 5) {
                lengths_ns[i] = (int64_t)exp(3 + (8 - part + world % 4) * sgl_rng_uniform(&draws));
                sgl_gap_counter_add(&counter, lengths_ns[i] * 1000, 1);
                sum += (double)lengths_ns[i];
            }
            const uint32_t count = sgl_gap_counter_classes(&counter, classes);
            CU_ASSERT_EQUAL(sgl_gap_distribution_add(&distribution, classes, count), SGL_OK);
            sgl_gap_counter_release(&counter);
        }
        qsort(lengths_ns, COUNT, sizeof lengths_ns[0], compare_lengths);
        CU_ASSERT_EQUAL(distribution.count, COUNT);
        CU_ASSERT_DOUBLE_EQUAL(sgl_gap_distribution_mean(&distribution), sum / COUNT,
                               1e-9 * sum / COUNT);
        CU_ASSERT_EQUAL(sgl_gap_distribution_quantile(&distribution, 1),
                        (double)lengths_ns[COUNT - 1]);
        for (int p = 0; p < 1000; p++) {
            const int rank = p * (COUNT - 1) / 1000; /* the rank below */
            const double exact = (double)lengths_ns[rank];
            const double is = sgl_gap_distribution_quantile(&distribution, p / 1000.0);
            CU_ASSERT_TRUE(fabs(is - exact) <= exact * SGL_GAP_RESOLUTION);
        }
        const int middle = COUNT / 2;
        const double limit = (double)lengths_ns[middle] * (1 + SGL_GAP_RESOLUTION);
        CU_ASSERT_TRUE(sgl_gap_distribution_within(&distribution, limit) >= 0.5);
        sgl_gap_distribution_release(&distribution);
    }
}

/* Steps of 10 us for two requests: every percentile is 10 us, and a third that waits is no gap. */
static void objectives_hold_requests_to_their_mean(void)
{
    const struct sgl_trace_row rows[] = {sgl_row(0, 0, 10, 5, 5), sgl_row(1, 25000, 10, 5, 5),
                                         sgl_row(2, 25000, 10, 1, 1)};
    struct sgl_objectives objectives;
    struct sgl_summary_result result;
    struct sgl_summary *summary;
    struct sgl_test_fleet fleet;
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, "itl:12us", &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_us=10,c_request_us=0,c_prefill_token_us=0,"
                        "c_prefill_context_us=0,c_kv_token_us=0",
                        1);
    fleet.options.sink = sgl_summary_sink(summary);
    sgl_memory_source_init(&source, rows, 3);
    CU_ASSERT_EQUAL(sgl_simulate(&fleet.options, &source.source, &totals, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    /* The first: 10, 10, 20, 10 us, 12.5 in the mean; the second four of 10; the third none. */
    const struct sgl_distribution *itl = &result.metrics[SGL_METRIC_ITL];
    CU_ASSERT_EQUAL(itl->count, 8);
    CU_ASSERT_DOUBLE_EQUAL(itl->mean, 90000.0 / 8, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(itl->p50, 10000, 1e-6);
    CU_ASSERT_EQUAL(itl->max, 20000);
    CU_ASSERT_EQUAL(result.good, 2);
    CU_ASSERT_EQUAL(result.unmeasured, SGL_METRIC_COUNT);
    CU_ASSERT_EQUAL(result.itl_within, 7.0 / 8);
    CU_ASSERT_EQUAL(result.workers[0].gaps.count, 8);
    sgl_summary_destroy(summary);
    sgl_test_fleet_release(&fleet);
}

/* Nobody asks: nothing is counted, and nothing else changes. */
static void only_for_who_asks(void)
{
    const struct sgl_trace_row row = sgl_row(0, 0, 10, 100, 100);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;

    sgl_test_fleet_init(&fleet, "round_robin", "batching", 1);
    sgl_witness_init(&witness, 1);
    witness.sink.wants_gaps = false;
    sgl_test_fleet_run(&fleet, &row, 1, &witness);
    CU_ASSERT_EQUAL(witness.class_count, 0);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);

    sgl_test_fleet_init(&fleet, "round_robin", "deterministic:mean_s=1", 1);
    sgl_witness_init(&witness, 1);
    sgl_test_fleet_run(&fleet, &row, 1, &witness);
    CU_ASSERT_EQUAL(witness.class_count, 0);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

/* What several have counted is what one would have. */
static void counters_are_added_up(void)
{
    struct sgl_rng rng = sgl_rng_stream(3, SGL_PURPOSE_PROMPT, 0, 0, 0);
    struct sgl_gap_counter parts[3] = {0};
    struct sgl_gap_counter one = {0};
    struct sgl_gap_counter sum = {0};

    for (int i = 0; i < 20000; i++) {
        const int64_t length_ps =
            1000 + (int64_t)(sgl_rng_next(&rng) >> (6 + sgl_rng_below(&rng, 50)));
        const uint64_t times = 1 + sgl_rng_below(&rng, UINT32_MAX);
        sgl_gap_counter_add(&parts[i % 3], length_ps, times);
        sgl_gap_counter_add(&one, length_ps, times);
    }
    for (int i = 0; i < 3; i++) {
        sgl_gap_counter_add_all(&sum, &parts[i]);
        sgl_gap_counter_release(&parts[i]);
    }
    CU_ASSERT_TRUE(same_classes(&one, &sum));
    sgl_gap_counter_release(&one);
    sgl_gap_counter_release(&sum);
}

SGL_SUITE(gaps) = {
    {"2,000 leaps, whole and in pieces, are counted as their steps are, bit for bit",
     leaps_count_as_steps},
    {"a length is in its class, at most 1/128 wide; the longest class has no end",
     classes_hold_their_lengths},
    {"a prefill between two tokens is one long gap of those that wait", a_prefill_is_a_long_gap},
    {"the gaps of whole answers are the time from their first to their last token", gaps_add_up},
    {"warm-up and the end of a run cut a leap where they are", parts_of_a_leap_are_told_apart},
    {"percentiles of 5,000 lengths are within 0.8 % of the exact ones", percentiles_are_close},
    {"an objective on itl holds a request to the mean of its gaps",
     objectives_hold_requests_to_their_mean},
    {"gaps are counted when asked for, by models that give tokens", only_for_who_asks},
    {"what several have counted is what one would have", counters_are_added_up},
    CU_TEST_INFO_NULL,
};
