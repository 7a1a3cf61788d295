/*
 * columns.h - which column of a file is which of ours: names decide, never places.
 *
 *     header     TIMESTAMP, ContextTokens, colour, GeneratedTokens
 *                     |           |                     |
 *     map        ARRIVAL_TIME = 0, PROMPT_TOKENS = 1, OUTPUT_TOKENS = 3, all others SGL_NO_COLUMN
 *
 * Pure functions over strings; names are compared byte for byte.
 */
#ifndef SGL_TRACES_COLUMNS_H
#define SGL_TRACES_COLUMNS_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sgl_column {
#define SGL_COLUMN(upper, name, aliases, kind, member) SGL_COLUMN_##upper,
#include "columns.def"
#undef SGL_COLUMN
    SGL_COLUMN_COUNT
};

/* The first three are required. */
#define SGL_COLUMN_REQUIRED_COUNT 3

/* What a cell holds, and the member of struct sgl_trace_row it goes to. */
enum sgl_kind {
    SGL_KIND_TIME,     /* instant.h -> int64_t ns */
    SGL_KIND_DURATION, /* seconds, a number not below 0 -> int64_t ns */
    SGL_KIND_COUNT,    /* a whole number from 0 to 2^31 -> int64_t */
    SGL_KIND_SIZE,     /* the same, 0 is not stated -> uint32_t */
    SGL_KIND_TEXT,     /* -> const char * */
    SGL_KIND_HASHES,   /* 64-bit numbers between spaces, decimal or 0x hexadecimal -> prefix_ids */
    SGL_KIND_PRIORITY, /* high, normal or low -> enum sgl_priority */
    SGL_KIND_BOOLEAN,  /* true, false, 1 or 0 -> bool */
};

struct sgl_column_info {
    const char *name;
    const char *aliases; /* separated by spaces, in order of precedence */
    enum sgl_kind kind;
    size_t offset; /* of its member in struct sgl_trace_row */
};

extern const struct sgl_column_info sgl_columns[SGL_COLUMN_COUNT];

#define SGL_NO_COLUMN UINT32_MAX

struct sgl_column_map {
    uint32_t index[SGL_COLUMN_COUNT]; /* in the header */
};

/* A name of the header, and its column in the file's line for messages: 0 when it has none. */
struct sgl_heading {
    const char *name;
    uint64_t column;
};

/* Room for the place that opens a failure text: "file:line:column". */
#define SGL_PLACE_MAX 360

/* `place` opens failure texts: "t.csv:1". A name given twice is a failure, empty names aside, and
 * so is a header that lacks one of the required columns. */
int sgl_columns_map(struct sgl_column_map *map, const struct sgl_heading *headings, uint32_t count,
                    const char *place, struct sgl_failure *failure);

/* At most 40 bytes of `text`, whole characters, "..." when cut, control characters as '?'. */
#define SGL_EXCERPT_MAX 44
const char *sgl_excerpt(const char *text, size_t size, char out[static SGL_EXCERPT_MAX]);

#endif
