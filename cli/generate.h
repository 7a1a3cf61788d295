/*
 * generate.h - between the two files of `sglsim generate`: generate.c draws and writes the trace,
 * generate_report.c says what came of it.
 *
 * Figures are realised (of the rows written) or intended (of the laws' formulas). Rate and gaps are
 * those of sessions, which without --sessions are the requests.
 */
#ifndef SGL_CLI_GENERATE_H
#define SGL_CLI_GENERATE_H

#include "analysis/samples.h"
#include "traces/generate/generator.h"
#include "traces/trace_writer.h"

struct sgl_generation {
    const char *path;
    struct sgl_law arrivals;
    struct sgl_law prompt;
    struct sgl_law output;
    struct sgl_parameters prefixes;
    struct sgl_parameters sessions;
    struct sgl_generator_options options; /* points to the above */

    struct sgl_generator_facts facts;
    uint64_t digest;
    struct sgl_samples new_tokens;
    struct sgl_samples prompt_tokens;
    struct sgl_samples output_tokens;
    double last_arrival_s;
    double last_start_s; /* of a session; gaps are between these */
    uint64_t gap_count;
    double gap_mean_s;
    double gap_squares; /* sum of squares about the mean, s^2 */
};

/* What the trace is drawn from, as it is printed and kept in a database: the caller frees the
 * values by releasing them, whatever came of it. SGL_ENOMEM. */
#define SGL_GENERATION_NOTES 9
int sgl_generation_describe(const struct sgl_generation *generation,
                            struct sgl_trace_note notes[static SGL_GENERATION_NOTES],
                            struct sgl_failure *failure);
void sgl_generation_notes_release(struct sgl_trace_note notes[static SGL_GENERATION_NOTES]);

/* On stdout. SGL_ENOMEM. */
int sgl_generation_print(const struct sgl_generation *generation, struct sgl_failure *failure);
int sgl_generation_print_json(const struct sgl_generation *generation, struct sgl_failure *failure);

#endif
