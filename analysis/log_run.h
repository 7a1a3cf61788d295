/*
 * log_run.h - a finished decision log, simulated or live, as a run that can be compared.
 *
 *     inputs, decisions, candidates, outcomes of the log --sinks--> struct sgl_run, sgl_detail
 *
 * Logs of pairs, too: a request is then measured as summary.h and detail.h say.
 *
 * What the log says of the run is kept: its warm-up (replay --warm-up, --warm-cache) is left out of
 * the figures, as it was when the log was written; pictures show it.
 *
 * The log is played back, not executed again: its decisions are those that were made.
 */
#ifndef SGL_ANALYSIS_LOG_RUN_H
#define SGL_ANALYSIS_LOG_RUN_H

#include "analysis/detail.h"
#include "analysis/run.h"

#define SGL_LOG_RUN_CAVEATS_MAX 8

struct sgl_log_run {
    struct sgl_run run;
    struct sgl_detail *detail; /* owned */
    char *path;                /* owned, as all texts */
    char *policy;              /* resolved; of pairs "prefill P, decode D" */
    char *kind;                /* "sim" or "live" */
    char *trace_digest;        /* NULL: it was no replay of a trace */
    char *version;
    char *build;
    char *service; /* NULL: live, of several kinds, or not stated */
    char *workers; /* "batching, profile llama31-8b-h100", each kind; "": live, not stated */
    char *caveats[SGL_LOG_RUN_CAVEATS_MAX]; /* what was said of the workers; NULL: no more */
    uint64_t warm_up;  /* requests that the run's own report left out, and so this does */
    bool is_warm_pass; /* they are a first pass of all requests, to warm the caches */
    double rate_scale; /* NaN when not stated */
    int64_t epoch_ns;  /* of its start; SGL_ABSENT: it has no date */
    uint64_t gaps;     /* inputs that were dropped */
    bool is_complete;
    uint32_t arm;   /* the caller's, as the next: which policy */
    uint32_t place; /* among the logs given */
};

int sgl_log_run_read(struct sgl_log_run *run, const char *path,
                     const struct sgl_objectives *objectives, struct sgl_failure *failure);
void sgl_log_run_release(struct sgl_log_run *run);

#endif
