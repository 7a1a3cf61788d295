#include "csv_parser.h"

#include "utf8.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#define MARK_SIZE 3 /* of the UTF-8 byte order mark */

enum byte_class { PLAIN, BLANK, CUT, QUOTE, ZERO, HIGH };

#define HIGH_16                                                                                    \
    HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH

/* Static, so that finding the end of a cell costs one look per byte. */
static const unsigned char classes[256] = {
    [0] = ZERO,    ['\t'] = BLANK, ['\n'] = CUT,    ['\r'] = CUT, [' '] = BLANK,
    ['"'] = QUOTE, [','] = CUT,    [128] = HIGH_16, HIGH_16,      HIGH_16,
    HIGH_16,       HIGH_16,        HIGH_16,         HIGH_16,      HIGH_16,
};

struct sgl_csv_parser {
    struct csv_parser machine;
    struct sgl_bytes *bytes;
    struct sgl_utf8 utf8;

    /* Where bytes->at stands. */
    uint64_t line;
    uint64_t column;
    bool was_return;                /* the byte before was CR: an LF now is not another line */
    const unsigned char *lines_end; /* of the last whole line at hand; NULL: not known */

    /* The cell being read. */
    bool has_cell; /* its first byte, or the comma that ends it, was seen */
    uint64_t cell_line;
    uint64_t cell_column;
    size_t cell_bytes; /* of it in the file so far */

    /* The row being read. Fed to libcsv, cells[i].text is set when it is complete: text may move.
     */
    struct sgl_csv_cell cells[SGL_CELL_COUNT_MAX];
    size_t offsets[SGL_CELL_COUNT_MAX]; /* of what libcsv gave, in text; NOT_KEPT */
    uint32_t cell_count;
    char *text;
    size_t text_size;
    size_t text_capacity;
    const bool *keep;
    uint32_t keep_count;

    bool is_row_ready;
    bool is_finished;
    int code; /* what a callback failed with */
};

#define NOT_KEPT SIZE_MAX

static int fail_at(const struct sgl_csv_parser *self, uint64_t line, uint64_t column,
                   struct sgl_failure *failure, const char *what)
{
    return sgl_fail(failure, SGL_EINVAL, "%s:%llu:%llu: %s", self->bytes->name,
                    (unsigned long long)line, (unsigned long long)column, what);
}

static bool is_kept(const struct sgl_csv_parser *self, uint32_t cell)
{
    return self->keep == NULL || (cell < self->keep_count && self->keep[cell]);
}

static int reserve_text(struct sgl_csv_parser *self, size_t needed)
{
    if (needed <= self->text_capacity)
        return 0;
    const size_t twice = self->text_capacity * 2;
    const size_t capacity = needed > twice ? needed : twice;
    char *grown = realloc(self->text, capacity);
    if (grown == NULL)
        return SGL_ENOMEM;
    self->text = grown;
    self->text_capacity = capacity;
    return 0;
}

static int keep_text(struct sgl_csv_parser *self, const char *text, size_t size)
{
    const size_t needed = self->text_size + size + 1;

    if (needed > SGL_ROW_SIZE_MAX)
        return SGL_EINVAL;
    if (reserve_text(self, needed) < 0)
        return SGL_ENOMEM;
    memcpy(self->text + self->text_size, text, size);
    self->text[self->text_size + size] = '\0';
    self->text_size = needed;
    return 0;
}

/* libcsv: a cell is complete. */
static void end_cell(void *text, size_t size, void *context)
{
    struct sgl_csv_parser *self = context;
    const uint32_t i = self->cell_count;

    if (self->code < 0)
        return;
    if (i == SGL_CELL_COUNT_MAX) {
        self->code = SGL_EINVAL;
        return;
    }
    self->cells[i] =
        (struct sgl_csv_cell){.size = size, .line = self->cell_line, .column = self->cell_column};
    self->offsets[i] = NOT_KEPT;
    if (is_kept(self, i)) {
        self->offsets[i] = self->text_size;
        self->code = keep_text(self, text, size);
    }
    self->cell_count++;
    self->has_cell = false;
}

/* libcsv: a row is complete. */
static void end_row(int byte, void *context)
{
    struct sgl_csv_parser *self = context;

    (void)byte;
    self->is_row_ready = true;
}

static int fail_code(const struct sgl_csv_parser *self, struct sgl_failure *failure)
{
    if (self->code == SGL_ENOMEM)
        return sgl_fail(failure, SGL_ENOMEM, "%s:%llu: no memory for the row", self->bytes->name,
                        (unsigned long long)self->cell_line);
    return fail_at(self, self->cell_line, self->cell_column, failure,
                   "row of more than 4,096 cells or 16 MiB, expected less");
}

