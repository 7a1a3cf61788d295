/*
 * report_json.h - a comparison as JSON: everything, unrounded, with what it was made from.
 *
 * The shape is versioned by `schema_version`. Unknown is null. Latencies in ms, changes in shares
 * where is_ratio is true, else in the figure's unit.
 */
#ifndef SGL_ANALYSIS_REPORT_JSON_H
#define SGL_ANALYSIS_REPORT_JSON_H

#include "analysis/report.h"

#include <jansson.h>

/* A new reference, or NULL without memory. */
json_t *sgl_report_to_json(const struct sgl_report *report);

#endif
