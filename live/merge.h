/*
 * merge.h - the logprobs of a prompt, of which the two workers of a pair know a part each.
 *
 *      prefill   {..., "meta_info": {"input_token_logprobs": [[-1,5],[-2,6]], ...}}
 *      decode    {..., "meta_info": {"input_token_logprobs": [[-3,7]], ...}}
 *      merged    {..., "meta_info": {"input_token_logprobs": [[-1,5],[-2,6],[-3,7]], ...}}
 *
 * Merged are input_token_logprobs, input_top_logprobs and input_token_ids_logprobs, prefill's
 * first; a list that is null in the decode answer is taken from the prefill answer, one that is not
 * there is not added. Every other byte is that of the decode answer. What cannot be understood
 * passes unchanged.
 *
 * A batch is a list of answers, merged one by one; in a stream, events go together by their
 * "index", which a single request has not.
 */
#ifndef SGL_LIVE_MERGE_H
#define SGL_LIVE_MERGE_H

#include "http_buffer.h"

/* Appends the whole answer of the decode worker, merged, to `out`. */
void sgl_merge_answer(struct sgl_buffer *out, const char *decode, size_t decode_size,
                      const char *prefill, size_t prefill_size);

/* Appends one line of the decode worker's event stream, with or without its end, merged, to `out`.
 * `prefill` is the whole stream of the prefill worker. */
void sgl_merge_line(struct sgl_buffer *out, const char *line, size_t line_size, const char *prefill,
                    size_t prefill_size);

#endif