/* Gives `size` bytes to libcsv; only the last of them can end a cell. */
static int feed(struct sgl_csv_parser *self, size_t size, struct sgl_failure *failure)
{
    const unsigned char *text = self->bytes->at;

    if (self->has_cell) {
        self->cell_bytes += size;
        if (self->cell_bytes > SGL_CELL_SIZE_MAX)
            return fail_at(self, self->cell_line, self->cell_column, failure,
                           "cell of more than 1 MiB, expected less (is a quote never closed?)");
    }
    const size_t taken = csv_parse(&self->machine, text, size, end_cell, end_row, self);
    if (self->code < 0)
        return fail_code(self, failure);
    if (taken == size) {
        self->bytes->at += size;
        self->column += size;
        return 0;
    }
    if (csv_error(&self->machine) != CSV_EPARSE) {
        self->code = SGL_ENOMEM;
        return fail_code(self, failure);
    }
    return fail_at(self, self->line, self->column + taken, failure,
                   "quote in the middle of a cell, expected \"\" in a quoted cell");
}

/* The bytes up to the next one that may end a cell, that one included. */
static int measure(struct sgl_csv_parser *self, size_t *size_out, struct sgl_failure *failure)
{
    const unsigned char *const start = self->bytes->at;
    const unsigned char *at = start;

    for (; at < self->bytes->end; at++) {
        if (self->utf8.missing > 0 || *at >= 0x80) {
            if (!sgl_utf8_step(&self->utf8, *at))
                return fail_at(self, self->line, self->column + (uint64_t)(at - start), failure,
                               "not UTF-8, expected UTF-8 text");
            continue;
        }
        if (classes[*at] == CUT) {
            at++;
            break;
        }
        if (classes[*at] == ZERO)
            return fail_at(self, self->line, self->column + (uint64_t)(at - start), failure,
                           "NUL byte, expected text");
    }
    *size_out = (size_t)(at - start);
    return 0;
}

/* Notes where a cell begins: at its first byte that is not a space around it. */
static void open_cell(struct sgl_csv_parser *self, size_t size)
{
    size_t skipped = 0;

    if (self->has_cell)
        return;
    while (skipped < size && classes[self->bytes->at[skipped]] == BLANK)
        skipped++;
    self->cell_line = self->line;
    self->cell_column = self->column + skipped;
    self->cell_bytes = 0;
    self->has_cell =
        skipped < size && self->bytes->at[skipped] != '\n' && self->bytes->at[skipped] != '\r';
}

/* Counts lines: LF, CRLF and a CR alone each end one. */
static void count_line(struct sgl_csv_parser *self, unsigned char last, size_t size)
{
    if (last == '\n' && size == 1 && self->was_return) {
        self->column = 1;
    } else if (last == '\n' || last == '\r') {
        self->line++;
        self->column = 1;
    }
    self->was_return = last == '\r';
}

/* ---- rows that leave nothing to decide --------------------------------------------------- */

/* The first byte from `at` on that is no plain one; there must be an LF ahead. Four at a time, for
 * this is where most of the time goes that reading a file takes. */
static inline const unsigned char *skip_plain(const unsigned char *at)
{
    for (;; at += 4) {
        if (classes[at[0]] > BLANK)
            return at;
        if (classes[at[1]] > BLANK)
            return at + 1;
        if (classes[at[2]] > BLANK)
            return at + 2;
        if (classes[at[3]] > BLANK)
            return at + 3;
    }
}

/* Notes the cells of the line that begins at bytes->at, with their texts where they will stand in
 * `row`. Its size with the line end, or 0: it is not plain, or has too many. */
static size_t scan_plain(struct sgl_csv_parser *self, const char *row)
{
    const unsigned char *const start = self->bytes->at;
    const unsigned char *cell = start;
    uint32_t count = 0;

    for (;;) {
        const unsigned char *at = skip_plain(cell);
        const size_t offset = (size_t)(cell - start);
        const size_t size = (size_t)(at - cell);
        if (classes[*at] != CUT || count == SGL_CELL_COUNT_MAX ||
            (size > 0 && (classes[cell[0]] == BLANK || classes[at[-1]] == BLANK)))
            return 0; /* it takes libcsv to tell what of it is the cell */
        struct sgl_csv_cell *const noted = &self->cells[count];
        noted->text = is_kept(self, count) ? row + offset : NULL;
        noted->size = size;
        noted->line = self->line;
        noted->column = self->column + offset;
        self->cell_count = ++count;
        cell = at + 1;
        if (*at == ',')
            continue;
        if (*at == '\r' && *cell++ != '\n')
            return 0;
        return (size_t)(cell - start);
    }
}

/* Where the last whole line at hand ends: up to there the look at each byte need not ask whether
 * there is another. */
static const unsigned char *end_of_lines(const struct sgl_bytes *bytes)
{
    const unsigned char *end = bytes->end;

    while (end > bytes->at && end[-1] != '\n')
        end--;
    return end;
}

/* The next row, if it is plain. 1; 0: it is not, and nothing of it has been taken; negative:
 * failure. */
