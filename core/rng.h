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
 * key is absorbed word by word with the same finalizer. Distributions come from GSL.
 *
 * A stream is a plain value: copying it forks it. Nothing here allocates or keeps state elsewhere.
 */
#ifndef SGL_CORE_RNG_H
#define SGL_CORE_RNG_H

#include <stdint.h>

/* What a stream is for. Append only: the number is part of the key, so of every recorded run. */
enum sgl_purpose {
    SGL_PURPOSE_DECIDE = 1,      /* the draws of a policy's decide() */
    SGL_PURPOSE_SERVICE = 2,     /* service times of the KV-less worker models */
    SGL_PURPOSE_ARRIVAL = 3,     /* generated arrival times */
    SGL_PURPOSE_LENGTH = 4,      /* generated prompt and output lengths */
    SGL_PURPOSE_RESAMPLE = 5,    /* which blocks of a trace a seed draws */
    SGL_PURPOSE_SLOW_START = 15, /* whether a worker that is well again gets a request */
    SGL_PURPOSE_BACKOFF = 16,    /* how long a retry waits */
    SGL_PURPOSE_PROMPT = 17,     /* words of prompts that a load client makes up */
};

struct sgl_rng {
    uint64_t state;
};

struct sgl_rng sgl_rng_stream(uint64_t seed, enum sgl_purpose purpose, uint32_t pool,
                              int64_t request, uint32_t attempt);

/* A stream of its own for a part of what `stream` is for; `stream` is left as it is. */
struct sgl_rng sgl_rng_fork(const struct sgl_rng *stream, uint32_t part);

uint64_t sgl_rng_next(struct sgl_rng *stream);

/* In [0, 1), 53 random bits. */
double sgl_rng_uniform(struct sgl_rng *stream);

/* In [0, bound), exactly uniform (Lemire's multiply with rejection). `bound` > 0. */
uint32_t sgl_rng_below(struct sgl_rng *stream, uint32_t bound);

/* Exponential with the given mean (gsl_ran_exponential over this stream). */
double sgl_rng_exponential(struct sgl_rng *stream, double mean);

#endif
