/*
 * csv.c - comma separated values with a header row. This covers what SGLang's router tests write
 * (31 columns, where input_length counts characters: actual_prompt_tokens comes before it among the
 * names of prompt_tokens) and the Azure LLM traces (TIMESTAMP, ContextTokens, GeneratedTokens).
 */
#include "traces/format.h"

#include "core/absent.h"
#include "traces/csv_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csv_reader {
    struct sgl_format_reader reader;
    struct sgl_csv_parser *parser;
    struct sgl_column_map map;
    uint32_t header_count;
    bool keep[SGL_CELL_COUNT_MAX];
    char *names; /* the headers of reader.headers, one after the other */
};

static bool detect(const struct sgl_format_input *input)
{
    (void)input;
    return true;
}

/* The names of the columns we read, copied: the parser's row is about to go. */
static int keep_names(struct csv_reader *self, const struct sgl_csv_row *row)
{
    size_t size = 0;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++)
        if (self->map.index[column] != SGL_NO_COLUMN)
            size += row->cells[self->map.index[column]].size + 1;
    self->names = malloc(size);
    if (self->names == NULL)
        return SGL_ENOMEM;
    char *at = self->names;
    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        const uint32_t index = self->map.index[column];
        if (index == SGL_NO_COLUMN)
            continue;
        memcpy(at, row->cells[index].text, row->cells[index].size + 1);
        self->reader.headers[column] = at;
        at += row->cells[index].size + 1;
        self->keep[index] = true;
    }
    return 0;
}

static int read_header(struct csv_reader *self, const char *name, struct sgl_failure *failure)
{
    struct sgl_csv_row row;
    char place[SGL_PLACE_MAX];

    int code = sgl_csv_next(self->parser, &row, failure);
    if (code < 0)
        return code;
    if (code == 0)
        return sgl_fail(failure, SGL_EINVAL, "%s: empty, expected a header row", name);
    struct sgl_heading *headings = calloc(row.cell_count, sizeof *headings);
    if (headings == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for %u columns", name, row.cell_count);
    for (uint32_t i = 0; i < row.cell_count; i++)
        headings[i] =
            (struct sgl_heading){.name = row.cells[i].text, .column = row.cells[i].column};
    snprintf(place, sizeof place, "%s:%llu", name, (unsigned long long)row.line);
    code = sgl_columns_map(&self->map, headings, row.cell_count, place, failure);
    free(headings);
    if (code < 0)
        return code;
    if (keep_names(self, &row) < 0)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for %u columns", name, row.cell_count);
    self->header_count = row.cell_count;
    sgl_csv_keep(self->parser, self->keep, row.cell_count);
    return 0;
}

static void close_csv(struct sgl_format_reader *reader)
{
    struct csv_reader *self = (struct csv_reader *)reader;

    sgl_csv_destroy(self->parser);
    free(self->names);
    free(self);
}

static int open_csv(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                    struct sgl_failure *failure)
{
    struct csv_reader *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    self->reader.ops = &sgl_format_csv;
    self->reader.position_word = "line";
    self->reader.epoch_ns = SGL_ABSENT;
    snprintf(self->reader.place, sizeof self->reader.place, "%s:", input->name);
    int code = sgl_csv_create(&self->parser, input->bytes, failure);
    if (code == 0)
        code = read_header(self, input->name, failure);
    if (code < 0) {
        close_csv(&self->reader);
        return code;
    }
    *reader_out = &self->reader;
    return 0;
}

static int next_csv(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    struct csv_reader *self = (struct csv_reader *)reader;
    struct sgl_csv_row row;

    const int code = sgl_csv_next(self->parser, &row, failure);
    if (code <= 0)
        return code;
    if (row.cell_count != self->header_count)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s%llu: row of %u cells, expected %u as in the header", self->reader.place,
                        (unsigned long long)row.line, row.cell_count, self->header_count);
    row_out->position = row.line;
    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        const uint32_t index = self->map.index[column];
        if (index == SGL_NO_COLUMN)
            continue; /* NULL from the start, and nothing ever sets it */
        const struct sgl_csv_cell *cell = &row.cells[index];
        row_out->cells[column] = (struct sgl_raw_cell){
            .text = cell->text, .size = cell->size, .line = cell->line, .column = cell->column};
    }
    return 1;
}

const struct sgl_format_ops sgl_format_csv = {
    .name = "csv",
    .summary = "comma separated values with a header row",
    .detect = detect,
    .open = open_csv,
    .next = next_csv,
    .close = close_csv,
};
