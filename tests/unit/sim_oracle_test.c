/* Against what others computed: the schedule of scheduler=vllm, to the microsecond; that of
 * scheduler=sglang as far as the step times agree. */
#include "sim_support.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 1000

struct oracle {
    int64_t ttft_ns;
    int64_t e2e_ns;
};

/* request_id, arrival_us, input_tokens, output_tokens, ttft_us, e2e_us */
static size_t read_oracle(const char *name, struct sgl_trace_row *rows, struct oracle *oracle)
{
    char line[256];
    FILE *file = fopen(sgl_data_file(name), "r");
    size_t count = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    const char *header = fgets(line, sizeof line, file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(header);
    while (count < ROWS && fgets(line, sizeof line, file) != NULL) {
        int64_t cells[6];
        char *at = line;
        for (int i = 0; i < 6; i++) {
            cells[i] = strtoll(at, &at, 10);
            at += *at == ',';
        }
        rows[count] = sgl_row((int64_t)count, cells[1] * 1000, cells[2], cells[3], SGL_ABSENT);
        oracle[count++] = (struct oracle){cells[4] * 1000, cells[5] * 1000};
    }
    fclose(file);
    return count;
}

static void reproduces(const char *name, const char *limits)
{
    static struct sgl_trace_row rows[ROWS];
    static struct oracle oracle[ROWS];
    const size_t count = read_oracle(name, rows, oracle);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    char model[256];
    size_t wrong = 0;

    CU_ASSERT_EQUAL_FATAL(count, ROWS);
    snprintf(model, sizeof model,
             "batching:scheduler=vllm,c_step_us=10000,c_request_us=100,c_kv_token_us=0,"
             "c_prefill_token_us=0,c_prefill_context_us=0,%s",
             limits);
    sgl_test_fleet_init(&fleet, "round_robin", model, 1);
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        fleet.options.stepwise = stepwise == 1;
        sgl_witness_init(&witness, count);
        sgl_test_fleet_run(&fleet, rows, count, &witness);
        for (size_t i = 0; i < count; i++)
            wrong += witness.seen[i].outcome.ttft_ns != oracle[i].ttft_ns ||
                     witness.seen[i].outcome.e2e_ns != oracle[i].e2e_ns ||
                     witness.seen[i].outcome.output_tokens != rows[i].output_tokens;
        CU_ASSERT_EQUAL(wrong, 0);
        sgl_witness_release(&witness);
    }
    sgl_test_fleet_release(&fleet);
}

static void wide_budget(void)
{
    reproduces("oracles/a_p1k_r5_budget2048_maxseqs256.csv",
               "max_batch_tokens=2048,max_running_requests=256");
}

static void narrow_budget(void)
{
    reproduces("oracles/c_conv1k_budget512_maxseqs8.csv",
               "max_batch_tokens=512,max_running_requests=8");
}

/* arrival_ms, input_tokens, output_tokens, first_admit_ms, first_token_ms, last_token_ms, ttft_ms,
 * e2e_ms */
static size_t read_dynamo(struct sgl_trace_row *rows, struct oracle *oracle)
{
    char line[256];
    FILE *file = fopen(sgl_data_file("oracles/dynamo_sglang_conv1k.csv"), "r");
    size_t count = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    const char *header = fgets(line, sizeof line, file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(header);
    while (count < ROWS && fgets(line, sizeof line, file) != NULL) {
        double cells[8];
        char *at = line;
        for (int i = 0; i < 8; i++) {
            cells[i] = strtod(at, &at);
            at += *at == ',';
        }
        rows[count] = sgl_row((int64_t)count, llround(cells[0] * 1e6), (int64_t)cells[1],
                              (int64_t)cells[2], (int64_t)cells[2]);
        oracle[count++] = (struct oracle){llround(cells[6] * 1e6), llround(cells[7] * 1e6)};
    }
    fclose(file);
    return count;
}

/*
 * Another reading of scheduler=sglang. Its step times are quadratic in ways that ours are not
 * (sim/README.md): so equal decisions give nearly equal times, until a step boundary has drifted
 * past an arrival, and the same means.
 */
static void another_sglang(void)
{
    static struct sgl_trace_row rows[ROWS];
    static struct oracle oracle[ROWS];
    const size_t count = read_dynamo(rows, oracle);
    struct sgl_test_fleet fleet;
    struct sgl_witness witness;
    double ttft = 0;
    double e2e = 0;
    double ttft_wanted = 0;
    double e2e_wanted = 0;

    CU_ASSERT_EQUAL_FATAL(count, ROWS);
    sgl_test_fleet_init(&fleet, "round_robin",
                        "batching:c_step_prefill_us=16501.42,c_prefill_token_us=15.18344,"
                        "c_prefill_context_us=0.0008419978,c_step_decode_us=5740,c_request_us=0,"
                        "c_kv_token_us=0.05150795,kv_tokens=1048576,page_size=64,"
                        "chunked_prefill_size=8192",
                        1);
    sgl_witness_init(&witness, count);
    sgl_test_fleet_run(&fleet, rows, count, &witness);
    for (size_t i = 0; i < count; i++) {
        const struct sgl_outcome *outcome = &witness.seen[i].outcome;
        ttft += (double)outcome->ttft_ns;
        e2e += (double)outcome->e2e_ns;
        ttft_wanted += (double)oracle[i].ttft_ns;
        e2e_wanted += (double)oracle[i].e2e_ns;
        if (i < 48)
            CU_ASSERT_TRUE(fabs((double)(outcome->ttft_ns - oracle[i].ttft_ns)) < 1e6);
    }
    CU_ASSERT_DOUBLE_EQUAL(ttft / ttft_wanted, 1, 0.005);
    CU_ASSERT_DOUBLE_EQUAL(e2e / e2e_wanted, 1, 0.001);
    sgl_witness_release(&witness);
    sgl_test_fleet_release(&fleet);
}

SGL_SUITE(sim_oracle) = {
    {"1,000 requests under a budget of 2048 tokens and 256 sequences end to the microsecond",
     wide_budget},
    {"1,000 requests under a budget of 512 tokens and 8 sequences end to the microsecond",
     narrow_budget},
    {"another simulator of sglang decides alike: means of 1,000 requests within 0.5 %",
     another_sglang},
    CU_TEST_INFO_NULL,
};
