/* Least squares on relative errors of steps. */
#include "step_samples.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 20      /* of choosing constants for mixed steps and dropping terms */
#define CONDITION_MAX 1e6 /* of columns of length 1: beyond, two of them are one */
#define P_EXPERT_FIRST 2  /* quarters of a power of two: from 0.71 */
#define P_EXPERT_LAST 36  /* to 1/512 */
#define SHARE_NOTABLE 0.3 /* of a direction: the columns that make it */

/* What is not linear: looked for on grids. */
struct shape {
    bool has_mixed;     /* the terms of mixed steps */
    double free_tokens; /* of c_token_us; 0: without the term */
    double p_expert;    /* of c_expert_us; 0: without the term */
};

struct design {
    const struct sgl_step_samples *samples;
    struct shape shape;
    bool is_tried[SGL_COEFFICIENT_COUNT];
    bool is_used[SGL_COEFFICIENT_COUNT]; /* of those tried: not dropped as negative */
    double value_us[SGL_COEFFICIENT_COUNT];
    double error_us[SGL_COEFFICIENT_COUNT];
    double condition;
};

static double tokens_of(const struct sgl_step_sample *sample)
{
    return sample->prefill_tokens + sample->decoding;
}

/* The sample's row of the formula. */
static void fill_row(const struct design *design, const struct sgl_step_sample *sample,
                     bool decode_is_larger, double row[SGL_COEFFICIENT_COUNT])
{
    const bool is_mixed = sample->phase == SGL_STEP_MIXED;
    const bool takes_decode = sample->phase == SGL_STEP_DECODE || (is_mixed && decode_is_larger);

    row[SGL_C_STEP_PREFILL] = takes_decode ? 0 : 1;
    row[SGL_C_STEP_DECODE] = takes_decode ? 1 : 0;
    row[SGL_C_REQUEST] = sample->requests;
    row[SGL_C_PREFILL_TOKEN] = sample->prefill_tokens;
    row[SGL_C_PREFILL_CONTEXT] = sample->pairs;
    row[SGL_C_KV_TOKEN] = sample->context;
    row[SGL_C_EXPERT] = -expm1(log1p(-design->shape.p_expert) * tokens_of(sample));
    row[SGL_C_TOKEN] = fmax(0, tokens_of(sample) - design->shape.free_tokens);
    row[SGL_C_MIXED_REQUEST] = is_mixed ? sample->decoding : 0;
    row[SGL_C_MIXED_KV_TOKEN] = is_mixed ? sample->context : 0;
}

static double predict(const struct design *design, const struct sgl_step_sample *sample)
{
    const double *value_us = design->value_us;
    double row[SGL_COEFFICIENT_COUNT];
    double sum = 0;

    fill_row(design, sample, value_us[SGL_C_STEP_DECODE] > value_us[SGL_C_STEP_PREFILL], row);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        sum += row[c] * value_us[c];
    return sum;
}

static size_t list_used(const struct design *design, int columns[SGL_COEFFICIENT_COUNT])
{
    size_t count = 0;

    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        if (design->is_used[c])
            columns[count++] = c;
    return count;
}

/* Names what cannot be told apart: the columns of the weakest direction. */
static int refuse(const gsl_matrix *v, const int *columns, size_t n, struct sgl_failure *failure)
{
    char text[256] = "";
    size_t length = 0;

    for (size_t i = 0; i < n; i++)
        if (fabs(gsl_matrix_get(v, i, n - 1)) > SHARE_NOTABLE)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
                                       length > 0 ? " from " : "",
                                       sgl_coefficient_name((enum sgl_coefficient)columns[i]));
    return sgl_fail(failure, SGL_EINVAL,
                    "the steps cannot tell %s%s (measure other batch sizes, lengths or contexts)",
                    text, strstr(text, " from ") != NULL ? "" : ": its column is constant or 0");
}

/* What one least squares needs: rows x n of u, then n x n of v, then s, x and the ones, in one
 * block (gsl_matrix_alloc loses what it has when the rest cannot be had). */
struct squares {
    int columns[SGL_COEFFICIENT_COUNT];
    size_t n;
    double lengths[SGL_COEFFICIENT_COUNT]; /* of the columns, before they were made 1 */
    double *cells;
    gsl_matrix_view u;
    gsl_matrix_view v;
    gsl_vector_view s;
    gsl_vector_view x;
    gsl_vector_view ones; /* the measured steps, in units of themselves */
};

/* The rows over what was measured, columns of length 1. The caller frees `cells`. */
static int prepare(struct squares *squares, const struct design *design, bool decode_is_larger,
                   struct sgl_failure *failure)
{
    const size_t rows = design->samples->count;

