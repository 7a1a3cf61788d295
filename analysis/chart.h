/*
 * chart.h - a frame with scales and labels, as SVG: what pictures of recorded against simulated
 * share (accuracy_html.h, residual_plot.h).
 *
 *     y.to    +---------+---------+      class "axis": the lines; text as the page has it
 *        200  |---------+---------|
 *     y       |         |         |
 *     y.from  +---------+---------+
 *          x.from   10     100  x.to     numbers 16 below, the label of x 36 below and that of y
 *                      x                 SGL_CHART_SIDE to the left
 *
 * Units: the user units of the SVG that is being written.
 */
#ifndef SGL_ANALYSIS_CHART_H
#define SGL_ANALYSIS_CHART_H

#include <stdbool.h>
#include <stdio.h>

#define SGL_CHART_SIDE 50.0

/* From values to places, by the logarithm or straight. */
struct sgl_chart_scale {
    double least;
    double most;
    double from;
    double to;
    bool is_log;
};

/* Where a value lies; beyond the scale: at its end. */
double sgl_chart_place(const struct sgl_chart_scale *scale, double value);

/* Labels are plain text. */
void sgl_chart_axes(FILE *out, const struct sgl_chart_scale *x, const struct sgl_chart_scale *y,
                    const char *x_label, const char *y_label);

#endif
