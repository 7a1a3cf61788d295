#include "verify.h"

#include "core/router.h"
#include "core/version.h"
#include "traces/log_reader.h"
#include "traces/log_sink.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* A log is not trusted with the memory of a router: no fleet is that large. */
#define WORKER_MAX_MOST (1 << 20)

/*
 * The router's sink passes everything on to a log writer (log_sink.h), whose store is the comparer:
 * it keeps no row but looks for the same row in the log. So what is compared is by construction
 * what a writer writes, and the writer's own counts and digests come along.
 */
struct verification {
    struct sgl_sink sink;       /* first: what the router calls */
    struct sgl_log_store store; /* what the log writer calls */
    struct sgl_log_reader *reader;
    struct sgl_log *log;
    struct sgl_router *router;
    struct sgl_policy_spec specs[SGL_POOL_COUNT];
    bool has_spec[SGL_POOL_COUNT];
    struct sgl_log_options options;
    uint64_t row_counts[SGL_LOG_TABLE_COUNT];
    struct sgl_verify_report *report;
    bool has_difference;
    int status; /* negative: the log could not be read on */
    struct sgl_failure failure;
};

static struct verification *of_store(struct sgl_log_store *store)
{
    return (struct verification *)((char *)store - offsetof(struct verification, store));
}

/* ---- differences ---- */

static int64_t value_named(enum sgl_log_table table, const struct sgl_log_value *values,
                           const char *name)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];

    for (uint32_t i = 0; i < layout->column_count; i++)
        if (values[i].kind == SGL_LOG_INTEGER && strcmp(layout->columns[i].name, name) == 0)
            return values[i].integer;
    return SGL_ABSENT;
}

/* Writes the place of the difference, "decision, sequence 7, request 3", into the text. */
static void describe_place(const struct sgl_verify_difference *difference, char *text, size_t size)
{
    const struct {
        const char *name;
        int64_t value;
    } keys[] = {{"sequence", difference->sequence},
                {"request", difference->request},
                {"worker", difference->worker}};
    size_t used = (size_t)snprintf(text, size, "%s", difference->table);

    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && used < size; i++)
        if (keys[i].value != SGL_ABSENT)
            used += (size_t)snprintf(text + used, size - used, ", %s %" PRId64, keys[i].name,
                                     keys[i].value);
}

/* The build that wrote the log, when it is not this one. */
static const char *build_note(const struct verification *self, char *out, size_t size)
{
    const char *version = sgl_log_reader_fact(self->reader, "version");
    const char *build = sgl_log_reader_fact(self->reader, "build");

    out[0] = '\0';
    if (!self->report->is_same_build)
        snprintf(out, size, " (the log was written by another build: sglsim %.20s, %.60s)",
                 version != NULL ? version : "of unknown version", build != NULL ? build : "-");
    return out;
}

/* The first difference counts; `what` says what is wrong at its place. */
static void differ(struct verification *self, enum sgl_log_table table,
                   const struct sgl_log_value *values, const char *what)
{
    struct sgl_verify_difference *difference = &self->report->difference;
    char place[128];
    char note[160];

    self->has_difference = true;
    self->report->status = SGL_VERIFY_DIFFERENT;
    difference->table = sgl_log_layouts[table].name;
    difference->sequence = SGL_ABSENT;
    difference->request = SGL_ABSENT;
    difference->worker = SGL_ABSENT;
    if (values != NULL) {
        difference->sequence = value_named(table, values, "sequence");
        difference->request = value_named(table, values, "request");
        difference->worker = value_named(table, values, "worker");
    }
    describe_place(difference, place, sizeof place);
    sgl_fail(&self->failure, SGL_EINVAL, "%s: %s%s", place, what,
             build_note(self, note, sizeof note));
    memcpy(self->report->text, self->failure.text, sizeof self->report->text);
}

static void differ_column(struct verification *self, enum sgl_log_table table, uint32_t column,
                          const struct sgl_log_value *logged, const struct sgl_log_value *again)
{
    struct sgl_verify_difference *difference = &self->report->difference;
    char what[256];

    difference->column = sgl_log_layouts[table].columns[column].name;
    sgl_log_value_text(&logged[column], difference->logged);
    sgl_log_value_text(&again[column], difference->again);
    snprintf(what, sizeof what, "%s is %s, re-executed %s", difference->column, difference->logged,
             difference->again);
    differ(self, table, again, what);
}

/* A call of the reader failed. What no run writes is a difference; else the log is unreadable. */
static void fail_reading(struct verification *self, int code, enum sgl_log_table table)
{
    if (code != SGL_EINVAL) {
        self->status = code;
        return;
    }
    const struct sgl_failure found = self->failure;
    differ(self, table, NULL, found.text);
}