    *squares = (struct squares){0};
    squares->n = list_used(design, squares->columns);
    const size_t n = squares->n;
    if (rows < n)
        return sgl_fail(failure, SGL_EINVAL, "%zu steps for %zu coefficients, expected more", rows,
                        n);
    double *cells = calloc(rows * n + n * n + 2 * n + rows, sizeof *cells);
    if (cells == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    squares->cells = cells;
    squares->u = gsl_matrix_view_array(cells, rows, n);
    squares->v = gsl_matrix_view_array(cells + rows * n, n, n);
    squares->s = gsl_vector_view_array(cells + rows * n + n * n, n);
    squares->x = gsl_vector_view_array(cells + rows * n + n * n + n, n);
    squares->ones = gsl_vector_view_array(cells + rows * n + n * n + 2 * n, rows);
    gsl_vector_set_all(&squares->ones.vector, 1);
    for (size_t r = 0; r < rows; r++) {
        const struct sgl_step_sample *sample = &design->samples->samples[r];
        double row[SGL_COEFFICIENT_COUNT];
        fill_row(design, sample, decode_is_larger, row);
        for (size_t i = 0; i < n; i++) {
            const double value = row[squares->columns[i]] / sample->step_us;
            gsl_matrix_set(&squares->u.matrix, r, i, value);
            squares->lengths[i] += value * value;
        }
    }
    for (size_t i = 0; i < n; i++) {
        gsl_vector_view column = gsl_matrix_column(&squares->u.matrix, i);
        squares->lengths[i] = squares->lengths[i] > 0 ? sqrt(squares->lengths[i]) : 1;
        gsl_vector_scale(&column.vector, 1 / squares->lengths[i]);
    }
    return SGL_OK;
}

/* Standard errors from the singular values and what is left of the steps. */
static void find_errors(struct design *design, const struct squares *squares, bool decode_is_larger)
{
    const size_t rows = design->samples->count;
    const size_t n = squares->n;
    double left = 0;

    for (size_t r = 0; r < rows; r++) {
        const struct sgl_step_sample *sample = &design->samples->samples[r];
        double row[SGL_COEFFICIENT_COUNT];
        double sum = 0;
        fill_row(design, sample, decode_is_larger, row);
        for (size_t i = 0; i < n; i++)
            sum += row[squares->columns[i]] * design->value_us[squares->columns[i]];
        left += (sum / sample->step_us - 1) * (sum / sample->step_us - 1);
    }
    for (size_t i = 0; i < n; i++) {
        double variance = 0;
        for (size_t k = 0; k < n; k++) {
            const double share =
                gsl_matrix_get(&squares->v.matrix, i, k) / gsl_vector_get(&squares->s.vector, k);
            variance += share * share;
        }
        design->error_us[squares->columns[i]] =
            sqrt(variance * left / (double)(rows > n ? rows - n : 1)) / squares->lengths[i];
    }
}

/* The values are V S^-1 U' 1 over the lengths, all of S being far from 0. gsl_linalg_SV_solve
 * allocates, and does not look whether it could. */
static void set_values(struct design *design, struct squares *squares)
{
    gsl_vector *x = &squares->x.vector;

    gsl_blas_dgemv(CblasTrans, 1, &squares->u.matrix, &squares->ones.vector, 0, x);
    gsl_vector_div(x, &squares->s.vector);
    for (size_t i = 0; i < squares->n; i++) {
        gsl_vector_view row = gsl_matrix_row(&squares->v.matrix, i);
        double value;
        gsl_blas_ddot(&row.vector, x, &value);
        design->value_us[squares->columns[i]] = value / squares->lengths[i];
    }
}

/* One least squares with the columns in use. 1: solved; 0: not identifiable; negative: failure. */
static int solve(struct design *design, bool decode_is_larger, struct sgl_failure *failure)
{
    struct squares squares;
    int result = prepare(&squares, design, decode_is_larger, failure);

    if (result == SGL_OK) {
        gsl_linalg_SV_decomp_jacobi(&squares.u.matrix, &squares.v.matrix, &squares.s.vector);
        const double least = gsl_vector_get(&squares.s.vector, squares.n - 1);
        design->condition =
            least > 0 ? gsl_vector_get(&squares.s.vector, 0) / least : (double)INFINITY;
        result = design->condition < CONDITION_MAX ? 1 : 0;
        if (result == 0)
            refuse(&squares.v.matrix, squares.columns, squares.n, failure);
    }
    if (result == 1) {
        set_values(design, &squares);
        find_errors(design, &squares, decode_is_larger);
    }
    free(squares.cells);
    return result;
}

/* The most negative, by what it does to a typical step; constants stay. COUNT: none is. */
static int most_negative(const struct design *design)
{
    int worst = SGL_COEFFICIENT_COUNT;
    double least = 0;

    for (int c = SGL_C_REQUEST; c < SGL_COEFFICIENT_COUNT; c++)
        if (design->is_used[c] && design->error_us[c] > 0 &&
            design->value_us[c] / design->error_us[c] < least) {
            least = design->value_us[c] / design->error_us[c];
            worst = c;
        }
    return worst;
}

static int settle(struct design *design, struct sgl_failure *failure)
{
    bool decode_is_larger = false;

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        const int solved = solve(design, decode_is_larger, failure);
        if (solved <= 0)
            return solved;
        const int negative = most_negative(design);
        const bool decode_was_larger = decode_is_larger;
        decode_is_larger =
            design->value_us[SGL_C_STEP_DECODE] > design->value_us[SGL_C_STEP_PREFILL];
        if (negative < SGL_COEFFICIENT_COUNT) {
            design->is_used[negative] = false;
            design->value_us[negative] = 0;
        } else if (decode_is_larger == decode_was_larger) {
            break;
        }
    }
    return 1;
}

