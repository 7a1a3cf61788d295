/*
 * engine_reference.h - the batching engine once more, slow and plain: it knows no leaps, no heaps,
 * no classes of pages and no running sums, and walks all requests at every step. Worlds are small
 * and made to force ties, memory that runs out, and evictions.
 */
#ifndef SGL_TESTS_ENGINE_REFERENCE_H
#define SGL_TESTS_ENGINE_REFERENCE_H

#include "core/rng.h"
#include "traces/trace.h"

#define SGL_REFERENCE_REQUEST_MAX 24
#define SGL_REFERENCE_BLOCK_MAX 16
#define SGL_REFERENCE_OWN_MAX 128 /* blocks of a prompt and its answer */

/* Parameters of a worker: numbers for the reference, `text` for the model. */
struct sgl_reference_setting {
    bool is_vllm, is_ahead, is_lpm, is_priority, is_preempting, is_mixed, has_cache;
    bool keeps_urgent, keeps_answers;
    int64_t threshold;
    int64_t prefill_ps, decode_ps, request_ps, token_ps, half_pair_ps, kv_ps, expert_ps;
    int64_t every_token_ps, free_tokens, mixed_request_ps, mixed_kv_ps;
    int64_t kv_tokens, page, chunk, prefill_max, batch_max, running_max;
    /* Of clients, for the whole answer; 0: they wait for ever. */
    int64_t patience_ns[SGL_REFERENCE_REQUEST_MAX];
    char text[1024];
};

struct sgl_reference {
    int64_t arrival_ns, prompt, output, max;
    enum sgl_priority priority;
    int64_t goal;    /* tokens to compute before the next one is given */
    int64_t done;    /* of them; what the cache had included */
    int64_t stored;  /* tokens that pages were taken for */
    int64_t emitted; /* output tokens */
    int64_t admission;
    int64_t started_ns, first_ns, finish_ns;
    int64_t finish_order; /* among all ends and departures of clients */
    int64_t left_ns;      /* its client, before it finished; SGL_ABSENT: it did not */
    int64_t left_order;
    int64_t token_ps; /* when it gave its last one */
    bool is_rejected, is_queued, is_admitted, is_finished;
    bool is_departing; /* finished, and the next plan does not know */
    bool is_stopped;   /* a stop token ends it */
    bool is_overrun;   /* it has, and the step that was planned by then computes it once more */
    bool is_leaving;   /* its client has left, and the next plan does not know */
    bool is_abandoned; /* it has left, and ends with this step */

    const uint64_t *ids;
    uint64_t own_ids[SGL_REFERENCE_OWN_MAX]; /* of a prompt that nothing is known of, or with those
                                                that its answer has until a prompt names them */
    bool has_own_ids;
    int64_t session;                /* 0: none, or its answer is not kept */
    int64_t named, id_count, block; /* ids of the prompt, and with those of the answer */
    int64_t path;                   /* blocks of it in the cache that it uses */
    int64_t found;                  /* of these, what was there when it was last admitted */
    int64_t cached;                 /* tokens at first admission; SGL_ABSENT without ids */
};

/* Every gap between two tokens of a request, one by one. */
#define SGL_REFERENCE_GAP_MAX (SGL_REFERENCE_REQUEST_MAX * 700)
struct sgl_reference_gaps {
    int64_t length_ps[SGL_REFERENCE_GAP_MAX];
    size_t count;
};

/* What happened in a world: or it proves nothing. */
struct sgl_reference_events {
    int64_t hits, evictions, withdrawals, refusals, clipped, overtaken, followers, departures;
    int64_t places;  /* taken from the less urgent */
    int64_t spared;  /* the youngest, for others were less urgent */
    int64_t answers; /* blocks of them, named by a later prompt */
    int64_t kept;    /* who gave least, for others were less urgent */
    int64_t shared;  /* what another one computes in the same step */
    int64_t resumed; /* who has ids and was taken back, and finds blocks of its answer */
    int64_t unnamed; /* blocks of an answer that goes on: no later prompt names them */
    int64_t chunks;  /* what one whose prompt is not done has computed of it in chunks before */
    int64_t left_waiting, left_in_prefill, left_decoding;
    int64_t once_more;    /* computed in a step that was planned before its client left */
    int64_t left_in_plan; /* taken back, or not let in, by that plan */
    int64_t overruns;     /* computed once more after a stop token */
    int64_t lonely;       /* with nobody else in the step */
    int64_t half_done;    /* left with a prompt that was not done */
};

int64_t sgl_reference_draw(struct sgl_rng *draws, const int64_t *choices, uint32_t count);

#define DRAW(draws, ...)                                                                           \
    sgl_reference_draw(draws, (const int64_t[]){__VA_ARGS__},                                      \
                       (uint32_t)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)))

struct sgl_reference_setting sgl_reference_setting(struct sgl_rng *draws);

size_t sgl_reference_rows(struct sgl_rng *draws, const struct sgl_reference_setting *it,
                          struct sgl_trace_row *rows,
                          uint64_t ids[SGL_REFERENCE_REQUEST_MAX][SGL_REFERENCE_BLOCK_MAX]);

/* Makes the rows, which must be small, turns of two sessions: prompts with an id for each whole
 * block, most of which go on from the answer before. */
void sgl_reference_sessions(struct sgl_rng *draws, struct sgl_trace_row *rows, size_t count,
                            uint64_t ids[SGL_REFERENCE_REQUEST_MAX][SGL_REFERENCE_BLOCK_MAX]);

/* Runs the world; asserts that memory balances and that nobody waits for ever. */
void sgl_reference_run(const struct sgl_reference_setting *it, const struct sgl_trace_row *rows,
                       size_t count, struct sgl_reference *all, struct sgl_reference_events *events,
                       struct sgl_reference_gaps *gaps);

#endif
