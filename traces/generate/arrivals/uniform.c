/* uniform: constant gaps. Request k comes at k / rate, so the rounding of a gap never adds up. */
#include "traces/generate/law.h"

#include <math.h>

enum parameter { RATE };

static const struct sgl_parameter parameters[] = {
    [RATE] = {"rate", SGL_PARAMETER_REAL, 10, 1e-6, 1e6, NULL, "requests per second"},
    {0},
};

static double next(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    const double per_second = self->parameters.value[RATE];

    (void)stream;
    return (round(now_s * per_second) + 1) / per_second;
}

static double rate(const struct sgl_law *self)
{
    return self->parameters.value[RATE];
}

static double gap_cv(const struct sgl_law *self)
{
    (void)self;
    return 0;
}

const struct sgl_law_ops sgl_arrivals_uniform = {
    .name = "uniform",
    .summary = "constant gaps",
    .parameters = parameters,
    .next = next,
    .rate = rate,
    .gap_cv = gap_cv,
};