/* ---- the store that compares ---- */

/* Rows of these tables come in the order in which they were written. */
static bool is_streamed(enum sgl_log_table table)
{
    return table == SGL_LOG_DECISION || table == SGL_LOG_CANDIDATE || table == SGL_LOG_OUTCOME;
}

/* Candidates are known by two columns, all other rows by their first. */
static uint32_t key_count(enum sgl_log_table table)
{
    return table == SGL_LOG_CANDIDATE ? 2 : 1;
}

static void compare_row(struct verification *self, enum sgl_log_table table,
                        const struct sgl_log_value *again)
{
    struct sgl_log_value logged[SGL_LOG_COLUMN_MAX];
    const uint32_t column_count = sgl_log_layouts[table].column_count;
    const int got = is_streamed(table)
                        ? sgl_log_reader_next_row(self->reader, table, logged, &self->failure)
                        : sgl_log_reader_find_row(self->reader, table, again[0].integer, logged,
                                                  &self->failure);

    if (got < 0) {
        fail_reading(self, got, table);
        return;
    }
    for (uint32_t i = 0; i < key_count(table); i++) {
        if (got == 1 && logged[i].integer < again[i].integer) {
            differ(self, table, logged, "the log has a row that no input brings about");
            return;
        }
        if (got == 0 || logged[i].integer > again[i].integer) {
            differ(self, table, again, "the row is missing from the log");
            return;
        }
    }
    for (uint32_t i = 0; i < column_count; i++)
        if (!sgl_log_value_equal(&logged[i], &again[i])) {
            differ_column(self, table, i, logged, again);
            return;
        }
    self->row_counts[table]++;
}

/* Counts and digests that the writer of this re-execution states, against those in the log. */
static void compare_total(struct verification *self, const struct sgl_log_value *again)
{
    const char *key = again[SGL_LOG_RUN_KEY].bytes;
    const char *value = again[SGL_LOG_RUN_VALUE].bytes;
    const bool is_count = strncmp(key, "rows.", strlen("rows.")) == 0;
    const bool is_digest = strncmp(key, "digest.", strlen("digest.")) == 0;
    char what[256];

    if (!is_count && !is_digest)
        return;
    for (int table = SGL_LOG_RUN + 1; table < SGL_LOG_TABLE_COUNT; table++) {
        const char *logged = sgl_log_reader_fact(self->reader, key);
        if (strcmp(strchr(key, '.') + 1, sgl_log_layouts[table].name) != 0 ||
            (logged != NULL && strcmp(logged, value) == 0))
            continue;
        if (is_count)
            snprintf(what, sizeof what, "run says %.20s rows, re-execution writes %.20s",
                     logged != NULL ? logged : "NULL", value);
        else
            snprintf(what, sizeof what,
                     "a value that no decision depends on was changed, or rows were exchanged: the "
                     "digest of the rows is not the one in run");
        differ(self, (enum sgl_log_table)table, NULL, what);
        return;
    }
}

static int compare(struct sgl_log_store *store, enum sgl_log_table table,
                   const struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct verification *self = of_store(store);

    if (table == SGL_LOG_RUN)
        compare_total(self, values);
    else
        compare_row(self, table, values);
    /* The writer goes quiet after a failure, so that nothing follows the first difference. */
    return self->has_difference || self->status != SGL_OK
               ? sgl_fail(failure, SGL_EINVAL, "%s", self->failure.text)
               : SGL_OK;
}

static int finish(struct sgl_log_store *store, struct sgl_failure *failure)
{
    (void)store;
    (void)failure;
    return SGL_OK;
}

/* The store is part of the verification. */
static void destroy(struct sgl_log_store *store)
{
    (void)store;
}

static const struct sgl_log_store_ops store_ops = {
    .put = compare,
    .finish = finish,
    .destroy = destroy,
};

/* ---- the sink before the writer ---- */

static struct sgl_sink *writer(struct sgl_sink *sink)
{
    return sgl_log_sink(((struct verification *)sink)->log);
}

static void pass_input(struct sgl_sink *sink, uint64_t sequence, const struct sgl_input *input)
{
    writer(sink)->ops->input(writer(sink), sequence, input);
}

/* decision_ns was measured, once: take the log's. */
static void pass_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct verification *self = (struct verification *)sink;
    struct sgl_log_value logged[SGL_LOG_COLUMN_MAX];
    struct sgl_decision timed = *decision;

    /* A row that is missing or cannot be read is found by compare_row. */
    if (sgl_log_reader_find_row(self->reader, SGL_LOG_DECISION, (int64_t)decision->sequence, logged,
                                NULL) == 1 &&
        logged[SGL_LOG_DECISION_DECISION_NS].kind == SGL_LOG_INTEGER)
        timed.decision_ns = logged[SGL_LOG_DECISION_DECISION_NS].integer;
    writer(sink)->ops->decision(writer(sink), &timed, candidates, candidate_count);
}

