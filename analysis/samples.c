#include "samples.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Doubled from here, it fills exactly with the last that is kept. */
#define CAPACITY_FIRST (SGL_SAMPLES_EXACT_MAX / 4)
#define BATCH 512 /* values classified at a time: 4 KiB of each kind, which stay in the cache */
#define DIGITS 256
#define SIEVE_BITS 11
#define SIEVE (UINT64_C(1) << SIEVE_BITS)

/* More room, as long as all are kept. */
static int grow(struct sgl_samples *samples)
{
    const size_t capacity = samples->capacity > 0 ? 2 * samples->capacity : CAPACITY_FIRST;
    double *values = realloc(samples->values, capacity * sizeof *values);

    if (values == NULL)
        return SGL_ENOMEM;
    samples->values = values;
    samples->capacity = capacity;
    return SGL_OK;
}

/* Puts all that are in no class into theirs. Without memory some still are in none. */
static int classify(struct sgl_samples *samples)
{
    const size_t count = samples->count - samples->classified;
    size_t done = 0;

    if (samples->classes == NULL)
        samples->classes = sgl_sample_classes_create();
    if (samples->classes == NULL)
        return SGL_ENOMEM;
    while (done < count &&
           sgl_sample_classes_add(samples->classes, samples->values[done]) == SGL_OK)
        done++;
    samples->classified += done;
    memmove(samples->values, samples->values + done, (count - done) * sizeof *samples->values);
    return done == count ? SGL_OK : SGL_ENOMEM;
}

/* From here on they are classified, and so much room is enough. */
static void shrink(struct sgl_samples *samples)
{
    double *values = realloc(samples->values, BATCH * sizeof *values);

    if (values == NULL)
        return; /* nor is more too much */
    samples->values = values;
    samples->capacity = BATCH;
}

int sgl_samples_add_beyond(struct sgl_samples *samples, double value)
{
    const bool is_kept = samples->classes == NULL && samples->count < SGL_SAMPLES_EXACT_MAX;
    const int status = is_kept ? grow(samples) : classify(samples);

    if (status != SGL_OK)
        return status;
    if (samples->capacity > BATCH && !is_kept)
        shrink(samples);
    samples->values[samples->count++ - samples->classified] = value;
    samples->sum += value;
    samples->is_sorted = false;
    return SGL_OK;
}

