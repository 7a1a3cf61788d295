/*
 * prefetch.h - a hint that memory will be read soon, where the compiler knows how to give one. It
 * changes no result, and any address may be named.
 *
 * What is read together begins at a multiple of SGL_CACHE_LINE bytes, so that it comes in as few
 * lines as it can: that is their size in the processors of x86-64, and no harm in others.
 */
#ifndef SGL_CORE_PREFETCH_H
#define SGL_CORE_PREFETCH_H

#include <stddef.h>

#define SGL_CACHE_LINE 64 /* bytes */

/* So many bytes, or a few more: whole lines, as aligned_alloc wants them. */
static inline size_t sgl_whole_lines(size_t bytes)
{
    return (bytes + SGL_CACHE_LINE - 1) / SGL_CACHE_LINE * SGL_CACHE_LINE;
}

static inline void sgl_prefetch(const void *address)
{
#if defined(__GNUC__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

#endif
