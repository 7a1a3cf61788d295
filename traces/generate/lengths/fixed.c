/* fixed: every length the same. */
#include "traces/generate/law.h"

enum parameter { N };

static const struct sgl_parameter parameters[] = {
    [N] = {"n", SGL_PARAMETER_INTEGER, 256, 1, SGL_LENGTH_MOST, NULL, "tokens"},
    {0},
};

static int64_t draw(struct sgl_law *self, struct sgl_length_draws *draws, bool *was_clamped_out)
{
    (void)draws;
    (void)was_clamped_out;
    return (int64_t)self->parameters.value[N];
}

static double mean(const struct sgl_law *self)
{
    return self->parameters.value[N];
}

static double quantile(const struct sgl_law *self, double q)
{
    (void)q;
    return self->parameters.value[N];
}

const struct sgl_law_ops sgl_lengths_fixed = {
    .name = "fixed",
    .summary = "every length the same",
    .parameters = parameters,
    .draw = draw,
    .mean = mean,
    .quantile = quantile,
};
