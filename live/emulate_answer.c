#include "emulate_answer.h"

#include "core/absent.h"
#include "core/rng.h"
#include "live/words.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Neighbouring tokens are different words. */
#define WORD_STRIDE 7

static void put_words(struct sgl_buffer *out, int64_t first, int64_t end)
{
    if (first >= end)
        return;
    const size_t size = (size_t)(end - first) * SGL_WORD_BYTES;
    char *place = sgl_buffer_reserve(out, size);
    if (place == NULL)
        return;
    for (int64_t i = first; i < end; i++, place += SGL_WORD_BYTES)
        memcpy(place, sgl_word((uint64_t)i * WORD_STRIDE), SGL_WORD_BYTES);
    out->size += size;
}

/* ---- logprobs ------------------------------------------------------------------------------ */

/* Whole 256ths, so that they are the same however they are printed. */
static double logprob(uint64_t place, uint32_t id)
{
    return -(double)(1 + sgl_rng_finalize(place << 32 | id) % 1024) / 256;
}

static void put_one(struct sgl_buffer *out, uint64_t place, uint32_t id, bool is_known)
{
    if (is_known)
        sgl_buffer_format(out, "[%.8f,%" PRIu32 ",null]", logprob(place, id), id);
    else
        sgl_buffer_format(out, "[null,%" PRIu32 ",null]", id);
}

/* The rows of a list: of each place one token, its `top` likeliest ones, or those of `ids`. */
enum row { ROW_TOKEN, ROW_TOP, ROW_IDS };

/* A stretch of tokens. */
struct stretch {
    const struct sgl_emulate_logprobs *asked;
    const uint32_t *ids; /* NULL: those of the answer, which follow from their places */
    uint64_t offset;     /* of the place that logprobs are made from */
    int64_t first;
    int64_t end;
};

static uint32_t token_at(const struct stretch *stretch, int64_t at)
{
    return stretch->ids != NULL ? stretch->ids[at]
                                : (uint32_t)((uint64_t)at * WORD_STRIDE % SGL_WORD_COUNT);
}

static void put_row(struct sgl_buffer *out, const struct stretch *stretch, int64_t at, enum row row)
{
    const struct sgl_emulate_logprobs *asked = stretch->asked;
    const uint64_t place = stretch->offset + (uint64_t)at;
    const uint32_t count = row == ROW_TOP ? asked->top : asked->id_count;
    const bool is_known = stretch->ids == NULL || at > 0;

    if (row == ROW_TOKEN) {
        put_one(out, place, token_at(stretch, at), is_known);
    } else if (!is_known) {
        sgl_buffer_append_text(out, "null");
    } else {
        sgl_buffer_append_text(out, "[");
        for (uint32_t i = 0; i < count; i++) {
            sgl_buffer_append_text(out, i > 0 ? "," : "");
            put_one(out, place, row == ROW_TOP ? token_at(stretch, at) + i : asked->ids[i], true);
        }
        sgl_buffer_append_text(out, "]");
    }
}

static void put_list(struct sgl_buffer *out, const char *side, const char *name,
                     const struct stretch *stretch, enum row row)
{
    sgl_buffer_format(out, ",\"%s_%s\":[", side, name);
    for (int64_t at = stretch->first; at < stretch->end; at++) {
        sgl_buffer_append_text(out, at > stretch->first ? "," : "");
        put_row(out, stretch, at, row);
    }
    sgl_buffer_append_text(out, "]");
}

static void put_lists(struct sgl_buffer *out, const char *side, const struct stretch *stretch)
{
    put_list(out, side, "token_logprobs", stretch, ROW_TOKEN);
    if (stretch->asked->top > 0)
        put_list(out, side, "top_logprobs", stretch, ROW_TOP);
    if (stretch->asked->has_ids)
        put_list(out, side, "token_ids_logprobs", stretch, ROW_IDS);
}

static void put_logprobs(struct sgl_buffer *out, const struct sgl_emulate_part *part,
                         const struct sgl_emulate_progress *progress)
{
    const struct sgl_emulate_logprobs *asked = &part->logprobs;
    const int64_t end = part->prompt.tokens;
    const bool has_none = progress->has_no_prompt || asked->start < 0 || asked->start > end;
    const struct stretch input = {.asked = asked,
                                  .ids = part->prompt.token_ids,
                                  .first = has_none ? end : asked->start,
                                  .end = end};
    const struct stretch output = {
        .asked = asked, .offset = (uint64_t)end, .end = progress->tokens};

    if (!asked->is_asked)
        return;
    put_lists(out, "input", &input);
    put_lists(out, "output", &output);
}

/* ---- /generate ----------------------------------------------------------------------------- */

static void put_stamp(struct sgl_buffer *out, const char *name, double seconds)
{
    if (isnan(seconds))
        sgl_buffer_format(out, ",\"%s\":null", name);
    else
        sgl_buffer_format(out, ",\"%s\":%.9f", name, seconds);
}

static void put_meta(struct sgl_buffer *out, const struct sgl_emulate_part *part,
                     const struct sgl_emulate_progress *progress, bool is_end)
{
    sgl_buffer_format(out, "\"meta_info\":{\"id\":%s,\"finish_reason\":", part->id);
    if (!is_end)
        sgl_buffer_append_text(out, "null");
    else if (progress->aborted != NULL)
        sgl_buffer_format(out, "{\"type\":\"abort\",\"message\":\"%s\"}", progress->aborted);
    else
        sgl_buffer_format(out, "{\"type\":\"length\",\"length\":%" PRId64 "}", progress->tokens);
    sgl_buffer_format(out, ",\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64,
                      part->prompt.tokens, progress->tokens);
    put_logprobs(out, part, progress);
    if (is_end) {
        sgl_buffer_format(out,
                          ",\"cached_tokens\":%" PRId64 ",\"e2e_latency\":%.9f,\"queue_length\":"
                          "%" PRId64,
                          progress->cached_tokens, progress->now_s - progress->created_s,
                          progress->queue_length);
        put_stamp(out, "server_created_time", progress->created_s);
        put_stamp(out, "queue_time_start", progress->queue_start_s);
        put_stamp(out, "queue_time_end", progress->queue_end_s);
        put_stamp(out, "server_first_token_time", progress->first_token_s);
    }
    sgl_buffer_append_text(out, "}");
}