double sgl_samples_resolution(const struct sgl_samples *samples)
{
    return samples->classes != NULL ? SGL_SAMPLE_CLASSES_RESOLUTION : 0;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* One pass of a sort: `from` into `to`, stable, by the byte at `shift`. */
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

/* The bits in which not all of them are the same. */
static uint64_t differing_bits(const double *values, size_t count)
{
    uint64_t differing = 0;

    for (size_t i = 1; i < count; i++)
        differing |= bits_of(values[i]) ^ bits_of(values[0]);
    return differing;
}

/* Sorts with the help of as many other places; returns which of the two has them in order. */
static double *sort_between(double *values, double *other, size_t count)
{
    const uint64_t differing = differing_bits(values, count);

    for (unsigned shift = 0; shift < 64; shift += 8) {
        if ((differing >> shift & (DIGITS - 1)) == 0)
            continue;
        scatter(values, other, count, shift);
        double *sorted = other;
        other = values;
        values = sorted;
    }
    return values;
}

int sgl_samples_sort(struct sgl_samples *samples)
{
    if (samples->classes != NULL)
        return classify(samples);
    if (samples->is_sorted || samples->count < 2) {
        samples->is_sorted = true;
        return SGL_OK;
    }
    double *other = malloc(samples->capacity * sizeof *other);
    if (other == NULL)
        return SGL_ENOMEM;
    double *sorted = sort_between(samples->values, other, samples->count);
    free(sorted == other ? samples->values : other);
    samples->values = sorted;
    samples->is_sorted = true;
    return SGL_OK;
}

/* Where the quantile lies: `part` of the way from rank `low` to rank `high`. */
struct place {
    size_t low;
    size_t high;
    double part;
};

static struct place place_of(size_t count, double q)
{
    assert(q >= 0 && q <= 1);
    const double at = q * (double)(count - 1);
    const size_t low = (size_t)at;

    if (low + 1 >= count)
        return (struct place){count - 1, count - 1, 0};
    return (struct place){low, low + 1, at - (double)low};
}

static double between(double low, double high, double part)
{
    return low + part * (high - low);
}

static double quantile_of_classes(const struct sgl_samples *samples, double q)
{
    const struct place place = place_of(samples->count, q);

    assert(samples->classified == samples->count);
    return between(sgl_sample_classes_at(samples->classes, place.low),
                   sgl_sample_classes_at(samples->classes, place.high), place.part);
}

double sgl_samples_quantile(const struct sgl_samples *samples, double q)
{
    if (samples->count == 0)
        return (double)NAN;
    if (samples->classes != NULL)
        return quantile_of_classes(samples, q);
    assert(samples->is_sorted);
    const struct place place = place_of(samples->count, q);
    return between(samples->values[place.low], samples->values[place.high], place.part);
}

/* ---- a few quantiles without order ------------------------------------------------------- */

/* Samples by their first differing bits. */
struct sieve {
    unsigned shift;        /* of these bits */
    size_t starts[SIEVE];  /* the rank of the first of each class */
    size_t ends[SIEVE];    /* where its next one goes: behind its last, when all are here */
    bool is_wanted[SIEVE]; /* keep the class */
    double *rest;          /* those kept, class by class, each in order */
};

static size_t class_of(const struct sieve *sieve, double value)
{
    return (size_t)(bits_of(value) >> sieve->shift & (SIEVE - 1));
}

/* The class that has the rank: the last that does not start behind it. */
static size_t class_at(const struct sieve *sieve, size_t rank)
{
    size_t low = 0;

    for (size_t step = SIEVE / 2; step > 0; step /= 2)
        if (sieve->starts[low + step] <= rank)
            low += step;
    return low;
}

static void count_classes(struct sieve *sieve, const struct sgl_samples *samples)
{
    size_t next = 0;

    for (size_t i = 0; i < samples->count; i++)
        sieve->starts[class_of(sieve, samples->values[i])]++;
    for (size_t c = 0; c < SIEVE; c++) {
        const size_t size = sieve->starts[c];
        sieve->starts[c] = next;
        next += size;
    }
}

static size_t size_of(const struct sieve *sieve, size_t class, size_t total)
{
    return (class + 1 < SIEVE ? sieve->starts[class + 1] : total) - sieve->starts[class];
}

/* Keeps the classes that are wanted, each sorted. SGL_OK or SGL_ENOMEM. */
static int sift(struct sieve *sieve, const struct sgl_samples *samples)
{
    size_t count = 0;
    size_t widest = 0;

    for (size_t c = 0; c < SIEVE; c++) {
        const size_t size = sieve->is_wanted[c] ? size_of(sieve, c, samples->count) : 0;
        sieve->ends[c] = count;
        count += size;
        widest = size > widest ? size : widest;
    }
    double *other = malloc(widest * sizeof *other);
    sieve->rest = malloc(count * sizeof *sieve->rest);
    if (sieve->rest == NULL || other == NULL) {
        free(other);
        return SGL_ENOMEM;
    }
    for (size_t i = 0; i < samples->count; i++) {
        const size_t class = class_of(sieve, samples->values[i]);
        if (sieve->is_wanted[class])
            sieve->rest[sieve->ends[class]++] = samples->values[i];
    }
    for (size_t c = 0; c < SIEVE; c++) {
        const size_t size = sieve->is_wanted[c] ? size_of(sieve, c, samples->count) : 0;
        double *values = sieve->rest + sieve->ends[c] - size;
        if (size > 1 && sort_between(values, other, size) == other)
            memcpy(values, other, size * sizeof *values);
    }
    free(other);
    return SGL_OK;
}

static double value_at(const struct sieve *sieve, size_t rank, size_t total)
{
    const size_t class = class_at(sieve, rank);
    const size_t from_end = sieve->starts[class] + size_of(sieve, class, total) - rank;

    return sieve->rest[sieve->ends[class] - from_end];
}

int sgl_samples_quantiles(struct sgl_samples *samples, const double *q, size_t count, double *out)
{
    const bool needs_order = !samples->is_sorted && samples->count > 0 && samples->classes == NULL;
    struct sieve sieve = {0};

    if (samples->classes != NULL && classify(samples) != SGL_OK)
        return SGL_ENOMEM;
    for (size_t i = 0; i < count && !needs_order; i++)
        out[i] = sgl_samples_quantile(samples, q[i]);
    if (!needs_order)
        return SGL_OK;
    const uint64_t differing = differing_bits(samples->values, samples->count);
    while (differing >> sieve.shift >= SIEVE)
        sieve.shift++;
    count_classes(&sieve, samples);
    for (size_t i = 0; i < count; i++) {
        const struct place place = place_of(samples->count, q[i]);
        sieve.is_wanted[class_at(&sieve, place.low)] = true;
        sieve.is_wanted[class_at(&sieve, place.high)] = true;
    }
    const int status = sift(&sieve, samples);
    for (size_t i = 0; i < count && status == SGL_OK; i++) {
        const struct place place = place_of(samples->count, q[i]);
        out[i] = between(value_at(&sieve, place.low, samples->count),
                         value_at(&sieve, place.high, samples->count), place.part);
    }
    free(sieve.rest);
    return status;
}

double sgl_samples_mean(const struct sgl_samples *samples)
{
    return samples->count > 0 ? samples->sum / (double)samples->count : (double)NAN;
}

void sgl_samples_release(struct sgl_samples *samples)
{
    free(samples->values);
    sgl_sample_classes_destroy(samples->classes);
    *samples = (struct sgl_samples){0};
}
