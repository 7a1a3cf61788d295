#include "sim/gap_steps.h"

#include <assert.h>

void sgl_gap_counter_add_steps(struct sgl_gap_counter *counter, struct sgl_leap leap, int64_t from,
                               int64_t to, uint64_t count)
{
    assert(leap.base_ps >= SGL_GAP_PS_PER_NS && count <= UINT32_MAX);
    while (from < to) {
        const struct sgl_leap rest = {leap.base_ps + leap.slope_ps * from, leap.slope_ps};
        const uint64_t class = sgl_gap_class_of(rest.base_ps);
        int64_t steps = to - from;
        /* What follows the class, but for the last one, which has no end. */
        const int64_t beyond_ps = sgl_gap_class_start(class + 1) * SGL_GAP_PS_PER_NS;
        if (rest.base_ps + rest.slope_ps * (steps - 1) >= beyond_ps && rest.base_ps < beyond_ps)
            steps = (beyond_ps - rest.base_ps + rest.slope_ps - 1) / rest.slope_ps;
        const struct sgl_gap_run run = {
            .class = class,
            .lengths = (uint64_t)steps,
            .total_ps = (uint64_t)sgl_leap_ps(rest, steps),
            .longest_ps = rest.base_ps + rest.slope_ps * (steps - 1),
        };
        sgl_gap_counter_add_run(counter, &run, count);
        from += steps;
    }
}
