/*
 * Traces in SQLite: the same requests as in CSV, failures with their row, and a file left
 * untouched.
 */
#include "support.h"

#include "core/parameters.h"
#include "core/rng.h"
#include "log_support.h"
#include "trace_reading.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACES 30

/* A fresh database under that name with this SQL in it. */
static const char *make_database(const char *name, const char *sql)
{
    const char *path = sgl_scratch_text(name, ""); /* no bytes are a database without tables */

    sgl_test_sql(path, sql);
    return path;
}

static struct trace_reading read_table(const char *path, const char *table)
{
    const struct sgl_trace_options options = {.path = path, .table = table};

    return trace_read(&options);
}

/* One value for CSV and for SQL: numbers as numbers, sometimes as text. */
static void write_value(FILE *csv, FILE *sql, const char *text, bool is_text, struct sgl_rng *draws)
{
    const bool is_quoted = is_text || sgl_rng_below(draws, 4) == 0;

    fprintf(csv, ",%s", text);
    if (text[0] == '\0')
        fprintf(sql, ", %s", sgl_rng_below(draws, 2) == 0 ? "NULL" : "''");
    else
        fprintf(sql, is_quoted ? ", '%s'" : ", %s", text);
}

/* The same requests in both. Reals have the digits that bring them back, as programs print them. */
static void write_both(FILE *csv, FILE *sql, struct sgl_rng *draws)
{
    static const char *const priorities[] = {"", "high", "low", "normal"};
    const uint32_t count = 1 + sgl_rng_below(draws, 60);
    double now = 1.7e9;
    char text[96];

    fprintf(csv, "colour,arrival_time,prompt_tokens,output_tokens,ttft,priority,hash_ids\n");
    fprintf(sql, "CREATE TABLE requests (colour, arrival_time, prompt_tokens, output_tokens, ttft,"
                 " priority, hash_ids);");
    for (uint32_t i = 0; i < count; i++) {
        now += sgl_rng_exponential(draws, 0.5);
        fprintf(csv, "red");
        fprintf(sql, "INSERT INTO requests VALUES ('red'");
        sgl_real_text(now - (double)sgl_rng_below(draws, 2), text);
        write_value(csv, sql, text, false, draws);
        snprintf(text, sizeof text, "%u", sgl_rng_below(draws, 4096));
        write_value(csv, sql, text, false, draws);
        snprintf(text, sizeof text, "%u.0", sgl_rng_below(draws, 4096));
        write_value(csv, sql, text, false, draws);
        sgl_real_text(sgl_rng_uniform(draws), text);
        write_value(csv, sql, sgl_rng_below(draws, 3) == 0 ? "" : text, false, draws);
        write_value(csv, sql, priorities[sgl_rng_below(draws, 4)], true, draws);
        snprintf(text, sizeof text, "0x%llx %llu", (unsigned long long)sgl_rng_next(draws),
                 (unsigned long long)sgl_rng_next(draws));
        write_value(csv, sql, text, true, draws);
        fprintf(csv, "\n");
        fprintf(sql, ");\n");
    }
}

static void the_same_requests_are_the_same_trace(void)
{
    for (int64_t i = 0; i < TRACES; i++) {
        struct sgl_rng draws = sgl_rng_stream(21, SGL_PURPOSE_LENGTH, 0, i, 0);
        char *csv_text = NULL;
        char *sql_text = NULL;
        size_t size;
        FILE *csv = open_memstream(&csv_text, &size);
        FILE *sql = open_memstream(&sql_text, &size);
        CU_ASSERT_FATAL(csv != NULL && sql != NULL);
        fprintf(sql, "BEGIN;");
        write_both(csv, sql, &draws);
        fprintf(sql, "COMMIT;");
        fclose(csv);
        fclose(sql);
        struct trace_reading of_text = trace_read_text(csv_text);
        struct trace_reading of_table = read_table(make_database("both.db", sql_text), NULL);
        SGL_ASSERT_TEXT(of_text.failure.text, "");
        SGL_ASSERT_TEXT(of_table.failure.text, "");
        SGL_ASSERT_TEXT(of_table.rows, of_text.rows);
        SGL_ASSERT_TEXT(of_table.warnings, of_text.warnings);
        CU_ASSERT_EQUAL(of_table.facts.digest, of_text.facts.digest);
        CU_ASSERT_EQUAL(of_table.facts.epoch_ns, of_text.facts.epoch_ns);
        SGL_ASSERT_TEXT(of_table.facts.format, "sqlite");
        trace_reading_release(&of_text);
        trace_reading_release(&of_table);
        free(csv_text);
        free(sql_text);
    }
}

