/*
 * summary_text.h - the figures of a run as aligned text, readable at 100 columns.
 *
 * One section = one function in summary_text.c and one line in its table of sections.
 */
#ifndef SGL_ANALYSIS_SUMMARY_TEXT_H
#define SGL_ANALYSIS_SUMMARY_TEXT_H

#include "analysis/summary.h"

#include <stdio.h>

void sgl_summary_print(FILE *out, const struct sgl_summary_result *result);

/* One line on whether the queue kept growing, without newline. Returns `out`. */
const char *sgl_saturation_text(const struct sgl_saturation_verdict *verdict, char *out,
                                size_t size);

#endif
