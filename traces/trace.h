/*
 * trace.h - requests to replay, whatever they are stored in.
 *
 *     file --> cells --> packed rows, in order --> struct sgl_trace_row, one at a time
 *       format.h    row.h           window.h    trace.c
 *
 * A source is anything that gives rows: a file (open.h) or a generator. Rows come in order of
 * arrival, numbered from 0 in that order, with times in integer nanoseconds since the first
 * arrival. Reading streams: memory does not grow with the file. Rows out of order within a window
 * of 65,536 are sorted (the number is a fact to be told); further out is an error. Equal arrival
 * times keep the order of the file.
 *
 * Errors are one line, "file:line:column: what, expected what" (SQLite: "file:table:row 7: ..."),
 * which quotes at most 40 bytes of the file.
 */
#ifndef SGL_TRACES_TRACE_H
#define SGL_TRACES_TRACE_H

#include "core/absent.h"
#include "core/failure.h"
#include "core/request.h"

#include <stdbool.h>

/* What a recorder measured of a request when the trace was taken. Times in ns since the first
 * arrival, durations in ns; SGL_ABSENT or NULL when the trace does not say. */
struct sgl_recorded {
    const char *worker_url;
    int64_t router_send_ns;
    int64_t queue_start_ns;
    int64_t queue_end_ns;
    int64_t first_token_ns;
    int64_t finish_ns;
    int64_t server_latency_ns;
    int64_t ttft_ns;
    int64_t cached_tokens;
    bool has_success;
    bool success;
    const char *error;
};

/* Of which nothing was measured: an initializer. */
#define SGL_RECORDED_ABSENT                                                                        \
    {                                                                                              \
        .router_send_ns = SGL_ABSENT, .queue_start_ns = SGL_ABSENT, .queue_end_ns = SGL_ABSENT,    \
        .first_token_ns = SGL_ABSENT, .finish_ns = SGL_ABSENT, .server_latency_ns = SGL_ABSENT,    \
        .ttft_ns = SGL_ABSENT, .cached_tokens = SGL_ABSENT                                         \
    }

/* Borrowed from the source until its next call. */
struct sgl_trace_row {
    struct sgl_request request; /* max_tokens is SGL_ABSENT when the trace has none */
    int64_t output_tokens;      /* the truth: for the simulated worker, never for the router */
    struct sgl_recorded recorded;
    bool is_stopped; /* it states max_tokens and gave fewer: a stop token ended the answer. False
                        also where nobody knows */
};

struct sgl_source {
    const struct sgl_source_ops *ops;
};

struct sgl_source_ops {
    /* 1: a row is in *row_out; 0: the end; negative: failure. */
    int (*next)(struct sgl_source *self, struct sgl_trace_row *row_out,
                struct sgl_failure *failure);
    /* ? The request of that number has left the system: its request_id may come again later. */
    void (*finished)(struct sgl_source *self, int64_t request);
    /* ? The request of that number was answered at that time of the run. True: a row came free that
     * had waited for it, so what the source would give next may have changed. */
    bool (*answered)(struct sgl_source *self, int64_t request, int64_t now_ns);
    /* The row given last has not arrived yet: it will be given again in its turn. Present when
     * answered is. */
    void (*give_back)(struct sgl_source *self);
};

#endif
