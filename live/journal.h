/*
 * journal.h - the decision log of a router that must not wait for a disk.
 *
 *      threads, under the router's mutex              writer thread
 *      router -> sink -> record -> [ ring | . . . ] -> struct sgl_log -> disk
 *                                    full: counted, and a gap in the log
 *
 * What the router tells for one input (the input, its decision with candidates, its outcome) is one
 * record: kept whole or dropped whole. One ring serves all threads: records are made under the
 * mutex that orders the inputs, so their order in the ring is that of their sequence, and a thread
 * pays one copy and no system call.
 *
 * A full ring drops records of requests. The log then gets a row in `gap` with the first sequence
 * lost and how many, and the count is in sgl_journal_dropped. Part of the ring is kept free for
 * inputs about workers, without which later rows could not be read. Memory: at most the ring's
 * size, and no more than the longest queue needed; 8 MiB of it while the writer keeps up.
 *
 * A log that fails (disk full) keeps what it had committed. Serving goes on, sgl_journal_failure
 * says why, and inputs are counted as dropped while the writer tries again:
 *
 *      fails --1 s--> try --2 s--> try --4 s--> ... --30 s--> try     at the end once more
 *                      \ it can be written: goes on behind a gap, with the workers added meanwhile
 *
 * The time between two tries is the first one again when the log was well for a minute.
 * Threads: begin and pushes under the caller's mutex; the counts from anywhere; create and close
 * from one.
 */
#ifndef SGL_LIVE_JOURNAL_H
#define SGL_LIVE_JOURNAL_H

#include "core/sink.h"
#include "traces/log_sink.h"

struct sgl_journal;

/* Starts the writer thread. Takes over the log, also on failure. `ring_size` bytes, at least 1 MiB.
 * With hides_prompts, prefix ids are left out of the log. */
int sgl_journal_create(struct sgl_journal **journal_out, struct sgl_log *log, size_t ring_size,
                       bool hides_prompts, struct sgl_failure *failure);

/* For the router. */
struct sgl_sink *sgl_journal_sink(struct sgl_journal *journal);

/* The router is about to be asked: decisions are timed (decision_ns) from here on. */
void sgl_journal_begin(struct sgl_journal *journal);

/* What the sink heard since then becomes a record; nothing, when the input was refused. */
void sgl_journal_push(struct sgl_journal *journal);

/* The body of a request that was routed; counted as a prompt, not as an input, when less than half
 * of the ring is free. One that is longer than SGL_JOURNAL_PROMPT_MAX, or no text (UTF-8 without
 * NUL), is kept as its size. */
#define SGL_JOURNAL_PROMPT_MAX ((size_t)1024 * 1024)
void sgl_journal_push_prompt(struct sgl_journal *journal, int64_t request, const char *body,
                             size_t size);
uint64_t sgl_journal_dropped_prompts(const struct sgl_journal *journal);

uint64_t sgl_journal_dropped(const struct sgl_journal *journal);

/* Can the log not be written now? */
bool sgl_journal_has_failed(const struct sgl_journal *journal);
/* How often that began; and why, the last time. */
uint64_t sgl_journal_failures(const struct sgl_journal *journal);
struct sgl_failure sgl_journal_failure(struct sgl_journal *journal);

/* Writes what is in the ring, tries a log that has failed once more, and ends the thread: what was
 * dropped is known then. Nothing may be pushed any more. */
void sgl_journal_drain(struct sgl_journal *journal);

/* Behind drain: gaps between tokens, as a sink is told of them (core/sink.h). */
void sgl_journal_tell_gaps(struct sgl_journal *journal, const struct sgl_gaps *gaps);

/* Writes what is in the ring, finishes the log, ends the thread and frees the journal. Nothing may
 * be pushed any more. */
int sgl_journal_close(struct sgl_journal *journal, struct sgl_failure *failure);

/* Ends the thread and gives up the log, as if there had been none. */
void sgl_journal_discard(struct sgl_journal *journal);

#endif
