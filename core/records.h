/*
 * records.h - numbered places for records of one size that come and go, and never move.
 *
 *     chunks   [ * ][ * ][ * ]              number  0 .. 255   256 .. 511   512 .. 767
 *                |    |    '-> 256 records
 *                |    '-> 256 records       a chunk is got when its first record is wanted: growth
 *                '-> 256 records            copies no record, and at most one chunk is unused
 *
 *     free -> 7 -> 3                        the first four bytes of a free record: next + 1
 *
 *     a chunk  | what was got | * | 0 | 1 | 2 | ...    starts with a line of the processor's cache,
 *                ^              '-- its start          so a record whose size divides 64 is in one
 *
 * Numbers are dense and reused at once, the last given back first: memory is bounded by the most
 * records that were ever in use together, and what is used is what was used just before.
 *
 * Units: records and bytes. Ownership: the chunks are the struct's, a pointer to a record is
 * borrowed and good until the record is given back or all are released. A record is at least four
 * bytes, of any contents when it is taken. Errors: only reserve allocates, with the caller's
 * allocator, so only it can fail (SGL_ENOMEM, nothing has changed). Threads: none of its own. A
 * zeroed struct is empty. Always pass the same size and allocator.
 */
#ifndef SGL_CORE_RECORDS_H
#define SGL_CORE_RECORDS_H

#include "allocator.h"
#include "failure.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define SGL_RECORDS_CHUNK 256

struct sgl_records {
    void **chunks;
    uint32_t chunk_count;
    uint32_t fresh; /* numbers from here on were never taken */
    uint32_t free;  /* number + 1; 0: none */
    uint32_t used;
};

/* Room for one chunk more. SGL_OK or SGL_ENOMEM. */
int sgl_records_grow(struct sgl_records *records, size_t size,
                     const struct sgl_allocator *allocator);

void sgl_records_release(struct sgl_records *records, const struct sgl_allocator *allocator);

static inline void *sgl_records_at(const struct sgl_records *records, size_t size, uint32_t number)
{
    unsigned char *chunk = records->chunks[number / SGL_RECORDS_CHUNK];

    return chunk + number % SGL_RECORDS_CHUNK * size;
}

/* Makes sure that one more can be taken. SGL_OK or SGL_ENOMEM. */
static inline int sgl_records_reserve(struct sgl_records *records, size_t size,
                                      const struct sgl_allocator *allocator)
{
    if (records->free != 0 || records->fresh < records->chunk_count * SGL_RECORDS_CHUNK)
        return SGL_OK;
    return sgl_records_grow(records, size, allocator);
}

/* A place, for which room must have been reserved. */
static inline uint32_t sgl_records_take(struct sgl_records *records, size_t size)
{
    records->used++;
    if (records->free == 0) {
        assert(records->fresh < records->chunk_count * SGL_RECORDS_CHUNK);
        return records->fresh++;
    }
    const uint32_t number = records->free - 1;
    memcpy(&records->free, sgl_records_at(records, size, number), sizeof records->free);
    return number;
}

static inline void sgl_records_give(struct sgl_records *records, size_t size, uint32_t number)
{
    assert(records->used > 0 && number < records->fresh);
    memcpy(sgl_records_at(records, size, number), &records->free, sizeof records->free);
    records->free = number + 1;
    records->used--;
}

#endif
