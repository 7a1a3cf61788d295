#include "log_support.h"
#include "support.h"

#include "traces/log_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct sgl_test_run busy = {
    .policy = "marginal_utility:min_history=4,window_size=8",
    .world = {.seed = 7, .worker_count = 4, .step_count = 3000},
};

/* ---- what goes in comes out ---- */

/* Tells each stream into a text of its own: the reader gives them at their own pace, too. */
enum { TOLD_INPUTS, TOLD_DECISIONS, TOLD_CANDIDATES, TOLD_OUTCOMES, TOLD_COUNT };

struct told {
    struct sgl_sink sink;
    FILE *streams[TOLD_COUNT];
    char *texts[TOLD_COUNT];
    size_t sizes[TOLD_COUNT];
};

static void tell_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    sgl_test_tell_input(((struct told *)self)->streams[TOLD_INPUTS], sequence, input);
}

static void tell_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct told *told = (struct told *)self;

    sgl_test_tell_decision(told->streams[TOLD_DECISIONS], decision);
    for (uint32_t i = 0; i < candidate_count; i++)
        sgl_test_tell_candidate(told->streams[TOLD_CANDIDATES], decision->sequence, &candidates[i]);
}

static void tell_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    sgl_test_tell_outcome(((struct told *)self)->streams[TOLD_OUTCOMES], record);
}

static const struct sgl_sink_ops tell_ops = {
    .input = tell_input, .decision = tell_decision, .outcome = tell_outcome};

static void told_open(struct told *told)
{
    *told = (struct told){.sink = {.ops = &tell_ops, .wants_candidates = true}};
    for (int i = 0; i < TOLD_COUNT; i++)
        told->streams[i] = open_memstream(&told->texts[i], &told->sizes[i]);
}

static void told_close(struct told *told)
{
    for (int i = 0; i < TOLD_COUNT; i++)
        fclose(told->streams[i]);
}

static void told_release(struct told *told)
{
    for (int i = 0; i < TOLD_COUNT; i++)
        free(told->texts[i]);
}

static void tell_log(struct told *told, const char *path)
{
    struct sgl_log_reader *reader;
    struct sgl_failure failure = {""};
    struct sgl_logged_input input;
    struct sgl_decision decision;
    struct sgl_logged_candidate candidate;
    struct sgl_logged_outcome outcome;

    CU_ASSERT_EQUAL_FATAL(sgl_log_reader_open(&reader, path, &failure), SGL_OK);
    while (sgl_log_reader_next_input(reader, &input, &failure) == 1)
        sgl_test_tell_input(told->streams[TOLD_INPUTS], input.sequence, &input.input);
    while (sgl_log_reader_next_decision(reader, &decision, &failure) == 1)
        sgl_test_tell_decision(told->streams[TOLD_DECISIONS], &decision);
    while (sgl_log_reader_next_candidate(reader, &candidate, &failure) == 1)
        sgl_test_tell_candidate(told->streams[TOLD_CANDIDATES], candidate.sequence,
                                &candidate.candidate);
    while (sgl_log_reader_next_outcome(reader, &outcome, &failure) == 1)
        sgl_test_tell_outcome(told->streams[TOLD_OUTCOMES], &outcome.record);
    SGL_ASSERT_TEXT(failure.text, "");
    sgl_log_reader_close(reader);
}

static void log_gives_back_what_the_router_heard_and_said(void)
{
    static const char *const policies[] = {"marginal_utility:min_history=2", "shortest_queue",
                                           "fixed_probability", "power_of_two"};

    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        struct told live;
        struct told read;
        told_open(&live);
        told_open(&read);
        const char *path =
            sgl_test_log(sgl_scratch("round.db"),
                         &(struct sgl_test_run){
                             .policy = policies[i],
                             .world = {.seed = 100 + i, .worker_count = 5, .step_count = 2500},
                             .also = &live.sink,
                         });
        tell_log(&read, path);
        told_close(&live);
        told_close(&read);
        for (int t = 0; t < TOLD_COUNT; t++) {
            CU_ASSERT(live.sizes[t] > 10000);
            CU_ASSERT_EQUAL(live.sizes[t], read.sizes[t]);
            CU_ASSERT_STRING_EQUAL(live.texts[t], read.texts[t]);
        }
        told_release(&live);
        told_release(&read);
    }
}

