/*
 * accuracy_html.h - recorded against simulated as one page: tables, distributions, residuals.
 *
 *     per metric   share of requests below a time: recorded (line), simulated (dashed)
 *                  simulated / recorded of each request, over its arrival
 *
 * The page is self-contained: inline SVG and CSS, no script, nothing from a network, light and dark
 * by the reader's preference. What came from the user or a trace is escaped. The same input gives
 * the same bytes.
 */
#ifndef SGL_ANALYSIS_ACCURACY_HTML_H
#define SGL_ANALYSIS_ACCURACY_HTML_H

#include "analysis/accuracy.h"

#include <stdio.h>

/* Everything is borrowed for the call. */
struct sgl_accuracy_page {
    const struct sgl_accuracy *accuracy;
    const struct sgl_recording *recording;
    const struct sgl_worker_times *times; /* of every request of the recording */
    struct sgl_row_range range;
    int64_t first_token_is;
    const char *title;
    const char *const *lines; /* what was compared, and notes; each a paragraph */
    size_t line_count;
};

void sgl_accuracy_write_html(FILE *out, const struct sgl_accuracy_page *page);

#endif
