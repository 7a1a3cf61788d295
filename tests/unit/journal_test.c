/* The ring between a router and its log: nothing is lost without a word, and memory is bounded. */
#include "live/journal.h"

#include "core/absent.h"
#include "support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MEBIBYTE ((size_t)1024 * 1024)

static int64_t ask(const char *path, const char *query)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &database), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(database, query, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return number;
}

static struct sgl_journal *open_journal(const char *path, size_t ring_size)
{
    struct sgl_journal *journal = NULL;
    struct sgl_log *log = NULL;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path, &(struct sgl_log_options){.is_durable = true}, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_journal_create(&journal, log, ring_size, false, &failure), SGL_OK);
    return journal;
}

/* What the router says of a request that is routed, with `id_count` prefix ids. */
static void tell_route(struct sgl_journal *journal, uint64_t sequence, size_t id_count)
{
    static uint64_t ids[65536];
    struct sgl_sink *sink = sgl_journal_sink(journal);
    char name[32];

    snprintf(name, sizeof name, "request %llu", (unsigned long long)sequence);
    ids[0] = sequence;
    const struct sgl_request request = {.request = (int64_t)sequence,
                                        .arrival_ns = (int64_t)sequence,
                                        .prompt_tokens = SGL_ABSENT,
                                        .max_tokens = SGL_ABSENT,
                                        .priority = SGL_PRIORITY_NORMAL,
                                        .request_id = name,
                                        .prefix_ids = ids,
                                        .prefix_count = id_count,
                                        .prefix_block = 16};
    const struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                                    .now_ns = (int64_t)sequence,
                                    .request = (int64_t)sequence,
                                    .route = {.request = &request}};
    const struct sgl_candidate candidates[2] = {sgl_candidate_absent(0), sgl_candidate_absent(1)};
    const struct sgl_decision decision = {.sequence = sequence,
                                          .request = (int64_t)sequence,
                                          .policy = "random",
                                          .propensity = 0.5,
                                          .worker = (uint32_t)(sequence % 2)};
    sgl_journal_begin(journal);
    sink->ops->input(sink, sequence, &input);
    sink->ops->decision(sink, &decision, candidates, 2);
    sgl_journal_push(journal);
}

/* Many laps of a small ring. Whatever the writer's pace: each input is in the log, once, with its
 * own texts, or in a gap. */
static void nothing_is_lost_in_silence(void)
{
    static const int64_t count = 60000;
    const char *path = sgl_scratch("journal-laps.db");
    struct sgl_journal *journal = open_journal(path, 12 * MEBIBYTE);
    const struct timespec nap = {.tv_nsec = 1000000};

    for (int64_t i = 1; i <= count; i++) {
        tell_route(journal, (uint64_t)i, (size_t)(i * 7 % 90));
        if (i % 300 == 0 && i < 30000)
            nanosleep(&nap, NULL); /* the writer is near at first, and then it is not */
    }
    const int64_t dropped = (int64_t)sgl_journal_dropped(journal);
    struct sgl_failure failure = {0};
    if (sgl_journal_close(journal, &failure) != SGL_OK)
        SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM input"), count - dropped);
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM decision"), count - dropped);
    CU_ASSERT_EQUAL(ask(path, "SELECT total(dropped) FROM gap"), dropped);
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM request WHERE request_id <> 'request ' || "
                              "request OR length(prefix_ids) <> 8 * (request * 7 % 90)"),
                    0);
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM decision WHERE decision_ns IS NULL OR "
                              "worker <> sequence % 2"),
                    0);
}

/* A writer that keeps up loses nothing, however the ring is begun anew: small records and large
 * ones, at all distances from where that happens. */
static void nothing_is_lost_when_there_is_time(void)
{
    static const size_t sizes[] = {0, 500, 3, 2000, 0, 0, 100};
    static const int64_t count = 2400;
    const char *path = sgl_scratch("journal-time.db");
    struct sgl_journal *journal = open_journal(path, 32 * MEBIBYTE);
    const struct timespec nap = {.tv_nsec = 1500000};

    for (int64_t i = 1; i <= count; i++) {
        tell_route(journal, (uint64_t)i, sizes[i % 7]);
        if (i % 3 == 0)
            nanosleep(&nap, NULL);
    }
    CU_ASSERT_EQUAL(sgl_journal_dropped(journal), 0);
    struct sgl_failure failure = {0};
    if (sgl_journal_close(journal, &failure) != SGL_OK)
        SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM input"), count);
}

/* Faster than any disk: what does not fit is counted, and stands in the log where it is missing. */
static void a_full_ring_is_told(void)
{
    static const int64_t count = 400;
    const char *path = sgl_scratch("journal-full.db");
    struct sgl_journal *journal = open_journal(path, MEBIBYTE);

    for (int64_t i = 1; i <= count; i++)
        tell_route(journal, (uint64_t)i, 60000);
    const int64_t dropped = (int64_t)sgl_journal_dropped(journal);
    CU_ASSERT(dropped > 0);
    struct sgl_failure failure = {0};
    if (sgl_journal_close(journal, &failure) != SGL_OK)
        SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM input"), count - dropped);
    CU_ASSERT_EQUAL(ask(path, "SELECT total(dropped) FROM gap"), dropped);
    /* Each gap begins behind what is there, and ends before what follows. */
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM gap g JOIN input i ON i.sequence >= g.sequence "
                              "AND i.sequence < g.sequence + g.dropped"),
                    0);
}

SGL_SUITE(journal) = {
    {"an input is in the log once, or in a gap", nothing_is_lost_in_silence},
    {"nothing is lost when there is time to write it", nothing_is_lost_when_there_is_time},
    {"a full ring is told", a_full_ring_is_told},
    CU_TEST_INFO_NULL,
};
