/*
 * What a driver asks of the engine for clients: tokens as they come, and who leaves.
 *
 * SGLang marks a request that is aborted, and it ends as by a stop token: one that decodes with the
 * step under way, one that is being prefilled when its prompt is computed (abort_request of
 * python/sglang/srt/managers/scheduler.py).
 *
 * vLLM takes out who has left when the step under way has ended, whatever it did for it
 * (_process_aborts_queue of vllm/v1/engine/core.py, before update_from_output). Planning ahead, the
 * next step is planned by then, and computes for it once more; the one behind that has its place
 * and its memory:
 *
 *     time      |-- step 4 --|-- step 5 --|-- step 6 --|
 *     planned   5       x    6            7                 x leaves in step 4, and is computed, or
 *                                                           even let in, in step 5; 6 is planned
 *                                                           without it
 *
 * A step is formed when it begins, though the plan is older. So who leaves before that is kept in
 * mind (`leaving`) until the step is formed, and then ends with it, or, if it waits, at once.
 */
#include "sim/models/engine.h"

#include <assert.h>
#include <stdlib.h>

#define LEAVING_FIRST 8

void sgl_engine_tokens(const void *state,
                       void (*tell)(void *context, uint32_t handle, int64_t tokens), void *context)
{
    const struct sgl_engine *self = state;

    for (uint32_t i = 0; i < self->running.count; i++) {
        const uint32_t job = sgl_finish_order_at(&self->running, i)->job;
        tell(context, sgl_engine_at(self, job)->handle, sgl_engine_given(self, job));
    }
}

/* ---- ending sooner ----------------------------------------------------------------------- */

/* The index of a running job; running.count: there is none with that handle. */
static uint32_t find_running(const struct sgl_engine *engine, uint32_t handle)
{
    uint32_t i = 0;

    while (i < engine->running.count &&
           sgl_engine_at(engine, sgl_finish_order_at(&engine->running, i)->job)->handle != handle)
        i++;
    return i;
}

/* The running job at `index` has `left` more steps, or fewer. */
static void end_sooner(struct sgl_engine *engine, uint32_t index, int64_t left)
{
    struct sgl_finish sooner = *sgl_finish_order_at(&engine->running, index);
    struct sgl_engine_job *job = sgl_engine_at(engine, sooner.job);
    const int64_t expected = (uint32_t)(sooner.step - (uint32_t)engine->decode_step);

    if (left >= expected)
        return;
    const uint32_t fewer = (uint32_t)(expected - left);
    sooner.step -= fewer;
    job->last_step = sooner.step;
    job->output_tokens -= fewer;
    sgl_finish_order_remove(&engine->running, index);
    sgl_finish_order_add(&engine->running, &sooner);
}

/* The job of that handle that has a chunk in the step under way, or the one being formed; NULL:
 * there is none. */
static struct sgl_engine_job *find_chunk(const struct sgl_engine *engine, uint32_t handle)
{
    for (uint32_t i = 0; i < engine->chunk_count; i++) {
        struct sgl_engine_job *job = sgl_engine_at(engine, engine->chunks[i].job);
        if (job->handle == handle)
            return job;
    }
    return NULL;
}

/* ---- sglang ------------------------------------------------------------------------------ */

/* Being prefilled: it gives nothing more, so it ends with what is computed. */
static void stop_prefill(struct sgl_engine *engine, uint32_t handle)
{
    struct sgl_engine_job *job = engine->is_stepping ? find_chunk(engine, handle) : NULL;

    if (job == NULL && engine->partial != SGL_ENGINE_NO_JOB)
        job = sgl_engine_at(engine, engine->partial);
    if (job != NULL && job->handle == handle)
        job->output_tokens = job->emitted;
}

/* `left`: the step under way is its last, or the one that begins now. */
static bool leave_sglang(struct sgl_engine *engine, uint32_t handle, int64_t left)
{
    if (sgl_engine_drop_waiting(engine, handle, false))
        return true;
    const uint32_t index = find_running(engine, handle);
    if (index < engine->running.count)
        end_sooner(engine, index, left);
    else
        stop_prefill(engine, handle);
    return false;
}

/* ---- vllm -------------------------------------------------------------------------------- */

/* One that runs or is being prefilled ends in `left` steps, and is computed until then. False: it
 * does neither. */
