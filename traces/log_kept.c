#include "log_kept.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 16

static bool grow(struct sgl_kept_workers *kept)
{
    const size_t capacity = kept->capacity == 0 ? CAPACITY_LEAST : 2 * kept->capacity;
    struct sgl_kept_worker *grown = realloc(kept->items, capacity * sizeof *grown);

    if (grown == NULL)
        return false;
    kept->items = grown;
    kept->capacity = capacity;
    return true;
}

void sgl_kept_workers_add(struct sgl_kept_workers *kept, uint64_t sequence,
                          const struct sgl_input *input)
{
    char *url = strdup(input->added.url);
    char *model = input->added.model != NULL ? strdup(input->added.model) : NULL;

    if (url == NULL || (input->added.model != NULL && model == NULL) ||
        (kept->count == kept->capacity && !grow(kept))) {
        free(url);
        free(model);
        kept->has_failed = true;
        return;
    }
    struct sgl_kept_worker *worker = &kept->items[kept->count++];
    *worker =
        (struct sgl_kept_worker){.sequence = sequence, .input = *input, .url = url, .model = model};
    worker->input.added = (struct sgl_worker_identity){.url = url, .model = model};
}

void sgl_kept_workers_clear(struct sgl_kept_workers *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        free(kept->items[i].url);
        free(kept->items[i].model);
    }
    kept->count = 0;
    kept->has_failed = false;
}

void sgl_kept_workers_release(struct sgl_kept_workers *kept)
{
    sgl_kept_workers_clear(kept);
    free(kept->items);
    *kept = (struct sgl_kept_workers){0};
}
