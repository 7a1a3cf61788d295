/*
 * Levenberg-Marquardt with Huber's weights, by finite differences of whole simulations, then Nelder
 * and Mead's simplex: seen closely the loss is rough, for a request that comes a moment too late
 * waits a whole step, and the first walks down the valley but stops at its first stone.
 */
#include "calibrate_state.h"

#include "core/rng.h"

#include <assert.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HUBER 1.345
#define ITERATIONS_MAX 40
#define LOSS_CHANGE 1e-6 /* relative: less than this is arrival */
#define DAMPING_FIRST 1e-2
#define DAMPING_MAX 1e6
#define DAMPING_MIN 1e-8
#define STEP_MAX 1.0 /* of a logarithm, in one iteration */

/* Of a logarithm. A simulation is a step function in the small: requests change places. Over 3 % it
 * is smooth enough, and still straight. */
#define DIFFERENCE 0.03

struct jacobian {
    double *residuals;             /* at x */
    double *columns[SGL_FREE_MAX]; /* d residual / d x */
    double *trial;
    size_t count; /* residuals */
};

static void release(struct jacobian *jacobian)
{
    free(jacobian->residuals);
    free(jacobian->trial);
    for (size_t i = 0; i < SGL_FREE_MAX; i++)
        free(jacobian->columns[i]);
    *jacobian = (struct jacobian){0};
}

static int make(struct jacobian *jacobian, const struct sgl_calibration_problem *problem,
                struct sgl_failure *failure)
{
    const size_t size = (problem->residual_max + 1) * sizeof(double);

