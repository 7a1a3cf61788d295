/*
 * learner.h - what an answer says of itself: token counts, queue time and length, and how a stream
 * ended. It looks at bytes that pass by and changes nothing.
 *
 *      answer   ... "meta_info": { ... } ...          SGLang's /generate
 *               ... "usage": { ... } ...              OpenAI's API
 *      stream   data: {...}\n\n data: {...}\n\n data: [DONE]\n\n      the last event has the counts
 *
 * Only the end of an answer is kept (SGL_LEARNER_KEPT bytes), and is looked at when the answer is
 * over: the last such object in it that is whole. Of a stream only the last SGL_LEARNER_EVENTS
 * events are searched, so that a long one costs no more than a short one. Within a JSON text an
 * object's key cannot be mistaken: in a string value its quotes would be escaped. What is not
 * there, or does not fit, is absent. Nothing is decoded but the numbers that are wanted.
 *
 *      field              from                                        else
 *      prompt_tokens      meta_info, usage                            absent
 *      output_tokens      meta_info, usage: completion_tokens         absent
 *      cached_tokens      meta_info; usage.prompt_tokens_details      absent
 *      queue_time_ns      meta_info: queue_time (s), or               absent
 *                         queue_time_end - queue_time_start (s)
 *      queue_length       meta_info                                   absent
 */
#ifndef SGL_LIVE_LEARNER_H
#define SGL_LIVE_LEARNER_H

#include "core/input.h"
#include "http_buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define SGL_LEARNER_KEPT ((size_t)32 * 1024)
#define SGL_LEARNER_EVENTS 4 /* the finish, the counts, and what some servers put between */

struct sgl_learner {
    bool is_stream; /* an event stream */
    struct sgl_buffer end;
};

void sgl_learner_begin(struct sgl_learner *learner, bool is_stream);

void sgl_learner_take(struct sgl_learner *learner, const char *bytes, size_t size);

/* The answer is over: fills in the five fields of `outcome`. For a stream, gives a word for how it
 * ended: NULL when it said [DONE] or its last event gave a finish_reason, "no_done" when not, or
 * "error_event" when its last event is an error. */
const char *sgl_learner_end(struct sgl_learner *learner, struct sgl_outcome *outcome);

void sgl_learner_release(struct sgl_learner *learner);

#endif
