/*
 * summary_json.h - the figures of a run as a JSON object: the same as the text, unrounded.
 *
 * Durations are in ms, rates per second; a quantity that does not exist is null, never 0. The shape
 * is versioned by `schema_version` in the object that holds this one.
 */
#ifndef SGL_ANALYSIS_SUMMARY_JSON_H
#define SGL_ANALYSIS_SUMMARY_JSON_H

#include "analysis/summary.h"

#include <jansson.h>

/* A new reference, or NULL without memory. */
json_t *sgl_summary_json(const struct sgl_summary_result *result);

#endif
