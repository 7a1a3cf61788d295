/*
 * stats_mser.h - how many observations at the start of a run are warm-up: MSER-5.
 *
 *     observations  | x1 .. x5 | x6 .. x10 | ...      means of batches of five: z(1) ... z(k)
 *     cut d         minimises  sum over j > d of (z(j) - mean of those)^2 / (k - d)^2
 *
 * White, "An effective truncation heuristic for bias reduction in simulation output", Simulation
 * 69, 1997; batches of five: Spratt 1998, White, Cobb and Spratt, WSC 2000. A minimum beyond half
 * of the run says that the run is not long enough, or not stationary: then there is no cut.
 */
#ifndef SGL_ANALYSIS_STATS_MSER_H
#define SGL_ANALYSIS_STATS_MSER_H

#include <stdbool.h>
#include <stddef.h>

#define SGL_MSER_BATCH 5

struct sgl_mser {
    size_t cut;         /* observations to leave out, a multiple of five; 0 when not stationary */
    bool is_stationary; /* false also when there are fewer than 20 observations */
};

/* Linear in count; no memory. */
struct sgl_mser sgl_mser_cut(const double *values, size_t count);

#endif
