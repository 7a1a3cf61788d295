#include "prompt.h"

#include "core/absent.h"

#include "json_check.h"
#include "json_scan.h"
#include "traces/decimal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX 4096
#define LIMIT_MAX (INT64_C(1) << 53)

/* ---- SipHash-2-4 ---- */

static uint64_t rotated(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* The state is four words, not an array: so it stays in registers. */
static inline void sip_round(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d)
{
    *a += *b;
    *b = rotated(*b, 13) ^ *a;
    *a = rotated(*a, 32);
    *c += *d;
    *d = rotated(*d, 16) ^ *c;
    *a += *d;
    *d = rotated(*d, 21) ^ *a;
    *c += *b;
    *b = rotated(*b, 17) ^ *c;
    *c = rotated(*c, 32);
}

static inline uint64_t eight_bytes(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

static inline void put_eight_bytes(unsigned char *at, uint64_t word)
{
    at[0] = (unsigned char)word;
    at[1] = (unsigned char)(word >> 8);
    at[2] = (unsigned char)(word >> 16);
    at[3] = (unsigned char)(word >> 24);
    at[4] = (unsigned char)(word >> 32);
    at[5] = (unsigned char)(word >> 40);
    at[6] = (unsigned char)(word >> 48);
    at[7] = (unsigned char)(word >> 56);
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
    uint64_t a = key->words[0] ^ UINT64_C(0x736f6d6570736575);
    uint64_t b = key->words[1] ^ UINT64_C(0x646f72616e646f6d);
    uint64_t c = key->words[0] ^ UINT64_C(0x6c7967656e657261);
    uint64_t d = key->words[1] ^ UINT64_C(0x7465646279746573);

    for (size_t left = size; left >= 8; left -= 8, at += 8) {
        const uint64_t word = eight_bytes(at);
        d ^= word;
        sip_round(&a, &b, &c, &d);
        sip_round(&a, &b, &c, &d);
        a ^= word;
    }
    const uint64_t last = (uint64_t)size << 56 | little_endian(at, size % 8);
    d ^= last;
    sip_round(&a, &b, &c, &d);
    sip_round(&a, &b, &c, &d);
    a ^= last;
    c ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&a, &b, &c, &d);
    return a ^ b ^ c ^ d;
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
    put_eight_bytes(chain->bytes, id);
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

/* ---- values of the body, which is known to be JSON ---- */

struct body {
    const char *text;
    size_t size;
};

static bool is_string(const struct body *body, struct sgl_json_span value)
{
    return value.end > value.begin && body->text[value.begin] == '"';
}

static unsigned hex_code(const char *digits)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)digits[i];
        code = 16 * code + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return code;
}

/* What the escape at `at` stands for, as UTF-8. Returns its length in the text. */
static size_t decode_escape(const char *at, char out[static 4], size_t *out_size)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    const char *letter = strchr(letters, at[1]);

    *out_size = 1;
    if (at[1] != 'u') {
        out[0] = (char)(letter != NULL ? meant[letter - letters] : at[1]);
        return 2;
    }
    unsigned code = hex_code(at + 2);
    const bool is_pair = code >= 0xd800 && code <= 0xdbff;
    if (is_pair)
        code = 0x10000 + ((code - 0xd800) << 10) + (hex_code(at + 8) - 0xdc00);
    if (code < 0x80) {
        out[0] = (char)code;
        return 6;
    }
    *out_size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = *out_size - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(leads[*out_size] | code);
    return is_pair ? 12 : 6;
}

/* The bytes that a string means: runs without an escape as they are. */
static void add_string(struct chain *chain, const struct body *body, struct sgl_json_span value)
{
    if (!is_string(body, value))
        return;
    const char *at = body->text + value.begin + 1;
    const char *const end = body->text + value.end - 1;
    while (at < end && !is_full(chain)) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape != NULL ? escape : end;
        add_bytes(chain, at, (size_t)(stop - at));
        at = stop;
        if (escape != NULL) {
            char character[4];
            size_t size;
            at += decode_escape(escape, character, &size);
            add_bytes(chain, character, size);
        }
    }
}

