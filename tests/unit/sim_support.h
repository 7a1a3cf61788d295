/*
 * sim_support.h - simulations in tests: requests from memory, and what came out of each.
 */
#ifndef SGL_TESTS_SIM_SUPPORT_H
#define SGL_TESTS_SIM_SUPPORT_H

#include "sim/simulation.h"

/* Rows from an array, in its order. */
struct sgl_memory_source {
    struct sgl_source source;
    const struct sgl_trace_row *rows;
    size_t row_count;
    size_t next;
};

void sgl_memory_source_init(struct sgl_memory_source *source, const struct sgl_trace_row *rows,
                            size_t row_count);

/* A row of which nothing is known but these; `request` is its index. */
struct sgl_trace_row sgl_row(int64_t request, int64_t arrival_ns, int64_t prompt_tokens,
                             int64_t output_tokens, int64_t max_tokens);

/* `count` rows of small requests that arrive in steps of half a millisecond, up to `steps_most` of
 * them apart, so that many come at once; up to four of the prefix ids each, blocks of 16 tokens. */
void sgl_test_draw_rows(struct sgl_rng *draws, struct sgl_trace_row *rows, size_t count,
                        const uint64_t ids[static 4], uint32_t steps_most);

/* What the router filed about a request. */
struct sgl_seen {
    int64_t arrival_ns;
    int64_t completed_ns;
    int64_t first_token_ns; /* input; SGL_ABSENT when there was none */
    uint32_t worker;
    uint32_t outcome_count;
    uint32_t refused_count; /* attempts at a worker that was down */
    uint64_t route_order;   /* of its route among all inputs */
    uint64_t outcome_order; /* of its outcome */
    struct sgl_outcome outcome;
};

/* A sink that files outcomes by request and hashes every input, decision and candidate's worker:
 * equal digests are equal logs. */
struct sgl_witness {
    struct sgl_sink sink;
    struct sgl_seen *seen; /* by request; owned */
    size_t seen_count;
    uint64_t digest;
    uint64_t input_count;
    uint64_t probe_count;
    uint64_t report_count;
    struct sgl_load_report first_report;
    uint64_t first_report_order;
    struct sgl_gap_class *classes; /* of all workers, one after the other; owned */
    size_t class_count;
    int64_t now_ns;
    bool time_went_back;
};

void sgl_witness_init(struct sgl_witness *witness, size_t request_count);
void sgl_witness_release(struct sgl_witness *witness);

/* A fleet of workers of one model each: "batching:scheduler=vllm,...". Aborts when it does not
 * parse. */
#define SGL_TEST_WORKER_MAX 8
struct sgl_test_fleet {
    struct sgl_worker_model_spec specs[SGL_TEST_WORKER_MAX];
    struct sgl_simulation_worker workers[SGL_TEST_WORKER_MAX];
    struct sgl_policy_spec policy;
    struct sgl_simulation_options options; /* ready, but for what a test wants to change */
};

void sgl_test_fleet_init(struct sgl_test_fleet *fleet, const char *policy, const char *model,
                         uint32_t worker_count);
void sgl_test_fleet_release(struct sgl_test_fleet *fleet);

/* Runs the rows and asserts that it went well. */
struct sgl_simulation_totals sgl_test_fleet_run(struct sgl_test_fleet *fleet,
                                                const struct sgl_trace_row *rows, size_t row_count,
                                                struct sgl_witness *witness);

/* Runs the rows with nobody to listen, and gives the code and the text of it. */
int sgl_test_fleet_try(struct sgl_test_fleet *fleet, const struct sgl_trace_row *rows, size_t count,
                       struct sgl_failure *failure);

#endif
