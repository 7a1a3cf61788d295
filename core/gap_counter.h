/*
 * gap_counter.h - counts gaps between tokens by length.
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
 * All is integers, so that the order of counting changes nothing; sums have 96 bits.
 * One thread at a time; counters of several threads are added up.
 */
#ifndef SGL_CORE_GAP_COUNTER_H
#define SGL_CORE_GAP_COUNTER_H

#include "gaps.h"

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

/* Lengths of one class: `lengths` of them, that last `total_ps` together and `longest_ps` at most.
 * Each is counted `count` times. */
struct sgl_gap_run {
    uint64_t class;
    uint64_t lengths;
    uint64_t total_ps;
    int64_t longest_ps;
};
void sgl_gap_counter_add_run(struct sgl_gap_counter *counter, const struct sgl_gap_run *run,
                             uint64_t count);

/* Adds what another one has counted. */
void sgl_gap_counter_add_all(struct sgl_gap_counter *counter, const struct sgl_gap_counter *other);

/* The class of a length of at least 1 ns, and the least whole length of a class. */
uint64_t sgl_gap_class_of(int64_t length_ps);
int64_t sgl_gap_class_start(uint64_t class);

/* The classes that counted something, in ascending order; there is room for
 * SGL_GAP_OCTAVES * SGL_GAP_CLASSES. Returns how many. */
uint32_t sgl_gap_counter_classes(const struct sgl_gap_counter *counter,
                                 struct sgl_gap_class *classes_out);

/* Empties it and frees what it has. */
void sgl_gap_counter_release(struct sgl_gap_counter *counter);

#endif
