#include "sim/kv_cache.h"

#include "core/failure.h"
#include "core/rng.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_FIRST 64
#define CAPACITY_MAX (UINT32_C(1) << 30)

static uint32_t bucket_of(const struct sgl_kv_cache *cache, uint32_t parent, uint64_t id)
{
    const uint64_t word = id + (parent + UINT64_C(1)) * SGL_RNG_GOLDEN;

    return (uint32_t)sgl_rng_finalize(word) & (cache->capacity - 1);
}

static void link_bucket(struct sgl_kv_cache *cache, uint32_t node)
{
    struct sgl_kv_node *self = &cache->nodes[node];
    uint32_t *bucket = &cache->buckets[bucket_of(cache, self->parent, self->id)];

    self->chain = *bucket;
    *bucket = node + 1;
}

static void unlink_bucket(struct sgl_kv_cache *cache, uint32_t node)
{
    const struct sgl_kv_node *self = &cache->nodes[node];
    uint32_t *at = &cache->buckets[bucket_of(cache, self->parent, self->id)];

    while (*at != node + 1)
        at = &cache->nodes[*at - 1].chain;
    *at = self->chain;
}

static uint32_t find_child(const struct sgl_kv_cache *cache, uint32_t parent, uint64_t id)
{
    if (cache->used == 0)
        return SGL_KV_ROOT;
    for (uint32_t at = cache->buckets[bucket_of(cache, parent, id)]; at != 0;
         at = cache->nodes[at - 1].chain)
        if (cache->nodes[at - 1].id == id && cache->nodes[at - 1].parent == parent)
            return at - 1;
    return SGL_KV_ROOT;
}

/* ---- memory of the tree itself ---------------------------------------------------------- */

static int grow(struct sgl_kv_cache *cache, uint64_t wanted)
{
    uint64_t capacity = cache->capacity > 0 ? cache->capacity : CAPACITY_FIRST;

    while (capacity < wanted)
        capacity *= 2;
    if (capacity > CAPACITY_MAX)
        return SGL_ENOMEM;
    uint32_t *buckets = calloc(capacity, sizeof *buckets);
    struct sgl_kv_node *nodes =
        buckets != NULL ? realloc(cache->nodes, capacity * sizeof *nodes) : NULL;
    if (nodes == NULL) {
        free(buckets);
        return SGL_ENOMEM;
    }
    free(cache->buckets);
    const uint32_t before = cache->capacity;
    cache->nodes = nodes;
    cache->buckets = buckets;
    cache->capacity = (uint32_t)capacity;
    for (uint32_t node = 0; node < before; node++)
        if (nodes[node].end_pages >= 0)
            link_bucket(cache, node);
    for (uint32_t node = cache->capacity; node > before; node--) {
        nodes[node - 1] = (struct sgl_kv_node){.end_pages = -1, .chain = cache->free};
        cache->free = node;
    }
    return SGL_OK;
}

int sgl_kv_cache_reserve(struct sgl_kv_cache *cache, uint32_t blocks)
{
    const uint64_t wanted = cache->used + cache->reserved + blocks;

    if (wanted > cache->capacity && grow(cache, wanted) != SGL_OK)
        return SGL_ENOMEM;
    cache->reserved += blocks;
    return SGL_OK;
}

void sgl_kv_cache_unreserve(struct sgl_kv_cache *cache, uint32_t blocks)
{
    assert(cache->reserved >= blocks);
    cache->reserved -= blocks;
}

void sgl_kv_cache_release(struct sgl_kv_cache *cache)
{
    free(cache->nodes);
    free(cache->buckets);
    *cache = (struct sgl_kv_cache){0};
}

/* ---- nodes ------------------------------------------------------------------------------ */

int64_t sgl_kv_cache_end_pages(const struct sgl_kv_cache *cache, uint32_t node)
{
    return node != SGL_KV_ROOT ? cache->nodes[node].end_pages : 0;
}

static int64_t pages_of(const struct sgl_kv_cache *cache, uint32_t node)
{
    return cache->nodes[node].end_pages - sgl_kv_cache_end_pages(cache, cache->nodes[node].parent);
}

static void unlink_recency(struct sgl_kv_cache *cache, uint32_t node)
{
    const struct sgl_kv_node *self = &cache->nodes[node];

    *(self->older != 0 ? &cache->nodes[self->older - 1].newer : &cache->oldest) = self->newer;
    *(self->newer != 0 ? &cache->nodes[self->newer - 1].older : &cache->newest) = self->older;
}

