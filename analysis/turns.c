#include "turns.h"

#include "analysis/population_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX
#define ROWS_MAX (UINT32_MAX / 2)
#define TIME_MAX (INT64_C(1) << 62)

static void put(struct sgl_turns *self, uint32_t row, int64_t time_ns)
{
    const struct sgl_event event = {.time = time_ns, .index = row, .item = row};

    sgl_event_queue_set(&self->waiting, &event);
}

static int next_row(struct sgl_source *source, struct sgl_trace_row *row_out,
                    struct sgl_failure *failure)
{
    struct sgl_turns *self = (struct sgl_turns *)source;
    const struct sgl_queued *first = sgl_event_queue_top(&self->waiting);

    (void)failure;
    if (first == NULL)
        return 0;
    self->given = first->item;
    self->given_ns = first->time;
    sgl_event_queue_remove(&self->waiting, self->given);
    *row_out = self->rows[self->given].row;
    row_out->request.arrival_ns = self->given_ns;
    return 1;
}

static void give_back(struct sgl_source *source)
{
    struct sgl_turns *self = (struct sgl_turns *)source;

    put(self, self->given, self->given_ns);
}

static bool is_measured(const struct sgl_trace_row *row)
{
    return row->recorded.finish_ns != SGL_ABSENT &&
           row->recorded.finish_ns >= row->request.arrival_ns;
}

static int64_t think_ns(const struct sgl_trace_row *turn, const struct sgl_trace_row *next)
{
    const int64_t from_ns = is_measured(turn) ? turn->recorded.finish_ns : turn->request.arrival_ns;
    const int64_t think = next->request.arrival_ns - from_ns;

    return think > 0 ? think : 0;
}

static bool answered(struct sgl_source *source, int64_t request, int64_t now_ns)
{
    struct sgl_turns *self = (struct sgl_turns *)source;
    const uint32_t next = self->next_turns[request];

    if (next == NO_ROW)
        return false;
    const int64_t think = think_ns(&self->rows[request].row, &self->rows[next].row);
    put(self, next, think < TIME_MAX - now_ns ? now_ns + think : TIME_MAX);
    return true;
}

struct turn {
    const char *session;
    uint32_t row;
};

static int compare_turns(const void *left, const void *right)
{
    const struct turn *l = left;
    const struct turn *r = right;
    const int order = strcmp(l->session, r->session);

    return order != 0 ? order : (l->row > r->row) - (l->row < r->row);
}

/* Chains the rows of each session; `turns` has room for all rows. */
static void chain(struct sgl_turns *self, struct turn *turns)
{
    uint32_t count = 0;

    for (uint32_t row = 0; row < self->row_count; row++)
        if (self->rows[row].row.request.session != NULL)
            turns[count++] = (struct turn){self->rows[row].row.request.session, row};
    qsort(turns, count, sizeof *turns, compare_turns);
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(turns[i - 1].session, turns[i].session) != 0)
            continue;
        self->next_turns[turns[i - 1].row] = turns[i].row;
        self->later_turns++;
        self->measured += is_measured(&self->rows[turns[i - 1].row].row);
    }
}

int sgl_turns_init(struct sgl_turns *turns, const struct sgl_population *population,
                   double rate_scale, struct sgl_failure *failure)
{
    static const struct sgl_source_ops ops = {
        .next = next_row, .answered = answered, .give_back = give_back};
    const uint64_t count = sgl_population_facts(population)->requests;

    *turns = (struct sgl_turns){.source = {.ops = &ops}, .rows = population->rows};
    if (count > ROWS_MAX)
        return sgl_fail(failure, SGL_EINVAL, "%llu requests, expected at most %u with sessions",
                        (unsigned long long)count, ROWS_MAX);
    turns->row_count = (uint32_t)count;
    turns->next_turns = malloc((count + 1) * sizeof *turns->next_turns);
    struct turn *of_sessions = malloc((count + 1) * sizeof *of_sessions);
    bool *is_later = calloc(count + 1, sizeof *is_later);
    const bool has_memory =
        turns->next_turns != NULL && of_sessions != NULL && is_later != NULL &&
        sgl_event_queue_reserve(&turns->waiting, turns->row_count + 1) == SGL_OK;
    for (uint32_t row = 0; has_memory && row < turns->row_count; row++)
        turns->next_turns[row] = NO_ROW;
    if (has_memory)
        chain(turns, of_sessions);
    for (uint32_t row = 0; has_memory && row < turns->row_count; row++)
        if (turns->next_turns[row] != NO_ROW)
            is_later[turns->next_turns[row]] = true;
    for (uint32_t row = 0; has_memory && row < turns->row_count; row++)
        if (!is_later[row])
            put(turns, row, llround((double)turns->rows[row].row.request.arrival_ns / rate_scale));
    free(of_sessions);
    free(is_later);
    return has_memory ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory for sessions");
}

void sgl_turns_release(struct sgl_turns *turns)
{
    free(turns->next_turns);
    sgl_event_queue_release(&turns->waiting);
    *turns = (struct sgl_turns){0};
}
