/* Distribution functions, and their upper tails on logarithmic scales. */
#include "analysis/html/curves.h"
#include "analysis/html/plot.h"

#include <math.h>

/* The least share above a value that the tail shows. */
#define TAIL_LEAST 1e-4

static struct sgl_axis value_axis(const struct sgl_page *page, enum sgl_metric metric,
                                  const char *title)
{
    struct sgl_axis axis = {(double)INFINITY, -(double)INFINITY, false, false, title, NULL, NULL};
    struct sgl_curve curve;

    for (uint32_t arm = 0; arm < page->comparison->arm_count; arm++) {
        sgl_curve_of(&curve, sgl_comparison_arm(page->comparison, 0, arm), metric);
        sgl_axis_hold(&axis, curve.least[1]);
        sgl_axis_hold(&axis, curve.mean[SGL_CURVE_POINTS - 2]);
    }
    axis.is_log = axis.least > 0 && axis.most / axis.least > 20;
    sgl_axis_settle(&axis);
    return axis;
}

static void draw(struct sgl_page *page, enum sgl_metric metric, bool is_tail)
{
    const struct sgl_comparison *comparison = page->comparison;
    char title[96];
    struct sgl_plot plot = {.x = value_axis(page, metric, "ms")};
    double shares[SGL_CURVE_POINTS];
    struct sgl_curve curve;

    if (is_tail && !plot.x.is_log && plot.x.least > 0)
        plot.x.is_log = true;
    plot.y = is_tail ? (struct sgl_axis){TAIL_LEAST, 1, true, true, "", NULL, NULL}
                     : (struct sgl_axis){0, 1, false, true, "", NULL, NULL};
    for (int i = 0; i < SGL_CURVE_POINTS; i++)
        shares[i] =
            is_tail ? fmax(1 - sgl_curve_probability(i), i == SGL_CURVE_POINTS - 1 ? TAIL_LEAST : 0)
                    : sgl_curve_probability(i);
    snprintf(title, sizeof title, is_tail ? "%s: %% of %s above" : "%s: %% of %s up to",
             sgl_metric_name(metric), metric == SGL_METRIC_ITL ? "gaps" : "requests");
    sgl_plot_begin(&plot, page, title,
                   is_tail ? "Share above each value, both axes logarithmic; one line per policy, "
                             "the mean over runs."
                           : "Share up to each value; one line per policy, the mean over runs, "
                             "with the range of the runs behind it.");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        sgl_curve_of(&curve, sgl_comparison_arm(comparison, 0, arm), metric);
        if (curve.is_empty)
            continue;
        /* A range between curves of x over a common y is drawn as y over x of its two edges. */
        for (int edge = 0; edge < 2; edge++)
            sgl_plot_line(&plot, edge == 0 ? curve.least : curve.most, shares, SGL_CURVE_POINTS - 1,
                          "thin", arm);
        sgl_plot_line(&plot, curve.mean, shares, SGL_CURVE_POINTS - 1, "line", arm);
    }
    sgl_plot_end(&plot);
}

void sgl_section_distributions(struct sgl_page *page)
{
    sgl_page_paragraph(page, "note",
                       "First load. Thick: each quantile's mean over the runs; thin: the least and "
                       "the most of any run. The tails end where one request in 10,000 is left. "
                       "itl is of gaps between two tokens, of which a request has many; its "
                       "quantiles are known to 0.8 %%.");
    sgl_page_pairs_begin(page);
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        if (sgl_metric_is_measured(page->comparison, 0, (enum sgl_metric)m)) {
            draw(page, (enum sgl_metric)m, false);
            draw(page, (enum sgl_metric)m, true);
        }
    sgl_page_grid_end(page);
}
