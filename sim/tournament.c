#include "sim/tournament.h"

#include "core/failure.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct sgl_contender) == 16, "four are a line of the processor's cache");

int sgl_tournament_open(struct sgl_tournament *tournament, uint32_t player_count)
{
    uint32_t leaf_count = SGL_HEAP_CHILDREN;
    uint32_t above = 1; /* nodes that are no leaves */

    assert(player_count <= UINT32_C(1) << 28);
    while (leaf_count < player_count) {
        above += leaf_count;
        leaf_count *= SGL_HEAP_CHILDREN;
    }
    /* Of players who are not there nobody is looked at but those of the last four. */
    const uint32_t groups = player_count / SGL_HEAP_CHILDREN + 1;
    const uint32_t count = above + groups * SGL_HEAP_CHILDREN;
    struct sgl_contender *nodes = aligned_alloc(SGL_CACHE_LINE, sgl_heap_bytes(count));
    if (nodes == NULL)
        return SGL_ENOMEM;
    const uint32_t first_leaf = SGL_HEAP_ROOT + above;
    for (uint32_t i = 0; i < sgl_heap_places(count); i++)
        nodes[i] = (struct sgl_contender){.time = SGL_TOURNAMENT_NEVER,
                                          .player = i >= first_leaf ? i - first_leaf : 0};
    *tournament = (struct sgl_tournament){.nodes = nodes, .first_leaf = first_leaf};
    return SGL_OK;
}

void sgl_tournament_release(struct sgl_tournament *tournament)
{
    free(tournament->nodes);
    *tournament = (struct sgl_tournament){0};
}

/* The first of the four that stand from `group` on. Which it is cannot be guessed, so nothing is
 * made to depend on it but numbers. */
static inline const struct sgl_contender *winner_of(const struct sgl_contender *group)
{
    const size_t left = group[1].time < group[0].time;
    const size_t right = 2 + (size_t)(group[3].time < group[2].time);
    const size_t mask = -(size_t)(group[right].time < group[left].time);

    return &group[left ^ ((left ^ right) & mask)];
}

void sgl_tournament_set(struct sgl_tournament *tournament, uint32_t player, int64_t time)
{
    struct sgl_contender *const nodes = tournament->nodes;
    struct sgl_contender *const first = &nodes[SGL_HEAP_ROOT];
    const bool was_first = first->player == player;
    size_t place = tournament->first_leaf + (size_t)player;

    assert(time >= 0);
    nodes[place].time = time;
    /* Who was not the first has only that one to beat: known at once, for it is asked for next. */
    if (!was_first) {
        const int64_t mask = -(int64_t)(time - (player < first->player) < first->time);
        first->time ^= (first->time ^ time) & mask;
        first->player ^= (first->player ^ player) & (uint32_t)mask;
    }
    while (place >= SGL_HEAP_ROOT + 1 + SGL_HEAP_CHILDREN) {
        const struct sgl_contender *winner = winner_of(&nodes[place - place % SGL_HEAP_CHILDREN]);
        place = sgl_heap_parent(place);
        nodes[place].time = winner->time;
        nodes[place].player = winner->player;
    }
    if (was_first)
        *first = *winner_of(&nodes[SGL_HEAP_ROOT + 1]);
}

/* The first of the four that stand from `group` on but for that player. */
static struct sgl_contender winner_without(const struct sgl_contender *group, uint32_t player)
{
    struct sgl_contender four[SGL_HEAP_CHILDREN];

    memcpy(four, group, sizeof four);
    for (int i = 0; i < SGL_HEAP_CHILDREN; i++)
        if (four[i].player == player)
            four[i].time = SGL_TOURNAMENT_NEVER;
    return *winner_of(four);
}

struct sgl_contender sgl_tournament_other(const struct sgl_tournament *tournament)
{
    const struct sgl_contender *const nodes = tournament->nodes;
    const uint32_t first = nodes[SGL_HEAP_ROOT].player;
    const struct sgl_contender above = winner_without(&nodes[SGL_HEAP_ROOT + 1], first);
    size_t quarter = SGL_HEAP_ROOT + 1;

    if (tournament->first_leaf == quarter)
        return above;
    while (quarter < SGL_HEAP_ROOT + SGL_HEAP_CHILDREN && nodes[quarter].player != first)
        quarter++;
    const struct sgl_contender below = winner_without(&nodes[sgl_heap_first_child(quarter)], first);
    const bool is_below =
        below.time < above.time || (below.time == above.time && below.player < above.player);
    return is_below ? below : above;
}
