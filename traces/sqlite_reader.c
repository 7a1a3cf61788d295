#include "sqlite_reader.h"

#include "core/absent.h"
#include "csv_parser.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC "SQLite format 3" /* with its NUL: the first 16 bytes of a database */
#define PATH_SIZE 4096
#define HASH_TEXT_SIZE 19 /* "0x", 16 digits, a space */

bool sgl_sqlite_is_head(const struct sgl_bytes *bytes)
{
    return (size_t)(bytes->end - bytes->at) >= sizeof MAGIC &&
           memcmp(bytes->at, MAGIC, sizeof MAGIC) == 0;
}

int sgl_sqlite_fail(const struct sgl_sqlite_reader *self, struct sgl_failure *failure,
                    const char *name)
{
    switch (sqlite3_errcode(self->database) & 0xff) {
    case SQLITE_NOMEM:
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", name);
    case SQLITE_NOTADB:
        return sgl_fail(failure, SGL_EINVAL, "%s: is not a SQLite database", name);
    case SQLITE_CORRUPT:
        return sgl_fail(failure, SGL_EINVAL, "%s: is a damaged SQLite database (%s)", name,
                        sqlite3_errmsg(self->database));
    default:
        return sgl_fail(failure, SGL_EIO, "%s: %s", name, sqlite3_errmsg(self->database));
    }
}

/* Is there a file PATH-wal or PATH-journal with something in it? */
static bool has_companion(const char *path, const char *suffix)
{
    char name[PATH_SIZE];
    struct stat info;
    const int size = snprintf(name, sizeof name, "%s%s", path, suffix);

    return size > 0 && size < PATH_SIZE && stat(name, &info) == 0 && info.st_size > 0;
}

/* "file:" and the path with the characters escaped that mean something in a URI. To be freed with
 * sqlite3_free(). */
static char *make_uri(sqlite3_str *uri, const char *path)
{
    /* A database nobody writes needs no locks and no files beside it, and SQLite would not find out
     * by itself. One with a log or journal must be read with them. */
    const bool is_still = !has_companion(path, "-wal") && !has_companion(path, "-journal");
    sqlite3_str_appendall(uri, path[0] == '/' ? "file:" : "file:./");
    for (; *path != '\0'; path++)
        if (strchr("%?#", *path) != NULL)
            sqlite3_str_appendf(uri, "%%%02x", (unsigned)*path);
        else
            sqlite3_str_appendchar(uri, 1, *path);
    sqlite3_str_appendall(uri, is_still ? "?mode=ro&immutable=1" : "?mode=ro");
    return sqlite3_str_finish(uri);
}

int sgl_sqlite_open(struct sgl_sqlite_reader *self, const struct sgl_format_ops *ops,
                    const struct sgl_format_input *input, const char *table,
                    struct sgl_failure *failure)
{
    self->reader.ops = ops;
    self->reader.position_word = "row";
    self->reader.epoch_ns = SGL_ABSENT;
    snprintf(self->reader.place, sizeof self->reader.place, "%s:%.40s:row ", input->name, table);
    if (input->bytes->unpacker != NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: is a gzip-compressed database, expected it unpacked (gunzip it first)",
                        input->name);
    if (!input->is_file)
        return sgl_fail(failure, SGL_EINVAL, "%s: is a pipe or memory, expected a SQLite file",
                        input->name);
    /* SQLite locks by fcntl(), whose locks go when the process closes any descriptor of the file.
     */
    sgl_bytes_close(input->bytes);
    char *uri = make_uri(sqlite3_str_new(NULL), input->path);
    if (uri == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    const int code =
        sqlite3_open_v2(uri, &self->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    sqlite3_free(uri);
    if (code != SQLITE_OK)
        return sgl_sqlite_fail(self, failure, input->name);
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* Any statement will do: it is the first to look into the file. */
    if (sqlite3_exec(self->database, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK)
        return sgl_sqlite_fail(self, failure, input->name);
    return 0;
}

static int fail_value(const struct sgl_sqlite_reader *self, enum sgl_column column,
                      const char *what, struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_EINVAL, "%s%llu: %s %s", self->reader.place,
                    (unsigned long long)self->row_count, sgl_columns[column].name, what);
}

/* Integer ns as seconds: "12.000000345". */
static void write_seconds(int64_t ns, char out[static SGL_REAL_TEXT_MAX])
{
    const uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    snprintf(out, SGL_REAL_TEXT_MAX, "%s%llu.%09llu", ns < 0 ? "-" : "",
             (unsigned long long)(size / 1000000000), (unsigned long long)(size % 1000000000));
}

/* "0x1122334455667788 0x..." of a blob of numbers. */
static int read_hashes(struct sgl_sqlite_reader *self, int index, struct sgl_raw_cell *cell,
                       struct sgl_failure *failure)
{
    const unsigned char *bytes = sqlite3_column_blob(self->statement, index);
    const size_t size = (size_t)sqlite3_column_bytes(self->statement, index);
    const size_t needed = size / 8 * HASH_TEXT_SIZE + 1;

    if (size % 8 != 0)
        return fail_value(self, SGL_COLUMN_PREFIX_HASHES, "is cut short, expected 8 bytes each",
                          failure);
    if (needed > self->hashes_capacity) {
        char *grown = realloc(self->hashes, needed);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s%llu: no memory for the row",
                            self->reader.place, (unsigned long long)self->row_count);
        self->hashes = grown;
        self->hashes_capacity = needed;
    }
    char *at = self->hashes;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t hash = 0;
        for (size_t k = 8; k-- > 0;)
            hash = hash << 8 | bytes[i + k];
        at += snprintf(at, HASH_TEXT_SIZE + 1, "0x%016llx ", (unsigned long long)hash);
    }
    *at = '\0';
    cell->text = self->hashes;
    cell->size = (size_t)(at - self->hashes);
    return 0;
}

