#include "compare.h"

#include "analysis/compare_single.h"
#include "analysis/stats_equivalence.h"
#include "analysis/stats_holm.h"
#include "analysis/stats_mean.h"

#include <math.h>
#include <stdlib.h>

#define FIGURES SGL_FIGURE_COUNT
#define GAP_TOLERANCE 1e-3

const char *sgl_verdict_name(enum sgl_verdict verdict)
{
    static const char *const names[] = {"unknown", "better", "worse", "equal", "not_shown"};

    return names[verdict];
}

const char *sgl_method_name(enum sgl_method method)
{
    static const char *const names[] = {"none", "paired t", "long-run t", "exact"};

    return names[method];
}

const char *sgl_pairing_name(enum sgl_pairing pairing)
{
    static const char *const names[] = {"paired by seed", "paired by switchback block",
                                        "paired by request", "not paired"};

    return names[pairing];
}

uint32_t sgl_arm_saturated(const struct sgl_arm *arm, uint32_t *known_out)
{
    uint32_t saturated = 0;
    uint32_t known = 0;

    for (uint32_t r = 0; r < arm->run_count; r++) {
        saturated += arm->runs[r].saturation.is_known && arm->runs[r].saturation.is_saturated;
        known += arm->runs[r].saturation.is_known;
    }
    if (known_out != NULL)
        *known_out = known;
    return saturated;
}

static struct sgl_level level_of(const struct sgl_arm *arm, int figure, double *values)
{
    uint32_t count = 0;

    for (uint32_t r = 0; r < arm->run_count; r++)
        if (!isnan(arm->runs[r].figures[figure]))
            values[count++] = arm->runs[r].figures[figure];
    const struct sgl_mean_test test = sgl_mean_test(values, count);
    return (struct sgl_level){count, test.mean, test.low, test.high};
}

/* Fills in what follows from an estimate and its standard error. Log ratios become shares. */
void sgl_effect_fill(struct sgl_effect *effect, double estimate, double error, double freedom,
                     double margin)
{
    const struct sgl_mean_test test = sgl_mean_test_of(estimate, error, freedom);

    effect->error = error;
    effect->freedom = freedom;
    effect->p_value = test.p_value;
    effect->change = effect->is_ratio ? expm1(test.mean) + 0.0 : test.mean + 0.0;
    effect->low = effect->is_ratio ? expm1(test.low) + 0.0 : test.low + 0.0;
    effect->high = effect->is_ratio ? expm1(test.high) + 0.0 : test.high + 0.0;
    if (!effect->is_ratio)
        return;
    const struct sgl_equivalence equal = sgl_equivalence_test(estimate, error, freedom, margin);
    effect->equal_low = expm1(equal.low);
    effect->equal_high = expm1(equal.high);
    effect->equal_p = equal.p_value;
    effect->verdict = equal.is_shown ? SGL_VERDICT_EQUAL : SGL_VERDICT_NOT_SHOWN;
}

static struct sgl_effect unknown_effect(void)
{
    const double unknown = (double)NAN;

    return (struct sgl_effect){
        .change = unknown,
        .low = unknown,
        .high = unknown,
        .p_value = unknown,
        .p_holm = unknown,
        .error = unknown,
        .freedom = unknown,
        .stretches = unknown,
        .equal_low = unknown,
        .equal_high = unknown,
        .equal_p = unknown,
    };
}

/* Paired by the place among the runs. */
static struct sgl_effect paired_effect(const struct sgl_arm *baseline, const struct sgl_arm *arm,
                                       int figure, double margin, double *values)
{
    struct sgl_effect effect = unknown_effect();
    const uint32_t runs =
        arm->run_count < baseline->run_count ? arm->run_count : baseline->run_count;
    uint32_t count = 0;

    effect.is_ratio = true;
    for (uint32_t r = 0; r < runs; r++)
        if (!(baseline->runs[r].figures[figure] > 0) || !(arm->runs[r].figures[figure] > 0))
            effect.is_ratio = false;
    for (uint32_t r = 0; r < runs; r++) {
        const double a = baseline->runs[r].figures[figure];
        const double b = arm->runs[r].figures[figure];
        if (!isnan(a) && !isnan(b))
            values[count++] = effect.is_ratio ? log(b / a) : b - a;
    }
    effect.count = count;
    if (count == 0)
        return effect;
    const struct sgl_mean_test test = sgl_mean_test(values, count);
    if (count == 1) {
        effect.change = effect.is_ratio ? expm1(test.mean) + 0.0 : test.mean + 0.0;
        return effect;
    }
    effect.method = test.deviation > 0 ? SGL_METHOD_PAIRED_T : SGL_METHOD_EXACT;
    effect.verdict = SGL_VERDICT_NOT_SHOWN;
    sgl_effect_fill(&effect, test.mean, test.deviation / sqrt(count), count - 1, margin);
    if (effect.method == SGL_METHOD_EXACT && test.mean == 0)
        effect.verdict = SGL_VERDICT_EQUAL;
    if (effect.is_ratio && effect.method == SGL_METHOD_PAIRED_T)
        effect.runs_needed = sgl_mean_count_needed(test.deviation, log1p(margin),
                                                   SGL_COMPARE_LEVEL / 2, SGL_COMPARE_POWER);
    return effect;
}

