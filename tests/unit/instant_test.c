/*
 * Times of traces. The calendar is held to that of the C library, which is another implementation.
 */
#include "support.h"

#include "core/absent.h"
#include "core/rng.h"
#include "traces/instant.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIMES 20000
#define FIRST_S INT64_C(-9214646400) /* 1678-01-01 00:00:00 */
#define LAST_S INT64_C(9214646399)   /* 2261-12-31 23:59:59 */

static enum sgl_instant_fault read_text(const char *text, enum sgl_time_unit *unit, int64_t *ns)
{
    /* As in a trace: what was read before must not show. */
    static struct sgl_minute minute;

    return sgl_instant_read(text, strlen(text), unit, &minute, ns);
}

/* Writes second `s` of 1970 and `ns` as somebody `east_min` minutes east of Greenwich would. */
static bool write_time(char *out, size_t size, int64_t s, uint32_t ns, int east_min,
                       struct sgl_rng *draws)
{
    const time_t local = (time_t)(s + (int64_t)east_min * 60);
    const int digits = 1 + (int)sgl_rng_below(draws, 9);
    struct tm calendar;
    char zone[16] = "";
    char fraction[16] = "";

    if (local < FIRST_S || local > LAST_S || gmtime_r(&local, &calendar) == NULL)
        return false;
    if (ns != 0)
        snprintf(fraction, sizeof fraction, ".%09u", ns);
    else if (digits < 9)
        snprintf(fraction, sizeof fraction, ".%.*s", digits, "000000000");
    const int minutes = east_min < 0 ? -east_min : east_min;
    if (east_min != 0)
        snprintf(zone, sizeof zone, sgl_rng_below(draws, 2) == 0 ? "%c%02d:%02d" : "%c%02d%02d",
                 east_min < 0 ? '-' : '+', minutes / 60, minutes % 60);
    else if (sgl_rng_below(draws, 2) == 0)
        snprintf(zone, sizeof zone, "Z");
    snprintf(out, size, "%04d-%02d-%02d%c%02d:%02d:%02d%s%s", calendar.tm_year + 1900,
             calendar.tm_mon + 1, calendar.tm_mday, sgl_rng_below(draws, 2) == 0 ? ' ' : 'T',
             calendar.tm_hour, calendar.tm_min, calendar.tm_sec, fraction, zone);
    return true;
}

