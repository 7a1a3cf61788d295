#include "load_body.h"

#include "core/rng.h"
#include "live/words.h"
#include "traces/json.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKEN_ID_FIRST 1000
#define TOKEN_ID_COUNT 20000

const char *sgl_load_path(enum sgl_load_api api)
{
    switch (api) {
    case SGL_LOAD_GENERATE:
        return "/generate";
    case SGL_LOAD_CHAT:
        return "/v1/chat/completions";
    case SGL_LOAD_COMPLETIONS:
        return "/v1/completions";
    }
    return "";
}

/* Where the words of a block come from. A named block has no seed: it is the same in every run. */
static struct sgl_rng block_stream(const struct sgl_load_options *options,
                                   const struct sgl_request *request, size_t block)
{
    if (block < request->prefix_count)
        return sgl_rng_stream(0, SGL_PURPOSE_PROMPT, 1, (int64_t)request->prefix_ids[block], 0);
    return sgl_rng_stream(options->seed, SGL_PURPOSE_PROMPT, 0, request->request, 0);
}

static int64_t block_tokens(const struct sgl_request *request)
{
    const int64_t count = (int64_t)request->prefix_count;

    if (count == 0)
        return INT64_MAX;
    if (request->prefix_block > 0)
        return request->prefix_block;
    return request->prompt_tokens > count ? (request->prompt_tokens + count - 1) / count : 1;
}

static void put_prompt(FILE *out, const struct sgl_load_options *options,
                       const struct sgl_request *request)
{
    const int64_t length = block_tokens(request);
    struct sgl_rng stream = {0};
    int64_t left = 0; /* of the block */
    size_t block = 0;

    fputs(options->sends_ids ? "[" : "\"", out);
    for (int64_t i = 0; i < request->prompt_tokens; i++) {
        if (left == 0) {
            /* What is beyond the last id is the request's own, to the end. */
            left = block < request->prefix_count ? length : INT64_MAX;
            stream = block_stream(options, request, block++);
        }
        left--;
        if (options->sends_ids)
            fprintf(out, "%s%u", i > 0 ? "," : "",
                    TOKEN_ID_FIRST + sgl_rng_below(&stream, TOKEN_ID_COUNT));
        else
            fwrite(sgl_word(sgl_rng_next(&stream)), 1, SGL_WORD_BYTES, out);
    }
    fputs(options->sends_ids ? "]" : "\"", out);
}

/* A text as JSON. */
static bool put_text(FILE *out, const char *text)
{
    char *quoted = sgl_json_line(json_string(text));

    if (quoted == NULL)
        return false;
    fputs(quoted, out);
    free(quoted);
    return true;
}

static bool put_generate(FILE *out, const struct sgl_load_options *options,
                         const struct sgl_trace_row *row, const char *request_id)
{
    fputs("{\"rid\":", out);
    if (!put_text(out, request_id))
        return false;
    fprintf(out, ",\"%s\":", options->sends_ids ? "input_ids" : "text");
    put_prompt(out, options, &row->request);
    fprintf(out,
            ",\"sampling_params\":{\"max_new_tokens\":%lld,\"ignore_eos\":true,"
            "\"temperature\":0},\"stream\":%s}",
            (long long)row->output_tokens, options->is_streaming ? "true" : "false");
    return true;
}

static bool put_openai(FILE *out, const struct sgl_load_options *options,
                       const struct sgl_trace_row *row)
{
    const char *model = row->request.model != NULL ? row->request.model
                        : options->model != NULL   ? options->model
                                                   : "default";

    fputs("{\"model\":", out);
    if (!put_text(out, model))
        return false;
    if (options->api == SGL_LOAD_CHAT)
        fputs(",\"messages\":[{\"role\":\"user\",\"content\":", out);
    else
        fputs(",\"prompt\":", out);
    put_prompt(out, options, &row->request);
    if (options->api == SGL_LOAD_CHAT)
        fputs("}]", out);
    fprintf(out, ",\"max_tokens\":%lld,\"ignore_eos\":true,\"temperature\":0,\"stream\":%s%s}",
            (long long)row->output_tokens, options->is_streaming ? "true" : "false",
            options->is_streaming ? ",\"stream_options\":{\"include_usage\":true}" : "");
    return true;
}

int sgl_load_body_make(struct sgl_load_body *body, const struct sgl_load_options *options,
                       const struct sgl_trace_row *row, const char *request_id)
{
    *body = (struct sgl_load_body){0};
    FILE *out = open_memstream(&body->bytes, &body->size);
    if (out == NULL)
        return SGL_ENOMEM;
    bool is_made = options->api == SGL_LOAD_GENERATE ? put_generate(out, options, row, request_id)
                                                     : put_openai(out, options, row);
    is_made = ferror(out) == 0 && is_made;
    if (fclose(out) != 0 || !is_made) {
        free(body->bytes);
        *body = (struct sgl_load_body){0};
        return SGL_ENOMEM;
    }
    body->prompt_bytes =
        options->sends_ids ? 0 : SGL_WORD_BYTES * (size_t)row->request.prompt_tokens;
    return SGL_OK;
}
