/* Gaps between tokens: counted by the workers' models, told to the sink. */
#include "sim/simulation_state.h"

#include <stdlib.h>

int sgl_simulation_open_gaps(struct sgl_simulation *self)
{
    const struct sgl_simulation_options *options = self->options;

    if (options->sink == NULL || !options->sink->wants_gaps)
        return SGL_OK;
    self->gaps = calloc(options->worker_count + (size_t)1, sizeof *self->gaps);
    self->is_warm_up = options->warm_up_requests > 0 || options->warm_up_ns > 0;
    return self->gaps != NULL ? SGL_OK : sgl_simulation_no_memory(self);
}

void sgl_simulation_close_gaps(struct sgl_simulation *self)
{
    for (uint32_t i = 0; self->gaps != NULL && i < self->options->worker_count; i++)
        sgl_gap_counter_release(&self->gaps[i]);
    free(self->gaps);
}

void sgl_simulation_settle_gaps(struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_simulated_worker *worker = &self->workers[index];

    if (self->gaps != NULL && worker->ops->settle_gaps != NULL)
        worker->ops->settle_gaps(worker->state, self->now_ns);
}

int sgl_simulation_tell_gaps(struct sgl_simulation *self)
{
    if (self->gaps == NULL)
        return SGL_OK;
    struct sgl_gap_class *classes = malloc(SGL_GAP_OCTAVES * SGL_GAP_CLASSES * sizeof *classes);
    bool is_out_of_memory = classes == NULL;

    for (uint32_t i = 0; i < self->options->worker_count && !is_out_of_memory; i++) {
        sgl_simulation_settle_gaps(self, i);
        const struct sgl_gaps gaps = {
            .worker = i,
            .is_warm_up = self->is_warm_up,
            .classes = classes,
            .class_count = sgl_gap_counter_classes(&self->gaps[i], classes),
        };
        is_out_of_memory = self->gaps[i].is_out_of_memory;
        if (gaps.class_count > 0 && !is_out_of_memory)
            self->options->sink->ops->gaps(self->options->sink, &gaps);
        sgl_gap_counter_release(&self->gaps[i]);
    }
    free(classes);
    return is_out_of_memory ? sgl_simulation_no_memory(self) : SGL_OK;
}

int sgl_simulation_end_warm_up(struct sgl_simulation *self, int64_t request)
{
    if (request < self->options->warm_up_requests || self->now_ns < self->options->warm_up_ns)
        return SGL_OK;
    const int status = sgl_simulation_tell_gaps(self);
    self->is_warm_up = false;
    return status;
}
