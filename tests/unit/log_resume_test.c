/* A durable log that fails and goes on: what is in it is right, what is missing is in a gap, and no
 * worker is missing. A log of the same run on a disk that never fails says what is right. */
#include "analysis/verify.h"
#include "core/rng.h"
#include "log_support.h"
#include "support.h"

#include <sqlite3.h>
#include <stdio.h>

/* A store whose calls fail while `is_ill`, which begins with a row in the midst of an input. */
struct ill_store {
    struct sgl_log_store store; /* first */
    struct sgl_log_store *inner;
    unsigned rows_left; /* until it is ill; 0: it does not fall ill */
    bool is_ill;
};

static int fail(struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_EIO, "the disk is ill");
}

static int put(struct sgl_log_store *self, enum sgl_log_table table,
               const struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct ill_store *ill = (struct ill_store *)self;

    if (ill->rows_left > 0)
        ill->is_ill = --ill->rows_left == 0;
    return ill->is_ill ? fail(failure) : ill->inner->ops->put(ill->inner, table, values, failure);
}

static int commit(struct sgl_log_store *self, struct sgl_failure *failure)
{
    struct ill_store *ill = (struct ill_store *)self;

    return ill->is_ill ? fail(failure) : ill->inner->ops->commit(ill->inner, failure);
}

/* The disk of a log can be well enough to take back, and too ill to write. */
static int recover(struct sgl_log_store *self, struct sgl_failure *failure)
{
    struct ill_store *ill = (struct ill_store *)self;

    return ill->inner->ops->recover(ill->inner, failure);
}

static int finish(struct sgl_log_store *self, struct sgl_failure *failure)
{
    struct ill_store *ill = (struct ill_store *)self;

    return ill->is_ill ? fail(failure) : ill->inner->ops->finish(ill->inner, failure);
}

static void leave(struct sgl_log_store *self)
{
    struct ill_store *ill = (struct ill_store *)self;

    ill->inner->ops->leave(ill->inner);
}

static void destroy(struct sgl_log_store *self)
{
    struct ill_store *ill = (struct ill_store *)self;

    ill->inner->ops->destroy(ill->inner);
}

static const struct sgl_log_store_ops ill_ops = {
    .put = put,
    .commit = commit,
    .recover = recover,
    .finish = finish,
    .leave = leave,
    .destroy = destroy,
};

/* Hears each input before the log does, and changes the disk's health now and then. */
struct fate {
    struct sgl_sink sink; /* first */
    struct sgl_rng rng;
    struct ill_store *ill;
    struct sgl_log *log;
    unsigned failures;
    unsigned resumed;
    unsigned in_vain;
};

static void change_fate(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct fate *fate = (struct fate *)self;
    const uint32_t draw = sgl_rng_below(&fate->rng, 100);

    (void)sequence;
    (void)input;
    if (draw < 3) {
        fate->failures += !fate->ill->is_ill;
        fate->ill->rows_left = 1 + sgl_rng_below(&fate->rng, 6);
    } else if (draw < 15) {
        fate->ill->is_ill = false;
    } else if (draw < 30) {
        const bool has_failed = sgl_log_failure(fate->log) != NULL;
        const bool is_well = sgl_log_resume(fate->log, NULL) == SGL_OK;
        fate->resumed += has_failed && is_well;
        fate->in_vain += !is_well;
    } else if (draw < 45) {
        sgl_log_commit(fate->log);
    }
}

static const struct sgl_sink_ops fate_ops = {.input = change_fate};

static struct sgl_log *open_ill(const char *path, const struct sgl_policy_spec *spec,
                                const struct sgl_world *world, struct ill_store *ill)
{
    const struct sgl_log_options options = {.seed = world->seed,
                                            .limits = sgl_world_limits(world->seed),
                                            .policy = {spec},
                                            .epoch_ns = SGL_ABSENT,
                                            .is_durable = true};
    struct sgl_failure failure;
    struct sgl_log *log;

    *ill = (struct ill_store){.store.ops = &ill_ops};
    CU_ASSERT_EQUAL_FATAL(sgl_log_sqlite_create(&ill->inner, path,
                                                &(struct sgl_log_store_options){.is_durable = true},
                                                &failure),
                          SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_log_open_store(&log, &ill->store, &options, &failure), SGL_OK);
    return log;
}

