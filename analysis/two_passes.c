#include "two_passes.h"

static int next_row(struct sgl_source *source, struct sgl_trace_row *row_out,
                    struct sgl_failure *failure)
{
    struct sgl_two_passes *self = (struct sgl_two_passes *)source;

    if (!self->is_second) {
        const int status = self->first->ops->next(self->first, row_out, failure);
        if (status != 0) {
            self->count += status == 1;
            return status;
        }
        self->is_second = true;
    }
    const int status = self->second->ops->next(self->second, row_out, failure);
    if (status == 1)
        row_out->request.request += self->count;
    return status;
}

static void finished(struct sgl_source *source, int64_t request)
{
    struct sgl_two_passes *self = (struct sgl_two_passes *)source;
    const bool is_of_second = self->is_second && request >= self->count;
    struct sgl_source *own = is_of_second ? self->second : self->first;

    if (own->ops->finished != NULL)
        own->ops->finished(own, is_of_second ? request - self->count : request);
}

void sgl_two_passes_init(struct sgl_two_passes *self, struct sgl_source *first,
                         struct sgl_source *second)
{
    static const struct sgl_source_ops ops = {.next = next_row, .finished = finished};

    *self = (struct sgl_two_passes){.source = {.ops = &ops}, .first = first, .second = second};
}
