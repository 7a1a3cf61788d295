/* Scores and gradients as the policy saw them, per worker over time; shaded: it fell back. */
#include "analysis/html/plot.h"
#include "analysis/samples.h"

#include <math.h>

#define BINS SGL_DETAIL_BINS

enum signal { SCORE, THROUGHPUT, LATENCY };

static double value_of(const struct sgl_worker_moment *moment, enum signal signal)
{
    return signal == SCORE        ? moment->score
           : signal == THROUGHPUT ? moment->throughput_gradient
                                  : moment->latency_gradient;
}

/* Spans in which most rows had no gradient. */
static void shade(struct sgl_plot *plot, const struct sgl_detail *detail, enum sgl_pool pool)
{
    const double bin_s = (double)detail->bin_ns / 1e9;

    for (int b = 0; b < BINS; b++) {
        uint32_t seen = 0;
        uint32_t ungraded = 0;
        for (uint32_t w = 0; w < detail->worker_count; w++) {
            if (detail->pools[w] != pool)
                continue;
            seen += sgl_detail_moment(detail, w, b)->seen;
            ungraded += sgl_detail_moment(detail, w, b)->ungraded;
        }
        if (2 * ungraded > seen)
            sgl_plot_columns(plot, b * bin_s, (b + 1) * bin_s, "shade");
    }
}

/* The middle 98 % of the values: a few spikes are clamped, or all else would be a flat line. */
static void hold_most(struct sgl_axis *axis, struct sgl_page *page, const struct sgl_detail *detail,
                      enum sgl_pool pool, enum signal signal)
{
    struct sgl_samples magnitudes[2] = {{0}, {0}}; /* of negative values, and the others */

    for (uint32_t w = 0; w < detail->worker_count; w++)
        for (int b = 0; b < BINS && detail->pools[w] == pool; b++) {
            const double value = value_of(sgl_detail_moment(detail, w, b), signal);
            if (isfinite(value) &&
                sgl_samples_add(&magnitudes[value < 0 ? 0 : 1], fabs(value)) != SGL_OK)
                page->is_out_of_memory = true;
        }
    for (int side = 0; side < 2; side++) {
        if (sgl_samples_sort(&magnitudes[side]) != SGL_OK)
            page->is_out_of_memory = true;
        else
            sgl_axis_hold(axis,
                          (side == 0 ? -1 : 1) * sgl_samples_quantile(&magnitudes[side], 0.98));
        sgl_samples_release(&magnitudes[side]);
    }
}

static void draw(struct sgl_page *page, uint32_t arm, enum sgl_pool pool, enum signal signal)
{
    static const char *const titles[] = {"score", "throughput gradient, tokens/s²",
                                         "latency gradient, s/s"};
    const struct sgl_detail *detail = sgl_comparison_arm(page->comparison, 0, arm)->detail;
    struct sgl_plot plot = {
        .x = {0, BINS * ((double)detail->bin_ns / 1e9), false, false, "s from the first arrival",
              NULL, NULL},
        .y = {(double)INFINITY, -(double)INFINITY, false, false, "", NULL, NULL},
    };
    double times[BINS];
    double values[BINS];
    char title[96];

    hold_most(&plot.y, page, detail, pool, signal);
    sgl_axis_hold(&plot.y, 0);
    sgl_axis_settle(&plot.y);
    snprintf(title, sizeof title, "%c: %s%s", sgl_report_letter(arm), sgl_detail_pool_prefix(pool),
             titles[signal]);
    sgl_plot_begin(&plot, page, title,
                   "The last value seen in each bin of time, a line per worker; shaded where most "
                   "workers had no gradient and the policy fell back to its load.");
    shade(&plot, detail, pool);
    sgl_plot_level(&plot, 0, "zero", SGL_PLOT_NEUTRAL, "");
    for (uint32_t w = 0; w < detail->worker_count; w++) {
        if (detail->pools[w] != pool)
            continue;
        for (int b = 0; b < BINS; b++) {
            times[b] = (b + 0.5) * ((double)detail->bin_ns / 1e9);
            values[b] = value_of(sgl_detail_moment(detail, w, b), signal);
        }
        sgl_plot_line(&plot, times, values, BINS, "thin", arm);
    }
    sgl_plot_end(&plot);
}

/* The pools of pairs have a policy each: the other one's may have none. */
static bool has_gradients(const struct sgl_detail *detail, enum sgl_pool pool)
{
    for (uint32_t w = 0; w < detail->worker_count; w++)
        for (int b = 0; b < BINS && detail->pools[w] == pool; b++)
            if (!isnan(sgl_detail_moment(detail, w, b)->throughput_gradient))
                return true;
    return false;
}

void sgl_section_gradients(struct sgl_page *page)
{
    bool is_any = false;

    for (uint32_t arm = 0; arm < page->comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(page->comparison, 0, arm)->detail;
        if (detail == NULL || !detail->has_gradients)
            continue;
        if (!is_any)
            sgl_page_paragraph(
                page, "note",
                "As the policy saw them at its decisions, a line per worker, trace "
                "as recorded; grey spans: most workers had too short a history. Values "
                "beyond 98 %% of the others are drawn on the edge.");
        is_any = true;
        for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
            if (!has_gradients(detail, (enum sgl_pool)pool))
                continue;
            sgl_page_grid_begin(page);
            draw(page, arm, (enum sgl_pool)pool, SCORE);
            draw(page, arm, (enum sgl_pool)pool, THROUGHPUT);
            draw(page, arm, (enum sgl_pool)pool, LATENCY);
            sgl_page_grid_end(page);
        }
    }
    if (!is_any)
        sgl_page_paragraph(page, "note", "No policy here computes gradients.");
}
