/*
 * prefix_tree.h - which worker has seen the longest prefix of a prompt? An approximate radix tree:
 * what workers really cache is their business; this is what the router has sent them.
 *
 * A prompt is a list of 64-bit ids, one per block of it. Inserting (tenant, prompt) marks every
 * node on the prompt's path as owned by the tenant:
 *
 *     insert(0, a b c d)  insert(2, a b c e f)  insert(2, a b)
 *
 *         root --- [a b] {0, 2} --- [c] {0, 2} -+- [d]   {0}
 *                                               +- [e f] {2}
 *
 *   - A node holds up to SGL_PREFIX_NODE_IDS ids of one path; it is split where paths part. Its
 * child is found by hashing (node, first id of the child).
 *   - A tenant that owns a node owns its parent: what somebody has of a prompt begins at its start.
 *   - An owner is an entry of its own in two lists: the owners of its node, and the tenant's nodes
 * by recency. An insert touches the path from its end to the root, so a parent is always more
 * recent than its children, and the least recent entry of a tenant is a leaf of what it owns:
 *
 *     tenant 2   oldest  [e f] - [c] - [a b]  newest        evict: take from the left
 *
 *   - Ids weigh `block` units each (tokens or bytes), the last one of a prompt what is left of its
 * total. A tenant's size is the weight of the nodes it owns. Evicting brings a size down to a
 * bound, whole nodes at a time; a node without owners is freed.
 *
 * Memory comes in slabs, which never move and are kept for reuse, and in one hash table, which
 * doubles. It is bounded by the bound on sizes that the caller keeps. Matching allocates and
 * changes nothing.
 */
#ifndef SGL_CORE_PREFIX_TREE_H
#define SGL_CORE_PREFIX_TREE_H

#include "allocator.h"

#include <stdbool.h>
#include <stdint.h>

#define SGL_PREFIX_NODE_IDS                                                                        \
    16 /* a node is three cache lines; a path of 64 ids at least 4 nodes                           \
        */
#define SGL_PREFIX_NONE UINT32_MAX

struct sgl_prefix_tree;

/* A prompt. `salt` keeps prompts of unlike salt apart (tenants of the service); 0 when unused. */
struct sgl_prompt {
    const uint64_t *ids;
    size_t count;
    uint32_t block; /* units per id, at least 1 */
    int64_t total;  /* units of the whole prompt; the last id weighs the rest, at least 1 */
    uint64_t salt;
};

/* How far a prompt is known. `node` is the last node of the way, possibly matched in part only. */
struct sgl_prefix_match {
    uint32_t node;    /* SGL_PREFIX_NONE when not even the first id is known */
    size_t ids;       /* known ids, counted from the start of the prompt */
    uint32_t in_node; /* how many of them are the node's */
};

/* NULL without memory. `tenant_max` tenants, numbered from 0. */
struct sgl_prefix_tree *sgl_prefix_tree_create(uint32_t tenant_max,
                                               const struct sgl_allocator *allocator);
void sgl_prefix_tree_destroy(struct sgl_prefix_tree *tree);

struct sgl_prefix_match sgl_prefix_tree_match(const struct sgl_prefix_tree *tree,
                                              const struct sgl_prompt *prompt);

/* The match of the part before the match's node, to look for owners further up. */
struct sgl_prefix_match sgl_prefix_tree_above(const struct sgl_prefix_tree *tree,
                                              const struct sgl_prefix_match *match);

/* Owners of a node, in no meaningful order: start with *cursor = SGL_PREFIX_NONE; false at the end.
 */
bool sgl_prefix_tree_next_owner(const struct sgl_prefix_tree *tree, uint32_t node, uint32_t *cursor,
                                uint32_t *tenant_out);

/* SGL_OK, or SGL_ENOMEM and nothing changed. */
int sgl_prefix_tree_insert(struct sgl_prefix_tree *tree, uint32_t tenant,
                           const struct sgl_prompt *prompt);

/* Drops the tenant's least recent nodes until its size is at most `bound`. */
void sgl_prefix_tree_evict(struct sgl_prefix_tree *tree, uint32_t tenant, int64_t bound);

int64_t sgl_prefix_tree_size(const struct sgl_prefix_tree *tree, uint32_t tenant);
/* Nodes that the tenant owns. */
uint32_t sgl_prefix_tree_owned(const struct sgl_prefix_tree *tree, uint32_t tenant);
uint32_t sgl_prefix_tree_node_count(const struct sgl_prefix_tree *tree);

/* Walks everything and checks what the picture promises: for tests. */
bool sgl_prefix_tree_is_sound(const struct sgl_prefix_tree *tree);

#endif
