#include "expert_table.h"

#include "csv_table.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

struct row {
    double tokens;
    double activated;
    double time_us;
};

struct rows {
    struct row *rows;
    size_t count;
    size_t capacity;
};

enum { TOKENS, ACTIVATED, TIME, DEVICES };

static int take_row(void *context, const struct sgl_csv_table_row *row, struct sgl_failure *failure)
{
    struct rows *rows = context;
    const double *n = row->numbers;
    const struct row *last = rows->count > 0 ? &rows->rows[rows->count - 1] : NULL;

    if (n[DEVICES] > 1) /* NaN, without such a column, is not */
        return SGL_OK;
    if (n[TOKENS] < 1 || n[ACTIVATED] < 1 || !(n[TIME] > 0))
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: expected at least a token, an expert, and a time above 0", row->place);
    if (last != NULL && (n[TOKENS] < last->tokens ||
                         (n[TOKENS] == last->tokens && n[ACTIVATED] <= last->activated)))
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: expected tokens, and activated_experts of each, to rise", row->place);
    if (rows->count == rows->capacity) {
        const size_t capacity = rows->capacity > 0 ? 2 * rows->capacity : 256;
        struct row *grown = realloc(rows->rows, capacity * sizeof *grown);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", row->place);
        rows->rows = grown;
        rows->capacity = capacity;
    }
    assert(rows->rows != NULL);
    rows->rows[rows->count++] = (struct row){n[TOKENS], n[ACTIVATED], n[TIME]};
    return SGL_OK;
}

/* Between the neighbours of `activated` in the `count` rows of one number of tokens; beyond an end
 * on the line through the last two, which few experts are far from. */
static double read_group(const struct row *rows, size_t count, double activated)
{
    size_t right = 1;

    if (count == 1)
        return rows[0].time_us;
    while (right + 1 < count && rows[right].activated < activated)
        right++;
    const double slope = (rows[right].time_us - rows[right - 1].time_us) /
                         (rows[right].activated - rows[right - 1].activated);
    const double time_us =
        rows[right - 1].time_us + slope * (activated - rows[right - 1].activated);
    return fmax(time_us, 0);
}

static void find_experts(struct sgl_expert_table *table, const struct rows *rows)
{
    double most = 0;
    double least = INFINITY;

    if (table->expert_count > 0)
        return;
    for (size_t i = 0; i < rows->count; i++) {
        most = fmax(most, rows->rows[i].activated);
        least = fmin(least, rows->rows[i].activated);
    }
    table->expert_count = most;
    table->experts_per_token = least;
}

static int fill(struct sgl_expert_table *table, const struct rows *rows, const char *path,
                struct sgl_failure *failure)
{
    find_experts(table, rows);
    table->tokens = malloc((rows->count + 1) * sizeof *table->tokens);
    table->times_us = malloc((rows->count + 1) * sizeof *table->times_us);
    if (table->tokens == NULL || table->times_us == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    const double share = table->experts_per_token / table->expert_count;
    for (size_t from = 0, to; from < rows->count; from = to) {
        const double tokens = rows->rows[from].tokens;
        for (to = from + 1; to < rows->count && rows->rows[to].tokens == tokens;)
            to++;
        const double needed = table->expert_count * -expm1(tokens * log1p(-share));
        table->tokens[table->count] = tokens;
        table->times_us[table->count++] = read_group(rows->rows + from, to - from, needed);
    }
    if (table->count < 2)
        return sgl_fail(failure, SGL_EINVAL, "%.300s: expected rows of two numbers of tokens",
                        path);
    return SGL_OK;
}

int sgl_expert_table_load(struct sgl_expert_table *table, const char *path,
                          struct sgl_failure *failure)
{
    static const char *const names[] = {"tokens", "activated_experts", "time_us", "?ep", NULL};
    struct rows rows = {0};

    table->tokens = NULL;
    table->times_us = NULL;
    table->count = 0;
    int status = sgl_csv_table_read(
        path, &(struct sgl_csv_table){.names = names, .take = take_row, .context = &rows}, failure);
    if (status == SGL_OK)
        status = fill(table, &rows, path, failure);
    free(rows.rows);
    if (status != SGL_OK)
        sgl_expert_table_release(table);
    return status;
}

void sgl_expert_table_release(struct sgl_expert_table *table)
{
    free(table->tokens);
    free(table->times_us);
    table->tokens = NULL;
    table->times_us = NULL;
    table->count = 0;
}