/* A token id: as a double, so that it is eight bytes whatever its digits; what is no usual id, as
 * it is written. */
static void add_number(struct chain *chain, const struct body *body, struct sgl_json_span value)
{
    const char *digits = body->text + value.begin;
    const size_t size = value.end - value.begin;
    double number = 0;

    if (size == 0 || (digits[0] != '-' && (digits[0] < '0' || digits[0] > '9')))
        return;
    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9' || size > 15) {
            add_bytes(chain, digits, size);
            return;
        }
        number = 10 * number + (digits[i] - '0');
    }
    add_bytes(chain, &number, sizeof number);
}

/* A text, a list of texts, a list of token ids, or a list of such lists. */
static void add_prompt(struct chain *chain, const struct body *body, struct sgl_json_span value)
{
    struct sgl_json_walk walk;
    struct sgl_json_part part;

    if (value.end == value.begin)
        return;
    add_string(chain, body, value);
    if (body->text[value.begin] != '[' ||
        !sgl_json_walk_begin(&walk, body->text, body->size, value.begin))
        return;
    while (!is_full(chain) && sgl_json_walk_next(&walk, &part)) {
        struct sgl_json_walk inner;
        struct sgl_json_part id;
        add_string(chain, body, part.value);
        add_number(chain, body, part.value);
        if (body->text[part.value.begin] != '[' ||
            !sgl_json_walk_begin(&inner, body->text, body->size, part.value.begin))
            continue;
        while (!is_full(chain) && sgl_json_walk_next(&inner, &id))
            add_number(chain, body, id.value);
    }
}

/* Of content in parts, the texts. */
static void add_content(struct chain *chain, const struct body *body, struct sgl_json_span content)
{
    struct sgl_json_walk parts;
    struct sgl_json_part part;
    struct sgl_json_span text;

    add_string(chain, body, content);
    if (content.end == content.begin || body->text[content.begin] != '[' ||
        !sgl_json_walk_begin(&parts, body->text, body->size, content.begin))
        return;
    while (!is_full(chain) && sgl_json_walk_next(&parts, &part))
        if (sgl_json_member(body->text, body->size, part.value.begin, "text", &text))
            add_string(chain, body, text);
}

/* Role and content of each message. */
static void add_messages(struct chain *chain, const struct body *body, struct sgl_json_span list)
{
    struct sgl_json_walk messages;
    struct sgl_json_walk walk;
    struct sgl_json_part message;
    struct sgl_json_part part;

    if (list.end == list.begin || body->text[list.begin] != '[' ||
        !sgl_json_walk_begin(&messages, body->text, body->size, list.begin))
        return;
    while (!is_full(chain) && sgl_json_walk_next(&messages, &message)) {
        struct sgl_json_span role = {0, 0};
        struct sgl_json_span content = {0, 0};
        if (body->text[message.value.begin] == '{' &&
            sgl_json_walk_begin(&walk, body->text, body->size, message.value.begin))
            while (sgl_json_walk_next(&walk, &part)) {
                if (sgl_json_is_named(&walk, &part, "role"))
                    role = part.value;
                else if (sgl_json_is_named(&walk, &part, "content"))
                    content = part.value;
            }
        add_string(chain, body, role);
        add_bytes(chain, "\n", 1);
        add_content(chain, body, content);
        add_bytes(chain, "\n", 1);
    }
}

static void read_limit(struct sgl_prompt *prompt, const struct body *body,
                       struct sgl_json_span value)
{
    struct sgl_decimal number;
    int64_t limit;

    if (sgl_decimal_read(&number, body->text + value.begin, value.end - value.begin) &&
        sgl_decimal_scale(&number, 0, &limit) == SGL_DECIMAL_EXACT && limit <= LIMIT_MAX)
        prompt->max_tokens = limit;
}

