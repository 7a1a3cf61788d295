#include "repeat_options.h"

#include "analysis/crew.h"
#include "analysis/population.h"
#include "cli.h"

#include <string.h>
#include <unistd.h>

#define SEED_MOST (INT64_MAX / 2)

void sgl_repeat_flags_init(struct sgl_repeat_flags *flags, uint64_t seeds)
{
    *flags = (struct sgl_repeat_flags){
        .seed = 1,
        .seeds = seeds,
        .resample = "blocks",
        .block_ns = SGL_POPULATION_BLOCK_NS,
    };
}

bool sgl_repeat_resamples(const struct sgl_repeat_flags *flags)
{
    return strcmp(flags->resample, "blocks") == 0;
}

int sgl_repeat_flags_check(const struct sgl_repeat_flags *flags, uint64_t seeds_most,
                           uint64_t prefix_block)
{
    if (prefix_block > UINT32_MAX || flags->seed > SEED_MOST)
        sgl_complain("--prefix-block or --seed is too large, expected at most %u, %lld", UINT32_MAX,
                     (long long)SEED_MOST);
    else if (flags->seeds > seeds_most || flags->threads > SGL_CREW_THREADS_MAX)
        sgl_complain("--seeds or --threads is too large, expected at most %llu, %d",
                     (unsigned long long)seeds_most, SGL_CREW_THREADS_MAX);
    else if (flags->block_ns != SGL_POPULATION_BLOCK_NS && !sgl_repeat_resamples(flags))
        sgl_complain("--block, but nothing is resampled (--resample is none)");
    else if (flags->block_ns < 1000)
        sgl_complain("--block is below 1us, expected a duration such as 60s");
    else
        return SGL_OPTIONS_RUN;
    return SGL_EXIT_USAGE;
}

uint32_t sgl_repeat_thread_count(const struct sgl_repeat_flags *flags)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (flags->threads > 0)
        return (uint32_t)flags->threads;
    return processors > 0 && processors <= SGL_CREW_THREADS_MAX ? (uint32_t)processors : 1;
}
