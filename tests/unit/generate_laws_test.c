/* The laws of synthetic traces against their own formulas: rates, gaps, lengths. */
#include "support.h"

#include "traces/generate/law.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define SEEDS 30
#define GAPS 4000
#define DRAWS 20000

static struct sgl_law arrivals_of(const char *text)
{
    struct sgl_failure failure = {""};
    struct sgl_law law;

    if (sgl_arrivals_parse(&law, text, "--arrivals", &failure) != SGL_OK)
        CU_FAIL_FATAL("a law of arrivals is refused");
    return law;
}

static struct sgl_law lengths_of(const char *text, enum sgl_length_part part)
{
    struct sgl_failure failure = {""};
    struct sgl_law law;

    if (sgl_length_parse(&law, text, part, "--prompt", &failure) != SGL_OK)
        CU_FAIL_FATAL("a law of lengths is refused");
    return law;
}

/* Is the mean of independent values within four standard errors (or rounding) of the expected? */
static void check_mean(const double *values, int count, double expected, const char *what)
{
    double sum = 0;
    double squares = 0;

    for (int i = 0; i < count; i++)
        sum += values[i];
    const double mean = sum / count;
    for (int i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    const double error = 4 * sqrt(squares / (count - 1) / count) + 1e-9 * fabs(expected);
    if (fabs(mean - expected) > error)
        printf("\n  %s: mean %.6g, expected %.6g +- %.2g\n", what, mean, expected, error);
    CU_ASSERT_TRUE(fabs(mean - expected) <= error);
    CU_ASSERT_TRUE(error < 0.2 * fabs(expected) + 1e-9); /* or anything would pass */
}

/* The first and second moment of gaps, over independent seeds, are those of rate and gap_cv. */
static void check_gaps(const char *text)
{
    double means[SEEDS];
    double squares[SEEDS];
    double rate = 0;
    double cv = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sgl_rng stream = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
        struct sgl_law law = arrivals_of(text);
        double now_s = law.ops->next(&law, &stream, 0);
        means[seed] = squares[seed] = 0;
        for (int i = 0; i < GAPS; i++) {
            const double then_s = law.ops->next(&law, &stream, now_s);
            CU_ASSERT_TRUE_FATAL(then_s >= now_s);
            means[seed] += (then_s - now_s) / GAPS;
            squares[seed] += (then_s - now_s) * (then_s - now_s) / GAPS;
            now_s = then_s;
        }
        rate = law.ops->rate(&law);
        cv = law.ops->gap_cv(&law);
        sgl_law_release(&law);
    }
    check_mean(means, SEEDS, 1 / rate, text);
    check_mean(squares, SEEDS, (1 + cv * cv) / (rate * rate), text);
}

