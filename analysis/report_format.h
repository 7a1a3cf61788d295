/*
 * report_format.h - numbers of a report as text, the same in all kinds of output. Each returns
 * `out`; what is unknown is "-".
 */
#ifndef SGL_ANALYSIS_REPORT_FORMAT_H
#define SGL_ANALYSIS_REPORT_FORMAT_H

#include "analysis/compare.h"

#include <stddef.h>
#include <stdio.h>

/* Four significant digits, never in exponential form between 1e-4 and 1e7. */
const char *sgl_text_number(double value, char *out, size_t size);

/* "+12.3 %", or "+0.012 ms" where there is no ratio. */
const char *sgl_text_change(const struct sgl_effect *effect, int figure, char *out, size_t size);

/* "+10.1 to +14.2 %" */
const char *sgl_text_interval(const struct sgl_effect *effect, int figure, char *out, size_t size);

/* "<0.001", "0.034" */
const char *sgl_text_p(double p_value, char *out, size_t size);

/* "60 s", "500 ms" from ns */
const char *sgl_text_duration(int64_t duration_ns, char *out, size_t size);

/* "29.38 ±0.21", with a mark for arms that are saturated. */
const char *sgl_text_level(const struct sgl_level *level, bool is_saturated, char *out,
                           size_t size);

/* "better", "worse", "= within 5 %", "~", "~ (64 needed)" */
const char *sgl_text_verdict(const struct sgl_effect *effect, double margin, char *out,
                             size_t size);

/* "label        text" and a newline, broken at blanks and commas to stay within 100 columns. */
void sgl_text_print_wrapped(FILE *out, const char *label, const char *text);

/* The same, of a text that begins at a column of its own behind a label that is printed already. */
void sgl_text_wrap(FILE *out, size_t column, const char *text);

#endif
