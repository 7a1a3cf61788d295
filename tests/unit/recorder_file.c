#include "recorder_file.h"

#include "core/absent.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s\n", what, detail);
    abort();
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;
    size_t got;

    if (file == NULL)
        give_up(path, "cannot be opened");
    do {
        char *grown = realloc(text, size + 65536 + 1);
        if (grown == NULL)
            give_up(path, "no memory");
        text = grown;
        got = fread(text + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* Cuts the line at `at` into cells and returns the start of the next. */
static char *cut_line(char *at, char **cells, const char *path)
{
    char *end = strchr(at, '\n');

    if (end == NULL)
        give_up(path, "the last line has no newline");
    *end = '\0';
    for (size_t i = 0; i < RECORDER_COLUMNS; i++) {
        char *comma = strchr(at, ',');
        if ((comma == NULL) != (i == RECORDER_COLUMNS - 1))
            give_up(path, "a row has not 31 cells");
        cells[i] = at;
        if (comma != NULL) {
            *comma = '\0';
            at = comma + 1;
        }
    }
    return end + 1;
}

struct recorder_file recorder_file_read(const char *path)
{
    struct recorder_file file = {.text = read_all(path)};
    size_t line_count = 0;

    if (strchr(file.text, '"') != NULL)
        give_up(path, "has a quote");
    for (const char *at = file.text; *at != '\0'; at++)
        line_count += *at == '\n';
    file.cells = calloc(line_count * RECORDER_COLUMNS + 1, sizeof *file.cells);
    if (file.cells == NULL)
        give_up(path, "no memory");
    char *at = cut_line(file.text, file.names, path);
    for (; *at != '\0'; file.row_count++)
        at = cut_line(at, &file.cells[file.row_count * RECORDER_COLUMNS], path);
    return file;
}

void recorder_file_release(struct recorder_file *file)
{
    free(file->text);
    free(file->cells);
    *file = (struct recorder_file){0};
}

const char *recorder_text(const struct recorder_file *file, size_t row, const char *column)
{
    size_t i = 0;

    while (i < RECORDER_COLUMNS && strcmp(file->names[i], column) != 0)
        i++;
    if (i == RECORDER_COLUMNS || row >= file->row_count)
        give_up(column, "no such cell");
    return file->cells[row * RECORDER_COLUMNS + i];
}

double recorder_number(const struct recorder_file *file, size_t row, const char *column)
{
    const char *text = recorder_text(file, row, column);
    char *end = NULL;

    if (*text == '\0')
        return SGL_ABSENT_REAL;
    const double value = strtod(text, &end);
    if (*end != '\0')
        give_up(text, "is no number");
    return value;
}

int64_t recorder_ns(const struct recorder_file *file, size_t row, const char *column)
{
    const char *text = recorder_text(file, row, column);
    const char *point = strchr(text, '.');
    int64_t value = 0;

    if (point == NULL || point == text || strlen(point) != 10)
        give_up(text, "has not nine decimals");
    for (const char *at = text; *at != '\0'; at++) {
        if (at == point)
            continue;
        if (!isdigit((unsigned char)*at))
            give_up(text, "is no time");
        value = 10 * value + (*at - '0');
    }
    return value;
}

struct recorder_moments recorder_column(const struct recorder_file *file, const char *column)
{
    struct recorder_moments result = {.least = INFINITY, .most = -INFINITY};
    double squares = 0;
    double count = 0;

    /* Welford's recurrence: the columns have large means and small deviations. */
    for (size_t i = 0; i < file->row_count; i++) {
        const double value = recorder_number(file, i, column);
        if (isnan(value))
            continue;
        count++;
        const double off = value - result.mean;
        result.mean += off / count;
        squares += off * (value - result.mean);
        result.least = fmin(result.least, value);
        result.most = fmax(result.most, value);
    }
    result.deviation = sqrt(squares / count);
    return result;
}
