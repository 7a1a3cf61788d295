/*
 * verify_compare.h - private to verify: a store of a log writer that keeps no row, but looks for
 * the same row in a log.
 *
 *     re-executed run --> log writer (log_sink.h) --put(row)--> comparer --> the same row of the
 * log?
 *
 * So what is compared is by construction what a writer writes, and the writer's own counts and
 * digests come along. The comparer stops at the first difference, which it puts into the report.
 */
#ifndef SGL_ANALYSIS_VERIFY_COMPARE_H
#define SGL_ANALYSIS_VERIFY_COMPARE_H

#include "traces/log_reader.h"
#include "verify.h"

struct sgl_comparer {
    struct sgl_log_store store;
    struct sgl_log_reader *reader;            /* borrowed, as the next */
    struct sgl_verify_report *report;         /* is_same_build is set by whoever opened the log */
    uint64_t row_counts[SGL_LOG_TABLE_COUNT]; /* found identical */
    bool has_difference;
    int status; /* negative: the log could not be read on; `failure` says why */
    struct sgl_failure failure;
};

void sgl_comparer_init(struct sgl_comparer *comparer, struct sgl_log_reader *reader,
                       struct sgl_verify_report *report);

/* A difference was found, or the log could not be read on. */
bool sgl_comparer_has_stopped(const struct sgl_comparer *comparer);

/* Files a difference: `values` has the keys of its row, or is NULL; `what` says what is wrong. */
void sgl_comparer_differ(struct sgl_comparer *comparer, enum sgl_log_table table,
                         const struct sgl_log_value *values, const char *what);

/* A call of the reader gave this code, and comparer->failure. What no run writes is a difference;
 * anything else makes the log unreadable. */
void sgl_comparer_fail_reading(struct sgl_comparer *comparer, int code, enum sgl_log_table table);

/* Do the rows of the table come in the order in which they were written? */
bool sgl_comparer_is_streamed(enum sgl_log_table table);

#endif
