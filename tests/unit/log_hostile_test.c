/*
 * A log may be anything: another program's file, an old one, half of one, one with bits turned. The
 * worst that may happen is a failure of one line, or a verdict.
 */
#include "log_support.h"
#include "support.h"

#include "analysis/verify.h"
#include "core/rng.h"
#include "traces/log_copy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct sgl_test_run small = {
    .policy = "marginal_utility:min_history=2",
    .world = {.seed = 21, .worker_count = 3, .step_count = 150},
};

static void assert_unreadable(const char *path, const char *part)
{
    struct sgl_failure failure = {""};
    struct sgl_verify_report report;
    struct sgl_log_reader *reader;

    CU_ASSERT(sgl_log_reader_open(&reader, path, &failure) < 0);
    CU_ASSERT_PTR_NULL(reader);
    SGL_ASSERT_CONTAINS(failure.text, part);
    SGL_ASSERT_CONTAINS(failure.text, path);
    CU_ASSERT_PTR_NULL(strchr(failure.text, '\n'));
    CU_ASSERT(sgl_verify(path, &report, &failure) < 0);
}

static void what_is_no_log_is_told(void)
{
    const char *database = sgl_scratch("foreign.db");

    assert_unreadable(sgl_scratch("nothing.db"), "No such file");
    assert_unreadable(sgl_scratch("."), "is not a file");
    assert_unreadable("/dev/zero", "is not a file");
    assert_unreadable(sgl_scratch_text("empty.db", ""), "is not an sglsim log");
    assert_unreadable(sgl_scratch_text("text.db", "arrival_time,prompt_tokens\n0,1\n"),
                      "is not an sglsim log");
    sgl_test_log(database, &small);
    sgl_test_sql(database, "PRAGMA application_id = 0");
    assert_unreadable(database, "is not an sglsim log");
}

static void newer_format_is_refused(void)
{
    const char *path = sgl_test_log(sgl_scratch("newer.db"), &small);

    sgl_test_sql(path, "PRAGMA user_version = 2");
    assert_unreadable(path, "has log format 2, this program reads format 1");
}

static void tables_must_be_plain_and_all_there(void)
{
    const char *original = sgl_test_log(sgl_scratch("tables.db"), &small);
    const char *path = sgl_scratch("table.db");

    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        const char *name = sgl_log_layouts[table].name;
        char sql[512];
        char text[64];
        snprintf(text, sizeof text, "has no table %s", name);
        snprintf(sql, sizeof sql, "DROP VIEW recorder; DROP VIEW client; DROP TABLE %s", name);
        sgl_test_copy(original, path);
        sgl_test_sql(path, sql);
        if (!sgl_log_may_lack((enum sgl_log_table)table))
            assert_unreadable(path, text);
        /* A view in its place could compute for ever. */
        snprintf(sql, sizeof sql,
                 "CREATE VIEW %s AS WITH RECURSIVE n(key, value) AS (SELECT 1, 1 UNION ALL SELECT"
                 " key + 1, value FROM n) SELECT * FROM n",
                 name);
        sgl_test_sql(path, sql);
        assert_unreadable(path, text);
    }
}

/* What digest.run loses with a fact. */
static uint64_t forget_fact(const char *path, const char *key)
{
    char sql[96];

    snprintf(sql, sizeof sql, "SELECT value FROM run WHERE key = '%s'", key);
    const struct sgl_log_value values[SGL_LOG_RUN_COLUMN_COUNT] = {
        [SGL_LOG_RUN_KEY] = sgl_log_text(key),
        [SGL_LOG_RUN_VALUE] = sgl_log_text(sgl_test_sql_text(path, sql)),
    };
    snprintf(sql, sizeof sql, "DELETE FROM run WHERE key = '%s'", key);
    sgl_test_sql(path, sql);
    return sgl_log_row_hash(SGL_LOG_RUN, values);
}

/* As logs were before gaps between tokens were in them: no table, and no word of one. */
static void log_of_before_is_read(void)
{
    const char *path = sgl_test_log(sgl_scratch("before.db"), &small);
    const char *folder = sgl_scratch("before/");
    struct sgl_failure failure = {""};
    struct sgl_verify_report report;
    char sql[128];

    sgl_test_sql(path, "DROP TABLE itl");
    CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_DIFFERENT); /* it says that there was one */
    uint64_t digest = strtoull(
        sgl_test_sql_text(path, "SELECT value FROM run WHERE key = 'digest.run'"), NULL, 16);
    digest -= forget_fact(path, "rows.itl");
    digest -= forget_fact(path, "digest.itl");
    snprintf(sql, sizeof sql, "UPDATE run SET value = '%016llx' WHERE key = 'digest.run'",
             (unsigned long long)digest);
    sgl_test_sql(path, sql);
    CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_OK);
    SGL_ASSERT_CONTAINS(report.text, "identical");
    CU_ASSERT_EQUAL(sgl_log_copy_file(path, folder, &failure), SGL_OK);
    CU_ASSERT_EQUAL(remove(sgl_scratch("before/itl.csv")), 0);
    CU_ASSERT_EQUAL(sgl_verify(folder, &report, &failure), SGL_OK);
    SGL_ASSERT_CONTAINS(report.text, "identical");
}

