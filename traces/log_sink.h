/*
 * log_sink.h - the decision log as a router's sink.
 *
 *     router --input, decision, outcome--> struct sgl_log --rows--> store (log_store.h): SQLite
 *                                          rows, counts, digests
 *
 * Give sgl_log_sink() to the router (or to a tee), run, then close: only then does the log appear
 * under its name, complete. discard gives it up. A log that fails (disk full) cannot fail the run:
 * it remembers its first failure, goes quiet, and close reports it and leaves the old file alone.
 *
 * A durable log that has failed still hears what happens, and resume tries the disk again:
 *
 *      committed | not committed x fails    heard, not kept    | resume    goes on
 *      ----------+---------------x- - - - - - - - - - - - - - -+---------------------
 *                |<------------- one gap, but for the workers added in it --------->|
 *
 * What it then has is right, and says where something is missing: `verify` proves it up to there.
 *
 * Everything is copied or written at once; nothing passed is kept but the options' policies until
 * sgl_log_open returns. One thread at a time.
 *
 * Facts in `run`, all text:
 *     version, build         of the program, and the compiler and machine it was built by and for
 *     seed, candidates (all | chosen), policy.regular, policy.prefill, policy.decode, and a line
 *     for each of the router's limits (core/limits.h)
 *                            what a fresh router needs; every policy and limit resolved
 *     epoch_ns, times        Unix time in ns of the run's start; absolute, or relative (epoch_ns is
 *                            then 0, for the trace has no date)
 *     rows.TABLE, digest.TABLE, is_complete
 *                            written by close: a log without them was interrupted
 *     any other              what the caller states with sgl_log_fact
 */
#ifndef SGL_TRACES_LOG_SINK_H
#define SGL_TRACES_LOG_SINK_H

#include "core/limits.h"
#include "core/policy.h"
#include "core/sink.h"
#include "log_store.h"

struct sgl_log;

enum sgl_log_candidates {
    SGL_LOG_CANDIDATES_ALL,
    SGL_LOG_CANDIDATES_CHOSEN, /* the chosen worker's row only: for huge fleets */
};

struct sgl_log_options {
    uint64_t seed;
    struct sgl_router_limits limits;                      /* as the router's */
    const struct sgl_policy_spec *policy[SGL_POOL_COUNT]; /* as the router's */
    int64_t epoch_ns;                                     /* SGL_ABSENT: the times are relative */
    enum sgl_log_candidates candidates;
    bool is_durable; /* commits every second of the run's time, for a process that may be killed */
};

int sgl_log_open(struct sgl_log **log_out, const char *path, const struct sgl_log_options *options,
                 struct sgl_failure *failure);

/* A log into any store, which it takes over, also on failure. */
int sgl_log_open_store(struct sgl_log **log_out, struct sgl_log_store *store,
                       const struct sgl_log_options *options, struct sgl_failure *failure);

struct sgl_sink *sgl_log_sink(struct sgl_log *log);

/* States a fact of the run, each key once. Fails like everything else here: quietly, until close.
 */
void sgl_log_fact(struct sgl_log *log, const char *key, const char *value);

/* An earlier run had left an unfinished log, or somebody a file, where this one is being written:
 * what that is called now. NULL: there was nothing, or nothing worth keeping. Until close. */
const char *sgl_log_kept(const struct sgl_log *log);

/* One line, or NULL while all is well. */
const char *sgl_log_failure(const struct sgl_log *log);

/* Live only: `dropped` inputs from `sequence` on could not be kept for the log. */
void sgl_log_gap(struct sgl_log *log, uint64_t sequence, uint64_t dropped);

/* The body of a request, which only a live log that was told to keep prompts has. NULL: it is too
 * long or no text, and only its size is kept. In any order. */
void sgl_log_prompt(struct sgl_log *log, int64_t request, const char *body, size_t size);

/* Of a durable log: what was logged so far survives a kill from here on. To be called between
 * inputs when nothing comes for a while, and behind the facts; while inputs come, it happens by
 * itself. */
void sgl_log_commit(struct sgl_log *log);

/* What `build` says of this program. Static. */
const char *sgl_log_build(void);

/* What was logged since the last commit: a failure loses it too. Inputs, without the workers added
 * in them; these, which resume brings back; and bodies of requests. */
uint64_t sgl_log_uncommitted(const struct sgl_log *log);
uint64_t sgl_log_uncommitted_workers(const struct sgl_log *log);
uint64_t sgl_log_uncommitted_prompts(const struct sgl_log *log);

/* A durable log that has failed: what was lost becomes a gap, and is committed. SGL_OK: it goes on
 * from here. SGL_EIO: it is as failed as before. */
int sgl_log_resume(struct sgl_log *log, struct sgl_failure *failure);

/* Finishes the log and frees it. On failure there is no new log, and `failure` has the first; what
 * a durable log had committed stays beside its name (log_file.h). */
int sgl_log_close(struct sgl_log *log, struct sgl_failure *failure);

/* Frees it and removes what was written. Accepts NULL. */
void sgl_log_discard(struct sgl_log *log);

#endif
