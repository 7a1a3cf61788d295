/*
 * gaps.h - how long the tokens of answers followed one another: inter-token latencies (itl) of one
 * worker, counted by length.
 *
 *     token 1   token 2        token 3   ...      a gap of 12 ms, one of 31 ms: an answer of n
 *        |--12 ms--|----31 ms-----|                tokens has n - 1
 *
 *     from_ns      to_ns  from_ns                  classes in ascending order, without those that
 *        |  count  |         |  count  |           counted nothing
 *
 * A class is at most 1/128 (0.8 %) as wide as its lower bound, or one nanosecond. So a percentile
 * is known to that; counts, sums and the longest gap are exact. `sum_s` is the sum of the lengths
 * before they were cut to whole nanoseconds.
 */
#ifndef SGL_CORE_GAPS_H
#define SGL_CORE_GAPS_H

#include <stdbool.h>
#include <stdint.h>

/* Distinct classes there are: one per nanosecond below 128, 128 from each power of two on, and none
 * beyond 2^53 ns (104 days): longer gaps count as of the last. */
#define SGL_GAP_CLASS_MAX (128 + 46 * 128)

struct sgl_gap_class {
    int64_t from_ns; /* the least that counts here */
    int64_t to_ns;   /* the least that does not */
    uint64_t count;  /* at least 1 */
    double sum_s;
    int64_t longest_ns;
};

/* Borrowed for the call that passes it. */
struct sgl_gaps {
    uint32_t worker;
    bool is_warm_up; /* they ended before the first request of which there are figures arrived */
    const struct sgl_gap_class *classes;
    uint32_t class_count;
};

#endif