static void pass_outcome(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    writer(sink)->ops->outcome(writer(sink), record);
}

static const struct sgl_sink_ops sink_ops = {
    .input = pass_input,
    .decision = pass_decision,
    .outcome = pass_outcome,
};

/* ---- the run ---- */

static int read_policies(struct verification *self, struct sgl_failure *failure)
{
    char key[32];

    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        snprintf(key, sizeof key, "policy.%s", sgl_pool_name((enum sgl_pool)pool));
        const char *text = sgl_log_reader_fact(self->reader, key);
        if (text == NULL)
            continue;
        const int status = sgl_policy_parse(&self->specs[pool], text, failure);
        if (status != SGL_OK)
            return status;
        self->has_spec[pool] = true;
        self->options.policy[pool] = &self->specs[pool];
    }
    return SGL_OK;
}

static int read_options(struct verification *self, struct sgl_failure *failure)
{
    const char *candidates = sgl_log_reader_fact(self->reader, "candidates");
    uint64_t worker_max;
    int status =
        sgl_log_reader_number(self->reader, "seed", UINT64_MAX, &self->options.seed, failure);

    if (status == SGL_OK)
        status = sgl_log_reader_number(self->reader, "worker_max", WORKER_MAX_MOST, &worker_max,
                                       failure);
    if (status != SGL_OK)
        return status;
    self->options.worker_max = (uint32_t)worker_max;
    self->options.epoch_ns = SGL_ABSENT; /* no decision depends on the date */
    self->options.candidates = candidates != NULL && strcmp(candidates, "chosen") == 0
                                   ? SGL_LOG_CANDIDATES_CHOSEN
                                   : SGL_LOG_CANDIDATES_ALL;
    return read_policies(self, failure);
}

static int begin(struct verification *self, const char *path, struct sgl_failure *failure)
{
    int status = sgl_log_reader_open(&self->reader, path, failure);

    if (status == SGL_OK)
        status = read_options(self, failure);
    if (status != SGL_OK)
        return status;
    const char *version = sgl_log_reader_fact(self->reader, "version");
    const char *build = sgl_log_reader_fact(self->reader, "build");
    self->report->is_same_build = version != NULL && strcmp(version, SGL_VERSION) == 0 &&
                                  build != NULL && strcmp(build, sgl_log_build()) == 0;
    status = sgl_log_open_store(&self->log, &self->store, &self->options, failure);
    if (status != SGL_OK)
        return status;
    return sgl_router_create(&self->router,
                             &(struct sgl_router_options){
                                 .seed = self->options.seed,
                                 .worker_max = self->options.worker_max,
                                 .policy = {self->options.policy[SGL_POOL_REGULAR],
                                            self->options.policy[SGL_POOL_PREFILL],
                                            self->options.policy[SGL_POOL_DECODE]},
                                 .sink = &self->sink,
                             },
                             failure);
}

static void end(struct verification *self)
{
    sgl_router_destroy(self->router);
    sgl_log_discard(self->log);
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        if (self->has_spec[pool])
            sgl_policy_release(&self->specs[pool]);
    sgl_log_reader_close(self->reader);
}

/* Is the next sequence the first of a gap? Then nothing behind it can be proved. */
static bool is_gap(struct verification *self)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    const int64_t next = (int64_t)self->report->sequence + 1;
    const int got =
        sgl_log_reader_find_row(self->reader, SGL_LOG_GAP, next, values, &self->failure);

    if (got < 0)
        fail_reading(self, got, SGL_LOG_GAP);
    if (got != 1)
        return false;
    self->report->status = SGL_VERIFY_INCOMPLETE;
    snprintf(self->report->text, sizeof self->report->text,
             "verified up to sequence %" PRIu64 ", then a gap of %" PRId64 " inputs",
             self->report->sequence, values[SGL_LOG_GAP_DROPPED].integer);
    return true;
}

static void feed(struct verification *self, const struct sgl_logged_input *logged)
{
    const struct sgl_log_value at[SGL_LOG_INPUT_COLUMN_COUNT] = {
        [SGL_LOG_INPUT_SEQUENCE] = sgl_log_integer((int64_t)logged->sequence),
    };
    struct sgl_failure refusal;
    char what[400];
    const int status = sgl_router_feed(self->router, &logged->input, NULL, &refusal);

    if (status == SGL_ENOMEM) {
        self->status = sgl_fail(&self->failure, status, "%s", refusal.text);
    } else if (status != SGL_OK) {
        snprintf(what, sizeof what, "the router refuses it: %.350s", refusal.text);
        differ(self, SGL_LOG_INPUT, at, what);
    } else if (!self->has_difference && self->status == SGL_OK) {
        self->report->sequence = logged->sequence;
    }
}

