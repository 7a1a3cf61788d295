/* zipf: n tokens with a chance in proportion to n^-s, from 1 to max. */
#include "traces/generate/law.h"

#include <stdlib.h>

enum parameter { S, MAX };

static const struct sgl_parameter parameters[] = {
    [S] = {"s", SGL_PARAMETER_REAL, 1, 0, 20, NULL, "how steep: 0 is uniform"},
    [MAX] = {"max", SGL_PARAMETER_INTEGER, 4096, 1, SGL_LENGTH_MOST, NULL, "most tokens"},
    {0},
};

static size_t count_of(const struct sgl_law *self)
{
    return (size_t)self->parameters.value[MAX];
}

static int prepare(struct sgl_law *self, const char *what, struct sgl_failure *failure)
{
    double *cumulative = malloc(count_of(self) * sizeof *cumulative);

    if (cumulative == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", what);
    sgl_rng_zipf_fill(cumulative, count_of(self), self->parameters.value[S]);
    self->state = cumulative;
    return SGL_OK;
}

static int64_t draw(struct sgl_law *self, struct sgl_length_draws *draws, bool *was_clamped_out)
{
    (void)was_clamped_out;
    return 1 + (int64_t)sgl_rng_zipf(&draws->own, self->state, count_of(self));
}

/* The sum of P(X > n) over n from 0. */
static double mean(const struct sgl_law *self)
{
    const double *cumulative = self->state;
    double sum = 1;

    for (size_t i = 0; i + 1 < count_of(self); i++)
        sum += 1 - cumulative[i];
    return sum;
}

static double quantile(const struct sgl_law *self, double q)
{
    return 1 + (double)sgl_rng_zipf_quantile(self->state, count_of(self), q);
}

const struct sgl_law_ops sgl_lengths_zipf = {
    .name = "zipf",
    .summary = "n tokens in proportion to n^-s",
    .parameters = parameters,
    .prepare = prepare,
    .draw = draw,
    .mean = mean,
    .quantile = quantile,
};
