/*
 * onoff: poisson arrivals whose rate is one of two, each kept for an exponential time.
 *
 *     rate_on   __|  |____|     |__      phases: exponential, mean on_s and off_s
 *     rate_off    |__|    |_____|
 *
 * The first phase is drawn as in the long run. It is the Markov-modulated Poisson process of two
 * states; its gaps have the squared coefficient of variation
 *     1 + 2 a b (f - g)^2 / ((a + b)^2 (f g + f b + g a)),  a = 1/on_s, b = 1/off_s, f, g the rates
 * (Fischer and Meier-Hellstern, "The Markov-modulated Poisson process cookbook", 1993), between an
 * arrival and the next in the long run.
 */
#include "traces/generate/law.h"

#include <math.h>

enum parameter { RATE_ON, RATE_OFF, ON_S, OFF_S };

static const struct sgl_parameter parameters[] = {
    [RATE_ON] = {"rate_on", SGL_PARAMETER_REAL, 20, 0, 1e6, NULL, "requests per second while on"},
    [RATE_OFF] = {"rate_off", SGL_PARAMETER_REAL, 1, 0, 1e6, NULL, "requests per second while off"},
    [ON_S] = {"on_s", SGL_PARAMETER_REAL, 10, 1e-3, 1e6, NULL, "mean length of an on phase, s"},
    [OFF_S] = {"off_s", SGL_PARAMETER_REAL, 10, 1e-3, 1e6, NULL, "mean length of an off phase, s"},
    {0},
};

static int prepare(struct sgl_law *self, const char *what, struct sgl_failure *failure)
{
    const double *value = self->parameters.value;

    if (value[RATE_ON] + value[RATE_OFF] < 1e-6)
        return sgl_fail(failure, SGL_EINVAL, "%s: both rates are 0, expected one of at least 1e-06",
                        what);
    self->phase_end_s = -1; /* none has begun */
    return SGL_OK;
}

static void begin_phase(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    const double *value = self->parameters.value;

    self->phase_end_s =
        now_s + sgl_rng_exponential(stream, self->is_on ? value[ON_S] : value[OFF_S]);
}

static double next(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    const double *value = self->parameters.value;

    if (self->phase_end_s < 0) {
        self->is_on = sgl_rng_uniform(stream) < value[ON_S] / (value[ON_S] + value[OFF_S]);
        begin_phase(self, stream, 0);
    }
    for (;;) {
        const double per_second = self->is_on ? value[RATE_ON] : value[RATE_OFF];
        if (per_second > 0) {
            const double then_s = now_s + sgl_rng_exponential(stream, 1 / per_second);
            if (then_s < self->phase_end_s)
                return then_s;
        }
        now_s = self->phase_end_s; /* exponential gaps have no memory: draw anew from here */
        self->is_on = !self->is_on;
        begin_phase(self, stream, now_s);
    }
}

static double rate(const struct sgl_law *self)
{
    const double *value = self->parameters.value;

    return (value[RATE_ON] * value[ON_S] + value[RATE_OFF] * value[OFF_S]) /
           (value[ON_S] + value[OFF_S]);
}

static double gap_cv(const struct sgl_law *self)
{
    const double f = self->parameters.value[RATE_ON];
    const double g = self->parameters.value[RATE_OFF];
    const double a = 1 / self->parameters.value[ON_S];
    const double b = 1 / self->parameters.value[OFF_S];

    return sqrt(1 + 2 * a * b * (f - g) * (f - g) / ((a + b) * (a + b) * (f * g + f * b + g * a)));
}

const struct sgl_law_ops sgl_arrivals_onoff = {
    .name = "onoff",
    .summary = "poisson of two rates in exponential phases",
    .parameters = parameters,
    .prepare = prepare,
    .next = next,
    .rate = rate,
    .gap_cv = gap_cv,
};
