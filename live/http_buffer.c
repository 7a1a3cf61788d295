#include "http_buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 512

char *sgl_buffer_reserve(struct sgl_buffer *buffer, size_t size)
{
    if (buffer->has_failed)
        return NULL;
    if (size <= buffer->capacity - buffer->size)
        return buffer->bytes + buffer->size;
    if (buffer->start > 0 && buffer->start >= buffer->size / 2) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->size - buffer->start);
        buffer->size -= buffer->start;
        buffer->start = 0;
        if (size <= buffer->capacity - buffer->size)
            return buffer->bytes + buffer->size;
    }
    size_t capacity = buffer->capacity < CAPACITY_LEAST ? CAPACITY_LEAST : buffer->capacity;
    while (capacity - buffer->size < size && capacity < SIZE_MAX / 2)
        capacity *= 2;
    char *grown = capacity - buffer->size < size ? NULL : realloc(buffer->bytes, capacity);
    if (grown == NULL) {
        buffer->has_failed = true;
        return NULL;
    }
    buffer->bytes = grown;
    buffer->capacity = capacity;
    return buffer->bytes + buffer->size;
}

void sgl_buffer_append(struct sgl_buffer *buffer, const char *bytes, size_t size)
{
    if (size == 0)
        return;
    char *end = sgl_buffer_reserve(buffer, size);
    if (end == NULL)
        return;
    memcpy(end, bytes, size);
    buffer->size += size;
}

void sgl_buffer_append_text(struct sgl_buffer *buffer, const char *text)
{
    sgl_buffer_append(buffer, text, strlen(text));
}

void sgl_buffer_format(struct sgl_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_list again;

    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *end = length < 0 ? NULL : sgl_buffer_reserve(buffer, (size_t)length + 1);
    if (end != NULL) {
        vsnprintf(end, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
}

size_t sgl_buffer_left(const struct sgl_buffer *buffer)
{
    return buffer->size - buffer->start;
}

void sgl_buffer_take(struct sgl_buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start == buffer->size) {
        buffer->start = 0;
        buffer->size = 0;
    }
}

void sgl_buffer_clear(struct sgl_buffer *buffer, size_t kept_max)
{
    if (buffer->capacity > kept_max) {
        sgl_buffer_release(buffer);
        return;
    }
    buffer->start = 0;
    buffer->size = 0;
    buffer->has_failed = false;
}

void sgl_buffer_release(struct sgl_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct sgl_buffer){0};
}
