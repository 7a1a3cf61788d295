/*
 * emulate_request.h - what a client asks an emulated worker for: a JSON body, as a job.
 *
 *     /generate              text, or input_ids; sampling_params.max_new_tokens (128); rid
 *     /v1/chat/completions   the texts of messages[].content, one after the other; max_tokens
 *     /v1/completions        prompt, a text or token ids; max_tokens
 *
 * Tokens of a prompt: input_ids are counted; of a text every four bytes are one, and what is left
 * over is one more. A chat template counts for nothing, nor do images.
 *
 * Prefix ids: a prompt is cut in blocks of `prefix_block` tokens. The id of a block is a hash of
 * its bytes (or ids) and of the id before it, so equal ids mean equal prompts up to there:
 *
 *     id(0) = mix(FNV-1a(block 0))     id(i) = mix(id(i-1) xor FNV-1a(block i))
 *
 * FNV-1a is that of Fowler, Noll and Vo (RFC 9923, 64 bits), mix the finalizer of SplitMix64. The
 * last block may be short; its length is hashed with it.
 *
 * Errors: SGL_EINVAL with a text for the client, who gets a 400.
 */
#ifndef SGL_LIVE_EMULATE_REQUEST_H
#define SGL_LIVE_EMULATE_REQUEST_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sgl_emulate_api {
    SGL_EMULATE_GENERATE,
    SGL_EMULATE_CHAT,
    SGL_EMULATE_COMPLETIONS,
};

struct sgl_emulate_request {
    enum sgl_emulate_api api;
    bool is_streaming;
    bool wants_usage; /* stream_options.include_usage */
    char *id;         /* owned, as the next three; quoted JSON texts, ready to be sent */
    char *model;
    char *rid; /* the id as it is; NULL: none was given */
    uint64_t *prefix_ids;
    size_t prefix_count;
    int64_t prompt_tokens;
    int64_t max_tokens;
};

/* `number` makes an id for a request that has none; `model` is that of the worker. Release it when
 * it was read. SGL_EINVAL or SGL_ENOMEM leave nothing to release. */
int sgl_emulate_request_read(struct sgl_emulate_request *request, enum sgl_emulate_api api,
                             const char *body, size_t size, uint32_t prefix_block, uint64_t number,
                             const char *model, struct sgl_failure *failure);

void sgl_emulate_request_release(struct sgl_emulate_request *request);

#endif
