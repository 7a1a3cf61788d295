#include "log_parse.h"

#include <inttypes.h>
#include <stdio.h>

void sgl_parse_refuse(struct sgl_parse *row, uint32_t column, const char *expected)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[row->table];
    char key[SGL_LOG_VALUE_TEXT_MAX];
    char text[SGL_LOG_VALUE_TEXT_MAX];

    if (row->status == SGL_OK)
        row->status =
            sgl_fail(row->failure, SGL_EINVAL, "%s: table %s, %s %s: %s is %s, expected %s",
                     row->reader->path, layout->name, layout->columns[0].name,
                     sgl_log_value_text(&row->values[0], key), layout->columns[column].name,
                     sgl_log_value_text(&row->values[column], text), expected);
}

int64_t sgl_parse_optional(const struct sgl_parse *row, uint32_t column)
{
    const struct sgl_log_value *value = &row->values[column];

    return value->kind == SGL_LOG_NULL ? SGL_ABSENT : value->integer;
}

double sgl_parse_optional_real(const struct sgl_parse *row, uint32_t column)
{
    const struct sgl_log_value *value = &row->values[column];

    return value->kind == SGL_LOG_NULL ? SGL_ABSENT_REAL : value->real;
}

int64_t sgl_parse_integer(struct sgl_parse *row, uint32_t column, int64_t least, int64_t most)
{
    const struct sgl_log_value *value = &row->values[column];
    char expected[80];

    if (value->kind == SGL_LOG_INTEGER && value->integer >= least && value->integer <= most)
        return value->integer;
    snprintf(expected, sizeof expected, "an integer from %" PRId64 " to %" PRId64, least, most);
    sgl_parse_refuse(row, column, expected);
    return least;
}

uint64_t sgl_parse_sequence(struct sgl_parse *row, uint32_t column)
{
    return (uint64_t)sgl_parse_integer(row, column, 1, INT64_MAX);
}

int64_t sgl_parse_request(struct sgl_parse *row, uint32_t column)
{
    return sgl_parse_integer(row, column, 0, INT64_MAX);
}

uint32_t sgl_parse_attempt(struct sgl_parse *row, uint32_t column)
{
    return (uint32_t)sgl_parse_integer(row, column, 0, UINT32_MAX);
}

uint32_t sgl_parse_worker(struct sgl_parse *row, uint32_t column)
{
    return (uint32_t)sgl_parse_integer(row, column, 0, SGL_NO_WORKER - 1);
}

uint32_t sgl_parse_optional_worker(struct sgl_parse *row, uint32_t column)
{
    return row->values[column].kind == SGL_LOG_NULL ? SGL_NO_WORKER : sgl_parse_worker(row, column);
}

/* NULL for NULL. A text with a 0 in it would lose its end. */
const char *sgl_parse_text(struct sgl_parse *row, uint32_t column)
{
    const struct sgl_log_value *value = &row->values[column];

    if (value->kind == SGL_LOG_NULL)
        return NULL;
    if (strlen(value->bytes) != value->size)
        sgl_parse_refuse(row, column, "a text without NUL");
    return value->bytes;
}

/* The number of a word that must be there; `count` words are known. */
static unsigned word(struct sgl_parse *row, uint32_t column, unsigned (*named)(const char *name),
                     unsigned count)
{
    const struct sgl_log_value *value = &row->values[column];
    const unsigned number = value->kind == SGL_LOG_TEXT ? named(value->bytes) : count;

    if (number < count)
        return number;
    sgl_parse_refuse(row, column, "a word that sglsim knows");
    return 0;
}

#define WORD(name, type, named, count)                                                             \
    static unsigned name##_number(const char *text)                                                \
    {                                                                                              \
        return named(text);                                                                        \
    }                                                                                              \
                                                                                                   \
    type sgl_parse_##name(struct sgl_parse *row, uint32_t column)                                  \
    {                                                                                              \
        return (type)word(row, column, name##_number, count);                                      \
    }

WORD(pool, enum sgl_pool, sgl_pool_named, SGL_POOL_COUNT)
WORD(priority, enum sgl_priority, sgl_priority_named, SGL_PRIORITY_COUNT)
WORD(reason, enum sgl_reason, sgl_reason_named, SGL_REASON_COUNT)
WORD(kind, enum sgl_input_kind, sgl_input_named, SGL_INPUT_COUNT)

struct sgl_outcome sgl_parse_outcome(struct sgl_parse *row)
{
    struct sgl_outcome outcome = {
        .queue_time_ns = sgl_parse_optional(row, SGL_LOG_OUTCOME_QUEUE_TIME_NS),
        .ttft_ns = sgl_parse_optional(row, SGL_LOG_OUTCOME_TTFT_NS),
        .e2e_ns = sgl_parse_optional(row, SGL_LOG_OUTCOME_E2E_NS),
        .prompt_tokens = sgl_parse_optional(row, SGL_LOG_OUTCOME_PROMPT_TOKENS),
        .output_tokens = sgl_parse_optional(row, SGL_LOG_OUTCOME_OUTPUT_TOKENS),
        .cached_tokens = sgl_parse_optional(row, SGL_LOG_OUTCOME_CACHED_TOKENS),
        .queue_length = SGL_ABSENT,
        .reported_ns = SGL_ABSENT,
        .success = sgl_parse_integer(row, SGL_LOG_OUTCOME_SUCCESS, 0, 1) == 1,
        .error = sgl_parse_text(row, SGL_LOG_OUTCOME_ERROR),
    };

    return outcome;
}
