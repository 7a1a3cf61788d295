#include "log_support.h"
#include "support.h"

#include "analysis/verify.h"
#include "traces/log_copy.h"

#include <string.h>

static const struct sgl_test_run small = {
    .policy = "marginal_utility:min_history=2,window_size=6",
    .world = {.seed = 11, .worker_count = 4, .step_count = 500},
};

static struct sgl_verify_report verdict_on(const char *path)
{
    struct sgl_verify_report report = {0};
    struct sgl_failure failure = {""};
    const int status = sgl_verify(path, &report, &failure);

    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(status, SGL_OK);
    return report;
}

/* ---- identical ---- */

static void assert_identical(const struct sgl_test_run *run)
{
    const char *path = sgl_test_log(sgl_scratch("same.db"), run);
    const struct sgl_verify_report report = verdict_on(path);

    SGL_ASSERT_CONTAINS(report.text, "identical: ");
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_IDENTICAL);
    CU_ASSERT_TRUE(report.is_same_build);
    CU_ASSERT_EQUAL(report.sequence, report.input_count);
    CU_ASSERT_EQUAL((int64_t)report.input_count,
                    sgl_test_sql_integer(path, "SELECT count(*) FROM input"));
    CU_ASSERT_EQUAL((int64_t)report.decision_count,
                    sgl_test_sql_integer(path, "SELECT count(*) FROM decision"));
    CU_ASSERT_EQUAL((int64_t)report.candidate_count,
                    sgl_test_sql_integer(path, "SELECT count(*) FROM candidate"));
    CU_ASSERT_EQUAL((int64_t)report.outcome_count,
                    sgl_test_sql_integer(path, "SELECT count(*) FROM outcome"));
    CU_ASSERT(report.input_count > 100);
}

/* The policy by its name; one that wraps another, around power_of_two. */
static const char *policy_text(const struct sgl_policy_ops *policy)
{
    static char text[80];
    struct sgl_policy_spec spec;

    if (sgl_policy_parse(&spec, policy->name, NULL) == SGL_OK) {
        sgl_policy_release(&spec);
        return policy->name;
    }
    snprintf(text, sizeof text, "%s:base=power_of_two", policy->name);
    return text;
}

static void logs_of_every_policy_are_identical(void)
{
    const struct sgl_policy_ops *policy;

    for (uint32_t i = 0; (policy = sgl_policy_at(i)) != NULL; i++)
        for (uint64_t seed = 1; seed <= 3; seed++)
            assert_identical(&(struct sgl_test_run){
                .policy = policy_text(policy),
                .world = {.seed = UINT64_C(1000) * i + seed,
                          .worker_count = (uint32_t)(1 + 3 * (seed - 1)),
                          .step_count = 1500,
                          .is_calm = seed == 3},
            });
}

static void parameters_and_ways_of_logging_keep_it_identical(void)
{
    static const char *const policies[] = {
        "marginal_utility:normalize=on,min_history=2,ties=random",
        "marginal_utility:horizon_s=2.5,throughput=per_request,min_history=3,throughput_weight=0.1",
        "shortest_queue:correct=off,stale_after_s=0.05",
        "fixed_probability:p=0.1/0.2/0.3/0.4",
        "power_of_two:base=queue",
        "cache_aware:ties=random,cache_threshold=0.2,balance_abs_threshold=3",
        "cache_aware:preset=sglang-0.3,max_tree_size=500,eviction_interval_s=0.5",
        "explore:epsilon=0.5,base=cache_aware:balance_abs_threshold=4",
        "explore:epsilon=0.3,base=marginal_utility:min_history=2",
    };

    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        assert_identical(&(struct sgl_test_run){
            .policy = policies[i],
            .world = {.seed = 50 + i, .worker_count = 4, .step_count = 1500},
            .candidates = i % 2 == 0 ? SGL_LOG_CANDIDATES_ALL : SGL_LOG_CANDIDATES_CHOSEN,
            .is_durable = i == 3,
        });
}

static void route_leg(struct sgl_router *router, int64_t number, uint32_t attempt,
                      enum sgl_pool pool)
{
    const struct sgl_request request = {
        .request = number, .arrival_ns = number, .prompt_tokens = 10 * number, .request_id = "a"};

    CU_ASSERT_EQUAL(sgl_router_feed(router,
                                    &(struct sgl_input){.kind = SGL_INPUT_ROUTE,
                                                        .pool = pool,
                                                        .now_ns = number,
                                                        .request = number,
                                                        .attempt = attempt,
                                                        .route = {.request = &request}},
                                    NULL, NULL),
                    SGL_OK);
}

