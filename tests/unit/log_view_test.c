/*
 * The views recorder and client. The recorder whose files SGLang users know had three defects:
 * empty gradients on decisions made by them, "pending" and "unknown" for request ids, and a reason
 * that was always the same. Each is a test here.
 */
#include "log_support.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const struct sgl_test_run calm = {
    .policy = "marginal_utility:min_history=4,window_size=8",
    .world = {.seed = 3, .worker_count = 4, .step_count = 3000, .is_calm = true},
};

static const struct sgl_test_run busy = {
    .policy = "marginal_utility:min_history=4,window_size=8",
    .world = {.seed = 4, .worker_count = 4, .step_count = 3000},
};

static int64_t count_where(const char *path, const char *condition)
{
    char sql[512];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM recorder WHERE %s", condition);
    return sgl_test_sql_integer(path, sql);
}

static void decision_by_gradients_shows_them(void)
{
    const char *path = sgl_test_log(sgl_scratch("gradients.db"), &calm);

    CU_ASSERT(count_where(path, "selection_reason = 'gradient_based'") > 100);
    CU_ASSERT_EQUAL(count_where(path, "selection_reason = 'gradient_based' AND"
                                      " (throughput_gradient IS NULL OR latency_gradient IS NULL"
                                      " OR score IS NULL)"),
                    0);
    /* Nor may they be made up: the score is what the weights make of them. */
    CU_ASSERT_EQUAL(count_where(path, "selection_reason = 'gradient_based' AND"
                                      " abs(score - (0.6 * throughput_gradient"
                                      " - 0.4 * latency_gradient)) > 1e-9 * (1 + abs(score))"),
                    0);
    CU_ASSERT(count_where(path, "selection_reason = 'completion_record' AND"
                                " throughput_gradient IS NOT NULL") > 100);
}

static void request_id_is_the_real_one_on_both_rows(void)
{
    const char *path = sgl_test_log(sgl_scratch("ids.db"), &busy);

    CU_ASSERT_EQUAL(count_where(path, "request_id IS NULL OR request_id IN ('unknown', 'pending',"
                                      " '')"),
                    0);
    /* Each completion row has a decision row of its id and worker, earlier or at the same time. */
    CU_ASSERT(count_where(path, "selection_reason = 'completion_record'") > 300);
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(path, "SELECT count(*) FROM recorder c WHERE c.selection_reason ="
                                   " 'completion_record' AND NOT EXISTS (SELECT 1 FROM recorder d"
                                   " WHERE d.request_id = c.request_id AND d.worker_url ="
                                   " c.worker_url AND d.selection_reason <> 'completion_record'"
                                   " AND d.timestamp <= c.timestamp)"),
        0);
    /* The world gives every fifth request no id, and the others one that has to be quoted. */
    CU_ASSERT(count_where(path, "request_id = '5'") > 0);
    CU_ASSERT(count_where(path, "request_id LIKE 'req''%; \"x,\n'") > 300);
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(path, "SELECT count(*) FROM (SELECT request_id FROM recorder WHERE"
                                   " selection_reason <> 'completion_record' GROUP BY request_id"
                                   " HAVING count(*) > 1)"),
        0);
}

/* Recomputed from the candidate rows alone: how many share the best score, and what kind the chosen
 * worker's score is. */
