#include "prompt.h"

#include "core/absent.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX 4096

/* ---- SipHash-2-4 ---- */

static uint64_t rotated(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[0] = rotated(v[0], 32);
    v[2] += v[3];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[2] = rotated(v[2], 32);
}

static uint64_t little_endian(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

uint64_t sgl_siphash(const struct sgl_prompt_key *key, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t v[4] = {
        key->words[0] ^ UINT64_C(0x736f6d6570736575),
        key->words[1] ^ UINT64_C(0x646f72616e646f6d),
        key->words[0] ^ UINT64_C(0x6c7967656e657261),
        key->words[1] ^ UINT64_C(0x7465646279746573),
    };

    for (size_t left = size; left >= 8; left -= 8, at += 8) {
        const uint64_t word = little_endian(at, 8);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    const uint64_t last = (uint64_t)size << 56 | little_endian(at, size % 8);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- blocks ---- */

/* The block in the making: the id before it, then its bytes. */
struct chain {
    struct sgl_prompt *prompt;
    const struct sgl_prompt_key *key;
    size_t block;
    size_t filled;
    bool has_failed;
    unsigned char bytes[8 + BLOCK_MAX];
};

static bool is_full(const struct chain *chain)
{
    return chain->has_failed || chain->prompt->id_count >= SGL_PROMPT_BLOCKS_MAX;
}

static void end_block(struct chain *chain)
{
    struct sgl_prompt *prompt = chain->prompt;

    if (chain->filled == 0 || is_full(chain))
        return;
    if (prompt->id_count == prompt->capacity) {
        const size_t capacity = prompt->capacity == 0 ? 64 : 2 * prompt->capacity;
        uint64_t *grown = realloc(prompt->ids, capacity * sizeof *grown);
        if (grown == NULL) {
            chain->has_failed = true;
            return;
        }
        prompt->ids = grown;
        prompt->capacity = capacity;
    }
    const uint64_t id = sgl_siphash(chain->key, chain->bytes, 8 + chain->filled);
    prompt->ids[prompt->id_count++] = id;
    for (size_t i = 0; i < 8; i++)
        chain->bytes[i] = (unsigned char)(id >> 8 * i);
    chain->filled = 0;
}

static void add_bytes(struct chain *chain, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    while (size > 0 && !is_full(chain)) {
        const size_t room = chain->block - chain->filled;
        const size_t taken = size < room ? size : room;
        memcpy(chain->bytes + 8 + chain->filled, at, taken);
        chain->filled += taken;
        at += taken;
        size -= taken;
        if (chain->filled == chain->block)
            end_block(chain);
    }
}

static void add_string(struct chain *chain, const json_t *value)
{
    if (json_is_string(value))
        add_bytes(chain, json_string_value(value), json_string_length(value));
}

/* A text, a list of texts, a list of token ids, or a list of such lists. */
static void add_prompt(struct chain *chain, const json_t *value)
{
    size_t i;
    const json_t *member;

    add_string(chain, value);
    if (!json_is_array(value))
        return;
    json_array_foreach(value, i, member)
    {
        size_t j;
        const json_t *inner;
        const double number = json_real_value(member);
        if (is_full(chain))
            return;
        add_string(chain, member);
        if (json_is_real(member))
            add_bytes(chain, &number, sizeof number);
        if (!json_is_array(member))
            continue;
        json_array_foreach(member, j, inner)
        {
            const double id = json_real_value(inner);
            if (json_is_real(inner))
                add_bytes(chain, &id, sizeof id);
        }
    }
}

/* Role and content of each message; of content in parts, the texts. */
static void add_messages(struct chain *chain, const json_t *messages)
{
    size_t i;
    const json_t *message;

    json_array_foreach(messages, i, message)
    {
        const json_t *content = json_object_get(message, "content");
        size_t j;
        const json_t *part;
        if (is_full(chain))
            return;
        add_string(chain, json_object_get(message, "role"));
        add_bytes(chain, "\n", 1);
        add_string(chain, content);
        json_array_foreach(content, j, part) add_string(chain, json_object_get(part, "text"));
        add_bytes(chain, "\n", 1);
    }
}

static void read_limit(struct sgl_prompt *prompt, const json_t *value)
{
    const double number = json_real_value(value);

    if (json_is_real(value) && number >= 0 && number <= 0x1p53 && floor(number) == number)
        prompt->max_tokens = (int64_t)number;
}

int sgl_prompt_read(struct sgl_prompt *prompt, const struct sgl_prompt_key *key, uint32_t block,
                    const char *body, size_t body_size, struct sgl_failure *failure)
{
    json_error_t error;
    /* Integers of any length are JSON, and not ours to refuse: as doubles they all fit. */
    json_t *root = json_loadb(body, body_size, JSON_DECODE_INT_AS_REAL, &error);
    struct chain chain = {.prompt = prompt, .key = key, .block = block};

    prompt->id_count = 0;
    prompt->max_tokens = SGL_ABSENT;
    if (!json_is_object(root)) {
        const bool is_json = root != NULL;
        json_decref(root);
        return is_json ? sgl_fail(failure, SGL_EINVAL, "the body is not a JSON object")
                       : sgl_fail(failure, SGL_EINVAL, "the body is not JSON: %s (byte %d)",
                                  error.text, error.position);
    }
    add_messages(&chain, json_object_get(root, "messages"));
    add_prompt(&chain, json_object_get(root, "text"));
    add_prompt(&chain, json_object_get(root, "prompt"));
    add_prompt(&chain, json_object_get(root, "input_ids"));
    end_block(&chain);
    read_limit(prompt, json_object_get(root, "max_tokens"));
    read_limit(prompt, json_object_get(root, "max_completion_tokens"));
    read_limit(prompt, json_object_get(json_object_get(root, "sampling_params"), "max_new_tokens"));
    const char *model = json_string_value(json_object_get(root, "model"));
    free(prompt->model);
    prompt->model = model != NULL ? strdup(model) : NULL;
    chain.has_failed = chain.has_failed || (model != NULL && prompt->model == NULL);
    json_decref(root);
    return chain.has_failed ? sgl_fail(failure, SGL_ENOMEM, "out of memory") : SGL_OK;
}

void sgl_prompt_release(struct sgl_prompt *prompt)
{
    free(prompt->ids);
    free(prompt->model);
    *prompt = (struct sgl_prompt){0};
}
