#include "compare_single.h"

#include "analysis/sort.h"
#include "analysis/stats_long_run.h"
#include "analysis/stats_mean.h"

#include <math.h>
#include <stdlib.h>

#define STATISTICS SGL_STATISTIC_COUNT
#define COSINES SGL_LONG_RUN_COSINES
#define BATCHES SGL_LONG_RUN_BATCHES
#define ITL SGL_METRIC_ITL
#define REQUESTS_LEAST 200
#define BEYOND_LEAST 30
#define STRETCHES_LEAST 25
#define BEYOND_STRETCHES_LEAST 1
#define SLOPE_WIDEST 0.8 /* h, as a share of the scale that is left on the nearer side */

static const double probabilities[STATISTICS] = {0, 0.5, 0.9, 0.95, 0.99}; /* mean: none */

/* What is known of one statistic of a run: itself, and the waves of its influences. */
struct waves {
    double estimate; /* NaN: nobody measured it */
    double projections[COSINES];
};

struct side {
    const struct sgl_request_detail *requests; /* borrowed: those behind the warm-up */
    uint32_t count;                            /* requests */
    double *table;                             /* of cosines */
    double *influences;                        /* by request, as the next */
    double *sorted;                            /* scratch */
    double *arrivals;                          /* in ms, of those answered; scratch */
    uint32_t valid[SGL_METRIC_COUNT];
    struct waves waves[SGL_METRIC_COUNT][STATISTICS];
    double batches[SGL_METRIC_COUNT][BATCHES]; /* of the mean's influences, over the mean */
    double waiting;                            /* stretches of the backlog without a first token */
    double unanswered;                         /* of that without a last one */
};

static void release(struct side *side)
{
    free(side->table);
    free(side->influences);
    free(side->sorted);
    free(side->arrivals);
}

static int allocate(struct side *side, const struct sgl_detail *detail)
{
    uint32_t judged;
    const struct sgl_request_detail *requests = sgl_detail_judged(detail, &judged);
    const size_t count = judged;

    *side = (struct side){
        .requests = requests,
        .count = judged,
        .table = malloc((count + 1) * COSINES * sizeof *side->table),
        .influences = malloc((count + 1) * sizeof *side->influences),
        .sorted = malloc((count + 1) * sizeof *side->sorted),
        .arrivals = malloc((count + 1) * sizeof *side->arrivals),
    };
    return side->table != NULL && side->influences != NULL && side->sorted != NULL &&
                   side->arrivals != NULL
               ? SGL_OK
               : SGL_ENOMEM;
}