static void link_newest(struct sgl_kv_cache *cache, uint32_t node)
{
    struct sgl_kv_node *self = &cache->nodes[node];

    self->older = cache->newest;
    self->newer = 0;
    *(cache->newest != 0 ? &cache->nodes[cache->newest - 1].newer : &cache->oldest) = node + 1;
    cache->newest = node + 1;
}

static void pin(struct sgl_kv_cache *cache, uint32_t node)
{
    if (cache->nodes[node].pins++ > 0)
        return;
    unlink_recency(cache, node);
    cache->pages_cached -= pages_of(cache, node);
    cache->pages_held += pages_of(cache, node);
}

static void evict_oldest(struct sgl_kv_cache *cache)
{
    assert(cache->oldest != 0);
    const uint32_t node = cache->oldest - 1;
    struct sgl_kv_node *self = &cache->nodes[node];

    unlink_recency(cache, node);
    cache->pages_cached -= pages_of(cache, node);
    unlink_bucket(cache, node);
    *self = (struct sgl_kv_node){.end_pages = -1, .chain = cache->free};
    cache->free = node + 1;
    cache->used--;
}

/* A new node, pinned once; its pages were its request's own. */
static uint32_t add_child(struct sgl_kv_cache *cache, uint32_t parent, uint64_t id, int64_t pages)
{
    assert(cache->free != 0);
    const uint32_t node = cache->free - 1;
    struct sgl_kv_node *self = &cache->nodes[node];

    cache->free = self->chain;
    *self = (struct sgl_kv_node){.id = id, .end_pages = pages, .parent = parent, .pins = 1};
    link_bucket(cache, node);
    cache->used++;
    return node;
}

/* ---- requests --------------------------------------------------------------------------- */

/* Whole pages up to the end of the block of that depth (from 1). */
static int64_t block_end_pages(const struct sgl_kv_cache *cache, const struct sgl_kv_prompt *prompt,
                               uint32_t depth)
{
    const int64_t whole = prompt->tokens / prompt->block;
    const int64_t end = depth <= whole ? depth * prompt->block : prompt->tokens;

    return end / cache->page_size;
}

struct sgl_kv_match sgl_kv_cache_match(const struct sgl_kv_cache *cache,
                                       const struct sgl_kv_prompt *prompt, int64_t tokens)
{
    const int64_t pages_most = (tokens - 1) / cache->page_size;
    struct sgl_kv_match match = {.node = SGL_KV_ROOT};

    while (match.depth < prompt->count) {
        const uint32_t node = find_child(cache, match.node, prompt->ids[match.depth]);
        if (node == SGL_KV_ROOT || cache->nodes[node].end_pages > pages_most)
            break;
        if (cache->nodes[node].pins == 0)
            match.pages_revived += pages_of(cache, node);
        match.node = node;
        match.depth++;
    }
    match.pages = sgl_kv_cache_end_pages(cache, match.node);
    return match;
}

void sgl_kv_cache_name(struct sgl_kv_cache *cache, const struct sgl_kv_prompt *prompt,
                       uint64_t session)
{
    uint32_t known = SGL_KV_ROOT;
    uint32_t first = 0;
    uint32_t child;

    while (first < prompt->count &&
           (child = find_child(cache, known, prompt->ids[first])) != SGL_KV_ROOT) {
        known = child;
        first++;
    }
    if (first == 0 || first == prompt->count)
        return;
    uint32_t end = first;
    for (uint32_t at = known;
         (child = find_child(cache, at, sgl_kv_answer_id(session, end))) != SGL_KV_ROOT; at = child)
        end++;
    if (end > prompt->count)
        return; /* the answer was longer: this is not what came after it */
    child = find_child(cache, known, sgl_kv_answer_id(session, first));
    if (child != SGL_KV_ROOT && cache->nodes[child].pins > 0)
        return; /* it was taken back and goes on: neither is this */
    for (uint32_t depth = first; depth < end; depth++, known = child) {
        child = find_child(cache, known, sgl_kv_answer_id(session, depth));
        unlink_bucket(cache, child);
        cache->nodes[child].id = prompt->ids[depth];
        link_bucket(cache, child);
    }
}

bool sgl_kv_cache_fits(const struct sgl_kv_cache *cache, const struct sgl_kv_match *match,
                       int64_t pages)
{
    return cache->pages_total == 0 ||
           cache->pages_held + match->pages_revived + pages - match->pages <= cache->pages_total;
}

