/*
 * words.h - text that is one token a word: a blank and three letters of a common English word,
 * which the vocabularies of Llama, Qwen and GPT hold as one token. What the load client asks with
 * and the emulator answers with; needs no escaping in JSON.
 */
#ifndef SGL_LIVE_WORDS_H
#define SGL_LIVE_WORDS_H

#include <stdint.h>

#define SGL_WORD_BYTES 4
#define SGL_WORD_COUNT 64

/* One of them, by any number. */
const char *sgl_word(uint64_t number);

#endif
