#include "emulate_prompt.h"

#include "core/rng.h"

#include <inttypes.h>
#include <stdlib.h>

#define BYTES_OF_TOKEN 4
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* Room for one more of `size` bytes; the array, or NULL without memory. */
static void *make_room(struct sgl_emulate_prompt *prompt, void *array, size_t count,
                       size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    void *grown = realloc(array, (2 * *capacity + 64) * size);
    if (grown == NULL)
        prompt->is_short_of_memory = true;
    else
        *capacity = 2 * *capacity + 64;
    return grown;
}

static void close_block(struct sgl_emulate_prompt *prompt)
{
    if (prompt->filled == 0)
        return;
    uint64_t *ids = make_room(prompt, prompt->prefix_ids, prompt->prefix_count,
                              &prompt->prefix_capacity, sizeof *ids);
    if (ids == NULL)
        return;
    prompt->prefix_ids = ids;
    prompt->last = sgl_rng_finalize(prompt->last ^ prompt->hash ^ prompt->filled);
    ids[prompt->prefix_count++] = prompt->last;
    prompt->hash = FNV_START;
    prompt->filled = 0;
}

static void close_token(struct sgl_emulate_prompt *prompt)
{
    uint32_t *ids = make_room(prompt, prompt->token_ids, prompt->token_count,
                              &prompt->token_capacity, sizeof *ids);

    if (ids == NULL)
        return;
    prompt->token_ids = ids;
    ids[prompt->token_count++] = prompt->token;
    prompt->token = 0;
}

void sgl_emulate_prompt_begin(struct sgl_emulate_prompt *prompt, uint32_t prefix_block,
                              bool keeps_tokens)
{
    *prompt = (struct sgl_emulate_prompt){
        .block_bytes = (size_t)prefix_block * BYTES_OF_TOKEN,
        .keeps_tokens = keeps_tokens,
        .hash = FNV_START,
    };
}

void sgl_emulate_prompt_add(struct sgl_emulate_prompt *prompt, const char *text, size_t size)
{
    for (size_t i = 0; i < size && !prompt->is_short_of_memory; i++) {
        const unsigned char byte = (unsigned char)text[i];
        prompt->hash = (prompt->hash ^ byte) * FNV_PRIME;
        if (++prompt->filled == prompt->block_bytes)
            close_block(prompt);
        prompt->token |= (uint32_t)byte << (8 * (prompt->bytes % BYTES_OF_TOKEN));
        if (++prompt->bytes % BYTES_OF_TOKEN == 0) {
            if (prompt->keeps_tokens)
                close_token(prompt);
            prompt->token = 0;
        }
    }
}

int sgl_emulate_prompt_add_ids(struct sgl_emulate_prompt *prompt, const json_t *ids,
                               struct sgl_failure *failure)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const uint32_t value = (uint32_t)json_integer_value(id);
        const char bytes[BYTES_OF_TOKEN] = {(char)(value & 0xff), (char)(value >> 8 & 0xff),
                                            (char)(value >> 16 & 0xff), (char)(value >> 24)};
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > UINT32_MAX)
            return sgl_fail(failure, SGL_EINVAL,
                            "a token id is no whole number, expected one of 0 "
                            "to 4294967295");
        sgl_emulate_prompt_add(prompt, bytes, sizeof bytes);
    }
    return SGL_OK;
}

int sgl_emulate_prompt_end(struct sgl_emulate_prompt *prompt, struct sgl_failure *failure)
{
    close_block(prompt);
    if (prompt->keeps_tokens && prompt->bytes % BYTES_OF_TOKEN > 0)
        close_token(prompt);
    if (prompt->is_short_of_memory)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    prompt->tokens = (int64_t)((prompt->bytes + BYTES_OF_TOKEN - 1) / BYTES_OF_TOKEN);
    if (prompt->tokens > SGL_EMULATE_TOKENS_MAX)
        return sgl_fail(failure, SGL_EINVAL,
                        "the prompt has %" PRId64 " tokens, expected at most "
                        "%" PRId64,
                        prompt->tokens, SGL_EMULATE_TOKENS_MAX);
    return SGL_OK;
}

void sgl_emulate_prompt_release(struct sgl_emulate_prompt *prompt)
{
    free(prompt->prefix_ids);
    free(prompt->token_ids);
    *prompt = (struct sgl_emulate_prompt){0};
}
