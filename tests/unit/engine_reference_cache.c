#include "engine_reference_cache.h"

#include "core/absent.h"
#include "support.h"

#include <string.h>

int64_t sgl_reference_pages_of(const struct sgl_reference_world *world, int64_t tokens)
{
    return tokens / world->it->page + (tokens % world->it->page > 0);
}

/* ---- the cache, by searching lists ------------------------------------------------------ */

static const struct sgl_reference_entry *entry_of(const struct sgl_reference_world *world,
                                                  const uint64_t *ids, int64_t length)
{
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].length == length &&
            memcmp(world->entries[i].ids, ids, (size_t)length * sizeof *ids) == 0)
            return &world->entries[i];
    return NULL;
}

/* One that is there, to be changed. */
static struct sgl_reference_entry *present_entry(struct sgl_reference_world *world,
                                                 const uint64_t *ids, int64_t length)
{
    const struct sgl_reference_entry *entry = entry_of(world, ids, length);

    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    return &world->entries[entry - world->entries];
}

int64_t sgl_reference_end_of(const struct sgl_reference_world *world, const uint64_t *ids,
                             int64_t length)
{
    return length > 0 ? entry_of(world, ids, length)->end : 0;
}

static bool is_holding(const struct sgl_reference *one)
{
    return one->is_admitted && (!one->is_finished || one->is_departing);
}

static bool is_pinned(const struct sgl_reference_world *world,
                      const struct sgl_reference_entry *entry)
{
    for (size_t i = 0; i < world->count; i++) {
        const struct sgl_reference *one = &world->all[i];
        if (is_holding(one) && one->path >= entry->length &&
            memcmp(one->ids, entry->ids, (size_t)entry->length * sizeof *entry->ids) == 0)
            return true;
    }
    return false;
}

/* Pages in use: by running requests, or (everything) with what could be evicted. */
static int64_t pages_in_use(const struct sgl_reference_world *world, bool everything)
{
    int64_t pages = 0;

    for (size_t i = 0; i < world->count; i++) {
        const struct sgl_reference *one = &world->all[i];
        if (is_holding(one))
            pages += sgl_reference_pages_of(world, one->stored) -
                     sgl_reference_end_of(world, one->ids, one->path);
    }
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct sgl_reference_entry *entry = &world->entries[i];
        if (everything || is_pinned(world, entry))
            pages += entry->end - sgl_reference_end_of(world, entry->ids, entry->length - 1);
    }
    return pages;
}

int64_t sgl_reference_free_pages(const struct sgl_reference_world *world)
{
    return world->it->kv_tokens / world->it->page - pages_in_use(world, false);
}

void sgl_reference_make_room(struct sgl_reference_world *world, int64_t pages)
{
    const int64_t total = world->it->kv_tokens / world->it->page;

    while (world->it->kv_tokens > 0 && pages_in_use(world, true) + pages > total) {
        size_t oldest = world->entry_count;
        for (size_t i = 0; i < world->entry_count; i++)
            if (!is_pinned(world, &world->entries[i]) &&
                (oldest == world->entry_count ||
                 world->entries[i].stamp < world->entries[oldest].stamp))
                oldest = i;
        if (oldest == world->entry_count)
            break;
        world->entries[oldest] = world->entries[--world->entry_count];
        world->events->evictions++;
    }
    CU_ASSERT_TRUE_FATAL(world->it->kv_tokens == 0 || pages_in_use(world, true) <= total);
}

int64_t sgl_reference_match(struct sgl_reference_world *world, const struct sgl_reference *self)
{
    /* of itself vllm finds all; what its session left is not its own */
    const int64_t whole = (self->prompt + self->emitted - 1) / self->block;
    const bool knows_all = world->it->is_vllm && (self->emitted > 0 || self->session == 0);
    const int64_t most = knows_all && whole > self->named ? whole : self->named;
    int64_t path = 0;

    while (path < most && path < self->id_count) {
        const struct sgl_reference_entry *next = entry_of(world, self->ids, path + 1);
        if (next == NULL || next->end * world->it->page >= self->prompt + self->emitted)
            break;
        path++;
    }
    return path;
}

static void share(struct sgl_reference_world *world, struct sgl_reference *self, int64_t id_count,
                  int64_t tokens, bool is_whole)
{
    const int64_t page = world->it->page;
    const int64_t whole = tokens / page;
    int64_t last = 0;

    for (int64_t b = 1; b <= id_count; b++) {
        if (!is_whole && b * self->block > tokens)
            break;
        const int64_t reach = b * self->block < tokens ? b * self->block : tokens;
        const int64_t before = (b - 1) * self->block;
        last = reach / page > before / page ? b : last;
    }
    for (int64_t b = self->path + 1; b <= last; b++) {
        const struct sgl_reference_entry *known = entry_of(world, self->ids, b);
        const int64_t before = sgl_reference_end_of(world, self->ids, b - 1);
        const int64_t reach = b * self->block < tokens ? b * self->block : tokens;
        const int64_t end = reach / page > before ? reach / page : before;
        if (known != NULL && known->end > whole)
            break;
        if (known == NULL)
            world->entries[world->entry_count++] =
                (struct sgl_reference_entry){self->ids, b, end, 0};
        self->path = b;
    }
}

