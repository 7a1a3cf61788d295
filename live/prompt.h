/*
 * prompt.h - what a router may know of a request's body: the prefix ids of its prompt, the model
 * and the limit of tokens. Only for policies that look at them. No tree is made of the body: it is
 * checked in one pass, and then walked.
 *
 *      prompt     "You are a helpful assistant. ..."     bytes of /generate's text, completions'
 *                 |  block 0  |  block 1  | ...          prompt, all messages of a chat, or ids
 *      ids         h0 = H(key, 0, block 0), h1 = H(key, h0, block 1), ...
 *
 * Equal ids mean equal prompts up to the end of that block. H is SipHash-2-4 (Aumasson, Bernstein,
 * "SipHash: a fast short-input PRF", INDOCRYPT 2012) under a key drawn anew for each run: nobody
 * can make prompts that collide, or find out a prompt from the ids in a log. The last block may be
 * shorter. At most SGL_PROMPT_BLOCKS_MAX blocks are looked at: longer prompts are told apart by
 * their beginnings.
 */
#ifndef SGL_LIVE_PROMPT_H
#define SGL_LIVE_PROMPT_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_PROMPT_BLOCKS_MAX 16384

struct sgl_prompt_key {
    uint64_t words[2];
};

struct sgl_prompt {
    uint64_t *ids; /* owned */
    size_t id_count;
    size_t capacity;
    int64_t max_tokens; /* SGL_ABSENT: none */
    char *model;        /* owned; NULL: none */
};

/* Reads a body. SGL_EINVAL: it is no JSON object; SGL_ENOMEM. Release in any case. */
int sgl_prompt_read(struct sgl_prompt *prompt, const struct sgl_prompt_key *key, uint32_t block,
                    const char *body, size_t body_size, struct sgl_failure *failure);

void sgl_prompt_release(struct sgl_prompt *prompt);

/* SipHash-2-4 of the bytes. */
uint64_t sgl_siphash(const struct sgl_prompt_key *key, const void *bytes, size_t size);

#endif
