#include "prefix_tree.h"

#include "failure.h"
#include "prefix_tree_state.h"

#include <assert.h>
#include <string.h>

#define SLOTS_FIRST 512

/* Makes sure that `count` items can be taken. */
static int reserve(struct pool *pool, size_t count, const struct sgl_allocator *allocator)
{
    while (pool->free_count + ((size_t)pool->slab_count * SLAB_ITEMS - pool->fresh) < count) {
        if (pool->slab_count == pool->slab_capacity) {
            const uint32_t capacity = pool->slab_capacity > 0 ? 2 * pool->slab_capacity : 8;
            void **slabs = sgl_resize(allocator, pool->slabs, capacity * sizeof *slabs);
            if (slabs == NULL)
                return SGL_ENOMEM;
            pool->slabs = slabs;
            pool->slab_capacity = capacity;
        }
        void *slab = sgl_resize(allocator, NULL, SLAB_ITEMS * pool->item_size);
        if (slab == NULL)
            return SGL_ENOMEM;
        pool->slabs[pool->slab_count++] = slab;
    }
    return SGL_OK;
}

static void release_pool(struct pool *pool, const struct sgl_allocator *allocator)
{
    for (uint32_t i = 0; i < pool->slab_count; i++)
        sgl_resize(allocator, pool->slabs[i], 0);
    sgl_resize(allocator, pool->slabs, 0);
}

static uint32_t take_node(struct sgl_prefix_tree *tree)
{
    struct pool *pool = &tree->nodes;
    const uint32_t index = pool->free;

    tree->node_count++;
    if (index == NONE)
        return pool->fresh++;
    pool->free = node_at(tree, index)->next_free;
    pool->free_count--;
    return index;
}

static uint32_t take_owner(struct sgl_prefix_tree *tree)
{
    struct pool *pool = &tree->owners;
    const uint32_t index = pool->free;

    if (index == NONE)
        return pool->fresh++;
    pool->free = owner_at(tree, index)->beside;
    pool->free_count--;
    return index;
}

/* ---- finding children ---- */

/* Not the finalizer of SplitMix64 (rng.h) but a shorter mix of two words: a look-up waits for it at
 * every node. Only the high half is used, where products mix best, so no shift need follow the
 * second one. The parent comes in twice: `id ^ parent` alone is the same for (a, b) and (b, a). */
static uint32_t home_of(const struct sgl_prefix_tree *tree, uint32_t parent, uint64_t id)
{
    uint64_t hash = (id ^ parent) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ (hash >> 29) ^ parent) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(hash >> 32) & (tree->slot_count - 1);
}

uint32_t sgl_prefix_find(const struct sgl_prefix_tree *tree, uint32_t parent, uint64_t salt,
                         uint64_t id)
{
    uint32_t at = home_of(tree, parent, id);

    for (; tree->slots[at].packed != 0; at = (at + 1) & (tree->slot_count - 1)) {
        const struct slot *slot = &tree->slots[at];
        if (slot->id == id && slot->parent == parent &&
            (parent != NONE || node_at(tree, slot->packed >> SLOT_COUNT_BITS)->salt == salt))
            return slot->packed;
    }
    return 0;
}

static void link_node(struct sgl_prefix_tree *tree, uint32_t index)
{
    const struct node *node = node_at(tree, index);
    uint32_t at = home_of(tree, node->parent, node->ids[0]);

    while (tree->slots[at].packed != 0)
        at = (at + 1) & (tree->slot_count - 1);
    tree->slots[at] = (struct slot){.id = node->ids[0],
                                    .parent = node->parent,
                                    .packed = index << SLOT_COUNT_BITS | node->count};
}

static void unlink_node(struct sgl_prefix_tree *tree, uint32_t index)
{
    const struct node *node = node_at(tree, index);
    const uint32_t mask = tree->slot_count - 1;
    uint32_t hole = home_of(tree, node->parent, node->ids[0]);

    while (tree->slots[hole].packed >> SLOT_COUNT_BITS != index)
        hole = (hole + 1) & mask;
    /* Move back what could not be found any more past the hole, as in flights.c. */
    for (uint32_t at = (hole + 1) & mask; tree->slots[at].packed != 0; at = (at + 1) & mask) {
        const uint32_t home = home_of(tree, tree->slots[at].parent, tree->slots[at].id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            tree->slots[hole] = tree->slots[at];
            hole = at;
        }
    }
    tree->slots[hole].packed = 0;
}