/* The number that the SQL answers about a log, `main`, and another one, `whole`. */
static int64_t ask_both(const char *path, const char *whole, const char *sql)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    char attach[400];

    snprintf(attach, sizeof attach, "ATTACH '%s' AS whole", whole);
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &database), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_exec(database, attach, NULL, NULL, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_step(statement), SQLITE_ROW);
    const int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return number;
}

/* No row differs from the other log's, and none of an input that is there is missing. */
static void compare_rows(const char *path, const char *whole)
{
    static const char *const tables[] = {"input", "decision", "candidate", "outcome"};
    char sql[512];

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM (SELECT * FROM main.%s EXCEPT SELECT * FROM whole.%s)",
                 tables[i], tables[i]);
        CU_ASSERT_EQUAL(ask_both(path, whole, sql), 0);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM whole.%s w WHERE sequence IN (SELECT sequence FROM "
                 "main.input) AND NOT EXISTS (SELECT 1 FROM main.%s m WHERE m.sequence = "
                 "w.sequence)",
                 tables[i], tables[i]);
        CU_ASSERT_EQUAL(ask_both(path, whole, sql), 0);
    }
    CU_ASSERT_EQUAL(ask_both(path, whole,
                             "SELECT count(*) FROM (SELECT * FROM whole.worker EXCEPT SELECT * "
                             "FROM main.worker)"),
                    0);
}

/* Every sequence is an input or in one gap, and the counts of `run` are true. */
static void check_whole(const char *path, int64_t last)
{
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT count(*) + (SELECT total(dropped) FROM gap) "
                                               "FROM input"),
                    last);
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path,
                                         "SELECT count(*) FROM gap g JOIN input i ON i.sequence >= "
                                         "g.sequence AND i.sequence < g.sequence + g.dropped"),
                    0);
    CU_ASSERT_EQUAL(sgl_test_sql_integer(path, "SELECT max((SELECT max(sequence) FROM input), "
                                               "(SELECT coalesce(max(sequence + dropped - 1), 0) "
                                               "FROM gap))"),
                    last);
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(path, "SELECT count(*) FROM run WHERE (key = 'rows.input' AND value "
                                   "<> (SELECT count(*) FROM input)) OR (key = 'rows.gap' AND "
                                   "value <> (SELECT count(*) FROM gap)) OR (key = 'rows.candidate'"
                                   " AND value <> (SELECT count(*) FROM candidate))"),
        0);
}

static void check_verdict(const char *path)
{
    const int64_t first = sgl_test_sql_integer(path, "SELECT coalesce(min(sequence), 0) FROM gap");
    struct sgl_verify_report report;
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(report.status, first == 0 ? SGL_VERIFY_IDENTICAL : SGL_VERIFY_INCOMPLETE);
    if (first > 0)
        CU_ASSERT_EQUAL(report.sequence, (uint64_t)first - 1);
    if (report.status == SGL_VERIFY_DIFFERENT)
        SGL_ASSERT_TEXT(report.text, "");
}

