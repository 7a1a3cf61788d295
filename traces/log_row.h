/*
 * log_row.h - a row of a decision log as typed values: the form in which every kind of log file
 * takes and gives rows, and in which they are digested and compared.
 *
 * Values borrow their bytes. Absent integers (SGL_ABSENT) and reals (NaN) become NULL here, and
 * -0.0 becomes +0.0, so that no file ever sees them; the other way round they come back.
 */
#ifndef SGL_TRACES_LOG_ROW_H
#define SGL_TRACES_LOG_ROW_H

#include "core/absent.h"
#include "core/failure.h"
#include "log_schema.h"

#include <stdbool.h>
#include <string.h>

struct sgl_log_value {
    enum sgl_log_kind kind;
    union {
        int64_t integer;
        double real;
        const void *bytes; /* of a text too; a 0 follows those of a text, which are not counted */
    };
    size_t size; /* bytes; 0 unless text or blob */
};

static inline struct sgl_log_value sgl_log_null(void)
{
    return (struct sgl_log_value){.kind = SGL_LOG_NULL};
}

static inline struct sgl_log_value sgl_log_integer(int64_t value)
{
    return value == SGL_ABSENT ? sgl_log_null()
                               : (struct sgl_log_value){.kind = SGL_LOG_INTEGER, .integer = value};
}

static inline struct sgl_log_value sgl_log_real(double value)
{
    return isnan(value) ? sgl_log_null()
                        : (struct sgl_log_value){.kind = SGL_LOG_REAL, .real = value + 0.0};
}

/* NULL is NULL. */
static inline struct sgl_log_value sgl_log_text(const char *text)
{
    return text == NULL
               ? sgl_log_null()
               : (struct sgl_log_value){.kind = SGL_LOG_TEXT, .bytes = text, .size = strlen(text)};
}

static inline struct sgl_log_value sgl_log_blob(const void *bytes, size_t size)
{
    return (struct sgl_log_value){.kind = SGL_LOG_BLOB, .bytes = bytes, .size = size};
}

/* Do rows of the table begin with a number of their own? Then they ascend by it. */
static inline bool sgl_log_has_key(enum sgl_log_table table)
{
    return table != SGL_LOG_RUN && table != SGL_LOG_CANDIDATE && table != SGL_LOG_ITL;
}

/* The same kind and the same bits. */
bool sgl_log_value_equal(const struct sgl_log_value *left, const struct sgl_log_value *right);

/* As people read it: integers and %.17g, text in quotes, NULL; cut to fit. Returns `out`. */
#define SGL_LOG_VALUE_TEXT_MAX 80
const char *sgl_log_value_text(const struct sgl_log_value *value,
                               char out[static SGL_LOG_VALUE_TEXT_MAX]);

/* Does every value have the kind of its column, and every column that must have a value one?
 * SGL_OK or SGL_EINVAL with a line that begins with `path`. */
int sgl_log_row_check(enum sgl_log_table table, const struct sgl_log_value *values,
                      const char *path, struct sgl_failure *failure);

/* What a row adds to the digest of its table. */
uint64_t sgl_log_row_hash(enum sgl_log_table table, const struct sgl_log_value *values);

#endif
