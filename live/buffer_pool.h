/*
 * buffer_pool.h - memory of buffers at rest, shared by all who come next.
 *
 *      class   0: 512 B | 1: 1 KB | 2: 2 KB | ... | 8: 128 KB
 *              block -> block -> .       a stack each: the last one back is the first one out,
 *                                        for its memory is still warm
 *
 * A connection or a request holds memory only while there is something in it: ten thousand that
 * wait hold none, and five hundred that come in turn write to the same few pages. Blocks that no
 * class has, or that are more than the pool may hold, are freed.
 * One thread; a zeroed pool with `bytes_max` set is an empty one.
 */
#ifndef SGL_LIVE_BUFFER_POOL_H
#define SGL_LIVE_BUFFER_POOL_H

#include "http_buffer.h"

#define SGL_BUFFER_CLASSES 9
#define SGL_BUFFER_LEAST ((size_t)512)
#define SGL_BUFFER_MOST (SGL_BUFFER_LEAST << (SGL_BUFFER_CLASSES - 1))

struct sgl_buffer_pool {
    void *first[SGL_BUFFER_CLASSES]; /* a block begins with the address of the next one */
    size_t bytes;                    /* of all at rest */
    size_t bytes_max;
};

/* Room for `size` bytes more, as sgl_buffer_reserve; what it takes for that comes from the pool,
 * and what it outgrows goes there. The buffer may fail as any other. */
void sgl_buffer_pool_reserve(struct sgl_buffer_pool *pool, struct sgl_buffer *buffer, size_t size);

/* Gives back all of the buffer, which is empty then. */
void sgl_buffer_pool_give(struct sgl_buffer_pool *pool, struct sgl_buffer *buffer);

void sgl_buffer_pool_release(struct sgl_buffer_pool *pool);

#endif
