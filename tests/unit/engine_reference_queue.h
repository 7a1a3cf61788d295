/*
 * engine_reference_queue.h - the part of the reference engine that is about who waits and who waits
 * again: lists that are searched from end to end.
 */
#ifndef SGL_TESTS_ENGINE_REFERENCE_QUEUE_H
#define SGL_TESTS_ENGINE_REFERENCE_QUEUE_H

#include "engine_reference_cache.h"

/* In prefill or decode. */
static inline bool sgl_reference_is_running(const struct sgl_reference *one)
{
    return one->is_admitted && !one->is_finished;
}

static inline bool sgl_reference_is_decoding(const struct sgl_reference *one)
{
    return sgl_reference_is_running(one) && one->done == one->goal;
}

int64_t sgl_reference_count_decoding(const struct sgl_reference_world *world);

/* At the end of the queue, or of its class. */
void sgl_reference_put_last(struct sgl_reference_world *world, size_t request);

/* Those whose patience ends by then: who waits is forgotten, unless a plan knows it; who decodes
 * gives one more token; a prompt is computed to its end (sglang), or as far as the step under way
 * gets. `is_in_step`: one is under way. */
void sgl_reference_leave(struct sgl_reference_world *world, int64_t until_ns, bool is_in_step);

/* vllm: the next step is planned. Those who have left without the plan's knowledge end with that
 * step, or at once: did one of them wait? */
bool sgl_reference_see_leaving(struct sgl_reference_world *world);

/* Pages that one token for each of those that decode takes. */
int64_t sgl_reference_decode_need(const struct sgl_reference_world *world);

/* sglang: takes back until a decode step fits, with some room. Says whether anybody was. */
bool sgl_reference_retract(struct sgl_reference_world *world);

/* vllm: takes one back. */
void sgl_reference_preempt(struct sgl_reference_world *world);

/* What a request may still give, as estimates have it. */
int64_t sgl_reference_clip(struct sgl_reference_world *world, const struct sgl_reference *one);

/* sglang: makes a place for this one, the head of the queue: is there one now? */
bool sgl_reference_take_places(struct sgl_reference_world *world, const struct sgl_reference *self,
                               int64_t batch_estimate);

#endif
