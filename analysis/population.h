/*
 * population.h - the requests of a trace, in memory, and what a seed makes of them.
 *
 *     trace    |  block 0  |  block 1  |  block 2  |  block 3  |     about 60 s each
 *     seed 7   |  block 2  |  block 0  |  block 2' |  block 1  |     drawn with replacement
 *
 * A session belongs whole to the block in which it began, and keeps its pauses: it may run on into
 * the time of the next block. Blocks are of equal length, the trace's time over the whole number of
 * blocks nearest to it, so that no short last block thins the load. A trace of fewer than 10 blocks
 * is cut into shorter ones, and says so: then what hangs together for longer is torn.
 *
 * A block drawn twice would meet its own prefixes in the caches. So prefix ids that occur in one
 * block only are renamed in each further copy, as are sessions; ids that several blocks share
 * (system prompts) stay what they are. Ids are chained, so the shared ones open a prompt.
 *
 * Which blocks a seed draws hangs on the seed alone: all policies see the same requests. Memory:
 * about 250 bytes a request, beside its prefix ids. A population is read-only after loading; any
 * number of threads may have sources over it.
 */
#ifndef SGL_ANALYSIS_POPULATION_H
#define SGL_ANALYSIS_POPULATION_H

#include "traces/trace.h"

#include <stdbool.h>

#define SGL_POPULATION_BLOCK_NS (60 * SGL_NANOSECONDS_PER_SECOND)
#define SGL_POPULATION_BLOCKS_MIN 10   /* fewer of the length asked for: shorter ones */
#define SGL_POPULATION_BLOCKS_SHORT 20 /* that many of them */

struct sgl_population;

struct sgl_population_facts {
    uint64_t requests;
    uint64_t sessions; /* distinct ones; 0: the trace names none */
    int64_t span_ns;   /* first to last arrival */
    uint32_t blocks;
    int64_t block_ns;
    bool is_short;           /* the blocks had to be shorter than asked for */
    uint64_t prefix_ids;     /* distinct ones; 0: the trace has none */
    uint64_t prefix_ids_own; /* of these, in one block only */
};

/* Reads the source to its end. `block_ns` > 0 is the length asked for. */
int sgl_population_load(struct sgl_population **population_out, struct sgl_source *source,
                        int64_t block_ns, struct sgl_failure *failure);
void sgl_population_destroy(struct sgl_population *population);

const struct sgl_population_facts *sgl_population_facts(const struct sgl_population *population);

/* The rows as they were. */
int sgl_population_replay(const struct sgl_population *population, struct sgl_source **source_out,
                          struct sgl_failure *failure);

/* The rows as the seed draws them. */
int sgl_population_resample(const struct sgl_population *population, uint64_t seed,
                            struct sgl_source **source_out, struct sgl_failure *failure);

void sgl_population_close(struct sgl_source *source);

#endif
