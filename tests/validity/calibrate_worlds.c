/*
 * calibrate_worlds.c - how well calibrate foretells runs that had no part in making it: the worlds
 * of tests/unit/calibration_worlds.h, each drawn from several seeds.
 *
 * usage: calibrate_worlds [SEEDS [WORD [FIRST]]]    (3 seeds from 1 on, worlds whose name has the
 *                                                   word: all)
 * One line a run, errors in % on the rows not fitted; `*` is a miss, `!` another way of planning
 * steps than the truth. Then how often standard errors hold the truth. Exit 1 when more than a
 * quarter of the runs is missed, or more than a tenth of the truths not held.
 */
#include "calibration_worlds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 3
#define STARTS 0 /* the command's */
#define MISSED_MAX 0.25
#define NORMAL_95 1.96
#define ERRORS_MAX 10000
#define COVERED_MIN 0.9 /* of what "auto" fitted or held */
#define JUDGED_MIN 100  /* coefficients: of fewer that is luck */

/* How often +-1.96 standard errors of a coefficient hold the truth. */
struct coverage {
    unsigned within;
    unsigned count;
    double errors[ERRORS_MAX];
};

static void cover(struct coverage *coverages, const struct sgl_world_result *result)
{
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        const struct sgl_coefficient_fit *fit = &result->calibration.coefficients[c];
        struct coverage *coverage = &coverages[fit->state];
        if (fit->state == SGL_COEFFICIENT_NONE || !(result->truth_us[c] > 0) ||
            coverage->count == ERRORS_MAX)
            continue;
        coverage->within +=
            fabs(log(fit->value_us / result->truth_us[c])) <= NORMAL_95 * fit->relative_error;
        coverage->errors[coverage->count++] = fit->relative_error;
    }
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print_coverage(struct coverage *coverage, const char *how)
{
    if (coverage->count == 0)
        return;
    qsort(coverage->errors, coverage->count, sizeof(double), compare_doubles);
    printf("+-1.96 standard errors hold the truth of %u of %u coefficients %s (%.0f %%), median "
           "error %.2g\n",
           coverage->within, coverage->count, how,
           100.0 * coverage->within / (double)coverage->count,
           coverage->errors[coverage->count / 2]);
}

static void print(const struct sgl_world_result *result, const char *name, uint64_t seed)
{
    const struct sgl_calibration *calibration = &result->calibration;
    const bool is_wrong = calibration->has_found_async && calibration->is_async != result->is_async;

    printf("%-27s %4llu %2u %6llu %8.3f", name, (unsigned long long)seed, calibration->fitted_count,
           (unsigned long long)calibration->evaluations, calibration->loss);
    for (int m = SGL_METRIC_TTFT; m < SGL_REQUEST_METRIC_COUNT; m++)
        printf(" %+6.2f %+6.2f", 100 * result->mean[m], 100 * result->p99[m]);
    printf(" %6.2f %s%s\n", 100 * result->wape, result->is_missed ? "*" : "", is_wrong ? "!" : "");
    fflush(stdout);
}

int main(int argument_count, char **arguments)
{
    const uint64_t seeds = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : SEEDS;
    const char *word = argument_count > 2 ? arguments[2] : "";
    const uint64_t first = argument_count > 3 ? strtoull(arguments[3], NULL, 10) : 1;
    size_t runs = 0;
    size_t missed = 0;
    static struct coverage coverages[SGL_COEFFICIENT_NONE];
    static struct coverage asked[SGL_COEFFICIENT_NONE]; /* by name */

    printf("%-27s %4s %2s %6s %8s %13s %13s %13s %6s\n", "world", "seed", "k", "runs", "loss",
           "ttft mean p99", "tpot mean p99", "e2e mean p99", "WAPE");
    for (size_t i = 0; i < sgl_calibration_world_count; i++)
        for (uint64_t seed = first;
             strstr(sgl_calibration_worlds[i].name, word) != NULL && seed < first + seeds; seed++) {
            struct sgl_world_result result;
            struct sgl_failure failure = {.text = ""};
            const int status = sgl_calibration_world_run(&result, &sgl_calibration_worlds[i], seed,
                                                         STARTS, &failure);
            if (status == SGL_OK) {
                cover(result.calibration.has_chosen ? coverages : asked, &result);
                print(&result, sgl_calibration_worlds[i].name, seed);
            } else {
                printf("%-27s %4llu refused: %s\n", sgl_calibration_worlds[i].name,
                       (unsigned long long)seed, failure.text);
            }
            runs++;
            missed += status != SGL_OK || result.is_missed;
            sgl_calibration_release(&result.calibration);
        }
    printf("%zu of %zu missed\n", missed, runs);
    print_coverage(&coverages[SGL_COEFFICIENT_FITTED], "fitted");
    print_coverage(&coverages[SGL_COEFFICIENT_HELD], "held");
    print_coverage(&coverages[SGL_COEFFICIENT_TIED], "tied to one scale");
    print_coverage(&asked[SGL_COEFFICIENT_TIED], "tied to a scale that was asked for");
    const unsigned fitted = coverages[SGL_COEFFICIENT_FITTED].count;
    const unsigned held = coverages[SGL_COEFFICIENT_HELD].count;
    const double covered =
        coverages[SGL_COEFFICIENT_FITTED].within + (double)coverages[SGL_COEFFICIENT_HELD].within;
    const bool is_narrow =
        fitted + held >= JUDGED_MIN && covered < COVERED_MIN * (double)(fitted + held);
    return (double)missed > MISSED_MAX * (double)runs || is_narrow;
}
