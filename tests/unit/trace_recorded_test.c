/*
 * The public traces, to the nanosecond. Expected numbers were computed from the files by decimal
 * arithmetic of another language.
 */
#include "support.h"

#include "trace_reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void azure_is_read_to_the_nanosecond(void)
{
    const struct sgl_trace_options options = {.path = sgl_data_file("azure2023_conv.csv")};
    struct sgl_failure failure = {""};
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    int64_t last_ns = -1;
    int64_t prompt_tokens = 0;
    int64_t output_tokens = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, &options, &failure), 0);
    while (sgl_trace_next(trace, &row, &failure) > 0) {
        CU_ASSERT(row.request.arrival_ns > last_ns);
        last_ns = row.request.arrival_ns;
        prompt_tokens += row.request.prompt_tokens;
        output_tokens += row.output_tokens;
        CU_ASSERT(row.request.request > 0 || last_ns == 0);
    }
    SGL_ASSERT_TEXT(failure.text, "");
    const struct sgl_trace_facts *facts = sgl_trace_facts(trace);
    CU_ASSERT_EQUAL(facts->row_count, 19366);
    CU_ASSERT_EQUAL(last_ns, 3501721937000); /* 58 min 21.721937 s */
    CU_ASSERT_EQUAL(facts->epoch_ns, 1700158546680590000);
    CU_ASSERT_EQUAL(prompt_tokens, 22361870);
    CU_ASSERT_EQUAL(output_tokens, 4088665);
    CU_ASSERT_EQUAL(facts->sorted_count + facts->zero_prompt_count + facts->zero_output_count, 0);
    CU_ASSERT_EQUAL(facts->without_max_tokens_count, 19366);
    CU_ASSERT_PTR_NULL(facts->warnings[0]);
    sgl_trace_close(trace);
}

static void a_recorded_run_keeps_what_was_measured(void)
{
    const struct sgl_trace_options options = {
        .path = sgl_data_file("sglang_custom/uniform/RR_router_test_20250731_090735.csv")};
    struct trace_reading reading = trace_read(&options);

    SGL_ASSERT_TEXT(reading.failure.text, "");
    CU_ASSERT_EQUAL(reading.row_count, 200);
    SGL_ASSERT_TEXT(reading.warnings, "");
    CU_ASSERT_EQUAL(reading.facts.epoch_ns, SGL_ABSENT);
    SGL_ASSERT_CONTAINS(reading.headers, "prompt_tokens=actual_prompt_tokens ");
    CU_ASSERT_EQUAL(strncmp(reading.rows,
                            "0 at 0 prompt=316 output=205 max=205 id='req_0_1753978056084' "
                            "worker='http://localhost:30001' send=44584 start=2745390 "
                            "end=3244162 first=353900909 finish=1534539938 latency=1534495354 "
                            "ttft=353900909 success=1\n",
                            strcspn(reading.rows, "\n") + 1),
                    0);
    SGL_ASSERT_CONTAINS(reading.rows,
                        "\n199 at 10713065863 prompt=313 output=265 max=265 "
                        "id='req_199_1753978056095' worker='http://localhost:30002' "
                        "send=10713271618 start=10717468977 end=10717583895 first=11083642244 "
                        "finish=12549408436 latency=1836136818 ttft=370576382 success=1\n");
    trace_reading_release(&reading);
}

static void every_recorded_run_can_be_replayed(void)
{
    static const struct {
        const char *name;
        uint64_t rows;
    } runs[] = {
        {"uniform/RR_router_test_20250731_090735.csv", 200},
        {"uniform/RD_router_test_20250731_090823.csv", 200},
        {"uniform/MU_router_test_20250731_090859.csv", 200},
        {"uniform/MUR_router_test_20250731_090557.csv", 200},
        {"hetero/RR_router_test_20250731_091332.csv", 200},
        {"hetero/RD_router_test_20250731_091234.csv", 200},
        {"hetero/MU_router_test_20250731_091412.csv", 200},
        {"hetero/MUR_router_test_20250731_091452.csv", 200},
        {"hetero/router_test_20250731_091528.csv", 200},
        {"new_test/RR_router_test_20250801_174252.csv", 1000},
        {"new_test/RD_router_test_20250801_174205.csv", 1000},
        {"new_test/MU_router_test_20250801_174407.csv", 1000},
    };

    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        char name[128];
        struct sgl_failure failure;
        char **urls = NULL;
        uint32_t count = 0;
        snprintf(name, sizeof name, "sglang_custom/%s", runs[i].name);
        const struct sgl_trace_options options = {.path = sgl_data_file(name)};
        struct trace_reading reading = trace_read(&options);
        SGL_ASSERT_TEXT(reading.failure.text, "");
        CU_ASSERT_EQUAL(reading.row_count, runs[i].rows);
        trace_reading_release(&reading);
        CU_ASSERT_EQUAL(sgl_trace_workers(&urls, &count, &options, &failure), 0);
        CU_ASSERT_EQUAL_FATAL(count, 3);
        SGL_ASSERT_TEXT(urls[0], "http://localhost:30001");
        SGL_ASSERT_TEXT(urls[2], "http://localhost:30003");
        free(urls);
    }
}

