/*
 * Covariance matrix adaptation (CMA-ES; Hansen, The CMA Evolution Strategy: A Tutorial, 2016, whose
 * letters and standard constants these are): a cloud of points is drawn around a mean, the better
 * half pulls the mean and the cloud's shape. It needs no derivative, which close to a minimum only
 * feigns one: a request that comes a moment too late waits a whole step.
 *
 *      . .   .                     . .                          C: shape   sigma: size
 *    .  m .     .      better     . m'.       and so on         y = B D z, z standard normal
 *     . . .   x        half:       ...x                         point = mean + sigma y
 */
#include "calibrate_state.h"

#include "core/rng.h"

#include <gsl/gsl_eigen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_MAX SGL_FREE_MAX
#define LAMBDA_MAX 64
#define SIZE_END 2e-4 /* of a logarithm: the cloud is as good as a point */
#define STALL 12      /* generations without a better point, beyond which one is not to come */

struct cloud {
    size_t n;
    size_t lambda;
    size_t mu;
    double w[LAMBDA_MAX / 2];
    double mu_eff;
    double c_c;
    double c_s;
    double c_1;
    double c_mu;
    double d_s;
    double chi;
    double mean[N_MAX];
    double sigma;
    double c[N_MAX * N_MAX];
    double b[N_MAX * N_MAX]; /* columns: directions */
    double d[N_MAX];
    double path_s[N_MAX];
    double path_c[N_MAX];
    struct member {
        double loss;
        uint32_t number; /* equal losses stay in the order drawn */
        double y[N_MAX];
    } members[LAMBDA_MAX];
};

static void set_constants(struct cloud *cloud)
{
    const double n = (double)cloud->n;
    double sum = 0;
    double squares = 0;

    cloud->mu = cloud->lambda / 2;
    for (size_t i = 0; i < cloud->mu; i++) {
        cloud->w[i] = log((double)cloud->lambda / 2 + 0.5) - log((double)i + 1);
        sum += cloud->w[i];
    }
    for (size_t i = 0; i < cloud->mu; i++) {
        cloud->w[i] /= sum;
        squares += cloud->w[i] * cloud->w[i];
    }
    cloud->mu_eff = 1 / squares;
    const double mu_eff = cloud->mu_eff;
    cloud->c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n);
    cloud->c_s = (mu_eff + 2) / (n + mu_eff + 5);
    cloud->c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu_eff);
    cloud->c_mu =
        fmin(1 - cloud->c_1, 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) * (n + 2) + mu_eff));
    cloud->d_s = 1 + 2 * fmax(0, sqrt((mu_eff - 1) / (n + 1)) - 1) + cloud->c_s;
    cloud->chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
}

