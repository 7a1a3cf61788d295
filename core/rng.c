#include "rng.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>

struct sgl_rng sgl_rng_fork(const struct sgl_rng *stream, uint32_t part)
{
    return (struct sgl_rng){
        .state = sgl_rng_finalize(stream->state ^ sgl_rng_finalize(part + SGL_RNG_GOLDEN))};
}

uint64_t sgl_rng_next(struct sgl_rng *stream)
{
    stream->state += SGL_RNG_GOLDEN;
    return sgl_rng_finalize(stream->state);
}

double sgl_rng_uniform(struct sgl_rng *stream)
{
    return (double)(sgl_rng_next(stream) >> 11) * 0x1.0p-53;
}

uint32_t sgl_rng_below(struct sgl_rng *stream, uint32_t bound)
{
    uint64_t product = (sgl_rng_next(stream) >> 32) * bound;

    if ((uint32_t)product < bound) {
        const uint32_t threshold = (uint32_t)(-bound) % bound;
        while ((uint32_t)product < threshold)
            product = (sgl_rng_next(stream) >> 32) * bound;
    }
    return (uint32_t)(product >> 32);
}

/* GSL's view of a stream. The type is constant and the gsl_rng lives on the caller's stack, so
 * drawing allocates nothing. */
static unsigned long gsl_get(void *state)
{
    return (unsigned long)(sgl_rng_next(state) >> 32);
}

static double gsl_get_double(void *state)
{
    return sgl_rng_uniform(state);
}

static void gsl_set(void *state, unsigned long seed)
{
    ((struct sgl_rng *)state)->state = seed;
}

static const gsl_rng_type stream_type = {
    .name = "sglsim",
    .max = UINT32_MAX,
    .min = 0,
    .size = sizeof(struct sgl_rng),
    .set = gsl_set,
    .get = gsl_get,
    .get_double = gsl_get_double,
};

double sgl_rng_exponential(struct sgl_rng *stream, double mean)
{
    const gsl_rng view = {.type = &stream_type, .state = stream};

    return gsl_ran_exponential(&view, mean);
}

double sgl_rng_normal(struct sgl_rng *stream)
{
    /* In (0, 1]: the logarithm is finite. */
    const double radius = sqrt(-2 * log(1 - sgl_rng_uniform(stream)));

    return radius * cos(6.283185307179586 * sgl_rng_uniform(stream));
}

double sgl_rng_gamma(struct sgl_rng *stream, double mean, double cv)
{
    const gsl_rng view = {.type = &stream_type, .state = stream};

    return gsl_ran_gamma(&view, 1 / (cv * cv), mean * cv * cv);
}

double sgl_rng_lognormal(struct sgl_rng *stream, double mean, double cv)
{
    const gsl_rng view = {.type = &stream_type, .state = stream};
    const double variance = log1p(cv * cv);

    return gsl_ran_lognormal(&view, log(mean) - variance / 2, sqrt(variance));
}

uint32_t sgl_rng_geometric(struct sgl_rng *stream, double mean)
{
    const gsl_rng view = {.type = &stream_type, .state = stream};

    return mean > 1 ? gsl_ran_geometric(&view, 1 / mean) : 1;
}

void sgl_rng_zipf_fill(double *cumulative, size_t count, double s)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += pow((double)i + 1, -s);
        cumulative[i] = sum;
    }
    for (size_t i = 0; i < count; i++)
        cumulative[i] /= sum;
}

size_t sgl_rng_zipf_quantile(const double *cumulative, size_t count, double q)
{
    size_t least = 0;
    size_t most = count - 1;

    while (least < most) {
        const size_t middle = least + (most - least) / 2;
        if (cumulative[middle] > q)
            most = middle;
        else
            least = middle + 1;
    }
    return least;
}

size_t sgl_rng_zipf(struct sgl_rng *stream, const double *cumulative, size_t count)
{
    return sgl_rng_zipf_quantile(cumulative, count, sgl_rng_uniform(stream));
}