/* Linear between order statistics (type 7). */
static double quantile(const double *sorted, uint32_t count, double p)
{
    const double at = p * (count - 1.0);
    const uint32_t low = (uint32_t)at;
    const uint32_t high = low + 1 < count ? low + 1 : low;

    return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

/* Stretches of the backlog that each arrival finds, of requests that have not come so far as
 * `metric` says (their first token, or else their last), from sorted arrivals and ends. That the
 * first arrivals of a run find it empty counts as part of its memory. */
static double backlog_stretches(struct side *side, int metric)
{
    double batches[BATCHES];
    uint32_t count = 0;
    uint32_t ended = 0;

    for (uint32_t i = 0; i < side->count; i++) {
        const struct sgl_request_detail *request = &side->requests[i];
        const double *values = request->values;
        const double lasts_ms = isnan(values[metric]) ? values[SGL_METRIC_E2E] : values[metric];
        if (isnan(lasts_ms))
            continue;
        side->arrivals[count] = (double)request->arrival_ns / 1e6;
        side->sorted[count] = side->arrivals[count] + lasts_ms;
        count++;
    }
    if (count < BATCHES)
        return (double)NAN;
    sgl_reals_sort(side->arrivals, count);
    sgl_reals_sort(side->sorted, count);
    for (uint32_t i = 0; i < count; i++) {
        while (ended < i && side->sorted[ended] <= side->arrivals[i])
            ended++;
        side->influences[i] = i - ended;
    }
    sgl_long_run_batches(side->influences, count, batches);
    return sgl_long_run_stretches(batches);
}

/* Of the mean gap: both of its sums are over requests. */
static void study_gaps(struct side *side)
{
    struct waves *waves = &side->waves[ITL][SGL_STATISTIC_MEAN];
    double ms = 0;
    double gaps = 0;

    for (uint32_t i = 0; i < side->count; i++) {
        const struct sgl_request_detail *request = &side->requests[i];
        if (request->gaps == 0)
            continue;
        side->valid[ITL]++;
        ms += request->values[SGL_METRIC_TPOT] * (double)request->gaps;
        gaps += (double)request->gaps;
    }
    waves->estimate = gaps > 0 ? ms / gaps : (double)NAN;
    for (uint32_t i = 0; i < side->count; i++) {
        const struct sgl_request_detail *request = &side->requests[i];
        side->influences[i] = request->gaps > 0
                                  ? (request->values[SGL_METRIC_TPOT] - waves->estimate) *
                                        (double)request->gaps * (side->count / gaps)
                                  : 0;
    }
    sgl_long_run_project(side->table, side->influences, side->count, waves->projections);
    sgl_long_run_batches(side->influences, side->count, side->batches[ITL]);
}

/* Sorts the values of a metric; how many there are. */
static uint32_t sort_values(struct side *side, int metric)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < side->count; i++)
        if (!isnan(side->requests[i].values[metric]))
            side->sorted[count++] = side->requests[i].values[metric];
    sgl_reals_sort(side->sorted, count);
    return count;
}

static void study_mean(struct side *side, int metric)
{
    struct waves *waves = &side->waves[metric][SGL_STATISTIC_MEAN];
    const uint32_t count = side->valid[metric];
    double sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += side->sorted[i];
    waves->estimate = sum / count;
    for (uint32_t i = 0; i < side->count; i++) {
        const double value = side->requests[i].values[metric];
        side->influences[i] = isnan(value) ? 0 : (value - waves->estimate) * side->count / count;
    }
    sgl_long_run_project(side->table, side->influences, side->count, waves->projections);
    sgl_long_run_batches(side->influences, side->count, side->batches[metric]);
}

/* How much the quantile moves when its probability does; see compare_single.h. `error` is that of
 * the probability. */
static double slope_of(const struct side *side, uint32_t count, double p, double error)
{
    const double nearer = fmin(p, 1 - p);
    const double half = sgl_mean_test_of(0, error, SGL_LONG_RUN_COSINES_LEAST).high;
    const double h = fmin(fmax(half, 1.5 / count), SLOPE_WIDEST * nearer);

    return (quantile(side->sorted, count, p + h) - quantile(side->sorted, count, p - h)) / (2 * h);
}

static void study_quantile(struct side *side, int metric, int statistic)
{
    struct waves *waves = &side->waves[metric][statistic];
    const uint32_t count = side->valid[metric];
    const double p = probabilities[statistic];
    uint32_t above = 0;

    waves->estimate = quantile(side->sorted, count, p);
    for (uint32_t i = 0; i < count; i++)
        above += side->sorted[i] > waves->estimate;
    for (uint32_t i = 0; i < side->count; i++) {
        const double value = side->requests[i].values[metric];
        const double is_above = value > waves->estimate ? 1 : 0;
        side->influences[i] =
            isnan(value) ? 0 : (is_above - (double)above / count) * side->count / count;
    }
    sgl_long_run_project(side->table, side->influences, side->count, waves->projections);
    const double variance = sgl_long_run_variance(waves->projections, SGL_LONG_RUN_COSINES_LEAST,
                                                  SGL_LONG_RUN_STRETCHES_MOST, side->count);
    const double slope = slope_of(side, count, p, sqrt(variance));
    for (int k = 0; k < COSINES; k++)
        waves->projections[k] *= slope;
}

