/*
 * load_answer.h - an answer as it comes in: when its tokens came, and what it says of itself.
 *
 *     bytes --> lines --> "data: {...}"  --> tokens, usage, stamps      (streaming: SSE)
 *     bytes ------------> one JSON text ---> usage, stamps              (else, at the end)
 *
 * /generate counts its tokens in every event (meta_info.completion_tokens), so an event may bring
 * several: they share the gap since the event before. Events of the OpenAI API bring one token when
 * they have any text, and the whole count at the end (usage).
 *
 * An answer is whole when it gave a finish_reason, or said [DONE]. A reason "abort", an `error` and
 * an answer that is not what the API gives are kinds of error (load.h). Memory is bounded: an event
 * or an answer over 64 MiB is malformed.
 */
#ifndef SGL_LIVE_LOAD_ANSWER_H
#define SGL_LIVE_LOAD_ANSWER_H

#include "live/load.h"

struct sgl_load_answer {
    const struct sgl_load_options *options;

    char *text; /* the line, or the answer, as far as it is here */
    size_t size;
    size_t capacity;

    int64_t first_token_ns; /* by the clock of the caller; SGL_ABSENT before */
    int64_t last_token_ns;
    int64_t output_tokens; /* counted, or as the server said */
    int64_t prompt_tokens; /* SGL_ABSENT until said; so the next */
    int64_t cached_tokens;
    double server_created_s; /* epoch s; NaN until said; so the next two */
    double queue_start_s;
    double queue_end_s;
    bool has_text;
    bool is_finished;
    const char *error; /* a kind; NULL: none so far */
};

void sgl_load_answer_begin(struct sgl_load_answer *answer, const struct sgl_load_options *options);

/* Bytes of a body with status 200. SGL_ENOMEM leaves the answer as it was. */
int sgl_load_answer_take(struct sgl_load_answer *answer, const char *bytes, size_t size,
                         int64_t now_ns);

/* The body has ended: `error` says what is wrong with it, if anything is. */
void sgl_load_answer_end(struct sgl_load_answer *answer, int64_t now_ns);

void sgl_load_answer_release(struct sgl_load_answer *answer);

#endif
