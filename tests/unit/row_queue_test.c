/* Rows come out of the queue as they went in, whatever they are. */
#include "support.h"

#include "core/rng.h"
#include "traces/row_queue.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 6000
#define WORDS_MOST 4000 /* wider than a chunk */

static struct sgl_packed_row *rows[ROWS];

/* Mostly alike and rising, as those of a trace; now and then anything. */
static struct sgl_packed_row *draw_row(const struct sgl_packed_row *before, struct sgl_rng *draws)
{
    static const uint64_t largest[] = {0,          UINT16_MAX,        UINT64_C(65536),
                                       UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    const bool is_alike = before != NULL && sgl_rng_below(draws, 4) > 0;
    const uint32_t wide = sgl_rng_below(draws, 300) == 0 ? WORDS_MOST : 6;
    const uint32_t count = is_alike ? before->word_count : sgl_rng_below(draws, wide);
    const uint64_t most = largest[sgl_rng_below(draws, 6)];
    struct sgl_packed_row *row = malloc(sizeof *row + count * sizeof row->words[0]);

    if (row == NULL)
        abort();
    *row = (struct sgl_packed_row){.word_count = count};
    row->columns = is_alike ? before->columns : (uint32_t)sgl_rng_next(draws);
    row->position = is_alike ? before->position + 1 : sgl_rng_next(draws);
    row->arrival_ns = is_alike && before->arrival_ns < INT64_MAX / 2
                          ? before->arrival_ns + (int64_t)(sgl_rng_next(draws) >> 30)
                          : (int64_t)sgl_rng_next(draws);
    for (uint32_t i = 0; i < count; i++)
        row->words[i] = most < UINT64_MAX ? sgl_rng_next(draws) % (most + 1) : sgl_rng_next(draws);
    if (count > 0)
        row->words[sgl_rng_below(draws, count)] = most;
    return row;
}

static void rows_come_back(void)
{
    struct sgl_rng draws = sgl_rng_stream(5, SGL_PURPOSE_LENGTH, 0, 0, 0);
    struct sgl_row_queue queue = {0};
    size_t pushed = 0;
    size_t popped = 0;
    size_t wrong = 0;

    while (popped < ROWS) {
        /* It is filled and emptied again and again, by more and less than a chunk. */
        for (uint32_t n = sgl_rng_below(&draws, 2000); n > 0 && pushed < ROWS; n--) {
            rows[pushed] = draw_row(pushed > 0 ? rows[pushed - 1] : NULL, &draws);
            CU_ASSERT_EQUAL_FATAL(sgl_row_queue_push(&queue, rows[pushed]), SGL_OK);
            pushed++;
        }
        for (uint32_t n = sgl_rng_below(&draws, 2100); n > 0 && queue.count > 0; n--) {
            const struct sgl_packed_row *row = sgl_row_queue_pop(&queue);
            wrong += memcmp(row, rows[popped], sgl_packed_size(rows[popped])) != 0;
            popped++;
        }
        CU_ASSERT_EQUAL(queue.count, pushed - popped);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    sgl_row_queue_release(&queue);
    for (size_t i = 0; i < ROWS; i++)
        free(rows[i]);
}

SGL_SUITE(row_queue) = {
    {"rows come out as they went in", rows_come_back},
    CU_TEST_INFO_NULL,
};