static void two_logs_of_one_run_are_the_same_bytes(void)
{
    size_t first_size;
    size_t second_size;
    char *first = sgl_test_bytes(sgl_test_log(sgl_scratch("first.db"), &busy), &first_size);
    char *second = sgl_test_bytes(sgl_test_log(sgl_scratch("second.db"), &busy), &second_size);

    CU_ASSERT_EQUAL_FATAL(first_size, second_size);
    CU_ASSERT_EQUAL(memcmp(first, second, first_size), 0);
    free(first);
    free(second);
}

static void durable_log_has_the_rows_of_a_plain_one(void)
{
    static const char digests_sql[] =
        "SELECT group_concat(key || value) FROM run WHERE key LIKE 'digest.%' OR key LIKE 'rows.%'";
    struct sgl_test_run durable = busy;

    durable.is_durable = true;
    const char *one = sgl_test_log(sgl_scratch("plain.db"), &busy);
    const char *other = sgl_test_log(sgl_scratch("durable.db"), &durable);
    SGL_ASSERT_TEXT(sgl_test_sql_text(other, digests_sql), sgl_test_sql_text(one, digests_sql));
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("durable.db-wal")));
    SGL_ASSERT_TEXT(sgl_test_sql_text(other, "PRAGMA journal_mode"), "delete");
}

static void chosen_candidates_are_the_chosen_ones_of_all(void)
{
    struct sgl_test_run run = busy;

    const char *all = sgl_test_log(sgl_scratch("all.db"), &run);
    run.candidates = SGL_LOG_CANDIDATES_CHOSEN;
    const char *chosen = sgl_test_log(sgl_scratch("chosen.db"), &run);
    static const char rows_sql[] =
        "SELECT count(*) || ' ' || sum(c.score) || ' ' || sum(c.worker * c.sequence)"
        " FROM candidate c JOIN decision d USING (sequence) WHERE c.worker = d.worker";
    SGL_ASSERT_TEXT(sgl_test_sql_text(chosen, rows_sql), sgl_test_sql_text(all, rows_sql));
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(chosen, "SELECT count(*) FROM candidate"),
        sgl_test_sql_integer(chosen, "SELECT count(*) FROM decision WHERE worker IS NOT NULL"));
}

/* ---- values ---- */

static void absent_is_null_and_minus_zero_is_zero(void)
{
    CU_ASSERT_EQUAL(sgl_log_real(NAN).kind, SGL_LOG_NULL);
    CU_ASSERT_EQUAL(sgl_log_integer(SGL_ABSENT).kind, SGL_LOG_NULL);
    CU_ASSERT_EQUAL(sgl_log_text(NULL).kind, SGL_LOG_NULL);
    CU_ASSERT_EQUAL(sgl_log_real(-0.0).kind, SGL_LOG_REAL);
    CU_ASSERT_FALSE(signbit(sgl_log_real(-0.0).real));
    CU_ASSERT_TRUE(isinf(sgl_log_real(-INFINITY).real));
    CU_ASSERT_EQUAL(sgl_log_integer(0).kind, SGL_LOG_INTEGER);

    /* And in a file: a worker without history has a score and no gradients. */
    const char *path = sgl_test_log(sgl_scratch("absent.db"), &busy);
    CU_ASSERT(sgl_test_sql_integer(path, "SELECT count(*) FROM candidate WHERE score IS NOT NULL"
                                         " AND throughput_gradient IS NULL"
                                         " AND latency_gradient IS NULL") > 0);
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) FROM candidate WHERE"
                                               " (throughput_gradient IS NULL) <>"
                                               " (latency_gradient IS NULL)"),
                    0);
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) FROM decision WHERE"
                                               " decision_ns IS NOT NULL"),
                    0);
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) FROM decision WHERE"
                                               " (worker IS NULL) <> (propensity IS NULL)"),
                    0);
}

