#include "records.h"

#include "prefetch.h"

#define DIRECTORY_FIRST 8

/* The directory of chunks is full when their number is a power of two from DIRECTORY_FIRST on. */
static int grow_directory(struct sgl_records *records, const struct sgl_allocator *allocator)
{
    const uint32_t count = records->chunk_count;

    if (count != 0 && (count < DIRECTORY_FIRST || (count & (count - 1)) != 0))
        return SGL_OK;
    const size_t capacity = count > 0 ? 2 * (size_t)count : DIRECTORY_FIRST;
    void **chunks = sgl_resize(allocator, records->chunks, capacity * sizeof *chunks);
    if (chunks == NULL)
        return SGL_ENOMEM;
    records->chunks = chunks;
    return SGL_OK;
}

/* A chunk that starts with a line, and before it where its memory starts: what is allocated is
 * aligned for a pointer, so there is always room for that in what is skipped. NULL without memory.
 */
static void *allocate_chunk(size_t size, const struct sgl_allocator *allocator)
{
    unsigned char *start = sgl_resize(allocator, NULL, SGL_RECORDS_CHUNK * size + SGL_CACHE_LINE);

    if (start == NULL)
        return NULL;
    unsigned char *chunk = start + (SGL_CACHE_LINE - (uintptr_t)start % SGL_CACHE_LINE);
    memcpy(chunk - sizeof start, &start, sizeof start);
    return chunk;
}

static void release_chunk(void *chunk, const struct sgl_allocator *allocator)
{
    void *start;

    memcpy(&start, (unsigned char *)chunk - sizeof start, sizeof start);
    sgl_resize(allocator, start, 0);
}

int sgl_records_grow(struct sgl_records *records, size_t size,
                     const struct sgl_allocator *allocator)
{
    const uint32_t count = records->chunk_count;

    /* The last number plus one must be a number, too. */
    if (count >= UINT32_MAX / SGL_RECORDS_CHUNK || grow_directory(records, allocator) != SGL_OK)
        return SGL_ENOMEM;
    records->chunks[count] = allocate_chunk(size, allocator);
    if (records->chunks[count] == NULL)
        return SGL_ENOMEM;
    records->chunk_count = count + 1;
    return SGL_OK;
}

void sgl_records_release(struct sgl_records *records, const struct sgl_allocator *allocator)
{
    for (uint32_t i = 0; i < records->chunk_count; i++)
        release_chunk(records->chunks[i], allocator);
    if (records->chunks != NULL)
        sgl_resize(allocator, records->chunks, 0);
    *records = (struct sgl_records){0};
}
