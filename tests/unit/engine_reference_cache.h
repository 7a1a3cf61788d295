/*
 * engine_reference_cache.h - a world of the reference engine, and the part of it that is about
 * memory: lists that are searched from end to end.
 */
#ifndef SGL_TESTS_ENGINE_REFERENCE_CACHE_H
#define SGL_TESTS_ENGINE_REFERENCE_CACHE_H

#include "engine_reference.h"

/* What the cache holds, as a plain list: one entry for each beginning of a prompt. */
struct sgl_reference_entry {
    const uint64_t *ids;
    int64_t length; /* ids */
    int64_t end;    /* whole pages up to here */
    int64_t stamp;  /* when it was let go */
};

struct sgl_reference_world {
    const struct sgl_reference_setting *it;
    struct sgl_reference *all;
    struct sgl_reference_events *events;
    struct sgl_reference_gaps *gaps;
    int64_t now_ps; /* end of the step */
    size_t count;
    struct sgl_reference_entry entries[SGL_REFERENCE_REQUEST_MAX * SGL_REFERENCE_OWN_MAX];
    size_t entry_count;
    int64_t clock;
    size_t queue[SGL_REFERENCE_REQUEST_MAX];
    size_t queued;
    int64_t admissions;
    int64_t finishes;
    int64_t ratio;   /* of 600,000 */
    int64_t last_ps; /* when the step before began; -1: there was a pause */
    bool is_full;
};

int64_t sgl_reference_pages_of(const struct sgl_reference_world *world, int64_t tokens);

/* Whole pages up to the end of the first `length` blocks, which the cache must have. */
int64_t sgl_reference_end_of(const struct sgl_reference_world *world, const uint64_t *ids,
                             int64_t length);

/* Pages that nobody holds; prompts left behind count as free. */
int64_t sgl_reference_free_pages(const struct sgl_reference_world *world);

/* Evicts until that many pages are free, as far as there is something to evict. */
void sgl_reference_make_room(struct sgl_reference_world *world, int64_t pages);

/* Blocks of the request that the cache has and that leave it a token to compute. */
int64_t sgl_reference_match(struct sgl_reference_world *world, const struct sgl_reference *self);

/* The first so many tokens, which are computed or about to be, can be shared: of the whole prompt,
 * whole pages of its blocks; of a part, and of one with ids of its own (the answer's, too), whole
 * blocks. */
void sgl_reference_share(struct sgl_reference_world *world, struct sgl_reference *self,
                         int64_t tokens);

/* It has ended, or vllm takes it back: whole blocks of its answer stay, for who goes on from there
 * or for itself. */
void sgl_reference_keep_answer(struct sgl_reference_world *world, struct sgl_reference *self);

/* What an answer of its session left behind blocks of its own is named by its ids. */
void sgl_reference_name(struct sgl_reference_world *world, const struct sgl_reference *self);

void sgl_reference_let_go(struct sgl_reference_world *world, struct sgl_reference *self);

/* Those whose end the last plan did not know let go, in the order in which they ended. */
void sgl_reference_see_departures(struct sgl_reference_world *world);

/* Blocks that begin within the prompt; their length, when nobody states it, is an even share. */
void sgl_reference_know_ids(const struct sgl_reference_setting *it,
                            const struct sgl_request *request, int64_t number,
                            struct sgl_reference *self);

#endif