static void the_calendar_is_that_of_the_c_library(void)
{
    size_t wrong = 0;
    size_t tried = 0;

    for (int64_t i = 0; i < TIMES; i++) {
        struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 0, i, 0);
        const int64_t span = LAST_S - FIRST_S + 1;
        const int64_t s = FIRST_S + (int64_t)(sgl_rng_next(&draws) % (uint64_t)span);
        const uint32_t ns = sgl_rng_below(&draws, 2) * sgl_rng_below(&draws, 1000000000);
        const int east_min =
            (int)sgl_rng_below(&draws, 2) * ((int)sgl_rng_below(&draws, 1800) - 900);
        enum sgl_time_unit unit = SGL_TIME_NONE;
        int64_t found = 0;
        char text[128];
        if (!write_time(text, sizeof text, s, ns, east_min, &draws))
            continue;
        tried++;
        if (read_text(text, &unit, &found) != SGL_INSTANT_OK || unit != SGL_TIME_ISO ||
            found != s * 1000000000 + ns) {
            wrong++;
            printf("\n  %s gives %lld\n", text, (long long)found);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(tried > TIMES * 99 / 100);
}

/* Times of a minute, right and wrong, in turn with others: each is what it is when read alone. */
static void the_minute_before_changes_nothing(void)
{
    static const char *const heads[] = {
        "2023-11-16 18:15:", "2023-11-16T18:15:", "2023-11-16 18:16:",
        "2023-02-28 18:15:", "2023-02-29 18:15:", "2024-02-29 18:15:"};
    static const char *const tails[] = {
        "46", "46.5", "59.999999999", "60",         "46.",   "46.6805900",    "4", "46.12345678951",
        "4x", "46,5", "00Z",          "46.5-01:00", "46.5x", "00.0000000001", ""};
    struct sgl_rng draws = sgl_rng_stream(4, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_minute minute = {{0}, 0};
    size_t wrong = 0;

    for (int i = 0; i < TIMES; i++) {
        struct sgl_minute none = {{0}, 0};
        enum sgl_time_unit unit = SGL_TIME_ISO;
        enum sgl_time_unit unit_alone = SGL_TIME_ISO;
        int64_t ns = -1;
        int64_t ns_alone = -1;
        char text[64];
        const int size = snprintf(text, sizeof text, "%s%s", heads[sgl_rng_below(&draws, 6)],
                                  tails[sgl_rng_below(&draws, 15)]);
        const int fault = (int)sgl_instant_read(text, (size_t)size, &unit, &minute, &ns);
        wrong += fault != (int)sgl_instant_read(text, (size_t)size, &unit_alone, &none, &ns_alone);
        wrong += ns != ns_alone || unit != unit_alone;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    /* A text of SQLite may hold what no minute begins with. */
    static const char zeros[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\00046";
    enum sgl_time_unit unit = SGL_TIME_ISO;
    struct sgl_minute none = {{0}, 0};
    int64_t ns;
    CU_ASSERT_EQUAL(sgl_instant_read(zeros, sizeof zeros - 1, &unit, &none, &ns),
                    SGL_INSTANT_SYNTAX);
}

static void fractions_beyond_ns_are_rounded_half_up(void)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"1970-01-01 00:00:00.1", 100000000},
        {"1970-01-01 00:00:00.1234567894", 123456789},
        {"1970-01-01 00:00:00.1234567895", 123456790},
        {"1970-01-01 00:00:00.12345678949999999999999", 123456789},
        {"1970-01-01 00:00:00.9999999999Z", 1000000000},
        {"1969-12-31T23:59:59.9999999990", -1},
        {"2023-11-16 18:15:46.6805900", 1700158546680590000},
        {"2000-02-29 00:00:00+05", 951764400000000000},
        {"2000-02-29 00:00:00z", 951782400000000000},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum sgl_time_unit unit = SGL_TIME_NONE;
        int64_t ns = -1;
        CU_ASSERT_EQUAL(read_text(cases[i].text, &unit, &ns), SGL_INSTANT_OK);
        CU_ASSERT_EQUAL(ns, cases[i].ns);
    }
}

static void what_is_no_time_is_refused(void)
{
    static const struct {
        const char *text;
        enum sgl_instant_fault fault;
    } cases[] = {
        {"2023-02-29 00:00:00", SGL_INSTANT_CALENDAR},
        {"1900-02-29 00:00:00", SGL_INSTANT_CALENDAR},
        {"2023-04-31 00:00:00", SGL_INSTANT_CALENDAR},
        {"2023-13-01 00:00:00", SGL_INSTANT_CALENDAR},
        {"2023-00-01 00:00:00", SGL_INSTANT_CALENDAR},
        {"2023-01-00 00:00:00", SGL_INSTANT_CALENDAR},
        {"2023-01-01 24:00:00", SGL_INSTANT_CALENDAR},
        {"2023-01-01 00:60:00", SGL_INSTANT_CALENDAR},
        {"2016-12-31 23:59:60", SGL_INSTANT_CALENDAR},
        {"2023-01-01 00:00:00+24", SGL_INSTANT_CALENDAR},
        {"1677-12-31 00:00:00", SGL_INSTANT_RANGE},
        {"2262-01-01 00:00:00", SGL_INSTANT_RANGE},
        {"9999-01-01 00:00:00", SGL_INSTANT_RANGE},
        {"99999999999999999999", SGL_INSTANT_RANGE},
        {"2023-01-01", SGL_INSTANT_SYNTAX},
        {"2023-01-01 00:00", SGL_INSTANT_SYNTAX},
        {"2023-01-01 00:00:00.", SGL_INSTANT_SYNTAX},
        {"2023-01-01 00:00:00 ", SGL_INSTANT_SYNTAX},
        {"2023-01-01 00:00:00+1", SGL_INSTANT_SYNTAX},
        {"2023-01-01 00:00:00ZZ", SGL_INSTANT_SYNTAX},
        {"2023-1-1 00:00:00", SGL_INSTANT_SYNTAX},
        {"yesterday", SGL_INSTANT_SYNTAX},
        {"-1", SGL_INSTANT_SYNTAX},
        {"nan", SGL_INSTANT_SYNTAX},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum sgl_time_unit unit = SGL_TIME_NONE;
        int64_t ns;
        const enum sgl_instant_fault fault = read_text(cases[i].text, &unit, &ns);
        if (fault != cases[i].fault)
            printf("\n  %s gives %d, expected %d\n", cases[i].text, (int)fault,
                   (int)cases[i].fault);
        CU_ASSERT_EQUAL(fault, cases[i].fault);
    }
}

static void the_size_of_the_first_number_is_its_unit(void)
{
    static const struct {
        const char *text;
        enum sgl_time_unit unit;
        int64_t ns;
    } cases[] = {
        {"0", SGL_TIME_FROM_START, 0},
        {"999999999.9999999999", SGL_TIME_FROM_START, 1000000000000000000},
        {"1e9", SGL_TIME_EPOCH_S, 1000000000000000000},
        {"1700158546.68", SGL_TIME_EPOCH_S, 1700158546680000000},
        {"1e11", SGL_TIME_EPOCH_MS, 100000000000000000},
        {"1700158546680.59", SGL_TIME_EPOCH_MS, 1700158546680590000},
        {"1e14", SGL_TIME_EPOCH_US, 100000000000000000},
        {"1700158546680590.7", SGL_TIME_EPOCH_US, 1700158546680590700},
        {"1e17", SGL_TIME_EPOCH_NS, 100000000000000000},
        {"1700158546680590712.5", SGL_TIME_EPOCH_NS, 1700158546680590713},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum sgl_time_unit unit = SGL_TIME_NONE;
        int64_t ns = -1;
        CU_ASSERT_EQUAL(read_text(cases[i].text, &unit, &ns), SGL_INSTANT_OK);
        CU_ASSERT_EQUAL(unit, cases[i].unit);
        CU_ASSERT_EQUAL(ns, cases[i].ns);
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            enum sgl_time_unit later = cases[k].unit;
            const enum sgl_instant_fault fault = read_text(cases[i].text, &later, &ns);
            CU_ASSERT_EQUAL(fault, later == cases[k].unit ? SGL_INSTANT_OK : SGL_INSTANT_UNIT);
            CU_ASSERT_EQUAL(later, cases[i].unit);
        }
    }
}

