/*
 * stats_holm.h - p-values of several tests, adjusted so that the chance of any false finding among
 * them stays below the level, whatever their dependence.
 *
 *     sorted p(1) <= ... <= p(m):   adjusted(i) = max over j <= i of min(1, (m - j + 1) p(j))
 *
 * Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6, 1979.
 * Absent p-values (NaN) are not tests: they do not count in m and stay absent.
 */
#ifndef SGL_ANALYSIS_STATS_HOLM_H
#define SGL_ANALYSIS_STATS_HOLM_H

#include <stddef.h>

/* `adjusted` has `count` places, and may be `p_values` itself. Returns m. Quadratic: for tables. */
size_t sgl_holm_adjust(const double *p_values, double *adjusted, size_t count);

#endif
