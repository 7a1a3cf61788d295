/*
 * diurnal: poisson arrivals at rate x (1 + amplitude x sin(2 pi t / period_s)), by thinning: drawn
 * at the peak rate, each is kept with the chance rate(t) / peak (Lewis and Shedler, "Simulation of
 * nonhomogeneous Poisson processes by thinning", 1979).
 */
#include "traces/generate/law.h"

#include <math.h>

#define TWO_PI 6.283185307179586

enum parameter { RATE, AMPLITUDE, PERIOD_S };

static const struct sgl_parameter parameters[] = {
    [RATE] = {"rate", SGL_PARAMETER_REAL, 10, 1e-6, 1e6, NULL, "requests per second, mean"},
    [AMPLITUDE] = {"amplitude", SGL_PARAMETER_REAL, 0.5, 0, 1, NULL, "of the rate, as its share"},
    [PERIOD_S] = {"period_s", SGL_PARAMETER_REAL, 86400, 1, 1e8, NULL, "of a day, s"},
    {0},
};

static double next(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    const double *value = self->parameters.value;
    const double peak = 1 + value[AMPLITUDE];

    for (;;) {
        now_s += sgl_rng_exponential(stream, 1 / (value[RATE] * peak));
        const double level = 1 + value[AMPLITUDE] * sin(TWO_PI * now_s / value[PERIOD_S]);
        if (sgl_rng_uniform(stream) * peak < level)
            return now_s;
    }
}

static double rate(const struct sgl_law *self)
{
    return self->parameters.value[RATE];
}

const struct sgl_law_ops sgl_arrivals_diurnal = {
    .name = "diurnal",
    .summary = "poisson whose rate is a sine",
    .parameters = parameters,
    .next = next,
    .rate = rate,
};
