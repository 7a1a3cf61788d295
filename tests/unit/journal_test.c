/* The ring between a router and its log: nothing is lost without a word, and memory is bounded. */
#include "live/journal.h"

#include "core/absent.h"
#include "support.h"
#include "traces/log_store.h"

#include <pthread.h>
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

/* Each gap begins right behind what is there, or another gap, and ends before what follows. */
static void check_gaps(const char *path)
{
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM gap g JOIN input i ON i.sequence >= g.sequence "
                              "AND i.sequence < g.sequence + g.dropped"),
                    0);
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM gap g WHERE NOT EXISTS (SELECT 1 FROM input i "
                              "WHERE i.sequence = g.sequence - 1) AND NOT EXISTS (SELECT 1 FROM "
                              "gap h WHERE h.sequence + h.dropped = g.sequence)"),
                    0);
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
    check_gaps(path);
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
        tell_route(journal, (uint64_t)i, i % 2 == 1 ? 60000 : (size_t)(i * 7919 % 60000));
    const int64_t dropped = (int64_t)sgl_journal_dropped(journal);
    CU_ASSERT(dropped > 0);
    struct sgl_failure failure = {0};
    if (sgl_journal_close(journal, &failure) != SGL_OK)
        SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM input"), count - dropped);
    CU_ASSERT_EQUAL(ask(path, "SELECT total(dropped) FROM gap"), dropped);
    CU_ASSERT_EQUAL(ask(path, "SELECT count(*) FROM request WHERE request_id <> 'request ' || "
                              "request OR length(prefix_ids) <> 8 * iif(request % 2 == 1, 60000, "
                              "request * 7919 % 60000)"),
                    0);
    check_gaps(path);
}

/* A medium as slow as one likes: the writer waits in it for leave to put an input. */
struct slow_store {
    struct sgl_log_store store;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t allowed; /* inputs up to this sequence may be put */
    int64_t arrived; /* the input that is being put */
    int64_t put_sum; /* of their sequences */
    int64_t put_count;
    int64_t gap_sequence;
};

static int slow_put(struct sgl_log_store *store, enum sgl_log_table table,
                    const struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct slow_store *self = (struct slow_store *)store;

    (void)failure;
    pthread_mutex_lock(&self->mutex);
    if (table == SGL_LOG_INPUT) {
        self->arrived = values[SGL_LOG_INPUT_SEQUENCE].integer;
        pthread_cond_broadcast(&self->changed);
        while (self->arrived > self->allowed)
            pthread_cond_wait(&self->changed, &self->mutex);
        self->put_sum += self->arrived;
        self->put_count++;
    } else if (table == SGL_LOG_GAP) {
        self->gap_sequence = values[SGL_LOG_GAP_SEQUENCE].integer;
    }
    pthread_mutex_unlock(&self->mutex);
    return SGL_OK;
}

static int slow_finish(struct sgl_log_store *store, struct sgl_failure *failure)
{
    (void)store;
    (void)failure;
    return SGL_OK;
}

static void slow_destroy(struct sgl_log_store *store)
{
    (void)store; /* the test has it */
}

static void allow(struct slow_store *store, int64_t allowed)
{
    pthread_mutex_lock(&store->mutex);
    store->allowed = allowed;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->mutex);
}

static void wait_for_arrival(struct slow_store *store, int64_t sequence)
{
    pthread_mutex_lock(&store->mutex);
    while (store->arrived < sequence)
        pthread_cond_wait(&store->changed, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
}

/*
 *     ring of 1 MiB   [ 1: 200 K | 2: 480 K | 3: 288 K | 80 K ]     1 is written, 2 is under way
 *
 * 4, of 224 K, would fit into what is free, but not in one piece.
 */
static void what_waits_is_not_overwritten(void)
{
    static const struct sgl_log_store_ops ops = {
        .put = slow_put, .finish = slow_finish, .destroy = slow_destroy};
    struct slow_store store = {.store = {.ops = &ops},
                               .mutex = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER};
    struct sgl_journal *journal = NULL;
    struct sgl_log *log = NULL;
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open_store(&log, &store.store, &(struct sgl_log_options){0}, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_journal_create(&journal, log, MEBIBYTE, false, &failure), SGL_OK);
    tell_route(journal, 1, 25000);
    wait_for_arrival(&store, 1);
    tell_route(journal, 2, 60000);
    tell_route(journal, 3, 36000);
    CU_ASSERT_EQUAL(sgl_journal_dropped(journal), 0);
    allow(&store, 1);
    wait_for_arrival(&store, 2);
    tell_route(journal, 4, 28000);
    CU_ASSERT_EQUAL(sgl_journal_dropped(journal), 1);
    allow(&store, INT64_MAX);
    CU_ASSERT_EQUAL(sgl_journal_close(journal, &failure), SGL_OK);
    CU_ASSERT_EQUAL(store.put_count, 3);
    CU_ASSERT_EQUAL(store.put_sum, 1 + 2 + 3);
    CU_ASSERT_EQUAL(store.gap_sequence, 4);
}

SGL_SUITE(journal) = {
    {"an input is in the log once, or in a gap", nothing_is_lost_in_silence},
    {"nothing is lost when there is time to write it", nothing_is_lost_when_there_is_time},
    {"a full ring is told", a_full_ring_is_told},
    {"what waits to be written is not overwritten", what_waits_is_not_overwritten},
    CU_TEST_INFO_NULL,
};
