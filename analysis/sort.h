/* sort.h - numbers in order. */
#ifndef SGL_ANALYSIS_SORT_H
#define SGL_ANALYSIS_SORT_H

#include <stddef.h>

/* The least first; none of them may be NaN, which has no place in an order. */
void sgl_reals_sort(double *values, size_t count);

#endif
