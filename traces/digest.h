/*
 * digest.h - 64 bits that name a sequence of numbers and texts: equal sequences, equal digests, on
 * every machine.
 *
 * Each word is added to the state, which then goes through the finalizer of SplitMix64, that of
 * core/rng.h. Not cryptographic: it tells traces and request ids apart, it does not resist people.
 */
#ifndef SGL_TRACES_DIGEST_H
#define SGL_TRACES_DIGEST_H

#include "core/rng.h"

#include <stddef.h>
#include <stdint.h>

/* Zeroed at the start. */
struct sgl_digest {
    uint64_t state;
};

static inline void sgl_digest_word(struct sgl_digest *digest, uint64_t word)
{
    digest->state = sgl_rng_finalize(digest->state + word + SGL_RNG_GOLDEN);
}

/* The size, then the bytes, eight to a word, the first lowest. */
void sgl_digest_text(struct sgl_digest *digest, const char *text, size_t size);

#endif
