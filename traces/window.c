#include "window.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 256

bool sgl_window_is_full(const struct sgl_window *window)
{
    return window->run_count + window->late_count > SGL_WINDOW_ROWS ||
           window->byte_count > SGL_WINDOW_BYTES;
}

static int grow_run(struct sgl_window *window)
{
    const size_t capacity = window->run_capacity > 0 ? window->run_capacity * 2 : CAPACITY_LEAST;
    struct sgl_packed_row **run = malloc(capacity * sizeof(struct sgl_packed_row *));

    if (run == NULL)
        return SGL_ENOMEM;
    for (size_t i = 0; i < window->run_count; i++)
        run[i] = window->run[(window->run_first + i) & (window->run_capacity - 1)];
    free(window->run);
    window->run = run;
    window->run_capacity = capacity;
    window->run_first = 0;
    return 0;
}

static int push_run(struct sgl_window *window, struct sgl_packed_row *row)
{
    if (window->run_count == window->run_capacity && grow_run(window) < 0)
        return SGL_ENOMEM;
    window->run[(window->run_first + window->run_count) & (window->run_capacity - 1)] = row;
    window->run_count++;
    return 0;
}

static struct sgl_packed_row *pop_run(struct sgl_window *window)
{
    struct sgl_packed_row *row = window->run[window->run_first];

    window->run_first = (window->run_first + 1) & (window->run_capacity - 1);
    window->run_count--;
    return row;
}

static int push_late(struct sgl_window *window, struct sgl_packed_row *row)
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

int sgl_window_push(struct sgl_window *window, struct sgl_packed_row *row)
{
    const size_t size = sgl_packed_size(row);
    bool is_late = false;

    if (window->run_count > 0) {
        const size_t tail = window->run_first + window->run_count - 1;
        is_late = sgl_packed_before(row, window->run[tail & (window->run_capacity - 1)]);
    }
    const int code = is_late ? push_late(window, row) : push_run(window, row);
    if (code == 0)
        window->byte_count += size;
    return code;
}

struct sgl_packed_row *sgl_window_pop(struct sgl_window *window)
{
    struct sgl_packed_row *row;

    if (window->run_count + window->late_count == 0)
        return NULL;
    if (window->late_count == 0 ||
        (window->run_count > 0 &&
         sgl_packed_before(window->run[window->run_first], window->late[0])))
        row = pop_run(window);
    else
        row = pop_late(window);
    window->byte_count -= sgl_packed_size(row);
    return row;
}

void sgl_window_release(struct sgl_window *window)
{
    for (struct sgl_packed_row *row = sgl_window_pop(window); row != NULL;
         row = sgl_window_pop(window))
        free(row);
    free(window->run);
    free(window->late);
    *window = (struct sgl_window){0};
}
