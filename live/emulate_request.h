/*
 * emulate_request.h - what a client asks an emulated worker for: a JSON body, as jobs.
 *
 *     /generate              text, or input_ids; sampling_params.max_new_tokens (128); rid
 *     /v1/chat/completions   the texts of messages[].content, one after the other; max_tokens
 *     /v1/completions        prompt, a text or token ids; max_tokens
 *
 *     {"text": ["a", "bc"], "rid": "me", "return_logprob": true}
 *                  |    |
 *                  |    +-- part 1: rid me_1        a batch: one part for each of its prompts
 *                  +------- part 0: rid me_0
 *
 * A batch is a list where one prompt is expected: of texts, or of lists of ids. What else it says
 * may be a list too, with one entry for each part; one value stands for all. As in SGLang, a rid
 * that is one text is numbered, and so is a bootstrap_room that is one number (room + i).
 *
 * /generate takes return_logprob, logprob_start_len (-1: of the answer's tokens only),
 * top_logprobs_num and token_ids_logprob. A chat template counts for nothing, nor do images.
 *
 * Workers of a pair need bootstrap_host (a text), bootstrap_port (a number, or null for the
 * worker's own idea of it) and bootstrap_room (0 ... 2^63 - 1).
 *
 * Errors: SGL_EINVAL with a text for the client, who gets a 400.
 */
#ifndef SGL_LIVE_EMULATE_REQUEST_H
#define SGL_LIVE_EMULATE_REQUEST_H

#include "live/emulate_prompt.h"

#define SGL_EMULATE_BATCH_MAX 4096
#define SGL_EMULATE_LOGPROBS_MAX 20
#define SGL_EMULATE_HOST_MAX 255
#define SGL_EMULATE_NO_PORT (-1)

enum sgl_emulate_api {
    SGL_EMULATE_GENERATE,
    SGL_EMULATE_CHAT,
    SGL_EMULATE_COMPLETIONS,
};

/* Which logprobs are asked for. */
struct sgl_emulate_logprobs {
    bool is_asked;
    int64_t start; /* token of the prompt; -1: behind it */
    uint32_t top;
    uint32_t ids[SGL_EMULATE_LOGPROBS_MAX];
    uint32_t id_count;
    bool has_ids;
};

/* Where the two legs of a pair meet. */
struct sgl_emulate_meeting {
    char host[SGL_EMULATE_HOST_MAX + 1];
    int32_t port; /* SGL_EMULATE_NO_PORT: null */
    int64_t room;
};

struct sgl_emulate_part {
    char *id;  /* owned, as the next; quoted JSON text, ready to be sent */
    char *rid; /* the id as it is; NULL: none was given */
    struct sgl_emulate_prompt prompt;
    int64_t max_tokens;
    struct sgl_emulate_logprobs logprobs;
    struct sgl_emulate_meeting meeting; /* of a pair */
};

struct sgl_emulate_request {
    enum sgl_emulate_api api;
    bool is_streaming;
    bool wants_usage; /* stream_options.include_usage */
    bool is_batch;    /* also of one */
    char *model;      /* owned; quoted JSON text */
    struct sgl_emulate_part *parts;
    size_t part_count;
};

/* What the worker adds. */
struct sgl_emulate_reader {
    enum sgl_emulate_api api;
    uint32_t prefix_block;
    uint64_t number; /* makes ids for a request that has none */
    const char *model;
    bool is_paired; /* the worker has one leg of a pair: the meeting is needed */
};

/* Release it when it was read. SGL_EINVAL or SGL_ENOMEM leave nothing to release. */
int sgl_emulate_request_read(struct sgl_emulate_request *request,
                             const struct sgl_emulate_reader *reader, const char *body, size_t size,
                             struct sgl_failure *failure);

void sgl_emulate_request_release(struct sgl_emulate_request *request);

#endif
