/*
 * decision.h - what the router says: decisions, their candidates, and records of outcomes.
 */
#ifndef SGL_CORE_DECISION_H
#define SGL_CORE_DECISION_H

#include "input.h"
#include "reason.h"

/* One worker as the policy saw it: the row that explains a decision. Gradients and scores are NaN
 * when the policy has none: absent is never 0. */
struct sgl_candidate {
    uint32_t worker;
    double score;
    double throughput_gradient; /* tokens/s per s */
    double latency_gradient;    /* s per s */
    int64_t outstanding;
    int64_t queue_length; /* last reported; SGL_ABSENT without a report */
    int64_t queue_age_ns; /* age of that report */
    double matched_fraction;
    double avg_throughput_tps;
    double avg_latency_s;
    int64_t window_size; /* completions the policy remembers of it; SGL_ABSENT if it keeps none */
};

/* A row of which only the worker is known. */
struct sgl_candidate sgl_candidate_absent(uint32_t worker);

struct sgl_decision {
    uint64_t sequence; /* that of the route input */
    int64_t now_ns;
    int64_t request;
    uint32_t attempt;
    enum sgl_pool pool;
    const char *policy; /* its name; static */
    uint32_t worker;    /* SGL_NO_WORKER when there was no candidate */
    enum sgl_reason reason;
    double propensity;   /* exact chance that this worker was chosen; NaN without a worker */
    int64_t decision_ns; /* real time it took; SGL_ABSENT in virtual time */
};

/* An outcome as the router filed it, and how its policy sees the worker after learning from it:
 * absent when no sink wants candidates. */
struct sgl_outcome_record {
    uint64_t sequence;          /* that of the complete, cancel or reject input */
    uint64_t decision_sequence; /* that of the decision it answers; 0 for a reject */
    int64_t now_ns;
    int64_t sent_ns; /* when its worker was decided; SGL_ABSENT for a reject */
    int64_t request;
    uint32_t attempt;
    enum sgl_pool pool;
    uint32_t worker; /* SGL_NO_WORKER for a reject */
    const struct sgl_outcome *outcome;
    struct sgl_candidate after;
};

#endif