/* Keeps the slots at most half used by that many nodes. */
static int grow_slots(struct sgl_prefix_tree *tree, uint32_t nodes)
{
    uint32_t count = tree->slot_count;

    while (count / 2 < nodes)
        count *= 2;
    if (count == tree->slot_count)
        return SGL_OK;
    struct slot *slots = sgl_allocate(tree->allocator, count, sizeof *slots);
    if (slots == NULL)
        return SGL_ENOMEM;
    sgl_resize(tree->allocator, tree->slots, 0);
    tree->slots = slots;
    tree->slot_count = count;
    for (uint32_t i = 0; i < tree->nodes.fresh; i++)
        if (node_at(tree, i)->owners != NONE)
            link_node(tree, i);
    return SGL_OK;
}

/* ---- owners ---- */

uint32_t sgl_prefix_owner(const struct sgl_prefix_tree *tree, const struct node *node,
                          uint32_t tenant)
{
    uint32_t index = node->owners;

    while (index != NONE && owner_at(tree, index)->tenant != tenant)
        index = owner_at(tree, index)->beside;
    return index;
}

static void detach(struct sgl_prefix_tree *tree, struct owner *owner)
{
    struct tenant *tenant = &tree->tenants[owner->tenant];

    if (owner->older != NONE)
        owner_at(tree, owner->older)->newer = owner->newer;
    else
        tenant->oldest = owner->newer;
    if (owner->newer != NONE)
        owner_at(tree, owner->newer)->older = owner->older;
    else
        tenant->newest = owner->older;
}

/* Puts an owner just after `older` in its tenant's order of age; NONE: as the oldest. */
static void attach_after(struct sgl_prefix_tree *tree, uint32_t index, uint32_t older)
{
    struct owner *owner = owner_at(tree, index);
    struct tenant *tenant = &tree->tenants[owner->tenant];

    owner->older = older;
    if (older != NONE) {
        owner->newer = owner_at(tree, older)->newer;
        owner_at(tree, older)->newer = index;
    } else {
        owner->newer = tenant->oldest;
        tenant->oldest = index;
    }
    if (owner->newer != NONE)
        owner_at(tree, owner->newer)->older = index;
    else
        tenant->newest = index;
}

static uint32_t add_owner(struct sgl_prefix_tree *tree, uint32_t node_index, uint32_t tenant)
{
    const uint32_t index = take_owner(tree);
    struct node *node = node_at(tree, node_index);

    *owner_at(tree, index) =
        (struct owner){.node = node_index, .tenant = tenant, .beside = node->owners};
    node->owners = index;
    tree->tenants[tenant].owned++;
    return index;
}

/* The tenant has now used this node. */
static void touch(struct sgl_prefix_tree *tree, uint32_t node_index, uint32_t tenant)
{
    uint32_t index = sgl_prefix_owner(tree, node_at(tree, node_index), tenant);

    if (index != NONE) {
        detach(tree, owner_at(tree, index));
    } else {
        index = add_owner(tree, node_index, tenant);
        tree->tenants[tenant].size += node_at(tree, node_index)->weight;
    }
    attach_after(tree, index, tree->tenants[tenant].newest);
}

static void remove_owner(struct sgl_prefix_tree *tree, uint32_t index)
{
    struct owner *owner = owner_at(tree, index);
    struct node *node = node_at(tree, owner->node);
    uint32_t *at = &node->owners;

    tree->tenants[owner->tenant].size -= node->weight;
    tree->tenants[owner->tenant].owned--;
    detach(tree, owner);
    while (*at != index)
        at = &owner_at(tree, *at)->beside;
    *at = owner->beside;
    if (node->owners == NONE) {
        unlink_node(tree, owner->node);
        node->next_free = tree->nodes.free;
        tree->nodes.free = owner->node;
        tree->nodes.free_count++;
        tree->node_count--;
    }
    owner->beside = tree->owners.free;
    tree->owners.free = index;
    tree->owners.free_count++;
}

/* ---- matching ---- */

/* Where a walk along a prompt has come to. */
struct walk {
    uint32_t node;
    uint32_t left; /* of this node's ids, how many do not match or were not asked for */
    size_t ids;    /* of the prompt, up to and with this node's matching ones */
};

