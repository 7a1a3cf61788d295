#include "sort.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

void sgl_reals_sort(double *values, size_t count)
{
    if (count > 1) /* without values there may be no array either, which qsort must not get */
        qsort(values, count, sizeof *values, compare);
}