/* Feeds every input. False: a verdict was reached, or the log cannot be read on. */
static bool re_execute(struct verification *self)
{
    struct sgl_logged_input logged;

    for (;;) {
        const uint64_t next = self->report->sequence + 1;
        const int got = sgl_log_reader_next_input(self->reader, &logged, &self->failure);
        if (got < 0) {
            fail_reading(self, got, SGL_LOG_INPUT);
            return false;
        }
        if ((got == 0 || logged.sequence != next) && is_gap(self))
            return false;
        if (self->has_difference || self->status != SGL_OK)
            return false;
        if (got == 0)
            return true;
        if (logged.sequence != next) {
            const struct sgl_log_value at[SGL_LOG_INPUT_COLUMN_COUNT] = {
                [SGL_LOG_INPUT_SEQUENCE] = sgl_log_integer((int64_t)next),
            };
            differ(self, SGL_LOG_INPUT, at, "the row is missing from the log");
            return false;
        }
        feed(self, &logged);
        if (self->has_difference || self->status != SGL_OK)
            return false;
    }
}

/* Rows that nothing asked for: those left in the streams, and those beyond the ones found. */
static void look_for_more_rows(struct verification *self, enum sgl_log_table table)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    uint64_t count = 0;
    char what[128];
    int got;

    while ((got = sgl_log_reader_next_row(self->reader, table, values, &self->failure)) == 1) {
        count++;
        if (is_streamed(table)) {
            differ(self, table, values, "the log has a row that no input brings about");
            return;
        }
    }
    if (got < 0) {
        fail_reading(self, got, table);
    } else if (!is_streamed(table) && count != self->row_counts[table]) {
        snprintf(what, sizeof what, "the log has %" PRIu64 " rows, %" PRIu64 " inputs bring one",
                 count, self->row_counts[table]);
        differ(self, table, NULL, what);
    }
}

static void check_totals(struct verification *self)
{
    static const enum sgl_log_table tables[] = {SGL_LOG_WORKER,   SGL_LOG_REQUEST,
                                                SGL_LOG_DECISION, SGL_LOG_CANDIDATE,
                                                SGL_LOG_OUTCOME,  SGL_LOG_GAP};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        look_for_more_rows(self, tables[i]);
        if (self->has_difference || self->status != SGL_OK)
            return;
    }
    if (!sgl_log_reader_is_complete(self->reader)) {
        self->report->status = SGL_VERIFY_INCOMPLETE;
        snprintf(self->report->text, sizeof self->report->text,
                 "verified up to sequence %" PRIu64 ", where the log was cut off: its run did not "
                 "finish",
                 self->report->sequence);
        return;
    }
    /* Closing makes the writer state its counts and digests, which compare_total sees. */
    sgl_log_close(self->log, &self->failure);
    self->log = NULL;
    if (!self->has_difference && !sgl_log_reader_is_run_intact(self->reader))
        differ(self, SGL_LOG_RUN, NULL,
               "a row was changed, added or taken away: its digest differs");
}

int sgl_verify(const char *path, struct sgl_verify_report *report, struct sgl_failure *failure)
{
    struct verification self = {
        .sink = {.ops = &sink_ops, .wants_candidates = true},
        .store = {.ops = &store_ops},
        .report = report,
    };

    *report = (struct sgl_verify_report){.status = SGL_VERIFY_IDENTICAL};
    int status = begin(&self, path, failure);
    if (status == SGL_OK) {
        if (re_execute(&self))
            check_totals(&self);
        if (self.status != SGL_OK)
            status = sgl_fail(failure, self.status, "%s", self.failure.text);
    }
    report->input_count = self.row_counts[SGL_LOG_INPUT];
    report->decision_count = self.row_counts[SGL_LOG_DECISION];
    report->candidate_count = self.row_counts[SGL_LOG_CANDIDATE];
    report->outcome_count = self.row_counts[SGL_LOG_OUTCOME];
    if (status == SGL_OK && report->status == SGL_VERIFY_IDENTICAL)
        snprintf(report->text, sizeof report->text,
                 "identical: %" PRIu64 " inputs, %" PRIu64 " decisions, %" PRIu64
                 " candidates, %" PRIu64 " outcomes",
                 report->input_count, report->decision_count, report->candidate_count,
                 report->outcome_count);
    end(&self);
    return status;
}