static void missing_column_is_told(void)
{
    const char *path = sgl_test_log(sgl_scratch("column.db"), &small);
    struct sgl_failure failure = {""};
    struct sgl_verify_report report;

    sgl_test_sql(path, "DROP VIEW recorder; DROP VIEW client;"
                       "ALTER TABLE input RENAME COLUMN kind TO sort");
    CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_EIO);
    SGL_ASSERT_CONTAINS(failure.text, "cannot read table input: no such column: kind");
}

/* What no writer writes, value by value: a verdict that names the place. */
static void wrong_values_are_named(void)
{
    static const struct {
        const char *sql;
        const char *part;
    } cases[] = {
        {"UPDATE input SET time_ns = 'soon' WHERE sequence = 9",
         "table input, sequence 9: time_ns is 'soon', expected integer"},
        {"UPDATE input SET kind = x'00ff' WHERE sequence = 9",
         "sequence 9: kind is a blob of 2 bytes, expected text"},
        {"UPDATE input SET request = NULL WHERE sequence = (SELECT min(sequence) FROM input WHERE"
         " kind = 'route')",
         "request is NULL, expected an integer from 0"},
        {"UPDATE input SET request = -5 WHERE kind = 'route'", "request is -5, expected"},
        {"UPDATE input SET attempt = 4294967296 WHERE kind = 'route'", "attempt is 4294967296"},
        {"UPDATE input SET pool = 'sea' WHERE kind = 'route'", "pool is 'sea', expected a word"},
        {"UPDATE input SET excluded = '0,1' WHERE kind = 'route'", "excluded is '0,1', expected"},
        {"UPDATE input SET excluded = '1 ' WHERE kind = 'route'", "excluded is '1 ', expected"},
        {"UPDATE input SET excluded = '99999999999999999999999' WHERE kind = 'route'",
         "expected worker indices"},
        {"UPDATE input SET excluded = '2 1' WHERE kind = 'route'", "the router refuses it"},
        {"UPDATE input SET excluded = '' WHERE kind = 'route'", "excluded is '', expected"},
        {"UPDATE input SET worker = -1 WHERE kind = 'add_worker'", "worker is -1, expected"},
        {"UPDATE input SET is_on = 2 WHERE is_on IS NOT NULL", "is_on is 2, expected"},
        {"UPDATE request SET prefix_ids = x'00010203' WHERE request = 0",
         "prefix_ids is a blob of 4 bytes, expected a blob of one or more ids"},
        {"UPDATE request SET prefix_ids = x'' WHERE request = 0", "a blob of 0 bytes"},
        {"UPDATE request SET priority = 'urgent' WHERE request = 0", "priority is 'urgent'"},
        {"UPDATE request SET request_id = 'a' || char(0) || 'b' WHERE request = 0",
         "expected a text without NUL"},
        {"UPDATE outcome SET success = 7", "success is 7, expected an integer from 0 to 1"},
        {"UPDATE outcome SET ttft_ns = -7 WHERE success", "the router refuses it"},
        {"UPDATE input SET queue_length = 1.5 WHERE kind = 'report_load'",
         "queue_length is 1.5, expected integer"},
        {"UPDATE candidate SET score = 'high' WHERE rowid = 3", "score is 'high', expected real"},
        {"UPDATE decision SET reason = 'whim' WHERE sequence = (SELECT min(sequence) FROM"
         " decision)",
         "reason is 'whim', re-executed"},
    };
    const char *original = sgl_test_log(sgl_scratch("values.db"), &small);
    const char *path = sgl_scratch("value.db");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_failure failure = {""};
        struct sgl_verify_report report;
        sgl_test_copy(original, path);
        sgl_test_sql(path, cases[i].sql);
        CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_OK);
        SGL_ASSERT_TEXT(failure.text, "");
        CU_ASSERT_EQUAL(report.status, SGL_VERIFY_DIFFERENT);
        SGL_ASSERT_CONTAINS(report.text, cases[i].part);
    }
}