/* Pairs and retries: the request is written once, and found by every route of it. */
static void pairs_and_retries_are_identical(void)
{
    struct sgl_policy_spec prefill = sgl_world_policy("random");
    struct sgl_policy_spec decode = sgl_world_policy("power_of_two");
    struct sgl_failure failure = {""};
    struct sgl_router *router;
    struct sgl_log *log;
    const char *path = sgl_scratch("pairs.db");

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(
            &log, path,
            &(struct sgl_log_options){
                .seed = 9, .policy = {[SGL_POOL_PREFILL] = &prefill, [SGL_POOL_DECODE] = &decode}},
            &failure),
        SGL_OK);
    CU_ASSERT_EQUAL_FATAL(
        sgl_router_create(
            &router,
            &(struct sgl_router_options){
                .seed = 9,
                .policy = {[SGL_POOL_PREFILL] = &prefill, [SGL_POOL_DECODE] = &decode},
                .sink = sgl_log_sink(log)},
            &failure),
        SGL_OK);
    for (int w = 0; w < 6; w++) {
        char url[40];
        snprintf(url, sizeof url, "http://worker-%d", w);
        sgl_router_feed(router,
                        &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER,
                                            .pool = w < 3 ? SGL_POOL_PREFILL : SGL_POOL_DECODE,
                                            .added = {.url = url, .model = "m"}},
                        NULL, &failure);
    }
    for (int64_t i = 0; i < 100; i++)
        for (uint32_t attempt = 0; attempt <= i % 3; attempt++) {
            route_leg(router, i, attempt, SGL_POOL_PREFILL);
            route_leg(router, i, attempt, SGL_POOL_DECODE);
        }
    sgl_router_destroy(router);
    CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);
    const struct sgl_verify_report report = verdict_on(path);
    SGL_ASSERT_CONTAINS(report.text, "identical: ");
    CU_ASSERT_EQUAL(report.decision_count, UINT64_C(2) * (34 + 2 * 33 + 3 * 33));
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) FROM request"), 100);
    sgl_policy_release(&prefill);
    sgl_policy_release(&decode);
}

/* Who is a candidate follows from the probes and the thresholds, which the log has. */
static void probes_are_re_executed(void)
{
    struct sgl_policy_spec spec = sgl_world_policy("random");
    struct sgl_failure failure = {""};
    struct sgl_router *router;
    struct sgl_log *log;
    const char *path = sgl_scratch("probes.db");

    CU_ASSERT_EQUAL_FATAL(sgl_log_open(&log, path,
                                       &(struct sgl_log_options){.policy = {&spec},
                                                                 .limits.probes_down = 2,
                                                                 .limits.probes_up = 1},
                                       &failure),
                          SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_router_create(&router,
                                            &(struct sgl_router_options){.policy = {&spec},
                                                                         .limits.probes_down = 2,
                                                                         .limits.probes_up = 1,
                                                                         .sink = sgl_log_sink(log)},
                                            &failure),
                          SGL_OK);
    for (int w = 0; w < 2; w++)
        sgl_router_feed(router,
                        &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER,
                                            .added = {.url = w == 0 ? "http://a" : "http://b"}},
                        NULL, &failure);
    for (int64_t i = 0; i < 100; i++) {
        route_leg(router, i, 0, SGL_POOL_REGULAR);
        /* passed, failed, failed, passed, ... */
        CU_ASSERT_EQUAL(sgl_router_feed(router,
                                        &(struct sgl_input){.kind = SGL_INPUT_PROBE_RESULT,
                                                            .now_ns = i,
                                                            .is_on = i % 3 == 0},
                                        NULL, &failure),
                        SGL_OK);
    }
    sgl_router_destroy(router);
    CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);
    SGL_ASSERT_CONTAINS(verdict_on(path).text, "identical: ");
    /* After each second failure in a row worker 1 is alone. */
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(path, "SELECT count(*) FROM decision WHERE reason = 'only_candidate'"),
        33);
    sgl_test_sql(path, "UPDATE run SET value = '3' WHERE key = 'probes_down'");
    CU_ASSERT_EQUAL(verdict_on(path).status, SGL_VERIFY_DIFFERENT);
    sgl_policy_release(&spec);
}