static void reason_is_the_one_that_decided(void)
{
    static const char wrong_sql[] =
        "WITH best AS (SELECT sequence, max(score) AS score, count(*) AS candidates FROM candidate"
        "  GROUP BY sequence),"
        " expected AS (SELECT d.sequence, d.reason, CASE"
        "  WHEN d.worker IS NULL THEN 'no_worker'"
        "  WHEN b.candidates = 1 THEN 'only_candidate'"
        "  WHEN (SELECT count(*) FROM candidate c WHERE c.sequence = d.sequence"
        "    AND c.score = b.score) > 1 THEN 'tie'"
        "  WHEN c.throughput_gradient IS NOT NULL THEN 'gradient' ELSE 'load_fallback' END AS right"
        "  FROM decision d LEFT JOIN best b USING (sequence) LEFT JOIN candidate c"
        "  ON c.sequence = d.sequence AND c.worker = d.worker)"
        " SELECT count(*) FROM expected WHERE reason <> right";
    static const char *const reasons[] = {"gradient_based", "load_based", "tie", "only_candidate",
                                          "no_worker"};
    int64_t seen[sizeof reasons / sizeof reasons[0]] = {0};
    struct sgl_test_run run = busy;

    run.world.step_count = 1200;
    for (uint32_t world = 0; world < 12; world++) {
        run.world.worker_count = 1 + world % 3;
        run.world.seed = 40 + world;
        const char *path = sgl_test_log(sgl_scratch("reasons.db"), &run);
        CU_ASSERT_EQUAL(sgl_test_sql_integer(path, wrong_sql), 0);
        for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
            char condition[64];
            snprintf(condition, sizeof condition, "selection_reason = '%s'", reasons[i]);
            seen[i] += count_where(path, condition);
        }
        /* The chosen worker's row is the one shown. */
        CU_ASSERT_EQUAL(
            sgl_test_sql_integer(path, "SELECT count(*) FROM decision d JOIN candidate c ON"
                                       " c.sequence = d.sequence AND c.worker = d.worker"
                                       " WHERE c.score < (SELECT max(score) FROM candidate m WHERE"
                                       " m.sequence = d.sequence)"),
            0);
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        CU_ASSERT(seen[i] > 0);
}

static void recorder_has_a_row_per_decision_and_completion(void)
{
    static const char columns[] =
        "timestamp,worker_url,request_id,throughput_gradient,latency_gradient,score,"
        "outstanding_requests,avg_throughput,avg_latency,window_size,selection_reason,"
        "actual_output_tokens,server_latency,queue_time,ttft,decision_time_ms";
    const char *path = sgl_test_log(sgl_scratch("rows.db"), &busy);

    SGL_ASSERT_TEXT(
        sgl_test_sql_text(path, "SELECT group_concat(name) FROM pragma_table_info('recorder')"),
        columns);
    CU_ASSERT_EQUAL(count_where(path, "selection_reason <> 'completion_record'"),
                    sgl_test_sql_integer(path, "SELECT count(*) FROM decision"));
    CU_ASSERT_EQUAL(
        count_where(path, "selection_reason = 'completion_record'"),
        sgl_test_sql_integer(path, "SELECT count(*) FROM input WHERE kind = 'complete'"));
    /* In order of sequence, so of time. */
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(path, "SELECT count(*) FROM (SELECT timestamp < lag(timestamp) OVER ()"
                                   " AS back FROM recorder) WHERE back"),
        0);
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(
            path, "SELECT count(*) FROM outcome o JOIN input i USING (sequence) JOIN input s ON"
                  " s.sequence = o.decision_sequence JOIN recorder r ON r.selection_reason ="
                  " 'completion_record' AND r.request_id = coalesce((SELECT request_id FROM request"
                  " q WHERE q.request = o.request), CAST(o.request AS TEXT))"
                  " WHERE i.kind = 'complete' AND"
                  " r.server_latency <> (i.time_ns - s.time_ns) / 1e9"),
        0);
}

/* One request at a date: the run's epoch, half a ms before the second, plus its time. */
static void timestamps_are_utc_cut_to_milliseconds(void)
{
    static const struct {
        int64_t epoch_ns;
        int64_t now_ns;
        const char *text;
    } cases[] = {
        {INT64_C(1753952757899999999), 0, "2025-07-31 09:05:57.899"},
        {INT64_C(1753952757899999999), 1, "2025-07-31 09:05:57.900"},
        {INT64_C(1709164799999000000), 999999, "2024-02-28 23:59:59.999"},
        {INT64_C(1709164799999000000), 1000000, "2024-02-29 00:00:00.000"},
        {-1, 0, "1969-12-31 23:59:59.999"},
        {SGL_ABSENT, INT64_C(61001000000), "1970-01-01 00:01:01.001"},
    };
    struct sgl_policy_spec spec = sgl_world_policy("random");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_failure failure = {""};
        struct sgl_log *log;
        const char *path = sgl_scratch("time.db");
        const struct sgl_request request = {0};
        CU_ASSERT_EQUAL_FATAL(sgl_log_open(&log, path,
                                           &(struct sgl_log_options){.policy = {&spec},
                                                                     .epoch_ns = cases[i].epoch_ns},
                                           &failure),
                              SGL_OK);
        struct sgl_router *router = sgl_world_router(&spec, 1, sgl_log_sink(log));
        sgl_router_feed(router,
                        &(struct sgl_input){.kind = SGL_INPUT_ROUTE,
                                            .now_ns = cases[i].now_ns,
                                            .route = {.request = &request}},
                        NULL, &failure);
        sgl_router_destroy(router);
        CU_ASSERT_EQUAL(sgl_log_close(log, &failure), SGL_OK);
        SGL_ASSERT_TEXT(sgl_test_sql_text(path, "SELECT timestamp FROM recorder"), cases[i].text);
    }
    sgl_policy_release(&spec);
}