static void facts_of_the_run_are_checked(void)
{
    static const struct {
        const char *sql;
        const char *part;
    } cases[] = {
        {"DELETE FROM run WHERE key = 'seed'", "table run has no seed"},
        {"UPDATE run SET value = '18446744073709551616' WHERE key = 'seed'",
         "seed is '18446744073709551616', expected a number up to 18446744073709551615"},
        {"UPDATE run SET value = '' WHERE key = 'seed'", "seed is '', expected"},
        {"UPDATE run SET value = '-1' WHERE key = 'worker_max'", "worker_max is '-1', expected"},
        {"UPDATE run SET value = '4000000000' WHERE key = 'worker_max'",
         "worker_max is '4000000000', expected a number up to "},
        {"UPDATE run SET value = 'none:such' WHERE key = 'policy.regular'",
         "unknown policy 'none'"},
    };
    const char *original = sgl_test_log(sgl_scratch("facts.db"), &small);
    const char *path = sgl_scratch("fact.db");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_failure failure = {""};
        struct sgl_verify_report report;
        sgl_test_copy(original, path);
        sgl_test_sql(path, cases[i].sql);
        CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, cases[i].part);
    }
}

/* Reads all there is, in every way there is. */
static void read_all(const char *path)
{
    struct sgl_failure failure = {""};
    struct sgl_verify_report report;
    struct sgl_log_reader *reader;
    struct sgl_decision decision;
    struct sgl_logged_candidate candidate;
    struct sgl_logged_outcome outcome;
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    int got = sgl_verify(path, &report, &failure);

    CU_ASSERT((got == SGL_OK) == (report.text[0] != '\0'));
    CU_ASSERT((got < 0) == (failure.text[0] != '\0'));
    if (sgl_log_reader_open(&reader, path, &failure) != SGL_OK)
        return;
    while ((got = sgl_log_reader_next_decision(reader, &decision, &failure)) == 1)
        continue;
    CU_ASSERT(got <= 0);
    while ((got = sgl_log_reader_next_candidate(reader, &candidate, &failure)) == 1)
        continue;
    CU_ASSERT(got <= 0);
    while ((got = sgl_log_reader_next_outcome(reader, &outcome, &failure)) == 1)
        continue;
    CU_ASSERT(got <= 0);
    while ((got = sgl_log_reader_next_row(reader, SGL_LOG_REQUEST, values, &failure)) == 1)
        continue;
    CU_ASSERT(got <= 0);
    sgl_log_reader_close(reader);
}

/* A log in pages of 4 KiB has more structure to break than one in pages of 64 KiB. */
static char *small_pages(size_t *size_out)
{
    const char *path = sgl_test_log(sgl_scratch("pages.db"), &small);

    sgl_test_sql(path, "PRAGMA page_size = 1024; VACUUM");
    return sgl_test_bytes(path, size_out);
}

static void cut_files_do_no_harm(void)
{
    size_t size;
    char *bytes = small_pages(&size);
    struct sgl_verify_report report;

    for (size_t cut = 1; cut < size; cut += size / 97) {
        const char *path = sgl_scratch_file("cut.db", bytes, cut);
        read_all(path);
        CU_ASSERT(sgl_verify(path, &report, NULL) < 0);
    }
    free(bytes);
}

static void turned_bits_do_no_harm(void)
{
    size_t size;
    char *bytes = small_pages(&size);
    struct sgl_rng draws = sgl_rng_stream(1, SGL_PURPOSE_RESAMPLE, 0, 0, 0);
    unsigned char *copy = malloc(size);

    if (copy == NULL)
        abort();
    for (int i = 0; i < 400; i++) {
        memcpy(copy, bytes, size);
        const uint32_t count = 1 + sgl_rng_below(&draws, 8);
        for (uint32_t b = 0; b < count; b++) {
            /* Half of them in the first page, where the schema is. */
            const size_t range = sgl_rng_below(&draws, 2) == 0 ? 1024 : size;
            const uint32_t at = sgl_rng_below(&draws, (uint32_t)range);
            copy[at] = (unsigned char)(copy[at] ^ 1U << sgl_rng_below(&draws, 8));
        }
        read_all(sgl_scratch_file("turned.db", copy, size));
    }
    free(copy);
    free(bytes);
}

SGL_SUITE(log_hostile) = {
    {"what is no log is told in one line", what_is_no_log_is_told},
    {"a newer format is refused in one line", newer_format_is_refused},
    {"tables must be plain and all there", tables_must_be_plain_and_all_there},
    {"a log of before gaps between tokens were logged is read and verified", log_of_before_is_read},
    {"a missing column is told", missing_column_is_told},
    {"wrong values are named with their place", wrong_values_are_named},
    {"facts of the run are checked", facts_of_the_run_are_checked},
    {"cut files do no harm", cut_files_do_no_harm},
    {"turned bits do no harm", turned_bits_do_no_harm},
    CU_TEST_INFO_NULL,
};
