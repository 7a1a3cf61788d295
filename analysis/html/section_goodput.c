/* How many requests a second meet a limit: against the limit, and against the load. */
#include "analysis/html/curves.h"
#include "analysis/html/plot.h"
#include "analysis/report_format.h"

#include <math.h>

#define KNEE_SHARE 0.9 /* DistServe (OSDI 2024) asks that 90 % of requests meet their objectives */

static double mean_of(const struct sgl_arm *arm, double (*value)(const struct sgl_run *run))
{
    double sum = 0;
    uint32_t count = 0;

    for (uint32_t r = 0; r < arm->run_count; r++) {
        const double own = value(&arm->runs[r]);
        if (isnan(own))
            continue;
        sum += own;
        count++;
    }
    return count > 0 ? sum / count : (double)NAN;
}

static double served(const struct sgl_run *run)
{
    return run->figures[SGL_FIGURE_REQUESTS];
}

static double offered(const struct sgl_run *run)
{
    return run->offered_per_s;
}

static double goodput(const struct sgl_run *run)
{
    return run->figures[SGL_FIGURE_GOODPUT];
}

static double good_share(const struct sgl_run *run)
{
    return run->good_share;
}

static double ttft_p99(const struct sgl_run *run)
{
    return run->figures[sgl_figure_of(SGL_METRIC_TTFT, SGL_STATISTIC_P99)];
}

static double e2e_mean(const struct sgl_run *run)
{
    return run->figures[sgl_figure_of(SGL_METRIC_E2E, SGL_STATISTIC_MEAN)];
}

static void draw_against_limit(struct sgl_page *page, enum sgl_metric metric)
{
    const struct sgl_comparison *comparison = page->comparison;
    struct sgl_plot plot = {
        .x = {(double)INFINITY, -(double)INFINITY, false, false, "limit, ms", NULL, NULL},
        .y = {0, 0, false, false, "", NULL, NULL},
    };
    double rates[SGL_CURVE_POINTS];
    struct sgl_curve curve;
    char title[96];

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_arm *own = sgl_comparison_arm(comparison, 0, arm);
        sgl_curve_of(&curve, own, metric);
        sgl_axis_hold(&plot.x, curve.mean[0]);
        sgl_axis_hold(&plot.x, curve.mean[SGL_CURVE_POINTS - 2]);
        sgl_axis_hold(&plot.y, mean_of(own, served));
    }
    plot.x.is_log = plot.x.least > 0 && plot.x.most / plot.x.least > 20;
    sgl_axis_settle(&plot.x);
    sgl_axis_settle(&plot.y);
    snprintf(title, sizeof title, "requests/s with %s within the limit", sgl_metric_name(metric));
    sgl_plot_begin(&plot, page, title, "Goodput over every limit one might state, per policy.");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_arm *own = sgl_comparison_arm(comparison, 0, arm);
        const double rate = mean_of(own, served);
        sgl_curve_of(&curve, own, metric);
        for (int i = 0; i < SGL_CURVE_POINTS; i++)
            rates[i] = rate * sgl_curve_probability(i);
        sgl_plot_line(&plot, curve.mean, rates, SGL_CURVE_POINTS, "line", arm);
    }
    sgl_plot_end(&plot);
}

static void draw_against_load(struct sgl_page *page, const char *title, bool is_percent,
                              bool is_log, double (*value)(const struct sgl_run *run))
{
    enum { LOADS_MAX = 64 };
    const struct sgl_comparison *comparison = page->comparison;
    const uint32_t loads = comparison->load_count < LOADS_MAX ? comparison->load_count : LOADS_MAX;
    struct sgl_plot plot = {
        .x = {(double)INFINITY, -(double)INFINITY, false, false, "requests/s offered", NULL, NULL},
        .y = {(double)INFINITY, -(double)INFINITY, is_log, is_percent, "", NULL, NULL},
    };
    double x[LOADS_MAX] = {0};
    double y[LOADS_MAX] = {0};

    for (uint32_t load = 0; load < loads; load++)
        for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
            sgl_axis_hold(&plot.x, mean_of(sgl_comparison_arm(comparison, load, arm), offered));
            sgl_axis_hold(&plot.y, mean_of(sgl_comparison_arm(comparison, load, arm), value));
        }
    if (is_percent) {
        sgl_axis_hold(&plot.y, 0);
        sgl_axis_hold(&plot.y, 1);
    }
    sgl_axis_settle(&plot.x);
    sgl_axis_settle(&plot.y);
    sgl_plot_begin(&plot, page, title, "One point per load, the mean over runs; lines join them.");
    if (is_percent)
        sgl_plot_level(&plot, KNEE_SHARE, "rule", SGL_PLOT_NEUTRAL, "90 %");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        for (uint32_t load = 0; load < loads; load++) {
            x[load] = mean_of(sgl_comparison_arm(comparison, load, arm), offered);
            y[load] = mean_of(sgl_comparison_arm(comparison, load, arm), value);
            sgl_plot_dot(&plot, x[load], y[load], arm);
        }
        /* Loads come as they were asked for; lines want them in order. */
        for (uint32_t i = 1; i < loads; i++)
            for (uint32_t k = i; k > 0 && x[k] < x[k - 1]; k--) {
                const double swapped[2] = {x[k], y[k]};
                x[k] = x[k - 1];
                y[k] = y[k - 1];
                x[k - 1] = swapped[0];
                y[k - 1] = swapped[1];
            }
        sgl_plot_line(&plot, x, y, loads, "line", arm);
        if (loads > 0)
            sgl_plot_label(&plot, y[loads - 1], arm);
    }
    sgl_plot_end(&plot);
}