/* Real time was measured once: it cannot come out again, and must not have to. */
static void decision_times_are_taken_as_they_are(void)
{
    struct sgl_policy_spec spec = sgl_world_policy("random");
    struct sgl_failure failure = {""};
    struct sgl_log *log;
    const char *path = sgl_scratch("live.db");
    const struct sgl_request request = {.request = 0};
    const struct sgl_input input = {.kind = SGL_INPUT_ROUTE, .route = {.request = &request}};

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path, &(struct sgl_log_options){.policy = {&spec}}, &failure), SGL_OK);
    struct sgl_sink *sink = sgl_log_sink(log);
    sink->ops->input(sink, 1, &input);
    sink->ops->decision(sink,
                        &(struct sgl_decision){.sequence = 1,
                                               .policy = "random",
                                               .worker = SGL_NO_WORKER,
                                               .reason = SGL_REASON_NO_WORKER,
                                               .propensity = SGL_ABSENT_REAL,
                                               .decision_ns = 4179},
                        NULL, 0);
    CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);
    CU_ASSERT_EQUAL(verdict_on(path).status, SGL_VERIFY_IDENTICAL);
    SGL_ASSERT_TEXT(sgl_test_sql_text(path, "SELECT decision_time_ms FROM recorder"), "0.004179");
    sgl_test_sql(path, "UPDATE decision SET decision_ns = 4180");
    const struct sgl_verify_report report = verdict_on(path);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_DIFFERENT);
    SGL_ASSERT_TEXT(report.difference.table, "decision");
    sgl_policy_release(&spec);
}

/* ---- different ---- */

#define PICK(table, key, condition)                                                                \
    "(SELECT " key " FROM " table " WHERE " condition " ORDER BY " key " LIMIT 1 OFFSET 5)"

/* Exchanging the keys of two rows exchanges their contents. */
#define EXCHANGE(table, key, condition)                                                            \
    "CREATE TEMP TABLE pick AS SELECT min(" key ") AS a, max(" key ") AS b FROM " table            \
    " WHERE " condition ";"                                                                        \
    "UPDATE " table " SET " key " = CASE " key " WHEN (SELECT a FROM pick) THEN -1 ELSE -2 END"    \
    " WHERE " key " IN (SELECT a FROM pick UNION SELECT b FROM pick);"                             \
    "UPDATE " table " SET " key " = CASE " key " WHEN -1 THEN (SELECT b FROM pick) ELSE"           \
    " (SELECT a FROM pick) END WHERE " key " < 0;"

struct tampering {
    const char *sql;
    const char *table;
    const char *column; /* NULL: the row or the table as a whole */
    const char *text;   /* part of the verdict */
};

