/*
 * The tree against the plainest model there is: the list of all prompts that were inserted, in
 * order.
 *
 * What a tenant owns: without eviction, every prefix of every prompt it inserted. With eviction,
 * some of those; what it keeps must be what it used last, which is checked by the tree's own
 * soundness (a parent is never older than its child) and by comparing prefixes with the times they
 * were last used.
 */
#include "core/prefix_tree.h"

#include "core/failure.h"
#include "core/rng.h"
#include "support.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENANTS 4
#define IDS_MAX 60
#define PROMPTS_MAX 400

struct inserted {
    uint32_t tenant;
    uint64_t salt;
    size_t count;
    uint64_t ids[IDS_MAX];
};

static struct inserted history[PROMPTS_MAX];

/* Few distinct ids, so that prompts share prefixes of every length and part everywhere. */
static void draw(struct sgl_rng *rng, struct inserted *prompt, bool has_salt)
{
    prompt->tenant = sgl_rng_below(rng, TENANTS);
    prompt->salt = has_salt ? sgl_rng_below(rng, 2) : 0;
    prompt->count = sgl_rng_below(rng, IDS_MAX + 1);
    const uint32_t run = 1 + sgl_rng_below(rng, IDS_MAX);
    for (size_t i = 0; i < prompt->count; i++)
        prompt->ids[i] = i < run ? 7 : sgl_rng_below(rng, 2);
}

static struct sgl_prompt prompt_of(const struct inserted *inserted)
{
    return (struct sgl_prompt){.ids = inserted->ids,
                               .count = inserted->count,
                               .block = 16,
                               .total = (int64_t)inserted->count * 16 - 5,
                               .salt = inserted->salt};
}

static size_t common(const struct inserted *left, const struct inserted *right)
{
    size_t i = 0;

    if (left->salt != right->salt)
        return 0;
    while (i < left->count && i < right->count && left->ids[i] == right->ids[i])
        i++;
    return i;
}

/* The longest prefix of `asked` that anybody, or that `tenant`, has inserted. */
static size_t longest(size_t prompts, const struct inserted *asked, uint32_t tenant)
{
    size_t best = 0;

    for (size_t p = 0; p < prompts; p++)
        if (tenant == TENANTS || history[p].tenant == tenant) {
            const size_t same = common(&history[p], asked);
            best = same > best ? same : best;
        }
    return best;
}

static bool owns(const struct sgl_prefix_tree *tree, uint32_t node, uint32_t tenant)
{
    uint32_t cursor = SGL_PREFIX_NONE;
    uint32_t owner;

    while (sgl_prefix_tree_next_owner(tree, node, &cursor, &owner))
        if (owner == tenant)
            return true;
    return false;
}

/* How much of the prompt the tenant has, by climbing from the match to a node it owns. */
static size_t owned_ids(const struct sgl_prefix_tree *tree, const struct sgl_prompt *prompt,
                        uint32_t tenant)
{
    struct sgl_prefix_match match = sgl_prefix_tree_match(tree, prompt);

    while (match.node != SGL_PREFIX_NONE && !owns(tree, match.node, tenant))
        match = sgl_prefix_tree_above(tree, &match);
    return match.ids;
}

static void without_eviction_it_is_the_list_of_all_prompts(void)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct sgl_rng rng = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
        struct sgl_prefix_tree *tree = sgl_prefix_tree_create(TENANTS, NULL);
        const size_t prompts = 1 + sgl_rng_below(&rng, 150);
        for (size_t p = 0; p < prompts; p++) {
            struct inserted asked;
            draw(&rng, &asked, seed % 2 == 1);
            const struct sgl_prompt prompt = prompt_of(&asked);
            CU_ASSERT_EQUAL(sgl_prefix_tree_match(tree, &prompt).ids, longest(p, &asked, TENANTS));
            for (uint32_t t = 0; t < TENANTS; t++)
                CU_ASSERT_EQUAL(owned_ids(tree, &prompt, t), longest(p, &asked, t));
            history[p] = asked;
            CU_ASSERT_EQUAL_FATAL(sgl_prefix_tree_insert(tree, asked.tenant, &prompt), SGL_OK);
            CU_ASSERT_EQUAL(owned_ids(tree, &prompt, asked.tenant), asked.count);
        }
        CU_ASSERT_TRUE(sgl_prefix_tree_is_sound(tree));
        sgl_prefix_tree_destroy(tree);
    }
}

