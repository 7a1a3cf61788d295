/*
 * calibrate.h - sglsim calibrate: what it was asked, what it found, and how that is told.
 */
#ifndef SGL_CLI_CALIBRATE_H
#define SGL_CLI_CALIBRATE_H

#include "analysis/calibrate.h"
#include "analysis/step_samples.h"
#include "progress.h"
#include "recorded.h"

#include <stdio.h>

struct sgl_calibrate_command {
    struct sgl_recorded_flags flags;
    const char *path;
    const char *profile;
    const char *worker;
    const char *fit;
    const char *output;
    const char *plot;
    const char *model;
    const char *gpu;
    const char *tp;
    uint64_t seed;
    uint64_t starts;
    const char *from; /* requests | steps | kernels */
    const char *model_config;
    const char *all_reduce;
    uint64_t layers;
    uint64_t context_max;
    bool json;
    bool quiet;

    struct sgl_progress progress;
    struct sgl_recording recording;
    struct sgl_row_range range;
    struct sgl_worker_model_spec spec;
    struct sgl_calibration calibration;
    struct sgl_step_samples steps;
    struct sgl_step_fit step_fit;
    bool finds_async;
    bool is_misused;
};

/* The fit was to steps or kernels, not to recorded requests. */
bool sgl_calibrate_has_steps(const struct sgl_calibrate_command *command);

/* The table of coefficients and what belongs to it, as it stands in profiles too. */
void sgl_calibrate_print_fit(FILE *out, const struct sgl_calibrate_command *command);

/* All of it, on stdout; JSON: SGL_ENOMEM without memory. */
void sgl_calibrate_print_text(const struct sgl_calibrate_command *command);
int sgl_calibrate_print_json(const struct sgl_calibrate_command *command);

/* prefill, decode, mixed */
const char *sgl_calibrate_phase_name(enum sgl_step_phase phase);

#endif
