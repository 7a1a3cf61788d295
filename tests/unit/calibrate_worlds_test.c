/*
 * Runs that had no part in making calibrate, small ones: engines of unlike shape, fitted on some
 * requests, judged on the others. The long form is tests/validity/calibrate_worlds.c.
 */
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

SGL_SUITE(calibrate_worlds) = {
    {"planning ahead is found where one scale hides it", finds_plans_that_scale_hides},
    {"steps without mixed ones foretell a run that has them", foretells_others},
    {"that nothing is planned ahead is found, too", finds_that_nothing_is_planned},
    CU_TEST_INFO_NULL,
};