static void eviction_keeps_the_bound_and_what_was_used_last(void)
{
    const int64_t bound = 1500;

    for (uint64_t seed = 0; seed < 30; seed++) {
        struct sgl_rng rng = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 1, 0, 0);
        struct sgl_prefix_tree *tree = sgl_prefix_tree_create(TENANTS, NULL);
        for (size_t p = 0; p < 200; p++) {
            draw(&rng, &history[p], true);
            const struct sgl_prompt prompt = prompt_of(&history[p]);
            const uint32_t tenant = history[p].tenant;
            CU_ASSERT_EQUAL_FATAL(sgl_prefix_tree_insert(tree, tenant, &prompt), SGL_OK);
            const int64_t before = sgl_prefix_tree_size(tree, tenant);
            sgl_prefix_tree_evict(tree, tenant, bound);
            CU_ASSERT_TRUE(sgl_prefix_tree_size(tree, tenant) <= bound);
            /* The newest prompt is the last to go: all of it stays when it fits. */
            if (prompt.total <= bound - SGL_PREFIX_NODE_IDS * 16)
                CU_ASSERT_EQUAL(owned_ids(tree, &prompt, tenant), prompt.count);
            /* Nothing is dropped without need. */
            if (before <= bound)
                CU_ASSERT_EQUAL(sgl_prefix_tree_size(tree, tenant), before);
            CU_ASSERT_TRUE(owned_ids(tree, &prompt, (tenant + 1) % TENANTS) <=
                           longest(p + 1, &history[p], (tenant + 1) % TENANTS));
            CU_ASSERT_TRUE_FATAL(sgl_prefix_tree_is_sound(tree));
        }
        for (uint32_t t = 0; t < TENANTS; t++)
            sgl_prefix_tree_evict(tree, t, 0);
        CU_ASSERT_EQUAL(sgl_prefix_tree_node_count(tree), 0);
        CU_ASSERT_TRUE(sgl_prefix_tree_is_sound(tree));
        sgl_prefix_tree_destroy(tree);
    }
}

static void the_oldest_leaf_goes_first(void)
{
    struct sgl_prefix_tree *tree = sgl_prefix_tree_create(1, NULL);
    const uint64_t abc[] = {1, 2, 3};
    const uint64_t abd[] = {1, 2, 4};
    const uint64_t xyz[] = {9, 8, 7};
    const struct sgl_prompt first = {.ids = abc, .count = 3, .block = 10, .total = 30};
    const struct sgl_prompt second = {.ids = abd, .count = 3, .block = 10, .total = 25};
    const struct sgl_prompt third = {.ids = xyz, .count = 3, .block = 10, .total = 30};

    sgl_prefix_tree_insert(tree, 0, &first);
    sgl_prefix_tree_insert(tree, 0, &third);
    sgl_prefix_tree_insert(tree, 0, &second); /* [1 2] is new again, [3] is oldest, then [9 8 7] */
    CU_ASSERT_EQUAL(sgl_prefix_tree_size(tree, 0), 20 + 10 + 30 + 5);
    sgl_prefix_tree_evict(tree, 0, 64);
    CU_ASSERT_EQUAL(sgl_prefix_tree_match(tree, &first).ids, 2);
    CU_ASSERT_EQUAL(sgl_prefix_tree_match(tree, &third).ids, 3);
    sgl_prefix_tree_evict(tree, 0, 54);
    CU_ASSERT_EQUAL(sgl_prefix_tree_match(tree, &third).ids, 0);
    CU_ASSERT_EQUAL(sgl_prefix_tree_match(tree, &second).ids, 3);
    CU_ASSERT_EQUAL(sgl_prefix_tree_size(tree, 0), 25);
    sgl_prefix_tree_destroy(tree);
}

static void without_memory_nothing_changes(void)
{
    bool is_done = false;
    uint64_t calls = 0;

    for (; !is_done && calls < 500; calls++) {
        struct sgl_world_memory memory = {.calls_left = calls};
        const struct sgl_allocator allocator = sgl_world_allocator(&memory);
        struct sgl_rng rng = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 2, 0, 0);
        struct sgl_prefix_tree *tree = sgl_prefix_tree_create(TENANTS, &allocator);
        int status = tree != NULL ? SGL_OK : SGL_ENOMEM;
        for (size_t p = 0; status == SGL_OK && p < PROMPTS_MAX; p++) {
            draw(&rng, &history[p], false);
            const struct sgl_prompt prompt = prompt_of(&history[p]);
            status = sgl_prefix_tree_insert(tree, history[p].tenant, &prompt);
            if (status != SGL_OK) {
                CU_ASSERT_TRUE(sgl_prefix_tree_is_sound(tree));
                CU_ASSERT_EQUAL(owned_ids(tree, &prompt, history[p].tenant),
                                longest(p, &history[p], history[p].tenant));
            }
        }
        is_done = status == SGL_OK;
        sgl_prefix_tree_destroy(tree);
        CU_ASSERT_EQUAL(memory.blocks, 0);
    }
    CU_ASSERT_TRUE(is_done && calls > 8);
}

SGL_SUITE(prefix_tree) = {
    {"without eviction it is the list of all prompts",
     without_eviction_it_is_the_list_of_all_prompts},
    {"eviction keeps the bound and what was used last",
     eviction_keeps_the_bound_and_what_was_used_last},
    {"the oldest leaf goes first", the_oldest_leaf_goes_first},
    {"without memory nothing changes", without_memory_nothing_changes},
    CU_TEST_INFO_NULL,
};
