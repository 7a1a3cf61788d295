/*
 * two_passes.h - a source that gives the rows of one source, then those of another.
 *
 *     first     0 1 2 ... n-1
 *     second                   n n+1 n+2 ...      numbered on; times are the source's own
 *
 * Both must number their rows from 0. A simulation that is to begin anew with the second pass is
 * told by its pause_before = n (simulation.h). `finished` goes to the source of the request.
 */
#ifndef SGL_ANALYSIS_TWO_PASSES_H
#define SGL_ANALYSIS_TWO_PASSES_H

#include "traces/trace.h"

struct sgl_two_passes {
    struct sgl_source source;
    struct sgl_source *first; /* borrowed, as the next */
    struct sgl_source *second;
    int64_t count; /* rows of the first, so far */
    bool is_second;
};

void sgl_two_passes_init(struct sgl_two_passes *self, struct sgl_source *first,
                         struct sgl_source *second);

#endif
