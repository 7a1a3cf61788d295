/*
 * utf8.h - is it UTF-8? As a machine of one byte at a time, so that a character may be cut anywhere
 * between two reads.
 *
 * Well-formed as Unicode 15, table 3-7, says: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef SGL_TRACES_UTF8_H
#define SGL_TRACES_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed at the start. Well-formed so far, and complete, when missing is 0. */
struct sgl_utf8 {
    unsigned char missing; /* continuation bytes still to come */
    unsigned char least;   /* range of the next one */
    unsigned char most;
};

/* False: this byte cannot stand here. */
bool sgl_utf8_step(struct sgl_utf8 *state, unsigned char byte);

bool sgl_utf8_is_valid(const char *text, size_t size);

#endif