/* Files that are no traces say so, by their place. */
static void other_data_are_refused(void)
{
    static const struct {
        const char *name;
        const char *part;
    } files[] = {
        {"aic_sglang_step_times.csv", "aic_sglang_step_times.csv:1: no column arrival_time"},
        {"vidur_arxiv_lengths.csv.gz", "vidur_arxiv_lengths.csv.gz:1: no column arrival_time"},
        {"servegen_msmall_client_rates.csv.gz", "statistics of clients, not requests"},
        {"llmservingsim_vllm_rtx4090_llama31_8b_requests.jsonl", "is JSON of no known kind"},
        {"README.md", "README.md:1: no column arrival_time"},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const struct sgl_trace_options options = {.path = sgl_data_file(files[i].name)};
        struct trace_reading reading = trace_read(&options);
        CU_ASSERT_EQUAL(reading.code, SGL_EINVAL);
        SGL_ASSERT_CONTAINS(reading.failure.text, files[i].part);
        trace_reading_release(&reading);
    }
}

static uint64_t rows_at_the_time_before(const struct sgl_trace_options *options)
{
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    int64_t last_ns = -1;
    uint64_t repeated = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_trace_open(&trace, options, &failure), 0);
    while (sgl_trace_next(trace, &row, &failure) > 0) {
        repeated += row.request.arrival_ns == last_ns;
        last_ns = row.request.arrival_ns;
    }
    SGL_ASSERT_TEXT(failure.text, "");
    sgl_trace_close(trace);
    return repeated;
}

static void mooncake_is_read_with_its_staircase(void)
{
    struct sgl_trace_options options = {.path = sgl_data_file("mooncake_conversation_trace.jsonl")};
    struct trace_reading reading = trace_read(&options);

    SGL_ASSERT_TEXT(reading.failure.text, "");
    CU_ASSERT_EQUAL(reading.row_count, 12031);
    CU_ASSERT_EQUAL(reading.facts.repeated_count, 10851);
    SGL_ASSERT_CONTAINS(reading.warnings, "10851 of 12031 rows repeat the arrival_time before");
    trace_reading_release(&reading);
    options.spreads_steps = true;
    CU_ASSERT_EQUAL(rows_at_the_time_before(&options), 0);
}

static void aibrix_rows_are_sorted_by_launch(void)
{
    struct sgl_trace_options options = {.path = sgl_data_file("aibrix_raw_naive_output_2.9.csv")};
    struct trace_reading reading = trace_read(&options);

    SGL_ASSERT_TEXT(reading.failure.text, "");
    CU_ASSERT_EQUAL(reading.row_count, 322);
    CU_ASSERT_EQUAL(reading.facts.sorted_count, 295);
    const uint64_t digest = reading.facts.digest;
    trace_reading_release(&reading);
    /* The same run out of the file that holds all of them. */
    options.path = sgl_data_file("aibrix_v030_multiround.csv");
    options.where = "release=v0.3.0,experiment=naive,qps_target=2.9";
    reading = trace_read(&options);
    SGL_ASSERT_TEXT(reading.failure.text, "");
    CU_ASSERT_EQUAL(reading.row_count, 322);
    CU_ASSERT_EQUAL(reading.facts.digest, digest);
    trace_reading_release(&reading);
}

SGL_SUITE(trace_recorded) = {
    {"Mooncake is read with its staircase", mooncake_is_read_with_its_staircase},
    {"AIBrix rows are sorted by launch", aibrix_rows_are_sorted_by_launch},
    {"the Azure trace is read to the nanosecond", azure_is_read_to_the_nanosecond},
    {"a recorded run keeps what was measured", a_recorded_run_keeps_what_was_measured},
    {"every recorded run can be replayed", every_recorded_run_can_be_replayed},
    {"other data are refused", other_data_are_refused},
    CU_TEST_INFO_NULL,
};
