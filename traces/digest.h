/*
 * digest.h - 64 bits that name a sequence of numbers and texts: equal sequences, equal digests, on
 * every machine.
 *
 * Each word is added to the state, which then goes through the finalizer of SplitMix64 (see
 * core/rng.h). Not cryptographic: it tells traces and request ids apart, it does not resist people.
 */
#ifndef SGL_TRACES_DIGEST_H
#define SGL_TRACES_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed at the start. */
struct sgl_digest {
    uint64_t state;
};

static inline void sgl_digest_word(struct sgl_digest *digest, uint64_t word)
{
    uint64_t z = digest->state + word + UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    digest->state = z ^ (z >> 31);
}

/* The size, then the bytes, eight to a word, the first lowest. */
void sgl_digest_text(struct sgl_digest *digest, const char *text, size_t size);

#endif
