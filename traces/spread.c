#include "spread.h"

#include "window.h"

#include <stdlib.h>
#include <string.h>

/* Takes the row over, or fails. */
static int keep(struct sgl_spread *spread, struct sgl_packed_row *row)
{
    if (spread->count == SGL_WINDOW_ROWS || spread->byte_count > SGL_WINDOW_BYTES)
        return SGL_EINVAL;
    if (spread->count == spread->capacity) {
        const size_t capacity = spread->capacity > 0 ? spread->capacity * 2 : 64;
        struct sgl_packed_row **rows =
            realloc(spread->rows, capacity * sizeof(struct sgl_packed_row *));
        if (rows == NULL)
            return SGL_ENOMEM;
        spread->rows = rows;
        spread->capacity = capacity;
    }
    spread->start_ns = row->arrival_ns;
    spread->byte_count += sgl_packed_size(row);
    spread->rows[spread->count++] = row;
    return 0;
}

/* The step is complete: its width. Times are sorted, but may be 2^63 apart and more. */
static void close_step(struct sgl_spread *spread)
{
    const uint64_t start = (uint64_t)spread->start_ns;
    uint64_t width = UINT64_MAX;

    if (spread->ahead != NULL)
        width = (uint64_t)spread->ahead->arrival_ns - start;
    if (spread->has_previous && start - (uint64_t)spread->previous_ns < width)
        width = start - (uint64_t)spread->previous_ns;
    const bool is_alone = spread->ahead == NULL && !spread->has_previous;
    spread->width_ns = is_alone || width > INT64_MAX ? 0 : (int64_t)width;
    if (spread->ahead == NULL && spread->start_ns > INT64_MAX - spread->width_ns)
        spread->width_ns = 0;
    spread->is_ready = true;
}

int sgl_spread_push(struct sgl_spread *spread, const struct sgl_packed_row *row)
{
    struct sgl_packed_row *copy = malloc(sgl_packed_size(row));

    if (copy == NULL)
        return SGL_ENOMEM;
    memcpy(copy, row, sgl_packed_size(row));
    if (spread->count == 0 || row->arrival_ns == spread->start_ns) {
        const int code = keep(spread, copy);
        if (code < 0)
            free(copy);
        return code;
    }
    spread->ahead = copy;
    close_step(spread);
    return 0;
}

void sgl_spread_end(struct sgl_spread *spread)
{
    if (spread->count > 0)
        close_step(spread);
}

const struct sgl_packed_row *sgl_spread_pop(struct sgl_spread *spread)
{
    free(spread->row);
    spread->row = NULL;
    if (!spread->is_ready)
        return NULL;
    struct sgl_packed_row *row = spread->rows[spread->given];
    spread->row = row;
    const int64_t count = (int64_t)spread->count;
    const int64_t k = (int64_t)spread->given++;
    /* k * width / count without overflow: both parts are below 2^63, for k < count <= 65,536. */
    row->arrival_ns += spread->width_ns / count * k + spread->width_ns % count * k / count;
    if (spread->given < spread->count)
        return row;
    spread->previous_ns = spread->start_ns;
    spread->has_previous = true;
    spread->count = spread->given = spread->byte_count = 0;
    spread->is_ready = false;
    if (spread->ahead != NULL) {
        struct sgl_packed_row *ahead = spread->ahead;
        spread->ahead = NULL;
        (void)keep(spread, ahead); /* there is room: the last step had a row */
    }
    return row;
}

void sgl_spread_release(struct sgl_spread *spread)
{
    for (size_t i = spread->given; i < spread->count; i++)
        free(spread->rows[i]);
    free(spread->ahead);
    free(spread->row);
    free(spread->rows);
    *spread = (struct sgl_spread){0};
}