static int read_cell(struct sgl_sqlite_reader *self, int index, enum sgl_column column,
                     struct sgl_raw_cell *cell, struct sgl_failure *failure)
{
    char *number = self->numbers[column];

    *cell = (struct sgl_raw_cell){0};
    switch (sqlite3_column_type(self->statement, index)) {
    case SQLITE_NULL:
        return 0;
    case SQLITE_INTEGER:
        cell->text = number;
        if (self->has_native_units && (sgl_columns[column].kind == SGL_KIND_TIME ||
                                       sgl_columns[column].kind == SGL_KIND_DURATION))
            write_seconds(sqlite3_column_int64(self->statement, index), number);
        else
            snprintf(number, SGL_REAL_TEXT_MAX, "%lld",
                     (long long)sqlite3_column_int64(self->statement, index));
        break;
    case SQLITE_FLOAT:
        cell->text = sgl_real_text(sqlite3_column_double(self->statement, index), number);
        break;
    case SQLITE_BLOB:
        if (self->has_native_units && column == SGL_COLUMN_PREFIX_HASHES)
            return read_hashes(self, index, cell, failure);
        return fail_value(self, column, "is a blob, expected a number or text", failure);
    default:
        cell->text = (const char *)sqlite3_column_text(self->statement, index);
        cell->size = (size_t)sqlite3_column_bytes(self->statement, index);
        if (cell->text == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s%llu: no memory for the row",
                            self->reader.place, (unsigned long long)self->row_count);
        if (cell->size > SGL_CELL_SIZE_MAX)
            return fail_value(self, column, "has more than 1 MiB, expected less", failure);
        if (memchr(cell->text, '\0', cell->size) != NULL)
            return fail_value(self, column, "has a NUL byte, expected text", failure);
        if (!sgl_utf8_is_valid(cell->text, cell->size))
            return fail_value(self, column, "is not UTF-8, expected UTF-8 text", failure);
        return 0;
    }
    cell->size = strlen(number);
    return 0;
}

int sgl_sqlite_next(struct sgl_sqlite_reader *self, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    char place[SGL_PLACE_MAX];
    int index = 0;

    switch (sqlite3_step(self->statement)) {
    case SQLITE_ROW:
        break;
    case SQLITE_DONE:
        return 0;
    default:
        snprintf(place, sizeof place, "%s%llu", self->reader.place,
                 (unsigned long long)self->row_count + 1);
        return sgl_sqlite_fail(self, failure, place);
    }
    row_out->position = ++self->row_count;
    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        if (self->reader.headers[column] == NULL)
            continue;
        const int code = read_cell(self, index++, column, &row_out->cells[column], failure);
        if (code < 0)
            return code;
    }
    return 1;
}

void sgl_sqlite_release(struct sgl_sqlite_reader *self)
{
    sqlite3_finalize(self->statement);
    sqlite3_close(self->database);
    free(self->hashes);
}