static void what_fails_goes_on_behind_a_gap(void)
{
    struct fate sums = {0};

    for (uint64_t seed = 1; seed <= 12; seed++) {
        const struct sgl_test_run run = {
            .policy = seed % 2 == 0 ? "power_of_two" : "round_robin",
            .world = {.seed = seed, .worker_count = 3, .step_count = 250},
            .is_durable = true};
        struct sgl_policy_spec spec = sgl_world_policy(run.policy);
        char whole[256];
        char path[256];
        struct ill_store ill;
        struct sgl_tee tee;
        struct sgl_failure failure = {""};
        snprintf(whole, sizeof whole, "%s", sgl_scratch("resume-whole.db"));
        snprintf(path, sizeof path, "%s", sgl_scratch("resume.db"));
        struct sgl_failure ignored;
        CU_ASSERT_EQUAL_FATAL(sgl_log_close(sgl_test_log_play(whole, &run), &ignored), SGL_OK);

        struct sgl_log *log = open_ill(path, &spec, &run.world, &ill);
        struct fate fate = {.sink = {.ops = &fate_ops},
                            .rng = sgl_rng_stream(seed, SGL_PURPOSE_PROMPT, 0, 0, 0),
                            .ill = &ill,
                            .log = log};
        struct sgl_sink *sinks[] = {&fate.sink, sgl_log_sink(log)};
        sgl_tee_init(&tee, sinks, 2);
        struct sgl_router *router = sgl_world_router(&spec, seed, &tee.sink);
        sgl_world_play(&run.world, router);
        sgl_router_destroy(router);
        ill.rows_left = 0;
        ill.is_ill = false;
        CU_ASSERT_EQUAL(sgl_log_resume(log, &failure), SGL_OK);
        CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);

        compare_rows(path, whole);
        check_whole(path, sgl_test_sql_integer(whole, "SELECT max(sequence) FROM input"));
        check_verdict(path);
        sums.failures += fate.failures;
        sums.resumed += fate.resumed;
        sums.in_vain += fate.in_vain;
        sgl_policy_release(&spec);
    }
    /* It was really tried. */
    CU_ASSERT(sums.failures > 30);
    CU_ASSERT(sums.resumed > 30);
    CU_ASSERT(sums.in_vain > 10);
}

/* What was committed stays where it is, as it would without a second try. */
static void what_stays_ill_keeps_what_was_committed(void)
{
    const struct sgl_world world = {.seed = 3, .worker_count = 2, .step_count = 100};
    struct sgl_policy_spec spec = sgl_world_policy("random");
    const char *path = sgl_scratch("resume-ill.db");
    struct ill_store ill;
    struct sgl_log *log = open_ill(path, &spec, &world, &ill);
    struct sgl_router *router = sgl_world_router(&spec, world.seed, sgl_log_sink(log));
    struct sgl_verify_report report;
    struct sgl_failure failure;
    char partial[300];

    sgl_world_play(&world, router);
    sgl_router_destroy(router);
    sgl_log_commit(log);
    CU_ASSERT_EQUAL(sgl_log_uncommitted(log), 0);
    CU_ASSERT_EQUAL(sgl_log_uncommitted_workers(log), 0);
    sgl_log_gap(log, 1000, 3);
    ill.is_ill = true;
    sgl_log_commit(log);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sgl_log_failure(log));
    CU_ASSERT_EQUAL(sgl_log_resume(log, &failure), SGL_EIO);
    SGL_ASSERT_TEXT(failure.text, "the disk is ill");
    CU_ASSERT_EQUAL(sgl_log_close(log, &failure), SGL_EIO);
    SGL_ASSERT_CONTAINS(failure.text, "left in it");
    CU_ASSERT_FALSE(sgl_test_exists(path));
    snprintf(partial, sizeof partial, "%s.partial", path);
    CU_ASSERT_EQUAL(sgl_verify(partial, &report, &failure), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
    CU_ASSERT_EQUAL(sgl_test_sql_integer(partial, "SELECT count(*) FROM gap"), 0);
    CU_ASSERT_EQUAL((int64_t)report.sequence,
                    sgl_test_sql_integer(partial, "SELECT max(sequence) FROM input"));
    sgl_policy_release(&spec);
}

SGL_SUITE(log_resume) = {
    {"what fails goes on behind a gap, with every worker", what_fails_goes_on_behind_a_gap},
    {"what stays ill keeps what was committed", what_stays_ill_keeps_what_was_committed},
    CU_TEST_INFO_NULL,
};
