#include "compare_bootstrap.h"

#include "analysis/stats_bootstrap.h"

#include <math.h>
#include <stdlib.h>

#define REPLICATES SGL_COMPARE_REPLICATES
#define STATISTICS SGL_BOOTSTRAP_STATISTICS
#define ITL SGL_METRIC_ITL

/* Requests of which a statistic is resampled: 200, and 20 beyond the quantile. Of fewer a standard
 * error is too uncertain itself (tests/validity). */
static const uint32_t least_requests[STATISTICS] = {200, 200, 200, 400, 2000};

_Static_assert(STATISTICS == SGL_STATISTIC_COUNT, "the bootstrap knows the statistics by place");

/* One side: its series, and room for a draw. */
struct side {
    uint32_t count;
    double *values; /* metric * count + request */
    struct sgl_bootstrap_series series[SGL_REQUEST_METRIC_COUNT];
    double *gap_ms;                  /* sum of the gaps between the tokens of each request */
    double *gap_count;               /* how many */
    double itl_mean;                 /* of all their gaps; NaN: there are none */
    double blocks[SGL_METRIC_COUNT]; /* length that a metric asks for */
    uint32_t *counts;
};

static void release(struct side *side)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        sgl_bootstrap_series_release(&side->series[m]);
    free(side->values);
    free(side->gap_ms);
    free(side->gap_count);
    free(side->counts);
}

/* Mean gap of the requests, each counted that often: requests are clusters of gaps, so both sums
 * are over requests. counts NULL: once. */
static double mean_gap(const struct side *side, const uint32_t *counts)
{
    double ms = 0;
    double gaps = 0;

    for (uint32_t i = 0; i < side->count; i++) {
        const double times = counts != NULL ? counts[i] : 1;
        ms += times * side->gap_ms[i];
        gaps += times * side->gap_count[i];
    }
    return gaps > 0 ? ms / gaps : (double)NAN;
}

static int init(struct side *side, const struct sgl_detail *detail)
{
    const uint32_t count = detail->request_count;

    *side = (struct side){
        .count = count,
        .values = malloc(((size_t)count + 1) * SGL_REQUEST_METRIC_COUNT * sizeof *side->values),
        .gap_ms = malloc(((size_t)count + 1) * sizeof *side->gap_ms),
        .gap_count = malloc(((size_t)count + 1) * sizeof *side->gap_count),
        .counts = malloc(((size_t)count + 1) * sizeof *side->counts),
    };
    if (side->values == NULL || side->gap_ms == NULL || side->gap_count == NULL ||
        side->counts == NULL)
        return SGL_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_request_detail *request = &detail->requests[i];
        side->gap_count[i] = (double)request->gaps;
        side->gap_ms[i] =
            request->gaps > 0 ? request->values[SGL_METRIC_TPOT] * side->gap_count[i] : 0;
    }
    side->itl_mean = mean_gap(side, NULL);
    for (size_t m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        for (uint32_t i = 0; i < count; i++)
            side->values[m * count + i] = detail->requests[i].values[m];
        if (sgl_bootstrap_series_init(&side->series[m], &side->values[m * count], count) != SGL_OK)
            return SGL_ENOMEM;
    }
    return SGL_OK;
}

/* Of gaps only the mean is one of requests. */
static void statistics_of(const struct side *side, int metric, const uint32_t *counts,
                          double out[static STATISTICS])
{
    if (metric != ITL) {
        sgl_bootstrap_statistics(&side->series[metric], counts, out);
        return;
    }
    for (int s = 0; s < STATISTICS; s++)
        out[s] = (double)NAN;
    out[SGL_STATISTIC_MEAN] = mean_gap(side, counts);
}

/* What a request adds to the mean gap, to the first order: its gaps' sum beyond as many average
 * ones. The dependence of these is that of the mean. */
static double gap_block(const struct side *side, double *influence)
{
    if (isnan(side->itl_mean))
        return 1;
    for (uint32_t i = 0; i < side->count; i++)
        influence[i] = side->gap_ms[i] - side->itl_mean * side->gap_count[i];
    return sgl_bootstrap_block_length(influence, side->count);
}

/* What each metric asks for. `scratch` has a place for each request. */
static void find_blocks(struct side *side, double *scratch)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        side->blocks[m] = sgl_bootstrap_block_length(side->series[m].values, side->count);
    side->blocks[ITL] = gap_block(side, scratch);
}

static double longest_block(const struct side *side)
{
    double longest = 1;

    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        longest = fmax(longest, side->blocks[m]);
    return longest;
}

