/*
 * format.h - what a trace format is: something that finds cells. One format = one file in
 * traces/formats/ + one line in traces/formats.def.
 *
 *     open --> next, next, ... --> close           (row.h gives the cells their meaning)
 *
 * A format says which of our columns it has and then hands over, row by row, the text of their
 * cells. It parses, sorts, rebases and checks nothing: that is done once, after it. A format that
 * stores numbers as numbers writes them as text without loss.
 */
#ifndef SGL_TRACES_FORMAT_H
#define SGL_TRACES_FORMAT_H

#include "bytes.h"
#include "columns.h"

#define SGL_CUT_MAX 160

/* One row; text and place are the format's until its next call. */
struct sgl_raw_row {
    uint64_t
        position; /* from 1, rising from row to row: the line in the file, or the row's number */
    struct sgl_raw_cell {
        const char *text; /* NULL: the format has no such cell here */
        size_t size;
        uint64_t line; /* the cell's own place; 0: it has none but the row's */
        uint64_t column;
    } cells[SGL_COLUMN_COUNT];
};

struct sgl_format_input {
    const char *path;
    const char *name;        /* the path as messages call it, under 256 bytes */
    struct sgl_bytes *bytes; /* opened, at its head; may be closed if not wanted */
    const char *table;       /* of a database */
    const char *where;       /* "column=value,...": the rows wanted; NULL: all */
    bool is_file;            /* a regular file, which may be opened again */
};

/* First member of every reader. Failure texts open with place (which leaves room for two numbers),
 * then the position of the row and, after a colon, the column of the cell. */
struct sgl_format_reader {
    const struct sgl_format_ops *ops;
    char place[SGL_PLACE_MAX - 48];        /* "t.csv:", "t.db:requests:row " */
    const char *position_word;             /* "line", "row" */
    const char *headers[SGL_COLUMN_COUNT]; /* what the file calls each column; NULL: it has none */
    uint64_t skipped_count;                /* rows of the file that are no requests to replay */
    const char *skipped_words;             /* "of the log ..., and are left out" */
    const char *zero_output_words; /* what 0 output tokens mean here; NULL: nothing special */
    char cut[SGL_CUT_MAX];         /* what is missing of a log that is not whole; "": nothing */
    bool has_ms;                   /* numbers of time columns are ms from the start */
    int64_t
        epoch_ns; /* when the times of the file count from: SGL_ABSENT unless the format knows */
};

struct sgl_format_ops {
    const char *name;    /* for --format */
    const char *summary; /* one line, under 80 columns */
    bool has_filter;     /* it minds input->where */
    bool has_tables;     /* it minds input->table */

    /* Is it one of ours? By its head, the bytes in [at, end), and if that does not tell, its path.
     */
    bool (*detect)(const struct sgl_format_input *input);
    int (*open)(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                struct sgl_failure *failure);
    /* 1: a row; 0: the end; negative: failure. *row_out is zeroed before the first call and then
     * left as the last call left it, so cells that no row has need no work. */
    int (*next)(struct sgl_format_reader *self, struct sgl_raw_row *row_out,
                struct sgl_failure *failure);
    void (*close)(struct sgl_format_reader *self);
};

#define SGL_TRACE_FORMAT(name) extern const struct sgl_format_ops sgl_format_##name;
#include "formats.def"
#undef SGL_TRACE_FORMAT

/* The table, in the order of formats.def, which is the order of asking; NULL past its end. */
const struct sgl_format_ops *sgl_format_at(uint32_t index);

/* The format called `name`, or if that is NULL the first that detects its own. NULL: none. */
const struct sgl_format_ops *sgl_format_find(const char *name,
                                             const struct sgl_format_input *input);

#endif
