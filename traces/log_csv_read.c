/*
 * The decision log as a folder of CSV files, read.
 *
 *     input.csv --next--> one row after the other         (a cursor per table)
 *               --find--> index: key -> place of its row  (a second cursor; 24 bytes per row, made
 *                                                          when a table is first searched)
 *
 * The files may be anything. They are read strictly: what the writer (log_csv.h) would not have
 * written is refused with file and line, for guessing what an editor or a torn disk made of a
 * number would change it in silence.
 */
#include "log_csv.h"
#include "log_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW_SIZE_MAX ((size_t)64 * 1024 * 1024) /* 3 million prefix ids */

struct cell {
    size_t start; /* in the cursor's bytes; a 0 follows the cell */
    size_t size;
    bool is_quoted;
};

struct cursor {
    FILE *file;
    uint64_t offset; /* of the next byte */
    uint64_t line;   /* of the next byte, from 1 */
    uint64_t row_line;
    int64_t last_key;
    int status; /* of the row being read */
    char *bytes;
    size_t used;
    size_t room;
    unsigned char *ids; /* the one blob of a row */
    size_t ids_room;
    struct cell cells[SGL_LOG_COLUMN_MAX];
};

struct place {
    int64_t key;
    uint64_t offset;
    uint64_t line;
};

struct csv_source {
    struct sgl_log_source source; /* first */
    char *path;
    struct cursor next[SGL_LOG_TABLE_COUNT];
    struct cursor find[SGL_LOG_TABLE_COUNT];
    struct place *places[SGL_LOG_TABLE_COUNT];
    size_t place_count[SGL_LOG_TABLE_COUNT];
};

/* Where in a table's file something is said of. */
struct where {
    const struct csv_source *self;
    enum sgl_log_table table;
    struct cursor *cursor;
    struct sgl_failure *failure;
};

static const char *file_path(const struct where *where, char out[static SGL_LOG_CSV_PATH_MAX])
{
    char name[64];

    snprintf(name, sizeof name, "%s.csv", sgl_log_layouts[where->table].name);
    /* The path was short enough when the file was opened. */
    return sgl_log_csv_path(where->self->path, name, out);
}

static int refuse(const struct where *where, uint64_t line, const char *what)
{
    char path[SGL_LOG_CSV_PATH_MAX];

    return sgl_fail(where->failure, SGL_EINVAL, "%.300s:%" PRIu64 ": %s", file_path(where, path),
                    line, what);
}

static int fail_memory(const struct where *where)
{
    return sgl_fail(where->failure, SGL_ENOMEM, "%s: out of memory", where->self->path);
}

/* ---- a row of cells ---- */

static int take(struct cursor *cursor)
{
    const int c = getc(cursor->file);

    if (c != EOF)
        cursor->offset++;
    if (c == '\n')
        cursor->line++;
    return c;
}

static int append(const struct where *where, int c)
{
    struct cursor *cursor = where->cursor;

    if (cursor->used == cursor->room) {
        const size_t room = cursor->room > 0 ? 2 * cursor->room : 256;
        if (room > ROW_SIZE_MAX)
            return refuse(where, cursor->row_line,
                          "the row has over 64 MiB (is a closing quote missing?)");
        char *grown = realloc(cursor->bytes, room);
        if (grown == NULL)
            return fail_memory(where);
        cursor->bytes = grown;
        cursor->room = room;
    }
    cursor->bytes[cursor->used++] = (char)c;
    return SGL_OK;
}

#define STOPPED (EOF - 1) /* the cursor has the status */

static int stop(const struct where *where, int status)
{
    where->cursor->status = status;
    return STOPPED;
}

/* Behind the opening quote: takes the rest of the cell. Returns what follows the closing quote, EOF
 * or STOPPED. */
static int take_quoted(const struct where *where)
{
    struct cursor *cursor = where->cursor;

    for (;;) {
        int c = take(cursor);
        if (c == EOF)
            return EOF;
        if (c == '"' && (c = take(cursor)) != '"')
            return c;
        if (c == '\0')
            break;
        const int status = append(where, c);
        if (status != SGL_OK)
            return stop(where, status);
    }
    return stop(where, refuse(where, cursor->line, "has a NUL, which no log has"));
}

static int take_bare(const struct where *where, int c)
{
    while (c != EOF && c != ',' && c != '\n') {
        const char *what = c == '"'    ? "has a quote within a cell, expected it doubled in quotes"
                           : c == '\r' ? "has a carriage return (did an editor save the file?), "
                                         "expected lines that end with LF"
                           : c == '\0' ? "has a NUL, which no log has"
                                       : NULL;
        const int status =
            what != NULL ? refuse(where, where->cursor->line, what) : append(where, c);
        if (status != SGL_OK)
            return stop(where, status);
        c = take(where->cursor);
    }
    return c;
}

