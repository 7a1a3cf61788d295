/*
 * recorder_file.h - a client recorder's CSV (31 columns) as a table of cells, for tests that look
 * at the sample trace and at the recorded runs. Deliberately not the trace reader: an oracle of its
 * own.
 *
 *     text    "a,b\n1,2\n3,4\n"      one allocation, cut into cells by NUL bytes
 *     names    ^ ^                   pointers into it
 *     cells        ^ ^  ^ ^          row after row
 */
#ifndef SGL_TESTS_RECORDER_FILE_H
#define SGL_TESTS_RECORDER_FILE_H

#include <stddef.h>
#include <stdint.h>

#define RECORDER_COLUMNS 31

struct recorder_file {
    char *text; /* owned, as is cells */
    char **cells;
    char *names[RECORDER_COLUMNS];
    size_t row_count;
};

/* Aborts, saying why, when the file cannot be read, has another number of columns in any row, or a
 * quote (none of these files has one). */
struct recorder_file recorder_file_read(const char *path);
void recorder_file_release(struct recorder_file *file);

/* One cell. Aborts when there is no such column. */
const char *recorder_text(const struct recorder_file *file, size_t row, const char *column);

/* NaN when the cell is empty; aborts when it is no number. */
double recorder_number(const struct recorder_file *file, size_t row, const char *column);

/* A cell with exactly nine decimals as the integer it is. Aborts when it is not one. */
int64_t recorder_ns(const struct recorder_file *file, size_t row, const char *column);

struct recorder_moments {
    double mean;
    double deviation;
    double least;
    double most;
};

/* Over all cells of a column that are not empty. */
struct recorder_moments recorder_column(const struct recorder_file *file, const char *column);

#endif
