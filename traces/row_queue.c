#include "row_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)16 * 1024) /* with its head */
#define HEAD_MOST (1 + 4 + 4 + 8 + 8)

/* Flags of a row. */
#define WIDTH 3 /* mask: a word has 1 << this many bytes */
#define HAS_SHAPE 4
#define HAS_POSITION 8
#define IS_LATER 16 /* by 2^32 ns or more: the arrival has 8 bytes */

struct sgl_row_chunk {
    struct sgl_row_chunk *next;
    size_t size; /* of bytes */
    size_t from;
    size_t to;
    unsigned char bytes[];
};

static struct sgl_row_queue_end end_of(const struct sgl_packed_row *row)
{
    return (struct sgl_row_queue_end){.arrival_ns = row->arrival_ns,
                                      .position = row->position,
                                      .columns = row->columns,
                                      .word_count = row->word_count};
}

/* ---- writing ----------------------------------------------------------------------------- */

static inline unsigned char *put(unsigned char *at, const void *value, size_t size)
{
    memcpy(at, value, size);
    return at + size;
}

static unsigned width_of(const struct sgl_packed_row *row)
{
    uint64_t any = 0;

    for (uint32_t i = 0; i < row->word_count; i++)
        any |= row->words[i];
    return any <= UINT16_MAX ? 1 : any <= UINT32_MAX ? 2 : 3;
}

static unsigned char *put_words(unsigned char *at, const struct sgl_packed_row *row, unsigned width)
{
    if (width == 3)
        return put(at, row->words, row->word_count * sizeof row->words[0]);
    for (uint32_t i = 0; i < row->word_count; i++) {
        const uint16_t half = (uint16_t)row->words[i];
        const uint32_t word = (uint32_t)row->words[i];
        at = width == 1 ? put(at, &half, sizeof half) : put(at, &word, sizeof word);
    }
    return at;
}

/* Room for `size` more bytes in the last chunk, and for the row whole. */
static int reserve(struct sgl_row_queue *queue, const struct sgl_packed_row *row, size_t size)
{
    if (queue->row == NULL || queue->row_capacity < row->word_count) {
        struct sgl_packed_row *grown = realloc(queue->row, sgl_packed_size(row));
        if (grown == NULL)
            return SGL_ENOMEM;
        queue->row = grown;
        queue->row_capacity = row->word_count;
    }
    if (queue->last != NULL && queue->last->size - queue->last->to >= size)
        return SGL_OK;
    const size_t standard = CHUNK_SIZE - sizeof(struct sgl_row_chunk);
    const size_t chunk_size = size > standard ? size : standard;
    struct sgl_row_chunk *chunk = malloc(sizeof *chunk + chunk_size);
    if (chunk == NULL)
        return SGL_ENOMEM;
    *chunk = (struct sgl_row_chunk){.size = chunk_size};
    if (queue->last != NULL)
        queue->last->next = chunk;
    else
        queue->first = chunk;
    queue->last = chunk;
    return SGL_OK;
}

int sgl_row_queue_push(struct sgl_row_queue *queue, const struct sgl_packed_row *row)
{
    const struct sgl_row_queue_end *before = &queue->pushed;
    const uint64_t later_ns = (uint64_t)row->arrival_ns - (uint64_t)before->arrival_ns;
    const unsigned width = width_of(row);

    if (reserve(queue, row, HEAD_MOST + row->word_count * sizeof row->words[0]) != SGL_OK)
        return SGL_ENOMEM;
    unsigned char *const start = queue->last->bytes + queue->last->to;
    unsigned char *at = start + 1;
    unsigned flags = width;
    if (row->columns != before->columns || row->word_count != before->word_count) {
        flags |= HAS_SHAPE;
        at = put(at, &row->columns, sizeof row->columns);
        at = put(at, &row->word_count, sizeof row->word_count);
    }
    if (row->position != before->position + 1) {
        flags |= HAS_POSITION;
        at = put(at, &row->position, sizeof row->position);
    }
    if (later_ns > UINT32_MAX) {
        flags |= IS_LATER;
        at = put(at, &later_ns, sizeof later_ns);
    } else {
        const uint32_t later = (uint32_t)later_ns;
        at = put(at, &later, sizeof later);
    }
    at = put_words(at, row, width);
    *start = (unsigned char)flags;
    queue->last->to += (size_t)(at - start);
    queue->pushed = end_of(row);
    queue->count++;
    return SGL_OK;
}

/* ---- reading ----------------------------------------------------------------------------- */

static inline const unsigned char *take(const unsigned char *at, void *value, size_t size)
{
    memcpy(value, at, size);
    return at + size;
}

static const unsigned char *take_words(const unsigned char *at, struct sgl_packed_row *row,
                                       unsigned width)
{
    if (width == 3)
        return take(at, row->words, row->word_count * sizeof row->words[0]);
    for (uint32_t i = 0; i < row->word_count; i++) {
        uint16_t half = 0;
        uint32_t word = 0;
        at = width == 1 ? take(at, &half, sizeof half) : take(at, &word, sizeof word);
        row->words[i] = width == 1 ? half : word;
    }
    return at;
}

/* The first chunk has been read: the last one is used again, the others go. */
static void leave_chunk(struct sgl_row_queue *queue)
{
    struct sgl_row_chunk *chunk = queue->first;

    if (chunk == queue->last) {
        chunk->from = chunk->to = 0;
        return;
    }
    queue->first = chunk->next;
    free(chunk);
}

const struct sgl_packed_row *sgl_row_queue_pop(struct sgl_row_queue *queue)
{
    assert(queue->count > 0);
    struct sgl_row_chunk *chunk = queue->first;
    struct sgl_packed_row *row = queue->row;
    const unsigned char *const start = chunk->bytes + chunk->from;
    const unsigned char *at = start + 1;
    const unsigned flags = *start;
    uint32_t later = 0;
    uint64_t later_ns = 0;

    row->columns = queue->popped.columns;
    row->word_count = queue->popped.word_count;
    if ((flags & HAS_SHAPE) != 0) {
        at = take(at, &row->columns, sizeof row->columns);
        at = take(at, &row->word_count, sizeof row->word_count);
    }
    row->position = queue->popped.position + 1;
    if ((flags & HAS_POSITION) != 0)
        at = take(at, &row->position, sizeof row->position);
    if ((flags & IS_LATER) != 0) {
        at = take(at, &later_ns, sizeof later_ns);
    } else {
        at = take(at, &later, sizeof later);
        later_ns = later;
    }
    row->arrival_ns = (int64_t)((uint64_t)queue->popped.arrival_ns + later_ns);
    at = take_words(at, row, flags & WIDTH);
    queue->popped = end_of(row);
    queue->count--;
    chunk->from += (size_t)(at - start);
    if (chunk->from == chunk->to)
        leave_chunk(queue);
    return row;
}

void sgl_row_queue_release(struct sgl_row_queue *queue)
{
    for (struct sgl_row_chunk *chunk = queue->first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(queue->row);
    *queue = (struct sgl_row_queue){0};
}
