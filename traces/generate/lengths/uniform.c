/* uniform: each length from min to max, both included, with the same chance. */
#include "traces/generate/law.h"

#include <math.h>

enum parameter { MIN, MAX };

static const struct sgl_parameter parameters[] = {
    [MIN] = {"min", SGL_PARAMETER_INTEGER, 1, 1, SGL_LENGTH_MOST, NULL, "fewest tokens"},
    [MAX] = {"max", SGL_PARAMETER_INTEGER, 512, 1, SGL_LENGTH_MOST, NULL, "most tokens"},
    {0},
};

static int prepare(struct sgl_law *self, const char *what, struct sgl_failure *failure)
{
    const double *value = self->parameters.value;

    if (value[MIN] <= value[MAX])
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL, "%s: min=%g is above max=%g, expected min <= max", what,
                    value[MIN], value[MAX]);
}

static int64_t draw(struct sgl_law *self, struct sgl_length_draws *draws, bool *was_clamped_out)
{
    const int64_t least = (int64_t)self->parameters.value[MIN];
    const int64_t most = (int64_t)self->parameters.value[MAX];

    (void)was_clamped_out;
    return least + sgl_rng_below(&draws->own, (uint32_t)(most - least + 1));
}

static double mean(const struct sgl_law *self)
{
    return (self->parameters.value[MIN] + self->parameters.value[MAX]) / 2;
}

static double quantile(const struct sgl_law *self, double q)
{
    const double *value = self->parameters.value;

    return value[MIN] + floor(q * (value[MAX] - value[MIN] + 1));
}

const struct sgl_law_ops sgl_lengths_uniform = {
    .name = "uniform",
    .summary = "from min to max, each with the same chance",
    .parameters = parameters,
    .prepare = prepare,
    .draw = draw,
    .mean = mean,
    .quantile = quantile,
};
