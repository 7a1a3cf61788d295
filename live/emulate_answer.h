/*
 * emulate_answer.h - what an emulated worker says: events of a stream, and whole answers, as
 * SGLang's server gives them.
 *
 * Token i of an answer is a word of four bytes, a function of i alone. Events of /generate carry
 * the text so far, those of the OpenAI API what is new. The last event of a part, or the answer,
 * carries meta_info: id, finish_reason, prompt_tokens, completion_tokens, cached_tokens,
 * e2e_latency (s), and what SGLang's public fork with the marginal utility router adds for its
 * recorder: queue_length (requests waiting when the answer was made), server_created_time,
 * queue_time_start, queue_time_end, server_first_token_time (s since 1970).
 *
 *     one prompt   {"text", "meta_info"}           choices [{index 0}]
 *     a batch      [{"text", "meta_info"}, ...]    choices [{index 0}, {index 1}, ...]
 *                  in a stream {"index", ...}      in a stream one choice with its index
 *
 * Logprobs stand in meta_info of every event: input_token_logprobs from the token asked for on,
 * output_token_logprobs of the tokens so far, as [logprob, id, null]; the first token of a prompt
 * has null. input_top_logprobs, output_top_logprobs, input_token_ids_logprobs and
 * output_token_ids_logprobs when asked for. They are made up: a function of the token's place and
 * id. A decode worker has seen no prompt, so its lists of the prompt are empty, and what its
 * prefill worker says must be put before them (merge.h).
 */
#ifndef SGL_LIVE_EMULATE_ANSWER_H
#define SGL_LIVE_EMULATE_ANSWER_H

#include "live/emulate_request.h"
#include "live/http_buffer.h"

/* How far a part is. Times in s since 1970; NaN: not yet. */
struct sgl_emulate_progress {
    int64_t tokens;      /* given */
    int64_t tokens_sent; /* before this event */
    int64_t cached_tokens;
    int64_t queue_length;
    double created_s;
    double queue_start_s; /* its memory was there: of a decode leg later than created */
    double queue_end_s;
    double first_token_s;
    double now_s;
    const char *aborted; /* ? why it ended early: a text without quotes */
    bool has_no_prompt;  /* it was computed elsewhere */
};

/* "data: ...\n\n" for the tokens of a part that were not yet sent. */
void sgl_emulate_put_tokens(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                            size_t part, const struct sgl_emulate_progress *progress);

/* The last event of a part: its last tokens with the finish reason. */
void sgl_emulate_put_end(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                         size_t part, const struct sgl_emulate_progress *progress);

/* The end of a stream: usage if asked for, [DONE]. `progress` is that of all parts. */
void sgl_emulate_put_done(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                          const struct sgl_emulate_progress *progress);

/* A whole answer. */
void sgl_emulate_put_answer(struct sgl_buffer *out, const struct sgl_emulate_request *request,
                            const struct sgl_emulate_progress *progress);

#endif
