#include "analysis/summary.h"

#include "analysis/summary_text.h"
#include "core/rng.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static void sorting_agrees_with_the_library(void)
{
    struct sgl_rng rng = sgl_rng_stream(1, SGL_PURPOSE_LENGTH, 0, 0, 0);

    for (size_t count = 0; count < 3000; count = 2 * count + 1) {
        struct sgl_samples samples = {0};
        double *expected = malloc((count + 1) * sizeof *expected);
        CU_ASSERT_PTR_NOT_NULL_FATAL(expected);
        for (size_t i = 0; i < count; i++) {
            /* Many equal values, zeros, and magnitudes far apart. */
            const double value =
                i % 5 == 0 ? 0 : ldexp(sgl_rng_below(&rng, 50), (int)(i % 90) - 40);
            CU_ASSERT_EQUAL_FATAL(sgl_samples_add(&samples, value), SGL_OK);
            expected[i] = value;
        }
        qsort(expected, count, sizeof *expected, compare_doubles);
        CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
        CU_ASSERT(sgl_same_bits(samples.values, expected, count));
        sgl_samples_release(&samples);
        free(expected);
    }
}

static void quantiles_are_type_7(void)
{
    struct sgl_samples samples = {0};

    CU_ASSERT_TRUE(isnan(sgl_samples_quantile(&samples, 0.5)));
    CU_ASSERT_TRUE(isnan(sgl_samples_mean(&samples)));
    for (int i = 10; i >= 1; i--)
        CU_ASSERT_EQUAL(sgl_samples_add(&samples, i), SGL_OK);
    CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
    /* R: quantile(1:10, c(0, .5, .9, .99, 1)) */
    CU_ASSERT_DOUBLE_EQUAL(sgl_samples_quantile(&samples, 0), 1, 0);
    CU_ASSERT_DOUBLE_EQUAL(sgl_samples_quantile(&samples, 0.5), 5.5, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(sgl_samples_quantile(&samples, 0.9), 9.1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(sgl_samples_quantile(&samples, 0.99), 9.91, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(sgl_samples_quantile(&samples, 1), 10, 0);
    CU_ASSERT_DOUBLE_EQUAL(sgl_samples_mean(&samples), 5.5, 1e-12);
    sgl_samples_release(&samples);
}

/* Bit for bit, for samples alike and far apart, and whatever is asked together. */
static void quantiles_need_no_order(void)
{
    static const double asked[] = {1, 0.5, 0, 0.999, 0.25, 0.2500001, 0.75};
    enum { ASKED = sizeof asked / sizeof asked[0] };
    struct sgl_rng rng = sgl_rng_stream(2, SGL_PURPOSE_LENGTH, 0, 0, 0);

    for (int kind = 0; kind < 4; kind++) {
        for (size_t count = 0; count < 9000; count = 3 * count + 1) {
            struct sgl_samples samples = {0};
            double found[ASKED];
            for (size_t i = 0; i < count; i++) {
                const double value[] = {
                    7, /* all the same */
                    floor(1e9 * exp(3 * sgl_rng_uniform(&rng))),
                    1e6 + sgl_rng_uniform(&rng), /* only the last bits differ */
                    i % 3 != 0 ? 0 : ldexp(sgl_rng_uniform(&rng), (int)(i % 90) - 40),
                };
                CU_ASSERT_EQUAL_FATAL(sgl_samples_add(&samples, value[kind]), SGL_OK);
            }
            CU_ASSERT_EQUAL(sgl_samples_quantiles(&samples, asked, ASKED, found), SGL_OK);
            CU_ASSERT_EQUAL(sgl_samples_sort(&samples), SGL_OK);
            for (size_t i = 0; i < ASKED; i++) {
                const double expected = sgl_samples_quantile(&samples, asked[i]);
                CU_ASSERT(sgl_same_bits(&found[i], &expected, 1));
            }
            sgl_samples_release(&samples);
        }
    }
}

/* The verdict on n arrivals a second apart of which the i-th waits wait(i) seconds. */
static struct sgl_saturation_verdict verdict_on(int count, double (*wait)(int i))
{
    struct sgl_saturation *saturation = malloc(sizeof *saturation);

    CU_ASSERT_PTR_NOT_NULL_FATAL(saturation);
    sgl_saturation_init(saturation);
    for (int i = 0; i < count; i++)
        sgl_saturation_add(saturation, i * SECOND, i * SECOND + (int64_t)(wait(i) * 1e9));
    const struct sgl_saturation_verdict verdict =
        sgl_saturation_test(saturation, 0, (count - 1) * SECOND, (uint64_t)count);
    free(saturation);
    return verdict;
}

static double wait_steadily(int i)
{
    (void)i;
    return 3;
}

static double wait_longer_and_longer(int i)
{
    return i / 2.0;
}

static double wait_noisily(int i)
{
    struct sgl_rng rng = sgl_rng_stream(4, SGL_PURPOSE_LENGTH, 0, i, 0);

    return sgl_rng_exponential(&rng, 3);
}

static double wait_a_little_longer(int i)
{
    return 100 + i / 1000.0;
}

/* A few long waits among short ones. */
static double wait_in_bursts(int i)
{
    struct sgl_rng rng = sgl_rng_stream(58, SGL_PURPOSE_LENGTH, 0, i, 0);

    return sgl_rng_below(&rng, 12) == 0 ? sgl_rng_exponential(&rng, 60) : 0;
}

/* What grows for sure, but by little, is no saturation; nor is what may have grown by chance. */
static void a_slope_must_be_steep_and_sure(void)
{
    struct sgl_saturation_verdict verdict = verdict_on(10000, wait_a_little_longer);

    CU_ASSERT_TRUE(verdict.p_value < 0.01);
    CU_ASSERT_TRUE(verdict.growth > 1 && verdict.growth < 0.25 * verdict.mean_waiting);
    CU_ASSERT_FALSE(verdict.is_saturated);
    verdict = verdict_on(400, wait_in_bursts);
    CU_ASSERT_TRUE(verdict.p_value > 0.01);
    CU_ASSERT_TRUE(verdict.growth > 1 && verdict.growth > 0.25 * verdict.mean_waiting);
    CU_ASSERT_FALSE(verdict.is_saturated);
}

static void a_growing_queue_is_called_saturated(void)
{
    /* From 5,000 s to 10,000 s a constant 3 wait: one a second, 3 s each. */
    struct sgl_saturation_verdict verdict = verdict_on(10000, wait_steadily);
    CU_ASSERT_TRUE(verdict.is_known && !verdict.is_saturated);
    CU_ASSERT_DOUBLE_EQUAL(verdict.mean_waiting, 3, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(verdict.growth, 0, 0.02);
    verdict = verdict_on(10000, wait_noisily);
    CU_ASSERT_FALSE(verdict.is_saturated);
    CU_ASSERT_DOUBLE_EQUAL(verdict.mean_waiting, 3, 0.5);
    /* The i-th waits i/2: at time t those of (2/3 t, t] wait, so t/3: from 1,667 up to 3,333. */
    verdict = verdict_on(10000, wait_longer_and_longer);
    CU_ASSERT_TRUE(verdict.is_known && verdict.is_saturated);
    CU_ASSERT_DOUBLE_EQUAL(verdict.mean_waiting, 2500, 10);
    CU_ASSERT_DOUBLE_EQUAL(verdict.growth, 10000 / 6.0, 20);
}

static void too_little_to_tell_is_said(void)
{
    char text[200];

    const struct sgl_saturation_verdict verdict = verdict_on(10, wait_longer_and_longer);
    CU_ASSERT_FALSE(verdict.is_known);
    SGL_ASSERT_CONTAINS(sgl_saturation_text(&verdict, text, sizeof text), "unknown");
}

/* Integrals are exact whatever the width the bins have come to. */
static void merging_bins_loses_no_waiting(void)
{
    struct sgl_saturation *saturation = malloc(sizeof *saturation);
    struct sgl_rng rng = sgl_rng_stream(8, SGL_PURPOSE_LENGTH, 0, 0, 0);
    double expected = 0;
    double sum = 0;
    int64_t covering = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(saturation);
    sgl_saturation_init(saturation);
    for (int i = 0; i < 5000; i++) {
        const int64_t begin_ns = (int64_t)sgl_rng_below(&rng, 1000000) * (i + 1);
        const int64_t wait_ns = (int64_t)sgl_rng_below(&rng, 1000000000);
        sgl_saturation_add(saturation, begin_ns, begin_ns + wait_ns);
        expected += (double)wait_ns;
    }
    for (int b = 0; b < SGL_SATURATION_BINS; b++) {
        covering += saturation->cover[b];
        sum += saturation->area[b] + (double)covering * (double)saturation->width_ns;
    }
    CU_ASSERT_TRUE(saturation->width_ns > 1000000);
    CU_ASSERT_DOUBLE_EQUAL(sum / expected, 1, 1e-12);
    free(saturation);
}

static void objectives_are_read_with_units(void)
{
    struct sgl_objectives objectives;
    struct sgl_failure failure;
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"tft:5ms", "unknown metric 'tft' (did you mean 'ttft'?)"},
        {"ttft", "expected METRIC:LIMIT such as ttft:500ms"},
        {"ttft:500", "expected METRIC:LIMIT"},
        {"ttft:0ms", "expected METRIC:LIMIT"},
        {"ttft:-1ms", "expected METRIC:LIMIT"},
        {"ttft:1ms,e2e:nan", "--slo e2e:nan, expected"},
        {"ttft:1ms,e2e:1s,ttft:2ms", "--slo: ttft has two limits, expected one"},
    };

    CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, "ttft:500ms,tpot:1.5us,e2e:2s", &failure),
                    SGL_OK);
    CU_ASSERT_EQUAL(objectives.limit_ns[SGL_METRIC_TTFT], 5e8);
    CU_ASSERT_EQUAL(objectives.limit_ns[SGL_METRIC_TPOT], 1500);
    CU_ASSERT_EQUAL(objectives.limit_ns[SGL_METRIC_E2E], 2e9);
    CU_ASSERT_TRUE(isnan(objectives.limit_ns[SGL_METRIC_QUEUE_TIME]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, bad[i].text, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, bad[i].message);
    }
}

