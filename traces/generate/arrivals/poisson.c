/* poisson: independent arrivals, gaps exponential. */
#include "traces/generate/law.h"

enum parameter { RATE };

static const struct sgl_parameter parameters[] = {
    [RATE] = {"rate", SGL_PARAMETER_REAL, 10, 1e-6, 1e6, NULL, "requests per second"},
    {0},
};

static double next(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    return now_s + sgl_rng_exponential(stream, 1 / self->parameters.value[RATE]);
}

static double rate(const struct sgl_law *self)
{
    return self->parameters.value[RATE];
}

static double gap_cv(const struct sgl_law *self)
{
    (void)self;
    return 1;
}

const struct sgl_law_ops sgl_arrivals_poisson = {
    .name = "poisson",
    .summary = "independent arrivals",
    .parameters = parameters,
    .next = next,
    .rate = rate,
    .gap_cv = gap_cv,
};
