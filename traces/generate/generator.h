/*
 * generator.h - requests drawn from laws, as a source of rows (traces/trace.h).
 *
 *     law of arrivals --> sessions begin        first turn, next turn, ... of each --+
 *                            |                                                       v
 *                            +--> heap of turns to come, by (arrival, session) --> rows, in order
 *
 * Without `sessions` each session is one request. With them it has a number of turns drawn from a
 * geometric law; the prompt of a turn is the whole prompt of the one before, its output, and new
 * tokens; it comes after the one before by
 *     output x tpot_ms (how long an answer is assumed to take) + think time (exponential, think_s).
 * A session ends early rather than let prompt + output exceed max_context.
 *
 *     prompt of turn 1   | system prompt | user |
 *     prompt of turn 2   | system prompt | user | output | user |
 *     ids                 s0  s1  s2  s3  u4  u5  u6 ...           one per whole block
 *
 * An id stands for a whole block and all before it: the digest of the id before it and of what is
 * in the block. So the ids of turn k + 1 begin with those of turn k, and two sessions share ids as
 * far as they have the same system prompt, which is drawn from a Zipf law over `system` of them,
 * each `blocks` blocks long, and comes before what the prompt's law draws.
 *
 * Every draw is keyed by (seed, purpose, session, turn); the arrivals are one stream of their own.
 * So the same options give the same rows, and another law of arrivals leaves the lengths, the
 * system prompts and the sessions as they were.
 *
 * Memory: the sessions that go on, and one list of ids. SGL_EINVAL: arrivals reach 1e9 s, from
 * where on a trace's numbers mean something else. One thread at a time.
 */
#ifndef SGL_TRACES_GENERATE_GENERATOR_H
#define SGL_TRACES_GENERATE_GENERATOR_H

#include "law.h"
#include "traces/trace.h"

enum sgl_prefix_parameter { SGL_PREFIX_SYSTEM, SGL_PREFIX_ZIPF, SGL_PREFIX_BLOCKS };
enum sgl_session_parameter {
    SGL_SESSION_TURNS,
    SGL_SESSION_THINK_S,
    SGL_SESSION_TPOT_MS,
    SGL_SESSION_MAX_CONTEXT
};

extern const struct sgl_parameter sgl_generator_prefixes[];
extern const struct sgl_parameter sgl_generator_sessions[];

/* Everything is borrowed while the generator lives; it changes the state of the laws. */
struct sgl_generator_options {
    struct sgl_law *arrivals; /* of sessions */
    struct sgl_law *prompt;   /* tokens new in a turn */
    struct sgl_law *output;
    const struct sgl_parameters *prefixes; /* NULL: no system prompts */
    const struct sgl_parameters *sessions; /* NULL: of one turn each */
    uint32_t prefix_block;                 /* tokens of a block, above 0 */
    double max_factor;  /* max_tokens is output x this, rounded up; 0: see the next */
    int64_t max_tokens; /* max_tokens is this, which cuts the output; 0: absent */
    uint64_t seed;
    uint64_t request_count; /* at most; 0: no bound */
    int64_t duration_ns;    /* arrivals below this from the start of the law; 0: no bound */
};

struct sgl_generator_facts {
    uint64_t request_count;
    uint64_t session_count;
    uint64_t sessions_cut;    /* had turns to come when the trace ended */
    uint64_t sessions_full;   /* ended early for max_context */
    uint64_t prompts_clamped; /* draws that the law's bound changed */
    uint64_t outputs_clamped;
    uint64_t outputs_cut;  /* by max_tokens */
    int64_t shared_tokens; /* of prompts, in blocks whose id an earlier request had */
    int64_t new_tokens;    /* of the last row: what the prompt's law drew */
    bool is_first_turn;    /* of the last row */
};

struct sgl_generator; /* its first member is a struct sgl_source */

int sgl_generator_create(struct sgl_generator **generator_out,
                         const struct sgl_generator_options *options, struct sgl_failure *failure);
void sgl_generator_destroy(struct sgl_generator *generator);

/* 1: a row is in *row_out, borrowed until the next call; 0: the end; negative: failure. */
int sgl_generator_next(struct sgl_generator *generator, struct sgl_trace_row *row_out,
                       struct sgl_failure *failure);

const struct sgl_generator_facts *sgl_generator_facts(const struct sgl_generator *generator);

#endif
