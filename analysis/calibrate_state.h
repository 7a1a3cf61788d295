/*
 * calibrate_state.h - what the parts of calibrate share.
 *
 *     calibrate_residuals.c   x -> coefficients -> simulation -> residuals
 *     calibrate_fit.c         least loss from a point; standard errors there
 *     calibrate.c             which coefficients are free, from where to start, what to report
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
    struct sgl_worker_plan plan;
    struct sgl_worker_model_spec spec;          /* the one being tried */
    const struct sgl_worker_model_spec **specs; /* of each worker: that one */
    uint32_t rows[SGL_COEFFICIENT_COUNT];       /* of the coefficients in its table */
    uint32_t scale_row;
    uint32_t async_row;
    int64_t free_tokens;
    double p_expert;
    double base_us[SGL_COEFFICIENT_COUNT]; /* where the fit starts, scale included */
    enum sgl_coefficient_state state[SGL_COEFFICIENT_COUNT];
    double first_scale;     /* logarithm: the best when nothing else is free */
    bool fits_scale;        /* else what is tied stays at its start */
    int free[SGL_FREE_MAX]; /* coefficients; COEFFICIENT_COUNT: scale */
    size_t free_count;

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

/* Sets each metric's spread to 1.4826 x median of |r| of its residuals, at least 0.5 %. *all_out:
 * that of all residuals together, or NULL. */
int sgl_calibration_measure_spreads(struct sgl_calibration_problem *problem,
                                    const double *residuals, double *all_out,
                                    struct sgl_failure *failure);

struct sgl_fit {
    double x[SGL_FREE_MAX];
    double loss;                /* sum of Huber's */
    double error[SGL_FREE_MAX]; /* standard errors; INFINITY where nothing is known */
    double condition;
};

/* The least loss that is found downhill from fit->x, with the problem's spreads. */
int sgl_calibration_descend(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                            struct sgl_failure *failure);

/* Standard errors and condition at fit->x. */
int sgl_calibration_certainty(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                              struct sgl_failure *failure);

#endif
