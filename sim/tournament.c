#include "sim/tournament.h"

#include "core/failure.h"
#include "core/prefetch.h"

#include <assert.h>
#include <stdlib.h>

int sgl_tournament_open(struct sgl_tournament *tournament, uint32_t player_count)
{
    /* Whole lines at least. A node and its neighbour share one. */
    uint32_t leaf_count = SGL_CACHE_LINE / sizeof *tournament->nodes / 2;

    assert(player_count <= UINT32_C(1) << 30);
    while (leaf_count < player_count)
        leaf_count *= 2;
    struct sgl_contender *nodes = aligned_alloc(SGL_CACHE_LINE, 2 * leaf_count * sizeof *nodes);
    if (nodes == NULL)
        return SGL_ENOMEM;
    for (uint32_t i = 0; i < 2 * leaf_count; i++)
        nodes[i] = (struct sgl_contender){.time = SGL_TOURNAMENT_NEVER, .player = i % leaf_count};
    *tournament = (struct sgl_tournament){.nodes = nodes, .leaf_count = leaf_count};
    return SGL_OK;
}

void sgl_tournament_release(struct sgl_tournament *tournament)
{
    free(tournament->nodes);
    *tournament = (struct sgl_tournament){0};
}

void sgl_tournament_set(struct sgl_tournament *tournament, uint32_t player, int64_t time)
{
    struct sgl_contender *nodes = tournament->nodes;
    struct sgl_contender winner = {.time = time, .player = player};
    uint32_t at = tournament->leaf_count + player;

    assert(player < tournament->leaf_count && time >= 0);
    nodes[at] = winner;
    for (; at > 1; at /= 2) {
        const struct sgl_contender *neighbour = &nodes[at ^ 1];
        /* A neighbour on the left, of a node with an odd number, need not be earlier. Which of the
         * two it is cannot be guessed, so nothing is made to depend on it but a mask. */
        const int64_t mask = -(int64_t)(neighbour->time - (int64_t)(at & 1) < winner.time);
        winner.time ^= (winner.time ^ neighbour->time) & mask;
        winner.player ^= (winner.player ^ neighbour->player) & (uint32_t)mask;
        struct sgl_contender *above = &nodes[at / 2];
        if (above->player == winner.player && above->time == winner.time)
            break; /* nor does anything change further up */
        *above = winner;
    }
}

struct sgl_contender sgl_tournament_second(const struct sgl_tournament *tournament)
{
    const struct sgl_contender *nodes = tournament->nodes;
    uint32_t at = tournament->leaf_count + nodes[1].player;
    struct sgl_contender second = nodes[at ^ 1];

    /* It lost to the first one, on that one's way up. */
    for (at /= 2; at > 1; at /= 2) {
        const struct sgl_contender *loser = &nodes[at ^ 1];
        if (loser->time < second.time ||
            (loser->time == second.time && loser->player < second.player))
            second = *loser;
    }
    return second;
}
