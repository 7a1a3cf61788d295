/*
 * Any script of insertions, evictions and look-ups on a prefix tree, against the list of all
 * prompts ever inserted: the tree never knows more than the list, knows all of what was inserted
 * and not evicted since, and stays sound.
 *
 * Two bytes an operation: what and whose, then which prompt: a run of one family, then a branch.
 */
#include "fuzz.h"

#include "core/failure.h"
#include "core/prefix_tree.h"

#include <assert.h>
#include <stdbool.h>

#define TENANTS 3
#define OPERATIONS_MAX 200
#define IDS_MAX 40

struct known {
    uint32_t tenant;
    bool is_whole; /* nothing of the tenant's was evicted since */
    size_t count;
    uint64_t ids[IDS_MAX];
};

static size_t make_ids(uint8_t what, uint8_t shape, uint64_t *ids)
{
    const size_t count = shape % (IDS_MAX + 1);
    const size_t run = (size_t)(what >> 3) * 2;

    for (size_t i = 0; i < count; i++)
        ids[i] = i < run ? 1 : shape / 64 + i % 2;
    return count;
}

static size_t longest(const struct known *known, size_t known_count, const uint64_t *ids,
                      size_t count, bool only_whole)
{
    size_t best = 0;

    for (size_t k = 0; k < known_count; k++) {
        size_t same = 0;
        if (only_whole && !known[k].is_whole)
            continue;
        while (same < count && same < known[k].count && known[k].ids[same] == ids[same])
            same++;
        best = same > best ? same : best;
    }
    return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct known known[OPERATIONS_MAX];
    struct sgl_prefix_tree *tree = sgl_prefix_tree_create(TENANTS, NULL);
    size_t known_count = 0;

    if (tree == NULL)
        return 0;
    for (size_t at = 0; at + 1 < size && at / 2 < OPERATIONS_MAX; at += 2) {
        const uint32_t tenant = bytes[at] % TENANTS;
        uint64_t ids[IDS_MAX];
        const size_t count = make_ids(bytes[at], bytes[at + 1], ids);
        const struct sgl_prompt prompt = {
            .ids = ids, .count = count, .block = 4, .total = (int64_t)count * 4 - 3};
        if (bytes[at] % 4 == 3) {
            const int64_t bound = bytes[at + 1];
            const int64_t before = sgl_prefix_tree_size(tree, tenant);
            sgl_prefix_tree_evict(tree, tenant, bound);
            assert(sgl_prefix_tree_size(tree, tenant) <= bound);
            for (size_t k = 0; k < known_count && before > bound; k++)
                known[k].is_whole &= known[k].tenant != tenant;
        } else if (bytes[at] % 4 > 0) {
            if (sgl_prefix_tree_insert(tree, tenant, &prompt) != SGL_OK)
                break;
            struct known *last = &known[known_count++];
            *last = (struct known){.tenant = tenant, .is_whole = true, .count = count};
            for (size_t i = 0; i < count; i++)
                last->ids[i] = ids[i];
        }
        const size_t found = sgl_prefix_tree_match(tree, &prompt).ids;
        assert(found <= longest(known, known_count, ids, count, false));
        assert(found >= longest(known, known_count, ids, count, true));
        assert(sgl_prefix_tree_is_sound(tree));
    }
    for (uint32_t t = 0; t < TENANTS; t++)
        sgl_prefix_tree_evict(tree, t, 0);
    assert(sgl_prefix_tree_node_count(tree) == 0 && sgl_prefix_tree_is_sound(tree));
    sgl_prefix_tree_destroy(tree);
    return 0;
}
