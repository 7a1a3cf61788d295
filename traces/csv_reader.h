/*
 * csv_reader.h - rows of cells out of a CSV with a header, for the formats that are one.
 *
 *     header --> names of the format --> our names --> columns.h        which cell is which column
 *     row    --> --where ------------------------> its cells, or it is left out and counted
 *
 * A format that calls our columns by other names says so in a table; every other name of
 * columns.def is understood as well, and further columns are ignored.
 *
 * A filter ("experiment=naive,qps_target=2.9") names columns as the file does, whether they are
 * ours or not, and keeps the rows in which each has exactly that text. Values hold no comma. Needed
 * where one file holds several runs.
 */
#ifndef SGL_TRACES_CSV_READER_H
#define SGL_TRACES_CSV_READER_H

#include "csv_parser.h"
#include "format.h"

/* A table of these ends with a zeroed one. */
struct sgl_csv_name {
    const char *theirs;
    const char *ours; /* a name of columns.def */
};

#define SGL_CONDITIONS_MAX 8

struct sgl_csv_condition {
    uint32_t index; /* of the cell */
    const char *value;
    size_t size;
};

struct sgl_csv_reader {
    struct sgl_format_reader reader;
    struct sgl_csv_parser *parser;
    struct sgl_column_map map;
    uint32_t header_count;
    struct {
        enum sgl_column column;
        uint32_t index;          /* of its cell in a row */
    } columns[SGL_COLUMN_COUNT]; /* those of ours that the file has */
    uint32_t column_count;
    bool keep[SGL_CELL_COUNT_MAX];
    char *names; /* the headers of reader.headers, one after the other */
    struct sgl_csv_condition conditions[SGL_CONDITIONS_MAX];
    uint32_t condition_count;
};

/* As ops->open. `names` may be NULL. */
int sgl_csv_reader_open(struct sgl_format_reader **reader_out, const struct sgl_format_ops *ops,
                        const struct sgl_csv_name *names, const struct sgl_format_input *input,
                        struct sgl_failure *failure);

/* As ops->next and ops->close. */
int sgl_csv_reader_next(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                        struct sgl_failure *failure);
void sgl_csv_reader_close(struct sgl_format_reader *reader);

/* Is the first line that is not blank a header with both names as cells of their own? */
bool sgl_csv_head_has(const struct sgl_bytes *bytes, const char *first, const char *second);

#endif
