/* gamma: independent gaps of a gamma law; cv above 1 comes in bursts, below 1 is smoother than
 * poisson. */
#include "traces/generate/law.h"

enum parameter { RATE, CV };

static const struct sgl_parameter parameters[] = {
    [RATE] = {"rate", SGL_PARAMETER_REAL, 10, 1e-6, 1e6, NULL, "requests per second"},
    [CV] = {"cv", SGL_PARAMETER_REAL, 2, 0.01, 20, NULL, "standard deviation over mean of gaps"},
    {0},
};

static double next(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    const double *value = self->parameters.value;

    return now_s + sgl_rng_gamma(stream, 1 / value[RATE], value[CV]);
}

static double rate(const struct sgl_law *self)
{
    return self->parameters.value[RATE];
}

static double gap_cv(const struct sgl_law *self)
{
    return self->parameters.value[CV];
}

const struct sgl_law_ops sgl_arrivals_gamma = {
    .name = "gamma",
    .summary = "independent gaps, in bursts when cv > 1",
    .parameters = parameters,
    .next = next,
    .rate = rate,
    .gap_cv = gap_cv,
};
