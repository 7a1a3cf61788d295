#include "row.h"

#include "decimal.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MOST (INT64_C(1) << 31)
#define WORDS_FIRST 16

/* The cell being packed: what failures need to know. */
struct context {
    const struct sgl_format_reader *reader;
    const struct sgl_raw_row *raw;
    enum sgl_column column;
    const char *text;
    size_t size;
    struct sgl_failure *failure;
};

/* "t.csv:3:5", "t.db:requests:row 3". */
static const char *cell_place(const struct context *context, char out[static SGL_PLACE_MAX])
{
    const struct sgl_raw_cell *cell = &context->raw->cells[context->column];

    if (cell->line == 0)
        snprintf(out, SGL_PLACE_MAX, "%s%llu", context->reader->place,
                 (unsigned long long)context->raw->position);
    else
        snprintf(out, SGL_PLACE_MAX, "%s%llu:%llu", context->reader->place,
                 (unsigned long long)cell->line, (unsigned long long)cell->column);
    return out;
}

static int fail_cell(const struct context *context, const char *rest)
{
    char place[SGL_PLACE_MAX];
    char excerpt[SGL_EXCERPT_MAX];

    return sgl_fail(context->failure, SGL_EINVAL, "%s: %s is '%s'%s", cell_place(context, place),
                    sgl_columns[context->column].name,
                    sgl_excerpt(context->text, context->size, excerpt), rest);
}

static int fail_missing(const struct context *context, const char *what)
{
    char place[SGL_PLACE_MAX];

    return sgl_fail(context->failure, SGL_EINVAL, "%s: %s is %s, expected a %s",
                    cell_place(context, place), sgl_columns[context->column].name, what,
                    context->column == SGL_COLUMN_ARRIVAL_TIME ? "time" : "number");
}

static int fail_memory(const struct context *context)
{
    char place[SGL_PLACE_MAX];

    return sgl_fail(context->failure, SGL_ENOMEM, "%s: no memory for the row",
                    cell_place(context, place));
}

static int fail_unit(const struct context *context, enum sgl_time_unit found,
                     enum sgl_time_unit unit)
{
    char rest[128];

    snprintf(rest, sizeof rest, ", which is %s, expected %s as in the first row",
             sgl_time_unit_words(found), sgl_time_unit_words(unit));
    return fail_cell(context, rest);
}

/* Makes the row large enough for that many words. */
static int widen(struct sgl_packer *packer, size_t word_count)
{
    const size_t capacity = 2 * word_count;
    struct sgl_packed_row *row =
        realloc(packer->row, sizeof *row + capacity * sizeof row->words[0]);

    if (row == NULL)
        return SGL_ENOMEM;
    packer->row = row;
    packer->word_capacity = capacity;
    return SGL_OK;
}

/* Room for `count` more words, or NULL. */
static inline uint64_t *grow(struct sgl_packer *packer, size_t count)
{
    const size_t needed = packer->row->word_count + count;

    if (needed > packer->word_capacity && widen(packer, needed) != SGL_OK)
        return NULL;
    packer->row->word_count = (uint32_t)needed;
    return packer->row->words + needed - count;
}

static inline int put(struct sgl_packer *packer, const struct context *context, uint64_t word)
{
    uint64_t *place = grow(packer, 1);

    if (place == NULL)
        return fail_memory(context);
    *place = word;
    return 1;
}

static int put_text(struct sgl_packer *packer, const struct context *context)
{
    const size_t count = context->size / sizeof(uint64_t) + 1; /* with its NUL */
    uint64_t *place = grow(packer, 1 + count);

    if (place == NULL)
        return fail_memory(context);
    place[0] = context->size;
    memcpy(place + 1, context->text, context->size);
    memset((char *)(place + 1) + context->size, 0, count * sizeof *place - context->size);
    return 1;
}

static int read_time(struct sgl_packer *packer, const struct context *context, int64_t *ns_out)
{
    enum sgl_time_unit unit = packer->unit;

    switch (sgl_instant_read(context->text, context->size, &unit, &packer->minute, ns_out)) {
    case SGL_INSTANT_SYNTAX:
        return fail_cell(context, ", expected ISO 8601 or a number not below 0");
    case SGL_INSTANT_CALENDAR:
        return fail_cell(context, ", expected a day and time that exist (no leap seconds)");
    case SGL_INSTANT_RANGE:
        return fail_cell(context, ", expected a year from 1678 to 2261");
    case SGL_INSTANT_UNIT:
        return fail_unit(context, unit, packer->unit);
    case SGL_INSTANT_OK:
        break;
    }
    packer->unit = unit;
    return 0;
}

