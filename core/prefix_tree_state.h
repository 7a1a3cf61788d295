/*
 * prefix_tree_state.h - what a prefix tree is made of: private to prefix_tree.c and
 * prefix_tree_check.c.
 */
#ifndef SGL_CORE_PREFIX_TREE_STATE_H
#define SGL_CORE_PREFIX_TREE_STATE_H

#include "prefix_tree.h"

#define SLAB_ITEMS 1024
#define NONE SGL_PREFIX_NONE

struct node {
    uint64_t ids[SGL_PREFIX_NODE_IDS];
    uint64_t salt; /* of the prompts that pass here */
    int64_t weight;
    uint32_t parent; /* NONE at the root */
    uint32_t next_free;
    uint32_t owners; /* first owner; NONE: the node is free */
    uint32_t block;
    uint32_t count; /* ids */
};

/* What finds a child: open addressing by (parent, first id), linear probing. A slot says what a
 * walk needs to know of a node of one id, so that such a node is not touched. */
struct slot {
    uint64_t id;
    uint32_t parent; /* NONE at the root, where the salt must be compared too */
    uint32_t packed; /* (node << 5) | ids of the node; 0: empty */
};

#define SLOT_COUNT_BITS 5
#define NODE_MAX (UINT32_C(1) << (32 - SLOT_COUNT_BITS))

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
    uint32_t owned; /* nodes */
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
    struct slot *slots;
    uint32_t slot_count; /* a power of two, more than twice the nodes */
    uint32_t node_count;
    struct tenant *tenants;
    uint32_t tenant_max;
};

static inline void *item(const struct pool *pool, uint32_t index)
{
    return (char *)pool->slabs[index / SLAB_ITEMS] + (index % SLAB_ITEMS) * pool->item_size;
}

static inline struct node *node_at(const struct sgl_prefix_tree *tree, uint32_t index)
{
    return item(&tree->nodes, index);
}

static inline struct owner *owner_at(const struct sgl_prefix_tree *tree, uint32_t index)
{
    return item(&tree->owners, index);
}

/* The node below `parent` (of that salt) that begins with `id`, as packed in its slot; 0: none. */
uint32_t sgl_prefix_find(const struct sgl_prefix_tree *tree, uint32_t parent, uint64_t salt,
                         uint64_t id);

/* The tenant's entry in the node's owners, or NONE. */
uint32_t sgl_prefix_owner(const struct sgl_prefix_tree *tree, const struct node *node,
                          uint32_t tenant);

#endif