static const struct tampering tamperings[] = {
    /* one value */
    {"UPDATE candidate SET score = score + 1e-15 * max(1, abs(score)) WHERE rowid = 100",
     "candidate", "score", ", re-executed "},
    {"UPDATE candidate SET throughput_gradient = NULL WHERE rowid = (SELECT max(rowid) FROM"
     " candidate WHERE throughput_gradient IS NOT NULL)",
     "candidate", "throughput_gradient", "throughput_gradient is NULL, re-executed "},
    {"UPDATE candidate SET latency_gradient = 0.0 WHERE rowid = (SELECT min(rowid) FROM candidate"
     " WHERE latency_gradient IS NULL)",
     "candidate", "latency_gradient", "latency_gradient is 0, re-executed NULL"},
    {"UPDATE candidate SET outstanding = outstanding + 1 WHERE rowid = 7", "candidate",
     "outstanding", ", worker "},
    {"UPDATE decision SET propensity = 0.25 WHERE sequence = " PICK("decision", "sequence",
                                                                    "propensity = 1.0"),
     "decision", "propensity", "propensity is 0.25, re-executed 1"},
    {"UPDATE decision SET reason = 'gradient' WHERE sequence = " PICK("decision", "sequence",
                                                                      "reason = 'load_fallback'"),
     "decision", "reason", "reason is 'gradient', re-executed 'load_fallback'"},
    {"UPDATE decision SET worker = (worker + 1) % 4 WHERE sequence = " PICK("decision", "sequence",
                                                                            "worker < 4"),
     "decision", "worker", "decision, sequence "},
    {"UPDATE decision SET worker = NULL WHERE sequence = " PICK("decision", "sequence",
                                                                "worker IS NOT NULL"),
     "decision", "worker", "worker is NULL, re-executed "},
    {"UPDATE decision SET policy = 'random' WHERE sequence = " PICK("decision", "sequence", "1"),
     "decision", "policy", "policy is 'random'"},
    {"UPDATE outcome SET score = -1e300 WHERE sequence = " PICK("outcome", "sequence",
                                                                "worker IS NOT NULL"),
     "outcome", "score", "outcome, sequence "},
    {"UPDATE outcome SET decision_sequence = 1 WHERE sequence = " PICK(
         "outcome", "sequence", "decision_sequence IS NOT NULL"),
     "outcome", "decision_sequence", "decision_sequence is 1, "},
    {"UPDATE input SET is_on = 1 - is_on WHERE sequence = (SELECT min(sequence) FROM input WHERE"
     " kind = 'probe_result')",
     "input", NULL, "digest"},
    {"UPDATE input SET worker = 2 WHERE sequence = (SELECT min(sequence) FROM input WHERE"
     " kind = 'first_token')",
     "input", "worker", "worker is 2, re-executed NULL"},
    {"UPDATE worker SET url = 'http://elsewhere' WHERE worker = 1", "worker", NULL, "digest"},
    {"UPDATE worker SET sequence = 17 WHERE worker = 1", "worker", "sequence",
     "sequence is 17, re-executed 2"},
    /* what no decision depends on: only the digests know */
    {"UPDATE outcome SET cached_tokens = 5 WHERE sequence = " PICK("outcome", "sequence", "1"),
     "outcome", NULL, "digest"},
    {"UPDATE request SET request_id = 'other' WHERE request = 3", "request", NULL, "digest"},
    {"UPDATE request SET prefix_ids = x'0102030405060708' WHERE request = 4", "request", NULL,
     "digest"},
    {"UPDATE run SET value = '12345' WHERE key = 'epoch_ns'", "run", NULL, "digest"},
    {"UPDATE itl SET gaps = gaps + 1 WHERE worker = 1", "itl", NULL, "digest"},
    {"UPDATE itl SET sum_s = sum_s * (1 + 1e-15) WHERE worker = 0 AND is_warm_up", "itl", NULL,
     "digest"},
    {"UPDATE itl SET is_warm_up = 1 - is_warm_up WHERE worker = 0 AND gap_ns_from = 127 AND"
     " is_warm_up",
     "itl", NULL, "digest"},
    {"UPDATE itl SET longest_ns = gap_ns_to WHERE rowid = 2", "itl", NULL,
     "longest_ns is 8454144, expected"},
    {"UPDATE itl SET gap_ns_to = gap_ns_from WHERE rowid = 2", "itl", NULL, "gap_ns_to is 8388608"},
    {"UPDATE itl SET worker = 77 WHERE rowid = 3", "itl", NULL, "worker 77 was never added"},
    {"UPDATE itl SET sum_s = -1.0 WHERE rowid = 3", "itl", NULL, "expected a sum above 0"},
    {"DELETE FROM itl WHERE rowid = 3", "itl", NULL, "rows, re-execution writes "},
    {"DELETE FROM itl", "itl", NULL, "10 rows, re-execution writes 0"},
    {"INSERT INTO itl SELECT * FROM itl WHERE rowid = 1", "itl", NULL, "re-execution writes 11"},
    {"DELETE FROM run WHERE key LIKE '%.itl'", "itl", NULL, "run says NULL rows"},
    {"DELETE FROM run WHERE key = 'times'", "run", NULL, "digest"},
    {"UPDATE run SET value = '0' WHERE key = 'rows.outcome'", "outcome", NULL, "0 rows"},
    /* a row missing */
    {"DELETE FROM worker WHERE worker = 2", "input", NULL, "table worker, worker 2: no such row"},
    {"DELETE FROM request WHERE request = 20", "input", NULL, "table request, request 20: no such"},
    {"DELETE FROM input WHERE sequence = 50", "input", NULL, "sequence 50: the row is missing"},
    {"DELETE FROM input WHERE sequence = (SELECT max(sequence) FROM input)", NULL, NULL, ""},
    {"DELETE FROM decision WHERE sequence = " PICK("decision", "sequence", "1"), "decision", NULL,
     "the row is missing"},
    {"DELETE FROM decision WHERE sequence = (SELECT max(sequence) FROM decision)", "decision", NULL,
     "the row is missing"},
    {"DELETE FROM candidate WHERE rowid = 200", "candidate", NULL, "the row is missing"},
    {"DELETE FROM candidate WHERE rowid = (SELECT max(rowid) FROM candidate)", "candidate", NULL,
     "the row is missing"},
    {"DELETE FROM outcome WHERE sequence = " PICK("outcome", "sequence", "1"), "input", NULL,
     "table outcome, sequence "},
    /* a row too many */
    {"INSERT INTO worker SELECT 999, url, role, model, sequence FROM worker LIMIT 1", "worker",
     NULL, "the log has "},
    {"INSERT INTO request(request, priority) VALUES(123456, 'low')", "request", NULL,
     "the log has "},
    {"INSERT INTO input(sequence, time_ns, kind) SELECT max(sequence) + 1, max(time_ns), 'tick'"
     " FROM input",
     "input", NULL, "rows, re-execution writes "},
    {"INSERT INTO decision(sequence, request, attempt, pool, policy, reason) VALUES(1, 0, 0,"
     " 'regular', 'random', 'no_worker')",
     "decision", NULL, "a row that no input brings about"},
    {"INSERT INTO decision(sequence, request, attempt, pool, policy, reason) VALUES(999999, 0, 0,"
     " 'regular', 'random', 'no_worker')",
     "decision", NULL, "a row that no input brings about"},
    {"INSERT INTO candidate(sequence, worker) VALUES(999999, 0)", "candidate", NULL,
     "a row that no input brings about"},
    {"INSERT INTO outcome(sequence, request, attempt, pool, success) VALUES(999999, 0, 0,"
     " 'regular', 1)",
     "outcome", NULL, "a row that no input brings about"},
    {"INSERT INTO gap VALUES(999999, 3)", "gap", NULL, "the log has "},
    /* contents of two rows exchanged */
    {EXCHANGE("input", "sequence", "sequence > 20"), NULL, NULL, "sequence 21"},
    {EXCHANGE("input", "sequence", "kind = 'tick'"), NULL, NULL, ""},
    {EXCHANGE("decision", "sequence", "worker IS NOT NULL"), "decision", "request", ""},
    {EXCHANGE("request", "request", "prompt_tokens > 0"), "input", NULL, "time of arrival"},
    {EXCHANGE("outcome", "sequence", "success"), "outcome", NULL, ""},
    {EXCHANGE("worker", "worker", "worker < 4"), "worker", NULL, ""},
    {EXCHANGE("candidate", "worker", "sequence = (SELECT max(sequence) FROM candidate)"),
     "candidate", NULL, ""},
    /* what the run was fed with */
    {"UPDATE run SET value = '99' WHERE key = 'seed'", NULL, NULL, ""},
    {"UPDATE run SET value = 'marginal_utility:min_history=3,window_size=6' WHERE key ="
     " 'policy.regular'",
     NULL, NULL, ""},
    {"UPDATE run SET value = '3' WHERE key = 'worker_max'", "input", NULL, "the router refuses it"},
    {"UPDATE input SET kind = 'cancel' WHERE sequence = (SELECT min(sequence) FROM input WHERE kind"
     " = 'complete')",
     NULL, NULL, ""},
    {"UPDATE input SET time_ns = 0 WHERE sequence = 60", "input", NULL, "time goes back"},
    {"UPDATE input SET kind = 'dance' WHERE sequence = 60", "input", NULL,
     "kind is 'dance', expected a word"},
};

