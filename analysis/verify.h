/*
 * verify.h - does a decision log say what really follows from its inputs?
 *
 *     log --inputs--> fresh router (policy, seed, limits of the log)
 *                        |  what it says now, as the rows a log writer would write
 *                        v
 *     log --rows---->  compared bit for bit, row by row and column by column; then the counts and
 *                      digests that the writer left in `run`
 *
 * Every table is covered: inputs and what belongs to them are read, fed, and written again; rows
 * too many, too few or exchanged show in the comparison, or, where nothing depends on them, in
 * counts and digests. Only decision_ns, a time that was measured, cannot be re-executed: its digest
 * covers it.
 *
 * Doubles are those of the build: a log of another version or compiler may differ for no fault of
 * anybody's, and the text of a difference says so.
 */
#ifndef SGL_ANALYSIS_VERIFY_H
#define SGL_ANALYSIS_VERIFY_H

#include "core/failure.h"

#include <stdbool.h>
#include <stdint.h>

enum sgl_verify_status {
    SGL_VERIFY_IDENTICAL,
    SGL_VERIFY_DIFFERENT,
    SGL_VERIFY_INCOMPLETE, /* identical up to `sequence`; there a gap, or the log was cut off */
};

/* Where the first difference is. Members that do not apply are NULL, SGL_ABSENT or "". */
struct sgl_verify_difference {
    const char *table;  /* static, as below */
    const char *column; /* NULL: the row as a whole, or the table */
    int64_t sequence;
    int64_t request;
    int64_t worker;
    char logged[80]; /* reals as %.17g, text in quotes, NULL */
    char again[80];  /* as re-executed */
};

struct sgl_verify_report {
    enum sgl_verify_status status;
    uint64_t sequence;    /* the last input all of whose rows are identical; 0: none */
    uint64_t input_count; /* rows found identical */
    uint64_t decision_count;
    uint64_t candidate_count;
    uint64_t outcome_count;
    bool is_same_build;
    struct sgl_verify_difference difference; /* when DIFFERENT */
    char text[512];                          /* the verdict in one line */
};

/* SGL_OK: a verdict was reached, whichever. Negative: the log cannot be read or is none. */
int sgl_verify(const char *path, struct sgl_verify_report *report, struct sgl_failure *failure);

#endif
