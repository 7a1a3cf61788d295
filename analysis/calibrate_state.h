/*
 * calibrate_state.h - what the parts of calibrate share.
 *
 *     calibrate_residuals.c   x -> coefficients -> simulation -> residuals
 *     calibrate_fit.c         least loss from a point; curvature and standard errors there
 *     calibrate_search.c      the same in a cloud of points, where the loss is rough
 *     calibrate_anneal.c      what is believed beforehand; from the start to the best point
 *     calibrate_errors.c      how far from there the coefficients of "auto" may be
 *     calibrate.c             which coefficients are free, which alternative, what to report
 */
#ifndef SGL_ANALYSIS_CALIBRATE_STATE_H
#define SGL_ANALYSIS_CALIBRATE_STATE_H

#include "calibrate.h"

/* The coefficients and scale. */
#define SGL_FREE_MAX (SGL_COEFFICIENT_COUNT + 1)

/* How far a logarithm may go from its start: a factor of 10,000. */
#define SGL_LOG_SPAN 9.21034037197618

struct sgl_calibration_problem {
    const struct sgl_calibration_options *options;
    const struct sgl_recording *recording;
    struct sgl_row_range range; /* the rows scored */
    size_t block_count;         /* of consecutive requests among them, which share their luck */
    struct sgl_worker_plan plan;
    struct sgl_worker_model_spec spec;          /* the one being tried */
    const struct sgl_worker_model_spec **specs; /* of each worker: that one */
    uint32_t rows[SGL_COEFFICIENT_COUNT];       /* of the coefficients in its table */
    uint32_t scale_row;
    uint32_t async_row;
    uint32_t free_tokens_row;
    uint32_t p_expert_row;
    bool has_mixed_steps;      /* the worker may decode beside a prefill */
    int64_t start_free_tokens; /* what the user gave: */
    double start_p_expert;
    double start_us[SGL_COEFFICIENT_COUNT]; /* scale included */
    int64_t free_tokens;                    /* where the fit starts: */
    double p_expert;
    double base_us[SGL_COEFFICIENT_COUNT];
    enum sgl_coefficient_state state[SGL_COEFFICIENT_COUNT];
    bool fits_scale;        /* else what is tied stays at its start */
    int free[SGL_FREE_MAX]; /* coefficients; COEFFICIENT_COUNT: scale */
    size_t free_count;

    bool has_prior;
    double belief;       /* how firm: 1 / variance of the ratios, of what is usual */
    double prior_weight; /* of that, in this turn */
    double prior_spread[SGL_COEFFICIENT_COUNT]; /* of logarithms, apart from one scale for all */

    double queue_floor_ns;
    struct sgl_worker_times *times;
    size_t residual_max;
    size_t residual_count;
    uint32_t *residual_request;       /* whose it is */
    uint8_t *residual_metric;         /* what of it */
    double spreads[SGL_METRIC_COUNT]; /* of the logarithms: what a residual is counted in */
    uint64_t evaluations;
};

int sgl_calibration_problem_make(struct sgl_calibration_problem *problem,
                                 const struct sgl_recording *recording,
                                 const struct sgl_calibration_options *options,
                                 struct sgl_failure *failure);
void sgl_calibration_problem_release(struct sgl_calibration_problem *problem);

/* Which logarithms are free, after `state` or `fits_scale` changed. */
void sgl_calibration_count_free(struct sgl_calibration_problem *problem);

/* The coefficients at x, scale included. */
void sgl_calibration_values(const struct sgl_calibration_problem *problem, const double *x,
                            double value_us[SGL_COEFFICIENT_COUNT]);

/* Simulates at x; `residuals` has residual_max places, residual_count of which are set: logarithms
 * in units of their metric's spread. */
int sgl_calibration_residuals(struct sgl_calibration_problem *problem, const double *x,
                              double *residuals, struct sgl_failure *failure);

/* Sets all spreads to one value. */
void sgl_calibration_set_spreads(struct sgl_calibration_problem *problem, double spread);

/* Sets each metric's spread to its luck, that of residuals which are neighbours, at least 0.5 %,
 * times what all residuals are more than that: 1.4826 x median of |r|. *all_out: that of all
 * residuals together as plain logarithms, or NULL. */
int sgl_calibration_measure_spreads(struct sgl_calibration_problem *problem,
                                    const double *residuals, double *all_out,
                                    struct sgl_failure *failure);

