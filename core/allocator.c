#include "allocator.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *sgl_resize(const struct sgl_allocator *allocator, void *memory, size_t size)
{
    if (allocator != NULL)
        return allocator->resize(allocator->context, memory, size);
    if (size == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, size);
}

void *sgl_allocate(const struct sgl_allocator *allocator, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    const size_t bytes = count * size > 0 ? count * size : 1;
    /* The system's pages are zeroed already, and what is never used of them is not even got. */
    if (allocator == NULL)
        return calloc(1, bytes);
    void *memory = sgl_resize(allocator, NULL, bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}
