#include "json_check.h"

#include "json_scan.h"

#include <stdint.h>
#include <string.h>

struct check {
    const unsigned char *text;
    size_t size;
    size_t at;
    size_t depth;
    uint64_t objects[SGL_JSON_DEPTH_MAX / 64]; /* a bit for each that is open: is it an object? */
};

/* ---- strings ---- */

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u; -1: they are not there. */
static int code_at(const struct check *check, size_t at)
{
    int code = 0;

    if (check->size - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        const int digit = hex_digit(check->text[at + i]);
        if (digit < 0)
            return -1;
        code = 16 * code + digit;
    }
    return code;
}

/* Behind the escape whose backslash is at `at`. */
static bool pass_escape(struct check *check)
{
    const unsigned char *text = check->text;
    const size_t at = check->at;

    if (at + 1 >= check->size)
        return false;
    if (text[at + 1] != 'u') {
        check->at = at + 2;
        return text[at + 1] != '\0' && strchr("\"\\/bfnrt", text[at + 1]) != NULL;
    }
    const int first = code_at(check, at + 2);
    check->at = at + 6;
    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
        return false;
    if (first < 0xd800 || first > 0xdbff)
        return true;
    if (check->size - check->at < 6 || text[at + 6] != '\\' || text[at + 7] != 'u')
        return false;
    const int second = code_at(check, at + 8);
    check->at = at + 12;
    return second >= 0xdc00 && second <= 0xdfff;
}

static bool is_tail(const struct check *check, size_t at)
{
    return at < check->size && (check->text[at] & 0xc0) == 0x80;
}

/* Behind a character of two to four bytes: shortest form, no half of a pair, to U+10FFFF. */
static bool pass_long_character(struct check *check)
{
    const unsigned char *text = check->text + check->at;
    const unsigned char c = text[0];
    const size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

    if (c < 0xc2 || c > 0xf4)
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_tail(check, check->at + i))
            return false;
    check->at += size;
    return !(c == 0xe0 && text[1] < 0xa0) && !(c == 0xed && text[1] > 0x9f) &&
           !(c == 0xf0 && text[1] < 0x90) && !(c == 0xf4 && text[1] > 0x8f);
}

/* Bytes of a string that need no look: all but controls, quotes, backslashes and UTF-8. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Are eight bytes plain? A difference has the top bit of a byte that was smaller, or zero; a borrow
 * can only come from such a byte, and then the answer is no already. */
static bool are_plain(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    const uint64_t quote = word ^ EACH_BYTE * '"';
    const uint64_t slash = word ^ EACH_BYTE * '\\';
    return ((word | (word - EACH_BYTE * 0x20) | (quote - EACH_BYTE) | (slash - EACH_BYTE)) &
            EACH_BYTE * 0x80) == 0;
}

/* Behind the string whose quote is here. */
static bool pass_string(struct check *check)
{
    const unsigned char *const end = check->text + check->size;
    bool is_good = check->at < check->size && check->text[check->at] == '"';

    check->at += is_good;
    while (is_good) {
        const unsigned char *c = check->text + check->at;
        while (end - c >= 8 && are_plain(c))
            c += 8;
        while (c < end && is_plain(*c))
            c++;
        check->at = (size_t)(c - check->text);
        if (c == end || *c < 0x20)
            return false;
        if (*c == '"') {
            check->at++;
            return true;
        }
        is_good = *c == '\\' ? pass_escape(check) : pass_long_character(check);
    }
    return false;
}

/* ---- numbers and words ---- */

static bool pass_digits(struct check *check)
{
    const size_t begin = check->at;

    while (check->at < check->size && check->text[check->at] >= '0' &&
           check->text[check->at] <= '9')
        check->at++;
    return check->at > begin;
}

static bool is_here(const struct check *check, char c)
{
    return check->at < check->size && check->text[check->at] == (unsigned char)c;
}

