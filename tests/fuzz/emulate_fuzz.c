/*
 * A client's body on its way through a pair: the input's first byte says for which API, the rest is
 * the body. What the router makes of it (bootstrap fields, merged logprobs) and what emulated
 * workers make of that must fit together: as many rooms as prompts, and the merged answer of two
 * legs has the logprobs of the prompt that one worker alone would have told.
 */
#include "fuzz.h"
#include "live/bootstrap.h"
#include "live/emulate_answer.h"
#include "live/merge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MOST 2000 /* of all prompts: logprobs are long */

static int read_body(struct sgl_emulate_request *request, enum sgl_emulate_api api, bool is_paired,
                     const char *body, size_t size)
{
    const struct sgl_emulate_reader reader = {
        .api = api, .prefix_block = 2, .model = "m", .is_paired = is_paired};
    struct sgl_failure failure;

    return sgl_emulate_request_read(request, &reader, body, size, &failure);
}

/* Does it have one prompt, and that where this API looks? Of others the last word is the worker's.
 */
static bool is_plain(enum sgl_emulate_api api, const char *body, size_t size)
{
    static const char *const names[] = {"text", "input_ids", "prompt"};
    json_t *root = json_loadb(body, size, 0, NULL);
    size_t count = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *value = json_object_get(root, names[i]);
        count += value != NULL && !json_is_null(value);
    }
    const bool is_there = api == SGL_EMULATE_CHAT
                              ? count == 0
                              : count == 1 && (json_object_get(root, "prompt") != NULL) ==
                                                  (api == SGL_EMULATE_COMPLETIONS);
    json_decref(root);
    return is_there;
}

static int64_t tokens_of(const struct sgl_emulate_request *request)
{
    int64_t tokens = 0;

    for (size_t i = 0; i < request->part_count; i++)
        tokens += 1 + request->parts[i].prompt.tokens;
    return tokens;
}

/* A worker's whole answer; `tokens` given of each part. */
static struct sgl_buffer answer_of(const struct sgl_emulate_request *request, int64_t tokens,
                                   bool has_no_prompt)
{
    struct sgl_emulate_progress *progress = calloc(request->part_count, sizeof *progress);
    struct sgl_buffer out = {0};

    assert(progress != NULL);
    for (size_t i = 0; i < request->part_count; i++)
        progress[i] =
            (struct sgl_emulate_progress){.tokens = tokens, .has_no_prompt = has_no_prompt};
    sgl_emulate_put_answer(&out, request, progress);
    free(progress);
    return out;
}

/* The lists about the prompt of each part. */
static json_t *prompt_lists(const struct sgl_buffer *answer)
{
    static const char *const names[] = {"input_token_logprobs", "input_top_logprobs",
                                        "input_token_ids_logprobs"};
    json_t *root = json_loadb(answer->bytes, answer->size, 0, NULL);
    json_t *lists = json_array();

    assert(root != NULL && lists != NULL);
    for (size_t part = 0; part == 0 || part < json_array_size(root); part++) {
        const json_t *one = json_is_array(root) ? json_array_get(root, part) : root;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            json_t *list = json_object_get(json_object_get(one, "meta_info"), names[i]);
            json_array_append_new(lists, list != NULL ? json_incref(list) : json_null());
        }
    }
    json_decref(root);
    return lists;
}

static void check_answers(const struct sgl_emulate_request *request)
{
    struct sgl_buffer whole = answer_of(request, 3, false);
    struct sgl_buffer prefill = answer_of(request, 1, false);
    struct sgl_buffer decode = answer_of(request, 3, true);
    struct sgl_buffer merged = {0};

    sgl_merge_answer(&merged, decode.bytes, decode.size, prefill.bytes, prefill.size);
    json_t *expected = prompt_lists(&whole);
    json_t *found = prompt_lists(&merged);
    assert(json_equal(expected, found));
    json_decref(expected);
    json_decref(found);
    sgl_buffer_release(&whole);
    sgl_buffer_release(&prefill);
    sgl_buffer_release(&decode);
    sgl_buffer_release(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct sgl_bootstrap bootstrap = {.host = "h", .port = 8998, .room_key = 5};
    struct sgl_emulate_request request;
    struct sgl_bootstrap_place place;
    struct sgl_failure failure;
    struct sgl_buffer paired = {0};

    if (size < 1)
        return 0;
    const char *body = (const char *)bytes + 1;
    const enum sgl_emulate_api api = (enum sgl_emulate_api)(bytes[0] % 3);
    if (read_body(&request, api, false, body, size - 1) != SGL_OK)
        return 0;
    const size_t part_count = request.part_count;
    const bool is_small = tokens_of(&request) <= TOKENS_MOST;
    if (is_small)
        check_answers(&request);
    sgl_emulate_request_release(&request);

    assert(sgl_bootstrap_find(&place, body, size - 1, &failure) == SGL_OK);
    if (!is_plain(api, body, size - 1))
        return 0;
    assert(place.count == part_count);
    assert(sgl_bootstrap_write(&paired, body, size - 1, &place, &bootstrap));
    assert(read_body(&request, api, true, paired.bytes, paired.size) == SGL_OK);
    assert(request.part_count == part_count && request.is_batch == place.is_batch);
    for (size_t i = 0; i < part_count; i++) {
        assert(strcmp(request.parts[i].meeting.host, "h") == 0);
        assert(request.parts[i].meeting.port == 8998 && request.parts[i].meeting.room >= 0);
        assert(i == 0 || request.parts[i].meeting.room != request.parts[i - 1].meeting.room);
    }
    sgl_emulate_request_release(&request);
    sgl_buffer_release(&paired);
    return 0;
}