static void arrivals_have_their_rate_and_gaps(void)
{
    check_gaps("poisson:rate=7");
    check_gaps("gamma:rate=7,cv=2.5");
    check_gaps("gamma:rate=0.01,cv=0.3");
    check_gaps("uniform:rate=3");
    check_gaps("onoff:rate_on=60,rate_off=5,on_s=0.5,off_s=0.5");
    check_gaps("onoff:rate_on=90,rate_off=0,on_s=0.3,off_s=0.6");
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Kolmogorov and Smirnov: the largest distance from the exponential law, times sqrt(n), is above
 * 1.95 once in a thousand times. */
static void poisson_gaps_are_exponential(void)
{
    static double gaps[GAPS];
    struct sgl_law law = arrivals_of("poisson:rate=5");
    struct sgl_rng stream = sgl_rng_stream(11, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    double now_s = 0;
    double distance = 0;

    for (int i = 0; i < GAPS; i++) {
        const double then_s = law.ops->next(&law, &stream, now_s);
        gaps[i] = then_s - now_s;
        now_s = then_s;
    }
    qsort(gaps, GAPS, sizeof gaps[0], by_value);
    for (int i = 0; i < GAPS; i++) {
        const double share = 1 - exp(-5 * gaps[i]);
        distance = fmax(distance, fmax(share - (double)i / GAPS, (double)(i + 1) / GAPS - share));
    }
    CU_ASSERT_TRUE(distance * sqrt(GAPS) < 1.95);
    sgl_law_release(&law);
}

static void diurnal_follows_its_sine(void)
{
    enum { PHASES = 10, PERIODS = 50 };
    struct sgl_law law = arrivals_of("diurnal:rate=20,amplitude=0.8,period_s=100");
    struct sgl_rng stream = sgl_rng_stream(12, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    double counts[PHASES] = {0};
    const double turn = 2 * acos(-1);
    double now_s = law.ops->next(&law, &stream, 0);

    while (now_s < 100 * PERIODS) {
        counts[(int)(fmod(now_s, 100) / 100 * PHASES)]++;
        now_s = law.ops->next(&law, &stream, now_s);
    }
    for (int i = 0; i < PHASES; i++) {
        const double from = turn * i / PHASES;
        const double to = turn * (i + 1) / PHASES;
        const double expected =
            PERIODS * 20 * (100.0 / PHASES + 0.8 * 100 / turn * (cos(from) - cos(to)));
        CU_ASSERT_TRUE(fabs(counts[i] - expected) < 4 * sqrt(expected));
    }
    sgl_law_release(&law);
}

/* Mean and quantiles of draws. Of a discrete law the share up to the quantile q is at least q, that
 * below it at most q. */
static void check_lengths(const char *text, bool is_clamped)
{
    static double values[DRAWS];
    struct sgl_law law = lengths_of(text, SGL_LENGTH_PROMPT);
    bool was_clamped = false;

    for (int i = 0; i < DRAWS; i++) {
        struct sgl_length_draws draws = {
            .own = sgl_rng_stream(13, SGL_PURPOSE_LENGTH, 0, i, 0),
            .shared = sgl_rng_stream(13, SGL_PURPOSE_LENGTH, 2, i, 0),
        };
        values[i] = (double)law.ops->draw(&law, &draws, &was_clamped);
        CU_ASSERT_TRUE_FATAL(values[i] >= 1);
        is_clamped = is_clamped && !was_clamped; /* stays until one was */
    }
    CU_ASSERT_FALSE(is_clamped);
    check_mean(values, DRAWS, law.ops->mean(&law), text);
    for (int step = 0; step <= 10; step++) {
        const double q = 0.1 + 0.0889 * step;
        const double at = law.ops->quantile(&law, q);
        const double error = 4 * sqrt(q * (1 - q) / DRAWS);
        int below = 0;
        int up_to = 0;
        for (int i = 0; i < DRAWS; i++) {
            below += values[i] < at;
            up_to += values[i] <= at;
        }
        if ((double)up_to / DRAWS < q - error || (double)below / DRAWS > q + error)
            printf("\n  %s: %g of %g, shares %d %d\n", text, q, at, below, up_to);
        CU_ASSERT_TRUE((double)up_to / DRAWS >= q - error);
        CU_ASSERT_TRUE((double)below / DRAWS <= q + error);
    }
    sgl_law_release(&law);
}

static void lengths_have_their_mean_and_quantiles(void)
{
    check_lengths("fixed:n=77", false);
    check_lengths("uniform:min=5,max=900", false);
    check_lengths("lognormal:mean=300,cv=0.5,max=100000", false);
    check_lengths("lognormal:mean=1000,cv=2,max=3000", true);
    check_lengths("zipf:s=1.2,max=500", false);
    check_lengths("zipf:s=0,max=9", false);
}

static void recorded_pairs_stay_together(void)
{
    char text[200];
    const char *path = sgl_scratch_text("pairs.csv", "arrival_time,prompt_tokens,output_tokens\n"
                                                     "0,10,1\n1,20,2\n2,30,3\n3,0,0\n");
    int seen[32] = {0};

    snprintf(text, sizeof text, "trace:file=%s", path);
    struct sgl_law prompt = lengths_of(text, SGL_LENGTH_PROMPT);
    struct sgl_law output = lengths_of(text, SGL_LENGTH_OUTPUT);
    for (int i = 0; i < 4000; i++) {
        const struct sgl_rng shared = sgl_rng_stream(14, SGL_PURPOSE_LENGTH, 2, i, 0);
        struct sgl_length_draws draws = {.shared = shared};
        bool was_clamped = false;
        const int64_t first = prompt.ops->draw(&prompt, &draws, &was_clamped);
        draws.shared = shared;
        const int64_t second = output.ops->draw(&output, &draws, &was_clamped);
        CU_ASSERT_TRUE_FATAL(first == 10 * second || (first == 1 && second == 1));
        seen[first]++;
    }
    CU_ASSERT_TRUE(seen[10] > 850 && seen[20] > 850 && seen[30] > 850 && seen[1] > 850);
    CU_ASSERT_DOUBLE_EQUAL(prompt.ops->mean(&prompt), 61.0 / 4, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(output.ops->quantile(&output, 0.99), 3, 1e-12);
    char *format = sgl_law_format(&prompt);
    SGL_ASSERT_TEXT(format, "trace:file=pairs.csv");
    free(format);
    sgl_law_release(&prompt);
    sgl_law_release(&output);
}

/* Counts of each window are those of its rate; another client's rows, and a silent window, give
 * none; after the last window there is nothing. */
static void clients_follow_their_windows(void)
{
    const char *path = sgl_scratch_text(
        "rates.csv", "workload,client,t_s,rate_req_per_s,cv,arrival_pattern\n"
                     "w,5,0,10,1,Gamma\nw,6,0,99,1,Gamma\nw,5,600,0,,\nw,5,1200,900,0.5,Gamma\n"
                     "w,5,1800,4,90,Weibull\n");
    char text[200];
    int counts[4] = {0};

    snprintf(text, sizeof text, "servegen:client=5,scale=2,rate_max=40,cv_max=2,file=%s", path);
    struct sgl_law law = arrivals_of(text);
    struct sgl_rng stream = sgl_rng_stream(15, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    double now_s = law.ops->next(&law, &stream, 0);
    while (now_s < 2400) {
        counts[(int)(now_s / 600)]++;
        now_s = law.ops->next(&law, &stream, now_s);
    }
    CU_ASSERT_TRUE(isinf(now_s));
    CU_ASSERT_TRUE(abs(counts[0] - 12000) < 4 * sqrt(12000));
    CU_ASSERT_EQUAL(counts[1], 0);
    CU_ASSERT_TRUE(abs(counts[2] - 48000) < 4 * 0.5 * sqrt(48000) + 1);
    CU_ASSERT_TRUE(abs(counts[3] - 4800) < 4 * 2 * sqrt(4800));
    sgl_law_release(&law);

    snprintf(text, sizeof text, "servegen:client=5,start_s=1190,file=%s", path);
    law = arrivals_of(text);
    now_s = law.ops->next(&law, &stream, 0);
    CU_ASSERT_TRUE(now_s >= 10 && now_s < 11);
    sgl_law_release(&law);

    struct sgl_failure failure;
    snprintf(text, sizeof text, "servegen:client=7,file=%s", path);
    CU_ASSERT_EQUAL(sgl_arrivals_parse(&law, text, "--arrivals", &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "has no row of client 7");
    snprintf(text, sizeof text, "servegen:file=%s", path);
    CU_ASSERT_EQUAL(sgl_arrivals_parse(&law, text, "--arrivals", &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text, "--arrivals servegen: no client, expected client=NUMBER");
}

/* What is printed of a law is the law. */
static void a_law_is_what_it_prints(void)
{
    for (uint32_t i = 0; sgl_arrivals_at(i) != NULL; i++) {
        struct sgl_law law = {0};
        if (sgl_arrivals_at(i)->takes_file)
            continue;
        law = arrivals_of(sgl_arrivals_at(i)->name);
        char *once = sgl_law_format(&law);
        sgl_law_release(&law);
        law = arrivals_of(once);
        char *twice = sgl_law_format(&law);
        SGL_ASSERT_TEXT(twice, once);
        free(once);
        free(twice);
        sgl_law_release(&law);
    }
}

static void slips_are_named(void)
{
    static const struct {
        const char *text;
        const char *said;
    } slips[] = {
        {"poison:rate=3", "--arrivals: unknown law 'poison' (did you mean 'poisson'?)"},
        {"", "--arrivals: unknown law '', expected one of poisson, gamma"},
        {"poisson:rat=3", "--arrivals poisson: unknown parameter 'rat' (did you mean 'rate'?)"},
        {"poisson:rate=0", "--arrivals poisson: rate=0, expected a number from 1e-06 to 1000000"},
        {"onoff:rate_on=0,rate_off=0", "--arrivals onoff: both rates are 0"},
    };
    struct sgl_failure failure;
    struct sgl_law law;

    for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++) {
        CU_ASSERT_EQUAL(sgl_arrivals_parse(&law, slips[i].text, "--arrivals", &failure),
                        SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, slips[i].said);
    }
    CU_ASSERT_EQUAL(
        sgl_length_parse(&law, "uniform:min=9,max=3", SGL_LENGTH_OUTPUT, "--output", &failure),
        SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text, "--output uniform: min=9 is above max=3, expected min <= max");
    CU_ASSERT_EQUAL(sgl_length_parse(&law, "trace", SGL_LENGTH_OUTPUT, "--output", &failure),
                    SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "no file, expected file=PATH");
    CU_ASSERT_NOT_EQUAL(
        sgl_length_parse(&law, "trace:file=no/such.csv", SGL_LENGTH_OUTPUT, "--output", &failure),
        SGL_OK);
    SGL_ASSERT_CONTAINS(failure.text, "no/such.csv");
}

SGL_SUITE(generate_laws) = {
    {"arrivals have the rate and the gaps of their formulas", arrivals_have_their_rate_and_gaps},
    {"poisson gaps are exponential", poisson_gaps_are_exponential},
    {"diurnal arrivals follow their sine", diurnal_follows_its_sine},
    {"lengths have the mean and quantiles of their formulas",
     lengths_have_their_mean_and_quantiles},
    {"lengths of a recorded request stay together", recorded_pairs_stay_together},
    {"arrivals of a client follow the rates of its windows", clients_follow_their_windows},
    {"a law is what it prints", a_law_is_what_it_prints},
    {"slips are named, with what was expected", slips_are_named},
    CU_TEST_INFO_NULL,
};
