/*
 * policy.h - what a routing policy is. One policy = one file in core/policies/ + one line in
 * core/policies.def.
 *
 * decide says which candidate, and changes nothing: the same state and view always give the same
 * choice. assign is the only change at routing, called with the worker really used. observe learns
 * from an answer. event hears of workers added or removed, flushes and load reports. explain fills
 * the rows that make a decision understandable. A policy sees time only as view->now_ns and chance
 * only as view->draws; it does no I/O, has no globals and allocates nothing in decide or observe.
 *
 * Memory: the router gives sgl_policy_state_size() zeroed bytes, then calls create; it frees them
 * itself.
 * Members marked ? may be NULL. Calls come one at a time.
 */
#ifndef SGL_CORE_POLICY_H
#define SGL_CORE_POLICY_H

#include "allocator.h"
#include "decision.h"
#include "fleet.h"
#include "parameters.h"
#include "rng.h"

/* What a policy may see when it decides. Only candidates may be chosen. */
struct sgl_view {
    int64_t now_ns;
    const struct sgl_request *request; /* NULL in explain, after an outcome */
    const struct sgl_fleet *fleet;
    const uint32_t *candidates; /* worker indices, ascending */
    uint32_t candidate_count;   /* at least 1 */
    struct sgl_rng draws;       /* this request's own stream: copy, then draw */
};

struct sgl_choice {
    uint32_t worker;
    enum sgl_reason reason;
};

/* An answer, as policies may learn from it. */
struct sgl_observation {
    int64_t now_ns;     /* the response was received */
    int64_t latency_ns; /* since the request was sent to the worker, by the router's clock */
    uint32_t worker;
    const struct sgl_outcome *outcome;
};

/* What a policy keeps of one worker's prompts; SGL_ABSENT: it keeps no such thing. */
struct sgl_policy_memory {
    int64_t tree_units; /* tokens or bytes, as prompts are measured */
    int64_t tree_nodes;
};

struct sgl_policy_setup {
    const struct sgl_parameters *parameters; /* outlive the state */
    uint32_t worker_max;
    const struct sgl_allocator *allocator; /* for what assign may grow; outlives the state */
};

struct sgl_policy_ops {
    const char *name;
    const char *aliases; /* ? separated by spaces */
    const char *summary; /* one line, under 80 columns */
    const char *rule;    /* the rule in words and formulas; lines under 96 columns */
    const char *source;  /* where the rule comes from */
    const struct sgl_parameter *parameters; /* ? */

    /* Fills in values that hang on others (absent ones: NaN), then says whether all fit together.
     */
    int (*resolve)(struct sgl_parameters *parameters, struct sgl_failure *failure); /* ? */
    size_t state_bytes; /* of its state, when that hangs on nothing; else state_size says */
    size_t (*state_size)(const struct sgl_parameters *parameters, uint32_t worker_max); /* ? */
    int (*create)(void *state, const struct sgl_policy_setup *setup); /* ? SGL_OK or SGL_ENOMEM */
    void (*release)(
        void *state); /* ? what create and assign allocated; also after a failed create */
    struct sgl_choice (*decide)(const void *state, const struct sgl_view *view);
    double (*probability)(const void *state, const struct sgl_view *view, uint32_t worker);
    int (*assign)(void *state, const struct sgl_view *view, uint32_t worker); /* ? */
    void (*observe)(void *state, const struct sgl_observation *observation);  /* ? */
    void (*event)(void *state, const struct sgl_fleet *fleet,
                  const struct sgl_input *input); /* ? */
    /* Rows [0, count) are candidates [first, first + count) of the view; worker, outstanding and
     * queue fields are already filled, the rest is absent. */
    void (*explain)(const void *state, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows); /* ? */
    /* For who watches: changes nothing, and no decision depends on it. */
    void (*memory)(const void *state, uint32_t worker, struct sgl_policy_memory *out); /* ? */
};

/* A policy with its parameters, as written: `name:key=value,key=value`. */
struct sgl_policy_spec {
    const struct sgl_policy_ops *ops;
    struct sgl_parameters parameters;
};

int sgl_policy_parse(struct sgl_policy_spec *spec, const char *text, struct sgl_failure *failure);

/* The spec with every parameter resolved; parses back to the same. Caller frees; NULL: no memory.
 */
char *sgl_policy_format(const struct sgl_policy_spec *spec);

void sgl_policy_release(struct sgl_policy_spec *spec);

/* Bytes of memory that the policy wants for its state; 0 for one that has none. */
size_t sgl_policy_state_size(const struct sgl_policy_spec *spec, uint32_t worker_max);

/* Does the policy fit a fleet of that many workers? (A list needs one member for each.) */
int sgl_policy_fits(const struct sgl_policy_spec *spec, uint32_t worker_count,
                    struct sgl_failure *failure);

/* The table, in the order of policies.def; NULL past its end. */
const struct sgl_policy_ops *sgl_policy_at(uint32_t index);

/* By name or alias; NULL when there is none. `length` bytes count. */
const struct sgl_policy_ops *sgl_policy_named(const char *name, size_t length);

#endif
