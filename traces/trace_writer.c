#include "trace_writer.h"

#include "csv_parser.h"
#include "partial.h"
#include "trace_store.h"
#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT_MOST (INT64_C(1) << 31)
#define HASH_TEXT_MAX 21 /* twenty digits and a space */

struct sgl_trace_writer {
    struct sgl_trace_store *store;
    uint64_t row_count;
    bool is_since_1970; /* how the first arrival is written; with row_count > 0 */
};

static const struct sgl_trace_store_ops *const stores[] = {
    &sgl_trace_store_csv,
    &sgl_trace_store_sqlite,
};

#define STORE_COUNT (sizeof stores / sizeof stores[0])

size_t sgl_natural_text(uint64_t value, char out[static SGL_NATURAL_TEXT_MAX])
{
    char digits[SGL_NATURAL_TEXT_MAX];
    size_t length = 0;

    do {
        digits[length++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < length; i++)
        out[i] = digits[length - 1 - i];
    return length;
}

size_t sgl_seconds_text(int64_t ns, char out[static SGL_SECONDS_TEXT_MAX])
{
    uint64_t fraction = (uint64_t)ns % SGL_NANOSECONDS_PER_SECOND;
    const size_t point = sgl_natural_text((uint64_t)ns / SGL_NANOSECONDS_PER_SECOND, out);

    out[point] = '.';
    for (size_t i = 9; i > 0; i--) {
        out[point + i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return point + 10;
}

bool sgl_trace_row_has(const struct sgl_trace_row *row, enum sgl_column column)
{
    const void *const member = sgl_trace_row_member(row, column);

    switch (sgl_columns[column].kind) {
    case SGL_KIND_TIME:
    case SGL_KIND_DURATION:
    case SGL_KIND_COUNT:
        return *(const int64_t *)member != SGL_ABSENT;
    case SGL_KIND_SIZE:
        return *(const uint32_t *)member > 0;
    case SGL_KIND_TEXT: {
        const char *text = *(const char *const *)member;
        return text != NULL && text[0] != '\0';
    }
    case SGL_KIND_HASHES:
        return row->request.prefix_count > 0;
    case SGL_KIND_PRIORITY:
        return row->request.priority != SGL_PRIORITY_NORMAL;
    case SGL_KIND_BOOLEAN:
        return row->recorded.has_success;
    }
    return false;
}

uint32_t sgl_trace_row_columns(const struct sgl_trace_row *row)
{
    uint32_t columns = 0;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++)
        if (sgl_trace_row_has(row, column))
            columns |= SGL_COLUMN_BIT(column);
    return columns;
}

bool sgl_trace_header_is_ours(const char *names, size_t size)
{
    size_t at = 0;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        const char *name = sgl_columns[column].name;
        const size_t length = strlen(name);
        if (at < size && size - at >= length && memcmp(names + at, name, length) == 0 &&
            (at + length == size || names[at + length] == ','))
            at += length + 1;
        else if (column < SGL_COLUMN_REQUIRED_COUNT)
            return false;
    }
    return at == size + 1;
}

/* Does the path end in one of the suffixes, with a name before it? */
static bool has_suffix(const char *path, const char *suffixes)
{
    const size_t size = strlen(path);

    for (const char *at = suffixes; *at != '\0'; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " ");
        if (size > length && memcmp(path + size - length, at, length) == 0)
            return true;
        at += length;
    }
    return false;
}

const char *sgl_trace_writer_format(const char *path)
{
    for (size_t i = 0; i < STORE_COUNT; i++)
        if (has_suffix(path, stores[i]->suffixes))
            return stores[i]->name;
    return NULL;
}

static const struct sgl_trace_store_ops *find_store(const struct sgl_trace_writer_options *options,
                                                    struct sgl_failure *failure)
{
    const char *name =
        options->format != NULL ? options->format : sgl_trace_writer_format(options->path);

    if (name == NULL) {
        sgl_fail(failure, SGL_EINVAL,
                 "%s: the suffix tells no kind of trace, expected .csv, .db, .sqlite or .sqlite3",
                 options->path);
        return NULL;
    }
    for (size_t i = 0; i < STORE_COUNT; i++)
        if (strcmp(stores[i]->name, name) == 0)
            return stores[i];
    sgl_fail(failure, SGL_EINVAL, "%s: cannot write the format '%.40s', expected csv or sqlite",
             options->path, name);
    return NULL;
}

/* May the name be taken? */
static int check_replaceable(const struct sgl_trace_store_ops *ops, const char *path,
                             struct sgl_failure *failure)
{
    struct stat info;

    if (lstat(path, &info) != 0)
        return errno == ENOENT ? SGL_OK : sgl_fail_errno(failure, "cannot look at it", path);
    if (!S_ISREG(info.st_mode))
        return sgl_fail(failure, SGL_EINVAL, "%s: exists and is not a file (choose another name)",
                        path);
    if (info.st_size == 0)
        return SGL_OK;
    const int is_ours = ops->is_ours(path, failure);
    if (is_ours == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: exists and is not a %s trace written by sglsim (choose another name)",
                        path, ops->name);
    return is_ours < 0 ? is_ours : SGL_OK;
}

int sgl_trace_writer_open(struct sgl_trace_writer **writer_out,
                          const struct sgl_trace_writer_options *options,
                          struct sgl_failure *failure)
{
    const struct sgl_trace_store_ops *ops = find_store(options, failure);