    *jacobian = (struct jacobian){.residuals = malloc(size), .trial = malloc(size)};
    bool is_whole = jacobian->residuals != NULL && jacobian->trial != NULL;
    for (size_t i = 0; i < problem->free_count; i++) {
        jacobian->columns[i] = malloc(size);
        is_whole = is_whole && jacobian->columns[i] != NULL;
    }
    if (is_whole)
        return SGL_OK;
    release(jacobian);
    return sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

static double weight(double residual)
{
    const double size = fabs(residual);

    return size <= HUBER ? 1 : HUBER / size;
}

/* 1 / variance of the prior of a free logarithm, in units of the requests' loss. */
static double strength(const struct sgl_calibration_problem *problem, size_t i)
{
    const double spread = problem->prior_spread[problem->free[i]];

    return problem->prior_weight * problem->belief * SGL_CALIBRATION_SHARING / (spread * spread);
}

/* How far each logarithm is from the start's, all of which are moved by what suits them best. */
static void measure_distances(const struct sgl_calibration_problem *problem, const double *x,
                              double distance[SGL_FREE_MAX])
{
    double sum = 0;
    double all = 0;

    for (size_t i = 0; i < problem->free_count; i++) {
        sum += strength(problem, i) * x[i];
        all += strength(problem, i);
    }
    for (size_t i = 0; i < problem->free_count; i++)
        distance[i] = x[i] - sum / all;
}

double sgl_calibration_prior_loss(const struct sgl_calibration_problem *problem, const double *x)
{
    double distance[SGL_FREE_MAX];
    double sum = 0;

    if (!problem->has_prior)
        return 0;
    measure_distances(problem, x, distance);
    for (size_t i = 0; i < problem->free_count; i++)
        sum += strength(problem, i) * distance[i] * distance[i] / 2;
    return sum;
}

/* Its part of the normal equations, below the diagonal. */
static void add_prior(const struct sgl_calibration_problem *problem, const double *x,
                      double *normal, double *right)
{
    const size_t n = problem->free_count;
    double distance[SGL_FREE_MAX];
    double all = 0;

    if (!problem->has_prior)
        return;
    measure_distances(problem, x, distance);
    for (size_t i = 0; i < n; i++)
        all += strength(problem, i);
    for (size_t i = 0; i < n; i++) {
        normal[i * n + i] += strength(problem, i);
        right[i] -= strength(problem, i) * distance[i];
        for (size_t j = 0; j <= i; j++)
            normal[i * n + j] -= strength(problem, i) * strength(problem, j) / all;
    }
}

double sgl_huber_loss(double residual)
{
    const double size = fabs(residual);

    return size <= HUBER ? size * size / 2 : HUBER * (size - HUBER / 2);
}

static double loss_of(const double *residuals, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += sgl_huber_loss(residuals[i]);
    return sum;
}

/* Central differences. The rows present are the same at every x: which requests are known on both
 * sides does not hang on the coefficients. */
static int differentiate(struct jacobian *jacobian, struct sgl_calibration_problem *problem,
                         const double *x, struct sgl_failure *failure)
{
    double moved[SGL_FREE_MAX];

    for (size_t i = 0; i < problem->free_count; i++) {
        memcpy(moved, x, sizeof moved);
        moved[i] = x[i] + DIFFERENCE;
        int status = sgl_calibration_residuals(problem, moved, jacobian->columns[i], failure);
        moved[i] = x[i] - DIFFERENCE;
        if (status == SGL_OK)
            status = sgl_calibration_residuals(problem, moved, jacobian->trial, failure);
        if (status != SGL_OK)
            return status;
        for (size_t r = 0; r < jacobian->count; r++)
            jacobian->columns[i][r] =
                (jacobian->columns[i][r] - jacobian->trial[r]) / (2 * DIFFERENCE);
    }
    return SGL_OK;
}

/* The step (J'WJ + damping diag) d = -J'Wr; false when it has none. */
static bool solve(const struct jacobian *jacobian, const struct sgl_calibration_problem *problem,
                  const double *x, double damping, double *step)
{
    const size_t free_count = problem->free_count;
    double normal[SGL_FREE_MAX * SGL_FREE_MAX] = {0};
    double right[SGL_FREE_MAX] = {0};
    gsl_matrix_view matrix = gsl_matrix_view_array(normal, free_count, free_count);
    gsl_vector_view vector = gsl_vector_view_array(right, free_count);

    for (size_t r = 0; r < jacobian->count; r++) {
        const double w = weight(jacobian->residuals[r]);
        for (size_t i = 0; i < free_count; i++) {
            const double scaled = w * jacobian->columns[i][r];
            right[i] -= scaled * jacobian->residuals[r];
            for (size_t j = 0; j <= i; j++)
                normal[i * free_count + j] += scaled * jacobian->columns[j][r];
        }
    }
    add_prior(problem, x, normal, right);
    double largest = 0;
    for (size_t i = 0; i < free_count; i++)
        largest = fmax(largest, normal[i * free_count + i]);
    if (!(largest > 0) || !isfinite(largest))
        return false;
    for (size_t i = 0; i < free_count; i++) {
        normal[i * free_count + i] +=
            damping * normal[i * free_count + i] + 1e-9 * largest; /* a column of zeros stays put */
        for (size_t j = i + 1; j < free_count; j++)
            normal[i * free_count + j] = normal[j * free_count + i];
    }
    if (gsl_linalg_cholesky_decomp1(&matrix.matrix) != GSL_SUCCESS ||
        gsl_linalg_cholesky_svx(&matrix.matrix, &vector.vector) != GSL_SUCCESS)
        return false;
    for (size_t i = 0; i < free_count; i++) {
        if (!isfinite(right[i]))
            return false;
        step[i] = fmin(fmax(right[i], -STEP_MAX), STEP_MAX);
    }
    return true;
}

/* One iteration. 1: moved; 0: there is nothing better nearby; negative: failure. */
static int improve(struct jacobian *jacobian, struct sgl_calibration_problem *problem,
                   struct sgl_fit *fit, double *damping, struct sgl_failure *failure)
{
    double step[SGL_FREE_MAX] = {0};
    double moved[SGL_FREE_MAX] = {0};

