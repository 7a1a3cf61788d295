#include "prefix_tree.h"

#include "failure.h"

#include <assert.h>
#include <string.h>

#define SLAB_ITEMS 1024
#define BUCKETS_FIRST 256
#define NONE SGL_PREFIX_NONE

struct node {
    uint64_t ids[SGL_PREFIX_NODE_IDS];
    uint64_t parent_key; /* what the parent is hashed as: its number, or the salt at the root */
    int64_t weight;
    uint32_t parent; /* NONE at the root */
    uint32_t chain;  /* next in the bucket, or in the free list */
    uint32_t owners; /* first owner; NONE: the node is free */
    uint32_t block;
    uint32_t count; /* ids */
};

struct owner {
    uint32_t node;
    uint32_t tenant;
    uint32_t beside; /* next owner of the node, or in the free list */
    uint32_t older;
    uint32_t newer;
};

struct tenant {
    int64_t size;
    uint32_t oldest;
    uint32_t newest;
};

/* Items of one kind in slabs that never move. */
struct pool {
    void **slabs;
    size_t item_size;
    uint32_t slab_count;
    uint32_t slab_capacity;
    uint32_t free;       /* head of the free list */
    uint32_t free_count; /* on the free list */
    uint32_t fresh;      /* the first item never used */
};

struct sgl_prefix_tree {
    const struct sgl_allocator *allocator;
    struct pool nodes;
    struct pool owners;
    uint32_t *buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t node_count;
    struct tenant *tenants;
    uint32_t tenant_max;
};

static void *item(const struct pool *pool, uint32_t index)
{
    return (char *)pool->slabs[index / SLAB_ITEMS] + (index % SLAB_ITEMS) * pool->item_size;
}

static struct node *node_at(const struct sgl_prefix_tree *tree, uint32_t index)
{
    return item(&tree->nodes, index);
}

static struct owner *owner_at(const struct sgl_prefix_tree *tree, uint32_t index)
{
    return item(&tree->owners, index);
}

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
    pool->free = node_at(tree, index)->chain;
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

/* ---- the hash of (parent, first id) ---- */

static uint32_t bucket_of(const struct sgl_prefix_tree *tree, uint64_t parent_key, uint64_t id)
{
    uint64_t hash = (parent_key ^ id) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ (hash >> 29) ^ parent_key) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(hash >> 32) & (tree->bucket_count - 1);
}

static uint32_t find_child(const struct sgl_prefix_tree *tree, uint32_t parent, uint64_t parent_key,
                           uint64_t id)
{
    uint32_t index = tree->buckets[bucket_of(tree, parent_key, id)];

    while (index != NONE) {
        const struct node *node = node_at(tree, index);
        if (node->ids[0] == id && node->parent_key == parent_key && node->parent == parent)
            break;
        index = node->chain;
    }
    return index;
}

static void link_node(struct sgl_prefix_tree *tree, uint32_t index)
{
    struct node *node = node_at(tree, index);
    uint32_t *bucket = &tree->buckets[bucket_of(tree, node->parent_key, node->ids[0])];

    node->chain = *bucket;
    *bucket = index;
}

static void unlink_node(struct sgl_prefix_tree *tree, uint32_t index)
{
    struct node *node = node_at(tree, index);
    uint32_t *at = &tree->buckets[bucket_of(tree, node->parent_key, node->ids[0])];

    while (*at != index)
        at = &node_at(tree, *at)->chain;
    *at = node->chain;
}

/* At most one node per bucket on average. */
static int grow_buckets(struct sgl_prefix_tree *tree, uint32_t nodes)
{
    uint32_t count = tree->bucket_count;

    while (count < nodes)
        count *= 2;
    if (count == tree->bucket_count)
        return SGL_OK;
    uint32_t *buckets = sgl_resize(tree->allocator, NULL, count * sizeof *buckets);
    if (buckets == NULL)
        return SGL_ENOMEM;
    memset(buckets, 0xff, count * sizeof *buckets); /* NONE */
    sgl_resize(tree->allocator, tree->buckets, 0);
    tree->buckets = buckets;
    tree->bucket_count = count;
    for (uint32_t i = 0; i < tree->nodes.fresh; i++)
        if (node_at(tree, i)->owners != NONE)
            link_node(tree, i);
    return SGL_OK;
}

/* ---- owners ---- */

static uint32_t find_owner(const struct sgl_prefix_tree *tree, const struct node *node,
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
    return index;
}

