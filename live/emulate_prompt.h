/*
 * emulate_prompt.h - a prompt as an emulated worker sees it: tokens, and ids of its prefixes.
 *
 * Tokens: ids are counted; of a text every four bytes are one, and what is left over is one more.
 * A prompt put together of several texts is counted as one text. A token's id is its four bytes as
 * a number, the first the lowest.
 *
 * Prefix ids: a prompt is cut in blocks of `prefix_block` tokens. The id of a block is a hash of
 * its bytes (or ids) and of the id before it, so equal ids mean equal prompts up to there:
 *
 *     id(0) = mix(FNV-1a(block 0))     id(i) = mix(id(i-1) xor FNV-1a(block i))
 *
 * FNV-1a is that of Fowler, Noll and Vo (RFC 9923, 64 bits), mix the finalizer of SplitMix64
 * (core/rng.h). The last block may be short; its length is hashed with it.
 *
 * Errors: SGL_EINVAL with a text for the client, SGL_ENOMEM.
 */
#ifndef SGL_LIVE_EMULATE_PROMPT_H
#define SGL_LIVE_EMULATE_PROMPT_H

#include "core/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_EMULATE_TOKENS_MAX (INT64_C(1) << 24)

struct sgl_emulate_prompt {
    uint64_t *prefix_ids;
    size_t prefix_count;
    uint32_t *token_ids; /* only when they are kept */
    int64_t tokens;

    /* While it is put together. */
    bool keeps_tokens;
    bool is_short_of_memory;
    size_t block_bytes;
    size_t prefix_capacity;
    size_t token_capacity;
    size_t token_count;
    uint64_t hash; /* of the block so far */
    uint64_t last; /* id of the block before */
    size_t filled; /* bytes of the block so far */
    size_t bytes;
    uint32_t token; /* so far */
};

/* Logprobs need the ids of tokens: `keeps_tokens`. Release it in any case. */
void sgl_emulate_prompt_begin(struct sgl_emulate_prompt *prompt, uint32_t prefix_block,
                              bool keeps_tokens);

void sgl_emulate_prompt_add(struct sgl_emulate_prompt *prompt, const char *text, size_t size);

/* A list of token ids. */
int sgl_emulate_prompt_add_ids(struct sgl_emulate_prompt *prompt, const json_t *ids,
                               struct sgl_failure *failure);

int sgl_emulate_prompt_end(struct sgl_emulate_prompt *prompt, struct sgl_failure *failure);

void sgl_emulate_prompt_release(struct sgl_emulate_prompt *prompt);

#endif
