/*
 * allocator.h - where core gets memory: once per creation, and when a call that may grow grows.
 *
 * resize(context, NULL, n) allocates, resize(context, p, n) grows or shrinks keeping the contents,
 * resize(context, p, 0) frees and returns NULL. A NULL result for n > 0 means no memory, and p is
 * still valid. A NULL `struct sgl_allocator *` anywhere means the C library's.
 */
#ifndef SGL_CORE_ALLOCATOR_H
#define SGL_CORE_ALLOCATOR_H

#include <stddef.h>

struct sgl_allocator {
    void *(*resize)(void *context, void *memory, size_t size);
    void *context;
};

void *sgl_resize(const struct sgl_allocator *allocator, void *memory, size_t size);

/* Zeroed memory for `count` objects of `size` bytes; NULL when that overflows or there is none. */
void *sgl_allocate(const struct sgl_allocator *allocator, size_t count, size_t size);

#endif
