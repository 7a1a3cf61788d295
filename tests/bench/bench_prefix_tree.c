/*
 * bench_prefix_tree - what a look-up and an insertion cost: ns of CPU for prompts of 64 blocks in a
 * tree of at least 100,000 nodes whose prompts share prefixes of all lengths, 4 tenants. Half of
 * the prompts asked for are known. Prints, asserts nothing; the best of three rounds.
 */
#include "core/prefix_tree.h"

#include "core/failure.h"
#include "core/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BLOCKS 64
#define NODES 100000
#define TENANTS 4
#define ASKED 4096
#define ROUNDS 3

static uint64_t ids[ASKED][BLOCKS];

static double cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return 1e9 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e3 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* One of 200 families up to a drawn block, then its own ids: chained, as hashes of blocks are. */
static void draw(struct sgl_rng *rng, uint64_t *out)
{
    const uint32_t shared = sgl_rng_below(rng, BLOCKS);
    uint64_t family = sgl_rng_below(rng, 200) + 1;

    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (i == shared)
            family = sgl_rng_next(rng);
        out[i] = family * UINT64_C(0x9e3779b97f4a7c15) + i;
    }
}

static struct sgl_prompt prompt_of(const uint64_t *blocks)
{
    return (struct sgl_prompt){.ids = blocks, .count = BLOCKS, .block = 16, .total = BLOCKS * 16};
}

int main(void)
{
    struct sgl_prefix_tree *tree = sgl_prefix_tree_create(TENANTS, NULL);
    struct sgl_rng rng = sgl_rng_stream(1, SGL_PURPOSE_LENGTH, 0, 0, 0);
    uint64_t inserted = 0;
    double match_ns = 1e18;
    double insert_ns = 1e18;
    size_t matched = 0;

    if (tree == NULL)
        return 1;
    const double start = cpu_ns();
    for (; sgl_prefix_tree_node_count(tree) < NODES; inserted++) {
        uint64_t *blocks = ids[inserted % ASKED];
        draw(&rng, blocks);
        const struct sgl_prompt prompt = prompt_of(blocks);
        if (sgl_prefix_tree_insert(tree, (uint32_t)(inserted % TENANTS), &prompt) != SGL_OK)
            return 1;
    }
    const double built_ns = (cpu_ns() - start) / (double)inserted;
    for (uint32_t i = 0; i < ASKED; i += 2)
        draw(&rng, ids[i]); /* half of them are new */
    for (int round = 0; round < ROUNDS; round++) {
        double begin = cpu_ns();
        for (uint32_t pass = 0; pass < 20; pass++)
            for (uint32_t i = 0; i < ASKED; i++) {
                const struct sgl_prompt prompt = prompt_of(ids[(i * 2654435761U) % ASKED]);
                matched += sgl_prefix_tree_match(tree, &prompt).ids;
            }
        const double spent = (cpu_ns() - begin) / (20.0 * ASKED);
        match_ns = spent < match_ns ? spent : match_ns;
        begin = cpu_ns();
        for (uint32_t i = 1; i < ASKED; i += 2) {
            const struct sgl_prompt prompt = prompt_of(ids[i]);
            if (sgl_prefix_tree_insert(tree, i % TENANTS, &prompt) != SGL_OK)
                return 1;
        }
        const double inserting = (cpu_ns() - begin) / (ASKED / 2.0);
        insert_ns = inserting < insert_ns ? inserting : insert_ns;
    }
    printf(
        "prefix tree, %u nodes, prompts of %d blocks (mean %.1f known): look-up %.0f ns, insertion "
        "of a known prompt %.0f ns, building %.0f ns a prompt\n",
        sgl_prefix_tree_node_count(tree), BLOCKS, (double)matched / (20.0 * ASKED * ROUNDS),
        match_ns, insert_ns, built_ns);
    sgl_prefix_tree_destroy(tree);
    return 0;
}