/* Tells the summary of a request to worker 0 that arrives and is sent at arrival_ns. */
static void tell(struct sgl_sink *sink, int64_t number, int64_t arrival_ns,
                 struct sgl_outcome outcome)
{
    const struct sgl_request request = {.request = number, .arrival_ns = arrival_ns};
    const struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                                    .now_ns = arrival_ns,
                                    .request = number,
                                    .route = {.request = &request}};
    const struct sgl_decision decision = {
        .worker = 0, .reason = SGL_REASON_UNIFORM, .propensity = number == 0 ? 0.25 : 0.5};
    const struct sgl_outcome_record record = {
        .now_ns = arrival_ns + (outcome.e2e_ns != SGL_ABSENT ? outcome.e2e_ns : 0),
        .sent_ns = arrival_ns,
        .request = number,
        .outcome = &outcome};

    sink->ops->input(sink, (uint64_t)number + 2, &input);
    sink->ops->decision(sink, &decision, NULL, 0);
    sink->ops->outcome(sink, &record);
}

static void figures_of_a_small_run(void)
{
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_objectives objectives;
    struct sgl_failure failure;
    const struct sgl_input worker = {.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "w"}};
    const struct sgl_input idle = {.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "idle"}};

    CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, "ttft:1s,tpot:100ms", &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    struct sgl_sink *sink = sgl_summary_sink(summary);
    sink->ops->input(sink, 1, &worker);
    sink->ops->input(sink, 1, &idle);

    struct sgl_outcome outcome = sgl_outcome_absent();
    outcome.success = true;
    outcome.queue_time_ns = SECOND / 2;
    outcome.ttft_ns = SECOND;
    outcome.e2e_ns = 2 * SECOND;
    outcome.prompt_tokens = 30;
    outcome.output_tokens = 11; /* tpot 100 ms: meets its limit exactly */
    tell(sink, 0, 0, outcome);
    outcome.output_tokens = 10; /* 111 ms: does not */
    tell(sink, 1, 2 * SECOND, outcome);
    outcome.output_tokens = 1; /* no tpot: meets it */
    outcome.e2e_ns = SECOND;
    tell(sink, 2, 3 * SECOND, outcome);
    outcome = sgl_outcome_absent();
    outcome.error = "over_capacity";
    tell(sink, 3, 3 * SECOND, outcome);

    CU_ASSERT_EQUAL_FATAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_EQUAL(result.requests, 4);
    CU_ASSERT_EQUAL(result.succeeded, 3);
    CU_ASSERT_EQUAL(result.failed, 1);
    CU_ASSERT_EQUAL(result.unfinished, 0);
    CU_ASSERT_EQUAL(result.error_count, 1);
    SGL_ASSERT_TEXT(result.errors[0].word, "over_capacity");
    CU_ASSERT_EQUAL(result.duration_s, 4);
    CU_ASSERT_EQUAL(result.requests_per_s, 0.75);
    CU_ASSERT_EQUAL(result.input_tokens_per_s, 22.5);
    CU_ASSERT_EQUAL(result.output_tokens_per_s, 5.5);
    CU_ASSERT_EQUAL(result.metrics[SGL_METRIC_TPOT].count, 2);
    CU_ASSERT_EQUAL(result.metrics[SGL_METRIC_E2E].count, 3);
    CU_ASSERT_EQUAL(result.metrics[SGL_METRIC_TTFT].p50, 1e9);
    CU_ASSERT_DOUBLE_EQUAL(result.metrics[SGL_METRIC_E2E].mean, 5e9 / 3, 1e-3);
    CU_ASSERT_EQUAL(result.good, 2);
    CU_ASSERT_EQUAL(result.goodput_per_s, 0.5);
    CU_ASSERT_EQUAL(result.jain_index, 0.5); /* one of two has it all */
    CU_ASSERT_EQUAL(result.propensity_min, 0.25);
    CU_ASSERT_EQUAL(result.propensity_max, 0.5);
    CU_ASSERT_EQUAL(result.reasons[SGL_REASON_UNIFORM], 4);
    CU_ASSERT_TRUE(isnan(result.cache_hit_rate) && isnan(result.cache_hit_rate_predicted));
    sgl_summary_destroy(summary);
}

