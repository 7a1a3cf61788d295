#include "csv_table.h"

#include "core/text.h"
#include "traces/csv_parser.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONDITIONS_MAX 8
#define PLACE_MAX 512
#define NO_CELL UINT32_MAX

struct condition {
    uint32_t cell;
    const char *value;
    size_t size;
};

struct table_reader {
    const char *path;
    const char *const *names;
    size_t name_count;
    size_t number_first;
    uint32_t cells[SGL_CSV_TABLE_COLUMNS]; /* where each column is */
    struct condition conditions[CONDITIONS_MAX];
    size_t condition_count;
    uint32_t header_count;
};

static int find_cell(const struct sgl_csv_row *header, const char *name, size_t length,
                     const char *path, uint32_t *cell_out, struct sgl_failure *failure)
{
    char wanted[64];
    char hint[128];
    struct sgl_nearest nearest = {.wanted = wanted};

    snprintf(wanted, sizeof wanted, "%.*s", length < sizeof wanted ? (int)length : 63, name);
    for (uint32_t i = 0; i < header->cell_count; i++) {
        if (strcmp(header->cells[i].text, wanted) == 0) {
            *cell_out = i;
            return SGL_OK;
        }
        sgl_nearest_offer(&nearest, header->cells[i].text);
    }
    return sgl_fail(failure, SGL_EINVAL, "%s:%llu: no column '%s'%s", path,
                    (unsigned long long)header->line, wanted,
                    sgl_nearest_hint(&nearest, hint, sizeof hint));
}

static int read_header(struct table_reader *reader, const struct sgl_csv_row *header,
                       const char *where, struct sgl_failure *failure)
{
    reader->header_count = header->cell_count;
    for (; reader->names[reader->name_count] != NULL; reader->name_count++) {
        const char *name = reader->names[reader->name_count];
        const bool is_optional = name[0] == '?';
        uint32_t *cell = &reader->cells[reader->name_count];
        const int status = find_cell(header, name + is_optional, strlen(name + is_optional),
                                     reader->path, cell, is_optional ? NULL : failure);
        if (status != SGL_OK && !is_optional)
            return status;
        if (status != SGL_OK)
            *cell = NO_CELL;
    }
    while (where != NULL && *where != '\0') {
        const size_t length = strcspn(where, ",");
        const char *equals = memchr(where, '=', length);
        if (equals == NULL || reader->condition_count == CONDITIONS_MAX)
            return sgl_fail(failure, SGL_EINVAL, "--where %.60s, expected COLUMN=VALUE,...", where);
        struct condition *condition = &reader->conditions[reader->condition_count++];
        condition->value = equals + 1;
        condition->size = length - (size_t)(equals + 1 - where);
        const int status = find_cell(header, where, (size_t)(equals - where), reader->path,
                                     &condition->cell, failure);
        if (status != SGL_OK)
            return status;
        where += length + (where[length] == ',');
    }
    return SGL_OK;
}

static bool is_wanted(const struct table_reader *reader, const struct sgl_csv_row *row)
{
    for (size_t i = 0; i < reader->condition_count; i++) {
        const struct condition *condition = &reader->conditions[i];
        const struct sgl_csv_cell *cell = &row->cells[condition->cell];
        if (cell->size != condition->size || memcmp(cell->text, condition->value, cell->size) != 0)
            return false;
    }
    return true;
}

static int read_cells(const struct table_reader *reader, const struct sgl_csv_row *row,
                      struct sgl_csv_table_row *out, struct sgl_failure *failure)
{
    for (size_t i = 0; i < reader->name_count; i++) {
        const bool is_there = reader->cells[i] != NO_CELL;
        const struct sgl_csv_cell *cell = &row->cells[is_there ? reader->cells[i] : 0];
        out->texts[i] = is_there ? cell->text : "";
        out->numbers[i] = (double)NAN;
        if (i < reader->number_first || !is_there)
            continue;
        if (!sgl_real_read(cell->text, strlen(cell->text), &out->numbers[i]) || out->numbers[i] < 0)
            return sgl_fail(failure, SGL_EINVAL,
                            "%s:%llu:%llu: %s is '%.40s', expected a number "
                            "of at least 0",
                            reader->path, (unsigned long long)cell->line,
                            (unsigned long long)cell->column,
                            reader->names[i] + (reader->names[i][0] == '?'), cell->text);
    }
    return SGL_OK;
}

static int read_rows(struct table_reader *reader, struct sgl_csv_parser *parser,
                     const struct sgl_csv_table *table, struct sgl_failure *failure)
{
    struct sgl_csv_row row;
    char place[PLACE_MAX];
    size_t count = 0;
    int got;

    while ((got = sgl_csv_next(parser, &row, failure)) > 0) {
        struct sgl_csv_table_row out = {.place = place};
        if (row.cell_count != reader->header_count)
            return sgl_fail(failure, SGL_EINVAL, "%s:%llu: %u cells, expected %u", reader->path,
                            (unsigned long long)row.line, row.cell_count, reader->header_count);
        if (++count > SGL_CSV_TABLE_ROWS_MAX)
            return sgl_fail(failure, SGL_EINVAL, "%s: more than %zu rows", reader->path,
                            SGL_CSV_TABLE_ROWS_MAX);
        if (!is_wanted(reader, &row))
            continue;
        snprintf(place, sizeof place, "%.480s:%llu", reader->path, (unsigned long long)row.line);
        got = read_cells(reader, &row, &out, failure);
        if (got == SGL_OK)
            got = table->take(table->context, &out, failure);
        if (got != SGL_OK)
            return got;
    }
    return got;
}

int sgl_csv_table_read(const char *path, const struct sgl_csv_table *table,
                       struct sgl_failure *failure)
{
    struct table_reader reader = {
        .path = path, .names = table->names, .number_first = table->number_first};
    struct sgl_csv_parser *parser = NULL;
    struct sgl_bytes bytes;
    struct sgl_csv_row header;
    int status = sgl_bytes_open(&bytes, path, path, failure);

    if (status != SGL_OK)
        return status;
    status = sgl_bytes_unpack(&bytes, failure);
    if (status == SGL_OK)
        status = sgl_csv_create(&parser, &bytes, failure);
    if (status == SGL_OK) {
        status = sgl_csv_next(parser, &header, failure);
        if (status == 0)
            status = sgl_fail(failure, SGL_EINVAL, "%s: empty, expected a header", path);
        else if (status > 0)
            status = read_header(&reader, &header, table->where, failure);
    }
    if (status == SGL_OK)
        status = read_rows(&reader, parser, table, failure);
    if (parser != NULL)
        sgl_csv_destroy(parser);
    sgl_bytes_close(&bytes);
    return status;
}