static int take_plain_row(struct sgl_csv_parser *self, struct sgl_failure *failure)
{
    struct sgl_bytes *bytes = self->bytes;

    /* libcsv is between two rows, and an LF behind a CR says nothing to it. */
    if (self->was_return && bytes->at < bytes->end && *bytes->at == '\n') {
        bytes->at++;
        self->column = 1;
        self->was_return = false;
    }
    if (self->lines_end == NULL)
        self->lines_end = end_of_lines(bytes);
    if (bytes->at >= self->lines_end)
        return 0;
    self->code = reserve_text(self, SGL_BYTES_CHUNK);
    if (self->code < 0) {
        self->cell_line = self->line;
        return fail_code(self, failure);
    }
    const size_t size = scan_plain(self, self->text);
    const bool is_blank = self->cell_count == 1 && self->cells[0].size == 0;
    if (size == 0 || size > SGL_BYTES_CHUNK || is_blank) {
        self->cell_count = 0;
        return 0;
    }
    memcpy(self->text, bytes->at, size);
    for (uint32_t i = 0; i < self->cell_count; i++)
        if (self->cells[i].text != NULL)
            self->text[self->cells[i].column - self->column + self->cells[i].size] = '\0';
    bytes->at += size;
    self->line++;
    self->column = 1;
    self->was_return = false;
    self->is_row_ready = true;
    return 1;
}

/* ---- all others -------------------------------------------------------------------------- */

/* The bytes are all fed: libcsv gives the row that no line end closed. */
static int finish(struct sgl_csv_parser *self, struct sgl_failure *failure)
{
    self->is_finished = true;
    if (self->utf8.missing > 0)
        return fail_at(self, self->line, self->column, failure,
                       "file ends within a character, expected UTF-8 text");
    if (!self->has_cell) {
        self->cell_line = self->line;
        self->cell_column = self->column;
    }
    const int status = csv_fini(&self->machine, end_cell, end_row, self);
    if (self->code < 0)
        return fail_code(self, failure);
    if (status != 0)
        return fail_at(self, self->cell_line, self->cell_column, failure,
                       "quote never closed, expected another one");
    return 0;
}

static int step(struct sgl_csv_parser *self, struct sgl_failure *failure)
{
    size_t size = 0;

    if (self->bytes->at == self->bytes->end) {
        const int more = sgl_bytes_more(self->bytes, failure);
        self->lines_end = NULL;
        if (more < 0)
            return more;
        if (more == 0)
            return finish(self, failure);
    }
    int code = measure(self, &size, failure);
    if (code < 0)
        return code;
    const unsigned char last = self->bytes->at[size - 1];
    open_cell(self, size);
    code = feed(self, size, failure);
    if (code == 0)
        count_line(self, last, size);
    return code;
}

int sgl_csv_next(struct sgl_csv_parser *parser, struct sgl_csv_row *row_out,
                 struct sgl_failure *failure)
{
    parser->cell_count = 0;
    parser->text_size = 0;
    parser->is_row_ready = false;
    const int plain = take_plain_row(parser, failure);
    if (plain < 0)
        return plain;
    while (!parser->is_row_ready) {
        if (parser->is_finished)
            return 0;
        const int code = step(parser, failure);
        if (code < 0)
            return code;
    }
    for (uint32_t i = 0; plain == 0 && i < parser->cell_count; i++)
        if (parser->offsets[i] != NOT_KEPT)
            parser->cells[i].text = parser->text + parser->offsets[i];
    *row_out = (struct sgl_csv_row){
        .cells = parser->cells, .cell_count = parser->cell_count, .line = parser->cells[0].line};
    return 1;
}

void sgl_csv_keep(struct sgl_csv_parser *parser, const bool *keep, uint32_t count)
{
    parser->keep = keep;
    parser->keep_count = count;
}

/* What is not UTF-8 from its first bytes on deserves a better word than "NUL byte". */
static int check_head(struct sgl_csv_parser *self, struct sgl_failure *failure)
{
    const unsigned char *const head = self->bytes->at;
    const size_t size = (size_t)(self->bytes->end - head);

    if (size >= 2 && ((head[0] == 0xff && head[1] == 0xfe) ||
                      (head[0] == 0xfe && head[1] == 0xff) || (head[0] == 0) != (head[1] == 0)))
        return sgl_fail(failure, SGL_EINVAL, "%s: looks like UTF-16, expected UTF-8",
                        self->bytes->name);
    if (size >= MARK_SIZE && memcmp(head, "\xef\xbb\xbf", MARK_SIZE) == 0)
        self->bytes->at += MARK_SIZE;
    return 0;
}

int sgl_csv_create(struct sgl_csv_parser **parser_out, struct sgl_bytes *bytes,
                   struct sgl_failure *failure)
{
    struct sgl_csv_parser *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", bytes->name);
    if (csv_init(&self->machine, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        free(self);
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", bytes->name);
    }
    csv_set_blk_size(&self->machine, 4096);
    self->bytes = bytes;
    self->line = 1;
    self->column = 1;
    const int code = check_head(self, failure);
    if (code < 0) {
        sgl_csv_destroy(self);
        return code;
    }
    *parser_out = self;
    return 0;
}

void sgl_csv_destroy(struct sgl_csv_parser *parser)
{
    if (parser == NULL)
        return;
    csv_free(&parser->machine);
    free(parser->text);
    free(parser);
}
