/* More measurements than are kept: quantiles from classes beside those of all of them in order. */
#include "analysis/samples.h"

#include "core/rng.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEPT ((size_t)SGL_SAMPLES_EXACT_MAX)
#define MANY (KEPT + 20000)
#define BOUND (1.0 / 2048)
#define GRID 2000 /* probabilities that are asked for */

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Type 7, from all of them in order. */
static double exact_quantile(const double *sorted, size_t count, double q)
{
    const double at = q * (double)(count - 1);
    const size_t low = (size_t)at;

    if (low + 1 == count)
        return sorted[low];
    return sorted[low] + (at - (double)low) * (sorted[low + 1] - sorted[low]);
}

static double probability(int i)
{
    return i < GRID ? (double)i / GRID : 1;
}

/* ---- laws -------------------------------------------------------------------------------- */

static double draw_exponential(struct sgl_rng *rng, size_t i)
{
    (void)i;
    return sgl_rng_exponential(rng, 3e9);
}

static double draw_lognormal_wide(struct sgl_rng *rng, size_t i)
{
    (void)i;
    return sgl_rng_lognormal(rng, 1e7, 20);
}

static double draw_heavy_tail(struct sgl_rng *rng, size_t i)
{
    (void)i;
    return pow(1 - sgl_rng_uniform(rng), -40);
}

static double draw_last_bits(struct sgl_rng *rng, size_t i)
{
    (void)i;
    return 1e6 + 1e-6 * sgl_rng_uniform(rng);
}

static double draw_whole_token(struct sgl_rng *rng, size_t i)
{
    (void)i;
    return sgl_rng_below(rng, 4096);
}

static double draw_mostly_nothing(struct sgl_rng *rng, size_t i)
{
    return i % 10 != 0 ? 0 : 1e6 * sgl_rng_uniform(rng);
}

static double draw_the_same(struct sgl_rng *rng, size_t i)
{
    (void)rng;
    (void)i;
    return 1e8 / 3;
}

static double draw_one_of_two(struct sgl_rng *rng, size_t i)
{
    (void)i;
    return sgl_rng_below(rng, 3) == 0 ? 5e9 : 2e6;
}

static double draw_none(struct sgl_rng *rng, size_t i)
{
    (void)rng;
    return i % 2 == 0 ? 0 : -0.0;
}

/* Nearly all at one end of a class: as far from even as can be, on either side. */
static double draw_uneven(struct sgl_rng *rng, size_t i)
{
    const double from = ldexp(1, (int)(i % 7));
    const double end = from * (1 + BOUND * (1 - 1e-9));

    (void)rng;
    return (i / 7 % 1000 == 0) == (i % 2 == 0) ? end : from;
}

static double draw_largest(struct sgl_rng *rng, size_t i)
{
    return i % 2 == 0 ? DBL_MAX * sgl_rng_uniform(rng) : DBL_MAX;
}

static const struct law {
    const char *name;
    double (*draw)(struct sgl_rng *rng, size_t i);
    bool is_exact; /* whatever is asked */
} laws[] = {
    {"exponential", draw_exponential, false},
    {"lognormal, wide", draw_lognormal_wide, false},
    {"heavy tail", draw_heavy_tail, false},
    {"only the last bits differ", draw_last_bits, false},
    {"whole numbers", draw_whole_token, true},
    {"zeros among others", draw_mostly_nothing, false},
    {"one value", draw_the_same, true},
    {"two values", draw_one_of_two, true},
    {"nothing but zeros", draw_none, true},
    {"the ends of classes", draw_uneven, false},
    {"the largest there are", draw_largest, false},
};

enum { LAWS = sizeof laws / sizeof laws[0] };

static void draw_all(const struct law *law, double *values, size_t count)
{
    struct sgl_rng rng = sgl_rng_stream(1, SGL_PURPOSE_LENGTH, 0, law - laws, 0);

    for (size_t i = 0; i < count; i++)
        values[i] = law->draw(&rng, i);
}

static void add_all(struct sgl_samples *samples, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL_FATAL(sgl_samples_add(samples, values[i]), SGL_OK);
}

/* Every quantile within the bound of the exact one, in order, and exact at both ends. */
static bool is_close(const struct sgl_samples *samples, const double *sorted, size_t count,
                     double bound)
{
    double before = 0;

    for (int i = 0; i <= GRID; i++) {
        const double exact = exact_quantile(sorted, count, probability(i));
        const double is = sgl_samples_quantile(samples, probability(i));
        if (!(fabs(is - exact) <= exact * bound) || is < before)
            return false;
        before = is;
    }
    return sgl_samples_quantile(samples, 0) == sorted[0] &&
           sgl_samples_quantile(samples, 1) == sorted[count - 1];
}

static void quantiles_are_within_the_bound(void)
{
    double *values = malloc(MANY * sizeof *values);

    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    for (int law = 0; law < LAWS; law++) {
        struct sgl_samples samples = {0};
        draw_all(&laws[law], values, MANY);
        add_all(&samples, values, MANY);
        CU_ASSERT_EQUAL(samples.count, MANY);
        CU_ASSERT_EQUAL(sgl_samples_resolution(&samples), BOUND);
        qsort(values, MANY, sizeof *values, compare_doubles);
        CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
        const bool is_within =
            is_close(&samples, values, MANY, laws[law].is_exact ? 4 * DBL_EPSILON : BOUND);
        CU_ASSERT_TRUE(is_within);
        if (!is_within)
            fprintf(stderr, "law: %s\n", laws[law].name);
        sgl_samples_release(&samples);
    }
    free(values);
}

