/*
 * load_body.h - requests that ask for so many tokens and get so many.
 *
 * A prompt is made of words, each a blank and three letters, so four bytes. They are common
 * English words that the vocabularies of Llama, Qwen and GPT hold as one token with the blank; the
 * emulator counts four bytes a token. So a prompt of n words has n tokens: exactly for the
 * emulator, nearly (a token at the start, the chat template) for a model. Token ids are sent where
 * the count must be exact for any vocabulary: they are drawn from [1000, 21000).
 *
 *     prefix ids   [17]            [4]             [9]
 *     prompt       words of 17     words of 4      words of 9, cut at the prompt's end
 *                  |- block ------||- block ------||- ..
 *
 * Word i of a block is a function of its id and i alone: equal ids give equal text, so a cache
 * finds what the trace says it would. The block is the trace's prefix_block; where it is not
 * stated the ids share the prompt evenly, as in the simulated worker. Without ids the words are a
 * function of (seed, request): prompts share nothing.
 *
 * Asked for are the trace's output tokens, with ignore_eos, so that a model gives all of them.
 */
#ifndef SGL_LIVE_LOAD_BODY_H
#define SGL_LIVE_LOAD_BODY_H

#include "live/load.h"

struct sgl_load_body {
    char *bytes; /* owned, JSON */
    size_t size;
    size_t prompt_bytes; /* of the prompt's text; 0 when ids were sent */
};

/* SGL_OK or SGL_ENOMEM. `request_id` is what the request is called, on the wire too. */
int sgl_load_body_make(struct sgl_load_body *body, const struct sgl_load_options *options,
                       const struct sgl_trace_row *row, const char *request_id);

/* The path that requests of this kind go to. */
const char *sgl_load_path(enum sgl_load_api api);

#endif
