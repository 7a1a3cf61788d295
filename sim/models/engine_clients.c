/* What a driver in real time asks of the engine: tokens as they come, and clients that leave. */
#include "sim/models/engine.h"

void sgl_engine_tokens(const void *state,
                       void (*tell)(void *context, uint32_t handle, int64_t tokens), void *context)
{
    const struct sgl_engine *self = state;

    for (uint32_t i = 0; i < self->running.count; i++) {
        const uint32_t job = self->running.heap[i].item;
        tell(context, self->jobs[job].handle, sgl_engine_given(self, job));
    }
}

static const struct sgl_event *find_running(const struct sgl_engine *engine, uint32_t handle)
{
    for (uint32_t i = 0; i < engine->running.count; i++)
        if (engine->jobs[engine->running.heap[i].item].handle == handle)
            return &engine->running.heap[i];
    return NULL;
}

/* Being prefilled: it gives nothing more, so it ends with what is computed. */
static void stop_prefill(struct sgl_engine *engine, uint32_t handle)
{
    if (engine->partial != SGL_ENGINE_NO_JOB && engine->jobs[engine->partial].handle == handle)
        engine->jobs[engine->partial].output_tokens = engine->jobs[engine->partial].emitted;
    for (uint32_t i = 0; engine->is_stepping && i < engine->chunk_count; i++) {
        struct sgl_engine_job *job = &engine->jobs[engine->chunks[i].job];
        if (job->handle == handle)
            job->output_tokens = job->emitted;
    }
}

bool sgl_engine_cancel(void *state, int64_t now_ns, uint32_t handle)
{
    struct sgl_engine *self = state;

    if (sgl_engine_release_kept(self, handle))
        return true;
    const bool is_leap = self->is_stepping && self->chunk_count == 0;

    /* What it leaves behind may let in one that waits: at the next boundary. */
    if (is_leap)
        sgl_engine_cut_leap(self, now_ns);
    if (sgl_engine_drop_waiting(self, handle))
        return true;
    const struct sgl_event *last = find_running(self, handle);
    if (last == NULL) {
        stop_prefill(self, handle);
        return false;
    }
    struct sgl_event sooner = *last;
    sooner.time =
        self->decode_step + (self->is_stepping && self->is_decoding ? self->step_count : 1);
    if (sooner.time < last->time) {
        self->jobs[last->item].output_tokens -= (uint32_t)(last->time - sooner.time);
        sgl_event_queue_set(&self->running, &sooner);
    }
    return false;
}
