#include "row.h"

/* *ns -= base_ns; false when that overflows or hits the value that means absent. */
static bool rebase(int64_t *ns, int64_t base_ns)
{
    if (base_ns > 0 ? *ns < -INT64_MAX + base_ns : *ns > INT64_MAX + base_ns)
        return false;
    *ns -= base_ns;
    return true;
}

static const struct sgl_trace_row nothing = {
    .request = {.prompt_tokens = SGL_ABSENT,
                .max_tokens = SGL_ABSENT,
                .priority = SGL_PRIORITY_NORMAL},
    .output_tokens = SGL_ABSENT,
    .recorded = SGL_RECORDED_ABSENT,
};

/* Puts one column into the row; returns the words it took. */
static size_t unpack_column(const uint64_t *words, enum sgl_column column, int64_t number,
                            struct sgl_trace_row *row, struct sgl_digest *digest)
{
    void *const member = (char *)row + sgl_columns[column].offset;

    switch (sgl_columns[column].kind) {
    case SGL_KIND_TIME:
    case SGL_KIND_DURATION:
    case SGL_KIND_COUNT:
        *(int64_t *)member = number;
        break;
    case SGL_KIND_SIZE:
        *(uint32_t *)member = (uint32_t)number;
        break;
    case SGL_KIND_PRIORITY:
        row->request.priority = (enum sgl_priority)number;
        break;
    case SGL_KIND_BOOLEAN:
        row->recorded.has_success = true;
        row->recorded.success = number != 0;
        break;
    case SGL_KIND_TEXT:
        *(const char **)member = (const char *)(words + 1);
        sgl_digest_text(digest, (const char *)(words + 1), words[0]);
        return 1 + words[0] / sizeof *words + 1;
    case SGL_KIND_HASHES:
        row->request.prefix_ids = words + 1;
        row->request.prefix_count = words[0];
        for (size_t i = 0; i <= words[0]; i++)
            sgl_digest_word(digest, words[i]);
        return 1 + words[0];
    }
    sgl_digest_word(digest, (uint64_t)number);
    return 1;
}

int sgl_row_unpack(const struct sgl_packed_row *packed, int64_t base_ns,
                   struct sgl_trace_row *row_out, struct sgl_digest *digest)
{
    const uint64_t *words = packed->words;

    *row_out = nothing;
    row_out->request.arrival_ns = packed->arrival_ns;
    if (!rebase(&row_out->request.arrival_ns, base_ns))
        return SGL_EINVAL;
    sgl_digest_word(digest, packed->columns);
    sgl_digest_word(digest, (uint64_t)row_out->request.arrival_ns);
    for (enum sgl_column column = 0; packed->columns >> column != 0; column++) {
        if ((packed->columns >> column & 1) == 0)
            continue;
        int64_t number = (int64_t)words[0];
        if (sgl_columns[column].kind == SGL_KIND_TIME && !rebase(&number, base_ns))
            return SGL_EINVAL;
        words += unpack_column(words, column, number, row_out, digest);
    }
    return 0;
}
