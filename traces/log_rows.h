/*
 * log_rows.h - a log while it is written, and the rows that it is written as. For log_sink.c, which
 * begins, goes on with and ends a log; everybody else sees log_sink.h.
 *
 *     router --> sgl_log_rows_ops (log_rows.c) --sgl_log_put--> totals, digests, the store
 *     facts, gaps, bodies, counts (log_sink.c) ----^
 *
 * After a failure nothing is put any more: has_failed, and `failure` has the first.
 */
#ifndef SGL_TRACES_LOG_ROWS_H
#define SGL_TRACES_LOG_ROWS_H

#include "log_kept.h"
#include "log_sink.h"

struct sgl_log_totals {
    uint64_t rows[SGL_LOG_TABLE_COUNT];
    uint64_t digests[SGL_LOG_TABLE_COUNT];
};

struct sgl_log {
    struct sgl_sink sink; /* first: the router's pointer is ours */
    struct sgl_log_store *store;
    enum sgl_log_candidates candidates;
    bool is_durable;
    uint32_t worker_count; /* added so far: the next add_worker gets this index */

    uint64_t uncommitted; /* inputs */
    int64_t committed_ns;
    uint64_t end;                 /* behind the last sequence that was heard of, in a gap or not */
    struct sgl_kept_workers kept; /* added and not committed; of a durable log */

    struct sgl_log_totals totals;
    struct sgl_log_totals committed_totals;
    uint64_t committed_end;

    void *scratch; /* prefix ids as stored, or a list of excluded workers; grows */
    size_t scratch_size;

    bool has_failed;
    struct sgl_failure failure;
};

/* What is told to the log as a sink. */
extern const struct sgl_sink_ops sgl_log_rows_ops;

/* Counts the row, adds it to the table's digest, and hands it to the store. */
void sgl_log_put(struct sgl_log *log, enum sgl_log_table table, const struct sgl_log_value *values);

/* The input, and its request or worker where it brings one. */
void sgl_log_put_input(struct sgl_log *log, uint64_t sequence, const struct sgl_input *input);

/* What was put so far is the log's, come what may; now_ns is the time of the run. */
void sgl_log_commit_at(struct sgl_log *log, int64_t now_ns);

#endif
