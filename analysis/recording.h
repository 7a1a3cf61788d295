/*
 * recording.h - a recorded run in memory: what was asked of which worker, and what was measured.
 *
 *     trace file (traces/open.h)  --\
 *                                    >--  requests in order of arrival  -->  calibrate, validate
 *     vLLM event times, JSONL     --/     workers by url
 *
 * Two kinds of file. Any trace that traces/ reads, as far as it has the columns of a recorder:
 *
 *     at_worker    router_send_time, else arrival_time; and the shortest way from there to
 *                  queue_time_start that any request had
 *     started      queue_time_end
 *     first token  server_first_token_time, else arrival_time + ttft
 *     finish       finish_time, else router_send_time (or arrival_time) + server_latency
 *
 * And one JSON object a line with input_toks, output_toks, arrival_time (epoch s), queued_ts,
 * scheduled_ts, first_token_ts and last_token_ts (s, of another clock): what LLMServingSim's bench
 * writes of vLLM's own events. Its two clocks are aligned by the request that was noticed soonest:
 * arrival = arrival_time + min(queued_ts - arrival_time). Its lengths were forced, so max_tokens is
 * the output's length.
 *
 * Why the shortest way, and not the time each was noticed: both engines look for new requests
 * between two steps, so queue_time_start and queued_ts are late by what was left of a step. That is
 * waiting, which the simulation has to find; begun there, its requests would wait for two steps.
 *
 * Times are ns since the first arrival; what nobody measured is SGL_ABSENT. All memory is the
 * recording's. Memory grows with the file: 16 million requests at most. One thread at a time.
 */
#ifndef SGL_ANALYSIS_RECORDING_H
#define SGL_ANALYSIS_RECORDING_H

#include "traces/open.h"

#define SGL_RECORDING_MAX ((size_t)16 * 1024 * 1024)

struct sgl_recorded_request {
    struct sgl_trace_row row; /* its strings are gone, but for prefix_ids */
    uint32_t worker;
    bool failed;          /* the recorder says so: replayed, but never scored */
    int64_t at_worker_ns; /* never absent */
    int64_t started_ns;
    int64_t first_token_ns;
    int64_t finish_ns;
};

struct sgl_recording {
    struct sgl_recorded_request *requests; /* by row.request.request */
    size_t count;
    size_t capacity;
    char **urls; /* of the workers, sorted; one block of memory */
    uint32_t worker_count;
    size_t failed_count;
    const char *format;    /* as messages call it */
    const char *time_note; /* what was done to align clocks; NULL: nothing */
    char *cut;             /* owned: what the log that it is of has not; NULL: nothing missing */
};

/* Failure texts begin with the path. A recording without any request is a failure. Rows without
 * max_tokens get `max_new_tokens`. */
int sgl_recording_load(struct sgl_recording *recording, const struct sgl_trace_options *options,
                       int64_t max_new_tokens, struct sgl_failure *failure);

/* A recording of requests that are already in memory, for those who make one: `rows` are copied. */
int sgl_recording_add(struct sgl_recording *recording, const struct sgl_recorded_request *request);

/* The numbers of the requests by their time at the worker. Caller frees; NULL without memory. */
uint32_t *sgl_recording_order(const struct sgl_recording *recording);

void sgl_recording_release(struct sgl_recording *recording);

/*
 * Which requests count: "100:300" is rows 100 to 299 in order of arrival, ":100" the first hundred,
 * "200:" from there on, "50%" the first half. NULL is all of them.
 */
struct sgl_row_range {
    size_t from;
    size_t to; /* one past the last */
};

int sgl_row_range_parse(struct sgl_row_range *range, const char *text, size_t count,
                        struct sgl_failure *failure);

#endif
