/*
 * population_state.h - the inside of a population, shared by population.c (loading, blocks, shared
 * ids) and resample.c (what a seed draws).
 */
#ifndef SGL_ANALYSIS_POPULATION_STATE_H
#define SGL_ANALYSIS_POPULATION_STATE_H

#include "analysis/population.h"

struct sgl_population_row {
    struct sgl_trace_row row; /* its texts and ids lie in the arena */
    uint32_t block;
    uint32_t own_from; /* prefix ids from this one on occur in this block only */
};

struct sgl_population_chunk; /* of the arena */

struct sgl_population {
    struct sgl_population_facts facts;
    struct sgl_population_row *rows; /* in order of arrival */
    size_t row_capacity;
    uint32_t *block_rows;   /* rows by block, in order of arrival within each */
    uint32_t *block_starts; /* blocks + 1 places: of each block in block_rows */
    struct sgl_population_chunk *arena;
};

#endif
