/*
 * log_support.h - logs in tests: writing one of a random world, changing it with SQL, asking it.
 */
#ifndef SGL_TESTS_LOG_SUPPORT_H
#define SGL_TESTS_LOG_SUPPORT_H

#include "traces/log_sink.h"
#include "world.h"

#include <stdio.h>

/* A run to be logged: a world under a policy. */
struct sgl_test_run {
    const char *policy;
    struct sgl_world world;
    enum sgl_log_candidates candidates;
    bool is_durable;
    struct sgl_sink *also; /* hears what the log hears; NULL: nobody */
};

/* Opens a log at the path for the run, plays it, and leaves the log open. Fails as sgl_log_open. */
int sgl_test_log_try(struct sgl_log **log_out, const char *path, const struct sgl_test_run *run,
                     struct sgl_failure *failure);

/* The same where it must not fail: aborts. */
struct sgl_log *sgl_test_log_play(const char *path, const struct sgl_test_run *run);

/* The same, closed. Asserts success. Returns the path. */
const char *sgl_test_log(const char *path, const struct sgl_test_run *run);

/* Runs SQL on a database; aborts with the message when it cannot. */
void sgl_test_sql(const char *path, const char *sql);

/* The one integer or text that the SQL answers; text in a static buffer (8 of them). */
int64_t sgl_test_sql_integer(const char *path, const char *sql);
const char *sgl_test_sql_text(const char *path, const char *sql);

/* The bytes of a file; caller frees. */
char *sgl_test_bytes(const char *path, size_t *size_out);
void sgl_test_copy(const char *from, const char *to);
bool sgl_test_exists(const char *path);

/* Lines that say all that an input, decision, candidate or outcome holds, %.17g. */
void sgl_test_tell_input(FILE *out, uint64_t sequence, const struct sgl_input *input);
void sgl_test_tell_decision(FILE *out, const struct sgl_decision *decision);
void sgl_test_tell_candidate(FILE *out, uint64_t sequence, const struct sgl_candidate *candidate);
void sgl_test_tell_outcome(FILE *out, const struct sgl_outcome_record *record);

#endif