/* One node further; false when the prompt ends or no child goes on. */
static bool step(const struct sgl_prefix_tree *tree, const struct sgl_prompt *prompt,
                 struct walk *walk)
{
    if (walk->ids == prompt->count || walk->left > 0)
        return false;
    const uint32_t packed = sgl_prefix_find(tree, walk->node, prompt->salt, prompt->ids[walk->ids]);
    if (packed == 0)
        return false;
    const uint32_t count = packed & ((1U << SLOT_COUNT_BITS) - 1);
    uint32_t same = 1;
    walk->node = packed >> SLOT_COUNT_BITS;
    if (count > 1) {
        const uint64_t *ids = node_at(tree, walk->node)->ids;
        const size_t rest = prompt->count - walk->ids;
        const uint32_t limit = count < rest ? count : (uint32_t)rest;
        while (same < limit && ids[same] == prompt->ids[walk->ids + same])
            same++;
    }
    walk->left = count - same;
    walk->ids += same;
    return true;
}

struct sgl_prefix_match sgl_prefix_tree_match(const struct sgl_prefix_tree *tree,
                                              const struct sgl_prompt *prompt)
{
    struct walk walk = {.node = NONE};

    while (step(tree, prompt, &walk))
        continue;
    return (struct sgl_prefix_match){
        .node = walk.node,
        .ids = walk.ids,
        .in_node = walk.node != NONE ? node_at(tree, walk.node)->count - walk.left : 0,
    };
}

struct sgl_prefix_match sgl_prefix_tree_above(const struct sgl_prefix_tree *tree,
                                              const struct sgl_prefix_match *match)
{
    const uint32_t parent = node_at(tree, match->node)->parent;

    /* The parents of a node are matched as a whole. */
    return (struct sgl_prefix_match){
        .node = parent,
        .ids = match->ids - match->in_node,
        .in_node = parent != NONE ? node_at(tree, parent)->count : 0,
    };
}

bool sgl_prefix_tree_next_owner(const struct sgl_prefix_tree *tree, uint32_t node, uint32_t *cursor,
                                uint32_t *tenant_out)
{
    *cursor = *cursor == NONE ? node_at(tree, node)->owners : owner_at(tree, *cursor)->beside;
    if (*cursor == NONE)
        return false;
    *tenant_out = owner_at(tree, *cursor)->tenant;
    return true;
}

/* ---- inserting ---- */

/* Cuts a node after its first `kept` ids. Its number stays with the lower part, whose children know
 * it by that; the upper part is a new node with the same owners, each just newer than its lower
 * one. */
static void split(struct sgl_prefix_tree *tree, uint32_t lower_index, uint32_t kept)
{
    const uint32_t upper_index = take_node(tree);
    struct node *lower = node_at(tree, lower_index);
    struct node *upper = node_at(tree, upper_index);
    const int64_t most = lower->weight - (lower->count - kept); /* every id left weighs something */
    const int64_t weight = (int64_t)kept * lower->block;

    unlink_node(tree, lower_index);
    *upper = *lower;
    upper->count = kept;
    upper->weight = weight < most ? weight : most;
    upper->owners = NONE;
    lower->parent = upper_index;
    lower->count -= kept;
    lower->weight -= upper->weight;
    memmove(lower->ids, lower->ids + kept, lower->count * sizeof *lower->ids);
    for (uint32_t at = lower->owners; at != NONE; at = owner_at(tree, at)->beside) {
        const uint32_t index = add_owner(tree, upper_index, owner_at(tree, at)->tenant);
        attach_after(tree, index, at);
    }
    link_node(tree, upper_index);
    link_node(tree, lower_index);
}

static int64_t weight_of(const struct sgl_prompt *prompt, size_t first, uint32_t count)
{
    const int64_t plain = (int64_t)count * prompt->block;

    if (first + count < prompt->count)
        return plain;
    const int64_t last = prompt->total - (int64_t)(prompt->count - 1) * prompt->block;
    return plain - prompt->block + (last > 0 ? last : 1);
}

/* Hangs the ids from `first` on below `parent`, as many as a node holds; the tenant comes later. */
static uint32_t append(struct sgl_prefix_tree *tree, uint32_t parent,
                       const struct sgl_prompt *prompt, size_t first)
{
    const uint32_t index = take_node(tree);
    struct node *node = node_at(tree, index);
    const size_t left = prompt->count - first;

    *node = (struct node){
        .parent = parent,
        .salt = prompt->salt,
        .owners = NONE,
        .block = prompt->block,
        .count = left < SGL_PREFIX_NODE_IDS ? (uint32_t)left : SGL_PREFIX_NODE_IDS,
    };
    node->weight = weight_of(prompt, first, node->count);
    memcpy(node->ids, prompt->ids + first, node->count * sizeof *node->ids);
    link_node(tree, index);
    return index;
}

