#include "verify.h"

#include "core/router.h"
#include "core/version.h"
#include "core/text.h"
#include "traces/log_sink.h"
#include "verify_compare.h"

#include <inttypes.h>
#include <stdio.h>

/* A log is not trusted with the memory of a router: no fleet is that large. */

struct verification {
    struct sgl_sink sink; /* first: what the router calls; passes on to the log writer */
    struct sgl_verify_report *report;
    struct sgl_log_reader *reader;
    struct sgl_comparer comparer;
    struct sgl_log *log; /* writes into the comparer */
    struct sgl_router *router;
    struct sgl_policy_spec specs[SGL_POOL_COUNT];
    bool has_spec[SGL_POOL_COUNT];
    struct sgl_log_options options;
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

    const int got =
        sgl_log_reader_find_row(self->reader, SGL_LOG_DECISION, (int64_t)decision->sequence, logged,
                                &self->comparer.failure);
    /* A row that is missing or is none of ours is found by compare_row. */
    if (got < 0 && got != SGL_EINVAL)
        sgl_comparer_fail_reading(&self->comparer, got, SGL_LOG_DECISION);
    if (got == 1 && logged[SGL_LOG_DECISION_DECISION_NS].kind == SGL_LOG_INTEGER)
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
    const struct sgl_limit *limit;
    int status =
        sgl_log_reader_number(self->reader, "seed", UINT64_MAX, &self->options.seed, failure);

    for (uint32_t i = 0; status == SGL_OK && (limit = sgl_limit_at(i)) != NULL; i++) {
        uint64_t value;
        status = sgl_log_reader_number(self->reader, limit->name, limit->most, &value, failure);
        if (status == SGL_OK)
            sgl_limit_set(&self->options.limits, limit, value);
    }
    if (status != SGL_OK)
        return status;
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
    sgl_comparer_init(&self->comparer, self->reader, self->report);
    status = sgl_log_open_store(&self->log, &self->comparer.store, &self->options, failure);
    if (status != SGL_OK)
        return status;
    return sgl_router_create(&self->router,
                             &(struct sgl_router_options){
                                 .seed = self->options.seed,
                                 .limits = self->options.limits,
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
        sgl_log_reader_find_row(self->reader, SGL_LOG_GAP, next, values, &self->comparer.failure);

    if (got < 0)
        sgl_comparer_fail_reading(&self->comparer, got, SGL_LOG_GAP);
    if (got != 1)
        return false;
    self->report->status = SGL_VERIFY_INCOMPLETE;
    snprintf(self->report->text, sizeof self->report->text,
             "verified up to sequence %" PRIu64 ", then a gap of %" PRId64 " input%s",
             self->report->sequence, values[SGL_LOG_GAP_DROPPED].integer,
             sgl_plural((uint64_t)values[SGL_LOG_GAP_DROPPED].integer));
    return true;
}

/* A writer that ran out of memory compares nothing any more, which is no difference of the log. */
static bool has_quiet_writer(struct verification *self)
{
    const char *text = sgl_log_failure(self->log);

    if (text == NULL || sgl_comparer_has_stopped(&self->comparer))
        return false;
    self->comparer.status = sgl_fail(&self->comparer.failure, SGL_ENOMEM, "%s", text);
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
        self->comparer.status = sgl_fail(&self->comparer.failure, status, "%s", refusal.text);
    } else if (has_quiet_writer(self)) {
        return;
    } else if (status != SGL_OK) {
        snprintf(what, sizeof what, "the router refuses it: %.350s", refusal.text);
        sgl_comparer_differ(&self->comparer, SGL_LOG_INPUT, at, what);
    } else if (!sgl_comparer_has_stopped(&self->comparer)) {
        self->report->sequence = logged->sequence;
    }
}

/* Feeds every input. False: a verdict was reached, or the log cannot be read on. */
static bool re_execute(struct verification *self)
{
    struct sgl_logged_input logged;

    for (;;) {
        const uint64_t next = self->report->sequence + 1;
        const int got = sgl_log_reader_next_input(self->reader, &logged, &self->comparer.failure);
        if (got < 0) {
            sgl_comparer_fail_reading(&self->comparer, got, SGL_LOG_INPUT);
            return false;
        }
        if ((got == 0 || logged.sequence != next) && is_gap(self))
            return false;
        if (sgl_comparer_has_stopped(&self->comparer))
            return false;
        if (got == 0)
            return true;
        if (logged.sequence != next) {
            const struct sgl_log_value at[SGL_LOG_INPUT_COLUMN_COUNT] = {
                [SGL_LOG_INPUT_SEQUENCE] = sgl_log_integer((int64_t)next),
            };
            sgl_comparer_differ(&self->comparer, SGL_LOG_INPUT, at,
                                "the row is missing from the log");
            return false;
        }
        feed(self, &logged);
        if (sgl_comparer_has_stopped(&self->comparer))
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

    while ((got = sgl_log_reader_next_row(self->reader, table, values, &self->comparer.failure)) ==
           1) {
        count++;
        if (sgl_comparer_is_streamed(table)) {
            sgl_comparer_differ(&self->comparer, table, values,
                                "the log has a row that no input brings about");
            return;
        }
    }
    if (got < 0) {
        sgl_comparer_fail_reading(&self->comparer, got, table);
    } else if (!sgl_comparer_is_streamed(table) && count != self->comparer.row_counts[table]) {
        snprintf(what, sizeof what, "the log has %" PRIu64 " rows, %" PRIu64 " inputs bring one",
                 count, self->comparer.row_counts[table]);
        sgl_comparer_differ(&self->comparer, table, NULL, what);
    }
}

/* Gaps between tokens are no affair of the router: they go from the log to the writer, whose count
 * and digest of them are compared in the end. */
static void pass_gaps(struct verification *self)
{
    struct sgl_gap_class class;
    struct sgl_gaps gaps;
    char what[96];
    int got;

    while ((got = sgl_log_reader_next_gaps(self->reader, &gaps, &class, &self->comparer.failure)) ==
           1) {
        if (gaps.worker >= self->comparer.row_counts[SGL_LOG_WORKER]) {
            snprintf(what, sizeof what, "worker %" PRIu32 " was never added", gaps.worker);
            sgl_comparer_differ(&self->comparer, SGL_LOG_ITL, NULL, what);
            return;
        }
        writer(&self->sink)->ops->gaps(writer(&self->sink), &gaps);
    }
    if (got < 0)
        sgl_comparer_fail_reading(&self->comparer, got, SGL_LOG_ITL);
}

/* Nor are the bodies of requests. */
static void pass_prompts(struct verification *self)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_log_value request[SGL_LOG_COLUMN_MAX];
    int got;

    while ((got = sgl_log_reader_next_row(self->reader, SGL_LOG_PROMPT, values,
                                          &self->comparer.failure)) == 1) {
        const int64_t number = values[SGL_LOG_PROMPT_REQUEST].integer;
        got = sgl_log_reader_find_row(self->reader, SGL_LOG_REQUEST, number, request,
                                      &self->comparer.failure);
        if (got < 0)
            break;
        if (got == 0) {
            sgl_comparer_differ(&self->comparer, SGL_LOG_PROMPT, values,
                                "the body of a request that was never routed");
            return;
        }
        const struct sgl_log_value *body = &values[SGL_LOG_PROMPT_BODY];
        sgl_log_prompt(self->log, number, body->kind == SGL_LOG_TEXT ? body->bytes : NULL,
                       (size_t)values[SGL_LOG_PROMPT_BODY_BYTES].integer);
    }
    if (got < 0)
        sgl_comparer_fail_reading(&self->comparer, got, SGL_LOG_PROMPT);
}

static void check_totals(struct verification *self)
{
    static const enum sgl_log_table tables[] = {SGL_LOG_WORKER,   SGL_LOG_REQUEST,
                                                SGL_LOG_DECISION, SGL_LOG_CANDIDATE,
                                                SGL_LOG_OUTCOME,  SGL_LOG_GAP};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        look_for_more_rows(self, tables[i]);
        if (sgl_comparer_has_stopped(&self->comparer))
            return;
    }
    pass_gaps(self);
    if (!sgl_comparer_has_stopped(&self->comparer))
        pass_prompts(self);
    if (sgl_comparer_has_stopped(&self->comparer))
        return;
    if (!sgl_log_reader_is_complete(self->reader)) {
        self->report->status = SGL_VERIFY_INCOMPLETE;
        snprintf(self->report->text, sizeof self->report->text,
                 "verified up to sequence %" PRIu64 ", where the log was cut off: its run did not "
                 "finish",
                 self->report->sequence);
        return;
    }
    /* Closing makes the writer state its counts and digests, which compare_total sees. */
    const int closed = sgl_log_close(self->log, &self->comparer.failure);
    self->log = NULL;
    if (closed != SGL_OK && !sgl_comparer_has_stopped(&self->comparer))
        self->comparer.status = closed;
    if (!sgl_comparer_has_stopped(&self->comparer) && !sgl_log_reader_is_run_intact(self->reader))
        sgl_comparer_differ(&self->comparer, SGL_LOG_RUN, NULL,
                            "a row was changed, added or taken away: its digest differs");
}

