/*
 * calibrate.h - coefficients of the step time from recorded requests, by simulation.
 *
 *     recording --routing, arrivals, lengths--> worker model(coefficients) --> times
 *         |                                                                      |
 *         +-------------- measured times --------------> log ratios  <-----------+
 *                                                            |
 *                        coefficients  <--- least Huber's loss, and what is believed
 *
 * Every request of the recording is replayed where and when it went; those of `range` are scored.
 * Residuals, each where both sides have it, with t0 the arrival at the worker:
 *
 *     log((queue_sim + f) / (queue + f))    log((first_sim - t0) / (first - t0))
 *     log((finish_sim - t0) / (finish - t0))          log(tpot_sim / tpot)
 *
 * where f, 2 % of the mean time at the worker and at least 10 ms, keeps short waits from counting:
 * which step a request just missed is luck.
 *
 * Each kind is counted in units of its own luck: 1.4826 x median |difference of neighbours| / root
 * of 2 (Rice, Bandwidth choice for nonparametric regression, 1984) and at least 0.5 %, for first
 * tokens scatter by a step and whole answers hardly. What a kind is off by on average is no luck:
 * in units of that, a fit could settle for being wrong in one kind and right in another. All units
 * are then widened alike to what is left over, or what is believed would not count beside it.
 * Huber's loss (k = 1.345 of those units: 95 % efficient under normal errors; Huber, Robust
 * Statistics, 1981), so that a stalled request does not bend the fit; the units are measured anew
 * as the fit gets better. Coefficients are fitted as logarithms: they stay positive, and standard
 * errors are relative. Those that are not fitted keep their ratios to one another: `scale`
 * multiplies them all.
 *
 *     fitted   free              tied   start value x scale      held   free, and little was learnt
 *     none     0 at the start, from where no fit leads away; free_tokens stays the start's
 *
 * A coefficient that the user names and the data cannot tell is refused: its standard error is
 * above SGL_CALIBRATION_SE_MAX, or the lengths that it multiplies are all the same. Standard errors
 * are then sandwich estimates over blocks of consecutive requests, for neighbours in a queue share
 * their luck (White, 1980; Liang and Zeger, 1986). What all of them share they do not see.
 *
 * "auto" says beforehand what is believed of the coefficients' logarithms, and frees them all:
 * each is normal around the start's, apart from one scale for all of which nothing is believed. So
 * what the requests tell moves, and what they do not tell stays near the start's ratio (a ridge;
 * Hoerl and Kennard, 1970) instead of being dropped or standing in for another. Terms that a start
 * may lack, those of the roofline, experts and mixed steps, begin at parts of the terms it has
 * (calibrate_anneal.c), and less is believed of them. How much is freed (SGL_FREEDOM_MAP) is found
 * with the rows: each way is fitted to the first two thirds, the last third judges. Usually it is
 * all ratios and the roofline; less when that foretells plainly more, the experts when the loss is
 * less by a quarter. The same holds for every engine (calibrate_choose.c). Residuals
 * count as a fifth beside the belief, for requests share their steps. Standard errors are how far
 * the requests and the belief together let a coefficient be from the fit, in root mean square
 * (calibrate_errors.c). A start without experts, for an engine that has them, makes others stand in
 * for them, which the errors do not know. Where an error is more than root 1/2 of what was
 * believed, the requests tell less than the belief, and the
 * coefficient is `held`.
 *
 * The loss is rough and has many valleys: Levenberg and Marquardt's steps, then a cloud of points
 * (calibrate_search.c), four times, in units that shrink and with a belief that grows; other starts
 * if asked. Both ways of planning steps (finds_async) are fitted as far as that. Then the losses of
 * blocks of requests are compared in the same units (Vuong, 1989): when they are less than
 * SGL_CALIBRATION_TELLING standard errors apart, the requests cannot tell, and it is vLLM's own
 * default, on.
 *
 * Condition: square root of largest over smallest curvature of the loss.
 *
 * Deterministic: the same recording, start and seed give the same bytes. One thread at a time:
 * GSL's error handler, which is global, is switched off meanwhile.
 */
#ifndef SGL_ANALYSIS_CALIBRATE_H
#define SGL_ANALYSIS_CALIBRATE_H

#include "analysis/accuracy.h"

/* In the order of the step's formula; names are parameters of the batching model. */
#define SGL_COEFFICIENT_MAP(X)                                                                     \
    X(C_STEP_PREFILL, c_step_prefill_us)                                                           \
    X(C_STEP_DECODE, c_step_decode_us)                                                             \
    X(C_REQUEST, c_request_us)                                                                     \
    X(C_PREFILL_TOKEN, c_prefill_token_us)                                                         \
    X(C_PREFILL_CONTEXT, c_prefill_context_us)                                                     \
    X(C_KV_TOKEN, c_kv_token_us)                                                                   \
    X(C_EXPERT, c_expert_us)                                                                       \
    X(C_TOKEN, c_token_us)                                                                         \
    X(C_MIXED_REQUEST, c_mixed_request_us)                                                         \
    X(C_MIXED_KV_TOKEN, c_mixed_kv_token_us)

