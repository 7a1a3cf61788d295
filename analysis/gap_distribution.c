#include "gap_distribution.h"

#include "core/failure.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9
#define CAPACITY_FIRST 256

static int insert(struct sgl_gap_distribution *distribution, uint32_t place,
                  const struct sgl_gap_class *class)
{
    const uint32_t behind = distribution->class_count - place;

    if (distribution->class_count == SGL_GAP_CLASS_MAX)
        return SGL_EINVAL;
    if (distribution->class_count == distribution->class_capacity) {
        const uint32_t capacity =
            distribution->class_capacity > 0 ? 2 * distribution->class_capacity : CAPACITY_FIRST;
        struct sgl_gap_class *classes = realloc(distribution->classes, capacity * sizeof *classes);
        if (classes == NULL)
            return SGL_ENOMEM;
        distribution->classes = classes;
        distribution->class_capacity = capacity;
    }
    struct sgl_gap_class *at = &distribution->classes[place];
    memmove(at + 1, at, behind * sizeof *at);
    *at = *class;
    distribution->class_count++;
    return SGL_OK;
}

int sgl_gap_distribution_add(struct sgl_gap_distribution *distribution,
                             const struct sgl_gap_class *classes, uint32_t class_count)
{
    uint32_t place = 0; /* both are in ascending order */

    for (uint32_t i = 0; i < class_count; i++) {
        while (place < distribution->class_count &&
               distribution->classes[place].from_ns < classes[i].from_ns)
            place++;
        struct sgl_gap_class *own = &distribution->classes[place];
        if (place == distribution->class_count || own->from_ns != classes[i].from_ns) {
            const int status = insert(distribution, place, &classes[i]);
            if (status != SGL_OK)
                return status;
        } else {
            own->count += classes[i].count;
            own->sum_s += classes[i].sum_s;
            if (classes[i].longest_ns > own->longest_ns)
                own->longest_ns = classes[i].longest_ns;
        }
        distribution->count += classes[i].count;
        distribution->sum_s += classes[i].sum_s;
    }
    return SGL_OK;
}

static double mean_of(const struct sgl_gap_class *class)
{
    return class->sum_s * NS_PER_S / (double)class->count;
}

double sgl_gap_distribution_quantile(const struct sgl_gap_distribution *distribution, double q)
{
    const double rank = q * ((double)distribution->count - 1);
    uint64_t below = 0;

    assert(q >= 0 && q <= 1);
    if (distribution->count == 0)
        return (double)NAN;
    for (uint32_t i = 0; q < 1 && i < distribution->class_count; i++) {
        below += distribution->classes[i].count;
        if ((double)below > rank)
            return mean_of(&distribution->classes[i]);
    }
    return (double)distribution->classes[distribution->class_count - 1].longest_ns;
}

double sgl_gap_distribution_mean(const struct sgl_gap_distribution *distribution)
{
    return distribution->count > 0 ? distribution->sum_s * NS_PER_S / (double)distribution->count
                                   : (double)NAN;
}

double sgl_gap_distribution_within(const struct sgl_gap_distribution *distribution, double limit_ns)
{
    uint64_t within = 0;

    for (uint32_t i = 0; i < distribution->class_count; i++)
        if (mean_of(&distribution->classes[i]) <= limit_ns)
            within += distribution->classes[i].count;
    return distribution->count > 0 ? (double)within / (double)distribution->count : (double)NAN;
}

void sgl_gap_distribution_release(struct sgl_gap_distribution *distribution)
{
    free(distribution->classes);
    *distribution = (struct sgl_gap_distribution){0};
}
