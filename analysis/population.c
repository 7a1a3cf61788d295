#include "population.h"

#include "analysis/population_state.h"
#include "traces/digest.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)1 << 20)
#define ROWS_FIRST 4096
#define MANY_BLOCKS UINT32_MAX /* an id that occurs in several */

struct sgl_population_chunk {
    struct sgl_population_chunk *next;
    size_t used;
    size_t size;
    _Alignas(8) unsigned char bytes[];
};

/* `size` bytes, aligned to 8, that live as long as the population; NULL without memory. */
static void *keep(struct sgl_population *self, const void *bytes, size_t size)
{
    const size_t rounded = (size + 7) & ~(size_t)7;
    struct sgl_population_chunk *chunk = self->arena;

    if (chunk == NULL || chunk->size - chunk->used < rounded) {
        const size_t wanted = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE;
        chunk = malloc(sizeof *chunk + wanted);
        if (chunk == NULL)
            return NULL;
        *chunk = (struct sgl_population_chunk){.next = self->arena, .size = wanted};
        self->arena = chunk;
    }
    void *place = chunk->bytes + chunk->used;
    memcpy(place, bytes, size);
    chunk->used += rounded;
    return place;
}

static bool keep_text(struct sgl_population *self, const char **text)
{
    if (*text != NULL)
        *text = keep(self, *text, strlen(*text) + 1);
    return *text != NULL;
}

static bool keep_row(struct sgl_population *self, struct sgl_trace_row *row)
{
    const char **texts[] = {&row->request.request_id,  &row->request.tenant,
                            &row->request.session,     &row->request.model,
                            &row->recorded.worker_url, &row->recorded.error};
    bool is_kept = true;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (*texts[i] != NULL && !keep_text(self, texts[i]))
            is_kept = false;
    if (row->request.prefix_count > 0) {
        row->request.prefix_ids =
            keep(self, row->request.prefix_ids, row->request.prefix_count * sizeof(uint64_t));
        is_kept = is_kept && row->request.prefix_ids != NULL;
    }
    return is_kept;
}

