/*
 * http_buffer.h - bytes that grow at the end and are taken from the front.
 *
 *      bytes   [ taken | start ... size | free ... capacity ]
 *
 * A buffer that could not grow has failed for good: appends are ignored until it is cleared, and
 * its owner looks at has_failed once, where it can do something about it.
 */
#ifndef SGL_LIVE_HTTP_BUFFER_H
#define SGL_LIVE_HTTP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct sgl_buffer {
    char *bytes;
    size_t start;
    size_t size; /* from bytes, the taken ones included */
    size_t capacity;
    bool has_failed;
};

/* Room for `size` bytes more at the end, without filling it. NULL: no memory. */
char *sgl_buffer_reserve(struct sgl_buffer *buffer, size_t size);

void sgl_buffer_append(struct sgl_buffer *buffer, const char *bytes, size_t size);
void sgl_buffer_append_text(struct sgl_buffer *buffer, const char *text);
void sgl_buffer_format(struct sgl_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes not yet taken. */
size_t sgl_buffer_left(const struct sgl_buffer *buffer);

/* Takes bytes from the front. */
void sgl_buffer_take(struct sgl_buffer *buffer, size_t size);

/* Empty again; a capacity above `kept_max` is given back. */
void sgl_buffer_clear(struct sgl_buffer *buffer, size_t kept_max);

void sgl_buffer_release(struct sgl_buffer *buffer);

#endif
