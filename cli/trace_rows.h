/*
 * trace_rows.h - the options of every command that reads a trace: rows for its table of options.
 *
 *     const struct sgl_option table[] = {
 *         ...,
 *         SGL_TRACE_ROWS("TRACE", options.trace, prefix_block),
 *         ...,
 *         {0},
 *     };
 *
 * `operand` is what the help calls the trace; `trace` is a struct sgl_trace_options that the rows
 * fill, but for prefix_block, a uint64_t that the command bounds and hands on.
 */
#ifndef SGL_CLI_TRACE_ROWS_H
#define SGL_CLI_TRACE_ROWS_H

#include "traces/open.h"

#include <string.h>

/* The path of an operand: "-" is standard input. */
static inline const char *sgl_trace_path(const char *operand)
{
    return strcmp(operand, "-") == 0 ? "/dev/stdin" : operand;
}

/* clang-format off */
#define SGL_TRACE_ROWS(operand, trace, prefix_block)                                               \
    {"format", 0, SGL_OPTION_CHOICE, sgl_trace_format_words, &(trace).format,                      \
     "of " operand " (default: by its content)", 0},                                               \
    {"table", 0, SGL_OPTION_TEXT, "NAME", &(trace).table,                                          \
     "of a SQLite " operand " (default requests)", 0},                                             \
    {"where", 0, SGL_OPTION_PAIRS, "COL=VALUE,...", &(trace).where,                                \
     "keep only the rows of a CSV " operand " that have these values", 0},                         \
    {"prefix-block", 0, SGL_OPTION_NATURAL, "N", &(prefix_block),                                  \
     "tokens a prefix id stands for, where " operand " does not state it", 1},                     \
    {"spread-steps", 0, SGL_OPTION_FLAG, NULL, &(trace).spreads_steps,                             \
     "arrivals recorded in steps: spread each step's rows evenly over it", 0},                     \
    {"sort", 0, SGL_OPTION_FLAG, NULL, &(trace).sorts_in_file,                                     \
     "sort a trace that is far out of order (in a temporary file)", 0}
/* clang-format on */

#endif
