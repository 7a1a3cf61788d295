/*
 * trace_store.h - private to the trace writer: what a kind of trace file is when it is written. One
 * kind = one file trace_store_x.c + one row in the table of trace_writer.c.
 *
 *     trace_writer.c    may the old file be replaced? may the row be written? which kind?
 *     trace_store_x.c   rows into the partial file (new_file.h)
 */
#ifndef SGL_TRACES_TRACE_STORE_H
#define SGL_TRACES_TRACE_STORE_H

#include "new_file.h"
#include "trace_writer.h"

/* A time from here on counts from 1970, one below it from the start: where FROM_START of instant.h
 * ends, in ns. */
#define SGL_EPOCH_LEAST_NS INT64_C(1000000000000000000)

/* First member of every store. */
struct sgl_trace_store {
    const struct sgl_trace_store_ops *ops;
    const char *path; /* as messages call it; the file's */
    struct sgl_new_file file;
    uint32_t columns;
    int64_t origin_ns;
    const struct sgl_trace_note *notes; /* the caller's, until begin returns */
    size_t note_count;
};

struct sgl_trace_store_ops {
    const char *name;
    const char *suffixes; /* separated by spaces */

    /* Did this program write the file at `path`, which is not empty? 1, 0, or a failure. */
    int (*is_ours)(const char *path, struct sgl_failure *failure);
    /* The base's members after ops are zero; the caller fills them next. NULL without memory. */
    struct sgl_trace_store *(*create)(void);
    /* After the partial file was opened: the header. */
    int (*begin)(struct sgl_trace_store *self, struct sgl_failure *failure);
    /* The row has been checked. */
    int (*write)(struct sgl_trace_store *self, const struct sgl_trace_row *row,
                 struct sgl_failure *failure);
    /* Everything into the file, which may then be published. */
    int (*finish)(struct sgl_trace_store *self, struct sgl_failure *failure);
    /* Closes and frees all but `file`, which has been published or discarded by then. */
    void (*destroy)(struct sgl_trace_store *self);
    /* Lets go of the partial file, so that it can be published or removed. */
    void (*release)(struct sgl_trace_store *self);
};

extern const struct sgl_trace_store_ops sgl_trace_store_csv;
extern const struct sgl_trace_store_ops sgl_trace_store_sqlite;

/* Is a cell of the column not empty? */
bool sgl_trace_row_has(const struct sgl_trace_row *row, enum sgl_column column);

/* The member that the column is; its type is the kind's. */
static inline const void *sgl_trace_row_member(const struct sgl_trace_row *row,
                                               enum sgl_column column)
{
    return (const char *)row + sgl_columns[column].offset;
}

/* Are these the names of our columns, in our order, with commas between? */
bool sgl_trace_header_is_ours(const char *names, size_t size);

/* `ns` as decimal seconds, "12.000000345"; not below 0. Returns the length. */
#define SGL_SECONDS_TEXT_MAX 24
size_t sgl_seconds_text(int64_t ns, char out[static SGL_SECONDS_TEXT_MAX]);

/* A whole number. Returns the length; `out` gets no NUL. */
#define SGL_NATURAL_TEXT_MAX 20
size_t sgl_natural_text(uint64_t value, char out[static SGL_NATURAL_TEXT_MAX]);

#endif
