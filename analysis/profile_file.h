/*
 * profile_file.h - writes a profile (sim/profile.h) that a calibration made, with how it was made.
 *
 *     # remarks, a line each
 *     model = ...           the identity, `calibrated` included
 *     c_step_prefill_us = ...
 *     ...                   every parameter of the batching model that is not at its default
 *
 * Written beside its name and renamed when whole (traces/new_file.h). A file that stands there is
 * replaced only if it is a profile.
 */
#ifndef SGL_ANALYSIS_PROFILE_FILE_H
#define SGL_ANALYSIS_PROFILE_FILE_H

#include "sim/worker_model.h"

/* `remarks` is text of any number of lines, or NULL. The spec is of the batching model. */
int sgl_profile_file_write(const char *path, const struct sgl_worker_model_spec *spec,
                           const char *remarks, struct sgl_failure *failure);

#endif