enum sgl_coefficient {
#define SGL_COEFFICIENT_ENUM(upper, lower) SGL_##upper,
    SGL_COEFFICIENT_MAP(SGL_COEFFICIENT_ENUM)
#undef SGL_COEFFICIENT_ENUM
        SGL_COEFFICIENT_COUNT
};

const char *sgl_coefficient_name(enum sgl_coefficient coefficient);

enum sgl_coefficient_state {
    SGL_COEFFICIENT_FITTED,
    SGL_COEFFICIENT_TIED,
    SGL_COEFFICIENT_HELD, /* free, but the requests say less of it than was believed before */
    SGL_COEFFICIENT_ZERO,
    SGL_COEFFICIENT_NONE /* not looked for: 0 at the start, or no step that could show it */
};

/* What "auto" chooses from, the simplest first (calibrate_choose.c). */
#define SGL_FREEDOM_MAP(X)                                                                         \
    X(SCALE, "one scale for all")                                                                  \
    X(LOOSE, "ratios within about 17 % of the start's")                                            \
    X(PLAIN, "ratios within about a factor of 1.65")                                               \
    X(ROOFLINE, "the same, with a roofline")                                                       \
    X(EXPERTS, "the same, with a roofline and experts")

enum sgl_freedom {
#define SGL_FREEDOM_ENUM(upper, text) SGL_FREEDOM_##upper,
    SGL_FREEDOM_MAP(SGL_FREEDOM_ENUM)
#undef SGL_FREEDOM_ENUM
        SGL_FREEDOM_COUNT
};

const char *sgl_freedom_text(enum sgl_freedom freedom);

struct sgl_calibration_choice {
    bool has_judged;             /* else there are too few rows to judge by */
    struct sgl_row_range judged; /* the rows that did, not seen by those fits */
    enum sgl_freedom chosen;
    double loss_ratio[SGL_FREEDOM_COUNT]; /* over the usual one's, on those rows; NaN: not tried */
};

#define SGL_CALIBRATION_SE_MAX 0.5  /* of a logarithm: 95 % of the time within a factor of 2.7 */
#define SGL_CALIBRATION_TELLING 2.0 /* standard errors between two that the requests tell apart */

struct sgl_calibration_options {
    const struct sgl_worker_model_spec *start; /* of the batching model */
    struct sgl_row_range range;
    int64_t first_token_is; /* accuracy.h */
    const char *fit;        /* "auto", "scale", or coefficients between commas */
    uint64_t seed;
    uint32_t starts; /* random ones beside the start itself */
    /* Of scheduler=vllm: is async_scheduling on? The start's value notwithstanding. */
    bool finds_async;
    /* ? Called after every simulation of the whole recording. */
    void (*progress)(void *context, uint64_t evaluations);
    void *progress_context;
};

struct sgl_coefficient_fit {
    enum sgl_coefficient_state state;
    double value_us;       /* scale included */
    double relative_error; /* standard error of its logarithm; NaN: it is zero, or not fitted */
};

struct sgl_calibration {
    struct sgl_coefficient_fit coefficients[SGL_COEFFICIENT_COUNT];
    int64_t free_tokens;  /* of c_token_us: the start's; of measured steps what fits best */
    double p_expert;      /* of c_expert_us, likewise */
    double scale;         /* of the tied ones; 1 when there are none */
    double scale_error;   /* NaN when there is none */
    double condition;     /* INFINITY: a direction has no curvature */
    double robust_spread; /* of the residuals: 1.4826 x median |r| */
    double loss;          /* mean Huber loss */
    bool has_found_async;
    bool is_async;
    double async_loss[2];  /* mean loss of the best fit, off and on, in the same units */
    double async_distance; /* off less on, in standard errors */
    bool has_chosen;       /* fit was "auto" */
    struct sgl_calibration_choice choice;
    uint64_t residual_count;
    uint64_t evaluations;  /* simulations of the whole recording */
    uint32_t fitted_count; /* told by the requests; a scale that was asked for included */
    struct sgl_accuracy fit_accuracy; /* over the scored requests */
    bool is_misused;                  /* what failed is `fit` */
    bool is_not_identifiable;         /* what failed is that the data cannot tell */
};

int sgl_calibrate(struct sgl_calibration *calibration, const struct sgl_recording *recording,
                  const struct sgl_calibration_options *options, struct sgl_failure *failure);

void sgl_calibration_release(struct sgl_calibration *calibration);

/* The start with the fitted coefficients in place, and async_scheduling as found; scale becomes 1.
 */
void sgl_calibration_apply(const struct sgl_calibration *calibration,
                           struct sgl_worker_model_spec *spec);

#endif
