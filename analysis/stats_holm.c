#include "stats_holm.h"

#include <math.h>

size_t sgl_holm_adjust(const double *p_values, double *adjusted, size_t count)
{
    size_t tests = 0;
    double highest = 0;

    for (size_t i = 0; i < count; i++) {
        tests += isnan(p_values[i]) ? 0 : 1;
        adjusted[i] = p_values[i];
    }
    /* What has been adjusted carries a minus sign, zeros too, until all have. */
    for (size_t rank = 0; rank < tests; rank++) {
        size_t next = count;
        for (size_t i = 0; i < count; i++) {
            if (isnan(adjusted[i]) || signbit(adjusted[i]))
                continue;
            if (next == count || adjusted[i] < adjusted[next])
                next = i;
        }
        highest = fmax(highest, fmin(1, (double)(tests - rank) * adjusted[next]));
        adjusted[next] = -highest;
    }
    for (size_t i = 0; i < count; i++)
        if (!isnan(adjusted[i]))
            adjusted[i] = fabs(adjusted[i]);
    return tests;
}