static void study(struct side *side)
{
    sgl_long_run_table(side->table, side->count);
    side->waiting = backlog_stretches(side, SGL_METRIC_TTFT);
    side->unanswered = backlog_stretches(side, SGL_METRIC_E2E);
    study_gaps(side);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        side->valid[m] = sort_values(side, m);
        for (int s = 0; s < STATISTICS; s++) {
            if (side->valid[m] < REQUESTS_LEAST)
                side->waves[m][s].estimate = (double)NAN;
            else if (s == SGL_STATISTIC_MEAN)
                study_mean(side, m);
            else
                study_quantile(side, m, s);
        }
    }
    for (int s = SGL_STATISTIC_MEAN + 1; s < STATISTICS; s++)
        side->waves[ITL][s].estimate = (double)NAN;
}

/* Two runs, as they are compared. */
struct pair {
    const struct side *sides[2];
    bool is_paired;
    double margin;
};

/* The fewest stretches that anything about this metric has. */
static double stretches_of(const struct pair *pair, int metric)
{
    const struct side *a = pair->sides[0];
    const struct side *b = pair->sides[1];
    const double own = fmin(sgl_long_run_stretches(a->batches[metric]),
                            sgl_long_run_stretches(b->batches[metric]));
    const bool is_of_waiting = metric == SGL_METRIC_QUEUE_TIME || metric == SGL_METRIC_TTFT;
    const double backlog =
        is_of_waiting ? fmin(a->waiting, b->waiting) : fmin(a->unanswered, b->unanswered);
    const double fewest = fmin(backlog, own);
    double difference[BATCHES];

    if (!pair->is_paired)
        return fewest;
    const double left = a->waves[metric][SGL_STATISTIC_MEAN].estimate;
    const double right = b->waves[metric][SGL_STATISTIC_MEAN].estimate;
    const bool is_ratio = left > 0 && right > 0;
    for (int i = 0; i < BATCHES; i++)
        difference[i] = b->batches[metric][i] / (is_ratio ? right : 1) -
                        a->batches[metric][i] / (is_ratio ? left : 1);
    return fmin(fewest, sgl_long_run_stretches(difference));
}

static double beyond_of(int statistic)
{
    return statistic == SGL_STATISTIC_MEAN ? 1 : 1 - probabilities[statistic];
}

static bool has_stretches(double stretches, int statistic)
{
    return stretches >= STRETCHES_LEAST &&
           stretches * beyond_of(statistic) >= BEYOND_STRETCHES_LEAST * (1 - 1e-9);
}

bool sgl_effect_lacks_stretches(const struct sgl_effect *effect, int figure)
{
    return effect->method == SGL_METHOD_NONE && !isnan(effect->stretches) &&
           !has_stretches(effect->stretches, figure % STATISTICS);
}

static bool is_enough(const struct pair *pair, int metric, int statistic, double stretches)
{
    for (int s = 0; s < 2; s++) {
        const uint32_t valid = pair->sides[s]->valid[metric];
        if (valid < REQUESTS_LEAST || valid * beyond_of(statistic) < BEYOND_LEAST * (1 - 1e-9))
            return false;
    }
    return has_stretches(stretches, statistic);
}