    while (*damping <= DAMPING_MAX && solve(jacobian, problem, fit->x, *damping, step)) {
        for (size_t i = 0; i < problem->free_count; i++)
            moved[i] = fmin(fmax(fit->x[i] + step[i], -SGL_LOG_SPAN), SGL_LOG_SPAN);
        const int status = sgl_calibration_residuals(problem, moved, jacobian->trial, failure);
        if (status != SGL_OK)
            return status;
        const double loss =
            loss_of(jacobian->trial, jacobian->count) + sgl_calibration_prior_loss(problem, moved);
        if (loss < fit->loss * (1 - LOSS_CHANGE)) {
            double *spare = jacobian->residuals;
            jacobian->residuals = jacobian->trial;
            jacobian->trial = spare;
            memcpy(fit->x, moved, sizeof moved);
            fit->loss = loss;
            *damping = fmax(*damping / 10, DAMPING_MIN);
            return 1;
        }
        *damping *= 10;
    }
    return 0;
}

int sgl_calibration_loss(struct sgl_calibration_problem *problem, const double *x,
                         double *residuals, double *loss_out, struct sgl_failure *failure)
{
    const int status = sgl_calibration_residuals(problem, x, residuals, failure);

    *loss_out =
        loss_of(residuals, problem->residual_count) + sgl_calibration_prior_loss(problem, x);
    return status;
}

int sgl_calibration_descend(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                            struct sgl_failure *failure)
{
    struct jacobian jacobian;
    double damping = DAMPING_FIRST;
    int status = make(&jacobian, problem, failure);

    if (status != SGL_OK)
        return status;
    status = sgl_calibration_loss(problem, fit->x, jacobian.residuals, &fit->loss, failure);
    jacobian.count = problem->residual_count;
    for (int i = 0; i < ITERATIONS_MAX && status == SGL_OK; i++) {
        status = differentiate(&jacobian, problem, fit->x, failure);
        if (status != SGL_OK)
            break;
        const int moved = improve(&jacobian, problem, fit, &damping, failure);
        if (moved <= 0) {
            status = moved;
            break;
        }
    }
    release(&jacobian);
    return status;
}

/*
 * Standard errors need derivatives that roughness does not feign: near a step boundary a request
 * moves by a whole step, whatever coefficient was touched. So the differences here are wide, taken
 * from many places around x, and the curvature is made of products of two halves of them that share
 * no place: what is luck in one is not in the other.
 */
#define PLACES 8 /* an even number */
#define PLACE_SPAN 0.05
#define WIDE_DIFFERENCE 0.2

/* Adds to columns[half] the wide differences around one place. */
static int add_place(struct jacobian *jacobian, struct sgl_calibration_problem *problem,
                     const double *x, uint32_t place, double *plus, struct sgl_failure *failure)
{
    struct sgl_rng draws =
        sgl_rng_stream(problem->options->seed, SGL_PURPOSE_RESAMPLE, 0, (int64_t)place, 1);
    double centre[SGL_FREE_MAX] = {0};

    for (size_t i = 0; i < problem->free_count; i++)
        centre[i] = x[i] + PLACE_SPAN * (2 * sgl_rng_uniform(&draws) - 1);
    for (size_t i = 0; i < problem->free_count; i++) {
        double moved[SGL_FREE_MAX];
        memcpy(moved, centre, sizeof moved);
        moved[i] = centre[i] + WIDE_DIFFERENCE;
        int status = sgl_calibration_residuals(problem, moved, plus, failure);
        moved[i] = centre[i] - WIDE_DIFFERENCE;
        if (status == SGL_OK)
            status = sgl_calibration_residuals(problem, moved, jacobian->trial, failure);
        if (status != SGL_OK)
            return status;
        for (size_t r = 0; r < jacobian->count; r++)
            jacobian->columns[i][r] += (plus[r] - jacobian->trial[r]) / (WIDE_DIFFERENCE * PLACES);
    }
    return SGL_OK;
}

/* Derivatives from every second place, from `first` on. */
static int gather_places(struct jacobian *jacobian, struct sgl_calibration_problem *problem,
                         const double *x, uint32_t first, struct sgl_failure *failure)
{
    double *plus = malloc((problem->residual_max + 1) * sizeof *plus);
    int status = plus != NULL ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory");

    if (status == SGL_OK)
        status = sgl_calibration_residuals(problem, x, jacobian->residuals, failure);
    jacobian->count = problem->residual_count;
    for (size_t i = 0; i < problem->free_count && status == SGL_OK; i++) {
        assert(jacobian->columns[i] != NULL);
        memset(jacobian->columns[i], 0, jacobian->count * sizeof *jacobian->columns[i]);
    }
    for (uint32_t place = first; place < PLACES && status == SGL_OK; place += 2)
        status = add_place(jacobian, problem, x, place, plus, failure);
    free(plus);
    return status;
}

/* J'WJ from the two halves, symmetric. */
static void curve(const struct jacobian halves[2], const struct sgl_calibration_problem *problem,
                  gsl_matrix *matrix)
{
    const size_t n = problem->free_count;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t r = 0; r < halves[0].count; r++)
                sum += weight(halves[0].residuals[r]) *
                       (halves[0].columns[i][r] * halves[1].columns[j][r] +
                        halves[1].columns[i][r] * halves[0].columns[j][r]) /
                       2;
            gsl_matrix_set(matrix, i, j, sum);
        }
}

/* Adds the curvature of what is believed. What the halves make of luck may curve downwards, and
 * would undo it: there the requests tell nothing. */
static void add_belief(const struct sgl_calibration_problem *problem, const double *x,
                       const gsl_matrix *vectors, const gsl_vector *values, gsl_matrix *matrix)
{
    const size_t n = problem->free_count;
    double prior[SGL_FREE_MAX * SGL_FREE_MAX] = {0};
    double right[SGL_FREE_MAX] = {0};

    add_prior(problem, x, prior, right);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = prior[i > j ? i * n + j : j * n + i];
            for (size_t k = 0; k < n; k++)
                sum += gsl_matrix_get(vectors, i, k) * gsl_matrix_get(vectors, j, k) *
                       fmax(gsl_vector_get(values, k), 0);
            gsl_matrix_set(matrix, i, j, sum);
        }
}

