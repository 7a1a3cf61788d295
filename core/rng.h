/*
 * rng.h - keyed random streams.
 *
 *     key = (seed, purpose, pool, request, attempt)      stream = key -> draw 0, draw 1, draw 2,
 * ...
 *
 * Every random number of a run is named by what it is for, not by when it is drawn. So two policies
 * replaying the same trace see the same luck (common random numbers), deciding twice gives the same
 * answer, and a log can be re-executed without its random numbers having been stored.
 *
 * The generator is SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
 * Generators", OOPSLA 2014): draw i is the finalizer applied to state + (i + 1) * golden ratio. The
 * key is absorbed word by word with the same finalizer. Distributions come from GSL, but for the
 * normal.
 *
 * A stream is a plain value: copying it forks it. Nothing here allocates or keeps state elsewhere.
 */
#ifndef SGL_CORE_RNG_H
#define SGL_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for. Append only: the number is part of the key, so of every recorded run. */
enum sgl_purpose {
    SGL_PURPOSE_DECIDE = 1,      /* the draws of a policy's decide() */
    SGL_PURPOSE_SERVICE = 2,     /* service times of the KV-less worker models */
    SGL_PURPOSE_ARRIVAL = 3,     /* generated arrival times */
    SGL_PURPOSE_LENGTH = 4,      /* generated prompt and output lengths */
    SGL_PURPOSE_RESAMPLE = 5,    /* which blocks of a trace a seed draws */
    SGL_PURPOSE_PREFIX = 10,     /* generated prompts: which system prompt, which blocks */
    SGL_PURPOSE_SESSION = 11,    /* generated sessions: how many turns, how long between them */
    SGL_PURPOSE_SLOW_START = 15, /* whether a worker that is well again gets a request */
    SGL_PURPOSE_BACKOFF = 16,    /* how long a retry waits */
    SGL_PURPOSE_PROMPT = 17,     /* words of prompts that a load client makes up */
    SGL_PURPOSE_LOSS = 18,       /* which reports are lost: of answers (pool 0), of polls (1) */
    SGL_PURPOSE_ROOM = 24,       /* rooms in which the workers of a pair meet */
};

struct sgl_rng {
    uint64_t state;
};

#define SGL_RNG_GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio, odd */

static inline uint64_t sgl_rng_finalize(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The streams of a purpose and pool, and one of them: who asks for many keeps the first. */
static inline struct sgl_rng sgl_rng_streams(uint64_t seed, enum sgl_purpose purpose, uint32_t pool)
{
    const uint64_t state = sgl_rng_finalize(seed + SGL_RNG_GOLDEN);
    const uint64_t key = (uint64_t)purpose << 32 | pool;

    return (struct sgl_rng){.state = sgl_rng_finalize(state ^ (key + SGL_RNG_GOLDEN))};
}

static inline struct sgl_rng sgl_rng_stream_of(struct sgl_rng streams, int64_t request,
                                               uint32_t attempt)
{
    uint64_t state = sgl_rng_finalize(streams.state ^ ((uint64_t)request + SGL_RNG_GOLDEN));

    state = sgl_rng_finalize(state ^ (attempt + SGL_RNG_GOLDEN));
    return (struct sgl_rng){.state = state};
}

static inline struct sgl_rng sgl_rng_stream(uint64_t seed, enum sgl_purpose purpose, uint32_t pool,
                                            int64_t request, uint32_t attempt)
{
    return sgl_rng_stream_of(sgl_rng_streams(seed, purpose, pool), request, attempt);
}

/* A stream of its own for a part of what `stream` is for; `stream` is left as it is. */
struct sgl_rng sgl_rng_fork(const struct sgl_rng *stream, uint32_t part);

uint64_t sgl_rng_next(struct sgl_rng *stream);

/* In [0, 1), 53 random bits. */
double sgl_rng_uniform(struct sgl_rng *stream);

/* In [0, bound), exactly uniform (Lemire's multiply with rejection). `bound` > 0. */
uint32_t sgl_rng_below(struct sgl_rng *stream, uint32_t bound);

/* Exponential with the given mean (gsl_ran_exponential over this stream). */
double sgl_rng_exponential(struct sgl_rng *stream, double mean);

/* Normal of mean 0 and variance 1: sqrt(-2 ln(1 - u)) cos(2 pi v) of two draws u and v (Box and
 * Muller: "A Note on the Generation of Random Normal Deviates", Ann. Math. Stat. 29, 1958). Always
 * two draws, so what is drawn after it stays where it is. The normal within gsl_ran_lognormal is
 * another one: the polar method, which draws pairs until one lies in the circle. */
double sgl_rng_normal(struct sgl_rng *stream);

/* Gamma and lognormal with the given mean and coefficient of variation, both above 0: shape 1/cv^2
 * (gsl_ran_gamma), sigma^2 = ln(1 + cv^2) (gsl_ran_lognormal). */
double sgl_rng_gamma(struct sgl_rng *stream, double mean, double cv);
double sgl_rng_lognormal(struct sgl_rng *stream, double mean, double cv);

/* 1, 2, 3, ... with the given mean, at least 1: each further one with the same chance
 * (gsl_ran_geometric). */
uint32_t sgl_rng_geometric(struct sgl_rng *stream, double mean);

/* Zipf: rank k of 0 ... count - 1 with a chance in proportion to (k + 1)^-s, by the exact inverse
 * over a table of cumulative chances that the caller owns: `count` > 0 doubles, filled once. */
void sgl_rng_zipf_fill(double *cumulative, size_t count, double s);
size_t sgl_rng_zipf(struct sgl_rng *stream, const double *cumulative, size_t count);

/* The rank below which a share `q` of the chances of such a table lies, q in [0, 1). */
size_t sgl_rng_zipf_quantile(const double *cumulative, size_t count, double q);

#endif