/* Error and degrees of freedom of the log ratio, or of the difference. */
static void measure(const struct pair *pair, const struct waves *left, const struct waves *right,
                    double stretches, struct sgl_effect *effect)
{
    const double scales[] = {effect->is_ratio ? 1 / left->estimate : 1,
                             effect->is_ratio ? 1 / right->estimate : 1};
    const double longest =
        fmin(stretches, fmin(pair->sides[0]->unanswered, pair->sides[1]->unanswered));
    const uint32_t cosines = sgl_long_run_cosines(longest);
    double variances[2];

    if (pair->is_paired) {
        double differences[COSINES];
        for (int k = 0; k < COSINES; k++)
            differences[k] = right->projections[k] * scales[1] - left->projections[k] * scales[0];
        effect->error =
            sqrt(sgl_long_run_variance(differences, cosines, stretches, pair->sides[0]->count));
        effect->freedom = cosines;
        return;
    }
    variances[0] =
        scales[0] * scales[0] *
        sgl_long_run_variance(left->projections, cosines, stretches, pair->sides[0]->count);
    variances[1] =
        scales[1] * scales[1] *
        sgl_long_run_variance(right->projections, cosines, stretches, pair->sides[1]->count);
    const double sum = variances[0] + variances[1];
    effect->error = sqrt(sum);
    effect->freedom =
        sum > 0 ? sum * sum * cosines / (variances[0] * variances[0] + variances[1] * variances[1])
                : cosines;
}

static void conclude(const struct pair *pair, int metric, int statistic, double stretches,
                     struct sgl_effect *effect)
{
    const struct waves *left = &pair->sides[0]->waves[metric][statistic];
    const struct waves *right = &pair->sides[1]->waves[metric][statistic];

    if (isnan(left->estimate) || isnan(right->estimate))
        return;
    effect->stretches = stretches;
    if (!is_enough(pair, metric, statistic, stretches))
        return;
    effect->is_ratio = left->estimate > 0 && right->estimate > 0;
    effect->count = pair->sides[0]->valid[metric] < pair->sides[1]->valid[metric]
                        ? pair->sides[0]->valid[metric]
                        : pair->sides[1]->valid[metric];
    effect->method = SGL_METHOD_LONG_RUN_T;
    effect->verdict = SGL_VERDICT_NOT_SHOWN;
    measure(pair, left, right, stretches, effect);
    const double estimate =
        effect->is_ratio ? log(right->estimate / left->estimate) : right->estimate - left->estimate;
    const bool is_certain = !(effect->error > 0);
    sgl_effect_fill(effect, estimate, effect->error, effect->freedom, pair->margin);
    if (!is_certain)
        return;
    /* Nothing varies, as with ties everywhere. */
    if (estimate == 0) {
        effect->method = SGL_METHOD_EXACT;
        effect->verdict = SGL_VERDICT_EQUAL;
    } else {
        effect->p_value = 0;
    }
}

int sgl_single_effects(const struct sgl_detail *baseline, const struct sgl_detail *other,
                       bool is_paired, double margin, struct sgl_effect *effects,
                       struct sgl_failure *failure)
{
    struct side *sides = calloc(2, sizeof *sides);
    uint32_t counts[2];
    int status = SGL_ENOMEM;

    sgl_detail_judged(baseline, &counts[0]);
    sgl_detail_judged(other, &counts[1]);
    if (sides == NULL)
        return sgl_fail(failure, status, "out of memory for the intervals");
    if (counts[0] < REQUESTS_LEAST || counts[1] < REQUESTS_LEAST) {
        status = SGL_OK;
    } else if (allocate(&sides[0], baseline) == SGL_OK && allocate(&sides[1], other) == SGL_OK) {
        const struct pair pair = {
            .sides = {&sides[0], &sides[1]},
            .is_paired = is_paired && sides[0].count == sides[1].count,
            .margin = margin,
        };
        study(&sides[0]);
        study(&sides[1]);
        for (int m = 0; m < SGL_METRIC_COUNT; m++) {
            const double stretches = stretches_of(&pair, m);
            for (int s = 0; s < STATISTICS; s++)
                conclude(&pair, m, s, stretches, &effects[m * STATISTICS + s]);
        }
        status = SGL_OK;
    }
    release(&sides[0]);
    release(&sides[1]);
    free(sides);
    return status == SGL_OK ? SGL_OK : sgl_fail(failure, status, "out of memory for the intervals");
}
