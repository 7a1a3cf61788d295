/*
 * profile.h - measured step times and sizes of one (model, GPU, tensor parallelism).
 *
 * A profile is a text file of `key = value` lines; `#` starts a comment, to the end of the line.
 *
 *     model = meta-llama/Meta-Llama-3.1-8B      these say what it is and where it comes from:
 *     gpu = H100 SXM 80 GB                      text, except tp
 *     tp = 1
 *     source = ...
 *     fit_error = decode 1.0 % MAPE, prefill 11.0 % MAPE
 *     calibrated = ...                      ? against what recorded run, by sglsim calibrate
 *     c_step_prefill_us = 5607.55               the rest are parameters of the batching model,
 * under
 *     ...                                       its names and units (sim/models/batching.c)
 *
 * Required: model, gpu, tp, source, and every coefficient of the step time. A key given twice, an
 * unknown key, and a number that is not finite or out of its range are errors, "file:line: what,
 * expected what". The files in sim/profiles/ are part of the program; their name is the file's.
 */
#ifndef SGL_SIM_PROFILE_H
#define SGL_SIM_PROFILE_H

#include "core/failure.h"
#include "core/parameters.h"

#define SGL_PROFILE_STANDARD "llama31-8b-h100"
#define SGL_PROFILE_TEXT_MAX 160

struct sgl_profile_identity {
    char name[SGL_PROFILE_TEXT_MAX]; /* of the file, without folder and suffix */
    char model[SGL_PROFILE_TEXT_MAX];
    char gpu[SGL_PROFILE_TEXT_MAX];
    char tp[SGL_PROFILE_TEXT_MAX]; /* a whole number from 1 */
    char source[SGL_PROFILE_TEXT_MAX];
    char fit_error[SGL_PROFILE_TEXT_MAX];
    char calibrated[SGL_PROFILE_TEXT_MAX]; /* empty: never held against a running system */
};

struct sgl_profile {
    struct sgl_profile_identity identity;
    struct sgl_parameters
        parameters; /* of the batching model; not named in the file: the default */
};

/* Name of the index-th built-in profile, in alphabetical order; NULL past the last. */
const char *sgl_profile_at(uint32_t index);

/* A built-in profile. Unknown: SGL_EINVAL with the nearest name. Nothing to release. */
int sgl_profile_named(struct sgl_profile *profile, const char *name, struct sgl_failure *failure);

/* A profile from a file. */
int sgl_profile_load(struct sgl_profile *profile, const char *path, struct sgl_failure *failure);

/* A built-in profile, or a file when the text has a '/' or ends in ".profile". */
int sgl_profile_find(struct sgl_profile *profile, const char *name_or_path,
                     struct sgl_failure *failure);

#endif
