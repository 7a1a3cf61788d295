/*
 * log_reader.h - a decision log, read back as what the router was fed and what it said.
 *
 * Four streams over one file, each at its own pace, in order of sequence: inputs (joined with their
 * request, worker or outcome), decisions, candidates, outcomes. Or any table as rows, but then not
 * as a stream too: they share their place.
 *
 * What a call gives is borrowed until the next call for the same stream. 1: there is one; 0: the
 * end; SGL_EINVAL: the log holds what no run writes (the line says table, row and column);
 * SGL_EIO: the file cannot be read. The file may be hostile: the worst is such a failure.
 */
#ifndef SGL_TRACES_LOG_READER_H
#define SGL_TRACES_LOG_READER_H

#include "core/decision.h"
#include "core/gaps.h"
#include "log_store.h"

struct sgl_log_reader;

struct sgl_logged_input {
    uint64_t sequence;
    struct sgl_input input;
    struct sgl_request request; /* of a route */
};

struct sgl_logged_candidate {
    uint64_t sequence;
    struct sgl_candidate candidate;
};

/* now_ns of decisions and outcomes is in their inputs, and SGL_ABSENT here; so are the candidate
 * fields that an outcome does not store. record.outcome is &outcome. */
struct sgl_logged_outcome {
    struct sgl_outcome_record record;
    struct sgl_outcome outcome;
};

int sgl_log_reader_open(struct sgl_log_reader **reader_out, const char *path,
                        struct sgl_failure *failure);
void sgl_log_reader_close(struct sgl_log_reader *reader);

/* A fact of the run (log_sink.h lists them), or NULL. Lives as long as the reader. */
const char *sgl_log_reader_fact(const struct sgl_log_reader *reader, const char *key);

/* A fact that is a decimal number of at most `most`; SGL_EINVAL when it is missing or is not. */
int sgl_log_reader_number(const struct sgl_log_reader *reader, const char *key, uint64_t most,
                          uint64_t *number_out, struct sgl_failure *failure);

/* Was the run finished, so that counts and digests are known? */
bool sgl_log_reader_is_complete(const struct sgl_log_reader *reader);

/* Of a complete log: are the facts those that its writer digested? */
bool sgl_log_reader_is_run_intact(const struct sgl_log_reader *reader);

int sgl_log_reader_next_input(struct sgl_log_reader *reader, struct sgl_logged_input *out,
                              struct sgl_failure *failure);
int sgl_log_reader_next_decision(struct sgl_log_reader *reader, struct sgl_decision *out,
                                 struct sgl_failure *failure);
int sgl_log_reader_next_candidate(struct sgl_log_reader *reader, struct sgl_logged_candidate *out,
                                  struct sgl_failure *failure);
int sgl_log_reader_next_outcome(struct sgl_log_reader *reader, struct sgl_logged_outcome *out,
                                struct sgl_failure *failure);

/* Gaps between tokens, a class at a time: *class_out, to which gaps_out points. */
int sgl_log_reader_next_gaps(struct sgl_log_reader *reader, struct sgl_gaps *gaps_out,
                             struct sgl_gap_class *class_out, struct sgl_failure *failure);

int sgl_log_reader_next_row(struct sgl_log_reader *reader, enum sgl_log_table table,
                            struct sgl_log_value *values, struct sgl_failure *failure);

/* The row of that key in the table's first column; leaves the streams where they are. */
int sgl_log_reader_find_row(struct sgl_log_reader *reader, enum sgl_log_table table, int64_t key,
                            struct sgl_log_value *values, struct sgl_failure *failure);

#endif
