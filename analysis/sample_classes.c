#include "sample_classes.h"

#include "core/failure.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES SGL_SAMPLE_CLASSES_OF_OCTAVE

/* A double (IEEE 754): the sign, 11 bits of exponent, 52 of fraction. Exponents of finite values
 * are below 2047. */
#define OCTAVES 2047
#define OCTAVE_SHIFT 52
#define CLASS_SHIFT 41

struct class
{
    uint64_t count;
    double least;
    double greatest;
};

struct octave {
    uint64_t count;
    struct class classes[CLASSES];
};

struct sgl_sample_classes {
    struct octave *octaves[OCTAVES]; /* owned; NULL: no value */
};

struct sgl_sample_classes *sgl_sample_classes_create(void)
{
    return calloc(1, sizeof(struct sgl_sample_classes));
}

int sgl_sample_classes_add(struct sgl_sample_classes *classes, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    assert(bits >> OCTAVE_SHIFT < OCTAVES);
    struct octave **octave = &classes->octaves[bits >> OCTAVE_SHIFT];
    if (*octave == NULL)
        *octave = calloc(1, sizeof **octave);
    if (*octave == NULL)
        return SGL_ENOMEM;
    struct class *class = &(*octave)->classes[bits >> CLASS_SHIFT & (CLASSES - 1)];
    if (class->count == 0 || value < class->least)
        class->least = value;
    if (value > class->greatest)
        class->greatest = value;
    class->count++;
    (*octave)->count++;
    return SGL_OK;
}

/* The difference is exact where the least is more than half of the greatest, or 0: so the last
 * value is the greatest itself. */
static double value_of(const struct class *class, uint64_t rank)
{
    if (class->count == 1)
        return class->least;
    return class->least +
           (double)rank / (double)(class->count - 1) * (class->greatest - class->least);
}

double sgl_sample_classes_at(const struct sgl_sample_classes *classes, uint64_t rank)
{
    const struct octave *octave = classes->octaves[0];
    size_t next = 1;

    while (octave == NULL || rank >= octave->count) {
        rank -= octave != NULL ? octave->count : 0;
        assert(next < OCTAVES);
        octave = classes->octaves[next++];
    }
    const struct class *class = octave->classes;
    while (rank >= class->count)
        rank -= class ++->count;
    return value_of(class, rank);
}

void sgl_sample_classes_destroy(struct sgl_sample_classes *classes)
{
    for (size_t i = 0; classes != NULL && i < OCTAVES; i++)
        free(classes->octaves[i]);
    free(classes);
}
