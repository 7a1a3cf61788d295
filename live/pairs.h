/*
 * pairs.h - a request to a prefill worker and a decode worker at once.
 *
 *      body + bootstrap fields --+--> prefill worker --> its answer: what it counted, logprobs
 *                                |         | memory
 *                                |         v
 *                                +--> decode worker ---> the client's answer
 *
 *      both legs out --prefill well--> decode out --decode well--> answered
 *           |                              |
 *           +---- a leg fails -------------+--> the other is cancelled ("pair_lost"); nothing went
 *                                               to the client yet: one answer, else a broken stream
 *
 * The decode leg is the relay's own call; here is the other one. Nothing goes to the client before
 * the decode worker gave bytes of an answer, so a prefill that fails has an answer of its own. What
 * a worker refused by fault of the client or for being busy (error_word.h) passes as it stands;
 * everything else is 502. A pair is not tried again: its rooms may be half open.
 *
 * An answer that is not a stream waits for both legs. With `return_logprob` the decode answer is
 * held (to SGL_PAIR_ANSWER_MAX) until it can be merged (merge.h); a stream then waits for the
 * prefill leg, and passes line by line.
 *
 * Times (pair_time.c): the prefill leg's to the first byte counts from its sending; the decode
 * leg's, which can say nothing before it has the memory, from the end of the prefill leg. So of two
 * that say nothing the prefill leg is late first, and alone has the word and the blame
 * (first_byte_timeout; idle_timeout behind a head) - unless its worker answered others meanwhile
 * and the decode worker nobody: then it is that one.
 *
 *      sent ------ prefill: first byte, idle ------ its end --- decode: first byte, idle --- end
 *
 * When the deadline of the request finds both legs out nobody knows which one hangs: both are
 * cancelled with the word and neither is blamed.
 */
#ifndef SGL_LIVE_PAIRS_H
#define SGL_LIVE_PAIRS_H

#include "relay.h"

#define SGL_PAIR_ANSWER_MAX ((size_t)64 * 1024 * 1024)

struct sgl_pair {
    struct sgl_call call; /* first: the prefill leg */
    struct sgl_relay *relay;
    struct sgl_decision decision; /* of the pool prefill */
    struct sgl_learner learner;
    struct sgl_buffer body;   /* of both legs */
    struct sgl_buffer answer; /* of the prefill worker, when it is needed */
    struct sgl_buffer line;   /* of the decode stream, not whole yet */
    struct sgl_buffer merged;
    bool merges;
    bool is_prefill_out;
    bool is_decode_out;
    bool is_too_long;    /* to be merged */
    uint64_t sent_ns;    /* by uv_hrtime; so the next */
    uint64_t prefill_ns; /* the last sign of life of the prefill leg, its end included */
    char error_text[20];
};

/* Asks the router for two workers and sends both the request. */
void sgl_pair_send(struct sgl_relay *relay);

/* Ends the legs that are out: the input's kind and word. */
void sgl_pair_cut(struct sgl_relay *relay, enum sgl_input_kind kind, const char *error);

/* Ends a leg that is out with this word, and the pair with it. */
void sgl_pair_end_leg(struct sgl_relay *relay, bool is_prefill, const char *error);

/* pair_time.c: ends the pair when one of its legs is late. */
void sgl_pair_sweep(struct sgl_relay *relay, uint64_t now_ns);

/* Accepts NULL. No leg may be out. */
void sgl_pair_free(struct sgl_pair *pair);

#endif