    if (ops == NULL)
        return SGL_EINVAL;
    int status = check_replaceable(ops, options->path, failure);
    if (status != SGL_OK)
        return status;
    struct sgl_trace_writer *writer = calloc(1, sizeof *writer);
    struct sgl_trace_store *store = ops->create();
    if (writer == NULL || store == NULL) {
        free(writer);
        if (store != NULL)
            ops->destroy(store);
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", options->path);
    }
    store->ops = ops;
    store->file.descriptor = -1;
    store->columns = options->columns | ((UINT32_C(1) << SGL_COLUMN_REQUIRED_COUNT) - 1);
    store->origin_ns = options->origin_ns;
    store->notes = options->notes;
    store->note_count = options->note_count;
    writer->store = store;
    status = sgl_new_file_open(&store->file, options->path, failure);
    store->path = store->file.path;
    if (status == SGL_OK)
        status = ops->begin(store, failure);
    if (status != SGL_OK) {
        sgl_trace_writer_discard(writer);
        return status;
    }
    *writer_out = writer;
    return SGL_OK;
}

static int refuse(const struct sgl_trace_writer *writer, enum sgl_column column, const char *what,
                  struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_EINVAL, "%s: request %llu: %s %s", writer->store->path,
                    (unsigned long long)writer->row_count, sgl_columns[column].name, what);
}

static int check_time(struct sgl_trace_writer *writer, enum sgl_column column, int64_t ns,
                      struct sgl_failure *failure)
{
    const int64_t origin_ns = writer->store->origin_ns;

    if (origin_ns > 0 && ns > INT64_MAX - origin_ns)
        return refuse(writer, column, "is after the year 2262", failure);
    if (ns + origin_ns < 0)
        return refuse(writer, column, "is before the start, expected a time not below 0", failure);
    const bool is_since_1970 = ns + origin_ns >= SGL_EPOCH_LEAST_NS;
    if (writer->row_count == 0 && column == SGL_COLUMN_ARRIVAL_TIME)
        writer->is_since_1970 = is_since_1970;
    if (is_since_1970 != writer->is_since_1970)
        return refuse(writer, column,
                      "and the first arrival are not both below 1e9 s, so it would be misread",
                      failure);
    return SGL_OK;
}

/* Would the reader take the text, which is in quotes in a CSV? */
static int check_text(const struct sgl_trace_writer *writer, enum sgl_column column,
                      const char *text, struct sgl_failure *failure)
{
    const size_t size = strlen(text);
    size_t written = size + 4;

    for (size_t i = 0; i < size; i++)
        written += text[i] == '"';
    if (written > SGL_CELL_SIZE_MAX)
        return refuse(writer, column, "has more than 1 MiB, expected less", failure);
    if (!sgl_utf8_is_valid(text, size))
        return refuse(writer, column, "is not UTF-8, expected UTF-8 text", failure);
    return SGL_OK;
}

static int check_cell(struct sgl_trace_writer *writer, const struct sgl_trace_row *row,
                      enum sgl_column column, struct sgl_failure *failure)
{
    const void *const member = sgl_trace_row_member(row, column);
    int64_t number;

    switch (sgl_columns[column].kind) {
    case SGL_KIND_TIME:
        return check_time(writer, column, *(const int64_t *)member, failure);
    case SGL_KIND_DURATION:
        if (*(const int64_t *)member < 0)
            return refuse(writer, column, "is below 0, expected a duration", failure);
        return SGL_OK;
    case SGL_KIND_COUNT:
    case SGL_KIND_SIZE:
        number = sgl_columns[column].kind == SGL_KIND_SIZE ? (int64_t) * (const uint32_t *)member
                                                           : *(const int64_t *)member;
        if (number < 0 || number > COUNT_MOST)
            return refuse(writer, column, "is not from 0 to 2147483648", failure);
        return SGL_OK;
    case SGL_KIND_TEXT:
        return check_text(writer, column, *(const char *const *)member, failure);
    case SGL_KIND_HASHES:
        if (row->request.prefix_count > SGL_CELL_SIZE_MAX / HASH_TEXT_MAX)
            return refuse(writer, column, "may take more than 1 MiB, expected fewer", failure);
        return SGL_OK;
    case SGL_KIND_PRIORITY:
    case SGL_KIND_BOOLEAN:
        break;
    }
    return SGL_OK;
}

int sgl_trace_writer_write(struct sgl_trace_writer *writer, const struct sgl_trace_row *row,
                           struct sgl_failure *failure)
{
    struct sgl_trace_store *const store = writer->store;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        int status = SGL_OK;
        if ((store->columns & SGL_COLUMN_BIT(column)) == 0)
            continue;
        if (sgl_trace_row_has(row, column))
            status = check_cell(writer, row, column, failure);
        else if (column < SGL_COLUMN_REQUIRED_COUNT)
            status = refuse(writer, column, "is absent, expected a number", failure);
        if (status != SGL_OK)
            return status;
    }
    const int status = store->ops->write(store, row, failure);
    writer->row_count += status == SGL_OK;
    return status;
}

void sgl_trace_writer_discard(struct sgl_trace_writer *writer)
{
    if (writer == NULL)
        return;
    writer->store->ops->release(writer->store);
    sgl_new_file_discard(&writer->store->file);
    writer->store->ops->destroy(writer->store);
    free(writer);
}

int sgl_trace_writer_close(struct sgl_trace_writer *writer, struct sgl_failure *failure)
{
    struct sgl_trace_store *const store = writer->store;
    int status = store->ops->finish(store, failure);

    /* Whoever took the name in the meantime keeps it. */
    if (status == SGL_OK)
        status = check_replaceable(store->ops, store->path, failure);
    if (status == SGL_OK) {
        store->ops->release(store);
        status = sgl_new_file_publish(&store->file, failure);
    }
    sgl_trace_writer_discard(writer);
    return status;
}
