/*
 * residual_plot.h - what a calibration leaves over, as one SVG picture.
 *
 *     e2e          ratio              ratio               ratio     /
 *     n 100         |  . . .           | .  .  .           |     .:
 *                   |-.--.---- 1       |----.-.--- 1       |---:----- 1
 *                   | .    .           |.    .             | .:
 *                  simulated, ms      arrival, s          normal quantile
 *
 *     a row for each of e2e, ttft, tpot and queue_time that was measured
 *
 * The ratio is simulated over recorded, times since the arrival at the router: 1 is no residual,
 * and its scale is logarithmic, so twice and half are as far away. A slope over the simulated time:
 * the model's form is wrong; over the arrival: something changed while it was recorded, or queues
 * drift; off the line among the quantiles: tails that Huber's loss does not follow. The line goes
 * through the median with the slope of the robust spread, 1.4826 times the median distance from it.
 *
 * The picture stands alone: light and dark by the reader's preference, a title and a description
 * for those who hear it, no script, nothing from a network. The same input gives the same bytes.
 */
#ifndef SGL_ANALYSIS_RESIDUAL_PLOT_H
#define SGL_ANALYSIS_RESIDUAL_PLOT_H

#include "analysis/accuracy.h"

#include <stdio.h>

/* Everything is borrowed for the call. */
struct sgl_residual_plot {
    const struct sgl_recording *recording;
    const struct sgl_worker_times *times; /* of every request of the recording */
    struct sgl_row_range range;           /* what was fitted */
    int64_t first_token_is;
    const char *title;
};

/* `plot` is a struct sgl_residual_plot, as sgl_new_file_write wants it. SGL_ENOMEM: the picture is
 * not whole. */
int sgl_residual_plot_write(FILE *out, const void *plot);

#endif
