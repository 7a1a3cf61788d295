/*
 * A log as a folder of CSV files says, bit for bit, what the same log as one SQLite file says; and
 * what anybody did to the files is told.
 */
#include "log_support.h"
#include "support.h"

#include "analysis/verify.h"
#include "core/rng.h"
#include "traces/log_copy.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct sgl_test_run small = {
    .policy = "marginal_utility:min_history=2",
    .world = {.seed = 31, .worker_count = 3, .step_count = 200},
};

/* The digests of an SQLite log, the run's own too, in one line. */
static const char *digests(const char *path)
{
    return sgl_test_sql_text(path, "SELECT group_concat(key || '=' || value) FROM (SELECT * FROM"
                                   " run WHERE key LIKE 'digest.%' ORDER BY key)");
}

static struct sgl_verify_report verdict_on(const char *path)
{
    struct sgl_verify_report report = {0};
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    return report;
}

static void copy_log(const char *from, const char *to)
{
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(sgl_log_copy_file(from, to, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
}

static void logs_of_every_policy_come_back_bit_for_bit(void)
{
    const char *original = sgl_scratch("original.db");
    const char *folder = sgl_scratch("folder/");
    const char *written = sgl_scratch("written/");
    const char *back = sgl_scratch("back.db");

    const struct sgl_policy_ops *policy;

    for (uint32_t i = 0; (policy = sgl_policy_at(i)) != NULL; i++) {
        struct sgl_policy_spec spec;
        struct sgl_test_run run = small;
        char text[96];
        /* One that cannot stand alone wraps another. */
        const bool is_whole = sgl_policy_parse(&spec, policy->name, NULL) == SGL_OK;
        if (is_whole)
            sgl_policy_release(&spec);
        snprintf(text, sizeof text, "%s%s", policy->name, is_whole ? "" : ":base=cache_aware");
        run.policy = text;
        run.world.seed += i;
        run.candidates = i % 3 == 2 ? SGL_LOG_CANDIDATES_CHOSEN : SGL_LOG_CANDIDATES_ALL;
        sgl_test_log(original, &run);
        sgl_test_log(written, &run);
        copy_log(original, folder);
        CU_ASSERT_EQUAL(verdict_on(folder).status, SGL_VERIFY_IDENTICAL);
        CU_ASSERT_EQUAL(verdict_on(written).status, SGL_VERIFY_IDENTICAL);
        copy_log(folder, back);
        CU_ASSERT_EQUAL(verdict_on(back).status, SGL_VERIFY_IDENTICAL);
        SGL_ASSERT_TEXT(digests(back), digests(original));
        copy_log(written, back);
        SGL_ASSERT_TEXT(digests(back), digests(original));
    }
}

/* ---- texts that do harm elsewhere ---- */

static const char *const evil[] = {
    "=cmd|calc", "+1",          "-2",    "@SUM(A1)", "\ttab",    "\rreturn", "a\r\nb,\"c\"", "\"",
    "",          " both ends ", "plain", "'quoted'", "\xff\xfe", "a,b",      "\n",           "%s%n",
};

static const char *make_evil_log(const char *path)
{
    struct sgl_policy_spec spec = sgl_world_policy("round_robin");
    struct sgl_failure failure = {""};
    struct sgl_log *log;

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path, &(struct sgl_log_options){.seed = 1, .policy = {&spec}}, &failure),
        SGL_OK);
    struct sgl_router *router = sgl_world_router(&spec, 1, sgl_log_sink(log));
    for (uint32_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        static const uint64_t ids[] = {0, 1, UINT64_MAX};
        const struct sgl_request request = {.request = i,
                                            .request_id = evil[i],
                                            .tenant = evil[i],
                                            .session = i % 2 == 0 ? NULL : evil[i],
                                            .model = evil[i],
                                            .prefix_ids = ids,
                                            .prefix_count = i % 4};
        sgl_router_feed(
            router, &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = evil[i]}},
            NULL, &failure);
        sgl_router_feed(router,
                        &(struct sgl_input){
                            .kind = SGL_INPUT_ROUTE, .request = i, .route = {.request = &request}},
                        NULL, &failure);
    }
    sgl_router_destroy(router);
    CU_ASSERT_EQUAL(sgl_log_close(log, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    sgl_policy_release(&spec);
    return path;
}

static void texts_of_all_kinds_come_back_byte_by_byte(void)
{
    const char *original = make_evil_log(sgl_scratch("evil.db"));
    const char *back = sgl_scratch("evil-back.db");
    const char *folder = make_evil_log(sgl_scratch("evil/"));

    CU_ASSERT_EQUAL(verdict_on(folder).status, SGL_VERIFY_IDENTICAL);
    copy_log(folder, back);
    SGL_ASSERT_TEXT(digests(back), digests(original));
    CU_ASSERT_EQUAL(
        sgl_test_sql_integer(back, "SELECT count(*) FROM request WHERE request_id = ''"), 1);
}

/* No cell of the files for people begins as a formula does. */
static void files_for_people_hold_no_formula(void)
{
    size_t size;
    make_evil_log(sgl_scratch("people/"));
    char *bytes = sgl_test_bytes(sgl_scratch("people/recorder.csv"), &size);

    bytes[size] = '\0';
    for (size_t i = 0; i < 6; i++) {
        char cell[32];
        snprintf(cell, sizeof cell, ",\"'%s", evil[i]);
        SGL_ASSERT_CONTAINS(bytes, cell);
    }
    for (size_t i = 1; i < size; i++)
        if (bytes[i - 1] == ',' && (bytes[i] == '"' || strchr("=+-@\t\r", bytes[i]) != NULL)) {
            const char *first = bytes[i] == '"' ? &bytes[i + 1] : &bytes[i];
            CU_ASSERT_PTR_NULL(strchr("=+-@\t\r", *first));
        }
    free(bytes);
}

struct csv_count {
    uint32_t columns; /* expected of every row */
    uint32_t cells;   /* of the present row */
    int64_t rows;
    int64_t wrong;
};

static void count_cell(void *bytes, size_t size, void *context)
{
    struct csv_count *count = context;

    (void)bytes;
    (void)size;
    count->cells++;
}

static void count_row(int last, void *context)
{
    struct csv_count *count = context;

    (void)last;
    count->rows++;
    count->wrong += count->cells != count->columns;
    count->cells = 0;
}

/* As any program takes them, strictly: the columns of the view in every row, and as many rows. */
static void files_for_people_are_csv(void)
{
    static const struct {
        const char *file;
        const char *view;
        uint32_t columns;
    } files[] = {{"rows/recorder.csv", "recorder", 16}, {"answers/client.csv", "client", 31}};
    const char *databases[] = {make_evil_log(sgl_scratch("rows.db")),
                               sgl_test_log(sgl_scratch("answers.db"), &small)};

    make_evil_log(sgl_scratch("rows/"));
    sgl_test_log(sgl_scratch("answers/"), &small);

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct csv_count count = {.columns = files[i].columns};
        struct csv_parser parser;
        char sql[64];
        size_t size;
        char *text = sgl_test_bytes(sgl_scratch(files[i].file), &size);
        CU_ASSERT_EQUAL_FATAL(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI), 0);
        CU_ASSERT_EQUAL(csv_parse(&parser, text, size, count_cell, count_row, &count), size);
        CU_ASSERT_EQUAL(csv_fini(&parser, count_cell, count_row, &count), 0);
        CU_ASSERT_EQUAL(count.wrong, 0);
        snprintf(sql, sizeof sql, "SELECT 1 + count(*) FROM %s", files[i].view);
        CU_ASSERT_EQUAL(count.rows, sgl_test_sql_integer(databases[i], sql));
        CU_ASSERT_TRUE(count.rows > 1);
        csv_free(&parser);
        free(text);
    }
}

