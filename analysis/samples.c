#include "samples.h"

#include "core/failure.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 1024
#define DIGITS 256

int sgl_samples_add(struct sgl_samples *samples, double value)
{
    assert(isfinite(value) && value >= 0);
    if (samples->count == samples->capacity) {
        const size_t capacity = samples->capacity > 0 ? 2 * samples->capacity : CAPACITY_FIRST;
        double *values = realloc(samples->values, capacity * sizeof *values);
        if (values == NULL)
            return SGL_ENOMEM;
        samples->values = values;
        samples->capacity = capacity;
    }
    samples->values[samples->count++] = value;
    samples->sum += value;
    samples->is_sorted = false;
    return SGL_OK;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* One pass: `from` into `to`, stable, by the byte at `shift`. */
static void scatter(const double *from, double *to, size_t count, unsigned shift)
{
    size_t starts[DIGITS] = {0};

    for (size_t i = 0; i < count; i++)
        starts[bits_of(from[i]) >> shift & (DIGITS - 1)]++;
    size_t next = 0;
    for (size_t d = 0; d < DIGITS; d++) {
        const size_t size = starts[d];
        starts[d] = next;
        next += size;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[bits_of(from[i]) >> shift & (DIGITS - 1)]++] = from[i];
}

int sgl_samples_sort(struct sgl_samples *samples)
{
    uint64_t differing = 0;

    if (samples->is_sorted || samples->count < 2) {
        samples->is_sorted = true;
        return SGL_OK;
    }
    double *other = malloc(samples->capacity * sizeof *other);
    if (other == NULL)
        return SGL_ENOMEM;
    for (size_t i = 1; i < samples->count; i++)
        differing |= bits_of(samples->values[i]) ^ bits_of(samples->values[0]);
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if ((differing >> shift & (DIGITS - 1)) == 0)
            continue;
        scatter(samples->values, other, samples->count, shift);
        double *sorted = other;
        other = samples->values;
        samples->values = sorted;
    }
    free(other);
    samples->is_sorted = true;
    return SGL_OK;
}

double sgl_samples_quantile(const struct sgl_samples *samples, double q)
{
    if (samples->count == 0)
        return (double)NAN;
    assert(samples->is_sorted && q >= 0 && q <= 1);
    const double at = q * (double)(samples->count - 1);
    const size_t low = (size_t)at;
    const double *values = samples->values;
    if (low + 1 >= samples->count)
        return values[samples->count - 1];
    return values[low] + (at - (double)low) * (values[low + 1] - values[low]);
}

double sgl_samples_mean(const struct sgl_samples *samples)
{
    return samples->count > 0 ? samples->sum / (double)samples->count : (double)NAN;
}

void sgl_samples_release(struct sgl_samples *samples)
{
    free(samples->values);
    *samples = (struct sgl_samples){0};
}