/* A log that was told to keep nothing of prompts cannot say again what was decided by them. */
static bool lacks_prompts(struct verification *self)
{
    const char *prompts = sgl_log_reader_fact(self->reader, "prompts");

    if (prompts == NULL || strcmp(prompts, "left out") != 0)
        return false;
    self->report->status = SGL_VERIFY_INCOMPLETE;
    snprintf(self->report->text, sizeof self->report->text,
             "nothing can be verified: the policy decides by prompts, and the log was told to keep "
             "no prefix ids (--log-prompts none)");
    return true;
}

int sgl_verify(const char *path, struct sgl_verify_report *report, struct sgl_failure *failure)
{
    struct verification self = {
        .sink = {.ops = &sink_ops, .wants_candidates = true},
        .report = report,
    };

    *report = (struct sgl_verify_report){.status = SGL_VERIFY_IDENTICAL};
    int status = begin(&self, path, failure);
    if (status == SGL_OK && !lacks_prompts(&self)) {
        if (re_execute(&self))
            check_totals(&self);
        if (self.comparer.status != SGL_OK)
            status = sgl_fail(failure, self.comparer.status, "%s", self.comparer.failure.text);
    }
    report->input_count = self.comparer.row_counts[SGL_LOG_INPUT];
    report->decision_count = self.comparer.row_counts[SGL_LOG_DECISION];
    report->candidate_count = self.comparer.row_counts[SGL_LOG_CANDIDATE];
    report->outcome_count = self.comparer.row_counts[SGL_LOG_OUTCOME];
    if (status == SGL_OK && report->status == SGL_VERIFY_IDENTICAL)
        snprintf(report->text, sizeof report->text,
                 "identical: %" PRIu64 " input%s, %" PRIu64 " decision%s, %" PRIu64
                 " candidate%s, %" PRIu64 " outcome%s",
                 report->input_count, sgl_plural(report->input_count), report->decision_count,
                 sgl_plural(report->decision_count), report->candidate_count,
                 sgl_plural(report->candidate_count), report->outcome_count,
                 sgl_plural(report->outcome_count));
    end(&self);
    return status;
}
