#include "distribution.h"

int sgl_distribution_of(struct sgl_samples *samples, struct sgl_distribution *out)
{
    static const double probabilities[] = {0.5, 0.9, 0.95, 0.99, 1};
    double values[sizeof probabilities / sizeof probabilities[0]];
    const int status = sgl_samples_quantiles(
        samples, probabilities, sizeof probabilities / sizeof probabilities[0], values);

    if (status == SGL_OK)
        *out = (struct sgl_distribution){.count = samples->count,
                                         .mean = sgl_samples_mean(samples),
                                         .p50 = values[0],
                                         .p90 = values[1],
                                         .p95 = values[2],
                                         .p99 = values[3],
                                         .max = values[4],
                                         .resolution = sgl_samples_resolution(samples)};
    return status;
}

struct sgl_distribution sgl_distribution_of_gaps(const struct sgl_gap_distribution *gaps)
{
    return (struct sgl_distribution){
        .count = gaps->count,
        .mean = sgl_gap_distribution_mean(gaps),
        .p50 = sgl_gap_distribution_quantile(gaps, 0.5),
        .p90 = sgl_gap_distribution_quantile(gaps, 0.9),
        .p95 = sgl_gap_distribution_quantile(gaps, 0.95),
        .p99 = sgl_gap_distribution_quantile(gaps, 0.99),
        .max = sgl_gap_distribution_quantile(gaps, 1),
        .resolution = SGL_GAP_RESOLUTION,
    };
}
