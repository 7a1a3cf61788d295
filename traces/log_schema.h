/*
 * log_schema.h - what a decision log holds: its tables, columns and views, whatever it is stored
 * in.
 *
 *     run         key -> value: version, seed, policies, digests ...        one row per fact
 *     worker      url, role, model            <----------------+
 *     request     what the router knew of it  <-------------+  |            one per request
 *                                                           |  |
 *     input       1, 2, 3, ...: all that a router is fed  --+--+            one per input
 *        |  kind = route                  |  kind = complete, cancel, reject
 *        v  same sequence                 v  same sequence
 *     decision    worker, reason       outcome   what was measured, and the policy's view of the
 *        |        propensity              |      worker after it;  decision_sequence -> decision
 *        v  same sequence                 |
 *     candidate   one row per worker that could have been chosen: why
 *     gap         sequence of the first of `dropped` inputs that were lost  (live logs only)
 *     itl         worker: how many gaps between tokens were how long  (simulated logs only)
 *     prompt      request: its body, as the client sent it  (live logs that were told to only)
 *
 * A fact is stored once. The fields of an answer stand in `outcome`; the row of its input only has
 * what `outcome` lacks (queue_length, reported_ns). The request of a route stands in `request`,
 * written at its first route (attempt 0, pool regular or prefill); the url, role and model of
 * add_worker stand in `worker`. A column that a kind of input does not use is NULL, and so is
 * whatever nobody measured: NULL is "absent", 0 is zero.
 *
 *   input.kind                                 columns used beside sequence, time_ns and kind
 *   -----------------------------------------  -----------------------------------------------
 *   route                                      request, attempt, pool, excluded ("0 3 5")
 *   first_token                                request, attempt, pool
 *   complete, cancel, reject                   request, attempt, pool, queue_length, reported_ns
 *   add_worker                                 pool, worker (the index it got)
 *   remove_worker                              worker
 *   probe_result, set_health, set_draining     worker, is_on
 *   report_load                                worker, queue_length, running, token_usage,
 *                                              reported_ns
 *   flush_cache, tick                          -
 *
 * Kinds, pools, reasons and priorities are their texts, never numbers. Units are in the names: _ns
 * integer nanoseconds since the run's start (run.epoch_ns says when that was) or of duration, _s
 * seconds, _tps tokens per second, tokens counted one by one. throughput_gradient is in tokens/s
 * per s, latency_gradient in s per s. prefix_ids is a blob of unsigned 64-bit little-endian
 * numbers: for 64-bit hashes it takes 8 bytes an id where decimal text takes 20, and a prompt of
 * 512 blocks is copied in 0.1 us instead of printed in 10.
 *
 * candidate has no primary key. A table WITHOUT ROWID on (sequence, worker) is 3 % smaller, but
 * measured over 200,000 requests of 4 candidates its inserts cost 7.5 to 8.3 us per request against
 * 6.2 and 1.1 for plain rows and an index on sequence built at the end (with 4 KiB pages, which
 * durable logs use, 14.1 against 7.3 and 1.3).
 *
 * Digests. Each table has a digest in run: the sum, modulo 2^64, of a hash of every row, which
 * covers the kinds and values of all its columns, keys included. A changed, missing, added or
 * exchanged row changes the sum, also where re-executing the inputs could not tell. It finds
 * mistakes, not forgers: who edits the log can compute it too.
 */
#ifndef SGL_TRACES_LOG_SCHEMA_H
#define SGL_TRACES_LOG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_LOG_APPLICATION 0x73676c67 /* "sglg": SQLite's application_id of a decision log */
#define SGL_LOG_VERSION 1              /* SQLite's user_version: of the tables, not the program */

#define SGL_LOG_COLUMN_MAX 24

enum sgl_log_kind { SGL_LOG_NULL, SGL_LOG_INTEGER, SGL_LOG_REAL, SGL_LOG_TEXT, SGL_LOG_BLOB };

/* clang-format off */
enum sgl_log_table {
#define LOG_TABLE(upper, lower, order) SGL_LOG_##upper,
#define LOG_COLUMN(table, upper, lower, kind, constraint)
#define LOG_END(upper, lower)
#include "log_columns.def"
#undef LOG_TABLE
#undef LOG_COLUMN
#undef LOG_END
    SGL_LOG_TABLE_COUNT
};

/* SGL_LOG_INPUT_SEQUENCE, ..., SGL_LOG_INPUT_COLUMN_COUNT, and so on. */
#define LOG_TABLE(upper, lower, order) enum sgl_log_##lower##_column {
#define LOG_COLUMN(table, upper, lower, kind, constraint) SGL_LOG_##table##_##upper,
#define LOG_END(upper, lower) SGL_LOG_##upper##_COLUMN_COUNT };
#include "log_columns.def"
#undef LOG_TABLE
#undef LOG_COLUMN
#undef LOG_END
/* clang-format on */

struct sgl_log_column {
    const char *name;
    enum sgl_log_kind kind;
    const char *constraint; /* as SQL has it; "" without */
};

struct sgl_log_layout {
    const char *name;
    const char *order; /* the column by which its rows are read */
    const struct sgl_log_column *columns;
    uint32_t column_count;
};

extern const struct sgl_log_layout sgl_log_layouts[SGL_LOG_TABLE_COUNT];

/* Logs were written before the table was: one without it has no rows of it. */
static inline bool sgl_log_may_lack(enum sgl_log_table table)
{
    return table == SGL_LOG_ITL || table == SGL_LOG_PROMPT;
}

/* "integer", "text", ... */
const char *sgl_log_kind_name(enum sgl_log_kind kind);

/* Built when a log is finished: rows are found by request, and candidates by their decision. */
extern const char sgl_log_indexes_sql[];

#endif
