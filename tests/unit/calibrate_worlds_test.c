/*
 * Runs that had no part in making calibrate, small ones: engines of unlike shape, fitted on some
 * requests, judged on the others. The long form is tests/validity/calibrate_worlds.c.
 */
#include "analysis/calibrate_state.h"
#include "calibration_worlds.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct sgl_calibration_world find(const char *name)
{
    size_t i = 0;

    while (strcmp(sgl_calibration_worlds[i].name, name) != 0)
        i++;
    return sgl_calibration_worlds[i];
}

/* Whether steps are planned ahead. */
static void finds_plan(const char *name, const char *fit, size_t requests)
{
    struct sgl_calibration_world world = find(name);
    struct sgl_world_result result;
    struct sgl_failure failure = {.text = ""};

    world.fit = fit;
    world.requests = requests;
    const int status = sgl_calibration_world_run(&result, &world, 2, 0, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    const struct sgl_calibration *calibration = &result.calibration;
    const double towards = result.is_async ? 1 : -1;
    if (towards * calibration->async_distance < SGL_CALIBRATION_TELLING)
        printf("\n  %s: loss %.3f off, %.3f on, %.1f standard errors apart\n", name,
               calibration->async_loss[0], calibration->async_loss[1], calibration->async_distance);
    CU_ASSERT_EQUAL(calibration->is_async, result.is_async);
    CU_ASSERT(towards * calibration->async_distance > SGL_CALIBRATION_TELLING);
    sgl_calibration_release(&result.calibration);
}

/* Of these, one scale alone says that steps are not planned ahead: it stands in for what the start
 * has wrong. */
static void finds_plans_that_scale_hides(void)
{
    finds_plan("dense, 512 tokens a step", "auto", 90);
    finds_plan("memory", "scale,c_step_decode_us", 60); /* each run of it costs as thirty others */
}

static void finds_that_nothing_is_planned(void)
{
    finds_plan("dense, not ahead", "auto", 90);
}

/* From measured steps, which have no mixed ones. */
static void foretells_others(void)
{
    struct sgl_calibration_world world = find("dense, from steps");
    struct sgl_world_result result;
    struct sgl_failure failure = {.text = ""};

    world.requests = 90;
    CU_ASSERT_EQUAL_FATAL(sgl_calibration_world_run(&result, &world, 1, 0, &failure), SGL_OK);
    CU_ASSERT_FALSE(result.is_missed);
    CU_ASSERT(result.wape < 0.01);
    sgl_calibration_release(&result.calibration);
}

/* First tokens and answers that scatter by as much; the answers are off by 4 % besides. Their unit
 * is not to grow by that, or the fit could settle there. */
static void counts_in_units_of_luck(void)
{
    enum { REQUESTS = 60 };
    double residuals[2 * REQUESTS];
    uint8_t metrics[2 * REQUESTS];
    struct sgl_failure failure = {.text = ""};
    struct sgl_calibration_problem problem = {.residual_count = 2 * REQUESTS,
                                              .residual_metric = metrics};
    double all;

    for (size_t i = 0; i < REQUESTS; i++) {
        const double luck = i % 3 == 0 ? 0.01 : i % 3 == 1 ? -0.01 : 0;
        metrics[2 * i] = SGL_METRIC_TTFT;
        residuals[2 * i] = luck;
        metrics[2 * i + 1] = SGL_METRIC_E2E;
        residuals[2 * i + 1] = 0.04 + luck;
    }
    sgl_calibration_set_spreads(&problem, 1);
    CU_ASSERT_EQUAL(sgl_calibration_measure_spreads(&problem, residuals, &all, &failure), SGL_OK);
    CU_ASSERT_DOUBLE_EQUAL(problem.spreads[SGL_METRIC_E2E], problem.spreads[SGL_METRIC_TTFT],
                           1e-12);
    /* Half of all residuals are 0.03 and more. */
    CU_ASSERT_DOUBLE_EQUAL(all, 1.4826 * 0.03, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(problem.spreads[SGL_METRIC_E2E], all, 1e-12);
}

/* A start without the term of experts, for an engine that has them. */
static void finds_experts(void)
{
    const struct sgl_calibration_world world = find("sglang, short");
    struct sgl_world_result result;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(sgl_calibration_world_run(&result, &world, 1, 0, &failure), SGL_OK);
    const struct sgl_calibration_choice *choice = &result.calibration.choice;
    CU_ASSERT_TRUE(result.calibration.has_chosen && choice->has_judged);
    CU_ASSERT_EQUAL(choice->judged.from, 66);
    CU_ASSERT_EQUAL(choice->judged.to, 100);
    if (choice->chosen != SGL_FREEDOM_EXPERTS)
        printf("\n  chosen: %s\n", sgl_freedom_text(choice->chosen));
    CU_ASSERT_EQUAL(choice->chosen, SGL_FREEDOM_EXPERTS);
    CU_ASSERT(choice->loss_ratio[SGL_FREEDOM_EXPERTS] < 0.75);
    CU_ASSERT(result.calibration.coefficients[SGL_C_EXPERT].value_us > 0);
    sgl_calibration_release(&result.calibration);
}

SGL_SUITE(calibrate_worlds) = {
    {"a kind of time that is off keeps the unit of its luck", counts_in_units_of_luck},
    {"experts that the start does not know are found", finds_experts},
    {"planning ahead is found where one scale hides it", finds_plans_that_scale_hides},
    {"steps without mixed ones foretell a run that has them", foretells_others},
    {"that nothing is planned ahead is found, too", finds_that_nothing_is_planned},
    CU_TEST_INFO_NULL,
};
