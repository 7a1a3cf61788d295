/*
 * json_check.h - is a text JSON (RFC 8259)? Nothing is made of it: one pass, byte by byte.
 *
 *      {"a":[1,{"b":"\u00e9"}]}            what is open: one bit each, object or array
 *      ^ ^  ^  ^                           at most SGL_JSON_DEPTH_MAX; no recursion
 *
 * UTF-8 is checked, and that \u escapes make characters: half of a pair is none. Numbers may be of
 * any length. What passed here can be walked by json_scan.h without a doubt.
 */
#ifndef SGL_LIVE_JSON_CHECK_H
#define SGL_LIVE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#define SGL_JSON_DEPTH_MAX 2048

/* False: it is not, and *place_out says at which byte, from 0, that was seen. */
bool sgl_json_is_valid(const char *text, size_t size, size_t *place_out);

#endif
