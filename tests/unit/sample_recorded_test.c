/*
 * The sample trace against the runs it takes after: the same columns, the same identities between
 * them, and means as near as two runs of that length are to each other.
 */
#include "support.h"

#include "recorder_file.h"

#include <math.h>
#include <stdio.h>

static const char *const recorded_runs[] = {
    "sglang_custom/uniform/RR_router_test_20250731_090735.csv",
    "sglang_custom/uniform/RD_router_test_20250731_090823.csv",
    "sglang_custom/uniform/MU_router_test_20250731_090859.csv",
    "sglang_custom/uniform/MUR_router_test_20250731_090557.csv",
};

static struct recorder_file read_sample(void)
{
    return recorder_file_read(SGL_SOURCE_FOLDER "/traces/samples/sglang-3-workers.csv");
}

static void columns_are_the_same(void)
{
    struct recorder_file sample = read_sample();
    struct recorder_file run = recorder_file_read(sgl_data_file(recorded_runs[0]));

    for (size_t i = 0; i < RECORDER_COLUMNS; i++)
        SGL_ASSERT_TEXT(sample.names[i], run.names[i]);
    recorder_file_release(&sample);
    recorder_file_release(&run);
}

/* The recorder subtracts doubles that are multiples of 2^-22 s, so its differences are exact. */
static void recorded_identities_hold(void)
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

    for (size_t r = 0; r < sizeof recorded_runs / sizeof recorded_runs[0]; r++) {
        struct recorder_file run = recorder_file_read(sgl_data_file(recorded_runs[r]));
        CU_ASSERT_EQUAL(run.row_count, 200);
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            for (size_t i = 0; i < run.row_count; i++)
                CU_ASSERT_EQUAL(recorder_number(&run, i, rows[k][0]),
                                recorder_number(&run, i, rows[k][1]) -
                                    recorder_number(&run, i, rows[k][2]));
        recorder_file_release(&run);
    }
}

static double rate(const struct recorder_file *file)
{
    return ((double)file->row_count - 1) / recorder_column(file, "arrival_time").most;
}

static void assert_near(const char *what, double sample, double recorded, double tolerance)
{
    const int is_near = fabs(sample / recorded - 1) <= tolerance;

    if (!is_near)
        printf("\n  %s: sample %g, recorded %g, more than %g apart\n", what, sample, recorded,
               tolerance);
    CU_ASSERT(is_near);
}

/* Tolerances: three standard errors of the difference between a mean over the sample's 600 rows and
 * one over the 400 of two runs, rounded up. */
static void means_are_near_the_recorded(void)
{
    static const struct {
        const char *column;
        double tolerance;
    } rows[] = {
        {"input_length", 0.03},  {"expected_output_length", 0.03}, {"actual_prompt_tokens", 0.03},
        {"ttft", 0.02},          {"actual_output_tokens", 0.03},   {"server_latency", 0.03},
        {"tokenize_time", 0.1},  {"queue_time_in_router", 0.1},    {"pure_queue_time", 0.12},
        {"total_latency", 0.03},
    };
    struct recorder_file sample = read_sample();
    struct recorder_file in_turn = recorder_file_read(sgl_data_file(recorded_runs[0]));
    struct recorder_file at_random = recorder_file_read(sgl_data_file(recorded_runs[1]));

    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const char *column = rows[k].column;
        const double recorded =
            (recorder_column(&in_turn, column).mean + recorder_column(&at_random, column).mean) / 2;
        assert_near(column, recorder_column(&sample, column).mean, recorded, rows[k].tolerance);
    }
    assert_near("rate", rate(&sample), (rate(&in_turn) + rate(&at_random)) / 2, 0.2);
    recorder_file_release(&sample);
    recorder_file_release(&in_turn);
    recorder_file_release(&at_random);
}

SGL_SUITE(sample_recorded) = {
    {"the sample has the recorder's columns in their order", columns_are_the_same},
    {"recorded durations are differences of recorded times, bit for bit", recorded_identities_hold},
    {"rate, lengths and times are near those of the recorded runs", means_are_near_the_recorded},
    CU_TEST_INFO_NULL,
};
