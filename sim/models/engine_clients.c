/* What a driver in real time asks of the engine: tokens as they come, and clients that leave. */
#include "sim/models/engine.h"

void sgl_engine_tokens(const void *state,
                       void (*tell)(void *context, uint32_t handle, int64_t tokens), void *context)
{
    const struct sgl_engine *self = state;

    for (uint32_t i = 0; i < self->running.count; i++) {
        const uint32_t job = sgl_finish_order_at(&self->running, i)->job;
        tell(context, sgl_engine_at(self, job)->handle, sgl_engine_given(self, job));
    }
}

/* The index of a running job; running.count: there is none with that handle. */
static uint32_t find_running(const struct sgl_engine *engine, uint32_t handle)
{
    uint32_t i = 0;

    while (i < engine->running.count &&
           sgl_engine_at(engine, sgl_finish_order_at(&engine->running, i)->job)->handle != handle)
        i++;
    return i;
}

/* The running job at `index` ends `fewer` steps sooner. */
static void end_sooner(struct sgl_engine *engine, uint32_t index, uint32_t fewer)
{
    struct sgl_finish sooner = *sgl_finish_order_at(&engine->running, index);
    struct sgl_engine_job *job = sgl_engine_at(engine, sooner.job);

    sooner.step -= fewer;
    job->last_step = sooner.step;
    job->output_tokens -= fewer;
    sgl_finish_order_remove(&engine->running, index);
    sgl_finish_order_add(&engine->running, &sooner);
}

/* Being prefilled: it gives nothing more, so it ends with what is computed. */
static void stop_prefill(struct sgl_engine *engine, uint32_t handle)
{
    if (engine->partial != SGL_ENGINE_NO_JOB &&
        sgl_engine_at(engine, engine->partial)->handle == handle)
        sgl_engine_at(engine, engine->partial)->output_tokens =
            sgl_engine_at(engine, engine->partial)->emitted;
    for (uint32_t i = 0; engine->is_stepping && i < engine->chunk_count; i++) {
        struct sgl_engine_job *job = sgl_engine_at(engine, engine->chunks[i].job);
        if (job->handle == handle)
            job->output_tokens = job->emitted;
    }
}

/* Steps of the leap under way that have ended. When it was cut to end now, all have. */
static int64_t steps_ended(const struct sgl_engine *engine, int64_t now_ns)
{
    return sgl_moment_ns(engine->end) <= now_ns
               ? engine->step_count
               : (int64_t)(sgl_engine_steps(engine, now_ns) - engine->steps);
}

bool sgl_engine_cancel(void *state, int64_t now_ns, uint32_t handle)
{
    struct sgl_engine *self = state;

    if (sgl_engine_release_kept(self, handle))
        return true;
    const bool is_leap = self->is_stepping && self->chunk_count == 0;
    /* The step under way is its last, or the one that begins now. */
    const int64_t left = is_leap ? steps_ended(self, now_ns) + 1 : 1;

    /* What it leaves behind may let in one that waits: at the next boundary. */
    if (is_leap)
        sgl_engine_cut_leap(self, now_ns);
    if (sgl_engine_drop_waiting(self, handle))
        return true;
    const uint32_t index = find_running(self, handle);
    if (index == self->running.count) {
        stop_prefill(self, handle);
        return false;
    }
    const uint32_t last_step = sgl_finish_order_at(&self->running, index)->step;
    const int64_t expected = (uint32_t)(last_step - (uint32_t)self->decode_step);
    if (left < expected)
        end_sooner(self, index, (uint32_t)(expected - left));
    return false;
}
