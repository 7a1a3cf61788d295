#include "instant.h"

#include "decimal.h"

#include <stdbool.h>
#include <string.h>

#define YEAR_LEAST 1678
#define YEAR_MOST 2261

static const struct {
    const char *words;
    int digits;
    int power;
} units[SGL_TIME_UNIT_COUNT] = {
#define SGL_TIME_UNIT_ROW(upper, integer_digits, ten_power, text)                                  \
    [SGL_TIME_##upper] = {.words = (text), .digits = (integer_digits), .power = (ten_power)},
    SGL_TIME_UNIT_MAP(SGL_TIME_UNIT_ROW)
#undef SGL_TIME_UNIT_ROW
};

struct scan {
    const char *at;
    const char *end;
};

const char *sgl_time_unit_words(enum sgl_time_unit unit)
{
    return units[unit].words;
}

/* Exactly `count` digits, or -1. */
static int take_digits(struct scan *scan, int count)
{
    int value = 0;

    if (scan->end - scan->at < count)
        return -1;
    for (int i = 0; i < count; i++) {
        const char c = *scan->at++;
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

static bool take(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

#define FRACTION_DIGITS 9

/* What the last of so many digits of fraction is worth, in ns. */
static const int64_t places[1 + FRACTION_DIGITS] = {
    1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};

/* ".6805900" as nanoseconds, rounded half up: up to and including a whole second. */
static bool take_fraction(struct scan *scan, int64_t *ns_out)
{
    const char *const first = scan->at;
    int64_t value = 0;

    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++)
        if (scan->at - first < FRACTION_DIGITS)
            value = value * 10 + (*scan->at - '0');
    const int64_t digits = scan->at - first;
    *ns_out = value * places[digits < 9 ? digits : 9] + (digits > 9 && first[9] >= '5');
    return digits > 0;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of March of that year or the day in it. Counting years from
 * March puts the leap day last, so a month's start is (153 m + 2) / 5, the 30.6-day rule of the
 * month lengths 31 30 31 30 31 31 30 31 30 31 31 (Richards, Explanatory Supplement to the
 * Astronomical Almanac, 3rd ed., section 15.11). */
static int64_t day_number(int year, int month, int day)
{
    const int64_t y = month > 2 ? year : year - 1;
    const int64_t m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* "Z", "+05:30", "-0800", "+05" or nothing, as seconds east of Greenwich. */
static enum sgl_instant_fault take_zone(struct scan *scan, int *east_s_out)
{
    *east_s_out = 0;
    if (scan->at == scan->end || take(scan, 'Z') || take(scan, 'z'))
        return SGL_INSTANT_OK;
    const bool is_west = *scan->at == '-';
    if (!take(scan, '-') && !take(scan, '+'))
        return SGL_INSTANT_SYNTAX;
    const int hours = take_digits(scan, 2);
    int minutes = 0;
    if (take(scan, ':') || (hours >= 0 && scan->at < scan->end))
        minutes = take_digits(scan, 2);
    if (hours < 0 || minutes < 0)
        return SGL_INSTANT_SYNTAX;
    if (hours > 23 || minutes > 59)
        return SGL_INSTANT_CALENDAR;
    *east_s_out = (hours * 60 + minutes) * 60 * (is_west ? -1 : 1);
    return SGL_INSTANT_OK;
}

static enum sgl_instant_fault read_iso(const char *text, size_t size, int64_t *ns_out)
{
    struct scan scan = {.at = text, .end = text + size};
    int64_t fraction_ns = 0;
    int east_s;

    const int year = take_digits(&scan, 4);
    const int month = take(&scan, '-') ? take_digits(&scan, 2) : -1;
    const int day = take(&scan, '-') ? take_digits(&scan, 2) : -1;
    const bool has_time = take(&scan, 'T') || take(&scan, 't') || take(&scan, ' ');
    const int hour = has_time ? take_digits(&scan, 2) : -1;
    const int minute = take(&scan, ':') ? take_digits(&scan, 2) : -1;
    const int second = take(&scan, ':') ? take_digits(&scan, 2) : -1;
    if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0)
        return SGL_INSTANT_SYNTAX;
    if (take(&scan, '.') && !take_fraction(&scan, &fraction_ns))
        return SGL_INSTANT_SYNTAX;
    const enum sgl_instant_fault zone = take_zone(&scan, &east_s);
    if (zone != SGL_INSTANT_OK)
        return zone;
    if (scan.at != scan.end)
        return SGL_INSTANT_SYNTAX;
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return SGL_INSTANT_CALENDAR;
    if (year < YEAR_LEAST || year > YEAR_MOST)
        return SGL_INSTANT_RANGE;
    const int64_t minutes = (day_number(year, month, day) * 24 + hour) * 60 + minute;
    const int64_t seconds = minutes * 60 + second - east_s;
    *ns_out = seconds * 1000000000 + fraction_ns;
    return SGL_INSTANT_OK;
}

/* ---- the usual form ---------------------------------------------------------------------- */

/* Two digits; 100 or more: they are none. */
static unsigned pair_at(const char *text)
{
    const unsigned tens = (unsigned char)text[0] - (unsigned)'0';
    const unsigned ones = (unsigned char)text[1] - (unsigned)'0';

    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

/* "2023-11-16 18:15:". False: it is something else, or wrong. */
static bool read_minute(const char *text, struct sgl_minute *minute)
{
    if (text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T') ||
        text[13] != ':' || text[16] != ':')
        return false;
    const unsigned century = pair_at(text);
    const unsigned year_of_century = pair_at(text + 2);
    const unsigned month = pair_at(text + 5);
    const unsigned day = pair_at(text + 8);
    const unsigned hour = pair_at(text + 11);
    const unsigned minute_of_hour = pair_at(text + 14);
    const int year = (int)(century * 100 + year_of_century);
    /* Days that only some months have are left to the other way. */
    if (century > 99 || year_of_century > 99 || month - 1 > 11 || day - 1 > 27 || hour > 23 ||
        minute_of_hour > 59 || year < YEAR_LEAST || year > YEAR_MOST)
        return false;
    const int64_t minutes =
        (day_number(year, (int)month, (int)day) * 24 + hour) * 60 + minute_of_hour;
    minute->ns = minutes * 60 * 1000000000;
    memcpy(minute->text, text, sizeof minute->text);
    return true;
}

/* "2023-11-16 18:15:46.6805900" without a zone, at most nine digits of fraction: what nearly every
 * time is. False: it is something else, or wrong. */
static bool read_usual(const char *text, size_t size, struct sgl_minute *minute, int64_t *ns_out)
{
    const char *const second_text = text + sizeof minute->text;
    const char *const point = second_text + 2;
    unsigned fraction = 0;

    if (size < sizeof minute->text + 2)
        return false;
    if ((minute->text[0] == '\0' || memcmp(text, minute->text, sizeof minute->text) != 0) &&
        !read_minute(text, minute))
        return false;
    const unsigned second = pair_at(second_text);
    const size_t rest = size - sizeof minute->text - 2;
    if (second > 59 || rest == 1 || rest > 1 + FRACTION_DIGITS || (rest > 0 && *point != '.'))
        return false;
    for (size_t i = 1; i < rest; i++) {
        const unsigned digit = (unsigned char)point[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        fraction = fraction * 10 + digit;
    }
    *ns_out = minute->ns + (int64_t)second * 1000000000 +
              (int64_t)fraction * places[rest > 0 ? rest - 1 : 0];
    return true;
}

/* "6247.602001500", at most nine digits on either side of the point: what nearly every time from
 * the start is; other units begin with ten digits. False: it is something else, or wrong. */
static bool read_seconds(const char *text, size_t size, int64_t *ns_out)
{
    const char *const end = text + size;
    const char *at = text;
    uint64_t seconds = 0;
    uint64_t fraction = 0;

    for (; at < end && (unsigned)(*at - '0') <= 9; at++)
        seconds = seconds * 10 + (unsigned)(*at - '0');
    if (at == text || at - text > 9)
        return false;
    const char *const point = at;
    if (at < end && *at++ != '.')
        return false;
    const char *const first = at;
    for (; at < end && (unsigned)(*at - '0') <= 9; at++)
        fraction = fraction * 10 + (unsigned)(*at - '0');
    if (at < end || at - first > FRACTION_DIGITS || (first == end && point < end))
        return false;
    *ns_out = (int64_t)(seconds * 1000000000 + fraction * (uint64_t)places[at - first]);
    return true;
}

static bool looks_iso(const char *text, size_t size)
{
    struct scan scan = {.at = text, .end = text + size};

    return take_digits(&scan, 4) >= 0 && take(&scan, '-');
}

static enum sgl_time_unit unit_of(const struct sgl_decimal *number)
{
    enum sgl_time_unit unit = SGL_TIME_FROM_START;

    /* A number below 10^d has at most d digits before its point. */
    while (unit < SGL_TIME_EPOCH_NS && number->magnitude > units[unit].digits)
        unit++;
    return unit;
}

enum sgl_instant_fault sgl_instant_read(const char *text, size_t size, enum sgl_time_unit *unit,
                                        struct sgl_minute *minute, int64_t *ns_out)
{
    struct sgl_decimal number;

    if ((*unit == SGL_TIME_ISO || *unit == SGL_TIME_NONE) &&
        read_usual(text, size, minute, ns_out)) {
        *unit = SGL_TIME_ISO;
        return SGL_INSTANT_OK;
    }
    if ((*unit == SGL_TIME_FROM_START || *unit == SGL_TIME_NONE) &&
        read_seconds(text, size, ns_out)) {
        *unit = SGL_TIME_FROM_START;
        return SGL_INSTANT_OK;
    }
    const bool is_iso = looks_iso(text, size);
    if (!is_iso && !sgl_decimal_read(&number, text, size))
        return SGL_INSTANT_SYNTAX;
    enum sgl_time_unit found = is_iso ? SGL_TIME_ISO : unit_of(&number);
    if (*unit == SGL_TIME_FROM_START_MS && !is_iso &&
        number.magnitude <= units[SGL_TIME_FROM_START_MS].digits)
        found = *unit;
    if (*unit != SGL_TIME_NONE && *unit != found) {
        *unit = found;
        return SGL_INSTANT_UNIT;
    }
    if (is_iso) {
        const enum sgl_instant_fault fault = read_iso(text, size, ns_out);
        if (fault != SGL_INSTANT_OK)
            return fault;
    } else if (sgl_decimal_scale(&number, units[found].power, ns_out) == SGL_DECIMAL_TOO_LARGE) {
        return SGL_INSTANT_RANGE;
    }
    *unit = found;
    return SGL_INSTANT_OK;
}
