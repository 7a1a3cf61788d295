/*
 * bootstrap.h - the three fields by which the two workers of a pair find each other.
 *
 *      {"text": "Hi", "n": 1.10}
 *      {"text": "Hi", "n": 1.10,"bootstrap_host":"gpu1","bootstrap_port":8998,"bootstrap_room":73}
 *                              +--------------------------------------------------------------+
 *
 * The fields are put before the closing bracket: no other byte of the body changes. Where the body
 * has such a field already ours comes last, and the last one counts for SGLang's parser. A batch
 * (`text` a list; else `input_ids` a list of lists; else `prompt` a list of texts or lists) gets
 * arrays, one member for each of its requests. Names and values: SGLang's mini load balancer
 * (DESIGN, section 7).
 *
 * Rooms are draws of a keyed stream, so a log that has the key tells the rooms of every request:
 * room i = draw i of (key, SGL_PURPOSE_ROOM, request), without its lowest bit: 0 ... 2^63 - 1.
 */
#ifndef SGL_LIVE_BOOTSTRAP_H
#define SGL_LIVE_BOOTSTRAP_H

#include "core/failure.h"
#include "http_buffer.h"

#include <stdint.h>

#define SGL_BOOTSTRAP_NO_PORT (-1)
#define SGL_BOOTSTRAP_BATCH_MAX 65536 /* requests: the fields of a batch grow with it */

struct sgl_bootstrap {
    const char *host; /* of the prefill worker's URL */
    int32_t port;     /* SGL_BOOTSTRAP_NO_PORT: null */
    uint64_t room_key;
    int64_t request; /* its number in the run */
};

/* Where the fields go, and for how many requests. */
struct sgl_bootstrap_place {
    size_t at; /* the closing bracket */
    bool is_empty;
    bool is_batch;
    size_t count;
};

/* SGL_EINVAL: the body is no JSON object, or too large a batch; the failure says so in a sentence
 * for its client. */
int sgl_bootstrap_find(struct sgl_bootstrap_place *place, const char *body, size_t body_size,
                       struct sgl_failure *failure);

/* Writes the body with its fields into `out`; false: no memory. */
bool sgl_bootstrap_write(struct sgl_buffer *out, const char *body, size_t body_size,
                         const struct sgl_bootstrap_place *place,
                         const struct sgl_bootstrap *bootstrap);

/* Does the request want logprobs of its prompt merged: is `return_logprob` true, or a list with a
 * true in it? */
bool sgl_bootstrap_wants_logprobs(const char *body, size_t body_size);

#endif
