/* Names and cells of the CSV log. */
#include "log_csv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_MAX_SIZE 64

/* Every file that is not of a table; the last three only exist while the log is written. */
static const char *const other_files[] = {
    SGL_LOG_CSV_MARK,
    "recorder.csv",
    "client.csv",
    SGL_LOG_CSV_DATABASE,
    SGL_LOG_CSV_DATABASE ".partial",
    SGL_LOG_CSV_DATABASE ".partial-journal",
};

const char *sgl_log_csv_path(const char *folder, const char *name,
                             char out[static SGL_LOG_CSV_PATH_MAX])
{
    const size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    const int size = snprintf(out, SGL_LOG_CSV_PATH_MAX, "%s%s%s", folder, slash, name);

    return size < SGL_LOG_CSV_PATH_MAX ? out : NULL;
}

int sgl_log_csv_version(const char *folder)
{
    static const char mark[] = SGL_LOG_CSV_MARK_TEXT;
    char path[SGL_LOG_CSV_PATH_MAX];
    char text[sizeof mark + 16] = "";

    if (sgl_log_csv_path(folder, SGL_LOG_CSV_MARK, path) == NULL)
        return 0;
    /* A pipe must not be waited for. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return 0;
    const ssize_t size = pread(descriptor, text, sizeof text - 1, 0);
    close(descriptor);
    if (size < 0 || strncmp(text, mark, sizeof mark - 1) != 0)
        return 0;
    char *end;
    const long version = strtol(text + sizeof mark - 1, &end, 10);
    return *end == '\n' && version > 0 && version < 1000000 ? (int)version : 0;
}

void sgl_log_csv_each_file(void (*visit)(void *context, const char *name), void *context)
{
    char name[NAME_MAX_SIZE];

    for (int table = 0; table < SGL_LOG_TABLE_COUNT; table++) {
        const size_t length = strlen(sgl_log_layouts[table].name);
        memcpy(name, sgl_log_layouts[table].name, length);
        memcpy(name + length, ".csv", sizeof ".csv");
        visit(context, name);
    }
    for (size_t i = 0; i < sizeof other_files / sizeof other_files[0]; i++)
        visit(context, other_files[i]);
}

struct search {
    const char *name;
    bool is_found;
};

static void compare_name(void *context, const char *name)
{
    struct search *search = context;

    search->is_found = search->is_found || strcmp(search->name, name) == 0;
}

bool sgl_log_csv_has_file(const char *name)
{
    struct search search = {.name = name};

    sgl_log_csv_each_file(compare_name, &search);
    return search.is_found;
}

/* ---- cells ---- */

static bool begins_formula(const char *text, size_t size)
{
    return size > 0 && memchr("=+-@\t\r", text[0], 6) != NULL;
}

static bool needs_quotes(const char *text, size_t size)
{
    if (size == 0 || begins_formula(text, size) || text[0] == ' ' || text[size - 1] == ' ' ||
        text[size - 1] == '\t')
        return true;
    for (size_t i = 0; i < size; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\r' || text[i] == '\n')
            return true;
    return false;
}

static void write_text(FILE *out, const char *text, size_t size, const char *prefix)
{
    if (!needs_quotes(text, size)) {
        fwrite(text, 1, size, out);
        return;
    }
    putc('"', out);
    fputs(prefix, out);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            putc('"', out);
        putc(text[i], out);
    }
    putc('"', out);
}

void sgl_log_csv_write_shown(FILE *out, const char *text, size_t size)
{
    write_text(out, text, size, begins_formula(text, size) ? "'" : "");
}

static void write_ids(FILE *out, const unsigned char *bytes, size_t size)
{
    if (size == 0)
        fputs("\"\"", out);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t id = 0;
        for (size_t b = 8; b > 0; b--)
            id = id << 8 | bytes[i + b - 1];
        fprintf(out, i > 0 ? " %" PRIu64 : "%" PRIu64, id);
    }
}

void sgl_log_csv_write_header(FILE *out, enum sgl_log_table table)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];

    for (uint32_t i = 0; i < layout->column_count; i++)
        fprintf(out, i > 0 ? ",%s" : "%s", layout->columns[i].name);
    putc('\n', out);
}

int sgl_log_csv_write_row(FILE *out, enum sgl_log_table table, const struct sgl_log_value *values,
                          struct sgl_failure *failure)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];

    for (uint32_t i = 0; i < layout->column_count; i++) {
        const struct sgl_log_value *value = &values[i];
        if (i > 0)
            putc(',', out);
        switch (value->kind) {
        case SGL_LOG_NULL:
            break;
        case SGL_LOG_INTEGER:
            fprintf(out, "%" PRId64, value->integer);
            break;
        case SGL_LOG_REAL:
            fprintf(out, "%.17g", value->real);
            break;
        case SGL_LOG_TEXT:
            if (memchr(value->bytes, '\0', value->size) != NULL)
                return sgl_fail(failure, SGL_EINVAL,
                                "table %s: %s has a NUL, which CSV cannot hold", layout->name,
                                layout->columns[i].name);
            write_text(out, value->bytes, value->size, "");
            break;
        case SGL_LOG_BLOB:
            if (value->size % 8 != 0)
                return sgl_fail(failure, SGL_EINVAL,
                                "table %s: %s has %zu bytes, expected ids of 8 bytes", layout->name,
                                layout->columns[i].name, value->size);
            write_ids(out, value->bytes, value->size);
            break;
        }
    }
    putc('\n', out);
    return SGL_OK;
}