/* A copy of a string as it means; NULL: it is none, holds a NUL, or there is no memory. */
static char *copy_string(const struct body *body, struct sgl_json_span value, bool *has_failed)
{
    if (!is_string(body, value))
        return NULL;
    const char *at = body->text + value.begin + 1;
    const char *const end = body->text + value.end - 1;
    char *copy = malloc((size_t)(end - at) + 4); /* an escape is longer than what it means */
    size_t size = 0;
    *has_failed = *has_failed || copy == NULL;
    while (copy != NULL && at < end) {
        size_t here = 1;
        if (*at == '\\')
            at += decode_escape(at, copy + size, &here);
        else
            copy[size] = *at++;
        size += here;
    }
    if (copy != NULL && memchr(copy, '\0', size) != NULL) {
        free(copy);
        return NULL;
    }
    if (copy != NULL)
        copy[size] = '\0';
    return copy;
}

/* The members of a body that are looked at. Of those that are named twice, the last. */
enum member {
    MESSAGES,
    TEXT,
    PROMPT,
    INPUT_IDS,
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    SAMPLING_PARAMS,
    MODEL,
    MEMBER_COUNT
};

static void find_members(const struct body *body, size_t begin,
                         struct sgl_json_span members[static MEMBER_COUNT])
{
    static const char *const names[MEMBER_COUNT] = {
        "messages",        "text", "prompt", "input_ids", "max_tokens", "max_completion_tokens",
        "sampling_params", "model"};
    struct sgl_json_walk walk;
    struct sgl_json_part part;

    sgl_json_walk_begin(&walk, body->text, body->size, begin);
    while (sgl_json_walk_next(&walk, &part))
        for (int i = 0; i < MEMBER_COUNT; i++)
            if (sgl_json_is_named(&walk, &part, names[i]))
                members[i] = part.value;
}

int sgl_prompt_read(struct sgl_prompt *prompt, const struct sgl_prompt_key *key, uint32_t block,
                    const char *body_text, size_t body_size, struct sgl_failure *failure)
{
    const struct body body = {body_text, body_size};
    struct sgl_json_span members[MEMBER_COUNT] = {{0, 0}};
    struct sgl_json_span limit;
    struct chain chain;
    size_t place;

    prompt->id_count = 0;
    prompt->max_tokens = SGL_ABSENT;
    free(prompt->model);
    prompt->model = NULL;
    if (!sgl_json_is_valid(body.text, body.size, &place))
        return sgl_fail(failure, SGL_EINVAL, "the body is not JSON (byte %zu)", place);
    const size_t begin = sgl_json_skip_blank(body.text, body.size, 0);
    if (body.text[begin] != '{')
        return sgl_fail(failure, SGL_EINVAL, "the body is not a JSON object");
    find_members(&body, begin, members);
    chain.prompt = prompt;
    chain.key = key;
    chain.block = block;
    chain.filled = 0;
    chain.has_failed = false;
    memset(chain.bytes, 0, 8);
    add_messages(&chain, &body, members[MESSAGES]);
    add_prompt(&chain, &body, members[TEXT]);
    add_prompt(&chain, &body, members[PROMPT]);
    add_prompt(&chain, &body, members[INPUT_IDS]);
    end_block(&chain);
    read_limit(prompt, &body, members[MAX_TOKENS]);
    read_limit(prompt, &body, members[MAX_COMPLETION_TOKENS]);
    if (members[SAMPLING_PARAMS].end > 0 &&
        sgl_json_member(body.text, body.size, members[SAMPLING_PARAMS].begin, "max_new_tokens",
                        &limit))
        read_limit(prompt, &body, limit);
    prompt->model = copy_string(&body, members[MODEL], &chain.has_failed);
    return chain.has_failed ? sgl_fail(failure, SGL_ENOMEM, "out of memory") : SGL_OK;
}

void sgl_prompt_release(struct sgl_prompt *prompt)
{
    free(prompt->ids);
    free(prompt->model);
    *prompt = (struct sgl_prompt){0};
}
