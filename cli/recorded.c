#include "recorded.h"

#include "cli.h"
#include "options.h"

#include <string.h>

#define MAX_NEW_TOKENS_STANDARD 2048
#define TOKENS_MAX ((uint64_t)1 << 30)

void sgl_recorded_flags_init(struct sgl_recorded_flags *flags)
{
    *flags = (struct sgl_recorded_flags){
        .max_new_tokens = MAX_NEW_TOKENS_STANDARD,
        .first_token_is = 1,
    };
}

int sgl_recorded_flags_check(struct sgl_recorded_flags *flags, const char *path)
{
    if (flags->prefix_block > UINT32_MAX || flags->max_new_tokens > TOKENS_MAX ||
        flags->first_token_is > TOKENS_MAX) {
        sgl_complain("--prefix-block, --max-new-tokens or --first-token-is is too large, expected "
                     "at most %u, %llu, %llu",
                     UINT32_MAX, (unsigned long long)TOKENS_MAX, (unsigned long long)TOKENS_MAX);
        return SGL_EXIT_USAGE;
    }
    flags->trace.path = path;
    flags->trace.prefix_block = (uint32_t)flags->prefix_block;
    return SGL_OPTIONS_RUN;
}

int sgl_recorded_load(struct sgl_recording *recording, struct sgl_row_range *range,
                      const struct sgl_recorded_flags *flags, bool *is_misused,
                      struct sgl_failure *failure)
{
    int status =
        sgl_recording_load(recording, &flags->trace, (int64_t)flags->max_new_tokens, failure);

    *is_misused = false;
    if (status != SGL_OK)
        return status;
    status = sgl_row_range_parse(range, flags->rows, recording->count, failure);
    *is_misused = status != SGL_OK;
    return status;
}