static void client_has_a_row_per_request_that_ended(void)
{
    struct sgl_test_run run = busy;
    int64_t refused = 0;

    run.world.worker_count = 1;
    run.world.step_count = 1200;
    for (run.world.seed = 1; run.world.seed <= 8; run.world.seed++) {
        const char *path = sgl_test_log(sgl_scratch("client.db"), &run);
        CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) FROM client"),
                        sgl_test_sql_integer(path, "SELECT count(DISTINCT request) FROM outcome"));
        CU_ASSERT_EQUAL(
            sgl_test_sql_integer(path, "SELECT count(*) FROM client WHERE success = 'True'"),
            sgl_test_sql_integer(path, "SELECT count(*) FROM outcome WHERE success"));
        CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) FROM (SELECT arrival_time <"
                                                   " lag(arrival_time) OVER () AS back FROM client)"
                                                   " WHERE back"),
                        0);
        refused += sgl_test_sql_integer(path, "SELECT count(*) FROM client WHERE success = 'False'"
                                              " AND host IS NULL AND error = 'no_worker'");
    }
    CU_ASSERT(refused > 0);
}

/* ---- the documentation ---- */

static char *find_text(char *text, const char *part)
{
    char *found = strstr(text, part);

    if (found == NULL) {
        printf("LOG.md has no %s\n", part);
        abort();
    }
    return found;
}

static void documentation_names_every_column(void)
{
    size_t size;
    char *text = sgl_test_bytes(SGL_SOURCE_FOLDER "/traces/LOG.md", &size);

    text[size] = '\0';
    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        const struct sgl_log_layout *layout = &sgl_log_layouts[table];
        char heading[64];
        snprintf(heading, sizeof heading, "\n### %s\n", layout->name);
        char *section = find_text(text, heading);
        const char *at = section + 1;
        for (uint32_t i = 0; i < layout->column_count; i++) {
            char row[64];
            snprintf(row, sizeof row, "\n| `%s` | ", layout->columns[i].name);
            const char *found = strstr(at, row);
            const char *next = strstr(section + strlen(heading), "\n## ");
            const char *heading_next = strstr(section + strlen(heading), "\n### ");
            if (heading_next != NULL && heading_next < next)
                next = heading_next;
            if (found == NULL || next == NULL || found > next) {
                printf("LOG.md: table %s lacks %s in its place\n", layout->name,
                       layout->columns[i].name);
                abort();
            }
            at = found;
        }
    }
    free(text);
}

static void queries_of_the_documentation_answer(void)
{
    const char *path = sgl_test_log(sgl_scratch("questions.db"), &busy);
    size_t size;
    char *text = sgl_test_bytes(SGL_SOURCE_FOLDER "/traces/LOG.md", &size);
    int count = 0;

    text[size] = '\0';
    for (char *at = text; (at = strstr(at, "```sql\n")) != NULL; count++) {
        char *sql = at + strlen("```sql\n");
        char *end = find_text(sql, "```");
        *end = '\0';
        /* Answers with at least one row; a column of its own would be NULL, which is fine. */
        sgl_test_sql_text(path, sql);
        at = end + 1;
    }
    CU_ASSERT_EQUAL(count, 11);
    free(text);
}

SGL_SUITE(log_view) = {
    {"a decision made by gradients shows them", decision_by_gradients_shows_them},
    {"the request id is the real one on decision and completion",
     request_id_is_the_real_one_on_both_rows},
    {"the reason is the one that decided", reason_is_the_one_that_decided},
    {"recorder has a row per decision and completion, in order",
     recorder_has_a_row_per_decision_and_completion},
    {"timestamps are UTC, cut to milliseconds", timestamps_are_utc_cut_to_milliseconds},
    {"client has a row per request that ended", client_has_a_row_per_request_that_ended},
    {"LOG.md names every column of every table, in order", documentation_names_every_column},
    {"the queries of LOG.md answer", queries_of_the_documentation_answer},
    CU_TEST_INFO_NULL,
};