static bool abandon(struct sgl_engine *engine, uint32_t handle, int64_t left)
{
    const uint32_t index = find_running(engine, handle);

    if (index < engine->running.count) {
        const uint32_t job = sgl_finish_order_at(&engine->running, index)->job;
        sgl_engine_at(engine, job)->is_abandoned = true;
        end_sooner(engine, index, left);
        return true;
    }
    struct sgl_engine_job *job = find_chunk(engine, handle);
    if (job == NULL)
        return false;
    job->is_abandoned = true;
    job->output_tokens = job->emitted;
    return true;
}

static void keep_in_mind(struct sgl_engine *engine, uint32_t handle)
{
    struct sgl_engine_leaving *leaving = &engine->leaving;

    engine->has_leaving = true;
    if (leaving->count == leaving->capacity) {
        const uint32_t capacity = leaving->capacity > 0 ? 2 * leaving->capacity : LEAVING_FIRST;
        uint32_t *handles = realloc(leaving->handles, capacity * sizeof *handles);
        if (handles == NULL) {
            leaving->is_out_of_memory = true;
            return;
        }
        leaving->handles = handles;
        leaving->capacity = capacity;
    }
    leaving->handles[leaving->count++] = handle;
}

/* Between two steps the next one counts as under way. */
static bool leave_vllm(struct sgl_engine *engine, uint32_t handle, int64_t now_ns)
{
    if (sgl_engine_drop_waiting(engine, handle, engine->is_ahead))
        return true;
    if (engine->is_ahead || !engine->is_stepping || sgl_moment_ns(engine->end) <= now_ns ||
        !abandon(engine, handle, engine->step_count))
        keep_in_mind(engine, handle);
    return false;
}

void sgl_engine_has_left(struct sgl_engine *engine, uint32_t handle)
{
    struct sgl_engine_leaving *leaving = &engine->leaving;
    uint32_t i = 0;

    while (i < leaving->count && leaving->handles[i] != handle)
        i++;
    if (i == leaving->count)
        return;
    leaving->count--;
    for (; i < leaving->count; i++)
        leaving->handles[i] = leaving->handles[i + 1];
    engine->has_leaving = leaving->count > 0 || leaving->is_out_of_memory;
}

int sgl_engine_see_leaving(struct sgl_engine *engine)
{
    struct sgl_engine_leaving *leaving = &engine->leaving;
    int status = SGL_OK;

    if (leaving->is_out_of_memory)
        return SGL_ENOMEM;
    for (uint32_t i = 0; i < leaving->count; i++) {
        const uint32_t handle = leaving->handles[i];
        if (abandon(engine, handle, 1))
            continue;
        const bool has_waited = sgl_engine_drop_waiting(engine, handle, false);
        assert(has_waited);
        (void)has_waited;
        status = 1;
        sgl_engine_tell(engine, SGL_WORKER_FORGET, handle, sgl_moment_ns(engine->start));
    }
    leaving->count = 0;
    engine->has_leaving = false;
    return status;
}

void sgl_engine_abandon_chunk(struct sgl_engine *engine, uint32_t job)
{
    const struct sgl_engine_job self = *sgl_engine_at(engine, job);

    if (engine->partial == job)
        engine->partial = SGL_ENGINE_NO_JOB;
    engine->admitted--;
    engine->is_full = false;
    sgl_engine_keep_answer(engine, job, self.prefilled);
    sgl_engine_let_go(engine, job, self.prefilled);
    sgl_engine_forget(engine, job);
    sgl_engine_tell(engine, SGL_WORKER_FORGET, self.handle, sgl_moment_ns(engine->end));
}

/* ---- both -------------------------------------------------------------------------------- */

bool sgl_engine_cancel(void *state, int64_t now_ns, uint32_t handle)
{
    struct sgl_engine *self = state;

    if (sgl_engine_release_kept(self, handle))
        return true;
    const bool is_leap = self->is_stepping && self->chunk_count == 0;
    int64_t left = 1; /* steps to the end of the one under way, or of the one that begins now */

    /* What it leaves behind may let in one that waits: at the next boundary. */
    if (is_leap) {
        sgl_engine_cut_leap(self, now_ns);
        left = self->step_count + (sgl_moment_ns(self->end) <= now_ns);
    }
    return self->scheduler == &sgl_engine_vllm ? leave_vllm(self, handle, now_ns)
                                               : leave_sglang(self, handle, left);
}