static bool pass_number(struct check *check)
{
    check->at += is_here(check, '-');
    if (is_here(check, '0'))
        check->at++;
    else if (!pass_digits(check))
        return false;
    if (is_here(check, '.')) {
        check->at++;
        if (!pass_digits(check))
            return false;
    }
    if (is_here(check, 'e') || is_here(check, 'E')) {
        check->at++;
        check->at += is_here(check, '+') || is_here(check, '-');
        return pass_digits(check);
    }
    return true;
}

static bool pass_word(struct check *check, const char *word)
{
    const size_t size = strlen(word);
    const bool is_word =
        check->size - check->at >= size && memcmp(check->text + check->at, word, size) == 0;

    check->at += is_word ? size : 0;
    return is_word;
}

/* ---- values ---- */

static void skip_blank(struct check *check)
{
    check->at = sgl_json_skip_blank((const char *)check->text, check->size, check->at);
}

static bool is_in_object(const struct check *check)
{
    const size_t last = check->depth - 1;

    return (check->objects[last / 64] >> last % 64 & 1) != 0;
}

/* Opens the object or array whose bracket is here. */
static bool open_value(struct check *check, bool is_object)
{
    if (check->depth == SGL_JSON_DEPTH_MAX)
        return false;
    const uint64_t bit = UINT64_C(1) << check->depth % 64;
    uint64_t *word = &check->objects[check->depth / 64];
    const uint64_t lower = check->depth % 64 == 0 ? 0 : *word & (bit - 1);
    *word = is_object ? lower | bit : lower;
    check->depth++;
    check->at++;
    return true;
}

/* The name of a member and its colon. */
static bool pass_name(struct check *check)
{
    if (!pass_string(check))
        return false;
    skip_blank(check);
    if (!is_here(check, ':'))
        return false;
    check->at++;
    skip_blank(check);
    return true;
}

/* A value that has no parts, or the begin of one that has. */
static bool pass_value(struct check *check, bool *is_open_out)
{
    *is_open_out = false;
    if (check->at >= check->size)
        return false;
    switch (check->text[check->at]) {
    case '{':
    case '[':
        *is_open_out = true;
        return open_value(check, check->text[check->at] == '{');
    case '"':
        return pass_string(check);
    case 't':
        return pass_word(check, "true");
    case 'f':
        return pass_word(check, "false");
    case 'n':
        return pass_word(check, "null");
    default:
        return pass_number(check);
    }
}

/* Behind a value: closes what ends here, and passes the comma before the next one. */
static bool pass_end(struct check *check)
{
    while (check->depth > 0) {
        skip_blank(check);
        const bool is_object = is_in_object(check);
        if (is_here(check, ',')) {
            check->at++;
            skip_blank(check);
            return !is_object || pass_name(check);
        }
        if (!is_here(check, is_object ? '}' : ']'))
            return false;
        check->at++;
        check->depth--;
    }
    return true;
}

/* Behind an opening bracket: what is empty closes at once. */
static bool pass_begin(struct check *check, bool *is_empty_out)
{
    skip_blank(check);
    const bool is_object = is_in_object(check);
    *is_empty_out = is_here(check, is_object ? '}' : ']');
    if (*is_empty_out) {
        check->at++;
        check->depth--;
        return true;
    }
    return !is_object || pass_name(check);
}

static bool pass_text(struct check *check)
{
    skip_blank(check);
    do {
        bool is_open;
        bool is_empty = false;
        if (!pass_value(check, &is_open) || (is_open && !pass_begin(check, &is_empty)))
            return false;
        if ((!is_open || is_empty) && !pass_end(check))
            return false;
    } while (check->depth > 0);
    skip_blank(check);
    return check->at == check->size;
}

bool sgl_json_is_valid(const char *text, size_t size, size_t *place_out)
{
    struct check check;

    check.text = (const unsigned char *)text;
    check.size = size;
    check.at = 0;
    check.depth = 0;
    const bool is_valid = pass_text(&check);
    *place_out = check.at < size ? check.at : size;
    return is_valid;
}
