/*
 * json_scan.h - where the members of a JSON text are, byte by byte, without making anything of it.
 *
 *      {"text": "Hi", "n": 1.10}              [ {"a":1} , 2 ]
 *       ------  ----  ---  ----                 -------   -
 *       name    value name value                value     value        one part after the other
 *
 * For bodies that pass otherwise unchanged: what is not looked at is neither decoded nor checked.
 * Brackets are counted, not matched; names are compared as they are written. No recursion.
 */
#ifndef SGL_LIVE_JSON_SCAN_H
#define SGL_LIVE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of the text: [begin, end). */
struct sgl_json_span {
    size_t begin;
    size_t end;
};

struct sgl_json_walk {
    const char *text;
    size_t size;
    size_t at;  /* the next comma or the closing bracket; when it is over, behind that bracket */
    char close; /* '}' or ']' */
    bool is_first;
    bool is_whole; /* the closing bracket was found */
};

struct sgl_json_part {
    struct sgl_json_span name; /* with its quotes; empty in an array */
    struct sgl_json_span value;
};

/* Begins at the value at `begin` (blanks before it are passed over). False: neither object nor
 * array is there. */
bool sgl_json_walk_begin(struct sgl_json_walk *walk, const char *text, size_t size, size_t begin);

/* The next part. False: there is none, or the text is not JSON (then is_whole stays false). */
bool sgl_json_walk_next(struct sgl_json_walk *walk, struct sgl_json_part *part);

/* Is the part's name this one? */
bool sgl_json_is_named(const struct sgl_json_walk *walk, const struct sgl_json_part *part,
                       const char *name);

/* The value of the last member of that name of the object at `begin`. False: there is none. */
bool sgl_json_member(const char *text, size_t size, size_t begin, const char *name,
                     struct sgl_json_span *value);

size_t sgl_json_skip_blank(const char *text, size_t size, size_t at);

#endif
