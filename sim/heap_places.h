/*
 * heap_places.h - where things are in a heap of four children a node, of entries of 16 bytes.
 *
 *     place     3 | 4  5  6  7 | 8  9 10 11 | 12 ..     places 0 to 2 are not used
 *            root | its children | those of 4 | those of 5
 *
 * Entries count from place 0 of memory that begins with a line of the cache, so the children of a
 * node lie in one line, and a step down the heap touches one.
 */
#ifndef SGL_SIM_HEAP_PLACES_H
#define SGL_SIM_HEAP_PLACES_H

#include "core/prefetch.h"

#include <stddef.h>

#define SGL_HEAP_ROOT 3 /* the place of the least */
#define SGL_HEAP_CHILDREN 4

static inline size_t sgl_heap_first_child(size_t place)
{
    return SGL_HEAP_CHILDREN * (place - SGL_HEAP_ROOT) + SGL_HEAP_CHILDREN;
}

static inline size_t sgl_heap_parent(size_t place)
{
    return place / SGL_HEAP_CHILDREN + SGL_HEAP_ROOT - 1;
}

/* Places for so many entries: whole lines, so that children have places for all four. */
static inline size_t sgl_heap_places(size_t entries)
{
    return (SGL_HEAP_ROOT + entries + SGL_HEAP_CHILDREN - 1) / SGL_HEAP_CHILDREN *
           SGL_HEAP_CHILDREN;
}

/* The bytes of these, as aligned_alloc wants them. */
static inline size_t sgl_heap_bytes(size_t entries)
{
    return sgl_heap_places(entries) / SGL_HEAP_CHILDREN * SGL_CACHE_LINE;
}

#endif
