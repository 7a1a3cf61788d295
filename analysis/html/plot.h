/*
 * plot.h - a picture of 340 by 232 units, as inline SVG that takes its colours from the page.
 *
 *     title
 *      1 |-----------------+      frame, ticks and numbers from the axes;
 *        |        ____.....| B    lines clamped to the frame, broken where a value is NaN;
 *      0 |___..---_________| A    letters at their ends, pushed apart
 *          0.1    1     10
 *               x title
 *
 * Small on purpose: a grid of such pictures is one column on a telephone and three on a desk, and
 * numbers stay readable on both. Every picture has a title and a description for those who hear it.
 */
#ifndef SGL_ANALYSIS_HTML_PLOT_H
#define SGL_ANALYSIS_HTML_PLOT_H

#include "analysis/html/page.h"

struct sgl_axis {
    double least;
    double most;
    bool is_log;
    bool is_percent; /* numbers are shares, shown in percent */
    const char *title;
    const double *ticks;           /* NULL: chosen here; else the places of tick_texts */
    const char *const *tick_texts; /* NULL after the last */
};

#define SGL_PLOT_LABELS_MAX 12

struct sgl_plot {
    struct sgl_page *page;
    struct sgl_axis x;
    struct sgl_axis y;
    struct {
        double y;
        uint32_t arm;
    } labels[SGL_PLOT_LABELS_MAX];
    uint32_t label_count;
};

/* Widens an axis to hold a value; start from {.least = INFINITY, .most = -INFINITY}. On a log axis
 * values up to 0 are passed over. */
void sgl_axis_hold(struct sgl_axis *axis, double value);

/* An axis that held nothing, or one value, becomes one that can be drawn; a linear one that is
 * nearly at 0 begins there. */
void sgl_axis_settle(struct sgl_axis *axis);

/* Draws frame and ticks. `title` and `description` are plain text, escaped here. */
void sgl_plot_begin(struct sgl_plot *plot, struct sgl_page *page, const char *title,
                    const char *description);

/* "line s0" for arm 0, "thin s0" for one of its workers. */
void sgl_plot_line(struct sgl_plot *plot, const double *x, const double *y, size_t count,
                   const char *class_name, uint32_t arm);
void sgl_plot_band(struct sgl_plot *plot, const double *x, const double *low, const double *high,
                   size_t count, uint32_t arm);

/* The arm's letter at the end of its line. */
void sgl_plot_label(struct sgl_plot *plot, double y, uint32_t arm);

void sgl_plot_dot(struct sgl_plot *plot, double x, double y, uint32_t arm);

/* A line across, with a text over its left end. */
#define SGL_PLOT_NEUTRAL UINT32_MAX /* of no arm */
void sgl_plot_level(struct sgl_plot *plot, double y, const char *class_name, uint32_t arm,
                    const char *text);

/* An area from x to x, or from y to y, over the whole frame. */
void sgl_plot_columns(struct sgl_plot *plot, double from, double to, const char *class_name);
void sgl_plot_rows(struct sgl_plot *plot, double from, double to, const char *class_name);

void sgl_plot_end(struct sgl_plot *plot);

#endif
