/*
 * turns.h - a source in which a turn of a conversation waits for the answer to the one before.
 *
 *     trace       turn 1 ----------- gap ----------> turn 2
 *                   |--- answer took ---|-- think --|
 *     run         turn 1 ------- answer -------->|-- think --| turn 2
 *
 * The first turn of a session, and requests without one, arrive at their time (divided by the rate
 * scale). Each further turn arrives its think time after the answer to the one before it, whatever
 * became of that: sooner than in the trace when the run is faster, later when it is slower. Think
 * time is the gap between the two turns in the trace less what the answer took there, as far as a
 * recorder measured it (finish_time), and at least 0; where nobody measured, it is the whole gap.
 * It is not scaled: people do not think faster.
 *
 * Rows keep their numbers, so they do not arrive in the order of these. Memory: the population, and
 * 24 bytes a request. For one simulation at a time, which must not scale arrivals itself.
 */
#ifndef SGL_ANALYSIS_TURNS_H
#define SGL_ANALYSIS_TURNS_H

#include "analysis/population.h"
#include "sim/event_queue.h"

struct sgl_turns {
    struct sgl_source source;
    const struct sgl_population_row *rows;
    uint32_t row_count;
    uint32_t *next_turns;           /* by row; UINT32_MAX: none */
    struct sgl_event_queue waiting; /* rows whose arrival is known: time, and item = row */
    uint32_t given;                 /* the last row given */
    int64_t given_ns;
    uint64_t later_turns; /* rows that wait for an answer */
    uint64_t measured;    /* of these, how many have a think time less the answer's */
};

/* The population must outlive the source. SGL_OK, SGL_EINVAL (more rows than 2^31) or SGL_ENOMEM;
 * release it also after a failure. */
int sgl_turns_init(struct sgl_turns *turns, const struct sgl_population *population,
                   double rate_scale, struct sgl_failure *failure);
void sgl_turns_release(struct sgl_turns *turns);

#endif