/* 1: the cells of a row are there; 0: the end of the file. */
static int read_cells(const struct where *where)
{
    struct cursor *cursor = where->cursor;
    const uint32_t column_count = sgl_log_layouts[where->table].column_count;
    char path[SGL_LOG_CSV_PATH_MAX];
    char what[96];
    uint32_t count = 0;

    cursor->used = 0;
    cursor->row_line = cursor->line;
    int c = take(cursor);
    if (c == EOF && ferror(cursor->file) == 0)
        return 0;
    for (;; c = take(cursor)) {
        struct cell cell = {.start = cursor->used, .is_quoted = c == '"'};
        c = cell.is_quoted ? take_quoted(where) : take_bare(where, c);
        if (c == STOPPED)
            return cursor->status;
        if (c == EOF && ferror(cursor->file) != 0)
            return sgl_fail(where->failure, SGL_EIO, "%.300s: cannot be read",
                            file_path(where, path));
        if (c == EOF)
            return refuse(where, cursor->row_line, "is cut off: the line has no end");
        if (c != ',' && c != '\n')
            return refuse(where, cursor->line,
                          c == '\r' ? "has a carriage return (did an editor save the file?), "
                                      "expected lines that end with LF"
                                    : "has a byte behind a closing quote, expected a comma");
        cell.size = cursor->used - cell.start;
        const int status = append(where, '\0');
        if (status != SGL_OK)
            return status;
        if (count < column_count)
            cursor->cells[count] = cell;
        count++;
        if (c == '\n')
            break;
    }
    if (count == column_count)
        return 1;
    snprintf(what, sizeof what, "has %" PRIu32 " cells, expected %" PRIu32, count, column_count);
    return refuse(where, cursor->row_line, what);
}

/* ---- values ---- */