/* The knee: the highest load up to which 90 % of the requests meet their objectives, linear between
 * the loads tried. */
static void print_knee(struct sgl_page *page, uint32_t arm)
{
    const struct sgl_comparison *comparison = page->comparison;
    double best = (double)NAN; /* highest load tried that meets it */
    double above = (double)NAN;
    double best_share = 0;
    double above_share = 0;

    for (uint32_t load = 0; load < comparison->load_count; load++) {
        const struct sgl_arm *own = sgl_comparison_arm(comparison, load, arm);
        const double rate = mean_of(own, offered);
        const double share = mean_of(own, good_share);
        if (share >= KNEE_SHARE && !(best >= rate)) {
            best = rate;
            best_share = share;
        }
    }
    for (uint32_t load = 0; load < comparison->load_count; load++) {
        const struct sgl_arm *own = sgl_comparison_arm(comparison, load, arm);
        const double rate = mean_of(own, offered);
        if (mean_of(own, good_share) < KNEE_SHARE && rate > best && !(above <= rate)) {
            above = rate;
            above_share = mean_of(own, good_share);
        }
    }
    sgl_page_print(page, "<p>");
    sgl_page_arm(page, arm);
    if (isnan(best))
        sgl_page_print(page, ": fewer than 90 %% of the requests meet the objectives at every load "
                             "tried.</p>\n");
    else if (isnan(above))
        sgl_page_print(page,
                       ": the knee lies above the loads tried: at %.3g requests/s %.1f %% "
                       "meet the objectives.</p>\n",
                       best, 100 * best_share);
    else
        sgl_page_print(page,
                       ": 90 %% of the requests meet the objectives up to %.3g requests/s "
                       "(linear between %.3g and %.3g).</p>\n",
                       best +
                           (best_share - KNEE_SHARE) / (best_share - above_share) * (above - best),
                       best, above);
}

void sgl_section_goodput(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;
    const bool has_objectives = sgl_objectives_any(&page->report->objectives);

    sgl_page_print(page, "<h3>Against the limit</h3>\n");
    sgl_page_grid_begin(page);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (m != SGL_METRIC_QUEUE_TIME && sgl_metric_is_measured(comparison, 0, (enum sgl_metric)m))
            draw_against_limit(page, (enum sgl_metric)m);
    sgl_page_grid_end(page);
    sgl_page_print(page, "<h3>Against the load</h3>\n");
    if (comparison->load_count < 2) {
        sgl_page_paragraph(page, "note",
                           "One load was run: --rate-scale 1,2,4 draws what happens between, and "
                           "finds the knee where --slo states objectives.");
        return;
    }
    sgl_page_grid_begin(page);
    if (has_objectives) {
        draw_against_load(page, "goodput, requests/s", false, false, goodput);
        draw_against_load(page, "requests meeting objectives, %", true, false, good_share);
    }
    draw_against_load(page, "ttft p99, ms", false, true, ttft_p99);
    draw_against_load(page, "e2e mean, ms", false, true, e2e_mean);
    sgl_page_grid_end(page);
    for (uint32_t arm = 0; arm < comparison->arm_count && has_objectives; arm++)
        print_knee(page, arm);
    if (!has_objectives)
        sgl_page_paragraph(page, "note", "No --slo was stated: there is no goodput and no knee.");
}
