#include "stats_mser.h"

#include <math.h>

#define COUNT_MIN 20

static double batch_mean(const double *values, size_t batch)
{
    double sum = 0;

    for (size_t i = 0; i < SGL_MSER_BATCH; i++)
        sum += values[batch * SGL_MSER_BATCH + i];
    return sum / SGL_MSER_BATCH;
}

struct sgl_mser sgl_mser_cut(const double *values, size_t count)
{
    const size_t batches = count / SGL_MSER_BATCH;
    double mean = 0;
    double squares = 0;
    double best = (double)INFINITY;
    size_t cut = 0;

    if (count < COUNT_MIN)
        return (struct sgl_mser){0, false};
    /* From the end backwards, mean and squares grow by one batch at a time (Welford 1962). The last
     * few batches are no sample to speak of: five of them would be "quiet" by chance. */
    for (size_t d = batches; d-- > 0;) {
        const double kept = (double)(batches - d);
        const double z = batch_mean(values, d);
        const double delta = z - mean;
        mean += delta / kept;
        squares += delta * (z - mean);
        if (batches - d < SGL_MSER_BATCH)
            continue;
        const double statistic = squares / (kept * kept);
        if (statistic <= best) {
            best = statistic;
            cut = d;
        }
    }
    if (cut > batches / 2)
        return (struct sgl_mser){0, false};
    return (struct sgl_mser){cut * SGL_MSER_BATCH, true};
}
