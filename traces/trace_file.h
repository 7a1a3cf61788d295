/*
 * trace_file.h - a trace's file with the reader of its format: what reading it and looking for its
 * workers have in common.
 */
#ifndef SGL_TRACES_TRACE_FILE_H
#define SGL_TRACES_TRACE_FILE_H

#include "format.h"
#include "open.h"

#define SGL_TRACE_NAME_SIZE 256

/* The struct is the caller's and must not move while open: the reader points into it. */
struct sgl_trace_file {
    char name[SGL_TRACE_NAME_SIZE]; /* the path as messages call it: a long one is cut in front */
    struct sgl_bytes bytes;
    struct sgl_format_reader *reader;
};

/* Close it, also after a failure. */
int sgl_trace_file_open(struct sgl_trace_file *file, const struct sgl_trace_options *options,
                        struct sgl_failure *failure);
void sgl_trace_file_close(struct sgl_trace_file *file);

#endif