static int pack_duration(struct sgl_packer *packer, const struct context *context)
{
    struct sgl_decimal number;
    int64_t ns;

    if (!sgl_decimal_read(&number, context->text, context->size) ||
        sgl_decimal_scale(&number, 9, &ns) == SGL_DECIMAL_TOO_LARGE)
        return fail_cell(context, ", expected seconds, from 0 to 292 years");
    return put(packer, context, (uint64_t)ns);
}

/* Digits alone, too few to be too large: what nearly every count is. */
static inline bool read_digits(const char *text, size_t size, uint64_t *value_out)
{
    uint64_t value = 0;

    if (size == 0 || size > 9)
        return false;
    for (size_t i = 0; i < size; i++) {
        const unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *value_out = value;
    return true;
}

static int read_count(const struct context *context, int64_t *value_out)
{
    struct sgl_decimal number;
    int64_t value = 0;

    if (!sgl_decimal_read(&number, context->text, context->size))
        return fail_cell(context, ", expected a whole number not below 0");
    const enum sgl_decimal_fit fit = sgl_decimal_scale(&number, 0, &value);
    if (fit == SGL_DECIMAL_TOO_LARGE || value > COUNT_MOST)
        return fail_cell(context, ", expected at most 2147483648 (no prompt or answer is longer)");
    if (fit != SGL_DECIMAL_EXACT)
        return fail_cell(context, ", expected a whole number");
    *value_out = value;
    return 0;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* "1234" or "0x4d2", at most 64 bits. */
static bool read_hash(const char *at, const char *end, uint64_t *hash_out)
{
    const bool is_hex = end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    const unsigned base = is_hex ? 16 : 10;
    uint64_t value = 0;

    for (at += is_hex ? 2 : 0; at < end; at++) {
        const unsigned digit = (unsigned)digit_of(*at);
        if (digit >= base || value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    *hash_out = value;
    return true;
}

static bool is_space(char c)
{
    return c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
}

static int pack_hashes(struct sgl_packer *packer, const struct context *context)
{
    const size_t head = packer->row->word_count;
    const char *const end = context->text + context->size;
    uint64_t hash;

    int code = put(packer, context, 0);
    for (const char *at = context->text; code > 0 && at < end;) {
        const char *last = at;
        while (last < end && !is_space(*last))
            last++;
        if (!read_hash(at, last, &hash))
            return fail_cell(context, ", expected 64-bit numbers separated by spaces");
        code = put(packer, context, hash);
        at = last;
        while (at < end && is_space(*at))
            at++;
    }
    if (code > 0)
        packer->row->words[head] = packer->row->word_count - head - 1;
    return code;
}

static bool is_word(const struct context *context, const char *word)
{
    if (strlen(word) != context->size)
        return false;
    for (size_t i = 0; i < context->size; i++) {
        const char c = context->text[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != word[i])
            return false;
    }
    return true;
}

static int pack_priority(struct sgl_packer *packer, const struct context *context)
{
    for (enum sgl_priority i = 0; i < SGL_PRIORITY_COUNT; i++)
        if (is_word(context, sgl_priority_name(i)))
            return i == SGL_PRIORITY_NORMAL ? 0 : put(packer, context, i);
    return fail_cell(context, ", expected high, normal or low");
}

static int pack_boolean(struct sgl_packer *packer, const struct context *context)
{
    if (is_word(context, "true") || is_word(context, "1"))
        return put(packer, context, 1);
    if (is_word(context, "false") || is_word(context, "0"))
        return put(packer, context, 0);
    return fail_cell(context, ", expected true, false, 1 or 0");
}

/* 1: the column was added; 0: the cell says nothing; negative: failure. */
static int pack_cell(struct sgl_packer *packer, const struct context *context)
{
    int64_t value = 0;
    int code;

    switch (sgl_columns[context->column].kind) {
    case SGL_KIND_TIME:
        code = read_time(packer, context, &value);
        return code < 0 ? code : put(packer, context, (uint64_t)value);
    case SGL_KIND_DURATION:
        return pack_duration(packer, context);
    case SGL_KIND_COUNT:
        code = read_count(context, &value);
        return code < 0 ? code : put(packer, context, (uint64_t)value);
    case SGL_KIND_SIZE:
        code = read_count(context, &value);
        return code < 0 || value == 0 ? code : put(packer, context, (uint64_t)value);
    case SGL_KIND_TEXT:
        return put_text(packer, context);
    case SGL_KIND_HASHES:
        return pack_hashes(packer, context);
    case SGL_KIND_PRIORITY:
        return pack_priority(packer, context);
    case SGL_KIND_BOOLEAN:
        return pack_boolean(packer, context);
    }
    return 0;
}

/* Might there be spaces around it? */
static bool has_blank_end(const char *text, size_t size)
{
    return size > 0 && ((unsigned char)text[0] <= ' ' || (unsigned char)text[size - 1] <= ' ');
}

/* The cell's text without the spaces around it; a text keeps those its quotes protect. */
static void trim(struct context *context)
{
    if (sgl_columns[context->column].kind == SGL_KIND_TEXT)
        return;
    while (context->size > 0 && is_space(context->text[0])) {
        context->text++;
        context->size--;
    }
    while (context->size > 0 && is_space(context->text[context->size - 1]))
        context->size--;
}

/* prefix_block is the last column of the table, so its value may be added after all others. */
_Static_assert(SGL_COLUMN_PREFIX_BLOCK == SGL_COLUMN_COUNT - 1, "the default block comes last");

static bool default_block(const struct sgl_packer *packer, uint32_t columns)
{
    const uint32_t both = UINT32_C(1) << SGL_COLUMN_PREFIX_HASHES | UINT32_C(1)
                                                                        << SGL_COLUMN_PREFIX_BLOCK;

    return packer->prefix_block > 0 && (columns & both) == UINT32_C(1) << SGL_COLUMN_PREFIX_HASHES;
}

/* Room for a row, and which columns its file has. */
static int begin(struct sgl_packer *packer, const struct sgl_format_reader *reader)
{
    if (widen(packer, WORDS_FIRST) != SGL_OK)
        return SGL_ENOMEM;
    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++)
        if (column < SGL_COLUMN_REQUIRED_COUNT || reader->headers[column] != NULL)
            packer->columns[packer->column_count++] = column;
    return SGL_OK;
}

int sgl_row_pack(struct sgl_packer *packer, const struct sgl_format_reader *reader,
                 const struct sgl_raw_row *raw, const struct sgl_packed_row **row_out,
                 struct sgl_failure *failure)
{
    struct context context = {.reader = reader, .raw = raw, .failure = failure};
    int64_t arrival_ns = 0;
    uint32_t columns = 0;

    if (packer->column_count == 0 && begin(packer, reader) != SGL_OK)
        return fail_memory(&context);
    packer->row->word_count = 0;
    for (uint32_t i = 0; i < packer->column_count; i++) {
        const enum sgl_column column = packer->columns[i];
        const bool is_required = column < SGL_COLUMN_REQUIRED_COUNT;
        const struct sgl_raw_cell *cell = &raw->cells[column];
        if (cell->text == NULL && !is_required)
            continue;
        context.column = column;
        uint64_t count;
        if (cell->text != NULL && sgl_columns[column].kind == SGL_KIND_COUNT &&
            read_digits(cell->text, cell->size, &count)) {
            if (put(packer, &context, count) < 0)
                return SGL_ENOMEM;
            columns |= UINT32_C(1) << column;
            continue;
        }
        context.text = cell->text;
        context.size = cell->size;
        if (context.text == NULL)
            return fail_missing(&context, "NULL");
        if (has_blank_end(cell->text, cell->size))
            trim(&context);
        if (context.size == 0) {
            if (is_required)
                return fail_missing(&context, "empty");
            continue;
        }
        const int code = column == SGL_COLUMN_ARRIVAL_TIME
                             ? read_time(packer, &context, &arrival_ns)
                             : pack_cell(packer, &context);
        if (code < 0)
            return code;
        columns |= (uint32_t)(code > 0) << column;
    }
    if (default_block(packer, columns)) {
        const int code = put(packer, &context, packer->prefix_block);
        if (code < 0)
            return code;
        columns |= UINT32_C(1) << SGL_COLUMN_PREFIX_BLOCK;
    }
    packer->row->arrival_ns = arrival_ns;
    packer->row->position = raw->position;
    packer->row->columns = columns;
    *row_out = packer->row;
    return 0;
}

void sgl_packer_release(struct sgl_packer *packer)
{
    free(packer->row);
    *packer = (struct sgl_packer){0};
}
