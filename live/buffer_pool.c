#include "buffer_pool.h"

#include <stdlib.h>
#include <string.h>

/* The kind whose blocks hold that many bytes; SGL_BUFFER_CLASSES: none does. */
static int class_of(size_t size)
{
    int kind = 0;

    while (kind < SGL_BUFFER_CLASSES && SGL_BUFFER_LEAST << kind < size)
        kind++;
    return kind;
}

void sgl_buffer_pool_reserve(struct sgl_buffer_pool *pool, struct sgl_buffer *buffer, size_t size)
{
    const size_t left = buffer->size - buffer->start;

    if (buffer->has_failed || size <= buffer->capacity - buffer->size)
        return;
    const int kind = size > SGL_BUFFER_MOST - 1 ? SGL_BUFFER_CLASSES : class_of(left + size);
    if (kind == SGL_BUFFER_CLASSES || pool->first[kind] == NULL ||
        SGL_BUFFER_LEAST << kind <= buffer->capacity) {
        sgl_buffer_reserve(buffer, size);
        return;
    }
    struct sgl_buffer grown = {
        .bytes = pool->first[kind], .size = left, .capacity = SGL_BUFFER_LEAST << kind};
    memcpy(&pool->first[kind], grown.bytes, sizeof pool->first[kind]);
    pool->bytes -= grown.capacity;
    if (left > 0)
        memcpy(grown.bytes, buffer->bytes + buffer->start, left);
    sgl_buffer_pool_give(pool, buffer);
    *buffer = grown;
}

void sgl_buffer_pool_give(struct sgl_buffer_pool *pool, struct sgl_buffer *buffer)
{
    const size_t capacity = buffer->capacity;
    const int kind = capacity == 0 ? SGL_BUFFER_CLASSES : class_of(capacity);

    if (kind == SGL_BUFFER_CLASSES || SGL_BUFFER_LEAST << kind != capacity ||
        pool->bytes + capacity > pool->bytes_max) {
        sgl_buffer_release(buffer);
        return;
    }
    memcpy(buffer->bytes, &pool->first[kind], sizeof pool->first[kind]);
    pool->first[kind] = buffer->bytes;
    pool->bytes += capacity;
    *buffer = (struct sgl_buffer){0};
}

void sgl_buffer_pool_release(struct sgl_buffer_pool *pool)
{
    for (int kind = 0; kind < SGL_BUFFER_CLASSES; kind++) {
        while (pool->first[kind] != NULL) {
            void *block = pool->first[kind];
            memcpy(&pool->first[kind], block, sizeof pool->first[kind]);
            free(block);
        }
    }
    pool->bytes = 0;
}