/* Seconds from the start are mostly short enough for a way of their own. The same number written
 * with an exponent, or with zeros behind its ninth digit of fraction, goes the other way. */
static void seconds_are_the_same_however_they_are_written(void)
{
    static const char *const forms[][2] = {
        {"", ""}, {"", "0000000000"}, {"", "e0"}, {"0000000000", ""}};
    size_t wrong = 0;

    for (int64_t i = 0; i < TIMES; i++) {
        struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 1, i, 0);
        const uint32_t digits = 1 + sgl_rng_below(&draws, 9);
        uint32_t seconds = sgl_rng_below(&draws, 1000000000);
        uint32_t ns = sgl_rng_below(&draws, 1000000000);
        char whole[16];
        char fraction[24];
        for (uint32_t d = sgl_rng_below(&draws, 10); d > 0; d--)
            seconds /= 10;
        snprintf(whole, sizeof whole, "%0*u", sgl_rng_below(&draws, 2) == 0 ? 1 : 9, seconds);
        snprintf(fraction, sizeof fraction, ".%09u", ns);
        fraction[1 + digits] = '\0';
        uint32_t least = 1; /* what the last digit is worth */
        for (uint32_t d = digits; d < 9; d++)
            least *= 10;
        ns -= ns % least;
        for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
            enum sgl_time_unit unit =
                sgl_rng_below(&draws, 2) == 0 ? SGL_TIME_NONE : SGL_TIME_FROM_START;
            char text[64];
            int64_t is_ns = SGL_ABSENT;
            snprintf(text, sizeof text, "%s%s%s%s", forms[f][0], whole, fraction, forms[f][1]);
            wrong += read_text(text, &unit, &is_ns) != SGL_INSTANT_OK ||
                     unit != SGL_TIME_FROM_START || is_ns != seconds * INT64_C(1000000000) + ns;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

SGL_SUITE(instant) = {
    {"the time before changes nothing", the_minute_before_changes_nothing},
    {"dates and zones mean what the C library says", the_calendar_is_that_of_the_c_library},
    {"fractions beyond nanoseconds are rounded half up", fractions_beyond_ns_are_rounded_half_up},
    {"seconds are the same however they are written",
     seconds_are_the_same_however_they_are_written},
    {"what is no time is refused, and why", what_is_no_time_is_refused},
    {"the size of the first number is the unit of all", the_size_of_the_first_number_is_its_unit},
    CU_TEST_INFO_NULL,
};