/* What was measured of one request says nothing of another. */
static void unmeasured_meets_no_objective(void)
{
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_objectives objectives;
    struct sgl_failure failure;
    const struct sgl_input worker = {.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "w"}};

    CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, "ttft:1s", &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    struct sgl_sink *sink = sgl_summary_sink(summary);
    sink->ops->input(sink, 1, &worker);
    struct sgl_outcome outcome = sgl_outcome_absent();
    outcome.success = true;
    outcome.e2e_ns = 2 * SECOND;
    tell(sink, 0, 0, outcome);
    outcome.ttft_ns = SECOND / 2;
    tell(sink, 1, 0, outcome);
    CU_ASSERT_EQUAL_FATAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_EQUAL(result.succeeded, 2);
    CU_ASSERT_EQUAL(result.good, 1);
    sgl_summary_destroy(summary);
}

/* 30 of 100 and 0 of 60 tokens were cached, nobody knows of the last 40; half of the first was
 * expected. */
static void cache_hits_beside_what_was_expected(void)
{
    static const int64_t prompts[] = {100, 60, 40};
    static const int64_t cached[] = {30, 0, SGL_ABSENT};
    const struct sgl_input worker = {.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "w"}};
    const struct sgl_objectives objectives = {{NAN, NAN, NAN, NAN}};
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    struct sgl_sink *sink = sgl_summary_sink(summary);
    sink->ops->input(sink, 1, &worker);
    for (int i = 0; i < 3; i++) {
        const struct sgl_request request = {.request = i, .prompt_tokens = prompts[i]};
        const struct sgl_input input = {.kind = SGL_INPUT_ROUTE, .route = {.request = &request}};
        const struct sgl_candidate rows[] = {{.worker = 1, .matched_fraction = 0.9},
                                             {.worker = 0, .matched_fraction = i == 0 ? 0.5 : 0}};
        struct sgl_outcome outcome = sgl_outcome_absent();
        outcome.success = true;
        outcome.prompt_tokens = prompts[i];
        outcome.cached_tokens = cached[i];
        sink->ops->input(sink, 2, &input);
        sink->ops->decision(sink, &(struct sgl_decision){.worker = 0}, rows, 2);
        sink->ops->outcome(sink, &(struct sgl_outcome_record){.outcome = &outcome});
    }
    CU_ASSERT_EQUAL_FATAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_DOUBLE_EQUAL(result.cache_hit_rate, 0.15, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(result.cache_hit_rate_predicted, 0.25, 1e-15);
    sgl_summary_destroy(summary);
}