/* ---- hands on the files ---- */

static char *replaced(const char *bytes, const char *old, const char *new)
{
    const char *at = strstr(bytes, old);
    char *out = malloc(strlen(bytes) + strlen(new) + 1);

    if (at == NULL || out == NULL) {
        printf("no '%s'\n", old);
        abort();
    }
    snprintf(out, strlen(bytes) + strlen(new) + 1, "%.*s%s%s", (int)(at - bytes), bytes, new,
             at + strlen(old));
    return out;
}

static void every_tampering_is_told(void)
{
    static const struct {
        const char *file;
        const char *old;
        const char *new;
        const char *part; /* of the verdict, or of the failure */
    } cases[] = {
        {"input.csv", "\n1,0,", "\n1,7,", ""},
        {"input.csv", "\n1,0,", "\n1,+0,", "input.csv:2: time_ns is '+0', expected an integer"},
        {"input.csv", "\n1,0,", "\n01,0,", "sequence is '01', expected an integer"},
        {"input.csv", "\n1,", "\n,", "input.csv:2: table input, sequence NULL: sequence is NULL"},
        {"input.csv", "\n4,", "\n2,", "sequence 2 comes after 3, expected rows in ascending order"},
        {"input.csv", "add_worker", "add_worker\r", "has a carriage return"},
        {"input.csv", "add_worker", "add_\"worker", "a quote within a cell"},
        {"input.csv", "add_worker", "\"add_worker\"x", "a byte behind a closing quote"},
        {"input.csv", "add_worker", "\"add_worker", "is cut off"},
        {"input.csv", "add_worker,", "add_worker,,", "has 14 cells, expected 13"},
        {"input.csv", "sequence,", "\xef\xbb\xbfsequence,", "begins with a byte order mark"},
        {"input.csv", "kind", "sort", "input.csv:1: column 3 is 'sort', expected kind"},
        {"candidate.csv", ",0,", ",0x1,", "expected "},
        {"decision.csv", ",regular,", ",decode,", "pool is 'decode', re-executed 'regular'"},
        {"worker.csv", "regular", "", "role is NULL, expected text"},
        {"request.csv", "normal", "urgent", "priority is 'urgent'"},
        {"run.csv", "is_complete,1\n", "", "verified up to"},
        {"gap.csv", "sequence,dropped\n", "", "gap.csv:1: is empty, expected a header"},
        {"log.txt", "format 1", "format 2", "has log format 2, this program reads format 1"},
        {"log.txt", "sglsim", "other", "is not an sglsim log"},
    };
    struct sgl_test_run calm = small;
    calm.world.is_calm = true;
    char folder[1024];

    snprintf(folder, sizeof folder, "%s", sgl_scratch("hands/"));
    sgl_test_log(folder, &calm);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_failure failure = {""};
        struct sgl_verify_report report;
        char name[64];
        size_t size;
        snprintf(name, sizeof name, "hands/%s", cases[i].file);
        char *bytes = sgl_test_bytes(sgl_scratch(name), &size);
        bytes[size] = '\0';
        char *changed = replaced(bytes, cases[i].old, cases[i].new);
        sgl_scratch_text(name, changed);
        const int status = sgl_verify(folder, &report, &failure);
        CU_ASSERT(status < 0 || report.status != SGL_VERIFY_IDENTICAL);
        SGL_ASSERT_CONTAINS(status < 0 ? failure.text : report.text, cases[i].part);
        sgl_scratch_text(name, bytes);
        free(changed);
        free(bytes);
    }
    CU_ASSERT_EQUAL(verdict_on(folder).status, SGL_VERIFY_IDENTICAL);
}