/* The share of the variance that blocks of that length miss, for they tear neighbours apart; see
 * compare_bootstrap.h. */
static double missed_variance(const struct side *side, int metric, double block)
{
    const double own = side->blocks[metric];

    return own > 1 ? own * sqrt(own / side->count) / block : 0;
}

/* Running mean and squares (Welford 1962) of each statistic's log ratio and difference. */
struct spread {
    double mean[SGL_METRIC_COUNT][STATISTICS][2];
    double squares[SGL_METRIC_COUNT][STATISTICS][2];
    uint32_t count[SGL_METRIC_COUNT][STATISTICS][2];
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
    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        double left[STATISTICS];
        double right[STATISTICS];
        statistics_of(a, m, a->counts, left);
        statistics_of(b, m, is_paired ? a->counts : b->counts, right);
        for (int s = 0; s < STATISTICS; s++) {
            add(spread, m, s, 0, log(right[s] / left[s]));
            add(spread, m, s, 1, right[s] - left[s]);
        }
    }
}

static bool is_enough(const struct side *side, int metric, int statistic)
{
    uint32_t count = 0;

    if (metric != ITL)
        return side->series[metric].order_count >= least_requests[statistic];
    for (uint32_t i = 0; i < side->count; i++)
        count += side->gap_count[i] > 0;
    return count >= least_requests[statistic];
}

/* An estimate, and how it fell out in the replicates. */
struct spread_of {
    double estimate;
    double variance;
    double missed; /* share of the variance that is not in it */
    double freedom;
    uint32_t count; /* replicates */
};

static void conclude_one(struct sgl_effect *effect, const struct spread_of *of, double margin)
{
    if (of->count < 2)
        return;
    effect->method = SGL_METHOD_BOOTSTRAP;
    effect->verdict = SGL_VERDICT_NOT_SHOWN;
    effect->count = of->count;
    sgl_effect_fill(effect, of->estimate, sqrt(of->variance / (1 - of->missed)), of->freedom,
                    margin);
    if (of->variance > 0)
        return;
    /* No replicate differs from the estimate, as with ties everywhere. */
    if (of->estimate == 0) {
        effect->method = SGL_METHOD_EXACT;
        effect->verdict = SGL_VERDICT_EQUAL;
    } else {
        effect->p_value = 0;
    }
}

static void conclude(const struct spread *spread, const struct side *a, const struct side *b,
                     double block, double margin, struct sgl_effect *effects)
{
    const double freedom = fmin(a->count, b->count) / block;

    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        double left[STATISTICS];
        double right[STATISTICS];
        const double missed = fmax(missed_variance(a, m, block), missed_variance(b, m, block));
        statistics_of(a, m, NULL, left);
        statistics_of(b, m, NULL, right);
        for (int s = 0; s < STATISTICS; s++) {
            struct sgl_effect *effect = &effects[m * STATISTICS + s];
            if (isnan(left[s]) || isnan(right[s]) || !is_enough(a, m, s) || !is_enough(b, m, s))
                continue;
            effect->is_ratio = left[s] > 0 && right[s] > 0 && spread->count[m][s][0] == REPLICATES;
            const int kind = effect->is_ratio ? 0 : 1;
            const uint32_t count = spread->count[m][s][kind];
            conclude_one(
                effect,
                &(struct spread_of){
                    .estimate = effect->is_ratio ? log(right[s] / left[s]) : right[s] - left[s],
                    .variance = spread->squares[m][s][kind] / (count - 1.0),
                    .missed = missed,
                    .freedom = freedom,
                    .count = count,
                },
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
    double *scratch =
        malloc(((size_t)baseline->request_count + other->request_count + 1) * sizeof *scratch);
    int status = SGL_ENOMEM;

    if (spread != NULL && scratch != NULL && init(&a, baseline) == SGL_OK &&
        init(&b, other) == SGL_OK) {
        const bool goes_together = plan->is_paired && a.count == b.count;
        find_blocks(&a, scratch);
        find_blocks(&b, scratch);
        const double block = fmax(longest_block(&a), longest_block(&b));
        for (uint32_t r = 0; r < REPLICATES && a.count > 0 && b.count > 0; r++)
            replicate(spread, &a, &b, goes_together, block, &draws);
        conclude(spread, &a, &b, block, plan->margin, effects);
        status = SGL_OK;
    }
    release(&a);
    release(&b);
    free(spread);
    free(scratch);
    return status == SGL_OK ? SGL_OK : sgl_fail(failure, status, "out of memory for the bootstrap");
}
