/*
 * usage_field.h - the field by which a stream of OpenAI's API is asked for its counts of tokens.
 *
 *      {"stream": true, "n": 1.10}
 *      {"stream": true, "n": 1.10,"stream_options":{"include_usage":true}}
 *
 * Without it such a stream has no counts (/generate's always have), and what is not counted cannot
 * be learned from. The field is put before the last bracket and no other byte changes. A body that
 * has stream_options already, whatever it says, is left alone, and so is one that asks for no
 * stream or is no JSON object. The client gets an event more: one with usage and without choices.
 */
#ifndef SGL_LIVE_USAGE_FIELD_H
#define SGL_LIVE_USAGE_FIELD_H

#include "http_buffer.h"

/* Is the field wanting? *place_out is where it goes. */
bool sgl_usage_is_wanting(const char *target, const char *body, size_t size, size_t *place_out);

/* The body with the field, at the end of `out`. */
void sgl_usage_write(struct sgl_buffer *out, const char *body, size_t size, size_t place);

#endif
