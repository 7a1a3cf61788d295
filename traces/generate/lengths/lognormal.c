/*
 * lognormal: lengths with a long tail, rounded to whole tokens, held within 1 and max. `mean` and
 * `cv` are those before the bound; the mean that is intended is that of min(X, max):
 *     m F((ln max - mu - v) / s) + max (1 - F((ln max - mu) / s)),
 * with v = ln(1 + cv^2), s = sqrt(v), mu = ln m - v / 2 and F the normal distribution function.
 */
#include "traces/generate/law.h"

#include <math.h>

enum parameter { MEAN, CV, MAX };

static const struct sgl_parameter parameters[] = {
    [MEAN] = {"mean", SGL_PARAMETER_REAL, 256, 1, SGL_LENGTH_MOST, NULL, "tokens, unbounded"},
    [CV] = {"cv", SGL_PARAMETER_REAL, 1, 0.01, 20, NULL, "standard deviation over mean"},
    [MAX] = {"max", SGL_PARAMETER_INTEGER, 8192, 1, SGL_LENGTH_MOST, NULL,
             "longer ones become this"},
    {0},
};

static int64_t draw(struct sgl_law *self, struct sgl_length_draws *draws, bool *was_clamped_out)
{
    const double *value = self->parameters.value;
    const double drawn = sgl_rng_lognormal(&draws->own, value[MEAN], value[CV]);

    *was_clamped_out = drawn > value[MAX];
    return *was_clamped_out ? (int64_t)value[MAX] : drawn < 1 ? 1 : llround(drawn);
}

static double normal(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}

static double mean(const struct sgl_law *self)
{
    const double *value = self->parameters.value;
    const double variance = log1p(value[CV] * value[CV]);
    const double s = sqrt(variance);
    const double reach = (log(value[MAX] / value[MEAN]) + variance / 2) / s;

    return value[MEAN] * normal(reach - s) + value[MAX] * normal(-reach);
}

/* By bisection of the distribution function: 60 halvings of [-8, 8] are more than a double has. */
static double normal_quantile(double q)
{
    double least = -8;
    double most = 8;

    for (int i = 0; i < 60; i++) {
        const double middle = (least + most) / 2;
        if (normal(middle) < q)
            least = middle;
        else
            most = middle;
    }
    return least;
}

static double quantile(const struct sgl_law *self, double q)
{
    const double *value = self->parameters.value;
    const double variance = log1p(value[CV] * value[CV]);
    const double drawn = exp(log(value[MEAN]) - variance / 2 + sqrt(variance) * normal_quantile(q));

    return drawn > value[MAX] ? value[MAX] : drawn < 1 ? 1 : round(drawn);
}

const struct sgl_law_ops sgl_lengths_lognormal = {
    .name = "lognormal",
    .summary = "a long tail, held at max",
    .parameters = parameters,
    .draw = draw,
    .mean = mean,
    .quantile = quantile,
};