/* Does the mean gap of an arm's answered requests stand for that of its run? Not where others, that
 * failed or were cut, gave many tokens too; and a live log has no gaps at all. */
static bool has_gaps_of_requests(const struct sgl_arm *arm)
{
    const double whole =
        arm->recorded != NULL
            ? arm->recorded->figures[sgl_figure_of(SGL_METRIC_ITL, SGL_STATISTIC_MEAN)]
            : (double)NAN;
    uint32_t count;
    const struct sgl_request_detail *requests = sgl_detail_judged(arm->detail, &count);
    double ms = 0;
    double gaps = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_request_detail *request = &requests[i];
        if (request->gaps == 0)
            continue;
        ms += request->values[SGL_METRIC_TPOT] * (double)request->gaps;
        gaps += (double)request->gaps;
    }
    return gaps > 0 && fabs(ms / gaps - whole) <= GAP_TOLERANCE * whole;
}

/* Where seeds gave no spread, or there is one run: the requests are the sample. A figure that is
 * the same in every pair stays exact. */
static int compare_requests(struct sgl_comparison *comparison, uint32_t load, uint32_t arm,
                            struct sgl_effect *effects, struct sgl_failure *failure)
{
    const struct sgl_arm *a = sgl_comparison_arm(comparison, load, 0);
    const struct sgl_arm *b = sgl_comparison_arm(comparison, load, arm);
    bool is_wanted = false;

    for (int f = 0; f <= SGL_FIGURE_BEFORE_RATES; f++)
        is_wanted = is_wanted || effects[f].method == SGL_METHOD_NONE ||
                    (effects[f].method == SGL_METHOD_EXACT && effects[f].change != 0);
    if (!is_wanted || a->detail == NULL || b->detail == NULL)
        return SGL_OK;
    struct sgl_effect single[SGL_FIGURE_BEFORE_RATES + 1];
    for (int f = 0; f <= SGL_FIGURE_BEFORE_RATES; f++)
        single[f] = unknown_effect();
    const int status = sgl_single_effects(a->detail, b->detail,
                                          comparison->pairing != SGL_UNPAIRED &&
                                              comparison->pairing != SGL_PAIRED_SWITCHBACK,
                                          comparison->margin, single, failure);
    if (status != SGL_OK)
        return status;
    if (!has_gaps_of_requests(a) || !has_gaps_of_requests(b))
        single[sgl_figure_of(SGL_METRIC_ITL, SGL_STATISTIC_MEAN)] = unknown_effect();
    for (int f = 0; f <= SGL_FIGURE_BEFORE_RATES; f++) {
        const bool is_open = effects[f].method == SGL_METHOD_NONE ||
                             (effects[f].method == SGL_METHOD_EXACT && effects[f].change != 0);
        const bool is_of_requests = f < SGL_REQUEST_METRIC_COUNT * SGL_STATISTIC_COUNT;
        if (!is_open)
            continue;
        if (single[f].method != SGL_METHOD_NONE) {
            effects[f] = single[f];
            continue;
        }
        effects[f].stretches = single[f].stretches;
        if (is_of_requests && effects[f].method == SGL_METHOD_EXACT) {
            /* Of too little: the same in all runs, and yet not to be relied on. */
            effects[f].method = SGL_METHOD_NONE;
            effects[f].verdict = SGL_VERDICT_UNKNOWN;
        }
    }
    return SGL_OK;
}

/* Two runs of which every request is the same in one metric, or in all. */
struct sameness {
    bool metric[SGL_REQUEST_METRIC_COUNT];
    bool all;
};

static struct sameness sameness_of(const struct sgl_detail *a, const struct sgl_detail *b)
{
    uint32_t counts[2];
    const struct sgl_request_detail *lefts = sgl_detail_judged(a, &counts[0]);
    const struct sgl_request_detail *rights = sgl_detail_judged(b, &counts[1]);
    struct sameness same = {.all = counts[0] == counts[1]};

    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        same.metric[m] = same.all;
    for (uint32_t i = 0; i < counts[0] && i < counts[1]; i++) {
        const struct sgl_request_detail *left = &lefts[i];
        const struct sgl_request_detail *right = &rights[i];
        const bool is_alike = left->arrival_ns == right->arrival_ns &&
                              left->is_answered == right->is_answered &&
                              left->success == right->success;
        for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
            same.metric[m] = same.metric[m] && is_alike &&
                             (left->values[m] == right->values[m] ||
                              (isnan(left->values[m]) && isnan(right->values[m])));
    }
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        same.all = same.all && same.metric[m];
    return same;
}

