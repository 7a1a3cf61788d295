/*
 * input_check.h - is an input possible at all, whatever the router's state? What hangs on the state
 * (a known worker, a request that is out) the router checks itself.
 *
 * Counts are absent or within what a double holds exactly, durations within 146 years, so that sums
 * and scores made of them neither overflow nor round. All return SGL_OK or SGL_EINVAL.
 */
#ifndef SGL_CORE_INPUT_CHECK_H
#define SGL_CORE_INPUT_CHECK_H

#include "failure.h"
#include "input.h"

#define SGL_COUNT_MAX (INT64_C(1) << 53)
#define SGL_DURATION_MAX_NS (INT64_C(1) << 62)

/* The request of a route: its number, token counts and time of arrival. */
int sgl_input_check_route(const struct sgl_input *input, struct sgl_failure *failure);

/* The outcome of a complete, cancel or reject. */
int sgl_input_check_outcome(const struct sgl_input *input, struct sgl_failure *failure);

/* The report of a report_load. */
int sgl_input_check_report(const struct sgl_input *input, struct sgl_failure *failure);

#endif
