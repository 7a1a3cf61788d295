/*
 * Shift functions: by how much each quantile differs from the baseline's, with its paired interval
 * (Doksum, "Empirical probability plots", Annals of Statistics 2, 1974; Rousselet, Pernet and
 * Wilcox, "Beyond differences in means", European J. Neuroscience 46, 2017).
 */
#include "analysis/html/curves.h"
#include "analysis/html/plot.h"
#include "analysis/stats_mean.h"

#include <math.h>
#include <stdlib.h>

#define POINTS 22
#define MEDIAN 9 /* its place */

/* 5 %, 10 % ... 95 %, 99 %, 99.9 %, as places on the curve. */
static int point_of(int i)
{
    return i < 19 ? 5 * (i + 1) : i == 19 ? 99 : i == 20 ? 108 : 117;
}

struct shift {
    double change[POINTS];
    double low[POINTS];
    double high[POINTS];
};

static void shift_of(struct shift *shift, const struct sgl_arm *a, const struct sgl_arm *b,
                     enum sgl_metric metric, bool is_paired, double *ratios)
{
    const uint32_t runs = a->run_count < b->run_count ? a->run_count : b->run_count;

    for (int i = 0; i < POINTS; i++) {
        uint32_t count = 0;
        for (uint32_t r = 0; r < runs; r++) {
            const double left = a->runs[r].curves[metric][point_of(i)];
            const double right = b->runs[r].curves[metric][point_of(i)];
            if (left > 0 && right > 0)
                ratios[count++] = log(right / left);
        }
        const struct sgl_mean_test test = sgl_mean_test(ratios, count);
        shift->change[i] = expm1(test.mean);
        shift->low[i] = is_paired ? expm1(test.low) : (double)NAN;
        shift->high[i] = is_paired ? expm1(test.high) : (double)NAN;
    }
}

static void draw(struct sgl_page *page, enum sgl_metric metric, double *ratios)
{
    static const double ticks[] = {1, 5, 9, 13, 17, 19, 20, 21};
    static const char *const tick_texts[] = {"10", "30", "50", "70", "90", "99", "", "", NULL};
    const struct sgl_comparison *comparison = page->comparison;
    const struct sgl_arm *baseline = sgl_comparison_arm(comparison, 0, 0);
    const bool is_paired = baseline->run_count > 1;
    struct sgl_plot plot = {
        .x = {0, POINTS - 1, false, false, "percentile", ticks, tick_texts},
        .y = {-2 * comparison->margin, 2 * comparison->margin, false, true, "", NULL, NULL},
    };
    double places[POINTS];
    struct shift shift;
    char title[64];

    for (int i = 0; i < POINTS; i++)
        places[i] = i;
    for (uint32_t arm = 1; arm < comparison->arm_count; arm++) {
        shift_of(&shift, baseline, sgl_comparison_arm(comparison, 0, arm), metric, is_paired,
                 ratios);
        /* From the median on: a ratio of two waits of next to nothing may be anything, and says
         * nothing. */
        for (int i = MEDIAN; i < POINTS; i++) {
            sgl_axis_hold(&plot.y, shift.change[i]);
            if (i < POINTS - 2) {
                sgl_axis_hold(&plot.y, shift.low[i]);
                sgl_axis_hold(&plot.y, shift.high[i]);
            }
        }
    }
    snprintf(title, sizeof title, "%s: change in %%", sgl_metric_name(metric));
    sgl_plot_begin(&plot, page, title,
                   "Change of each quantile against the baseline, with its 95 % interval; the grey "
                   "band is the margin.");
    sgl_plot_rows(&plot, 1 / (1 + comparison->margin) - 1, comparison->margin, "margin");
    sgl_plot_level(&plot, 0, "zero", SGL_PLOT_NEUTRAL, "");
    for (uint32_t arm = 1; arm < comparison->arm_count; arm++) {
        shift_of(&shift, baseline, sgl_comparison_arm(comparison, 0, arm), metric, is_paired,
                 ratios);
        sgl_plot_band(&plot, places, shift.low, shift.high, POINTS, arm);
        sgl_plot_line(&plot, places, shift.change, POINTS, "line", arm);
        sgl_plot_label(&plot, shift.change[POINTS - 1], arm);
    }
    sgl_plot_end(&plot);
}

void sgl_section_shifts(struct sgl_page *page)
{
    uint32_t most = 1;

    for (uint32_t arm = 0; arm < page->comparison->arm_count; arm++)
        if (sgl_comparison_arm(page->comparison, 0, arm)->run_count > most)
            most = sgl_comparison_arm(page->comparison, 0, arm)->run_count;
    double *ratios = malloc(most * sizeof *ratios);
    if (ratios == NULL) {
        page->is_out_of_memory = true;
        return;
    }
    sgl_page_paragraph(page, "note",
                       "Shift functions, first load: below 0 a policy is faster than A at that "
                       "percentile. Bands: 95 %% paired t intervals over the runs, pointwise and "
                       "not adjusted. Percentiles by fives, then 99, 99.9 and 99.99; what lies off "
                       "the frame below the median is drawn on its edge.");
    sgl_page_grid_begin(page);
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        if (sgl_metric_is_measured(page->comparison, 0, (enum sgl_metric)m))
            draw(page, (enum sgl_metric)m, ratios);
    sgl_page_grid_end(page);
    free(ratios);
}
