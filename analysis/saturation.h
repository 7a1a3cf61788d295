/*
 * saturation.h - did the queue keep growing? The verdict that stands beside every figure of a run.
 *
 *     time       |---|---|---|---|---|---|---|---|...      bins of equal width; when time runs past
 *     waiting    2.1 3.0 2.7 4.4 5.1 ...                   the last one, pairs merge, widths double
 *
 * A bin holds the integral of the number of requests waiting at workers (sent, not yet started), so
 * its mean is exact whatever its width. Memory is constant: 4,096 bins.
 *
 * Test: the second half of the time from the first to the last arrival is cut into 20 equal parts;
 * a line is fitted by least squares to their mean numbers waiting. Saturated means both:
 *   - the slope is positive at the 1 % level (one-sided t, 18 degrees of freedom), and
 *   - the growth over that half is at least a quarter of the mean number waiting in it, and at
 * least one request: a significant but tiny trend changes no figure. The parts of a queue are
 * positively correlated, so the t-test alone would cry wolf; the second condition is what makes the
 * verdict usable. It says nothing about a queue that grew before.
 */
#ifndef SGL_ANALYSIS_SATURATION_H
#define SGL_ANALYSIS_SATURATION_H

#include <stdbool.h>
#include <stdint.h>

#define SGL_SATURATION_BINS 4096
#define SGL_SATURATION_PARTS 20

struct sgl_saturation {
    int64_t width_ns;
    double area[SGL_SATURATION_BINS]; /* request-ns waited in a bin by those that only touch it */
    int64_t cover[SGL_SATURATION_BINS + 1]; /* +1, -1 where full bins of a wait begin and end */
};

struct sgl_saturation_verdict {
    bool is_known; /* false: under 20 arrivals, or all in one instant */
    bool is_saturated;
    double mean_waiting; /* requests, over the second half */
    double growth;       /* requests, by the fitted line over the second half */
    double slope_per_s;
    double p_value; /* of a slope that is not positive */
};

void sgl_saturation_init(struct sgl_saturation *saturation);

/* A request waited from begin_ns to end_ns; 0 <= begin_ns <= end_ns. */
void sgl_saturation_add(struct sgl_saturation *saturation, int64_t begin_ns, int64_t end_ns);

struct sgl_saturation_verdict sgl_saturation_test(const struct sgl_saturation *saturation,
                                                  int64_t first_arrival_ns, int64_t last_arrival_ns,
                                                  uint64_t arrivals);

#endif
