#include "saturation.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fit.h>

#define BINS SGL_SATURATION_BINS
#define PARTS SGL_SATURATION_PARTS
#define WIDTH_FIRST_NS INT64_C(1000000)
#define ARRIVALS_MIN 20
#define LEVEL 0.01
#define GROWTH_SHARE_MIN 0.25
#define GROWTH_MIN 1.0

void sgl_saturation_init(struct sgl_saturation *saturation)
{
    memset(saturation, 0, sizeof *saturation);
    saturation->width_ns = WIDTH_FIRST_NS;
}

/* Request-ns of every bin, full covers included. */
static void integrate(const struct sgl_saturation *saturation, double *total)
{
    int64_t covering = 0;

    for (size_t b = 0; b < BINS; b++) {
        covering += saturation->cover[b];
        total[b] = saturation->area[b] + (double)covering * (double)saturation->width_ns;
    }
}

static void merge_pairs(struct sgl_saturation *saturation)
{
    double total[BINS];

    integrate(saturation, total);
    memset(saturation->cover, 0, sizeof saturation->cover);
    for (size_t b = 0; b < BINS / 2; b++)
        saturation->area[b] = total[2 * b] + total[2 * b + 1];
    memset(saturation->area + BINS / 2, 0, BINS / 2 * sizeof *saturation->area);
    saturation->width_ns *= 2;
}

void sgl_saturation_add(struct sgl_saturation *saturation, int64_t begin_ns, int64_t end_ns)
{
    while (end_ns / saturation->width_ns >= BINS)
        merge_pairs(saturation);
    const int64_t width_ns = saturation->width_ns;
    const int64_t first = begin_ns / width_ns;
    const int64_t last = end_ns / width_ns;

    if (first == last) {
        saturation->area[first] += (double)(end_ns - begin_ns);
        return;
    }
    saturation->area[first] += (double)((first + 1) * width_ns - begin_ns);
    saturation->area[last] += (double)(end_ns - last * width_ns);
    saturation->cover[first + 1]++;
    saturation->cover[last]--;
}

/* Mean number waiting from begin to end (ns), bins taken as even inside. */
static double mean_between(const double *total, double width, double begin, double end)
{
    double area = 0;

    for (size_t b = (size_t)(begin / width); b < BINS && (double)b * width < end; b++) {
        const double from = fmax(begin, (double)b * width);
        const double to = fmin(end, (double)(b + 1) * width);
        area += total[b] * (to - from) / width;
    }
    return area / (end - begin);
}

struct sgl_saturation_verdict sgl_saturation_test(const struct sgl_saturation *saturation,
                                                  int64_t first_arrival_ns, int64_t last_arrival_ns,
                                                  uint64_t arrivals)
{
    struct sgl_saturation_verdict verdict = {0};
    double total[BINS];
    double times[PARTS];
    double waiting[PARTS];
    double intercept;
    double slope;
    double c00;
    double c01;
    double c11;
    double residual;

    if (arrivals < ARRIVALS_MIN || last_arrival_ns <= first_arrival_ns)
        return verdict;
    integrate(saturation, total);
    const double begin =
        (double)first_arrival_ns + (double)(last_arrival_ns - first_arrival_ns) / 2;
    const double part = ((double)last_arrival_ns - begin) / PARTS;
    for (int i = 0; i < PARTS; i++) {
        times[i] = (begin + (i + 0.5) * part) / 1e9;
        waiting[i] = mean_between(total, (double)saturation->width_ns, begin + i * part,
                                  begin + (i + 1) * part);
        verdict.mean_waiting += waiting[i] / PARTS;
    }
    gsl_fit_linear(times, 1, waiting, 1, PARTS, &intercept, &slope, &c00, &c01, &c11, &residual);
    verdict.is_known = true;
    verdict.slope_per_s = slope;
    verdict.growth = slope * part * PARTS / 1e9;
    if (c11 > 0)
        verdict.p_value = gsl_cdf_tdist_Q(slope / sqrt(c11), PARTS - 2);
    else
        verdict.p_value = slope > 0 ? 0 : 1;
    verdict.is_saturated = verdict.p_value < LEVEL && verdict.growth >= GROWTH_MIN &&
                           verdict.growth >= GROWTH_SHARE_MIN * verdict.mean_waiting;
    return verdict;
}
