/*
 * tournament.h - which of a fixed number of players comes first: a tree of winners.
 *
 *     nodes[]                1: player 2, 30                  of two, the earlier one goes up; of
 *                          /                 \                equals that of the lesser number
 *             2: player 1, 40                 3: player 2, 30
 *              /           \                   /           \
 *     4: player 0, 50   5: player 1, 40   6: player 2, 30   7: player 3, never
 *
 * When the time of a player changes, so may the nodes above its leaf, and no others: one comparison
 * for each doubling of the players, with a neighbour that does not depend on those before. None is
 * a branch that a processor has to guess. For players who change all the time, as workers do who
 * have one event after the other, that is cheaper than a heap (event_queue.h), which pays for
 * knowing who is there with moving them about.
 *
 * Times are at least 0; SGL_TOURNAMENT_NEVER is that of players who do not take part. Memory: only
 * open allocates. A zeroed struct may be released.
 */
#ifndef SGL_SIM_TOURNAMENT_H
#define SGL_SIM_TOURNAMENT_H

#include <stdint.h>

#define SGL_TOURNAMENT_NEVER INT64_MAX

struct sgl_contender {
    int64_t time;
    uint32_t player;
};

struct sgl_tournament {
    struct sgl_contender *nodes; /* 1: the first of all; leaf_count + p: player p */
    uint32_t leaf_count;         /* a power of two, not less than the players */
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
    return &tournament->nodes[1];
}

/* The same but for that one. */
struct sgl_contender sgl_tournament_second(const struct sgl_tournament *tournament);

#endif
