/*
 * accuracy_text.h - recorded against simulated as a table of at most 100 columns, and as JSON.
 */
#ifndef SGL_ANALYSIS_ACCURACY_TEXT_H
#define SGL_ANALYSIS_ACCURACY_TEXT_H

#include "analysis/accuracy.h"

#include <jansson.h>
#include <stdio.h>

void sgl_accuracy_print(FILE *file, const struct sgl_accuracy *accuracy,
                        const struct sgl_recording *recording);

/* A new reference; NULL without memory. Absent figures are null. */
json_t *sgl_accuracy_json(const struct sgl_accuracy *accuracy,
                          const struct sgl_recording *recording);

#endif
