/*
 * repeat_options.h - the options of commands that run a trace once for each seed: rows for their
 * table, checks, and what they mean.
 *
 *     struct sgl_repeat_flags flags;
 *
 *     sgl_repeat_flags_init(&flags, 20)
 *     const struct sgl_option table[] = {..., SGL_REPEAT_ROWS(flags), SGL_THREADS_ROW(flags), {0}};
 *     sgl_options_parse(...), sgl_repeat_flags_check(&flags, ...)
 *
 * The row of --seeds is the command's own, for each says what it counts. The text is borrowed from
 * argv or a configuration.
 */
#ifndef SGL_CLI_REPEAT_OPTIONS_H
#define SGL_CLI_REPEAT_OPTIONS_H

#include "cli/options.h"

struct sgl_repeat_flags {
    uint64_t seed; /* of the first run */
    uint64_t seeds;
    const char *resample; /* blocks | none */
    int64_t block_ns;
    uint64_t threads; /* 0: as many as there are processors */
};

/* clang-format off */
#define SGL_REPEAT_ROWS(flags)                                                                     \
    {"seed", 's', SGL_OPTION_NATURAL, "N", &(flags).seed,                                          \
     "of the first run; the others follow by ones (default 1)", 0},                                \
    {"resample", 0, SGL_OPTION_CHOICE, "blocks|none", &(flags).resample,                           \
     "what a seed draws beside luck (default blocks)", 0},                                         \
    {"block", 0, SGL_OPTION_DURATION, "TIME", &(flags).block_ns,                                   \
     "length of those blocks (default 60s)", 0}
#define SGL_THREADS_ROW(flags)                                                                     \
    {"threads", 0, SGL_OPTION_NATURAL, "N", &(flags).threads,                                      \
     "(default: as many as there are processors; results are the same)", 1}
/* clang-format on */

void sgl_repeat_flags_init(struct sgl_repeat_flags *flags, uint64_t seeds);

/* Also that --prefix-block, which these commands have beside them, fits in 32 bits. Returns
 * SGL_OPTIONS_RUN, or an exit code after a complaint. */
int sgl_repeat_flags_check(const struct sgl_repeat_flags *flags, uint64_t seeds_most,
                           uint64_t prefix_block);

bool sgl_repeat_resamples(const struct sgl_repeat_flags *flags);

uint32_t sgl_repeat_thread_count(const struct sgl_repeat_flags *flags);

#endif
