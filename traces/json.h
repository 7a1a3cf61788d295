/*
 * json.h - what jansson leaves to its callers.
 *
 * A JSON text is UTF-8 (RFC 8259, 8.1), a path or a name from a trace any bytes; and jansson drops
 * what it has no memory for in silence: json_object_set_new and json_array_append_new by their
 * status, json_dumps (2.14) the key of a pair. Objects made here are whole or NULL, which json_pack
 * hands on to its caller.
 */
#ifndef SGL_TRACES_JSON_H
#define SGL_TRACES_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The text as JSON; a byte that is not UTF-8 as the four characters \\xNN. NULL: no memory. */
json_t *sgl_json_text(const char *text);

/* The number, never -0; null when it is absent or not finite, of which JSON has neither. NULL: no
 * memory. */
json_t *sgl_json_real(double value);

/* Adds `value`, which is taken over; NULL counts as no memory. False: not added, and `container` is
 * released, so that the caller has nothing left to do but return NULL. */
bool sgl_json_set(json_t *container, const char *key, json_t *value);
bool sgl_json_append(json_t *container, json_t *value);

/* A value of any kind on one line, without indentation; the caller frees it. Releases `root`. NULL:
 * no memory, or root is NULL. */
char *sgl_json_line(json_t *root);

/* The document with indentation and a final newline; the caller frees it. Reals have 17 digits.
 * Releases `root`. NULL: no memory, or root is NULL. */
char *sgl_json_format(json_t *root);

/* The same to a stream. False: no memory, or root is NULL; the stream's errors are its owner's. */
bool sgl_json_print(FILE *out, json_t *root);

#endif
