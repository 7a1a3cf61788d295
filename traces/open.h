/*
 * open.h - a trace file as a source of requests.
 *
 *     bytes.h      format.h       row.h          window.h | sort_file.h          id_guard.h
 *     the file --> its cells --> packed rows --> in order of arrival --> numbered, rebased, checked
 *
 * Start reading at trace.c. Failure texts are trace.h's. After a failure, or the end, further calls
 * give the same again. One thread at a time.
 */
#ifndef SGL_TRACES_OPEN_H
#define SGL_TRACES_OPEN_H

#include "columns.h"
#include "trace.h"

/* A zeroed struct with a path is a good start. Strings are borrowed until the trace is closed. */
struct sgl_trace_options {
    const char *path;   /* a file; for formats of text also a pipe */
    const char *format; /* its name in formats.def; NULL: told by the content, then the suffix */
    const char *table;  /* of a SQLite file; NULL: "requests" */
    const void *memory; /* ? read these bytes; path is then only their name in messages */
    size_t memory_size;
    const char *where;     /* of a CSV: "column=value,..." keeps the rows that have it; NULL: all */
    uint32_t prefix_block; /* for rows with prefix ids that do not state it; 0: leave it so */
    bool spreads_steps;    /* arrivals come in steps: spread them evenly (spread.h) */
    bool sorts_in_file;    /* sort rows however far out of order: all are read before the first */
    bool tracks_flights; /* ops->finished will be called for every row: an id in flight is in use */
};

/* What is known of the trace. Counts, digest and warnings are final when next() has given 0. */
struct sgl_trace_facts {
    const char *format;
    const char *time_unit; /* "ISO 8601", "seconds from start", "epoch ms" ...; NULL before a row */
    int64_t epoch_ns;      /* ns since 1970 of arrival_ns 0; SGL_ABSENT: the times do not tell */
    const char
        *headers[SGL_COLUMN_COUNT]; /* what each column is called in the file; NULL: absent */
    uint64_t row_count;
    uint64_t sorted_count;             /* rows that came after a later one in the file */
    uint64_t repeated_count;           /* rows with the arrival_time of the row before */
    uint64_t zero_prompt_count;        /* rows with 0 prompt tokens */
    uint64_t zero_output_count;        /* rows with 0 output tokens */
    uint64_t without_max_tokens_count; /* rows without max_tokens */
    uint64_t digest; /* over the rows as given: the same requests, the same digest, in any format */
    const char *cut; /* of a log: what its run has that it has not, so that figures of it are off;
                      * to be said beside these. NULL: it is whole. Known from the start. */
    const char *warnings[6]; /* one line each, to be shown once; NULL after the last */
};

struct sgl_trace; /* its first member is a struct sgl_source */

int sgl_trace_open(struct sgl_trace **trace_out, const struct sgl_trace_options *options,
                   struct sgl_failure *failure);
void sgl_trace_close(struct sgl_trace *trace);

/* For those who take a source. Borrowed. */
struct sgl_source *sgl_trace_source(struct sgl_trace *trace);

/* Reads up to the first row, which settles epoch_ns and time_unit, and keeps it for next(). */
int sgl_trace_begin(struct sgl_trace *trace, struct sgl_failure *failure);

/* As ops->next of the source. A trace without any row is a failure. */
int sgl_trace_next(struct sgl_trace *trace, struct sgl_trace_row *row_out,
                   struct sgl_failure *failure);

const struct sgl_trace_facts *sgl_trace_facts(const struct sgl_trace *trace);

/* Is it a pipe or the like, whose bytes come once? */
bool sgl_trace_is_read_once(const struct sgl_trace_options *options);

/* The distinct worker_url of a trace, sorted by strcmp, by reading it once: none at all without
 * such a column. Needs a regular file, for it will be read again. More than 1,024 is a failure. The
 * caller frees the array, which holds the strings too. */
#define SGL_TRACE_WORKER_MAX 1024
int sgl_trace_workers(char ***urls_out, uint32_t *count_out,
                      const struct sgl_trace_options *options, struct sgl_failure *failure);

/* "csv, sqlite": the names of all formats, for messages. */
const char *sgl_trace_format_names(char *out, size_t size);

/* "log|sqlite|...": the same, as the words of an option. */
extern const char *const sgl_trace_format_words;

#endif
