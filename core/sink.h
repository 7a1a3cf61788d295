/*
 * sink.h - who listens to a router: a log writer, a summary, a verifier, or several (sgl_tee).
 *
 * The router itself calls its sink, so no driver can forget to log. For each input it calls, in
 * this order: input (always), decision (route only), outcome (complete, cancel, reject only). NULL
 * members = not interested; candidates are only built when `wants_candidates` is set, and inputs
 * whose kind is in `ignores` are passed over.
 *
 * Gaps between tokens pass no router. A driver that knows them counts them when `wants_gaps` is
 * set, and tells them when the warm-up it was given ends and when the run does, each gap once:
 * workers in ascending order, those without any left out.
 *
 * Everything passed is borrowed for the call. A sink cannot fail towards the router: it remembers
 * its first failure, goes quiet, and its driver asks. Calls come under the driver's mutex.
 */
#ifndef SGL_CORE_SINK_H
#define SGL_CORE_SINK_H

#include "decision.h"
#include "gaps.h"

struct sgl_sink;

struct sgl_sink_ops {
    void (*input)(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input);
    void (*decision)(struct sgl_sink *self, const struct sgl_decision *decision,
                     const struct sgl_candidate *candidates, uint32_t candidate_count);
    void (*outcome)(struct sgl_sink *self, const struct sgl_outcome_record *record);
    void (*gaps)(struct sgl_sink *self, const struct sgl_gaps *gaps);
};

/* First member of every implementation. */
struct sgl_sink {
    const struct sgl_sink_ops *ops;
    bool wants_candidates;
    bool wants_gaps;
    uint32_t ignores; /* bits of SGL_INPUT_BIT */
};

#define SGL_INPUT_BIT(kind) (UINT32_C(1) << (kind))

/* Passes every call on to each of its sinks, in order. The array is the caller's. */
struct sgl_tee {
    struct sgl_sink sink;
    struct sgl_sink *const *sinks;
    uint32_t sink_count;
};

void sgl_tee_init(struct sgl_tee *tee, struct sgl_sink *const *sinks, uint32_t sink_count);

#endif
