/*
 * The sample trace obeys the law that traces/samples/make_sample.c states. Bounds on a mean are
 * four standard errors of that law, so an honest sample of another seed would pass them too.
 */
#include "support.h"

#include "recorder_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS 600

static struct recorder_file read_sample(void)
{
    return recorder_file_read(SGL_SOURCE_FOLDER "/traces/samples/sglang-3-workers.csv");
}

/* |mean - expected| <= 4 * deviation / sqrt(count), and says so when not. */
static void assert_mean(const char *what, double mean, double expected, double deviation,
                        double count)
{
    const double bound = 4 * deviation / sqrt(count);
    const int is_near = fabs(mean - expected) <= bound;

    if (!is_near)
        printf("\n  mean %s is %g, expected %g +- %g\n", what, mean, expected, bound);
    CU_ASSERT(is_near);
}

static void durations_are_differences(void)
{
    static const char *const rows[][3] = {
        {"server_latency", "finish_time", "router_send_time"},
        {"total_latency", "finish_time", "arrival_time"},
        {"ttft", "server_first_token_time", "arrival_time"},
        {"queue_time_in_router", "router_send_time", "arrival_time"},
        {"queue_time_in_server", "server_first_token_time", "server_created_time"},
        {"tokenize_time", "queue_time_start", "server_created_time"},
        {"pure_queue_time", "queue_time_end", "queue_time_start"},
    };
    struct recorder_file file = read_sample();

    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        size_t differing = 0;
        for (size_t i = 0; i < file.row_count; i++)
            differing += recorder_ns(&file, i, rows[k][0]) !=
                         recorder_ns(&file, i, rows[k][1]) - recorder_ns(&file, i, rows[k][2]);
        CU_ASSERT_EQUAL(differing, 0);
    }
    recorder_file_release(&file);
}

static void moments_are_in_order(void)
{
    static const char *const moments[] = {
        "arrival_time",   "router_send_time",        "server_created_time", "queue_time_start",
        "queue_time_end", "server_first_token_time", "finish_time",
    };
    struct recorder_file file = read_sample();
    int64_t arrival_ns = 0;

    CU_ASSERT_EQUAL(file.row_count, ROWS);
    CU_ASSERT_EQUAL(recorder_ns(&file, 0, "arrival_time"), 0);
    for (size_t i = 0; i < file.row_count; i++) {
        CU_ASSERT(recorder_ns(&file, i, "arrival_time") >= arrival_ns);
        arrival_ns = recorder_ns(&file, i, "arrival_time");
        for (size_t k = 1; k < sizeof moments / sizeof moments[0]; k++)
            CU_ASSERT(recorder_ns(&file, i, moments[k - 1]) < recorder_ns(&file, i, moments[k]));
    }
    recorder_file_release(&file);
}

/* Sums over the requests finished by the time row `last` is, all of them or those of its worker. */
static void accumulate(const struct recorder_file *file, size_t last, int of_worker, double sums[3])
{
    const int64_t end_ns = recorder_ns(file, last, "finish_time");
    const char *host = recorder_text(file, last, "host");

    memset(sums, 0, 3 * sizeof *sums);
    for (size_t i = 0; i < file->row_count; i++) {
        if (recorder_ns(file, i, "finish_time") > end_ns ||
            (of_worker && strcmp(recorder_text(file, i, "host"), host) != 0))
            continue;
        sums[0] += 1;
        sums[1] += recorder_number(file, i, "actual_prompt_tokens");
        sums[2] += recorder_number(file, i, "actual_output_tokens");
    }
}

static void rates_are_cumulative(void)
{
    struct recorder_file file = read_sample();

    for (size_t i = 0; i < file.row_count; i += 7) {
        const double finish_s = recorder_number(&file, i, "finish_time");
        double sums[3];
        accumulate(&file, i, 0, sums);
        CU_ASSERT_EQUAL(recorder_number(&file, i, "AVG_LATENCY"), finish_s / sums[0]);
        CU_ASSERT_EQUAL(recorder_number(&file, i, "PREFILL_THROUGHPUT"), sums[1] / finish_s);
        CU_ASSERT_EQUAL(recorder_number(&file, i, "DECODE_THROUGHPUT"), sums[2] / finish_s);
        accumulate(&file, i, 1, sums);
        CU_ASSERT_EQUAL(recorder_number(&file, i, "prefill_token_throughput"), sums[1] / finish_s);
        CU_ASSERT_EQUAL(recorder_number(&file, i, "decode_token_throughput"), sums[2] / finish_s);
    }
    recorder_file_release(&file);
}

