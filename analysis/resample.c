/* What a seed draws from a population, as a source of requests. */
#include "analysis/population_state.h"
#include "core/rng.h"
#include "traces/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of the draw: which, and by how much later than in the trace it arrives. */
struct pick {
    int64_t arrival_ns; /* in the draw, from 0 */
    uint32_t row;
    uint32_t position; /* of its block in the draw */
    uint32_t copy;     /* how often the block was drawn before */
};

/* The source: picks in order of arrival, or, with none, the rows as they were. */
struct drawn {
    struct sgl_source source;
    const struct sgl_population *population;
    struct pick *picks;
    size_t count;
    size_t next;
    uint64_t *prefix_ids; /* renamed, of the row given last */
    size_t prefix_capacity;
    char *session; /* likewise */
    size_t session_capacity;
};

static int no_memory(struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_ENOMEM, "out of memory for the requests of a seed");
}

static void shift(int64_t *time_ns, int64_t by_ns)
{
    if (*time_ns != SGL_ABSENT)
        *time_ns += by_ns;
}

static bool rename_session(struct drawn *self, struct sgl_request *request, uint32_t copy)
{
    const size_t size = strlen(request->session) + 16;

    if (size > self->session_capacity) {
        char *session = realloc(self->session, size);
        if (session == NULL)
            return false;
        self->session = session;
        self->session_capacity = size;
    }
    snprintf(self->session, size, "%s#%u", request->session, copy);
    request->session = self->session;
    return true;
}

static bool rename_ids(struct drawn *self, struct sgl_request *request, uint32_t own_from,
                       uint32_t copy)
{
    const size_t count = request->prefix_count;

    if (count > self->prefix_capacity) {
        uint64_t *ids = realloc(self->prefix_ids, count * sizeof *ids);
        if (ids == NULL)
            return false;
        self->prefix_ids = ids;
        self->prefix_capacity = count;
    }
    memcpy(self->prefix_ids, request->prefix_ids, count * sizeof *self->prefix_ids);
    for (size_t k = own_from; k < count; k++) {
        struct sgl_digest digest = {.state = self->prefix_ids[k]};
        sgl_digest_word(&digest, copy);
        self->prefix_ids[k] = digest.state;
    }
    request->prefix_ids = self->prefix_ids;
    return true;
}

static int next(struct sgl_source *source, struct sgl_trace_row *row_out,
                struct sgl_failure *failure)
{
    struct drawn *self = (struct drawn *)source;

    if (self->next == self->count)
        return 0;
    const size_t number = self->next++;
    if (self->picks == NULL) {
        *row_out = self->population->rows[number].row;
        return 1;
    }
    const struct pick *pick = &self->picks[number];
    const struct sgl_population_row *from = &self->population->rows[pick->row];
    struct sgl_recorded *recorded = &row_out->recorded;
    *row_out = from->row;
    const int64_t by_ns = pick->arrival_ns - row_out->request.arrival_ns;
    row_out->request.request = (int64_t)number;
    row_out->request.arrival_ns = pick->arrival_ns;
    shift(&recorded->router_send_ns, by_ns);
    shift(&recorded->queue_start_ns, by_ns);
    shift(&recorded->queue_end_ns, by_ns);
    shift(&recorded->first_token_ns, by_ns);
    shift(&recorded->finish_ns, by_ns);
    if (pick->copy == 0)
        return 1;
    if (row_out->request.session != NULL && !rename_session(self, &row_out->request, pick->copy))
        return no_memory(failure);
    if (row_out->request.prefix_count > from->own_from &&
        !rename_ids(self, &row_out->request, from->own_from, pick->copy))
        return no_memory(failure);
    return 1;
}

static const struct sgl_source_ops drawn_ops = {.next = next};

static int compare_picks(const void *left, const void *right)
{
    const struct pick *a = left;
    const struct pick *b = right;

    if (a->arrival_ns != b->arrival_ns)
        return a->arrival_ns < b->arrival_ns ? -1 : 1;
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Draws the blocks into picks. `drawn_blocks` has a place per position, `copies` one per block. */
static bool pick_rows(struct drawn *self, uint64_t seed, uint32_t *drawn_blocks, uint32_t *copies)
{
    const struct sgl_population *population = self->population;
    const struct sgl_population_facts *facts = &population->facts;
    const int64_t first_ns = population->rows[0].row.request.arrival_ns;
    size_t count = 0;

    for (uint32_t position = 0; position < facts->blocks; position++) {
        struct sgl_rng draws = sgl_rng_stream(seed, SGL_PURPOSE_RESAMPLE, 0, position, 0);
        const uint32_t block = sgl_rng_below(&draws, facts->blocks);
        drawn_blocks[position] = block;
        count += population->block_starts[block + 1] - population->block_starts[block];
    }
    self->picks = malloc((count + 1) * sizeof *self->picks);
    if (self->picks == NULL)
        return false;
    bool is_sorted = true;
    for (uint32_t position = 0; position < facts->blocks; position++) {
        const uint32_t block = drawn_blocks[position];
        const int64_t by_ns = ((int64_t)position - (int64_t)block) * facts->block_ns - first_ns;
        for (uint32_t i = population->block_starts[block]; i < population->block_starts[block + 1];
             i++) {
            const uint32_t row = population->block_rows[i];
            struct pick *pick = &self->picks[self->count++];
            *pick = (struct pick){population->rows[row].row.request.arrival_ns + by_ns, row,
                                  position, copies[block]};
            is_sorted = is_sorted && (self->count == 1 || compare_picks(pick - 1, pick) < 0);
        }
        copies[block]++;
    }
    if (!is_sorted)
        qsort(self->picks, self->count, sizeof *self->picks, compare_picks);
    return true;
}

static struct drawn *make(const struct sgl_population *population)
{
    struct drawn *self = calloc(1, sizeof *self);

    if (self != NULL)
        *self = (struct drawn){.source = {&drawn_ops}, .population = population};
    return self;
}

int sgl_population_replay(const struct sgl_population *population, struct sgl_source **source_out,
                          struct sgl_failure *failure)
{
    struct drawn *self = make(population);

    *source_out = NULL;
    if (self == NULL)
        return no_memory(failure);
    self->count = population->facts.requests;
    *source_out = &self->source;
    return SGL_OK;
}

int sgl_population_resample(const struct sgl_population *population, uint64_t seed,
                            struct sgl_source **source_out, struct sgl_failure *failure)
{
    struct drawn *self = make(population);
    const uint32_t blocks = population->facts.blocks;
    uint32_t *scratch = calloc(2 * (size_t)blocks, sizeof *scratch);
    const bool is_drawn =
        self != NULL && scratch != NULL && pick_rows(self, seed, scratch, scratch + blocks);

    free(scratch);
    *source_out = is_drawn ? &self->source : NULL;
    if (is_drawn)
        return SGL_OK;
    if (self != NULL)
        sgl_population_close(&self->source);
    return no_memory(failure);
}

void sgl_population_close(struct sgl_source *source)
{
    struct drawn *self = (struct drawn *)source;

    if (self == NULL)
        return;
    free(self->picks);
    free(self->prefix_ids);
    free(self->session);
    free(self);
}
