/*
 * prefetch.h - a hint that memory will be read soon, where the compiler knows how to give one. It
 * changes no result, and any address may be named.
 */
#ifndef SGL_CORE_PREFETCH_H
#define SGL_CORE_PREFETCH_H

static inline void sgl_prefetch(const void *address)
{
#if defined(__GNUC__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

#endif