/* What the failure says behind the path. */
static void check_failure(const char *path, const char *table, int code, const char *expected)
{
    struct trace_reading reading = read_table(path, table);

    CU_ASSERT_EQUAL(reading.code, code);
    CU_ASSERT_EQUAL(strncmp(reading.failure.text, path, strlen(path)), 0);
    SGL_ASSERT_TEXT(reading.failure.text + strlen(path), expected);
    trace_reading_release(&reading);
}

#define TABLE "CREATE TABLE requests (arrival_time, prompt_tokens, output_tokens, tenant, ttft);"

static void failures_name_the_table_and_the_row(void)
{
    static const struct {
        const char *sql;
        const char *expected;
    } cases[] = {
        {"CREATE TABLE b(x); CREATE VIEW a AS SELECT 1;",
         ": no table 'requests', expected one of its tables: a, b"},
        {"CREATE TABLE b(x); DROP TABLE b;",
         ": no table 'requests', expected one of its tables: none"},
        {TABLE, ": no rows, expected at least one request"},
        {"CREATE TABLE requests (arrival_time, prompt_token, output_tokens);",
         ":requests: no column prompt_tokens, expected it or one of: actual_prompt_tokens "
         "ContextTokens input_tokens input_length; there is 'prompt_token' (did you mean "
         "'prompt_tokens'?)"},
        {TABLE "INSERT INTO requests VALUES (0, 1, 1, '', 1), (1, 'many', 1, '', 1);",
         ":requests:row 2: prompt_tokens is 'many', expected a whole number not below 0"},
        {TABLE "INSERT INTO requests VALUES (NULL, 1, 1, '', 1);",
         ":requests:row 1: arrival_time is NULL, expected a time"},
        {TABLE "INSERT INTO requests VALUES (0, 1, NULL, '', 1);",
         ":requests:row 1: output_tokens is NULL, expected a number"},
        {TABLE "INSERT INTO requests VALUES (0, '', 1, '', 1);",
         ":requests:row 1: prompt_tokens is empty, expected a number"},
        {TABLE "INSERT INTO requests VALUES (0, x'00ff', 1, '', 1);",
         ":requests:row 1: prompt_tokens is a blob, expected a number or text"},
        {TABLE "INSERT INTO requests VALUES (0, -3, 1, '', 1);",
         ":requests:row 1: prompt_tokens is '-3', expected a whole number not below 0"},
        {TABLE "INSERT INTO requests VALUES (9e999, 1, 1, '', 1);",
         ":requests:row 1: arrival_time is 'inf', expected ISO 8601 or a number not below 0"},
        {TABLE "INSERT INTO requests VALUES (0, 2.5, 1, '', 1);",
         ":requests:row 1: prompt_tokens is '2.5', expected a whole number"},
        {TABLE "INSERT INTO requests VALUES (0, 1, 1, CAST(x'6100' AS TEXT), 1);",
         ":requests:row 1: tenant has a NUL byte, expected text"},
        {TABLE "INSERT INTO requests VALUES (0, 1, 1, CAST(x'ff' AS TEXT), 1);",
         ":requests:row 1: tenant is not UTF-8, expected UTF-8 text"},
        {TABLE "INSERT INTO requests VALUES (0, 1, 1, printf('%.*c', 1048577, 'x'), 1);",
         ":requests:row 1: tenant has more than 1 MiB, expected less"},
        {TABLE "INSERT INTO requests VALUES (0, 1, 1, 'a', '1 s');",
         ":requests:row 1: ttft is '1 s', expected seconds, from 0 to 292 years"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_failure(make_database("bad.db", cases[i].sql), NULL, SGL_EINVAL, cases[i].expected);
}

static void an_id_used_twice_names_both_rows(void)
{
    const char *path = make_database(
        "ids.db", "CREATE TABLE requests (arrival_time, prompt_tokens, output_tokens, req_id);"
                  "INSERT INTO requests VALUES (0,1,1,'a'), (1,1,1,'b'), (2,1,1,'a');");

    check_failure(path, NULL, SGL_EINVAL,
                  ":requests:row 3: request_id 'a' is in use since row 1, expected another");
}

#define ROWS "(arrival_time, prompt_tokens, output_tokens)"

static void any_table_or_view_can_be_named(void)
{
    const char *path = make_database(
        "named.db",
        "CREATE TABLE \"my \"\"requests\"\"\" " ROWS ";"
        "INSERT INTO \"my \"\"requests\"\"\" VALUES (0,1,2), (1,3,4);"
        "CREATE VIEW half AS SELECT * FROM \"my \"\"requests\"\"\" WHERE prompt_tokens = 3;"
        "CREATE TABLE keyed (arrival_time PRIMARY KEY, prompt_tokens, output_tokens) WITHOUT ROWID;"
        "INSERT INTO keyed VALUES (9,1,1), (8,2,1);");
    static const struct {
        const char *table;
        const char *rows;
        uint64_t sorted;
    } cases[] = {
        {"my \"requests\"", "0 at 0 prompt=1 output=2\n1 at 1000000000 prompt=3 output=4\n", 0},
        {"HALF", "0 at 0 prompt=3 output=4\n", 0},
        {"keyed", "0 at 0 prompt=2 output=1\n1 at 1000000000 prompt=1 output=1\n", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trace_reading reading = read_table(path, cases[i].table);
        SGL_ASSERT_TEXT(reading.failure.text, "");
        SGL_ASSERT_TEXT(reading.rows, cases[i].rows);
        CU_ASSERT_EQUAL(reading.facts.sorted_count, cases[i].sorted);
        trace_reading_release(&reading);
    }
    check_failure(path, "no such", SGL_EINVAL,
                  ": no table 'no such', expected one of its tables: half, keyed, my \"requests\"");
}

static int count_entries(const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, NULL, NULL);

    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return count;
}

/* Whatever the journal mode it was written in, and whatever its name means in a URI. */
static void a_database_is_left_as_it_was(void)
{
    static const char *const modes[] = {"DELETE", "WAL"};
    const char *folder = sgl_scratch(".");

    for (size_t i = 0; i < 2; i++) {
        char sql[256];
        size_t before_size;
        size_t after_size;
        snprintf(sql, sizeof sql,
                 "PRAGMA journal_mode = %s; CREATE TABLE requests " ROWS ";"
                 "INSERT INTO requests VALUES (0,1,2);",
                 modes[i]);
        const char *path = make_database("a%20?x=1#y.db", sql);
        const int entries = count_entries(folder);
        char *before = sgl_test_bytes(path, &before_size);
        struct trace_reading reading = read_table(path, NULL);
        SGL_ASSERT_TEXT(reading.rows, "0 at 0 prompt=1 output=2\n");
        trace_reading_release(&reading);
        char *after = sgl_test_bytes(path, &after_size);
        CU_ASSERT_EQUAL(count_entries(folder), entries);
        CU_ASSERT(before_size == after_size && memcmp(before, after, after_size) == 0);
        free(before);
        free(after);
    }
}

/* Rows still in the write-ahead log of a writer at work are part of the trace. */
static void rows_not_yet_merged_are_read(void)
{
    const char *path = sgl_scratch("wal.db");
    sqlite3 *writer;

    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &writer), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(writer,
                                 "PRAGMA journal_mode = WAL; CREATE TABLE requests " ROWS ";"
                                 "INSERT INTO requests VALUES (0,1,2);",
                                 NULL, NULL, NULL),
                    SQLITE_OK);
    struct trace_reading reading = read_table(path, NULL);
    SGL_ASSERT_TEXT(reading.failure.text, "");
    SGL_ASSERT_TEXT(reading.rows, "0 at 0 prompt=1 output=2\n");
    trace_reading_release(&reading);
    sqlite3_close(writer);
}

