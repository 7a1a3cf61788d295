/*
 * kv_cache.h - the KV memory of one worker: what running requests hold, and the prompts that
 * finished ones left behind.
 *
 *     pages     |<------ held ------>|<-- cached -->|<---- free ---->|     together: total
 *                 of running requests  left behind,
 *                                      evictable
 *
 *     blocks    root -+- [a] 2 -- [b] 1 -+- [c] 1      one node per prefix id, under that of the
 *                     |                  +- [d] 0      id before it; the number: running requests
 *                     +- [e] 0 -- [f] 0                that use it (its pins)
 *
 *     recency   oldest  [f] - [e] - [d]  newest        the nodes nobody pins
 *
 * A running request pins the nodes of its path; pages of nodes are counted once, whoever shares
 * them. What is its own (a prompt not yet in the tree, and its output, which has no ids) it
 * holds privately. (Made up ids name outputs, too: models/engine_answers.c.) When it lets
 * go, its path is put at the newest end, the deepest node first. So an unpinned node is never
 * older than its children, and the oldest is a leaf: eviction takes from the old end until there
 * is room. Recency changes at no other time, so not while requests decode.
 *
 * Block i of a prompt covers its tokens [i b, (i + 1) b), cut at its end, and the whole pages that
 * end there: floor((i + 1) b / page) - floor(i b / page). Of prompts that give an id different
 * lengths, the first one in the tree is believed.
 *
 * Units: pages, and tokens where said. Memory: only reserve allocates; with limited KV memory it is
 * bounded by the pages and the blocks of requests in the worker, with unlimited memory nothing is
 * ever evicted and it grows with the distinct blocks seen. Reserve fails with SGL_ENOMEM, nothing
 * else fails. A zeroed struct with the two sizes set is an empty memory.
 */
#ifndef SGL_SIM_KV_CACHE_H
#define SGL_SIM_KV_CACHE_H

#include "traces/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_KV_ROOT UINT32_MAX

struct sgl_kv_node {
    uint64_t id;
    int64_t end_pages; /* whole pages from the prompt's start to this block's end; -1: free */
    uint32_t parent;
    uint32_t chain; /* next in its bucket; next free one */
    uint32_t older; /* neighbours by recency, when nobody pins it */
    uint32_t newer;
    uint32_t pins; /* running requests whose path ends here or below */
};

struct sgl_kv_cache {
    int64_t page_size;   /* tokens */
    int64_t pages_total; /* 0: unlimited */
    int64_t pages_held;
    int64_t pages_cached;

    struct sgl_kv_node *nodes;
    uint32_t capacity;
    uint32_t used;     /* nodes in the tree */
    uint64_t reserved; /* nodes that requests in the worker may still add */
    uint32_t free;     /* index + 1; so the next four */
    uint32_t *buckets; /* as many as capacity, a power of two */
    uint32_t oldest;
    uint32_t newest;
};

/* A prompt as the cache knows it. Zero ids: never cached. */
struct sgl_kv_prompt {
    uint64_t *ids;
    uint32_t count;
    int64_t block;  /* tokens of an id */
    int64_t tokens; /* of the prompt */
};

/* The longest known beginning of a prompt that leaves a token to be computed. */
struct sgl_kv_match {
    uint32_t node;         /* its last; SGL_KV_ROOT: nothing is known */
    uint32_t depth;        /* blocks */
    int64_t pages;         /* of all of them */
    int64_t pages_revived; /* of these, what nobody holds now */
};

/* What a running request holds. */
struct sgl_kv_hold {
    uint32_t node; /* pinned from here to the root; SGL_KV_ROOT: nothing */
    uint32_t depth;
    int64_t pages; /* its own */
};

/* Room for `blocks` nodes more than were reserved before; unreserve takes that back. */
int sgl_kv_cache_reserve(struct sgl_kv_cache *cache, uint32_t blocks);
void sgl_kv_cache_unreserve(struct sgl_kv_cache *cache, uint32_t blocks);

/* `tokens`: what the request has to have in memory, its prompt and (when it is computed again) the
 * answer so far. One of them is always left to compute. */
struct sgl_kv_match sgl_kv_cache_match(const struct sgl_kv_cache *cache,
                                       const struct sgl_kv_prompt *prompt, int64_t tokens);

/* The id of a block, counted from 0, of an answer of that session that no prompt has named yet. */
static inline uint64_t sgl_kv_answer_id(uint64_t session, uint32_t block)
{
    struct sgl_digest digest = {session};

    sgl_digest_word(&digest, block);
    return digest.state;
}

/* Where this prompt of a session goes on from blocks that have such ids, they get its own: behind
 * at least one block that is known by its ids, and only if it has an id for each of them and nobody
 * uses them. */
void sgl_kv_cache_name(struct sgl_kv_cache *cache, const struct sgl_kv_prompt *prompt,
                       uint64_t session);

/* Could a request that needs `pages` in all, matched so far, be held beside the others? */
bool sgl_kv_cache_fits(const struct sgl_kv_cache *cache, const struct sgl_kv_match *match,
                       int64_t pages);

/* Takes memory for a request that fits, evicting what must go. */
void sgl_kv_cache_take(struct sgl_kv_cache *cache, const struct sgl_kv_match *match, int64_t pages,
                       struct sgl_kv_hold *hold);

/* Running requests take `pages` more, which fit; evicts what must go. */
void sgl_kv_cache_hold(struct sgl_kv_cache *cache, int64_t pages);

/* Evicts until `pages` are free or nothing is left to evict. */
void sgl_kv_cache_make_room(struct sgl_kv_cache *cache, int64_t pages);

/* Pages of the path that ends at this node. */
int64_t sgl_kv_cache_end_pages(const struct sgl_kv_cache *cache, uint32_t node);

/* The first prompt->tokens of a request, of which prompt->count blocks are to be found, have been
 * computed: these join the tree, pinned. Where another request was first, its pages are used and
 * the request's own are freed. */
void sgl_kv_cache_publish(struct sgl_kv_cache *cache, const struct sgl_kv_prompt *prompt,
                          struct sgl_kv_hold *hold);

/* The request has ended, or waits again. hold->pages must be what it has of its own by now. */
void sgl_kv_cache_let_go(struct sgl_kv_cache *cache, struct sgl_kv_hold *hold);

void sgl_kv_cache_release(struct sgl_kv_cache *cache);

/* Walks everything and checks what the pictures promise, given the private pages of all running
 * requests together: for tests. */
bool sgl_kv_cache_is_sound(const struct sgl_kv_cache *cache, int64_t private_pages);

#endif