static void one_too_many_is_where_classes_begin(void)
{
    double *values = malloc(MANY * sizeof *values);
    struct sgl_samples samples = {0};
    double sum = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    draw_all(&laws[0], values, KEPT + 1);
    for (size_t i = 0; i < KEPT + 1; i++)
        sum += values[i];
    const double last = values[KEPT];
    add_all(&samples, values, KEPT);
    CU_ASSERT_EQUAL(sgl_samples_resolution(&samples), 0);
    qsort(values, KEPT, sizeof *values, compare_doubles);
    CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
    CU_ASSERT_TRUE(is_close(&samples, values, KEPT, 0));

    CU_ASSERT_EQUAL(sgl_samples_add(&samples, last), SGL_OK);
    CU_ASSERT_EQUAL(sgl_samples_resolution(&samples), BOUND);
    CU_ASSERT_EQUAL(samples.count, KEPT + 1);
    CU_ASSERT_EQUAL(sgl_samples_mean(&samples), sum / (double)(KEPT + 1));
    values[KEPT] = last;
    qsort(values, KEPT + 1, sizeof *values, compare_doubles);
    CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
    CU_ASSERT_TRUE(is_close(&samples, values, KEPT + 1, BOUND));

    /* Asked again when a few, and many, have come since. */
    draw_all(&laws[0], values, MANY);
    for (size_t i = KEPT + 1, asked = KEPT + 100; i < MANY; i++) {
        CU_ASSERT_EQUAL_FATAL(sgl_samples_add(&samples, values[i]), SGL_OK);
        if (i != asked && i + 1 < MANY)
            continue;
        double *sorted = malloc((i + 1) * sizeof *sorted);
        CU_ASSERT_PTR_NOT_NULL_FATAL(sorted);
        memcpy(sorted, values, (i + 1) * sizeof *sorted);
        qsort(sorted, i + 1, sizeof *sorted, compare_doubles);
        CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
        CU_ASSERT_TRUE(is_close(&samples, sorted, i + 1, BOUND));
        free(sorted);
        asked += 7777;
    }
    sgl_samples_release(&samples);
    CU_ASSERT_TRUE(isnan(sgl_samples_quantile(&samples, 0.5)));
    free(values);
}

/* From the front, from the back, and in order: bit for bit the same, together or one by one. */
static void order_of_arrival_changes_no_quantile(void)
{
    static const double asked[] = {0.99, 0, 0.5, 1, 0.123456, 0.999999};
    enum { ASKED = sizeof asked / sizeof asked[0] };
    double *values = malloc(MANY * sizeof *values);
    double found[3][ASKED];

    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    draw_all(&laws[1], values, MANY);
    for (int order = 0; order < 3; order++) {
        struct sgl_samples samples = {0};
        if (order == 2)
            qsort(values, MANY, sizeof *values, compare_doubles);
        for (size_t i = 0; i < MANY; i++)
            CU_ASSERT_EQUAL_FATAL(sgl_samples_add(&samples, values[order == 1 ? MANY - 1 - i : i]),
                                  SGL_OK);
        CU_ASSERT_EQUAL(sgl_samples_quantiles(&samples, asked, ASKED, found[order]), SGL_OK);
        for (int i = 0; i < ASKED; i++)
            CU_ASSERT_EQUAL(sgl_samples_quantile(&samples, asked[i]), found[order][i]);
        CU_ASSERT(sgl_same_bits(found[order], found[0], ASKED));
        sgl_samples_release(&samples);
    }
    free(values);
}

/* Classes of one or two values are exact, whatever lies in others. */
static void sparse_classes_are_exact(void)
{
    struct sgl_sample_classes *classes = sgl_sample_classes_create();
    struct sgl_rng rng = sgl_rng_stream(3, SGL_PURPOSE_LENGTH, 0, 0, 0);
    double values[2000];

    CU_ASSERT_PTR_NOT_NULL_FATAL(classes);
    for (int i = 0; i < 2000; i += 2) {
        const double class = ldexp(1 + 0.001 * (i % 1000), i / 1000 * 9 - 10);
        for (int k = 0; k < 2; k++)
            values[i + k] = class * (1 + 1e-4 * sgl_rng_uniform(&rng));
    }
    values[7] = 0;
    values[9] = DBL_TRUE_MIN;
    for (int i = 0; i < 2000; i++)
        CU_ASSERT_EQUAL(sgl_sample_classes_add(classes, values[(i * 7) % 2000]), SGL_OK);
    qsort(values, 2000, sizeof *values, compare_doubles);
    for (uint64_t rank = 0; rank < 2000; rank++)
        CU_ASSERT_EQUAL(sgl_sample_classes_at(classes, rank), values[rank]);
    sgl_sample_classes_destroy(classes);
    sgl_sample_classes_destroy(NULL);
}

SGL_SUITE(samples) = {
    {"of more values than are kept, each quantile is within 2^-11 of the exact one",
     quantiles_are_within_the_bound},
    {"131,072 values are kept, one more is where classes begin",
     one_too_many_is_where_classes_begin},
    {"the order in which values come changes no quantile", order_of_arrival_changes_no_quantile},
    {"classes of one or two values are exact", sparse_classes_are_exact},
    CU_TEST_INFO_NULL,
};
