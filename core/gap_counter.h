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

#include <string.h>

#define SGL_GAP_OCTAVES 53
#define SGL_GAP_CLASSES 128 /* of an octave */
#define SGL_GAP_LONGEST_NS ((INT64_C(1) << SGL_GAP_OCTAVES) - 1)
#define SGL_GAP_PS_PER_NS 1000

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

/* A double: 52 bits of fraction, of which the first 7 are the class, behind an exponent that is
 * 1023 for 1 (IEEE 754). */
#define SGL_GAP_CLASS_SHIFT 45
#define SGL_GAP_CLASS_OF_ONE (UINT64_C(1023) << 7)

/* A length in whole nanoseconds, as far as they are told apart. */
static inline int64_t sgl_gap_whole_ns(int64_t length_ps)
{
    const int64_t length_ns = (int64_t)((uint64_t)length_ps / SGL_GAP_PS_PER_NS);

    return length_ns < SGL_GAP_LONGEST_NS ? length_ns : SGL_GAP_LONGEST_NS;
}

/* The class of a length of at least 1 ns. */
static inline uint64_t sgl_gap_class_of(int64_t length_ps)
{
    const double length = (double)sgl_gap_whole_ns(length_ps); /* exact, below 2^53 */
    uint64_t bits;

    memcpy(&bits, &length, sizeof bits);
    return (bits >> SGL_GAP_CLASS_SHIFT) - SGL_GAP_CLASS_OF_ONE;
}

/* The least whole length of a class. Those below 128 ns may begin between two nanoseconds. */
static inline int64_t sgl_gap_class_start(uint64_t class)
{
    const uint64_t bits = (class + SGL_GAP_CLASS_OF_ONE) << SGL_GAP_CLASS_SHIFT;
    double length;

    memcpy(&length, &bits, sizeof length);
    const int64_t below_ns = (int64_t)length;
    return below_ns + ((double)below_ns < length);
}

/* The classes that counted something, in ascending order; there is room for
 * SGL_GAP_OCTAVES * SGL_GAP_CLASSES. Returns how many. */
uint32_t sgl_gap_counter_classes(const struct sgl_gap_counter *counter,
                                 struct sgl_gap_class *classes_out);

/* Empties it and frees what it has. */
void sgl_gap_counter_release(struct sgl_gap_counter *counter);

#endif
