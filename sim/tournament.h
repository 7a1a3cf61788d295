/*
 * tournament.h - which of a fixed number of players comes first: a tree of winners, of four a node.
 *
 *     nodes[]     -  -  -  1,20                place 3: player 1, of all the first
 *                 |-- 64 bytes -|
 *     place 4    0,50  1,20  2,40  3,30        players 0 .. 3, or, in a larger tree, the winner of
 *                |----- 64 bytes -----|        four each; children stand as in heap_places.h
 *
 * The earliest of four goes up, of equals that of the least number. When the time of a player
 * changes, so may the nodes above its leaf, and no others: a line of the processor's cache for each
 * fourfold of the players. None is a branch that a processor has to guess. For players who change
 * all the time, as workers do who have one event after the other, that is cheaper than a heap
 * (event_queue.h), which pays for knowing who is there with moving them about.
 *
 * Times are at least 0; SGL_TOURNAMENT_NEVER is that of players who do not take part. Memory: only
 * open allocates. A zeroed struct may be released.
 */
#ifndef SGL_SIM_TOURNAMENT_H
#define SGL_SIM_TOURNAMENT_H

#include "sim/heap_places.h"

#include <stdint.h>

#define SGL_TOURNAMENT_NEVER INT64_MAX

struct sgl_contender {
    int64_t time;
    uint32_t player;
};

struct sgl_tournament {
    struct sgl_contender *nodes;
    uint32_t first_leaf; /* the place of player 0; the others follow */
};

/* Players 0 .. player_count - 1, of whom nobody takes part yet. SGL_ENOMEM, or 0. */
int sgl_tournament_open(struct sgl_tournament *tournament, uint32_t player_count);
void sgl_tournament_release(struct sgl_tournament *tournament);

/* From now on this is the player's time. */
void sgl_tournament_set(struct sgl_tournament *tournament, uint32_t player, int64_t time);

/* Who comes first; its time is SGL_TOURNAMENT_NEVER when nobody takes part. Good until the next
 * set. */
static inline const struct sgl_contender *
sgl_tournament_first(const struct sgl_tournament *tournament)
{
    return &tournament->nodes[SGL_HEAP_ROOT];
}

/* A guess who comes next: the first of all but those of the first one's sixteenth of the places (of
 * up to four players of all but that one). It is right 15 times in 16 when all places are taken,
 * and of a number of players just above a power of four, whose places are mostly empty, three times
 * in four. */
struct sgl_contender sgl_tournament_other(const struct sgl_tournament *tournament);

#endif
