#include "log_row.h"

#include <stdio.h>

bool sgl_log_value_equal(const struct sgl_log_value *left, const struct sgl_log_value *right)
{
    if (left->kind != right->kind)
        return false;
    switch (left->kind) {
    case SGL_LOG_NULL:
        return true;
    case SGL_LOG_INTEGER:
    case SGL_LOG_REAL:
        return left->integer == right->integer;
    case SGL_LOG_TEXT:
    case SGL_LOG_BLOB:
        break;
    }
    return left->size == right->size &&
           (left->size == 0 || memcmp(left->bytes, right->bytes, left->size) == 0);
}

const char *sgl_log_value_text(const struct sgl_log_value *value,
                               char out[static SGL_LOG_VALUE_TEXT_MAX])
{
    const int shown = value->size > 60 ? 60 : (int)value->size;

    switch (value->kind) {
    case SGL_LOG_NULL:
        snprintf(out, SGL_LOG_VALUE_TEXT_MAX, "NULL");
        break;
    case SGL_LOG_INTEGER:
        snprintf(out, SGL_LOG_VALUE_TEXT_MAX, "%lld", (long long)value->integer);
        break;
    case SGL_LOG_REAL:
        snprintf(out, SGL_LOG_VALUE_TEXT_MAX, "%.17g", value->real);
        break;
    case SGL_LOG_TEXT:
        snprintf(out, SGL_LOG_VALUE_TEXT_MAX, "'%.*s'", shown, (const char *)value->bytes);
        break;
    case SGL_LOG_BLOB:
        snprintf(out, SGL_LOG_VALUE_TEXT_MAX, "a blob of %zu bytes", value->size);
        break;
    }
    return out;
}

int sgl_log_row_check(enum sgl_log_table table, const struct sgl_log_value *values,
                      const char *path, struct sgl_failure *failure)
{
    const struct sgl_log_layout *layout = &sgl_log_layouts[table];
    char key[SGL_LOG_VALUE_TEXT_MAX];
    char text[SGL_LOG_VALUE_TEXT_MAX];

    for (uint32_t i = 0; i < layout->column_count; i++) {
        const struct sgl_log_column *column = &layout->columns[i];
        const struct sgl_log_value *value = &values[i];
        const bool may_miss = column->constraint[0] == '\0';
        if (value->kind == column->kind || (value->kind == SGL_LOG_NULL && may_miss))
            continue;
        return sgl_fail(failure, SGL_EINVAL, "%s: table %s, %s %s: %s is %s, expected %s%s", path,
                        layout->name, layout->columns[0].name, sgl_log_value_text(&values[0], key),
                        column->name, sgl_log_value_text(value, text),
                        sgl_log_kind_name(column->kind), may_miss ? " or NULL" : "");
    }
    return SGL_OK;
}

/* One word into the hash: multiply by an odd constant and fold the high half, where the product
 * mixes best, into the low one. The constant is 2^64 divided by the golden ratio, made odd. */
static uint64_t absorb(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t absorb_bytes(uint64_t hash, const unsigned char *bytes, size_t size)
{
    uint64_t word;

    hash = absorb(hash, size);
    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = absorb(hash, word);
    }
    word = 0;
    if (size > 0)
        memcpy(&word, bytes, size);
    return absorb(hash, word);
}

uint64_t sgl_log_row_hash(enum sgl_log_table table, const struct sgl_log_value *values)
{
    const uint32_t count = sgl_log_layouts[table].column_count;
    uint64_t hash = (uint64_t)table + 1;

    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_log_value *value = &values[i];
        hash = absorb(hash, value->kind);
        if (value->kind == SGL_LOG_TEXT || value->kind == SGL_LOG_BLOB)
            hash = absorb_bytes(hash, value->bytes, value->size);
        else if (value->kind != SGL_LOG_NULL)
            hash = absorb(hash, (uint64_t)value->integer);
    }
    return absorb(hash, count);
}
