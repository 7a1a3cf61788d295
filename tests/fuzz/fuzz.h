/*
 * fuzz.h - the entry point of a fuzz target: x_fuzz.c defines it, libFuzzer or replay.c calls it.
 * It returns 0; a fault is an assertion that fails or a sanitizer that stops.
 */
#ifndef SGL_TESTS_FUZZ_H
#define SGL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
