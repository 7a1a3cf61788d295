/*
 * absent.h - missing is not zero.
 *
 * A value nobody measured is "absent": SGL_ABSENT for integers, NaN for doubles. It is written as
 * NULL in SQLite and as an empty cell in CSV. No absent value ever takes part in arithmetic.
 */
#ifndef SGL_CORE_ABSENT_H
#define SGL_CORE_ABSENT_H

#include <math.h>
#include <stdint.h>

#define SGL_ABSENT INT64_MIN
#define SGL_ABSENT_REAL ((double)NAN)

#define SGL_NANOSECONDS_PER_SECOND INT64_C(1000000000)

#endif