/* Routes the attempt; with an outcome (success, or an error), that too. */
static void tell_attempt(struct sgl_sink *sink, int64_t number, uint32_t attempt,
                         enum sgl_pool pool, const char *how)
{
    const struct sgl_request request = {.request = number};
    const struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                                    .request = number,
                                    .attempt = attempt,
                                    .pool = pool,
                                    .route = {.request = &request}};
    struct sgl_outcome outcome = sgl_outcome_absent();
    const struct sgl_outcome_record record = {
        .now_ns = SECOND, .request = number, .attempt = attempt, .pool = pool, .outcome = &outcome};

    sink->ops->input(sink, 1, &input);
    if (how == NULL)
        return;
    outcome.success = strcmp(how, "success") == 0;
    outcome.error = outcome.success ? NULL : how;
    sink->ops->outcome(sink, &record);
}

static void tell_late_failure(struct sgl_sink *sink, int64_t number, uint32_t attempt,
                              const char *error)
{
    struct sgl_outcome outcome = sgl_outcome_absent();

    outcome.error = error;
    sink->ops->outcome(sink, &(struct sgl_outcome_record){.sent_ns = SGL_ABSENT,
                                                          .request = number,
                                                          .attempt = attempt,
                                                          .outcome = &outcome});
}

static void only_the_last_attempt_of_a_request_counts(void)
{
    const struct sgl_objectives objectives = {{NAN, NAN, NAN, NAN}};
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    struct sgl_sink *sink = sgl_summary_sink(summary);
    tell_attempt(sink, 0, 0, SGL_POOL_REGULAR, "busy");
    tell_attempt(sink, 0, 1, SGL_POOL_REGULAR, "success");
    tell_attempt(sink, 1, 0, SGL_POOL_REGULAR, "busy");
    tell_attempt(sink, 1, 1, SGL_POOL_REGULAR, "refused");
    tell_attempt(sink, 1, 2, SGL_POOL_REGULAR, "timeout"); /* tried no more */
    tell_attempt(sink, 2, 0, SGL_POOL_REGULAR, "busy");
    tell_attempt(sink, 2, 1, SGL_POOL_REGULAR, NULL); /* still out */
    tell_attempt(sink, 3, 0, SGL_POOL_REGULAR, NULL);
    tell_attempt(sink, 3, 1, SGL_POOL_REGULAR, "success");
    tell_late_failure(sink, 3, 0, "cancelled"); /* heard when the next was on its way */
    tell_attempt(sink, 4, 0, SGL_POOL_PREFILL, "timeout");
    tell_attempt(sink, 4, 0, SGL_POOL_DECODE, "refused"); /* both halves of a pair */
    CU_ASSERT_EQUAL_FATAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_EQUAL(result.requests, 5);
    CU_ASSERT_EQUAL(result.succeeded, 2);
    CU_ASSERT_EQUAL(result.failed, 2);
    CU_ASSERT_EQUAL(result.unfinished, 1);
    /* What was tried again is no error of a request. */
    CU_ASSERT_EQUAL_FATAL(result.error_count, 1);
    SGL_ASSERT_TEXT(result.errors[0].word, "timeout");
    CU_ASSERT_EQUAL(result.errors[0].count, 2);
    sgl_summary_destroy(summary);
}