/* Turned, doubled and lost bytes anywhere: a verdict or one line, and never "identical" unless the
 * bytes are those that were written. */
static void damaged_files_do_no_harm(void)
{
    struct sgl_rng draws = sgl_rng_stream(2, SGL_PURPOSE_RESAMPLE, 0, 0, 0);
    char folder[1024];

    snprintf(folder, sizeof folder, "%s", sgl_scratch("damaged/"));
    sgl_test_log(folder, &small);
    for (int i = 0; i < 400; i++) {
        struct sgl_failure failure = {""};
        struct sgl_verify_report report;
        char name[64];
        size_t size;
        snprintf(name, sizeof name, "damaged/%s.csv",
                 sgl_log_layouts[i % SGL_LOG_TABLE_COUNT].name);
        char *bytes = sgl_test_bytes(sgl_scratch(name), &size);
        char *copy = malloc(size);
        if (copy == NULL)
            abort();
        memcpy(copy, bytes, size);
        const uint32_t at = sgl_rng_below(&draws, (uint32_t)size);
        const bool is_cut = i % 5 == 4;
        if (!is_cut)
            copy[at] = "\",\n\r0-9.e\0 x"[sgl_rng_below(&draws, 13)];
        sgl_scratch_file(name, copy, is_cut ? at : size);
        const bool is_changed = is_cut || copy[at] != bytes[at];
        const int status = sgl_verify(folder, &report, &failure);
        CU_ASSERT((status < 0) == (failure.text[0] != '\0'));
        CU_ASSERT_EQUAL(status < 0 || report.status != SGL_VERIFY_IDENTICAL, is_changed);
        sgl_scratch_file(name, bytes, size);
        free(copy);
        free(bytes);
    }
}