static void assert_found(const struct tampering *tampering, const char *path)
{
    const struct sgl_verify_report report = verdict_on(path);

    if (report.status != SGL_VERIFY_DIFFERENT ||
        (tampering->table != NULL && strcmp(report.difference.table, tampering->table) != 0))
        printf("\n%s\n  -> %s\n", tampering->sql, report.text);
    CU_ASSERT_EQUAL_FATAL(report.status, SGL_VERIFY_DIFFERENT);
    if (tampering->table != NULL)
        SGL_ASSERT_TEXT(report.difference.table, tampering->table);
    if (tampering->column != NULL)
        SGL_ASSERT_TEXT(report.difference.column != NULL ? report.difference.column : "NULL",
                        tampering->column);
    SGL_ASSERT_CONTAINS(report.text, tampering->text);
    SGL_ASSERT_CONTAINS(report.text, report.difference.table);
    CU_ASSERT_PTR_NULL(strchr(report.text, '\n'));
}

/* In the database, and in the CSV folder of the same rows. */
static void every_tampering_is_found_and_its_place_named(void)
{
    const char *original = sgl_test_log(sgl_scratch("original.db"), &small);
    const char *copy = sgl_scratch("copy.db");
    const char *folder = sgl_scratch("copy/");
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(verdict_on(original).status, SGL_VERIFY_IDENTICAL);
    for (size_t i = 0; i < sizeof tamperings / sizeof tamperings[0]; i++) {
        sgl_test_copy(original, copy);
        sgl_test_sql(copy, tamperings[i].sql);
        assert_found(&tamperings[i], copy);
        CU_ASSERT_EQUAL_FATAL(sgl_log_copy_file(copy, folder, &failure), SGL_OK);
        assert_found(&tamperings[i], folder);
    }
}

