#include "csv_reader.h"

#include "core/absent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names of the columns we read, copied: the parser's row is about to go. */
static int keep_names(struct sgl_csv_reader *self, const struct sgl_csv_row *row)
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
        self->columns[self->column_count].column = column;
        self->columns[self->column_count++].index = index;
    }
    return 0;
}

/* Our name of a heading, if the format has another for it. */
static const char *translate(const struct sgl_csv_name *names, const char *heading)
{
    for (; names != NULL && names->theirs != NULL; names++)
        if (strcmp(names->theirs, heading) == 0)
            return names->ours;
    return heading;
}

/* "a, b, c" of the header, as far as there is room. */
static const char *list_headings(const struct sgl_csv_row *row, char *out, size_t size)
{
    size_t length = 0;
    char excerpt[SGL_EXCERPT_MAX];

    out[0] = '\0';
    for (uint32_t i = 0; i < row->cell_count && length < size; i++)
        length += (size_t)snprintf(out + length, size - length, "%s%s", i > 0 ? ", " : "",
                                   sgl_excerpt(row->cells[i].text, row->cells[i].size, excerpt));
    return out;
}

/* One "column=value" of [at, end). */
static int add_condition(struct sgl_csv_reader *self, const struct sgl_csv_row *row, const char *at,
                         const char *end, struct sgl_failure *failure)
{
    const char *equals = memchr(at, '=', (size_t)(end - at));
    char excerpt[SGL_EXCERPT_MAX];
    char list[256];

    if (equals == NULL || equals == at)
        return sgl_fail(failure, SGL_EINVAL, "--where has '%s', expected column=value,...",
                        sgl_excerpt(at, (size_t)(end - at), excerpt));
    if (self->condition_count == SGL_CONDITIONS_MAX)
        return sgl_fail(failure, SGL_EINVAL, "--where has more than %d conditions, expected fewer",
                        SGL_CONDITIONS_MAX);
    const size_t size = (size_t)(equals - at);
    uint32_t index = 0;
    while (index < row->cell_count &&
           (row->cells[index].size != size || memcmp(row->cells[index].text, at, size) != 0))
        index++;
    if (index == row->cell_count)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s%llu: no column '%s' for --where, expected one of: %s",
                        self->reader.place, (unsigned long long)row->line,
                        sgl_excerpt(at, size, excerpt), list_headings(row, list, sizeof list));
    self->conditions[self->condition_count++] = (struct sgl_csv_condition){
        .index = index, .value = equals + 1, .size = (size_t)(end - equals - 1)};
    self->keep[index] = true;
    return 0;
}

static int read_conditions(struct sgl_csv_reader *self, const struct sgl_csv_row *row,
                           const char *where, struct sgl_failure *failure)
{
    int code = 0;

    while (where != NULL && code == 0) {
        const char *end = where + strcspn(where, ",");
        code = add_condition(self, row, where, end, failure);
        where = *end == ',' ? end + 1 : NULL;
    }
    self->reader.skipped_words = "do not meet --where and were left out";
    return code;
}

static int read_header(struct sgl_csv_reader *self, const struct sgl_csv_name *names,
                       const struct sgl_format_input *input, struct sgl_failure *failure)
{
    const char *name = input->name;
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
        headings[i] = (struct sgl_heading){.name = translate(names, row.cells[i].text),
                                           .column = row.cells[i].column};
    snprintf(place, sizeof place, "%s:%llu", name, (unsigned long long)row.line);
    code = sgl_columns_map(&self->map, headings, row.cell_count, place, failure);
    free(headings);
    if (code < 0)
        return code;
    if (keep_names(self, &row) < 0)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for %u columns", name, row.cell_count);
    self->header_count = row.cell_count;
    code = read_conditions(self, &row, input->where, failure);
    sgl_csv_keep(self->parser, self->keep, row.cell_count);
    return code;
}

void sgl_csv_reader_close(struct sgl_format_reader *reader)
{
    struct sgl_csv_reader *self = (struct sgl_csv_reader *)reader;

    sgl_csv_destroy(self->parser);
    free(self->names);
    free(self);
}

int sgl_csv_reader_open(struct sgl_format_reader **reader_out, const struct sgl_format_ops *ops,
                        const struct sgl_csv_name *names, const struct sgl_format_input *input,
                        struct sgl_failure *failure)
{
    struct sgl_csv_reader *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    self->reader.ops = ops;
    self->reader.position_word = "line";
    self->reader.epoch_ns = SGL_ABSENT;
    snprintf(self->reader.place, sizeof self->reader.place, "%s:", input->name);
    int code = sgl_csv_create(&self->parser, input->bytes, failure);
    if (code == 0)
        code = read_header(self, names, input, failure);
    if (code < 0) {
        sgl_csv_reader_close(&self->reader);
        return code;
    }
    *reader_out = &self->reader;
    return 0;
}

static bool is_wanted(const struct sgl_csv_reader *self, const struct sgl_csv_row *row)
{
    for (uint32_t i = 0; i < self->condition_count; i++) {
        const struct sgl_csv_condition *condition = &self->conditions[i];
        const struct sgl_csv_cell *cell = &row->cells[condition->index];
        if (cell->size != condition->size ||
            memcmp(cell->text, condition->value, condition->size) != 0)
            return false;
    }
    return true;
}

int sgl_csv_reader_next(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                        struct sgl_failure *failure)
{
    struct sgl_csv_reader *self = (struct sgl_csv_reader *)reader;
    struct sgl_csv_row row;

    for (;;) {
        const int code = sgl_csv_next(self->parser, &row, failure);
        if (code <= 0)
            return code;
        if (row.cell_count != self->header_count)
            return sgl_fail(failure, SGL_EINVAL,
                            "%s%llu: row of %u cells, expected %u as in the header",
                            self->reader.place, (unsigned long long)row.line, row.cell_count,
                            self->header_count);
        if (is_wanted(self, &row))
            break;
        reader->skipped_count++;
    }
    row_out->position = row.line;
    /* The others are NULL from the start, and nothing here ever sets them. */
    for (uint32_t i = 0; i < self->column_count; i++) {
        const struct sgl_csv_cell *cell = &row.cells[self->columns[i].index];
        row_out->cells[self->columns[i].column] = (struct sgl_raw_cell){
            .text = cell->text, .size = cell->size, .line = cell->line, .column = cell->column};
    }
    return 1;
}

/* Is `name` a cell of the line [at, end)? Headers quote a name only when it has to be. */
static bool has_cell(const char *at, const char *end, const char *name)
{
    const size_t size = strlen(name);

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *last = comma != NULL ? comma : end;
        const char *next = comma != NULL ? comma + 1 : end;
        while (at < last && (*at == ' ' || *at == '"'))
            at++;
        while (last > at && (last[-1] == ' ' || last[-1] == '"' || last[-1] == '\r'))
            last--;
        if ((size_t)(last - at) == size && memcmp(at, name, size) == 0)
            return true;
        at = next;
    }
    return false;
}

bool sgl_csv_head_has(const struct sgl_bytes *bytes, const char *first, const char *second)
{
    const char *at = (const char *)bytes->at;
    const char *const end = (const char *)bytes->end;

    if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    while (at < end && (*at == '\n' || *at == '\r' || *at == ' '))
        at++;
    const char *last = at;
    while (last < end && *last != '\n' && *last != '\r')
        last++;
    return has_cell(at, last, first) && has_cell(at, last, second);
}