void sgl_reference_share(struct sgl_reference_world *world, struct sgl_reference *self,
                         int64_t tokens)
{
    /* ids of its own name the answer, too; a block that is not full is shared with its prompt */
    const bool is_whole = !self->has_own_ids && tokens >= self->prompt;

    share(world, self, self->named, is_whole ? self->prompt : tokens, is_whole);
}

void sgl_reference_keep_answer(struct sgl_reference_world *world, struct sgl_reference *self)
{
    if (self->named < self->id_count && self->path >= self->named &&
        self->stored / self->block > self->named)
        share(world, self, self->id_count, self->stored, false);
}

/* The id that a block of an answer has until a prompt names it. */
static uint64_t answer_id(const struct sgl_reference *self, int64_t block)
{
    return (uint64_t)(5000000 + 1000 * self->session + block);
}

void sgl_reference_name(struct sgl_reference_world *world, const struct sgl_reference *self)
{
    uint64_t path[SGL_REFERENCE_OWN_MAX + 1];
    int64_t first = 0;

    while (self->session != 0 && first < self->named &&
           entry_of(world, self->ids, first + 1) != NULL)
        first++;
    if (first == 0 || first == self->named)
        return;
    for (int64_t b = 0; b <= SGL_REFERENCE_OWN_MAX; b++)
        path[b] = b < first ? self->ids[b] : answer_id(self, b);
    int64_t end = first;
    while (entry_of(world, path, end + 1) != NULL)
        end++;
    if (end > first && is_pinned(world, entry_of(world, path, first + 1))) {
        world->events->unnamed++;
        return; /* it goes on, after it was taken back: this prompt did not come after it */
    }
    if (end > self->named)
        return; /* it was longer: another prompt came after it */
    for (int64_t length = first + 1; length <= end; length++) {
        present_entry(world, path, length)->ids = self->ids;
        world->events->answers++;
    }
}

void sgl_reference_let_go(struct sgl_reference_world *world, struct sgl_reference *self)
{
    if (self->has_own_ids)
        sgl_reference_share(world, self, self->stored);
    for (int64_t b = self->path; b > 0; b--)
        present_entry(world, self->ids, b)->stamp = ++world->clock;
    self->path = 0;
    self->stored = 0;
}

void sgl_reference_see_departures(struct sgl_reference_world *world)
{
    for (int64_t order = 0; order < world->finishes; order++)
        for (size_t i = 0; i < world->count; i++)
            if (world->all[i].is_departing && world->all[i].finish_order == order) {
                world->all[i].is_departing = false;
                world->events->departures++;
                sgl_reference_keep_answer(world, &world->all[i]);
                sgl_reference_let_go(world, &world->all[i]);
            }
}

void sgl_reference_know_ids(const struct sgl_reference_setting *it,
                            const struct sgl_request *request, int64_t number,
                            struct sgl_reference *self)
{
    const int64_t count = it->has_cache ? (int64_t)request->prefix_count : 0;

    self->cached = SGL_ABSENT;
    self->ids = request->prefix_ids;
    if (count == 0) {
        /* vllm remembers it for when it is computed again: blocks of 16 tokens, in whole pages */
        self->has_own_ids = it->is_vllm && it->has_cache && it->kv_tokens > 0;
        self->block = (15 + it->page) / it->page * it->page;
        while (self->has_own_ids && self->id_count * self->block < self->prompt + self->output) {
            CU_ASSERT_FATAL(self->id_count < SGL_REFERENCE_OWN_MAX);
            self->own_ids[self->id_count] = (uint64_t)(1000000 + 1000 * number + self->id_count);
            self->id_count++;
        }
        self->named = self->id_count;
        self->ids = self->has_own_ids ? self->own_ids : NULL;
        return;
    }
    self->block =
        request->prefix_block > 0 ? request->prefix_block : (self->prompt + count - 1) / count;
    while (self->id_count < count && self->id_count * self->block < self->prompt)
        self->id_count++;
    self->named = self->id_count;
    if (it->keeps_answers && request->session != NULL && request->prefix_block > 0 &&
        self->named > 0 && self->named == self->prompt / self->block)
        self->session = (unsigned char)request->session[0];
    else if (!it->is_vllm || it->kv_tokens == 0)
        return;
    /* vllm names what the trace does not, for itself */
    const int64_t own = 1000000 + 1000 * number;
    memcpy(self->own_ids, self->ids, (size_t)self->named * sizeof *self->ids);
    self->ids = self->own_ids;
    while ((self->id_count + 1) * self->block < self->prompt + self->output) {
        CU_ASSERT_FATAL(self->id_count < SGL_REFERENCE_OWN_MAX);
        self->own_ids[self->id_count] =
            self->session != 0 ? answer_id(self, self->id_count) : (uint64_t)(own + self->id_count);
        self->id_count++;
    }
}