/* The digest is a sum of hashes: each hash must depend on every value, its kind and its place. */
static void hash_of_a_row_depends_on_every_value(void)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX] = {{0}};
    const uint32_t count = sgl_log_layouts[SGL_LOG_CANDIDATE].column_count;
    uint64_t seen[4 * SGL_LOG_COLUMN_MAX];
    size_t seen_count = 0;

    seen[seen_count++] = sgl_log_row_hash(SGL_LOG_CANDIDATE, values);
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_log_value tries[] = {sgl_log_integer(0), sgl_log_real(0.0),
                                              sgl_log_text("")};
        for (size_t t = 0; t < sizeof tries / sizeof tries[0]; t++) {
            values[i] = tries[t];
            seen[seen_count++] = sgl_log_row_hash(SGL_LOG_CANDIDATE, values);
        }
        values[i] = sgl_log_null();
    }
    for (size_t a = 0; a < seen_count; a++)
        for (size_t b = 0; b < a; b++)
            CU_ASSERT_NOT_EQUAL(seen[a], seen[b]);

    values[2] = sgl_log_text("ten letter");
    const uint64_t hash = sgl_log_row_hash(SGL_LOG_CANDIDATE, values);
    values[2] = sgl_log_text("ten lettes");
    CU_ASSERT_NOT_EQUAL(sgl_log_row_hash(SGL_LOG_CANDIDATE, values), hash);
    CU_ASSERT_NOT_EQUAL(sgl_log_row_hash(SGL_LOG_DECISION, values), hash);
}

static void ids_are_data_and_never_sql(void)
{
    static const char *const evil[] = {"'; DROP TABLE request; --",
                                       "\"; DELETE FROM input; --",
                                       "=cmd|calc",
                                       "a\tb\r\nc",
                                       "%s%n",
                                       "\xff\xfe",
                                       ""};
    const uint32_t evil_count = sizeof evil / sizeof evil[0];
    struct sgl_policy_spec spec = sgl_world_policy("round_robin");
    struct sgl_failure failure = {""};
    struct sgl_log *log;
    struct sgl_log_reader *reader;
    struct sgl_logged_input logged;
    const char *path = sgl_scratch("evil.db");

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path, &(struct sgl_log_options){.seed = 1, .policy = {&spec}}, &failure),
        SGL_OK);
    struct sgl_router *router = sgl_world_router(&spec, 1, sgl_log_sink(log));
    for (uint32_t i = 0; i < evil_count; i++) {
        const struct sgl_request request = {.request = i,
                                            .request_id = evil[i],
                                            .tenant = evil[i],
                                            .session = evil[i],
                                            .model = evil[i]};
        sgl_router_feed(
            router, &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = evil[i]}},
            NULL, &failure);
        sgl_router_feed(router,
                        &(struct sgl_input){
                            .kind = SGL_INPUT_ROUTE, .request = i, .route = {.request = &request}},
                        NULL, &failure);
    }
    sgl_router_destroy(router);
    CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);

    CU_ASSERT_EQUAL_FATAL(sgl_log_reader_open(&reader, path, &failure), SGL_OK);
    for (uint32_t i = 0; i < evil_count; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_log_reader_next_input(reader, &logged, &failure), 1);
        SGL_ASSERT_TEXT(logged.input.added.url, evil[i]);
        CU_ASSERT_EQUAL_FATAL(sgl_log_reader_next_input(reader, &logged, &failure), 1);
        SGL_ASSERT_TEXT(logged.request.request_id, evil[i]);
        SGL_ASSERT_TEXT(logged.request.tenant, evil[i]);
        SGL_ASSERT_TEXT(logged.request.session, evil[i]);
        SGL_ASSERT_TEXT(logged.request.model, evil[i]);
    }
    CU_ASSERT_EQUAL(sgl_log_reader_next_input(reader, &logged, &failure), 0);
    sgl_log_reader_close(reader);
    sgl_policy_release(&spec);
}

