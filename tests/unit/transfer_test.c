#include "sim/transfer.h"

#include "core/rng.h"
#include "support.h"

#include <math.h>

/* 131,072 bytes a token is Llama 3.1 8B: 32 layers, 8 KV heads of 128, 2 bytes, keys and values. */
static const struct sgl_transfer_options llama = {
    .latency_us = 20, .bandwidth_gbps = 50, .bytes_per_token = 131072};

static int64_t duration_ns(int64_t tokens)
{
    return (int64_t)ceil((20e6 + (double)tokens * round(131072.0 / 50 * 1000)) / 1000);
}

static void alone_it_takes_latency_and_bytes_over_bandwidth(void)
{
    struct sgl_transfers transfers;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(sgl_transfers_init(&transfers, &llama, 2, &failure), SGL_OK);
    /* 1,000 tokens are 131 MB: 2.6 ms at 50 GB/s. */
    CU_ASSERT_EQUAL(sgl_transfers_end_ns(&transfers, 0, 1, 1000, 5000), 5000 + duration_ns(1000));
    CU_ASSERT_EQUAL(duration_ns(1000), 2641440);
    sgl_transfers_release(&transfers);
}

static void others_wait_for_the_wires(void)
{
    struct sgl_transfers transfers;
    struct sgl_failure failure;
    const int64_t one = duration_ns(100);

    CU_ASSERT_EQUAL_FATAL(sgl_transfers_init(&transfers, &llama, 4, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_transfers_end_ns(&transfers, 0, 2, 100, 0), one);
    CU_ASSERT_EQUAL(sgl_transfers_end_ns(&transfers, 1, 3, 100, 0), one);     /* other wires */
    CU_ASSERT_EQUAL(sgl_transfers_end_ns(&transfers, 0, 3, 100, 0), 2 * one); /* both are taken */
    CU_ASSERT_EQUAL(sgl_transfers_end_ns(&transfers, 1, 2, 100, 0),
                    2 * one); /* free: all at once */
    CU_ASSERT_EQUAL(sgl_transfers_end_ns(&transfers, 1, 3, 100, 9 * one), 10 * one);
    sgl_transfers_release(&transfers);
}

/* Whatever is asked for: a wire carries one transfer at a time, nothing starts before it is ready,
 * and nothing waits while both of its wires are free. */
static void a_wire_carries_one_at_a_time(void)
{
    enum { WORKERS = 6, TRANSFERS = 2000 };
    struct sgl_transfers transfers;
    struct sgl_failure failure;
    struct sgl_rng rng = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    int64_t out[WORKERS] = {0};
    int64_t in[WORKERS] = {0};
    int64_t ready_ns = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_transfers_init(&transfers, &llama, WORKERS, &failure), SGL_OK);
    for (int i = 0; i < TRANSFERS; i++) {
        const uint32_t from = sgl_rng_below(&rng, WORKERS / 2);
        const uint32_t to = WORKERS / 2 + sgl_rng_below(&rng, WORKERS / 2);
        const int64_t tokens = (int64_t)sgl_rng_below(&rng, 5000);
        ready_ns += (int64_t)sgl_rng_below(&rng, 4000000);
        const int64_t end_ns = sgl_transfers_end_ns(&transfers, from, to, tokens, ready_ns);
        const int64_t start_ns = end_ns - duration_ns(tokens);
        CU_ASSERT_TRUE(start_ns >= ready_ns && start_ns >= out[from] && start_ns >= in[to]);
        CU_ASSERT_TRUE(start_ns == ready_ns || start_ns == out[from] || start_ns == in[to]);
        out[from] = end_ns;
        in[to] = end_ns;
    }
    sgl_transfers_release(&transfers);
}

static void impossible_wires_are_refused(void)
{
    static const struct sgl_transfer_options bad[] = {
        {.latency_us = -1, .bandwidth_gbps = 1, .bytes_per_token = 1},
        {.latency_us = NAN, .bandwidth_gbps = 1, .bytes_per_token = 1},
        {.latency_us = 0, .bandwidth_gbps = 0, .bytes_per_token = 1},
        {.latency_us = 0, .bandwidth_gbps = 1, .bytes_per_token = 0},
        {.latency_us = 0, .bandwidth_gbps = 1e-9, .bytes_per_token = 1e6},
        {.latency_us = 0, .bandwidth_gbps = INFINITY, .bytes_per_token = INFINITY},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sgl_transfers transfers;
        struct sgl_failure failure = {""};
        CU_ASSERT_EQUAL(sgl_transfers_init(&transfers, &bad[i], 2, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, "expected");
        sgl_transfers_release(&transfers);
    }
}

/* A millisecond a token, 2^30 tokens: 12 days each. */
static void a_queue_longer_than_time_ends_never(void)
{
    const struct sgl_transfer_options slow = {
        .latency_us = 0, .bandwidth_gbps = 0.001, .bytes_per_token = 1000};
    struct sgl_transfers transfers;
    struct sgl_failure failure;
    int64_t end_ns = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_transfers_init(&transfers, &slow, 2, &failure), SGL_OK);
    for (int i = 0; i < 10000; i++) {
        const int64_t later_ns = sgl_transfers_end_ns(&transfers, 0, 1, INT64_C(1) << 30, 0);
        CU_ASSERT_TRUE_FATAL(later_ns >= end_ns);
        end_ns = later_ns;
    }
    CU_ASSERT_EQUAL(end_ns, INT64_MAX);
    sgl_transfers_release(&transfers);
}

SGL_SUITE(transfer) = {
    {"alone, a transfer takes its latency and its bytes over the bandwidth",
     alone_it_takes_latency_and_bytes_over_bandwidth},
    {"others wait for the wires", others_wait_for_the_wires},
    {"a wire carries one transfer at a time", a_wire_carries_one_at_a_time},
    {"a queue that is longer than time ends never", a_queue_longer_than_time_ends_never},
    {"impossible wires are refused", impossible_wires_are_refused},
    CU_TEST_INFO_NULL,
};
