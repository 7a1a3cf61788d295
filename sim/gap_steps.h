/*
 * gap_steps.h - counts gaps between tokens whole leaps at a time.
 *
 * The steps of a leap last base, base + slope, base + 2 slope ... (step_cost.h). So those of one
 * class follow one another, and where they end is a division: cost is by classes, not by steps.
 * Leaps and single steps count the same bit for bit.
 */
#ifndef SGL_SIM_GAP_STEPS_H
#define SGL_SIM_GAP_STEPS_H

#include "core/gap_counter.h"
#include "sim/models/step_cost.h"

/* Counts gaps as long as the steps `from` to `to` - 1 of a leap, from 0, each `count` times. */
void sgl_gap_counter_add_steps(struct sgl_gap_counter *counter, struct sgl_leap leap, int64_t from,
                               int64_t to, uint64_t count);

#endif