/* Settles with these terms, from nothing. As settle, but tells why only when that is the end. */
static int try_terms(struct design *design, const struct sgl_step_samples *samples,
                     struct shape shape, struct sgl_failure *failure)
{
    const bool is_plain = !shape.has_mixed && shape.free_tokens == 0 && shape.p_expert == 0;
    struct sgl_failure own = {.text = ""};

    *design = (struct design){.samples = samples, .shape = shape};
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        design->is_used[c] = true;
    design->is_used[SGL_C_TOKEN] = shape.free_tokens > 0;
    design->is_used[SGL_C_EXPERT] = shape.p_expert > 0;
    design->is_used[SGL_C_MIXED_REQUEST] = shape.has_mixed;
    design->is_used[SGL_C_MIXED_KV_TOKEN] = shape.has_mixed;
    memcpy(design->is_tried, design->is_used, sizeof design->is_tried);
    const int settled = settle(design, &own);
    if (settled < 0 || (settled == 0 && is_plain))
        sgl_fail(failure, SGL_EINVAL, "%s", own.text);
    return settled;
}

/* Sum of squares of the relative errors. */
static double misfit(const struct design *design)
{
    double sum = 0;

    for (size_t r = 0; r < design->samples->count; r++) {
        const struct sgl_step_sample *sample = &design->samples->samples[r];
        const double error = predict(design, sample) / sample->step_us - 1;
        sum += error * error;
    }
    return sum;
}

static bool has_constants(const struct design *design)
{
    return design->value_us[SGL_C_STEP_PREFILL] > 0 && design->value_us[SGL_C_STEP_DECODE] > 0;
}

/* *best becomes the design of that shape if it has the term and less than *least is left over. */
static int try_shape(struct design *best, struct shape shape, enum sgl_coefficient term,
                     double *least, struct sgl_failure *failure)
{
    struct design tried;
    const int settled = try_terms(&tried, best->samples, shape, failure);

    if (settled > 0 && tried.is_used[term] && has_constants(&tried) && misfit(&tried) < *least) {
        *least = misfit(&tried);
        *best = tried;
    }
    return settled;
}

/* With c_token, if that is worth it. Negative on failure. */
static int try_free_tokens(struct design *design, double gain, struct sgl_failure *failure)
{
    const struct sgl_step_samples *samples = design->samples;
    struct shape shape = design->shape;
    double least = misfit(design) * (1 - gain);
    double fewest = INFINITY;
    double most = 0;

    for (size_t r = 0; r < samples->count; r++) {
        fewest = fmin(fewest, tokens_of(&samples->samples[r]));
        most = fmax(most, tokens_of(&samples->samples[r]));
    }
    for (int power = 0; round(exp2(power / 4.0)) < most; power++) {
        shape.free_tokens = round(exp2(power / 4.0));
        if (shape.free_tokens <= fewest)
            continue;
        const int settled = try_shape(design, shape, SGL_C_TOKEN, &least, failure);
        if (settled < 0)
            return settled;
    }
    return 1;
}

/* p_expert as the source of the samples says it; 0: it does not. */
static double known_share(const struct sgl_step_samples *samples)
{
    return samples->expert_count > samples->experts_per_token
               ? samples->experts_per_token / samples->expert_count
               : 0;
}

/* With c_expert, if that is worth it: p_expert as the samples say, or what fits best. Negative on
 * failure. */
