#include "window.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 256

size_t sgl_window_count(const struct sgl_window *window)
{
    return window->run.count + window->has_head + window->late_count;
}

bool sgl_window_is_full(const struct sgl_window *window)
{
    return sgl_window_count(window) > SGL_WINDOW_ROWS || window->byte_count > SGL_WINDOW_BYTES;
}

static int push_late(struct sgl_window *window, const struct sgl_packed_row *late_row)
{
    if (window->late_count == window->late_capacity) {
        const size_t capacity =
            window->late_capacity > 0 ? window->late_capacity * 2 : CAPACITY_LEAST;
        struct sgl_packed_row **late =
            realloc(window->late, capacity * sizeof(struct sgl_packed_row *));
        if (late == NULL)
            return SGL_ENOMEM;
        window->late = late;
        window->late_capacity = capacity;
    }
    struct sgl_packed_row *row = malloc(sgl_packed_size(late_row));
    if (row == NULL)
        return SGL_ENOMEM;
    memcpy(row, late_row, sgl_packed_size(late_row));
    size_t hole = window->late_count++;
    while (hole > 0 && sgl_packed_before(row, window->late[(hole - 1) / 2])) {
        window->late[hole] = window->late[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    window->late[hole] = row;
    return 0;
}

static struct sgl_packed_row *pop_late(struct sgl_window *window)
{
    struct sgl_packed_row *const top = window->late[0];
    struct sgl_packed_row *const last = window->late[--window->late_count];
    size_t hole = 0;

    for (size_t child = 1; child < window->late_count; child = 2 * hole + 1) {
        if (child + 1 < window->late_count &&
            sgl_packed_before(window->late[child + 1], window->late[child]))
            child++;
        if (!sgl_packed_before(window->late[child], last))
            break;
        window->late[hole] = window->late[child];
        hole = child;
    }
    window->late[hole] = last;
    return top;
}

/* Is the row earlier than the last one of the run, if that is still here? */
static bool is_late(const struct sgl_window *window, const struct sgl_packed_row *row)
{
    const struct sgl_row_queue_end *last = &window->run.pushed;

    if (window->run.count == 0 && !window->has_head)
        return false;
    return row->arrival_ns < last->arrival_ns ||
           (row->arrival_ns == last->arrival_ns && row->position < last->position);
}

int sgl_window_push(struct sgl_window *window, const struct sgl_packed_row *row)
{
    const int code =
        is_late(window, row) ? push_late(window, row) : sgl_row_queue_push(&window->run, row);

    if (code == 0)
        window->byte_count += sgl_packed_size(row);
    return code;
}

const struct sgl_packed_row *sgl_window_pop(struct sgl_window *window)
{
    if (window->given != NULL) {
        free(window->given);
        window->given = NULL;
    }
    if (!window->has_head && window->run.count > 0) {
        (void)sgl_row_queue_pop(&window->run);
        window->has_head = true;
    }
    const struct sgl_packed_row *row = window->has_head ? window->run.row : NULL;
    if (window->late_count > 0 && (row == NULL || sgl_packed_before(window->late[0], row)))
        row = window->given = pop_late(window);
    else
        window->has_head = false;
    if (row != NULL)
        window->byte_count -= sgl_packed_size(row);
    return row;
}

void sgl_window_release(struct sgl_window *window)
{
    sgl_row_queue_release(&window->run);
    for (size_t i = 0; i < window->late_count; i++)
        free(window->late[i]);
    free(window->late);
    free(window->given);
    *window = (struct sgl_window){0};
}
