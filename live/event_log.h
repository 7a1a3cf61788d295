/*
 * event_log.h - what an operator is told while the proxy runs: lines on stderr, as text or JSON.
 *
 *      loops --lines--> [ pending | . . . ] --> writer thread --> stderr
 *                        full: counted, and told as lines_lost
 *
 *      text    sglsim: worker_down worker=http://gpu1:30000
 *      JSON    {"time":"2026-11-21T08:00:00.123Z","level":"warn","event":"worker_down",
 *               "worker":"http://gpu1:30000"}          one object per line, times in UTC
 *
 * Both come from the same call: the same events, fields and values. Names do not change; new ones
 * may come. stderr may be a pipe that nobody reads: a loop never waits for it. Of events about
 * single requests at most SGL_EVENT_RATE_MAX of a kind are told per second; how many were not is
 * told as `suppressed`. Nothing of prompts, answers and keys is ever told.
 *
 * Threads: say from any.
 */
#ifndef SGL_LIVE_EVENT_LOG_H
#define SGL_LIVE_EVENT_LOG_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_EVENT_RATE_MAX 10

enum sgl_event_level {
    SGL_EVENT_ERROR,
    SGL_EVENT_WARN,
    SGL_EVENT_INFO,
    SGL_EVENT_DEBUG,
};

/* X(name, level, is of a single request) */
/* clang-format off */
#define SGL_EVENT_MAP(X)                                                                        \
    X(start,             INFO,  false) /* url, threads, workers, policy, log */                 \
    X(control,           INFO,  false) /* url: where workers and metrics are told */            \
    X(figures,           INFO,  false) /* url: where metrics alone are told */                  \
    X(worker_added,      INFO,  false) /* worker */                                             \
    X(worker_removed,    INFO,  false) /* worker */                                             \
    X(worker_down,       WARN,  false) /* worker: its probes fail */                            \
    X(worker_up,         INFO,  false) /* worker */                                             \
    X(worker_late,       WARN,  false) /* worker: a new one passed no health check in time */    \
    X(breaker_open,      WARN,  false) /* worker: its answers fail */                           \
    X(breaker_half_open, INFO,  false) /* worker */                                             \
    X(breaker_closed,    INFO,  false) /* worker */                                             \
    X(attempt_failed,    WARN,  true)  /* request_id, worker, attempt, error: a worker's fault */ \
    X(attempt_ended,     DEBUG, true)  /* the same: not a worker's fault (4xx, client left) */  \
    X(request_failed,    ERROR, true)  /* request_id, status: the client got a 5xx */           \
    X(log_kept,          WARN,  false) /* path: what an earlier run left unfinished, renamed */   \
    X(log_failed,        ERROR, false) /* message: the decision log cannot be written */        \
    X(log_resumed,       WARN,  false) /* dropped: it goes on behind a gap */                   \
    X(drain,             INFO,  false) /* signal: no new connections */                         \
    X(cut,               WARN,  false) /* why: what is under way is cut */                      \
    X(suppressed,        WARN,  false) /* of, count: events that were not told */               \
    X(lines_lost,        WARN,  false) /* count: nobody read stderr */                          \
    X(failed,            ERROR, false) /* message: the proxy could not start, or finish its log */ \
    X(stop,              INFO,  false) /* requests, decisions, dropped: inputs not in the log */
/* clang-format on */

enum sgl_event_kind {
#define SGL_EVENT_ENUM(name, level, is_of_request) SGL_EVENT_KIND_##name,
    SGL_EVENT_MAP(SGL_EVENT_ENUM)
#undef SGL_EVENT_ENUM
        SGL_EVENT_KIND_COUNT
};

struct sgl_event_field {
    const char *name;
    const char *text; /* NULL: the number */
    int64_t number;
};

struct sgl_event_log;

/* Starts the writer. `descriptor` is borrowed (2: stderr). */
int sgl_event_log_create(struct sgl_event_log **log_out, int descriptor, bool is_json,
                         enum sgl_event_level level, struct sgl_failure *failure);

/* `text` ?: a sentence that stands for the event and its fields in text logs. */
void sgl_event_say(struct sgl_event_log *log, enum sgl_event_kind kind, const char *text,
                   const struct sgl_event_field *fields, size_t field_count);

/* Writes what is pending and ends. A reader of stderr that has stopped is waited for two seconds,
 * then the log is abandoned with its thread. Accepts NULL. */
void sgl_event_log_close(struct sgl_event_log *log);

#endif
