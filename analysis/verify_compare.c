#include "verify_compare.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static struct sgl_comparer *of_store(struct sgl_log_store *store)
{
    return (struct sgl_comparer *)((char *)store - offsetof(struct sgl_comparer, store));
}

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
static const char *build_note(const struct sgl_comparer *self, char *out, size_t size)
{
    const char *version = sgl_log_reader_fact(self->reader, "version");
    const char *build = sgl_log_reader_fact(self->reader, "build");

    out[0] = '\0';
    if (!self->report->is_same_build)
        snprintf(out, size, " (the log was written by another build: sglsim %.20s, %.60s)",
                 version != NULL ? version : "of unknown version", build != NULL ? build : "-");
    return out;
}

void sgl_comparer_differ(struct sgl_comparer *self, enum sgl_log_table table,
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

static void differ_column(struct sgl_comparer *self, enum sgl_log_table table, uint32_t column,
                          const struct sgl_log_value *logged, const struct sgl_log_value *again)
{
    struct sgl_verify_difference *difference = &self->report->difference;
    char what[256];

    difference->column = sgl_log_layouts[table].columns[column].name;
    sgl_log_value_text(&logged[column], difference->logged);
    sgl_log_value_text(&again[column], difference->again);
    snprintf(what, sizeof what, "%s is %s, re-executed %s", difference->column, difference->logged,
             difference->again);
    sgl_comparer_differ(self, table, again, what);
}

void sgl_comparer_fail_reading(struct sgl_comparer *self, int code, enum sgl_log_table table)
{
    if (code != SGL_EINVAL) {
        self->status = code;
        return;
    }
    const struct sgl_failure found = self->failure;
    sgl_comparer_differ(self, table, NULL, found.text);
}

/* ---- the store that compares ---- */

bool sgl_comparer_is_streamed(enum sgl_log_table table)
{
    return table == SGL_LOG_DECISION || table == SGL_LOG_CANDIDATE || table == SGL_LOG_OUTCOME;
}

/* Candidates are known by two columns, all other rows by their first. */
static uint32_t key_count(enum sgl_log_table table)
{
    return table == SGL_LOG_CANDIDATE ? 2 : 1;
}

static void compare_row(struct sgl_comparer *self, enum sgl_log_table table,
                        const struct sgl_log_value *again)
{
    struct sgl_log_value logged[SGL_LOG_COLUMN_MAX];
    const uint32_t column_count = sgl_log_layouts[table].column_count;
    const int got = sgl_comparer_is_streamed(table)
                        ? sgl_log_reader_next_row(self->reader, table, logged, &self->failure)
                        : sgl_log_reader_find_row(self->reader, table, again[0].integer, logged,
                                                  &self->failure);

    if (got < 0) {
        sgl_comparer_fail_reading(self, got, table);
        return;
    }
    for (uint32_t i = 0; i < key_count(table); i++) {
        if (got == 1 && logged[i].integer < again[i].integer) {
            sgl_comparer_differ(self, table, logged,
                                "the log has a row that no input brings about");
            return;
        }
        if (got == 0 || logged[i].integer > again[i].integer) {
            sgl_comparer_differ(self, table, again, "the row is missing from the log");
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
static void compare_total(struct sgl_comparer *self, const struct sgl_log_value *again)
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
        if (logged == NULL && sgl_log_may_lack((enum sgl_log_table)table) &&
            self->row_counts[table] == 0)
            continue;
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
        sgl_comparer_differ(self, (enum sgl_log_table)table, NULL, what);
        return;
    }
}

static int compare(struct sgl_log_store *store, enum sgl_log_table table,
                   const struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct sgl_comparer *self = of_store(store);

    /* What comes from the log itself is only counted, for the totals. */
    if (table == SGL_LOG_RUN)
        compare_total(self, values);
    else if (table == SGL_LOG_ITL || table == SGL_LOG_PROMPT)
        self->row_counts[table]++;
    else
        compare_row(self, table, values);
    /* The writer goes quiet after a failure, so that nothing follows the first difference. */
    return sgl_comparer_has_stopped(self) ? sgl_fail(failure, SGL_EINVAL, "%s", self->failure.text)
                                          : SGL_OK;
}

static int finish(struct sgl_log_store *store, struct sgl_failure *failure)
{
    (void)store;
    (void)failure;
    return SGL_OK;
}

/* The store is part of the comparer, whose owner has it. */
static void destroy(struct sgl_log_store *store)
{
    (void)store;
}

static const struct sgl_log_store_ops store_ops = {
    .put = compare,
    .finish = finish,
    .destroy = destroy,
};

void sgl_comparer_init(struct sgl_comparer *comparer, struct sgl_log_reader *reader,
                       struct sgl_verify_report *report)
{
    *comparer =
        (struct sgl_comparer){.store = {.ops = &store_ops}, .reader = reader, .report = report};
}

bool sgl_comparer_has_stopped(const struct sgl_comparer *comparer)
{
    return comparer->has_difference || comparer->status != SGL_OK;
}