/* Against a plain array of what became of each request, for many requests in a drawn order. */
static void requests_are_conserved_over_any_retries(void)
{
    enum { REQUESTS = 3000, STEPS = 12000 };
    static const char *const ways[] = {"success", "worker_lost", "refused", NULL};
    const struct sgl_objectives objectives = {{NAN, NAN, NAN, NAN}};
    static uint32_t attempts[REQUESTS];
    static const char *states[REQUESTS];
    struct sgl_rng rng = sgl_rng_stream(17, SGL_PURPOSE_LENGTH, 0, 0, 0);
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_failure failure;
    uint64_t counts[4] = {0};

    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    memset(attempts, 0, sizeof attempts);
    for (int i = 0; i < STEPS; i++) {
        const uint32_t number = sgl_rng_below(&rng, REQUESTS);
        if (attempts[number] > 0 && states[number] != NULL && states[number][0] == 's')
            continue;
        states[number] = ways[sgl_rng_below(&rng, 4)];
        tell_attempt(sgl_summary_sink(summary), (int64_t)number << 20, attempts[number]++,
                     SGL_POOL_REGULAR, states[number]);
    }
    uint64_t requests = 0;
    for (int i = 0; i < REQUESTS; i++) {
        requests += attempts[i] > 0;
        for (int way = 0; way < 4; way++)
            counts[way] += attempts[i] > 0 && states[i] == ways[way];
    }
    CU_ASSERT_EQUAL_FATAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_EQUAL(result.requests, requests);
    CU_ASSERT_EQUAL(result.succeeded, counts[0]);
    CU_ASSERT_EQUAL(result.failed, counts[1] + counts[2]);
    CU_ASSERT_EQUAL(result.unfinished, counts[3]);
    for (uint32_t i = 0; i < result.error_count; i++)
        CU_ASSERT_EQUAL(result.errors[i].count,
                        counts[strcmp(result.errors[i].word, "worker_lost") == 0 ? 1 : 2]);
    sgl_summary_destroy(summary);
}

