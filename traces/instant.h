/*
 * instant.h - when something happened, in whatever way a trace writes it, as integer nanoseconds.
 *
 * ISO 8601: "2023-11-16 18:15:46.6805900", a T for the space, any number of fraction digits
 * (rounded half up beyond nine), a zone of Z, +hh, +hhmm or +hh:mm, and none means UTC. Dates are
 * those of the Gregorian calendar, which is extended backwards; 24:00 and second 60 are refused,
 * for POSIX time has no leap seconds. Years 1678 to 2261: what 64 bits of nanoseconds around 1970
 * hold.
 *
 * Numbers: the unit is told by the size of the first one, and every other must agree.
 */
#ifndef SGL_TRACES_INSTANT_H
#define SGL_TRACES_INSTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(upper, integer digits the number may have, 10^x to make it ns, words) */
/* clang-format off */
#define SGL_TIME_UNIT_MAP(X)                                    \
    X(NONE,       0, 0, "not known yet")                        \
    X(ISO,        0, 0, "ISO 8601")                             \
    X(FROM_START, 9, 9, "seconds from start") /* below 1e9 */   \
    X(EPOCH_S,   11, 9, "epoch s")            /* below 1e11 */  \
    X(EPOCH_MS,  14, 6, "epoch ms")           /* below 1e14 */  \
    X(EPOCH_US,  17, 3, "epoch us")           /* below 1e17 */  \
    X(EPOCH_NS,  19, 0, "epoch ns")                             \
    X(FROM_START_MS, 12, 6, "ms from start") /* below 1e12; a format says so */
/* clang-format on */

enum sgl_time_unit {
#define SGL_TIME_UNIT_ENUM(upper, digits, power, words) SGL_TIME_##upper,
    SGL_TIME_UNIT_MAP(SGL_TIME_UNIT_ENUM)
#undef SGL_TIME_UNIT_ENUM
        SGL_TIME_UNIT_COUNT
};

/* Do times of this unit count from the start of the trace? */
static inline bool sgl_time_unit_is_relative(enum sgl_time_unit unit)
{
    return unit == SGL_TIME_FROM_START || unit == SGL_TIME_FROM_START_MS;
}

/* What the numbers of a trace are in: static text. */
const char *sgl_time_unit_words(enum sgl_time_unit unit);

enum sgl_instant_fault {
    SGL_INSTANT_OK,
    SGL_INSTANT_SYNTAX,   /* neither ISO 8601 nor a number */
    SGL_INSTANT_CALENDAR, /* no such day or time of day */
    SGL_INSTANT_RANGE,    /* does not fit in 64 bits of nanoseconds */
    SGL_INSTANT_UNIT,     /* not the unit of the times before; *unit says which it looks like */
};

/* The minute of a time as it was written, and in ns: the next time mostly has the same. Zeroed at
 * the start. */
struct sgl_minute {
    char text[17]; /* "2023-11-16 18:15:" */
    int64_t ns;
};

/* *unit is NONE for the first time of a trace and is set by it; only a format sets FROM_START_MS.
 * The result counts from 1970, or from the trace's own start when the unit is relative. */
enum sgl_instant_fault sgl_instant_read(const char *text, size_t size, enum sgl_time_unit *unit,
                                        struct sgl_minute *minute, int64_t *ns_out);

#endif