#define SGL_BLOCKS 30 /* the most of block_count */

double sgl_huber_loss(double residual);

/* Requests that share their steps tell less than as many that do not, by this factor, where they
 * are weighed against what is believed. Tried with made-up runs
 * (tests/validity/calibrate_worlds.c): 2 and 15 do about as well. */
#define SGL_CALIBRATION_SHARING 5.0

struct sgl_fit {
    double x[SGL_FREE_MAX];
    double loss;                /* sum of Huber's */
    double error[SGL_FREE_MAX]; /* standard errors; without a prior only */
    double condition;
};

/* Residuals at x, and what is minimised: Huber's loss of them, and the prior's. */
int sgl_calibration_loss(struct sgl_calibration_problem *problem, const double *x,
                         double *residuals, double *loss_out, struct sgl_failure *failure);

/* That of what is believed alone: SGL_CALIBRATION_SHARING times half of the squared distances of
 * the logarithms, in units of prior_spread, from the start's moved by the scale that suits them
 * best. */
double sgl_calibration_prior_loss(const struct sgl_calibration_problem *problem, const double *x);

/* How far and how long to look. */
struct sgl_search {
    double size; /* standard deviation of the first cloud, of a logarithm */
    size_t population;
    uint64_t evaluations; /* about so many */
    uint32_t turn;        /* another, other luck */
};

/* The least loss that is found in a cloud around fit->x, with the problem's spreads. */
int sgl_calibration_search(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                           const struct sgl_search *search, struct sgl_failure *failure);

/* The least loss that is found downhill from fit->x, with the problem's spreads. */
int sgl_calibration_descend(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                            struct sgl_failure *failure);

/* Frees what that kind of fit frees, and sets what is believed of it ("auto"). */
void sgl_calibration_believe(struct sgl_calibration_problem *problem, enum sgl_freedom freedom);

/* What is taken unless another foretells more: with a roofline, which every GPU has. */
enum sgl_freedom sgl_calibration_usual(const struct sgl_calibration_problem *problem);

/* Would it differ from a simpler one, for this start and scheduler? */
bool sgl_calibration_has_freedom(const struct sgl_calibration_problem *problem,
                                 enum sgl_freedom freedom);

/* Fits two thirds of the rows with each freedom, the last third judges: the one that foretells it
 * best. The problem then is of that freedom. */
int sgl_calibration_choose(struct sgl_calibration_problem *problem,
                           struct sgl_calibration_choice *choice_out, struct sgl_failure *failure);

/* Where a fit ended. */
struct sgl_fitted {
    struct sgl_fit fit;
    double spreads[SGL_METRIC_COUNT];
    double *residuals;  /* plain logarithms */
    double common_loss; /* mean, in the units of the last comparison */
};

/* How thoroughly a fit looks. */
struct sgl_cooling {
    size_t turn_first; /* leaves out those before */
    size_t generations;
};

/* The way from fit->x, in units that only shrink. */
int sgl_calibration_cool_down(struct sgl_calibration_problem *problem, uint32_t start,
                              const struct sgl_cooling *cooling, struct sgl_fit *fit,
                              double *residuals, struct sgl_failure *failure);

/* The whole way from a start, 0 the given one. *fitted is empty, or gets another content. */
int sgl_calibration_anneal(struct sgl_calibration_problem *problem, uint32_t start,
                           struct sgl_fitted *fitted, struct sgl_failure *failure);

void sgl_fitted_release(struct sgl_fitted *fitted);

/* The loss of the left one less that of the right one, in units that are the same for both: of each
 * metric the smaller spread. *distance_out, unless NULL: the same in standard errors of that sum
 * over blocks of requests (Vuong, 1989). */
double sgl_fitted_compare(const struct sgl_calibration_problem *problem, struct sgl_fitted *left,
                          struct sgl_fitted *right, double *distance_out);

/* Condition at fit->x, and standard errors unless something is believed. */
int sgl_calibration_certainty(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                              struct sgl_failure *failure);

/* Standard errors of the logarithms of what "auto" fitted, value_us, with that freedom and the
 * problem's spreads: NaN of what is 0. The problem is of that freedom afterwards. */
int sgl_calibration_errors(struct sgl_calibration_problem *problem, enum sgl_freedom chosen,
                           const double value_us[SGL_COEFFICIENT_COUNT],
                           double error[SGL_COEFFICIENT_COUNT], struct sgl_failure *failure);

#endif
