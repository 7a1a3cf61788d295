/*
 * worker_model.h - what a simulated worker is. One model = one file in sim/models/ + one line in
 * sim/models.def.
 *
 *                 arrive(job)        next_event_ns()   "wake me then"
 *      driver  ---------------->  model  ------------------------>  driver
 *              advance(now)                emit(first token, finish, reject)
 *              schedule(now)
 *
 * A model knows neither the router nor the clock: it is told times and asked for its next event. So
 * the simulator drives it in virtual time, and an emulator can drive the same code in real time:
 * late drivers call advance and schedule with each next_event_ns() that has passed, in order,
 * before they hand over new jobs. For one instant `now` (whole ns) the driver calls, in this order:
 *
 *     advance(now)    when next_event_ns() == now: what was under way ends, events are emitted
 *     arrive(job)     for each job that comes at `now`; nothing is started yet
 *     schedule(now)   after everything else of the instant: new work starts
 *
 * A driver that asks for the load tells the time with advance first, also between events: the model
 * then knows what is under way.
 *
 * After schedule, next_event_ns() says when to come back: at `now` once more, it may be. Events
 * carry the instant they happen in; those of one advance come in a fixed order.
 *
 * A job carries the true output length: the model is the world, which knows. Nothing a model emits
 * or reports may show it before the request is finished.
 *
 * Memory: the driver gives state_size zeroed bytes, calls create once and destroy once (also after
 * a failed create), and frees them itself. All calls come one at a time. Members marked ? may be
 * NULL.
 */
#ifndef SGL_SIM_WORKER_MODEL_H
#define SGL_SIM_WORKER_MODEL_H

#include "core/parameters.h"
#include "core/request.h"
#include "sim/profile.h"
#include "traces/trace.h"

/*
 * Which part of a request a worker has. In a fleet of pairs the prompt is computed by one worker
 * and the answer given by another:
 *
 *     prefill   the prompt and token 1; its memory stays taken after the finish event, for it is
 *               being sent away, until cancel says that it has arrived
 *     decode    the rest: the prompt's memory comes with the job, and token 1 is told when the job
 *               joins the batch
 */
enum sgl_leg { SGL_LEG_WHOLE, SGL_LEG_PREFILL, SGL_LEG_DECODE };

/* A request as it reaches a worker. Pointers are borrowed for the call. */
struct sgl_job {
    uint32_t handle;       /* the driver's name for it, unique among jobs in the worker */
    int64_t arrival_ns;    /* at the worker */
    int64_t max_tokens;    /* never absent: the driver has put its default where there was none */
    int64_t output_tokens; /* the truth, of all legs together */
    bool is_stopped;       /* a stop token ends it, which comes as a surprise */
    enum sgl_leg leg;      /* others than whole only where has_legs */
    const struct sgl_request *request;   /* what the router knows of it */
    const struct sgl_recorded *recorded; /* what was measured when the trace was taken */
};

enum sgl_worker_event_kind {
    SGL_WORKER_FIRST_TOKEN,
    SGL_WORKER_FINISH,
    SGL_WORKER_REJECT, /* it can never be served here */
    SGL_WORKER_FORGET, /* its client had left, and the model has forgotten it, with its memory */
};

/* What a model does not know is SGL_ABSENT. */
struct sgl_worker_event {
    enum sgl_worker_event_kind kind;
    uint32_t handle;
    int64_t time_ns;       /* when it happened; the instant of the call that emitted it */
    int64_t delay_ns;      /* the worker sends its answer that much later */
    int64_t started_ns;    /* finish: prefill (or service) start */
    int64_t output_tokens; /* finish */
    int64_t cached_tokens; /* finish: prompt tokens found in a cache */
    bool is_cut;           /* finish: max_tokens ended it, and the truth is longer */
    const char *error;     /* reject: a static word such as "over_capacity" */
};

/* What a worker would say of itself now. */
struct sgl_worker_load {
    int64_t queue_length; /* requests waiting, running ones not */
    int64_t running;
    double token_usage; /* used fraction of the KV memory; NaN when unlimited or not modelled */
};

struct sgl_gap_counter;
struct sgl_worker_model_spec;

struct sgl_worker_model_setup {
    const struct sgl_worker_model_spec *spec; /* outlives the state */
    uint64_t seed;
    bool stepwise; /* one step at a time instead of leaps, with the same results */
    void (*emit)(void *context, const struct sgl_worker_event *event); /* may call load, no more */
    void *context;
    struct sgl_gap_counter *gaps; /* ? where to count the gaps between tokens, by models that give
                                     tokens: those of all requests, also of ones that fail later */
};

struct sgl_worker_model_ops {
    const char *name;
    const char *aliases;                    /* ? separated by spaces */
    const char *summary;                    /* one line, under 80 columns */
    const struct sgl_parameter *parameters; /* ? */
    bool takes_profile;                     /* its table is the one profiles are written in */
    bool has_legs;                          /* it can be one of a pair */
    size_t state_size;
    size_t busy_size; /* of it, from its beginning, what nearly every call reads */

    /* Called after each key=value: lets a key stand for several others. */
    void (*spread)(struct sgl_parameters *parameters); /* ? */
    /* Do the values fit together? */
    int (*check)(const struct sgl_parameters *parameters, struct sgl_failure *failure); /* ? */
    /* The index-th thing a user should know about figures from this spec, in `out`; NULL past the
     * last one. */
    const char *(*caveat)(const struct sgl_worker_model_spec *spec, uint32_t index, char *out,
                          size_t size); /* ? */

