/*
 * jsonl_parser.h - one JSON object a line, with the place of each member. Uses jansson for values.
 *
 *     bytes --> lines, looked at byte by byte --> one object: members by name
 *               how deep? where are the names?     (jansson)
 *
 * A line ends with LF or CRLF, and the last one may lack it. Lines of blanks are skipped. Objects
 * must be UTF-8, name no member twice, and be at most 16 deep, which is asked before jansson, which
 * recurses. A line has at most the size its format states. Integers must fit in 64 bits with sign.
 * Memory: one line and its values, about 20 times the line at worst.
 */
#ifndef SGL_TRACES_JSONL_PARSER_H
#define SGL_TRACES_JSONL_PARSER_H

#include "bytes.h"
#include "format.h"

#include <jansson.h>

#define SGL_JSONL_DEPTH_MAX 16
#define SGL_JSONL_NAMES_MAX 64 /* members of the outer object whose places are known */

/* Zeroed at the start but for bytes and line_size_max; release it. */
struct sgl_jsonl_parser {
    struct sgl_bytes *bytes; /* borrowed */
    size_t line_size_max;
    json_t *object; /* of the line read last; borrowed until the next */
    uint64_t line;  /* its number */
    char *text;
    size_t size;
    size_t capacity;
    struct sgl_jsonl_name {
        size_t offset; /* of the name in text, after its quote */
        size_t size;
    } names[SGL_JSONL_NAMES_MAX];
    size_t name_count;
};

/* 1: an object; 0: the end; negative: failure, whose text begins "file:line:column". */
int sgl_jsonl_next(struct sgl_jsonl_parser *parser, struct sgl_failure *failure);

/* Where the member's name stands in the line, from 1; 1 when there is no such member. */
uint64_t sgl_jsonl_column(const struct sgl_jsonl_parser *parser, const char *name);

/* Fills a cell with a member (or element) that is a number, text, boolean or null. `number` holds
 * the text of a number. False: it is an array or object. */
#define SGL_JSONL_NUMBER_MAX 40
bool sgl_jsonl_cell(const json_t *value, char number[static SGL_JSONL_NUMBER_MAX],
                    struct sgl_raw_cell *cell);

/* "file:line:column: " and what is wrong with the member, which is the rest. */
int sgl_jsonl_fail(const struct sgl_jsonl_parser *parser, const char *name, const char *what,
                   struct sgl_failure *failure);

/* Does the first line begin an object, and hold the name of such a member? */
bool sgl_jsonl_head_has(const struct sgl_bytes *bytes, const char *name);

void sgl_jsonl_release(struct sgl_jsonl_parser *parser);

#endif