/* What cannot differ, for no request does, needs no test, however few there are. */
static void settle_identical(const struct sgl_arm *a, const struct sgl_arm *b,
                             struct sgl_effect *effects)
{
    if (a->run_count != 1 || b->run_count != 1 || a->detail == NULL || b->detail == NULL)
        return;
    const struct sameness same = sameness_of(a->detail, b->detail);
    for (int f = 0; f < FIGURES; f++) {
        const int metric = f / SGL_STATISTIC_COUNT;
        const bool is_same = sgl_figure_is_latency(f) && metric < SGL_REQUEST_METRIC_COUNT
                                 ? same.metric[metric]
                                 : same.all;
        if (!is_same || effects[f].change != 0)
            continue;
        effects[f].method = SGL_METHOD_EXACT;
        effects[f].verdict = SGL_VERDICT_EQUAL;
        effects[f].low = 0;
        effects[f].high = 0;
        effects[f].error = 0;
        effects[f].p_value = (double)NAN;
    }
}

/* `p` has a place per arm and figure. */
static void adjust(struct sgl_comparison *comparison, uint32_t load, double *p)
{
    const size_t first = (size_t)load * comparison->arm_count * FIGURES;
    const size_t count = (size_t)comparison->arm_count * FIGURES;
    struct sgl_effect *effects = comparison->effects + first;

    for (size_t i = 0; i < count; i++)
        p[i] = effects[i].p_value;
    const size_t tests = sgl_holm_adjust(p, p, count);
    if (load == 0)
        comparison->tests = (uint32_t)tests;
    for (size_t i = 0; i < count; i++) {
        struct sgl_effect *effect = &effects[i];
        const bool is_more = effect->change > 0;
        const bool is_better = is_more == sgl_figure_more_is_better((int)(i % FIGURES));
        effect->p_holm = p[i];
        /* Equality is a finding of its own: shown equal within the margin beats a tiny difference
         * shown to be there, for the margin says what matters. */
        const bool is_shown =
            p[i] < SGL_COMPARE_LEVEL || (effect->method == SGL_METHOD_EXACT && effect->change != 0);
        if (is_shown && effect->verdict != SGL_VERDICT_EQUAL)
            effect->verdict = is_better ? SGL_VERDICT_BETTER : SGL_VERDICT_WORSE;
    }
}

int sgl_comparison_init(struct sgl_comparison *comparison, uint32_t arm_count, uint32_t load_count,
                        struct sgl_failure *failure)
{
    const size_t arms = (size_t)arm_count * load_count;

    *comparison = (struct sgl_comparison){
        .arm_count = arm_count,
        .load_count = load_count,
        .arms = calloc(arms, sizeof *comparison->arms),
        .levels = calloc(arms * FIGURES, sizeof *comparison->levels),
        .effects = calloc(arms * FIGURES, sizeof *comparison->effects),
    };
    if (comparison->arms != NULL && comparison->levels != NULL && comparison->effects != NULL)
        return SGL_OK;
    sgl_comparison_release(comparison);
    return sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

/* Places for the values of an arm's runs, or the p-values of a load. */
static uint32_t scratch_size(const struct sgl_comparison *comparison)
{
    uint32_t most = comparison->arm_count * FIGURES;

    for (uint32_t i = 0; i < comparison->arm_count * comparison->load_count; i++)
        if (comparison->arms[i].run_count > most)
            most = comparison->arms[i].run_count;
    return most;
}

int sgl_comparison_compute(struct sgl_comparison *comparison, struct sgl_failure *failure)
{
    double *values = malloc(scratch_size(comparison) * sizeof *values);
    int status = SGL_OK;

    if (values == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (uint32_t load = 0; load < comparison->load_count && status == SGL_OK; load++) {
        const struct sgl_arm *baseline = sgl_comparison_arm(comparison, load, 0);
        for (uint32_t arm = 0; arm < comparison->arm_count && status == SGL_OK; arm++) {
            const struct sgl_arm *own = sgl_comparison_arm(comparison, load, arm);
            const size_t first = ((size_t)load * comparison->arm_count + arm) * FIGURES;
            for (int f = 0; f < FIGURES; f++) {
                comparison->levels[first + (size_t)f] = level_of(own, f, values);
                comparison->effects[first + (size_t)f] =
                    arm > 0 ? paired_effect(baseline, own, f, comparison->margin, values)
                            : unknown_effect();
            }
            if (arm > 0)
                status =
                    compare_requests(comparison, load, arm, comparison->effects + first, failure);
            if (arm > 0)
                settle_identical(baseline, own, comparison->effects + first);
        }
        adjust(comparison, load, values);
    }
    free(values);
    return status;
}

void sgl_comparison_release(struct sgl_comparison *comparison)
{
    free(comparison->arms);
    free(comparison->levels);
    free(comparison->effects);
    *comparison = (struct sgl_comparison){0};
}