static void what_is_no_database_is_said_to_be_none(void)
{
    static const char text[] = "arrival_time,prompt_tokens,output_tokens\n0,1,1\n";
    const char *path = sgl_scratch_text("text.db", text);
    const struct sgl_trace_options as_csv = {.path = path, .format = "csv"};
    const struct sgl_trace_options in_memory = {
        .path = "t.db", .memory = text, .memory_size = sizeof text - 1};

    check_failure(path, NULL, SGL_EINVAL, ": is not a SQLite database");
    check_failure(sgl_scratch_text("empty.db", ""), NULL, SGL_EINVAL,
                  ": no table 'requests', expected one of its tables: none");
    struct trace_reading reading = trace_read(&as_csv);
    CU_ASSERT_EQUAL(reading.code, 0);
    trace_reading_release(&reading);
    reading = trace_read(&in_memory);
    SGL_ASSERT_TEXT(reading.failure.text, "t.db: is a pipe or memory, expected a SQLite file");
    trace_reading_release(&reading);
}

/* A database damaged or cut anywhere gives rows or one clean failure. */
static void a_damaged_database_is_a_failure_or_rows(void)
{
    const char *whole = make_database(
        "whole.db", "PRAGMA page_size = 512; BEGIN; CREATE TABLE requests " ROWS ";"
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
                    " INSERT INTO requests SELECT i, i * 2, i * 3 FROM n; COMMIT;");
    size_t size;
    char *bytes = sgl_test_bytes(whole, &size);
    size_t failures = 0;

    for (int64_t i = 0; i < 300; i++) {
        struct sgl_rng draws = sgl_rng_stream(33, SGL_PURPOSE_LENGTH, 0, i, 0);
        size_t kept = size;
        char *copy = malloc(size);
        if (copy == NULL)
            abort();
        memcpy(copy, bytes, size);
        if (i % 3 == 0)
            kept = sgl_rng_below(&draws, (uint32_t)size);
        else
            for (uint32_t k = 0; k < 20; k++)
                copy[16 + sgl_rng_below(&draws, (uint32_t)size - 16)] =
                    (char)sgl_rng_below(&draws, 256);
        struct trace_reading reading = read_table(sgl_scratch_file("damaged.db", copy, kept), NULL);
        CU_ASSERT((reading.code == 0) == (reading.failure.text[0] == '\0'));
        failures += reading.code < 0;
        trace_reading_release(&reading);
        free(copy);
    }
    CU_ASSERT(failures > 150);
    free(bytes);
}

SGL_SUITE(trace_sqlite) = {
    {"the same requests are the same trace in CSV and SQLite",
     the_same_requests_are_the_same_trace},
    {"failures name the table and the row", failures_name_the_table_and_the_row},
    {"an id used twice names both rows", an_id_used_twice_names_both_rows},
    {"any table or view can be named", any_table_or_view_can_be_named},
    {"a database is left as it was", a_database_is_left_as_it_was},
    {"rows not yet merged are read", rows_not_yet_merged_are_read},
    {"what is no database is said to be none", what_is_no_database_is_said_to_be_none},
    {"a damaged database is a failure or rows", a_damaged_database_is_a_failure_or_rows},
    CU_TEST_INFO_NULL,
};
