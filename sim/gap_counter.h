/*
 * gap_counter.h - counts gaps between tokens by length, whole leaps at a time.
 *
 *     ns      1   2   4   8  ...  2^22        2^23                   2^53
 *     octave  |---|---|---|-- ... --|-----------|-----------| ...      |
 *                                   [class 0 .. 127]  each 1/128 of the octave's beginning wide
 *
 * An octave gets its memory (4 KiB) when it is first needed: a run has some five of them. Which
 * class a length is of are the seven bits behind the exponent of its double, as in HdrHistogram
 * (Tene, 2013). Lengths below 128 ns have a class for each nanosecond. Lengths from 2^53 ns (104
 * days) on count as of the longest class; nothing shorter than a nanosecond may be counted.
 *
 * The steps of a leap last base, base + slope, base + 2 slope ... (step_cost.h). So those of one
 * class follow one another, and where they end is a division: cost is by classes, not by steps.
 *
 * All is integers, so that leaps and single steps count the same bit for bit; sums have 96 bits.
 */
#ifndef SGL_SIM_GAP_COUNTER_H
#define SGL_SIM_GAP_COUNTER_H

#include "core/gaps.h"
#include "sim/models/step_cost.h"

#define SGL_GAP_OCTAVES 53
#define SGL_GAP_CLASSES 128 /* of an octave */

struct sgl_gap_count {
    uint64_t count;
    uint64_t sum_high; /* of the lengths, in units of 2^32 ps ... */
    uint64_t sum_low;  /* ... and less than one of these, in ps */
    int64_t longest_ns;
};

/* All zero: empty. */
struct sgl_gap_counter {
    struct sgl_gap_count *octaves[SGL_GAP_OCTAVES]; /* owned; NULL: nothing counted */
    bool is_out_of_memory; /* something was not counted, in a call that cannot fail */
};

/* Counts a gap of that length `count` times. */
void sgl_gap_counter_add(struct sgl_gap_counter *counter, int64_t length_ps, uint64_t count);

/* Counts gaps as long as the steps `from` to `to` - 1 of a leap, from 0, each `count` times. */
void sgl_gap_counter_add_steps(struct sgl_gap_counter *counter, struct sgl_leap leap, int64_t from,
                               int64_t to, uint64_t count);

/* The classes that counted something, in ascending order; there is room for
 * SGL_GAP_OCTAVES * SGL_GAP_CLASSES. Returns how many. */
uint32_t sgl_gap_counter_classes(const struct sgl_gap_counter *counter,
                                 struct sgl_gap_class *classes_out);

/* Empties it and frees what it has. */
void sgl_gap_counter_release(struct sgl_gap_counter *counter);

#endif