/* B and D of C. */
static int take_apart(struct cloud *cloud, struct sgl_failure *failure)
{
    const size_t n = cloud->n;
    double cells[2][N_MAX * N_MAX];
    double squares[N_MAX];
    gsl_matrix_view matrix = gsl_matrix_view_array(cells[0], n, n);
    gsl_matrix_view vectors = gsl_matrix_view_array(cells[1], n, n);
    gsl_vector_view values = gsl_vector_view_array(squares, n);
    gsl_eigen_symmv_workspace *work = gsl_eigen_symmv_alloc(n);

    if (work == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    memcpy(cells[0], cloud->c, n * n * sizeof(double));
    gsl_eigen_symmv(&matrix.matrix, &values.vector, &vectors.matrix, work);
    gsl_eigen_symmv_free(work);
    for (size_t i = 0; i < n; i++)
        cloud->d[i] = sqrt(fmax(squares[i], 1e-20));
    memcpy(cloud->b, cells[1], n * n * sizeof(double));
    return SGL_OK;
}

static int by_loss(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;

    if (a->loss != b->loss)
        return (a->loss > b->loss) - (a->loss < b->loss);
    return (a->number > b->number) - (a->number < b->number);
}

/* Draws a generation and judges it; *fit becomes the best of all so far. */
static int draw(struct cloud *cloud, struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                struct sgl_rng *draws, double *residuals, struct sgl_failure *failure)
{
    const size_t n = cloud->n;

    for (size_t k = 0; k < cloud->lambda; k++) {
        struct member *member = &cloud->members[k];
        double z[N_MAX];
        double x[SGL_FREE_MAX] = {0};
        member->number = (uint32_t)k;
        for (size_t i = 0; i < n; i++)
            z[i] = cloud->d[i] * sgl_rng_normal(draws);
        for (size_t i = 0; i < n; i++) {
            member->y[i] = 0;
            for (size_t j = 0; j < n; j++)
                member->y[i] += cloud->b[i * n + j] * z[j];
            x[i] = fmin(fmax(cloud->mean[i] + cloud->sigma * member->y[i], -SGL_LOG_SPAN),
                        SGL_LOG_SPAN);
        }
        const int status = sgl_calibration_loss(problem, x, residuals, &member->loss, failure);
        if (status != SGL_OK)
            return status;
        if (member->loss < fit->loss) {
            fit->loss = member->loss;
            memcpy(fit->x, x, sizeof x);
        }
    }
    qsort(cloud->members, cloud->lambda, sizeof cloud->members[0], by_loss);
    return SGL_OK;
}

/* The mean moves; so do the paths, and with them size and shape. */
static void adapt(struct cloud *cloud, int generation)
{
    const size_t n = cloud->n;
    double step[N_MAX] = {0};
    double along[N_MAX] = {0};
    double length = 0;

    for (size_t k = 0; k < cloud->mu; k++)
        for (size_t i = 0; i < n; i++)
            step[i] += cloud->w[k] * cloud->members[k].y[i];
    for (size_t i = 0; i < n; i++) { /* B' step / D */
        for (size_t j = 0; j < n; j++)
            along[i] += cloud->b[j * n + i] * step[j];
        along[i] /= cloud->d[i];
    }
    for (size_t i = 0; i < n; i++) {
        double whitened = 0;
        cloud->mean[i] += cloud->sigma * step[i];
        for (size_t j = 0; j < n; j++)
            whitened += cloud->b[i * n + j] * along[j];
        cloud->path_s[i] = (1 - cloud->c_s) * cloud->path_s[i] +
                           sqrt(cloud->c_s * (2 - cloud->c_s) * cloud->mu_eff) * whitened;
        length += cloud->path_s[i] * cloud->path_s[i];
    }
    length = sqrt(length);
    const double warm = sqrt(1 - pow(1 - cloud->c_s, 2.0 * (generation + 1)));
    const bool is_short = length / warm / cloud->chi < 1.4 + 2 / ((double)n + 1);
    const double fading = is_short ? 0 : cloud->c_c * (2 - cloud->c_c);
    for (size_t i = 0; i < n; i++)
        cloud->path_c[i] =
            (1 - cloud->c_c) * cloud->path_c[i] +
            (is_short ? sqrt(cloud->c_c * (2 - cloud->c_c) * cloud->mu_eff) * step[i] : 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double rank = 0;
            for (size_t k = 0; k < cloud->mu; k++)
                rank += cloud->w[k] * cloud->members[k].y[i] * cloud->members[k].y[j];
            cloud->c[i * n + j] =
                (1 - cloud->c_1 - cloud->c_mu + cloud->c_1 * fading) * cloud->c[i * n + j] +
                cloud->c_1 * cloud->path_c[i] * cloud->path_c[j] + cloud->c_mu * rank;
        }
    cloud->sigma *= exp(cloud->c_s / cloud->d_s * (length / cloud->chi - 1));
}

static double size_of(const struct cloud *cloud)
{
    double most = 0;

    for (size_t i = 0; i < cloud->n; i++)
        most = fmax(most, cloud->d[i]);
    return cloud->sigma * most;
}

static int run(struct cloud *cloud, struct sgl_calibration_problem *problem, struct sgl_fit *fit,
               const struct sgl_search *search, double *residuals, struct sgl_failure *failure)
{
    struct sgl_rng draws =
        sgl_rng_stream(problem->options->seed, SGL_PURPOSE_RESAMPLE, search->turn, 0, 2);
    const uint64_t end = problem->evaluations + search->evaluations;
    int last_better = 0;
    int status = sgl_calibration_loss(problem, fit->x, residuals, &fit->loss, failure);

    for (int generation = 0; status == SGL_OK && problem->evaluations < end; generation++) {
        const double before = fit->loss;
        status = take_apart(cloud, failure);
        if (status == SGL_OK)
            status = draw(cloud, problem, fit, &draws, residuals, failure);
        if (status != SGL_OK)
            break;
        adapt(cloud, generation);
        if (fit->loss < before * (1 - 1e-4))
            last_better = generation;
        if (size_of(cloud) < SIZE_END || generation - last_better > STALL)
            break;
    }
    return status;
}

int sgl_calibration_search(struct sgl_calibration_problem *problem, struct sgl_fit *fit,
                           const struct sgl_search *search, struct sgl_failure *failure)
{
    struct cloud cloud = {
        .n = problem->free_count, .lambda = search->population, .sigma = search->size};
    double *residuals = malloc((problem->residual_max + 1) * sizeof *residuals);

    if (residuals == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    set_constants(&cloud);
    for (size_t i = 0; i < cloud.n; i++) {
        cloud.mean[i] = fit->x[i];
        cloud.c[i * cloud.n + i] = 1;
    }
    const int status = run(&cloud, problem, fit, search, residuals, failure);
    free(residuals);
    return status;
}