static void a_run_without_a_finish_has_no_figures_of_zero(void)
{
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_objectives objectives;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, NULL, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_TRUE(isnan(result.duration_s) && isnan(result.requests_per_s));
    CU_ASSERT_TRUE(isnan(result.metrics[SGL_METRIC_TTFT].p99));
    CU_ASSERT_TRUE(isnan(result.jain_index) && isnan(result.propensity_min));
    CU_ASSERT_FALSE(result.saturation.is_known);
    sgl_summary_destroy(summary);
}

static void many_kinds_of_error_are_counted_together(void)
{
    struct sgl_summary *summary;
    struct sgl_summary_result result;
    struct sgl_objectives objectives;
    struct sgl_failure failure;
    uint64_t sum = 0;

    CU_ASSERT_EQUAL(sgl_objectives_parse(&objectives, NULL, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_summary_create(&summary, &objectives, &failure), SGL_OK);
    for (int64_t i = 0; i < 40; i++) {
        char word[3] = {(char)('a' + i % 20), 'x', '\0'};
        struct sgl_outcome outcome = sgl_outcome_absent();
        outcome.error = word;
        tell(sgl_summary_sink(summary), i, i * SECOND, outcome);
    }
    CU_ASSERT_EQUAL(sgl_summary_finish(summary, &result, &failure), SGL_OK);
    CU_ASSERT_EQUAL(result.error_count, SGL_ERROR_WORDS_MAX);
    SGL_ASSERT_TEXT(result.errors[SGL_ERROR_WORDS_MAX - 1].word, "other");
    for (uint32_t i = 0; i < result.error_count; i++)
        sum += result.errors[i].count;
    CU_ASSERT_EQUAL(sum, 40);
    CU_ASSERT_EQUAL(result.errors[0].count, 2);
    sgl_summary_destroy(summary);
}

SGL_SUITE(summary) = {
    {"sorting agrees with the library's", sorting_agrees_with_the_library},
    {"quantiles are type 7", quantiles_are_type_7},
    {"quantiles are the same bits without sorting", quantiles_need_no_order},
    {"a growing queue is called saturated", a_growing_queue_is_called_saturated},
    {"a slope must be steep and sure to be saturation", a_slope_must_be_steep_and_sure},
    {"too little to tell is said", too_little_to_tell_is_said},
    {"merging bins loses no waiting", merging_bins_loses_no_waiting},
    {"objectives are read with units", objectives_are_read_with_units},
    {"the figures of a small run", figures_of_a_small_run},
    {"an answer of which nothing was measured meets no objective", unmeasured_meets_no_objective},
    {"cache hits are a share of all prompt tokens, beside what the policy expected",
     cache_hits_beside_what_was_expected},
    {"only the last attempt of a request counts", only_the_last_attempt_of_a_request_counts},
    {"requests are conserved over any retries", requests_are_conserved_over_any_retries},
    {"a run without a finish has no figures of zero",
     a_run_without_a_finish_has_no_figures_of_zero},
    {"many kinds of error are counted together", many_kinds_of_error_are_counted_together},
    CU_TEST_INFO_NULL,
};