/* Room for the longest an insert can need: the new nodes, one of a split, their owners. */
static int reserve_for(struct sgl_prefix_tree *tree, const struct sgl_prompt *prompt)
{
    struct walk walk = {.node = NONE};
    size_t path = 0;
    size_t copied = 0;

    while (step(tree, prompt, &walk))
        path++;
    if (walk.left > 0)
        for (uint32_t at = node_at(tree, walk.node)->owners; at != NONE;
             at = owner_at(tree, at)->beside)
            copied++;
    const size_t fresh = (prompt->count - walk.ids + SGL_PREFIX_NODE_IDS - 1) / SGL_PREFIX_NODE_IDS;
    if (tree->node_count + fresh + 1 >= NODE_MAX)
        return SGL_ENOMEM;
    int status = reserve(&tree->nodes, fresh + 1, tree->allocator);
    if (status == SGL_OK)
        status = reserve(&tree->owners, path + fresh + 1 + copied, tree->allocator);
    if (status == SGL_OK)
        status = grow_slots(tree, tree->node_count + (uint32_t)fresh + 1);
    return status;
}

int sgl_prefix_tree_insert(struct sgl_prefix_tree *tree, uint32_t tenant,
                           const struct sgl_prompt *prompt)
{
    struct walk walk = {.node = NONE};

    assert(tenant < tree->tenant_max && prompt->block > 0);
    if (reserve_for(tree, prompt) != SGL_OK)
        return SGL_ENOMEM;
    while (step(tree, prompt, &walk))
        continue;
    if (walk.left > 0) {
        split(tree, walk.node, node_at(tree, walk.node)->count - walk.left);
        walk.node = node_at(tree, walk.node)->parent; /* the part that matches */
    }
    uint32_t last = walk.node;
    for (size_t at = walk.ids; at < prompt->count; at += SGL_PREFIX_NODE_IDS)
        last = append(tree, last, prompt, at);
    for (uint32_t at = last; at != NONE; at = node_at(tree, at)->parent)
        touch(tree, at, tenant);
    return SGL_OK;
}

void sgl_prefix_tree_evict(struct sgl_prefix_tree *tree, uint32_t tenant, int64_t bound)
{
    while (tree->tenants[tenant].size > bound && tree->tenants[tenant].oldest != NONE)
        remove_owner(tree, tree->tenants[tenant].oldest);
}

uint32_t sgl_prefix_tree_owned(const struct sgl_prefix_tree *tree, uint32_t tenant)
{
    return tree->tenants[tenant].owned;
}

int64_t sgl_prefix_tree_size(const struct sgl_prefix_tree *tree, uint32_t tenant)
{
    return tree->tenants[tenant].size;
}

uint32_t sgl_prefix_tree_node_count(const struct sgl_prefix_tree *tree)
{
    return tree->node_count;
}

struct sgl_prefix_tree *sgl_prefix_tree_create(uint32_t tenant_max,
                                               const struct sgl_allocator *allocator)
{
    struct sgl_prefix_tree *tree = sgl_allocate(allocator, 1, sizeof *tree);

    if (tree == NULL)
        return NULL;
    *tree = (struct sgl_prefix_tree){
        .allocator = allocator,
        .nodes = {.item_size = sizeof(struct node), .free = NONE},
        .owners = {.item_size = sizeof(struct owner), .free = NONE},
        .slot_count = SLOTS_FIRST,
        .tenant_max = tenant_max,
    };
    tree->slots = sgl_allocate(allocator, SLOTS_FIRST, sizeof *tree->slots);
    tree->tenants = sgl_allocate(allocator, tenant_max, sizeof *tree->tenants);
    if (tree->slots == NULL || tree->tenants == NULL) {
        sgl_prefix_tree_destroy(tree);
        return NULL;
    }
    for (uint32_t t = 0; t < tenant_max; t++)
        tree->tenants[t] = (struct tenant){.oldest = NONE, .newest = NONE};
    return tree;
}

void sgl_prefix_tree_destroy(struct sgl_prefix_tree *tree)
{
    if (tree == NULL)
        return;
    const struct sgl_allocator *allocator = tree->allocator;
    release_pool(&tree->nodes, allocator);
    release_pool(&tree->owners, allocator);
    sgl_resize(allocator, tree->slots, 0);
    sgl_resize(allocator, tree->tenants, 0);
    sgl_resize(allocator, tree, 0);
}