static void put_generate(struct sgl_buffer *out, const struct sgl_emulate_part *part,
                         const struct sgl_emulate_progress *progress, bool is_end)
{
    sgl_buffer_append_text(out, "\"text\":\"");
    put_words(out, 0, progress->tokens);
    sgl_buffer_append_text(out, "\",");
    put_meta(out, part, progress, is_end);
    sgl_buffer_append_text(out, "}");
}

/* ---- OpenAI -------------------------------------------------------------------------------- */

static void put_head(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                     const struct sgl_emulate_progress *progress)
{
    const char *object = request->api == SGL_EMULATE_COMPLETIONS ? "text_completion"
                         : request->is_streaming                 ? "chat.completion.chunk"
                                                                 : "chat.completion";

    sgl_buffer_format(out, "{\"id\":%s,\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":%s",
                      request->parts[0].id, object, (int64_t)progress->created_s, request->model);
}

static void put_usage(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                      const struct sgl_emulate_progress *progress)
{
    int64_t prompt = 0;
    int64_t given = 0;
    int64_t cached = 0;

    for (size_t i = 0; i < request->part_count; i++) {
        prompt += request->parts[i].prompt.tokens;
        given += progress[i].tokens;
        cached += progress[i].cached_tokens;
    }
    sgl_buffer_format(out,
                      ",\"usage\":{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
                      ",\"total_tokens\":%" PRId64 ",\"prompt_tokens_details\":{\"cached_tokens\":"
                      "%" PRId64 "}}",
                      prompt, given, prompt + given, cached);
}

/* The tokens first ... end - 1 of a part. */
static void put_choice(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                       size_t part, const struct sgl_emulate_progress *progress, int64_t first,
                       bool is_end)
{
    const bool is_chat = request->api == SGL_EMULATE_CHAT;

    sgl_buffer_format(out, "{\"index\":%zu,", part);
    if (!is_chat)
        sgl_buffer_append_text(out, "\"text\":\"");
    else if (!request->is_streaming)
        sgl_buffer_append_text(out, "\"message\":{\"role\":\"assistant\",\"content\":\"");
    else if (first == 0)
        sgl_buffer_append_text(out, "\"delta\":{\"role\":\"assistant\",\"content\":\"");
    else
        sgl_buffer_append_text(out, "\"delta\":{\"content\":\"");
    put_words(out, first, progress->tokens);
    sgl_buffer_append_text(out, is_chat ? "\"}" : "\"");
    sgl_buffer_format(out, ",\"logprobs\":null,\"finish_reason\":%s}",
                      !is_end                     ? "null"
                      : progress->aborted != NULL ? "\"abort\""
                                                  : "\"length\"");
}

/* ---- either -------------------------------------------------------------------------------- */

static void put_event(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                      size_t part, const struct sgl_emulate_progress *progress, bool is_end)
{
    sgl_buffer_append_text(out, "data: ");
    if (request->api == SGL_EMULATE_GENERATE) {
        sgl_buffer_append_text(out, "{");
        if (request->is_batch)
            sgl_buffer_format(out, "\"index\":%zu,", part);
        put_generate(out, &request->parts[part], progress, is_end);
    } else {
        put_head(out, request, progress);
        sgl_buffer_append_text(out, ",\"choices\":[");
        put_choice(out, request, part, progress, progress->tokens_sent, is_end);
        sgl_buffer_append_text(out, "]}");
    }
    sgl_buffer_append_text(out, "\n\n");
}

void sgl_emulate_put_tokens(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                            size_t part, const struct sgl_emulate_progress *progress)
{
    put_event(out, request, part, progress, false);
}

void sgl_emulate_put_end(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                         size_t part, const struct sgl_emulate_progress *progress)
{
    put_event(out, request, part, progress, true);
}

void sgl_emulate_put_done(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                          const struct sgl_emulate_progress *progress)
{
    if (request->api != SGL_EMULATE_GENERATE && request->wants_usage) {
        sgl_buffer_append_text(out, "data: ");
        put_head(out, request, progress);
        sgl_buffer_append_text(out, ",\"choices\":[]");
        put_usage(out, request, progress);
        sgl_buffer_append_text(out, "}\n\n");
    }
    sgl_buffer_append_text(out, "data: [DONE]\n\n");
}

void sgl_emulate_put_answer(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                            const struct sgl_emulate_progress *progress)
{
    const bool is_openai = request->api != SGL_EMULATE_GENERATE;
    const bool is_list = is_openai || request->is_batch;

    if (is_openai) {
        put_head(out, request, progress);
        sgl_buffer_append_text(out, ",\"choices\":");
    }
    sgl_buffer_append_text(out, is_list ? "[" : "");
    for (size_t i = 0; i < request->part_count; i++) {
        sgl_buffer_append_text(out, i > 0 ? "," : "");
        if (is_openai) {
            put_choice(out, request, i, &progress[i], 0, true);
        } else {
            sgl_buffer_append_text(out, "{");
            put_generate(out, &request->parts[i], &progress[i], true);
        }
    }
    sgl_buffer_append_text(out, is_list ? "]" : "");
    if (is_openai) {
        put_usage(out, request, progress);
        sgl_buffer_append_text(out, "}");
    }
}