void sgl_kv_cache_take(struct sgl_kv_cache *cache, const struct sgl_kv_match *match, int64_t pages,
                       struct sgl_kv_hold *hold)
{
    assert(pages >= match->pages && sgl_kv_cache_fits(cache, match, pages));
    *hold = (struct sgl_kv_hold){
        .node = match->node,
        .depth = match->depth,
        .pages = pages - match->pages,
    };
    for (uint32_t at = match->node; at != SGL_KV_ROOT; at = cache->nodes[at].parent)
        pin(cache, at);
    sgl_kv_cache_hold(cache, hold->pages);
}

void sgl_kv_cache_hold(struct sgl_kv_cache *cache, int64_t pages)
{
    cache->pages_held += pages;
    if (cache->pages_total > 0)
        sgl_kv_cache_make_room(cache, 0);
    assert(cache->pages_total == 0 || cache->pages_held <= cache->pages_total);
}

void sgl_kv_cache_make_room(struct sgl_kv_cache *cache, int64_t pages)
{
    while (cache->oldest != 0 &&
           cache->pages_held + cache->pages_cached + pages > cache->pages_total)
        evict_oldest(cache);
}

void sgl_kv_cache_publish(struct sgl_kv_cache *cache, const struct sgl_kv_prompt *prompt,
                          struct sgl_kv_hold *hold)
{
    const int64_t prompt_pages = prompt->tokens / cache->page_size;
    /* Blocks at the end that complete no page would be nodes that hold nothing. */
    uint32_t count = prompt->count;

    while (count > 0 && block_end_pages(cache, prompt, count) ==
                            (count > 1 ? block_end_pages(cache, prompt, count - 1) : 0))
        count--;
    while (hold->depth < count) {
        const uint64_t id = prompt->ids[hold->depth];
        const int64_t before = sgl_kv_cache_end_pages(cache, hold->node);
        uint32_t node = find_child(cache, hold->node, id);
        if (node != SGL_KV_ROOT && cache->nodes[node].end_pages > prompt_pages)
            return;
        if (node != SGL_KV_ROOT) {
            pin(cache, node);
            cache->pages_held -= pages_of(cache, node); /* the same, computed twice */
        } else {
            const int64_t pages = block_end_pages(cache, prompt, hold->depth + 1);
            node = add_child(cache, hold->node, id, pages > before ? pages : before);
        }
        hold->pages -= cache->nodes[node].end_pages - before;
        hold->node = node;
        hold->depth++;
    }
    assert(hold->pages >= 0);
}

void sgl_kv_cache_let_go(struct sgl_kv_cache *cache, struct sgl_kv_hold *hold)
{
    cache->pages_held -= hold->pages;
    for (uint32_t at = hold->node; at != SGL_KV_ROOT; at = cache->nodes[at].parent) {
        assert(cache->nodes[at].pins > 0);
        if (--cache->nodes[at].pins > 0)
            continue;
        link_newest(cache, at);
        cache->pages_held -= pages_of(cache, at);
        cache->pages_cached += pages_of(cache, at);
    }
    *hold = (struct sgl_kv_hold){.node = SGL_KV_ROOT};
    assert(cache->pages_held >= 0);
}

/* ---- proof ------------------------------------------------------------------------------ */

bool sgl_kv_cache_is_sound(const struct sgl_kv_cache *cache, int64_t private_pages)
{
    int64_t held = private_pages;
    int64_t cached = 0;
    uint32_t used = 0;
    uint32_t unpinned = 0;

    for (uint32_t node = 0; node < cache->capacity; node++) {
        const struct sgl_kv_node *self = &cache->nodes[node];
        if (self->end_pages < 0)
            continue;
        const int64_t pages = pages_of(cache, node);
        used++;
        unpinned += self->pins == 0;
        *(self->pins > 0 ? &held : &cached) += pages;
        if (pages < 0 || find_child(cache, self->parent, self->id) != node ||
            (self->parent != SGL_KV_ROOT && cache->nodes[self->parent].pins < self->pins))
            return false;
    }
    for (uint32_t at = cache->oldest; at != 0; at = cache->nodes[at - 1].newer) {
        if (unpinned-- == 0 || cache->nodes[at - 1].pins > 0)
            return false;
    }
    return unpinned == 0 && used == cache->used && used + cache->reserved <= cache->capacity &&
           held == cache->pages_held && cached == cache->pages_cached &&
           (cache->pages_total == 0 || held + cached <= cache->pages_total);
}