/* ---- the folder ---- */

static void only_a_log_is_replaced(void)
{
    const char *folder = sgl_test_log(sgl_scratch("place/"), &small);
    struct sgl_failure failure = {""};
    struct sgl_log *log;
    struct stat info;

    CU_ASSERT_EQUAL(stat(folder, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0700);
    CU_ASSERT_EQUAL(stat(sgl_scratch("place/input.csv"), &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
    sgl_test_log(folder, &small);

    log = sgl_test_log_play(folder, &small);
    CU_ASSERT_TRUE(sgl_test_exists(sgl_scratch("place.partial")));
    struct sgl_log *second;
    CU_ASSERT_EQUAL(sgl_test_log_try(&second, folder, &small, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "another run is writing it");
    sgl_log_discard(log);
    CU_ASSERT_FALSE(sgl_test_exists(sgl_scratch("place.partial")));
    CU_ASSERT_EQUAL(verdict_on(folder).status, SGL_VERIFY_IDENTICAL);

    const char *notes = sgl_scratch_text("place/notes", "mine");
    CU_ASSERT_EQUAL(sgl_test_log_try(&log, folder, &small, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "has notes in it, which no log has");
    CU_ASSERT_TRUE(sgl_test_exists(notes));
    CU_ASSERT_EQUAL(remove(notes), 0);

    /* Killed between the two renames: the old log stands aside and comes back. */
    CU_ASSERT_EQUAL(rename(sgl_scratch("place"), sgl_scratch("place.replaced")), 0);
    sgl_log_discard(sgl_test_log_play(folder, &small));
    CU_ASSERT_EQUAL(verdict_on(folder).status, SGL_VERIFY_IDENTICAL);
    /* So it does when its name is given without the slash. */
    CU_ASSERT_EQUAL(rename(sgl_scratch("place"), sgl_scratch("place.replaced")), 0);
    sgl_log_discard(sgl_test_log_play(sgl_scratch("place"), &small));
    CU_ASSERT_EQUAL(verdict_on(folder).status, SGL_VERIFY_IDENTICAL);

    struct sgl_test_run run = small;
    run.is_durable = true;
    CU_ASSERT_EQUAL(sgl_test_log_try(&log, folder, &run, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "cannot be CSV");
}

SGL_SUITE(log_csv) = {
    {"logs of every policy come back bit for bit", logs_of_every_policy_come_back_bit_for_bit},
    {"texts of all kinds come back byte by byte", texts_of_all_kinds_come_back_byte_by_byte},
    {"files for people hold no formula", files_for_people_hold_no_formula},
    {"files for people are CSV", files_for_people_are_csv},
    {"every tampering is told", every_tampering_is_told},
    {"damaged files do no harm", damaged_files_do_no_harm},
    {"only a log is replaced, and it comes back when a run is killed", only_a_log_is_replaced},
    CU_TEST_INFO_NULL,
};