static int try_experts(struct design *design, double gain, struct sgl_failure *failure)
{
    struct shape shape = design->shape;
    double least = misfit(design) * (1 - gain);

    if (known_share(design->samples) > 0) {
        shape.p_expert = known_share(design->samples);
        const int settled = try_shape(design, shape, SGL_C_EXPERT, &least, failure);
        return settled < 0 ? settled : 1;
    }
    for (int power = P_EXPERT_FIRST; power <= P_EXPERT_LAST; power++) {
        shape.p_expert = exp2(-power / 4.0);
        const int settled = try_shape(design, shape, SGL_C_EXPERT, &least, failure);
        if (settled < 0)
            return settled;
    }
    return 1;
}

/* The terms that not every machine has, in turns: the place of one moves the other's. */
static int try_further_terms(struct design *design, struct sgl_failure *failure)
{
    const struct sgl_step_samples *samples = design->samples;
    const double expert_gain = known_share(samples) > 0 ? SGL_STEP_GAIN : SGL_STEP_GAIN_EXPERT;
    const double exact = (double)samples->count * SGL_STEP_EXACT * SGL_STEP_EXACT;

    if (samples->count < SGL_COEFFICIENT_COUNT || misfit(design) <= exact)
        return 1;
    int status = try_experts(design, expert_gain, failure);
    if (status > 0 && misfit(design) > exact)
        status = try_free_tokens(design, SGL_STEP_GAIN, failure);
    for (int turn = 0; status > 0 && turn < 2; turn++) {
        if (design->shape.p_expert == 0 || design->shape.free_tokens == 0)
            break;
        status = try_experts(design, 0, failure);
        if (status > 0)
            status = try_free_tokens(design, 0, failure);
    }
    return status;
}

/* All terms that the steps can tell. 1: settled; 0: not even the plain formula; negative: failure.
 */
static int settle_terms(struct design *design, const struct sgl_step_samples *samples,
                        struct sgl_failure *failure)
{
    struct shape shape = {.has_mixed = false};
    int settled = 0;

    for (size_t r = 0; r < samples->count; r++)
        shape.has_mixed = shape.has_mixed || samples->samples[r].phase == SGL_STEP_MIXED;
    shape.has_mixed = shape.has_mixed && samples->count >= SGL_COEFFICIENT_COUNT;
    if (shape.has_mixed)
        settled = try_terms(design, samples, shape, failure);
    if (settled == 0)
        settled = try_terms(design, samples, (struct shape){.has_mixed = false}, failure);
    return settled > 0 ? try_further_terms(design, failure) : settled;
}

static void judge(struct sgl_step_fit *fit, const struct design *design)
{
    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        fit->mape[p] = 0;
    for (size_t r = 0; r < design->samples->count; r++) {
        const struct sgl_step_sample *sample = &design->samples->samples[r];
        const double error = predict(design, sample) / sample->step_us - 1;
        fit->count[sample->phase]++;
        fit->mape[sample->phase] += fabs(error);
        if (fabs(error) > fabs(fit->worst[sample->phase]))
            fit->worst[sample->phase] = error;
    }
    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        if (fit->count[p] == 0)
            fit->worst[p] = (double)NAN;
    for (int p = 0; p < SGL_STEP_PHASE_COUNT; p++)
        fit->mape[p] = fit->count[p] > 0 ? fit->mape[p] / (double)fit->count[p] : (double)NAN;
    fit->free_tokens = (int64_t)design->shape.free_tokens;
    fit->p_expert = design->shape.p_expert;
    fit->condition = design->condition;
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        fit->coefficients[c] = (struct sgl_coefficient_fit){
            .state = design->is_used[c]    ? SGL_COEFFICIENT_FITTED
                     : design->is_tried[c] ? SGL_COEFFICIENT_ZERO
                                           : SGL_COEFFICIENT_NONE,
            .value_us = design->value_us[c],
            .relative_error =
                design->is_used[c] ? design->error_us[c] / design->value_us[c] : (double)NAN,
        };
}

int sgl_step_samples_fit(struct sgl_step_fit *fit, const struct sgl_step_samples *samples,
                         struct sgl_failure *failure)
{
    struct design design;
    gsl_error_handler_t *handler = gsl_set_error_handler_off();

    *fit = (struct sgl_step_fit){0};
    int status = settle_terms(&design, samples, failure);
    gsl_set_error_handler(handler);
    if (status < 0)
        return status;
    for (int c = 0; status > 0 && c <= SGL_C_STEP_DECODE; c++)
        if (!(design.value_us[c] > 0))
            status = sgl_fail(failure, 0,
                              "the fit gives %s = %g us, expected a time above 0: the "
                              "steps are not of this form",
                              sgl_coefficient_name((enum sgl_coefficient)c), design.value_us[c]);
    fit->is_not_identifiable = status == 0;
    if (status == 0)
        return SGL_EINVAL;
    judge(fit, &design);
    return SGL_OK;
}