static void run_says_what_a_fresh_router_needs(void)
{
    struct sgl_failure failure = {""};
    struct sgl_policy_spec spec = sgl_world_policy("marginal_utility:window_size=30");
    struct sgl_policy_spec decode = sgl_world_policy("random");
    struct sgl_log_reader *reader;
    struct sgl_log *log;
    const char *path = sgl_scratch("facts.db");
    char *resolved = sgl_policy_format(&spec);

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path,
                     &(struct sgl_log_options){
                         .seed = UINT64_MAX,
                         .policy = {[SGL_POOL_PREFILL] = &spec, [SGL_POOL_DECODE] = &decode},
                         .epoch_ns = INT64_C(1753977957899000000)},
                     &failure),
        SGL_OK);
    sgl_log_fact(log, "trace_digest", "abc");
    CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_log_reader_open(&reader, path, &failure), SGL_OK);
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "seed"), "18446744073709551615");
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "worker_max"), "1024");
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "policy.prefill"), resolved);
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "policy.decode"), "random");
    CU_ASSERT_PTR_NULL(sgl_log_reader_fact(reader, "policy.regular"));
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "epoch_ns"), "1753977957899000000");
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "times"), "absolute");
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "trace_digest"), "abc");
    SGL_ASSERT_TEXT(sgl_log_reader_fact(reader, "rows.input"), "0");
    CU_ASSERT_TRUE(sgl_log_reader_is_complete(reader));
    CU_ASSERT_TRUE(sgl_log_reader_is_run_intact(reader));
    sgl_log_reader_close(reader);
    free(resolved);
    sgl_policy_release(&spec);
    sgl_policy_release(&decode);
}

/* A fact given twice cannot be told apart: the log fails, in one line, and the run does not. */
static void fact_given_twice_is_a_failure_of_the_log(void)
{
    struct sgl_policy_spec spec = sgl_world_policy("random");
    struct sgl_failure failure = {""};
    struct sgl_log *log;
    const char *path = sgl_scratch("twice.db");

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path, &(struct sgl_log_options){.policy = {&spec}}, &failure), SGL_OK);
    CU_ASSERT_PTR_NULL(sgl_log_failure(log));
    sgl_log_fact(log, "seed", "2");
    CU_ASSERT_PTR_NOT_NULL_FATAL(sgl_log_failure(log));
    SGL_ASSERT_CONTAINS(sgl_log_failure(log), "UNIQUE");
    CU_ASSERT_EQUAL(sgl_log_close(log, &failure), SGL_EIO);
    CU_ASSERT_FALSE(sgl_test_exists(path));
    sgl_policy_release(&spec);
}

SGL_SUITE(log) = {
    {"a log gives back, bit for bit, what the router heard and said",
     log_gives_back_what_the_router_heard_and_said},
    {"two logs of one run are the same bytes", two_logs_of_one_run_are_the_same_bytes},
    {"a durable log has the rows of a plain one, in one plain file",
     durable_log_has_the_rows_of_a_plain_one},
    {"with candidates=chosen the chosen rows are those of a full log",
     chosen_candidates_are_the_chosen_ones_of_all},
    {"absent is NULL, never 0, and -0.0 becomes 0.0", absent_is_null_and_minus_zero_is_zero},
    {"the hash of a row depends on every value, its kind and its place",
     hash_of_a_row_depends_on_every_value},
    {"ids, models and urls are data, never SQL", ids_are_data_and_never_sql},
    {"run says what a fresh router needs", run_says_what_a_fresh_router_needs},
    {"a fact given twice fails the log, not the run", fact_given_twice_is_a_failure_of_the_log},
    CU_TEST_INFO_NULL,
};