static void arrivals_are_poisson(void)
{
    struct recorder_file file = read_sample();
    double sum_s = 0;
    double squares = 0;
    size_t short_gaps = 0;

    for (size_t i = 1; i < file.row_count; i++) {
        const double gap_s = 1e-9 * (double)(recorder_ns(&file, i, "arrival_time") -
                                             recorder_ns(&file, i - 1, "arrival_time"));
        sum_s += gap_s;
        squares += gap_s * gap_s;
        short_gaps += gap_s < 0.05 * log(2);
    }
    const double count = (double)file.row_count - 1;
    assert_mean("gap", sum_s / count, 0.05, 0.05, count);
    /* Of an exponential: E[x^2] = 2 m^2 with deviation sqrt(20) m^2, and half lies under m ln 2. */
    assert_mean("squared gap", squares / count, 2 * 0.0025, sqrt(20) * 0.0025, count);
    assert_mean("share of short gaps", (double)short_gaps / count, 0.5, 0.5, count);
    recorder_file_release(&file);
}

/* Chi-square of 8 equal bins: 7 degrees of freedom, 29.9 is exceeded once in 10,000 times. */
static void assert_uniform(const struct recorder_file *file, const char *column, int least,
                           int most)
{
    const struct recorder_moments moments = recorder_column(file, column);
    const int width = (most - least + 1) / 8;
    double bins[8] = {0};
    double chi_square = 0;

    CU_ASSERT(moments.least >= least && moments.most <= most);
    for (size_t i = 0; i < file->row_count; i++)
        bins[((int)recorder_number(file, i, column) - least) / width]++;
    for (int k = 0; k < 8; k++)
        chi_square += (bins[k] - ROWS / 8.0) * (bins[k] - ROWS / 8.0) / (ROWS / 8.0);
    CU_ASSERT(chi_square < 29.9);
    assert_mean(column, moments.mean, (least + most) / 2.0, (most - least + 1) / sqrt(12), ROWS);
}

static void lengths_follow_the_law(void)
{
    struct recorder_file file = read_sample();
    double residual = 0;
    double squares = 0;
    double early = 0;

    assert_uniform(&file, "input_length", 384, 639);
    assert_uniform(&file, "expected_output_length", 192, 319);
    for (size_t i = 0; i < file.row_count; i++) {
        const double expected = recorder_number(&file, i, "expected_output_length");
        const double output = recorder_number(&file, i, "actual_output_tokens");
        const double off = recorder_number(&file, i, "actual_prompt_tokens") -
                           0.5855 * recorder_number(&file, i, "input_length");
        residual += off;
        squares += off * off;
        early += output < expected;
        CU_ASSERT(output <= expected && output >= 0.3 * expected);
        CU_ASSERT(fabs(off) <= 36.5); /* six deviations, where bell() ends, and the rounding */
        CU_ASSERT_EQUAL(recorder_number(&file, i, "decode_length"), output);
    }
    assert_mean("prompt residual", residual / ROWS, 0, 6, ROWS);
    assert_mean("squared prompt residual", squares / ROWS, 36, 36 * sqrt(2), ROWS);
    assert_mean("share of early stops", early / ROWS, 0.03, sqrt(0.03 * 0.97), ROWS);
    recorder_file_release(&file);
}

static void workers_take_turns(void)
{
    struct recorder_file file = read_sample();

    for (size_t i = 0; i < file.row_count; i++) {
        char host[64];
        char id[64];
        snprintf(host, sizeof host, "http://localhost:%zu", 30001 + i % 3);
        SGL_ASSERT_TEXT(recorder_text(&file, i, "host"), host);
        snprintf(id, sizeof id, "req_%zu_17672256%05zu", i, i / 17);
        SGL_ASSERT_TEXT(recorder_text(&file, i, "req_id"), id);
        SGL_ASSERT_TEXT(recorder_text(&file, i, "success"), "True");
        SGL_ASSERT_TEXT(recorder_text(&file, i, "error"), "");
    }
    recorder_file_release(&file);
}

static void times_follow_the_law(void)
{
    struct recorder_file file = read_sample();
    double decode_ms = 0;

    for (size_t i = 0; i < file.row_count; i++)
        decode_ms += 1e-6 *
                     (double)(recorder_ns(&file, i, "finish_time") -
                              recorder_ns(&file, i, "server_first_token_time")) /
                     (recorder_number(&file, i, "actual_output_tokens") - 1);
    assert_mean("ms per token", decode_ms / ROWS, 6.18, 0.35, ROWS);
    assert_mean("queue_time_in_router", recorder_column(&file, "queue_time_in_router").mean, 35e-6,
                15e-6, ROWS);
    assert_mean("tokenize_time", recorder_column(&file, "tokenize_time").mean, 4.35e-3,
                7.3e-3 / sqrt(12), ROWS);
    assert_mean("pure_queue_time", recorder_column(&file, "pure_queue_time").mean, 130e-6, 50e-6,
                ROWS);
    recorder_file_release(&file);
}

SGL_SUITE(sample) = {
    {"every duration is the difference of two times, to the nanosecond", durations_are_differences},
    {"the moments of a request come in order", moments_are_in_order},
    {"rates and mean latency accumulate up to each finish", rates_are_cumulative},
    {"arrivals are Poisson at 20 requests per second", arrivals_are_poisson},
    {"prompt and output lengths follow the stated law", lengths_follow_the_law},
    {"workers take turns and ids count up", workers_take_turns},
    {"times follow the stated law", times_follow_the_law},
    CU_TEST_INFO_NULL,
};
