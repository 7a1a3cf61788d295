/*
 * trace_reading.h - a whole trace as text, for suites that compare traces.
 *
 *     0 at 0 prompt=374 output=44 max=2048 ...       one line a row, all that is not absent
 */
#ifndef SGL_TESTS_TRACE_READING_H
#define SGL_TESTS_TRACE_READING_H

#include "traces/open.h"

#include <stdio.h>

struct trace_reading {
    int code; /* 0, or what opening or reading failed with */
    struct sgl_failure failure;
    struct sgl_trace_facts facts; /* without its headers and warnings: texts below */
    uint64_t row_count;
    char *rows;
    char *headers;  /* "arrival_time=timestamp prompt_tokens=..." */
    char *warnings; /* one line each */
};

/* Release it. */
struct trace_reading trace_read(const struct sgl_trace_options *options);

/* Of a CSV in memory called t.csv. */
struct trace_reading trace_read_csv(const char *bytes, size_t size);
struct trace_reading trace_read_text(const char *text);

/* The line of one row. */
void trace_tell_row(FILE *out, const struct sgl_trace_row *row);

void trace_reading_release(struct trace_reading *reading);

#endif