static bool parse_integer(const char *text, int64_t *value_out)
{
    const bool is_negative = text[0] == '-';
    const char *digits = is_negative ? text + 1 : text;
    const uint64_t most = is_negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t value = 0;

    if (digits[0] == '\0' || (digits[0] == '0' && (digits[1] != '\0' || is_negative)))
        return false;
    for (const char *c = digits; *c != '\0'; c++) {
        const uint64_t digit = (uint64_t)(*c - '0');
        if (*c < '0' || *c > '9' || value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    /* The least number has no positive twin. */
    *value_out = !is_negative ? (int64_t)value : -(int64_t)(value - 1) - 1;
    return true;
}

/* As the writer prints them, to the last digit: others may round to the same number. */
static bool parse_real(const char *text, double *value_out)
{
    char again[32];

    *value_out = strtod(text, NULL);
    snprintf(again, sizeof again, "%.17g", *value_out);
    return !isnan(*value_out) && strcmp(text, again) == 0;
}

/* "1 2 3" becomes 24 bytes. 1, 0 when it is no such list, or SGL_ENOMEM. */
static int parse_ids(struct cursor *cursor, const char *text, struct sgl_log_value *value)
{
    size_t size = 0;

    *value = sgl_log_blob(cursor->ids, 0);
    for (const char *at = text; *at != '\0';) {
        uint64_t id = 0;
        const char *first = at;
        for (; *at >= '0' && *at <= '9'; at++) {
            const uint64_t digit = (uint64_t)(*at - '0');
            if (id > (UINT64_MAX - digit) / 10)
                return 0;
            id = id * 10 + digit;
        }
        if (at == first || (*at != '\0' && (*at != ' ' || at[1] == '\0')))
            return 0;
        at += *at == ' ';
        if (size == cursor->ids_room) {
            const size_t room = cursor->ids_room > 0 ? 2 * cursor->ids_room : 512;
            unsigned char *grown = realloc(cursor->ids, room);
            if (grown == NULL)
                return SGL_ENOMEM;
            cursor->ids = grown;
            cursor->ids_room = room;
        }
        for (int b = 0; b < 8; b++)
            cursor->ids[size++] = (unsigned char)(id >> 8 * b);
    }
    *value = sgl_log_blob(cursor->ids, size);
    return 1;
}

static int parse_cell(const struct where *where, uint32_t column, struct sgl_log_value *value)
{
    struct cursor *cursor = where->cursor;
    const struct sgl_log_column *layout = &sgl_log_layouts[where->table].columns[column];
    const struct cell *cell = &cursor->cells[column];
    const char *text = cursor->bytes + cell->start;
    char what[192];
    int fits = 1;

    *value = (struct sgl_log_value){.kind = layout->kind};
    if (cell->size == 0 && !cell->is_quoted)
        value->kind = SGL_LOG_NULL;
    else if (layout->kind == SGL_LOG_INTEGER)
        fits = parse_integer(text, &value->integer);
    else if (layout->kind == SGL_LOG_REAL)
        fits = parse_real(text, &value->real);
    else if (layout->kind == SGL_LOG_BLOB)
        fits = parse_ids(cursor, text, value);
    else {
        value->bytes = text;
        value->size = cell->size;
    }
    if (fits == 1)
        return SGL_OK;
    if (fits < 0)
        return fail_memory(where);
    snprintf(what, sizeof what, "%s is '%.60s', expected %s", layout->name, text,
             layout->kind == SGL_LOG_BLOB   ? "numbers with one space between them"
             : layout->kind == SGL_LOG_REAL ? "a real as %.17g prints it"
                                            : "an integer");
    return refuse(where, cursor->row_line, what);
}

static int read_row(const struct where *where, struct sgl_log_value *values)
{
    struct cursor *cursor = where->cursor;
    const struct sgl_log_layout *layout = &sgl_log_layouts[where->table];
    char path[SGL_LOG_CSV_PATH_MAX];
    char place[400];
    int status = read_cells(where);

    if (status != 1)
        return status;
    for (uint32_t i = 0; i < layout->column_count; i++) {
        status = parse_cell(where, i, &values[i]);
        if (status != SGL_OK)
            return status;
    }
    snprintf(place, sizeof place, "%.300s:%" PRIu64, file_path(where, path), cursor->row_line);
    status = sgl_log_row_check(where->table, values, place, where->failure);
    return status == SGL_OK ? 1 : status;
}

static int check_order(const struct where *where, int64_t last, int64_t key)
{
    char what[96];

    if (key > last)
        return SGL_OK;
    snprintf(what, sizeof what,
             "%s %" PRId64 " comes after %" PRId64 ", expected rows in ascending order",
             sgl_log_layouts[where->table].columns[0].name, key, last);
    return refuse(where, where->cursor->row_line, what);
}

/* ---- the two ways to read ---- */

static int next(struct sgl_log_source *source, enum sgl_log_table table,
                struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct csv_source *self = (struct csv_source *)source;
    struct cursor *cursor = &self->next[table];
    const struct where where = {self, table, cursor, failure};

    if (cursor->file == NULL)
        return 0; /* a table that need not be there */
    const int got = read_row(&where, values);

    if (got != 1 || !sgl_log_has_key(table))
        return got;
    const int status = check_order(&where, cursor->last_key, values[0].integer);
    cursor->last_key = values[0].integer;
    return status == SGL_OK ? 1 : status;
}

static int open_file(const struct where *where)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[where->table];
    struct cursor *cursor = where->cursor;
    char path[SGL_LOG_CSV_PATH_MAX];
    char text[128];
    struct stat info;

    if (sgl_log_csv_path(where->self->path, "a_name_longer_than_any.csv", path) == NULL)
        return sgl_fail(where->failure, SGL_EINVAL, "%.300s: the path is too long",
                        where->self->path);
    file_path(where, path);
    /* A pipe must not be waited for. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    cursor->file = descriptor >= 0 ? fdopen(descriptor, "r") : NULL;
    if (cursor->file == NULL) {
        if (errno == ENOENT && sgl_log_may_lack(where->table))
            return SGL_OK;
        if (strerror_r(errno, text, sizeof text) != 0)
            text[0] = '\0';
        if (descriptor >= 0)
            close(descriptor);
        return sgl_fail(where->failure, SGL_EIO, "%.300s: cannot read: %s", path, text);
    }
    if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode))
        return sgl_fail(where->failure, SGL_EINVAL, "%.300s: is not a file", path);
    cursor->line = 1;
    cursor->last_key = INT64_MIN;
    const int got = read_cells(where);
    if (got < 0)
        return got;
    if (got == 0)
        return refuse(where, 1, "is empty, expected a header");
    if (strncmp(cursor->bytes, "\xef\xbb\xbf", 3) == 0)
        return refuse(where, 1, "begins with a byte order mark (did an editor save the file?)");
    for (uint32_t i = 0; i < layout->column_count; i++) {
        const char *name = cursor->bytes + cursor->cells[i].start;
        if (strcmp(name, layout->columns[i].name) != 0) {
            snprintf(text, sizeof text, "column %" PRIu32 " is '%.40s', expected %s", i + 1, name,
                     layout->columns[i].name);
            return refuse(where, 1, text);
        }
    }
    return SGL_OK;
}

static void close_cursor(struct cursor *cursor)
{
    if (cursor->file != NULL)
        fclose(cursor->file);
    free(cursor->bytes);
    free(cursor->ids);
    *cursor = (struct cursor){0};
}

/* Notes where each row begins. */
static int make_index(struct csv_source *self, const struct where *where)
{
    struct cursor *cursor = where->cursor;
    struct place **places = &self->places[where->table];
    struct sgl_log_value key;
    size_t count = 0;
    size_t room = 0;

    for (;;) {
        struct place place = {.offset = cursor->offset, .line = cursor->line};
        const int got = read_cells(where);
        if (got <= 0) {
            self->place_count[where->table] = count;
            return got;
        }
        int status = parse_cell(where, 0, &key);
        if (status == SGL_OK && key.kind != SGL_LOG_INTEGER)
            status = refuse(where, cursor->row_line, "the first cell is empty, expected a number");
        if (status == SGL_OK)
            status =
                check_order(where, count > 0 ? (*places)[count - 1].key : INT64_MIN, key.integer);
        if (status != SGL_OK)
            return status;
        place.key = key.integer;
        if (count == room) {
            room = room > 0 ? 2 * room : 64;
            struct place *grown = realloc(*places, room * sizeof *grown);
            if (grown == NULL)
                return fail_memory(where);
            *places = grown;
        }
        (*places)[count++] = place;
    }
}

static const struct place *place_of(const struct csv_source *self, enum sgl_log_table table,
                                    int64_t key)
{
    const struct place *places = self->places[table];
    size_t low = 0;
    size_t high = self->place_count[table];

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (places[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->place_count[table] && places[low].key == key ? &places[low] : NULL;
}

static int find(struct sgl_log_source *source, enum sgl_log_table table, int64_t key,
                struct sgl_log_value *values, struct sgl_failure *failure)
{
    struct csv_source *self = (struct csv_source *)source;
    struct cursor *cursor = &self->find[table];
    const struct where where = {self, table, cursor, failure};
    char path[SGL_LOG_CSV_PATH_MAX];

    if (cursor->file == NULL) {
        int status = open_file(&where);
        if (status == SGL_OK)
            status = make_index(self, &where);
        if (status != SGL_OK) {
            close_cursor(cursor);
            free(self->places[table]);
            self->places[table] = NULL;
            self->place_count[table] = 0;
            return status;
        }
    }
    const struct place *place = place_of(self, table, key);
    if (place == NULL)
        return 0;
    /* Most searches ask for the row behind the last one. */
    if (place->offset != cursor->offset &&
        fseeko(cursor->file, (off_t)place->offset, SEEK_SET) != 0)
        return sgl_fail(failure, SGL_EIO, "%.300s: cannot be read", file_path(&where, path));
    cursor->offset = place->offset;
    cursor->line = place->line;
    return read_row(&where, values);
}

static void destroy(struct sgl_log_source *source)
{
    struct csv_source *self = (struct csv_source *)source;

    if (self == NULL)
        return;
    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        close_cursor(&self->next[table]);
        close_cursor(&self->find[table]);
        free(self->places[table]);
    }
    free(self->path);
    free(self);
}

static const struct sgl_log_source_ops ops = {
    .next = next,
    .find = find,
    .destroy = destroy,
};

static int check_version(const struct csv_source *self, struct sgl_failure *failure)
{
    const int version = sgl_log_csv_version(self->path);

    if (version == 0)
        return sgl_fail(failure, SGL_EINVAL, "%s: is not an sglsim log (it has no %s that says so)",
                        self->path, SGL_LOG_CSV_MARK);
    if (version != SGL_LOG_VERSION)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: has log format %d, this program reads format %d (use the sglsim that "
                        "wrote it)",
                        self->path, version, SGL_LOG_VERSION);
    return SGL_OK;
}

int sgl_log_csv_open(struct sgl_log_source **source_out, const char *path,
                     struct sgl_failure *failure)
{
    struct csv_source *self = calloc(1, sizeof *self);

    *source_out = NULL;
    if (self == NULL || (self->path = strdup(path)) == NULL) {
        free(self);
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    }
    self->source.ops = &ops;
    int status = check_version(self, failure);
    for (int table = 0; table < SGL_LOG_TABLE_COUNT && status == SGL_OK; table++)
        status = open_file(
            &(struct where){self, (enum sgl_log_table)table, &self->next[table], failure});
    if (status != SGL_OK) {
        destroy(&self->source);
        return status;
    }
    *source_out = &self->source;
    return SGL_OK;
}
