/*
 * text_file.h - small files of text that people write: read whole, and looked at in stretches.
 */
#ifndef SGL_SIM_TEXT_FILE_H
#define SGL_SIM_TEXT_FILE_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the file into memory of its own, ended by a NUL; the caller frees *text_out. SGL_EIO when
 * it cannot be read; SGL_EINVAL when it has more than `size_max` bytes, or a NUL. */
int sgl_text_file_read(char **text_out, const char *path, size_t size_max,
                       struct sgl_failure *failure);

/* A stretch of a text, which it borrows. */
struct sgl_span {
    const char *text;
    size_t length;
};

/* Without white space around it. */
struct sgl_span sgl_span_trimmed(const char *text, size_t length);

bool sgl_span_is(struct sgl_span span, const char *word);

#endif