static int add_row(struct sgl_population *self, const struct sgl_trace_row *row,
                   struct sgl_failure *failure)
{
    if (self->facts.requests == UINT32_MAX - 1)
        return sgl_fail(failure, SGL_EINVAL, "the trace has over %u requests, too many to compare",
                        UINT32_MAX - 1);
    if (self->facts.requests == self->row_capacity) {
        const size_t capacity = self->row_capacity > 0 ? 2 * self->row_capacity : ROWS_FIRST;
        struct sgl_population_row *rows = realloc(self->rows, capacity * sizeof *rows);
        if (rows == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory for the requests of the trace");
        self->rows = rows;
        self->row_capacity = capacity;
    }
    struct sgl_population_row *place = &self->rows[self->facts.requests];
    *place = (struct sgl_population_row){.row = *row};
    if (!keep_row(self, &place->row))
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the requests of the trace");
    self->facts.requests++;
    return SGL_OK;
}

/* A map from 64-bit keys to a number: open addressing, sized once. Key 0 is as good as any. */
struct map {
    uint64_t *keys;
    uint32_t *values; /* 0: the place is free; else the number + 1, wrapping for MANY_BLOCKS */
    size_t mask;
    size_t count;
};

static bool map_init(struct map *map, size_t count_max)
{
    size_t size = 16;

    while (size < 2 * count_max)
        size *= 2;
    *map = (struct map){calloc(size, sizeof *map->keys), calloc(size, sizeof *map->values),
                        size - 1, 0};
    return map->keys != NULL && map->values != NULL;
}

static void map_release(struct map *map)
{
    free(map->keys);
    free(map->values);
}

static uint64_t scattered(uint64_t key)
{
    struct sgl_digest digest = {0};

    sgl_digest_word(&digest, key);
    return digest.state;
}

/* The place of the key: where it is, or where it would go. */
static size_t map_find(const struct map *map, uint64_t key)
{
    size_t place = scattered(key) & map->mask;

    while (map->values[place] != 0 && map->keys[place] != key)
        place = (place + 1) & map->mask;
    return place;
}

static void choose_blocks(struct sgl_population *self, int64_t block_ns)
{
    struct sgl_population_facts *facts = &self->facts;
    double blocks = round((double)facts->span_ns / (double)block_ns);

    facts->is_short = blocks < SGL_POPULATION_BLOCKS_MIN;
    if (facts->is_short)
        blocks = SGL_POPULATION_BLOCKS_SHORT;
    if (blocks > (double)facts->requests)
        blocks = (double)facts->requests;
    facts->blocks = (uint32_t)blocks;
    /* One more nanosecond, so that the last arrival lies inside the last block. */
    facts->block_ns = facts->span_ns / facts->blocks + 1;
}

/* Which block each row belongs to: a session's is that of its first request. */
static int assign_blocks(struct sgl_population *self, struct sgl_failure *failure)
{
    const size_t count = self->facts.requests;
    const int64_t first_ns = self->rows[0].row.request.arrival_ns;
    struct map sessions;

    if (!map_init(&sessions, count)) {
        map_release(&sessions);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the sessions of the trace");
    }
    for (size_t i = 0; i < count; i++) {
        struct sgl_population_row *row = &self->rows[i];
        const int64_t since_ns = row->row.request.arrival_ns - first_ns;
        row->block = (uint32_t)(since_ns / self->facts.block_ns);
        if (row->row.request.session == NULL)
            continue;
        /* Sessions go by their 64-bit digest: two of a trace collide once in 10^19 / n^2. */
        struct sgl_digest digest = {0};
        sgl_digest_text(&digest, row->row.request.session, strlen(row->row.request.session));
        const size_t place = map_find(&sessions, digest.state);
        if (sessions.values[place] == 0) {
            sessions.keys[place] = digest.state;
            sessions.values[place] = row->block + 1;
            self->facts.sessions++;
        }
        row->block = sessions.values[place] - 1;
    }
    map_release(&sessions);
    return SGL_OK;
}

/* Rows by block: a counting sort, which keeps the order of arrival. */
static int gather_blocks(struct sgl_population *self, struct sgl_failure *failure)
{
    const size_t count = self->facts.requests;
    const uint32_t blocks = self->facts.blocks;

    self->block_rows = malloc(count * sizeof *self->block_rows);
    self->block_starts = calloc(blocks + 2, sizeof *self->block_starts);
    if (self->block_rows == NULL || self->block_starts == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the blocks of the trace");
    /* Counted two places on, then moved one on while filling: starts end up where they belong. */
    for (size_t i = 0; i < count; i++)
        self->block_starts[self->rows[i].block + 2]++;
    for (uint32_t b = 0; b < blocks; b++)
        self->block_starts[b + 2] += self->block_starts[b + 1];
    for (size_t i = 0; i < count; i++)
        self->block_rows[self->block_starts[self->rows[i].block + 1]++] = (uint32_t)i;
    return SGL_OK;
}

/* Which prefix ids are a block's own. */
static int find_own_ids(struct sgl_population *self, struct sgl_failure *failure)
{
    size_t total = 0;
    struct map ids;

    for (size_t i = 0; i < self->facts.requests; i++)
        total += self->rows[i].row.request.prefix_count;
    if (total == 0)
        return SGL_OK;
    if (!map_init(&ids, total)) {
        map_release(&ids);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the prefix ids of the trace");
    }
    for (size_t i = 0; i < self->facts.requests; i++) {
        const struct sgl_population_row *row = &self->rows[i];
        for (size_t k = 0; k < row->row.request.prefix_count; k++) {
            const uint64_t id = row->row.request.prefix_ids[k];
            const size_t place = map_find(&ids, id);
            if (ids.values[place] == 0) {
                ids.keys[place] = id;
                ids.values[place] = row->block + 1;
                self->facts.prefix_ids++;
                self->facts.prefix_ids_own++;
            } else if (ids.values[place] != MANY_BLOCKS && ids.values[place] != row->block + 1) {
                ids.values[place] = MANY_BLOCKS;
                self->facts.prefix_ids_own--;
            }
        }
    }
    for (size_t i = 0; i < self->facts.requests; i++) {
        struct sgl_population_row *row = &self->rows[i];
        const struct sgl_request *request = &row->row.request;
        size_t own = 0;
        while (own < request->prefix_count &&
               ids.values[map_find(&ids, request->prefix_ids[own])] == MANY_BLOCKS)
            own++;
        row->own_from = (uint32_t)own;
    }
    map_release(&ids);
    return SGL_OK;
}

int sgl_population_load(struct sgl_population **population_out, struct sgl_source *source,
                        int64_t block_ns, struct sgl_failure *failure)
{
    struct sgl_population *self = calloc(1, sizeof *self);
    struct sgl_trace_row row;
    int status;

    *population_out = NULL;
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    while ((status = source->ops->next(source, &row, failure)) == 1) {
        const int64_t request = row.request.request;
        status = add_row(self, &row, failure);
        if (status != SGL_OK)
            break;
        if (source->ops->finished != NULL)
            source->ops->finished(source, request);
    }
    if (status == SGL_OK && self->facts.requests == 0)
        status = sgl_fail(failure, SGL_EINVAL, "the trace has no request");
    if (status == SGL_OK) {
        assert(self->rows != NULL);
        const struct sgl_request *last = &self->rows[self->facts.requests - 1].row.request;
        self->facts.span_ns = last->arrival_ns - self->rows[0].row.request.arrival_ns;
        choose_blocks(self, block_ns);
        status = assign_blocks(self, failure);
    }
    if (status == SGL_OK)
        status = gather_blocks(self, failure);
    if (status == SGL_OK)
        status = find_own_ids(self, failure);
    if (status != SGL_OK) {
        sgl_population_destroy(self);
        return status;
    }
    *population_out = self;
    return SGL_OK;
}

void sgl_population_destroy(struct sgl_population *self)
{
    if (self == NULL)
        return;
    while (self->arena != NULL) {
        struct sgl_population_chunk *next = self->arena->next;
        free(self->arena);
        self->arena = next;
    }
    free(self->rows);
    free(self->block_rows);
    free(self->block_starts);
    free(self);
}

const struct sgl_population_facts *sgl_population_facts(const struct sgl_population *self)
{
    return &self->facts;
}
