#include "log_schema.h"

/* clang-format off */
#define LOG_TABLE(upper, lower, order) static const struct sgl_log_column lower##_columns[] = {
#define LOG_COLUMN(table, upper, lower, kind, constraint) {#lower, SGL_LOG_##kind, constraint},
#define LOG_END(upper, lower)                                                                      \
    };                                                                                             \
    _Static_assert(sizeof lower##_columns / sizeof lower##_columns[0] <= SGL_LOG_COLUMN_MAX,       \
                   "SGL_LOG_COLUMN_MAX is too small");
#include "log_columns.def"
#undef LOG_TABLE
#undef LOG_COLUMN
#undef LOG_END

const struct sgl_log_layout sgl_log_layouts[SGL_LOG_TABLE_COUNT] = {
#define LOG_TABLE(upper, lower, order)                                                             \
    [SGL_LOG_##upper] = {#lower, order, lower##_columns,                                           \
                         sizeof lower##_columns / sizeof lower##_columns[0]},
#define LOG_COLUMN(table, upper, lower, kind, constraint)
#define LOG_END(upper, lower)
#include "log_columns.def"
#undef LOG_TABLE
#undef LOG_COLUMN
#undef LOG_END
};
/* clang-format on */

const char *sgl_log_kind_name(enum sgl_log_kind kind)
{
    static const char *const names[] = {
        [SGL_LOG_NULL] = "NULL", [SGL_LOG_INTEGER] = "integer", [SGL_LOG_REAL] = "real",
        [SGL_LOG_TEXT] = "text", [SGL_LOG_BLOB] = "blob",
    };

    return names[kind];
}

const char sgl_log_indexes_sql[] = "CREATE INDEX candidate_sequence ON candidate(sequence);"
                                   "CREATE INDEX decision_request ON decision(request);"
                                   "CREATE INDEX outcome_request ON outcome(request);";