/* The tenant has now used this node. */
static void touch(struct sgl_prefix_tree *tree, uint32_t node_index, uint32_t tenant)
{
    uint32_t index = find_owner(tree, node_at(tree, node_index), tenant);

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
    detach(tree, owner);
    while (*at != index)
        at = &owner_at(tree, *at)->beside;
    *at = owner->beside;
    if (node->owners == NONE) {
        unlink_node(tree, owner->node);
        node->chain = tree->nodes.free;
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
    size_t ids;       /* of the prompt, up to and with this node's matching ones */
    uint32_t in_node; /* of this node's ids, how many match */
};

/* One node further; false when the prompt ends or no child goes on. */
static bool step(const struct sgl_prefix_tree *tree, const struct sgl_prompt *prompt,
                 struct walk *walk)
{
    if (walk->ids == prompt->count ||
        (walk->node != NONE && walk->in_node < node_at(tree, walk->node)->count))
        return false;
    const uint32_t child = find_child(
        tree, walk->node, walk->node != NONE ? walk->node : prompt->salt, prompt->ids[walk->ids]);
    if (child == NONE)
        return false;
    const struct node *node = node_at(tree, child);
    const size_t left = prompt->count - walk->ids;
    const uint32_t limit = node->count < left ? node->count : (uint32_t)left;
    uint32_t same = 1;
    while (same < limit && node->ids[same] == prompt->ids[walk->ids + same])
        same++;
    *walk = (struct walk){.node = child, .ids = walk->ids + same, .in_node = same};
    return true;
}

struct sgl_prefix_match sgl_prefix_tree_match(const struct sgl_prefix_tree *tree,
                                              const struct sgl_prompt *prompt)
{
    struct walk walk = {.node = NONE};

    while (step(tree, prompt, &walk))
        continue;
    return (struct sgl_prefix_match){.node = walk.node, .ids = walk.ids};
}

struct sgl_prefix_match sgl_prefix_tree_above(const struct sgl_prefix_tree *tree,
                                              const struct sgl_prefix_match *match)
{
    const struct node *node = node_at(tree, match->node);
    struct sgl_prefix_match above = {.node = node->parent};

    /* The parents of a node are matched as a whole. */
    for (uint32_t at = node->parent; at != NONE; at = node_at(tree, at)->parent)
        above.ids += node_at(tree, at)->count;
    return above;
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
    lower->parent_key = upper_index;
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
        .parent_key = parent != NONE ? parent : prompt->salt,
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
    if (walk.node != NONE && walk.in_node < node_at(tree, walk.node)->count)
        for (uint32_t at = node_at(tree, walk.node)->owners; at != NONE;
             at = owner_at(tree, at)->beside)
            copied++;
    const size_t fresh = (prompt->count - walk.ids + SGL_PREFIX_NODE_IDS - 1) / SGL_PREFIX_NODE_IDS;
    if (tree->node_count + fresh + 1 >= NONE / 2)
        return SGL_ENOMEM;
    int status = reserve(&tree->nodes, fresh + 1, tree->allocator);
    if (status == SGL_OK)
        status = reserve(&tree->owners, path + fresh + 1 + copied, tree->allocator);
    if (status == SGL_OK)
        status = grow_buckets(tree, tree->node_count + (uint32_t)fresh + 1);
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
    if (walk.node != NONE && walk.in_node < node_at(tree, walk.node)->count) {
        split(tree, walk.node, walk.in_node);
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
        .bucket_count = BUCKETS_FIRST,
        .tenant_max = tenant_max,
    };
    tree->buckets = sgl_resize(allocator, NULL, BUCKETS_FIRST * sizeof *tree->buckets);
    tree->tenants = sgl_allocate(allocator, tenant_max, sizeof *tree->tenants);
    if (tree->buckets == NULL || tree->tenants == NULL) {
        sgl_prefix_tree_destroy(tree);
        return NULL;
    }
    memset(tree->buckets, 0xff, BUCKETS_FIRST * sizeof *tree->buckets); /* NONE */
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
    sgl_resize(allocator, tree->buckets, 0);
    sgl_resize(allocator, tree->tenants, 0);
    sgl_resize(allocator, tree, 0);
}

/* ---- what must hold ---- */

static bool is_node_sound(const struct sgl_prefix_tree *tree, uint32_t index)
{
    const struct node *node = node_at(tree, index);
    const uint64_t key = node->parent != NONE ? node->parent : node->parent_key;
    const struct node *parent = node->parent != NONE ? node_at(tree, node->parent) : NULL;

    if (node->count == 0 || node->count > SGL_PREFIX_NODE_IDS || node->weight < node->count ||
        node->parent_key != key ||
        find_child(tree, node->parent, node->parent_key, node->ids[0]) != index)
        return false;
    for (uint32_t at = node->owners; at != NONE; at = owner_at(tree, at)->beside) {
        const struct owner *owner = owner_at(tree, at);
        if (owner->node != index)
            return false;
        if (parent != NULL && find_owner(tree, parent, owner->tenant) == NONE)
            return false;
    }
    return true;
}

/* A tenant's list: ordered both ways, sizes that add up, and no parent older than its child. */
static bool is_tenant_sound(const struct sgl_prefix_tree *tree, uint32_t tenant, size_t *owners)
{
    int64_t size = 0;
    uint32_t before = NONE;

    for (uint32_t at = tree->tenants[tenant].oldest; at != NONE; at = owner_at(tree, at)->newer) {
        const struct owner *owner = owner_at(tree, at);
        const struct node *node = node_at(tree, owner->node);
        if (owner->tenant != tenant || owner->older != before)
            return false;
        if (node->parent != NONE) {
            uint32_t newer = owner->newer;
            while (newer != NONE && owner_at(tree, newer)->node != node->parent)
                newer = owner_at(tree, newer)->newer;
            if (newer == NONE)
                return false;
        }
        size += node->weight;
        before = at;
        ++*owners;
    }
    return size == tree->tenants[tenant].size && before == tree->tenants[tenant].newest;
}

bool sgl_prefix_tree_is_sound(const struct sgl_prefix_tree *tree)
{
    uint32_t nodes = 0;
    size_t owned = 0;
    size_t listed = 0;

    for (uint32_t i = 0; i < tree->nodes.fresh; i++) {
        if (node_at(tree, i)->owners == NONE)
            continue;
        nodes++;
        if (!is_node_sound(tree, i))
            return false;
        for (uint32_t at = node_at(tree, i)->owners; at != NONE; at = owner_at(tree, at)->beside)
            owned++;
    }
    for (uint32_t t = 0; t < tree->tenant_max; t++)
        if (!is_tenant_sound(tree, t, &listed))
            return false;
    return nodes == tree->node_count && owned == listed &&
           nodes + tree->nodes.free_count == tree->nodes.fresh &&
           owned + tree->owners.free_count == tree->owners.fresh;
}
