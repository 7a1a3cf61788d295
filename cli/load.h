/*
 * load.h - one load run, from options to what is reported.
 *
 *     load.c         options -> struct sgl_load_command -> run -> exit code
 *     load_report.c  its records -> table or JSON
 */
#ifndef SGL_CLI_LOAD_H
#define SGL_CLI_LOAD_H

#include "analysis/samples.h"
#include "live/load.h"
#include "traces/open.h"

struct sgl_load_command {
    const char *path; /* of the trace */
    const char *url;
    const char *api;
    const char *stream; /* on, off */
    const char *prompt; /* text, ids */
    const char *model;
    const char *header;
    const char *out; /* a path, or "none" */
    double rate_scale;
    uint64_t concurrency;
    uint64_t requests;
    uint64_t prefix_block;
    uint64_t seed;
    int64_t timeout_ns;
    bool json;
    bool quiet;
    struct sgl_trace_options trace;

    uint64_t total;        /* requests to be sent */
    bool is_whole_trace;   /* they are all of it */
    uint64_t trace_digest; /* then */
    const char *trace_format;
    struct sgl_samples gaps; /* between tokens, s */
    bool is_short_of_memory;
    int64_t bar_started_ns;
    bool is_bar_drawn;
    struct sgl_load_result result;
};

/* Writes the report to stdout. SGL_OK or SGL_ENOMEM. */
int sgl_load_report(struct sgl_load_command *command);

#endif
