/*
 * recorded.h - the options of the commands that replay a recorded run: rows for their tables, and
 * what comes of them.
 */
#ifndef SGL_CLI_RECORDED_H
#define SGL_CLI_RECORDED_H

#include "analysis/recording.h"
#include "sim/worker_model.h"

struct sgl_recorded_flags {
    struct sgl_trace_options trace;
    uint64_t prefix_block;
    uint64_t max_new_tokens;
    const char *rows;
    uint64_t first_token_is;
};

/* clang-format off */
#define SGL_RECORDED_ROWS(flags)                                                                   \
    {"rows", 0, SGL_OPTION_TEXT, "FROM:TO|N%", &(flags).rows,                                      \
     "score only these, counted from 0 by arrival (default all);\n"                                \
     "the others are still replayed, for they were there", 0},                                     \
    {"first-token-is", 0, SGL_OPTION_NATURAL, "N", &(flags).first_token_is,                        \
     "which token the recorder saw first (default 1; 50 for answers\n"                             \
     "of SGLang that nobody streamed)", 1},                                                        \
    {"max-new-tokens", 0, SGL_OPTION_NATURAL, "N", &(flags).max_new_tokens,                        \
     "max_tokens of requests that state none (default 2048)", 1}
/* clang-format on */

void sgl_recorded_flags_init(struct sgl_recorded_flags *flags);

/* SGL_OPTIONS_RUN, or the exit code of a complaint made. Completes flags->trace. */
int sgl_recorded_flags_check(struct sgl_recorded_flags *flags, const char *path);

/* Loads the recording and reads the rows. *is_misused: what failed is what the user asked for. */
int sgl_recorded_load(struct sgl_recording *recording, struct sgl_row_range *range,
                      const struct sgl_recorded_flags *flags, bool *is_misused,
                      struct sgl_failure *failure);

#endif
