#include "compare_bootstrap.h"

#include "analysis/stats_bootstrap.h"

#include <math.h>
#include <stdlib.h>

#define REPLICATES SGL_COMPARE_REPLICATES
#define STATISTICS SGL_BOOTSTRAP_STATISTICS

_Static_assert(STATISTICS == SGL_STATISTIC_COUNT, "the bootstrap knows the statistics by place");

/* One side: its series, and room for a draw. */
struct side {
    uint32_t count;
    double *values; /* metric * count + request */
    struct sgl_bootstrap_series series[SGL_REQUEST_METRIC_COUNT];
    uint32_t *counts;
};

static void release(struct side *side)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        sgl_bootstrap_series_release(&side->series[m]);
    free(side->values);
    free(side->counts);
}

static int init(struct side *side, const struct sgl_detail *detail)
{
    const uint32_t count = detail->request_count;

    *side = (struct side){
        .count = count,
        .values = malloc(((size_t)count + 1) * SGL_REQUEST_METRIC_COUNT * sizeof *side->values),
        .counts = malloc(((size_t)count + 1) * sizeof *side->counts),
    };
    if (side->values == NULL || side->counts == NULL)
        return SGL_ENOMEM;
    for (size_t m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        for (uint32_t i = 0; i < count; i++)
            side->values[m * count + i] = detail->requests[i].values[m];
        if (sgl_bootstrap_series_init(&side->series[m], &side->values[m * count], count) != SGL_OK)
            return SGL_ENOMEM;
    }
    return SGL_OK;
}

static double longest_block(const struct side *side)
{
    double longest = 1;

    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        longest = fmax(longest, sgl_bootstrap_block_length(side->series[m].values, side->count));
    return longest;
}

/* Running mean and squares (Welford 1962) of each statistic's log ratio and difference. */
struct spread {
    double mean[SGL_REQUEST_METRIC_COUNT][STATISTICS][2];
    double squares[SGL_REQUEST_METRIC_COUNT][STATISTICS][2];
    uint32_t count[SGL_REQUEST_METRIC_COUNT][STATISTICS][2];
};

static void add(struct spread *spread, int m, int s, int kind, double value)
{
    if (!isfinite(value))
        return;
    const double delta = value - spread->mean[m][s][kind];
    spread->mean[m][s][kind] += delta / ++spread->count[m][s][kind];
    spread->squares[m][s][kind] += delta * (value - spread->mean[m][s][kind]);
}

static void replicate(struct spread *spread, struct side *a, struct side *b, bool is_paired,
                      double block, struct sgl_rng *draws)
{
    sgl_bootstrap_draw(draws, block, a->counts, a->count);
    if (!is_paired)
        sgl_bootstrap_draw(draws, block, b->counts, b->count);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        double left[STATISTICS];
        double right[STATISTICS];
        if (a->series[m].order_count == 0 || b->series[m].order_count == 0)
            continue;
        sgl_bootstrap_statistics(&a->series[m], a->counts, left);
        sgl_bootstrap_statistics(&b->series[m], is_paired ? a->counts : b->counts, right);
        for (int s = 0; s < STATISTICS; s++) {
            add(spread, m, s, 0, log(right[s] / left[s]));
            add(spread, m, s, 1, right[s] - left[s]);
        }
    }
}

static void conclude(const struct spread *spread, const struct side *a, const struct side *b,
                     double margin, struct sgl_effect *effects)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        double left[STATISTICS];
        double right[STATISTICS];
        sgl_bootstrap_statistics(&a->series[m], NULL, left);
        sgl_bootstrap_statistics(&b->series[m], NULL, right);
        for (int s = 0; s < STATISTICS; s++) {
            struct sgl_effect *effect = &effects[m * STATISTICS + s];
            if (isnan(left[s]) || isnan(right[s]))
                continue;
            effect->is_ratio = left[s] > 0 && right[s] > 0 && spread->count[m][s][0] == REPLICATES;
            const int kind = effect->is_ratio ? 0 : 1;
            const uint32_t count = spread->count[m][s][kind];
            if (count < 2)
                continue;
            effect->method = SGL_METHOD_BOOTSTRAP;
            effect->verdict = SGL_VERDICT_NOT_SHOWN;
            effect->count = count;
            sgl_effect_fill(effect, effect->is_ratio ? log(right[s] / left[s]) : right[s] - left[s],
                            sqrt(spread->squares[m][s][kind] / (count - 1)), (double)INFINITY,
                            margin);
        }
    }
}

int sgl_bootstrap_effects(const struct sgl_detail *baseline, const struct sgl_detail *other,
                          const struct sgl_bootstrap_plan *plan, struct sgl_effect *effects,
                          struct sgl_failure *failure)
{
    struct sgl_rng draws = sgl_rng_stream(plan->seed, SGL_PURPOSE_RESAMPLE, 0, -1, 0);
    struct spread *spread = calloc(1, sizeof *spread);
    struct side a = {0};
    struct side b = {0};
    int status = SGL_ENOMEM;

    if (spread != NULL && init(&a, baseline) == SGL_OK && init(&b, other) == SGL_OK) {
        const bool goes_together = plan->is_paired && a.count == b.count;
        const double block = fmax(longest_block(&a), longest_block(&b));
        for (uint32_t r = 0; r < REPLICATES && a.count > 0 && b.count > 0; r++)
            replicate(spread, &a, &b, goes_together, block, &draws);
        conclude(spread, &a, &b, plan->margin, effects);
        status = SGL_OK;
    }
    release(&a);
    release(&b);
    free(spread);
    return status == SGL_OK ? SGL_OK : sgl_fail(failure, status, "out of memory for the bootstrap");
}