    /* ? The most tokens, prompt and answer, one request can have; INT64_MAX: any number. */
    int64_t (*capacity)(const struct sgl_worker_model_spec *spec);

    int (*create)(void *state, const struct sgl_worker_model_setup *setup,
                  struct sgl_failure *failure);
    void (*destroy)(void *state);
    int (*arrive)(void *state, const struct sgl_job *job, struct sgl_failure *failure);
    int64_t (*next_event_ns)(const void *state); /* SGL_NEVER when it waits for a job */
    void (*advance)(void *state, int64_t now_ns);
    int (*schedule)(void *state, int64_t now_ns, struct sgl_failure *failure);
    void (*load)(const void *state, struct sgl_worker_load *load_out);
    /* ? Engine steps done by `now_ns`, leapt over ones counted. */
    uint64_t (*steps)(const void *state, int64_t now_ns);
    /* ? Brings setup.gaps up to `now_ns`: tokens of a leap are counted when it ends, unless this
     * asks. Called like load. */
    void (*settle_gaps)(void *state, int64_t now_ns);
    /* ? Tells of each request that is giving tokens how many it has given, as of the last advance:
     * for drivers that stream. Of those that wait again nothing is told. In no order. */
    void (*tokens)(const void *state, void (*tell)(void *context, uint32_t handle, int64_t tokens),
                   void *context);
    /* Its client has left, at `now_ns`. True: the model has forgotten it, and the handle may be
     * used again. False: it will soon be, when the model's world allows; a finish or a forget event
     * says so, which may also come from schedule. Called like slow. */
    bool (*cancel)(void *state, int64_t now_ns, uint32_t handle);
    /* From `now_ns` on work takes `factor` (more than 0) times as long as the spec says: the steps
     * that begin from now on, the services that start. 1 undoes it. Between advance and schedule;
     * the driver asks for next_event_ns() anew. */
    void (*slow)(void *state, int64_t now_ns, double factor);
    /* ? Two for drivers with more workers than the processor's cache has room for. fetch: its turn
     * comes soon, so what advance reads beside busy_size may be got. tells_next: the handle of a
     * job that the next advance will tell of, most likely; any number when there is none. */
    void (*fetch)(const void *state);
    uint32_t (*tells_next)(const void *state);
};

#define SGL_WORKER_MODEL(name) extern const struct sgl_worker_model_ops sgl_worker_model_##name;
#include "sim/models.def"
#undef SGL_WORKER_MODEL

#define SGL_NEVER INT64_MAX

/* Requests with more tokens than this (2^30) are refused: products of two counts fit in 64 bits. */
#define SGL_JOB_TOKENS_MAX (INT64_C(1) << 30)

/* A model with every parameter resolved. */
struct sgl_worker_model_spec {
    const struct sgl_worker_model_ops *ops;
    struct sgl_parameters parameters;
    struct sgl_profile_identity profile; /* all empty when the model takes none */
};

/*
 * "name" or "name:key=value,key=value". Values come from the table's defaults, then from a profile,
 * then from the text. For a model that takes one, the key `profile` names a built-in profile or a
 * file; the default is SGL_PROFILE_STANDARD. On failure the spec holds nothing to release.
 */
int sgl_worker_model_parse(struct sgl_worker_model_spec *spec, const char *text,
                           struct sgl_failure *failure);

/*
 * The same from three places: `service` as above, then `profile` (NULL: not given), then
 * `overrides` "key=value,..." (NULL: none). Later places win; a `profile` key in the texts wins
 * over `profile`. SGL_EINVAL is for what the texts say, SGL_EIO for the profile: that it is
 * unknown, cannot be read, or holds what it may not.
 */
int sgl_worker_model_resolve(struct sgl_worker_model_spec *spec, const char *service,
                             const char *profile, const char *overrides,
                             struct sgl_failure *failure);

/* Changes one parameter of a resolved spec, as a text would, but for `profile`; `what` opens the
 * failure text. sgl_worker_model_check then says whether the values still fit together. */
int sgl_worker_model_set(struct sgl_worker_model_spec *spec, const char *key, size_t key_length,
                         const char *value, size_t value_length, const char *what,
                         struct sgl_failure *failure);
int sgl_worker_model_check(const struct sgl_worker_model_spec *spec, struct sgl_failure *failure);

/* The spec with every parameter resolved; parses back to the same values bit for bit (the profile's
 * name is not part of it: its values are). Caller frees; NULL without memory. */
char *sgl_worker_model_format(const struct sgl_worker_model_spec *spec);

void sgl_worker_model_release(struct sgl_worker_model_spec *spec);

/* What a run with this spec should say beside its figures: one line per index from 0, NULL past the
 * last. The text lies in `out`. */
const char *sgl_worker_model_caveat(const struct sgl_worker_model_spec *spec, uint32_t index,
                                    char *out, size_t size);

/* "batching|recorded|...", in the order of models.def. */
extern const char *const sgl_worker_model_words;

/* The table, in the order of models.def; NULL past its end. */
const struct sgl_worker_model_ops *sgl_worker_model_at(uint32_t index);

/* By name or alias; NULL when there is none. `length` bytes count. */
const struct sgl_worker_model_ops *sgl_worker_model_named(const char *name, size_t length);

#endif
