#include "emulate_answer.h"

#include "core/absent.h"
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

/* ---- /generate ----------------------------------------------------------------------------- */

static void put_stamp(struct sgl_buffer *out, const char *name, double seconds)
{
    if (isnan(seconds))
        sgl_buffer_format(out, ",\"%s\":null", name);
    else
        sgl_buffer_format(out, ",\"%s\":%.9f", name, seconds);
}

static void put_meta(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                     const struct sgl_emulate_progress *progress, bool is_end)
{
    sgl_buffer_format(out, "\"meta_info\":{\"id\":%s,\"finish_reason\":", request->id);
    if (!is_end)
        sgl_buffer_append_text(out, "null");
    else if (progress->aborted != NULL)
        sgl_buffer_format(out, "{\"type\":\"abort\",\"message\":\"%s\"}", progress->aborted);
    else
        sgl_buffer_format(out, "{\"type\":\"length\",\"length\":%" PRId64 "}", progress->tokens);
    sgl_buffer_format(out, ",\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64,
                      request->prompt_tokens, progress->tokens);
    if (is_end) {
        sgl_buffer_format(out,
                          ",\"cached_tokens\":%" PRId64 ",\"e2e_latency\":%.9f,\"queue_length\":"
                          "%" PRId64,
                          progress->cached_tokens, progress->now_s - progress->created_s,
                          progress->queue_length);
        put_stamp(out, "server_created_time", progress->created_s);
        put_stamp(out, "queue_time_start", progress->created_s);
        put_stamp(out, "queue_time_end", progress->queue_end_s);
        put_stamp(out, "server_first_token_time", progress->first_token_s);
    }
    sgl_buffer_append_text(out, "}");
}

static void put_generate(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                         const struct sgl_emulate_progress *progress, bool is_end)
{
    sgl_buffer_append_text(out, "{\"text\":\"");
    put_words(out, 0, progress->tokens);
    sgl_buffer_append_text(out, "\",");
    put_meta(out, request, progress, is_end);
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
                      request->id, object, (int64_t)progress->created_s, request->model);
}

static void put_usage(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                      const struct sgl_emulate_progress *progress)
{
    sgl_buffer_format(out,
                      ",\"usage\":{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
                      ",\"total_tokens\":%" PRId64 ",\"prompt_tokens_details\":{\"cached_tokens\":"
                      "%" PRId64 "}}",
                      request->prompt_tokens, progress->tokens,
                      request->prompt_tokens + progress->tokens, progress->cached_tokens);
}

/* One choice with tokens first ... end - 1. */
static void put_choice(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                       const struct sgl_emulate_progress *progress, int64_t first, bool is_end)
{
    const bool is_chat = request->api == SGL_EMULATE_CHAT;

    sgl_buffer_append_text(out, ",\"choices\":[{\"index\":0,");
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
    sgl_buffer_format(out, ",\"logprobs\":null,\"finish_reason\":%s}]",
                      !is_end                     ? "null"
                      : progress->aborted != NULL ? "\"abort\""
                                                  : "\"length\"");
}

/* ---- either -------------------------------------------------------------------------------- */

static void put_event(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                      const struct sgl_emulate_progress *progress, bool is_end)
{
    sgl_buffer_append_text(out, "data: ");
    if (request->api == SGL_EMULATE_GENERATE) {
        put_generate(out, request, progress, is_end);
    } else {
        put_head(out, request, progress);
        put_choice(out, request, progress, progress->tokens_sent, is_end);
        sgl_buffer_append_text(out, "}");
    }
    sgl_buffer_append_text(out, "\n\n");
}

void sgl_emulate_put_tokens(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                            const struct sgl_emulate_progress *progress)
{
    put_event(out, request, progress, false);
}

void sgl_emulate_put_end(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                         const struct sgl_emulate_progress *progress)
{
    put_event(out, request, progress, true);
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
    if (request->api == SGL_EMULATE_GENERATE) {
        put_generate(out, request, progress, true);
        return;
    }
    put_head(out, request, progress);
    put_choice(out, request, progress, 0, true);
    put_usage(out, request, progress);
    sgl_buffer_append_text(out, "}");
}