static void first_difference_is_the_one_told(void)
{
    const char *path = sgl_test_log(sgl_scratch("two.db"), &small);

    sgl_test_sql(path,
                 "UPDATE decision SET propensity = 0.125 WHERE sequence IN (SELECT sequence"
                 " FROM decision WHERE worker IS NOT NULL ORDER BY sequence LIMIT 9 OFFSET 3)");
    const struct sgl_verify_report report = verdict_on(path);
    const int64_t first =
        sgl_test_sql_integer(path, "SELECT min(sequence) FROM decision WHERE propensity = 0.125");
    CU_ASSERT_EQUAL(report.difference.sequence, first);
    CU_ASSERT_EQUAL(report.difference.request,
                    sgl_test_sql_integer(path, "SELECT request FROM decision WHERE sequence ="
                                               " (SELECT min(sequence) FROM decision WHERE"
                                               " propensity = 0.125)"));
    SGL_ASSERT_TEXT(report.difference.logged, "0.125");
    CU_ASSERT_EQUAL((int64_t)report.sequence, first - 1);
}

static void difference_in_a_log_of_another_build_says_so(void)
{
    const char *path = sgl_test_log(sgl_scratch("old.db"), &small);

    sgl_test_sql(path, "UPDATE run SET value = '0.0.7' WHERE key = 'version';"
                       "UPDATE decision SET worker = 1 - worker WHERE worker < 2");
    const struct sgl_verify_report report = verdict_on(path);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_DIFFERENT);
    CU_ASSERT_FALSE(report.is_same_build);
    SGL_ASSERT_CONTAINS(report.text, "written by another build: sglsim 0.0.7");
}

/* ---- incomplete ---- */

static void gap_ends_what_can_be_verified(void)
{
    const char *path = sgl_test_log(sgl_scratch("gap.db"), &small);

    sgl_test_sql(path, "DELETE FROM input WHERE sequence BETWEEN 200 AND 209;"
                       "INSERT INTO gap VALUES(200, 10)");
    const struct sgl_verify_report report = verdict_on(path);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
    CU_ASSERT_EQUAL(report.sequence, 199);
    SGL_ASSERT_TEXT(report.text, "verified up to sequence 199, then a gap of 10 inputs");

    sgl_test_sql(path, "UPDATE decision SET reason = 'turn' WHERE sequence = (SELECT max(sequence)"
                       " FROM decision WHERE sequence < 200)");
    CU_ASSERT_EQUAL(verdict_on(path).status, SGL_VERIFY_DIFFERENT);
}

static void log_without_end_is_verified_as_far_as_it_goes(void)
{
    const char *path = sgl_test_log(sgl_scratch("cut.db"), &small);

    sgl_test_sql(path, "DELETE FROM run WHERE key LIKE 'rows.%' OR key LIKE 'digest.%' OR key ="
                       " 'is_complete'");
    const struct sgl_verify_report report = verdict_on(path);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
    CU_ASSERT_EQUAL((int64_t)report.sequence,
                    sgl_test_sql_integer(path, "SELECT max(sequence) FROM input"));
    SGL_ASSERT_CONTAINS(report.text, "where the log was cut off");
}

SGL_SUITE(verify) = {
    {"logs of every policy are identical", logs_of_every_policy_are_identical},
    {"parameters and ways of logging keep them identical",
     parameters_and_ways_of_logging_keep_it_identical},
    {"logs of pairs and retries are identical", pairs_and_retries_are_identical},
    {"probes are re-executed", probes_are_re_executed},
    {"measured decision times are taken as they are", decision_times_are_taken_as_they_are},
    {"every tampering is found and its place named", every_tampering_is_found_and_its_place_named},
    {"the first difference is the one told", first_difference_is_the_one_told},
    {"a difference in a log of another build says so",
     difference_in_a_log_of_another_build_says_so},
    {"a gap ends what can be verified", gap_ends_what_can_be_verified},
    {"a log without end is verified as far as it goes",
     log_without_end_is_verified_as_far_as_it_goes},
    CU_TEST_INFO_NULL,
};
