#include "gap_counter.h"

#include <assert.h>
#include <stdlib.h>

static struct sgl_gap_count *place_of(struct sgl_gap_counter *counter, uint64_t class)
{
    struct sgl_gap_count **octave = &counter->octaves[class / SGL_GAP_CLASSES];

    if (*octave == NULL)
        *octave = calloc(SGL_GAP_CLASSES, sizeof **octave);
    if (*octave == NULL) {
        counter->is_out_of_memory = true;
        return NULL;
    }
    return &(*octave)[class % SGL_GAP_CLASSES];
}

/* Adds `total_ps`, `count` times, which is less than 2^32: the product has 96 bits. */
static void add_sum(struct sgl_gap_count *place, uint64_t total_ps, uint64_t count)
{
    const uint64_t low = (total_ps & UINT32_MAX) * count;

    place->sum_high += (total_ps >> 32) * count + (low >> 32);
    place->sum_low += low & UINT32_MAX;
    place->sum_high += place->sum_low >> 32;
    place->sum_low &= UINT32_MAX;
}

void sgl_gap_counter_add_run(struct sgl_gap_counter *counter, const struct sgl_gap_run *run,
                             uint64_t count)
{
    struct sgl_gap_count *place = place_of(counter, run->class);

    if (place == NULL)
        return;
    place->count += run->lengths * count;
    add_sum(place, run->total_ps, count);
    /* To multiply is cheaper than to divide what mostly is no longer than the longest. */
    if (run->longest_ps >= (place->longest_ns + 1) * SGL_GAP_PS_PER_NS)
        place->longest_ns = sgl_gap_whole_ns(run->longest_ps);
}

void sgl_gap_counter_add(struct sgl_gap_counter *counter, int64_t length_ps, uint64_t count)
{
    assert(length_ps >= SGL_GAP_PS_PER_NS && count <= UINT32_MAX);
    const struct sgl_gap_run run = {.class = sgl_gap_class_of(length_ps),
                                    .lengths = 1,
                                    .total_ps = (uint64_t)length_ps,
                                    .longest_ps = length_ps};
    sgl_gap_counter_add_run(counter, &run, count);
}

void sgl_gap_counter_add_all(struct sgl_gap_counter *counter, const struct sgl_gap_counter *other)
{
    counter->is_out_of_memory |= other->is_out_of_memory;
    for (uint64_t class = 0; class < SGL_GAP_OCTAVES * SGL_GAP_CLASSES; class ++) {
        const struct sgl_gap_count *octave = other->octaves[class / SGL_GAP_CLASSES];
        const struct sgl_gap_count *from = octave != NULL ? &octave[class % SGL_GAP_CLASSES] : NULL;
        struct sgl_gap_count *to =
            from != NULL && from->count > 0 ? place_of(counter, class) : NULL;
        if (to == NULL)
            continue;
        to->count += from->count;
        to->sum_low += from->sum_low;
        to->sum_high += from->sum_high + (to->sum_low >> 32);
        to->sum_low &= UINT32_MAX;
        if (from->longest_ns > to->longest_ns)
            to->longest_ns = from->longest_ns;
    }
}

uint32_t sgl_gap_counter_classes(const struct sgl_gap_counter *counter,
                                 struct sgl_gap_class *classes_out)
{
    uint32_t used = 0;

    for (uint64_t octave = 0; octave < SGL_GAP_OCTAVES; octave++) {
        const struct sgl_gap_count *places = counter->octaves[octave];
        for (uint64_t i = 0; places != NULL && i < SGL_GAP_CLASSES; i++) {
            const uint64_t class = octave * SGL_GAP_CLASSES + i;
            const struct sgl_gap_count *place = &places[i];
            if (place->count == 0)
                continue;
            classes_out[used++] = (struct sgl_gap_class){
                .from_ns = sgl_gap_class_start(class),
                .to_ns = sgl_gap_class_start(class + 1),
                .count = place->count,
                .sum_s = ((double)place->sum_high * 4294967296.0 + (double)place->sum_low) / 1e12,
                .longest_ns = place->longest_ns,
            };
        }
    }
    return used;
}

void sgl_gap_counter_release(struct sgl_gap_counter *counter)
{
    for (int i = 0; i < SGL_GAP_OCTAVES; i++)
        free(counter->octaves[i]);
    *counter = (struct sgl_gap_counter){0};
}