/* Its inverse from eigenvalues. A direction without curvature, as far as can be seen, is one of
 * which next to nothing is known. */
static void invert(const gsl_matrix *vectors, const gsl_vector *values, size_t n, double *inverse,
                   double *condition)
{
    double largest = 0;
    double least = INFINITY;

    for (size_t k = 0; k < n; k++) {
        largest = fmax(largest, gsl_vector_get(values, k));
        least = fmin(least, gsl_vector_get(values, k));
    }
    *condition = least > 0 ? sqrt(largest / least) : (double)INFINITY;
    const double floor_value = fmax(largest * 1e-10, 1e-100);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += gsl_matrix_get(vectors, i, k) * gsl_matrix_get(vectors, j, k) /
                       fmax(gsl_vector_get(values, k), floor_value);
            inverse[i * n + j] = sum;
        }
}

/* The gradient of each block of consecutive requests; the middle of the sandwich is their sum of
 * squares. */
static void gather_scores(const struct jacobian halves[2],
                          const struct sgl_calibration_problem *problem,
                          double scores[SGL_BLOCKS][SGL_FREE_MAX])
{
    const struct sgl_row_range range = problem->range;
    const size_t rows = range.to - range.from;

    for (size_t r = 0; r < halves[0].count; r++) {
        const size_t block =
            (problem->residual_request[r] - range.from) * problem->block_count / rows;
        const double weighted = weight(halves[0].residuals[r]) * halves[0].residuals[r];
        for (size_t i = 0; i < problem->free_count; i++)
            scores[block][i] += weighted * (halves[0].columns[i][r] + halves[1].columns[i][r]) / 2;
    }
}

static void spread_errors(struct sgl_fit *fit, const struct jacobian halves[2],
                          const struct sgl_calibration_problem *problem, const double *inverse)
{
    const size_t n = problem->free_count;
    const double blocks = (double)problem->block_count;
    double scores[SGL_BLOCKS][SGL_FREE_MAX] = {{0}};

    gather_scores(halves, problem, scores);
    for (size_t i = 0; i < n; i++) {
        double variance = 0;
        for (size_t b = 0; b < problem->block_count; b++) {
            double along = 0;
            for (size_t j = 0; j < n; j++)
                along += inverse[i * n + j] * scores[b][j];
            variance += along * along;
        }
        /* A parameter without any effect has no score either: its spread under unit errors says
         * that nothing is known. */
        const double plain = sqrt(inverse[i * n + i]);
        fit->error[i] = fmax(sqrt(variance * blocks / (blocks - 1)), plain);
    }
}

static int decompose(struct sgl_fit *fit, const struct jacobian halves[2],
                     const struct sgl_calibration_problem *problem, struct sgl_failure *failure)
{
    const size_t n = problem->free_count;
    double inverse[SGL_FREE_MAX * SGL_FREE_MAX];
    double cells[2][SGL_FREE_MAX * SGL_FREE_MAX];
    double roots[SGL_FREE_MAX];
    gsl_matrix_view matrix = gsl_matrix_view_array(cells[0], n, n);
    gsl_matrix_view vectors = gsl_matrix_view_array(cells[1], n, n);
    gsl_vector_view values = gsl_vector_view_array(roots, n);
    gsl_eigen_symmv_workspace *work = gsl_eigen_symmv_alloc(n);

    if (work == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    curve(halves, problem, &matrix.matrix);
    gsl_eigen_symmv(&matrix.matrix, &values.vector, &vectors.matrix, work);
    if (problem->has_prior) {
        add_belief(problem, fit->x, &vectors.matrix, &values.vector, &matrix.matrix);
        gsl_eigen_symmv(&matrix.matrix, &values.vector, &vectors.matrix, work);
    }
    invert(&vectors.matrix, &values.vector, n, inverse, &fit->condition);
    if (!problem->has_prior)
        spread_errors(fit, halves, problem, inverse);
    gsl_eigen_symmv_free(work);
    return SGL_OK;
}

int sgl_calibration_certainty(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                              struct sgl_failure *failure)
{
    struct jacobian halves[2] = {{0}};
    int status = make(&halves[0], problem, failure);

    if (status == SGL_OK)
        status = make(&halves[1], problem, failure);
    for (uint32_t half = 0; half < 2 && status == SGL_OK; half++)
        status = gather_places(&halves[half], problem, fit->x, half, failure);
    if (status == SGL_OK)
        status = decompose(fit, halves, problem, failure);
    release(&halves[0]);
    release(&halves[1]);
    return status;
}
